//! What a dialogue model does with the dialogues of a file, in figures: perplexity, Hits@1, F1.

use std::collections::{BTreeSet, HashMap};

use super::Measures;
use super::files::DialogueFile;
use super::reply::{Decoding, text_of};
use crate::data::conversation::{Example, candidates};
use crate::error::{Error, Result};
use crate::eval::Bootstrap;
use crate::eval::dialogue::{Candidate, Choice, Hits, Likelihood, Perplexity, Replies, Reply, f1};
use crate::generate::{Candidates, Prompt, generate_along, log_probabilities_along};
use crate::model::DialogueModel;
use crate::recipe::{Observer, ProgressEvent};
use crate::report::dialogue_evaluation::{DialogueEvaluation, ReplyRow};
use crate::text::prompt::dialogue::{Context, Sequence};
use crate::train::dialogue::{at, context, likelihoods, said, sequences};

/// A model that is measured.
pub(super) struct Measurement<'a> {
    pub(super) model: &'a DialogueModel,
    pub(super) decoding: Decoding,
    pub(super) bootstrap: Option<Bootstrap>,
    pub(super) observer: &'a dyn Observer,
}

impl Measurement<'_> {
    /// Measures the model by a file, and tells of each reply; how near they are to personas is for
    /// others to say.
    pub(super) fn evaluate(
        &self,
        name: &str,
        file: &DialogueFile,
        measures: Measures,
    ) -> Result<(DialogueEvaluation, Vec<ReplyRow>)> {
        let examples = examples_of(file);
        let row = |(dialogue, example): (usize, &Example)| ReplyRow {
            dialogue: dialogue + 1,
            line: example.conversation.place.number(),
            reply: example.place + 1,
            gold: example.reply().text.clone(),
            ..ReplyRow::default()
        };
        let all = examples.iter().enumerate();
        let all = all.flat_map(|(number, own)| own.iter().map(move |example| (number, example)));
        let mut rows: Vec<ReplyRow> = all.map(row).collect();
        let mut evaluation = DialogueEvaluation {
            name: name.into(),
            data: file.path.display().to_string(),
            dialogues: file.dialogues.len(),
            replies: rows.len(),
            ..DialogueEvaluation::default()
        };
        if rows.is_empty() {
            return Err(Error::data(&file.path, "no own utterance is there to be judged by"));
        }
        if measures.perplexity {
            let (found, cut) = self.perplexity(file, &mut rows)?;
            (evaluation.perplexity, evaluation.cut) = (Some(found), cut);
        }
        if measures.hits {
            evaluation.hits = Some(self.hits(file, &examples, &mut rows)?);
            evaluation.candidates_sha256 = Some(candidates::hash(&file.dialogues));
        }
        if measures.f1 || measures.persona {
            self.generate(file, &examples, &mut rows)?;
        }
        if measures.f1 {
            evaluation.generated = Some(self.generated(&examples, &mut rows));
        }
        Ok((evaluation, rows))
    }

    /// How well the replies are predicted, and how many utterances of the history found no room.
    fn perplexity(
        &self,
        file: &DialogueFile,
        rows: &mut [ReplyRow],
    ) -> Result<(Perplexity, usize)> {
        let mut all = Vec::new();
        let mut cut = 0;
        for dialogue in &file.dialogues {
            let sequences = sequences(self.model, &file.path, dialogue)?;
            cut += sequences.iter().map(|sequence| sequence.cut).sum::<usize>();
            all.extend(Sequence::joined(sequences));
        }
        let tokens = all.iter().flat_map(|one| one.replies.iter().map(ExactSizeIterator::len));
        let tokens: Vec<usize> = tokens.collect();
        let mut likelihood = Vec::with_capacity(rows.len());
        for ((row, nll), tokens) in rows.iter_mut().zip(likelihoods(self.model, &all)?).zip(tokens)
        {
            likelihood.push(Likelihood::of(row.dialogue, &row.gold, nll, tokens));
            (row.nll, row.tokens) = (Some(nll), Some(tokens));
        }
        Ok((Perplexity::of(&likelihood, self.bootstrap), cut))
    }

    /// How often replies are found among their candidates.
    fn hits(
        &self,
        file: &DialogueFile,
        examples: &[Vec<Example>],
        rows: &mut [ReplyRow],
    ) -> Result<Hits> {
        let prompts = candidates_of(self.model, file, examples)?;
        let mut progress = self.progress("Hits@1", rows.len());
        let scores = log_probabilities_along(self.model.model(), &prompts, &mut progress)?;
        let alone = self.unconditional(examples.iter().flatten())?;
        let mut choices = Vec::with_capacity(rows.len());
        let scored = examples.iter().flatten().zip(scores.into_iter().flatten());
        for ((example, scores), row) in scored.zip(rows) {
            let candidate = |(text, scores): (&String, Vec<f64>)| {
                let (end, words) = scores.split_last().unwrap_or((&f64::NAN, &[]));
                Candidate {
                    text: text.clone(),
                    tokens: words.len(),
                    log_probability: words.iter().sum(),
                    end: *end,
                    unconditional: alone.get(text.as_str()).copied(),
                }
            };
            let candidates = example.reply().candidates.iter().zip(scores).map(candidate);
            let choice = Choice { dialogue: row.dialogue, candidates: candidates.collect() };
            row.hit = Some(choice.is_found());
            choices.push(choice);
        }
        Ok(Hits::of(&choices, self.bootstrap))
    }

    /// The log-probability of each different candidate with its end, after no persona and no
    /// history.
    fn unconditional<'e>(
        &self,
        examples: impl Iterator<Item = &'e Example<'e>>,
    ) -> Result<HashMap<&'e str, f64>> {
        const AT_ONCE: usize = 32;
        let texts: BTreeSet<&str> =
            examples.flat_map(|one| one.reply().candidates.iter().map(String::as_str)).collect();
        let texts: Vec<&str> = texts.into_iter().collect();
        let encode = |texts: &[&str]| -> Result<Candidates> {
            let (prompt, replies) = self.model.encoder().candidates(&Context::default(), texts)?;
            Ok((prompt.into(), replies))
        };
        let prompts: Vec<Candidates> = texts.chunks(AT_ONCE).map(encode).collect::<Result<_>>()?;
        let mut progress = self.progress("candidates without context", prompts.len());
        let scores = log_probabilities_along(self.model.model(), &[prompts], &mut progress)?;
        let scores = scores.into_iter().flatten().flatten().map(|scores| scores.iter().sum());
        Ok(texts.into_iter().zip(scores).collect())
    }

    /// What the model says after the histories as they were.
    fn generate(
        &self,
        file: &DialogueFile,
        examples: &[Vec<Example>],
        rows: &mut [ReplyRow],
    ) -> Result<()> {
        let prompts = prompts_of(self.model, &self.decoding, file, examples)?;
        let settings = self.decoding.settings(self.model);
        let mut progress = self.progress("replies", rows.len());
        let found = generate_along(self.model.model(), &prompts, &settings, &mut progress)?;
        for (row, replies) in rows.iter_mut().zip(found.into_iter().flatten()) {
            row.text = Some(text_of(self.model, &replies)?);
        }
        Ok(())
    }

    /// What the replies are like.
    fn generated(&self, examples: &[Vec<Example>], rows: &mut [ReplyRow]) -> Replies {
        for row in &mut *rows {
            row.f1 = row.text.as_deref().map(|text| f1(text, &row.gold));
        }
        let replies: Vec<Reply> = rows
            .iter()
            .zip(examples.iter().flatten())
            .map(|(row, example)| Reply {
                dialogue: row.dialogue,
                text: row.text.as_deref().unwrap_or_default(),
                gold: &row.gold,
                persona: &example.conversation.persona,
            })
            .collect();
        Replies::of(&replies, self.bootstrap)
    }

    /// Tells of work as it goes.
    fn progress(&self, what: &'static str, total: usize) -> impl FnMut(usize) {
        let mut done = 0;
        move |more| {
            done += more;
            self.observer.tell(ProgressEvent::Done { what, done, total });
        }
    }
}

/// Lays out all that a model is asked about a file, so that what does not fit is found before hours
/// of work.
///
/// # Errors
/// If a prompt leaves no room for a reply; the error names its dialogue's place.
pub(super) fn check(
    model: &DialogueModel,
    decoding: &Decoding,
    measures: Measures,
    file: &DialogueFile,
) -> Result<()> {
    let examples = examples_of(file);
    if measures.hits {
        candidates_of(model, file, &examples)?;
    }
    if measures.f1 {
        prompts_of(model, decoding, file, &examples)?;
    }
    Ok(())
}

/// The replies of each dialogue.
fn examples_of(file: &DialogueFile) -> Vec<Vec<Example<'_>>> {
    file.dialogues.iter().map(|dialogue| dialogue.examples().collect()).collect()
}

/// What is before each reply, and its candidates.
fn candidates_of(
    model: &DialogueModel,
    file: &DialogueFile,
    examples: &[Vec<Example>],
) -> Result<Vec<Vec<Candidates>>> {
    let of_example = |example: &Example| -> Result<Candidates> {
        let history = said(example);
        let context = context(model, example.conversation, &history);
        let found = model.encoder().candidates(&context, &example.reply().candidates);
        let (prompt, replies) =
            found.map_err(|error| at(&file.path, example.conversation, error))?;
        Ok((prompt.into(), replies))
    };
    examples.iter().map(|own| own.iter().map(of_example).collect()).collect()
}

/// What is before each reply, with room for the longest that is generated.
fn prompts_of(
    model: &DialogueModel,
    decoding: &Decoding,
    file: &DialogueFile,
    examples: &[Vec<Example>],
) -> Result<Vec<Vec<Prompt>>> {
    let of_example = |example: &Example| {
        let history = said(example);
        let context = context(model, example.conversation, &history);
        let prompt = model.encoder().prompt(&context, decoding.max_new_tokens);
        prompt.map(Into::into).map_err(|error| at(&file.path, example.conversation, error))
    };
    examples.iter().map(|own| own.iter().map(of_example).collect()).collect()
}
