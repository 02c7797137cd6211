//! Replies to dialogues: all of a file's, or one after the other in a conversation.

use std::fmt;
use std::path::Path;

use crate::config::DialogueSettings;
use crate::data::conversation::Conversation;
use crate::error::Result;
use crate::generate::sampling::Sampling;
use crate::generate::{Generator, Prompt, Reply, Search, Settings, generate};
use crate::model::DialogueModel;
use crate::text::prompt::dialogue::{Context, Said};
use crate::train::dialogue::{at, context, said_of};

/// How replies are decoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decoding {
    /// How tokens are chosen.
    pub search: Search,
    /// How many tokens a reply has at most.
    pub max_new_tokens: usize,
    /// No so many tokens behind each other stand twice in a reply; 0 allows it.
    pub no_repeat_ngram_size: usize,
    /// Decides what is drawn.
    pub seed: u64,
}

impl Decoding {
    /// As a configuration says.
    pub(super) fn of(settings: &DialogueSettings) -> Self {
        let DialogueSettings { max_new_tokens, num_beams, no_repeat_ngram_size, .. } = *settings;
        let search = match num_beams {
            1 => Search::Greedy,
            beams => Search::Beam { beams, length_penalty: 1.0 },
        };
        Self { search, max_new_tokens, no_repeat_ngram_size, seed: 1 }
    }

    /// The same for a model, whose replies end as its layout says, or with its own end tokens.
    pub(super) fn settings(&self, model: &DialogueModel) -> Settings {
        Settings {
            search: self.search,
            max_tokens: self.max_new_tokens,
            ends: model.ends(),
            no_repeat_ngram: self.no_repeat_ngram_size,
            seed: self.seed,
        }
    }
}

impl fmt::Display for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.search {
            Search::Greedy => write!(f, "greedy")?,
            Search::Beam { beams, length_penalty } => {
                write!(f, "{beams} beams, length penalty {length_penalty}")?;
            }
            Search::Sample(Sampling { temperature, top_k, top_p }, _) => {
                write!(f, "sampled, temperature {temperature}")?;
                top_k.map_or(Ok(()), |most| write!(f, ", top-k {most}"))?;
                top_p.map_or(Ok(()), |least| write!(f, ", top-p {least}"))?;
                write!(f, ", seed {}", self.seed)?;
            }
        }
        write!(f, ", at most {} tokens", self.max_new_tokens)?;
        match self.no_repeat_ngram_size {
            0 => Ok(()),
            size => write!(f, ", no {size}-gram twice"),
        }
    }
}

/// The text of the first of some replies.
pub(super) fn text_of(model: &DialogueModel, replies: &[Reply]) -> Result<String> {
    replies.first().map_or(Ok(String::new()), |reply| model.decode(reply.text()))
}

/// What the own speaker says next in each dialogue of a file: one reply, or as many as are sampled.
///
/// # Errors
/// If a dialogue does not fit into the model, which is named by file and line, or the model fails.
pub fn reply_all(
    model: &DialogueModel,
    file: &Path,
    dialogues: &[Conversation],
    decoding: &Decoding,
) -> Result<Vec<Vec<String>>> {
    let prompt = |(number, dialogue): (usize, &Conversation)| {
        let history: Vec<Said> = dialogue.turns.iter().map(said_of).collect();
        let context = context(model, dialogue, &history);
        let laid = model.encoder().prompt(&context, decoding.max_new_tokens);
        let laid = laid.map_err(|error| at(file, dialogue, error))?;
        Ok(Prompt { stream: number as u64, ..Prompt::from(laid) })
    };
    let prompts: Vec<Prompt> = dialogues.iter().enumerate().map(prompt).collect::<Result<_>>()?;
    let found = generate(model.model(), &prompts, &decoding.settings(model))?;
    let texts =
        |replies: &Vec<Reply>| replies.iter().map(|reply| model.decode(reply.text())).collect();
    found.iter().map(texts).collect()
}

/// A conversation as it goes.
#[derive(Debug)]
pub struct Chat<'m> {
    model: &'m DialogueModel,
    generator: Generator<'m>,
    persona: Vec<String>,
    decoding: Decoding,
    spoken: Vec<Spoken>,
}

/// What was said in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// Whether the model said it.
    pub own: bool,
    /// What was said.
    pub text: String,
}

impl<'m> Chat<'m> {
    /// A conversation with a model that has this persona.
    pub fn new(model: &'m DialogueModel, persona: Vec<String>, decoding: Decoding) -> Self {
        let generator = Generator::new(model.model());
        Self { model, generator, persona, decoding, spoken: Vec::new() }
    }

    /// Sentences about the model.
    pub fn persona(&self) -> &[String] {
        &self.persona
    }

    /// What was said so far.
    pub fn spoken(&self) -> &[Spoken] {
        &self.spoken
    }

    /// What the model says to this.
    ///
    /// # Errors
    /// If the persona alone is too long for the model, or the model fails.
    pub fn say(&mut self, text: &str) -> Result<&str> {
        self.spoken.push(Spoken { own: false, text: text.trim().into() });
        let history: Vec<Said> =
            self.spoken.iter().map(|it| Said { own: it.own, text: &it.text }).collect();
        let context = Context { persona: &self.persona, history: &history, ..Context::default() };
        let laid = self.model.encoder().prompt(&context, self.decoding.max_new_tokens)?;
        let prompt = Prompt { stream: self.spoken.len() as u64, ..Prompt::from(laid) };
        let settings = self.decoding.settings(self.model);
        let replies = self.generator.generate(&[prompt], &settings)?;
        let text = text_of(self.model, replies.first().map_or(&[], Vec::as_slice))?;
        self.spoken.push(Spoken { own: true, text });
        Ok(self.spoken.last().map_or("", |spoken| &spoken.text))
    }
}
