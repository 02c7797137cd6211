//! Replies of a model's own, drawn to be learned from or to be looked at.

use std::path::PathBuf;

use crate::data::conversation::{Conversation, Example};
use crate::error::Result;
use crate::generate::sampling::Sampling;
use crate::generate::{self, Generator, Reply, Search, generate_along};
use crate::model::DialogueModel;
use crate::seed::mixed_index;
use crate::text::prompt::dialogue::{Context, Prompt, Said};
use crate::train::dialogue::{at, context, said};

/// A dialogue whose turns can be replied to.
#[derive(Debug, Clone)]
pub struct RolloutDialogue {
    /// The file that it is from.
    pub path: PathBuf,
    /// Itself.
    pub conversation: Conversation,
    /// The persona of another one.
    pub other: Vec<String>,
}

/// A drawn reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drawn {
    /// The number of the own turn, from 0.
    pub(super) turn: usize,
    /// The number of the sample, from 0.
    pub(super) sample: usize,
    /// The token ids, with the one that ends it if it was ended.
    pub(super) ids: Vec<u32>,
    /// The log-probability of each token.
    pub(super) log_probabilities: Vec<f64>,
    /// What it says; none if it was not ended, or says nothing.
    pub(super) text: Option<String>,
}

/// The drawn replies of a dialogue, behind what each was drawn after.
#[derive(Debug, Clone, Default)]
pub(super) struct Rolled {
    pub(super) answered: Vec<(Prompt, Vec<Drawn>)>,
}

impl Rolled {
    /// All replies, in order.
    pub(super) fn drawn(&self) -> impl Iterator<Item = &Drawn> {
        self.answered.iter().flat_map(|(_, drawn)| drawn)
    }

    /// What is said in the dialogue that the samples with this number make.
    pub(super) fn utterances(&self, sample: usize) -> Vec<Option<&str>> {
        let own = self.drawn().filter(|drawn| drawn.sample == sample);
        own.map(|drawn| drawn.text.as_deref()).collect()
    }
}

/// Draws replies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Roller<'a> {
    /// What replies.
    pub(super) model: &'a DialogueModel,
    /// How many tokens a reply has at most.
    pub(super) max_new_tokens: usize,
    /// The seed of what is drawn.
    pub(super) seed: u64,
    /// What tells the draws of this time from all others.
    pub(super) time: u64,
}

/// Who draws: part of what tells draws apart.
const OWN: u64 = 0;
const PARTNER: u64 = 1;

impl Roller<'_> {
    /// The prompt of each own turn after what was said.
    ///
    /// # Errors
    /// If one does not fit into the model; the error names the dialogue's place.
    pub(super) fn prompts(&self, dialogue: &RolloutDialogue) -> Result<Vec<Prompt>> {
        let RolloutDialogue { path, conversation, .. } = dialogue;
        let of_example = |example: Example| {
            let history = said(&example);
            let context = context(self.model, conversation, &history);
            let prompt = self.model.encoder().prompt(&context, self.max_new_tokens);
            prompt.map_err(|error| at(path, conversation, error))
        };
        conversation.examples().map(of_example).collect()
    }

    fn settings(&self, search: Search) -> generate::Settings {
        generate::Settings {
            search,
            max_tokens: self.max_new_tokens,
            ends: self.model.ends(),
            no_repeat_ngram: 0,
            seed: self.seed,
        }
    }

    fn stream(&self, dialogue: usize, turn: usize, who: u64) -> u64 {
        mixed_index(&[self.time, dialogue as u64, turn as u64, who])
    }

    fn drawn(&self, turn: usize, sample: usize, reply: Reply) -> Result<Drawn> {
        let text = self.model.decode(reply.text())?;
        let is_whole = reply.is_finished && !text.is_empty();
        let Reply { ids, log_probabilities, .. } = reply;
        Ok(Drawn { turn, sample, ids, log_probabilities, text: is_whole.then_some(text) })
    }

    /// Replies to what was said in these dialogues, each with its number.
    pub(super) fn after_history(
        &self,
        dialogues: &[(usize, &RolloutDialogue)],
        search: Search,
    ) -> Result<Vec<Rolled>> {
        let prompts: Vec<Vec<Prompt>> =
            dialogues.iter().map(|(_, one)| self.prompts(one)).collect::<Result<_>>()?;
        let asked = dialogues.iter().zip(&prompts).map(|((number, _), own)| {
            let asked = own.iter().enumerate().map(|(turn, prompt)| generate::Prompt {
                stream: self.stream(*number, turn, OWN),
                ..prompt.clone().into()
            });
            asked.collect::<Vec<_>>()
        });
        let asked: Vec<Vec<generate::Prompt>> = asked.collect();
        let settings = self.settings(search);
        let found = generate_along(self.model.model(), &asked, &settings, &mut |_| {})?;
        let of_dialogue = |(prompts, found): (Vec<Prompt>, Vec<Vec<Reply>>)| {
            let turns = prompts.into_iter().zip(found).enumerate();
            let answered = turns.map(|(turn, (prompt, replies))| {
                let replies = replies.into_iter().enumerate();
                let drawn = replies.map(|(sample, reply)| self.drawn(turn, sample, reply));
                Ok((prompt, drawn.collect::<Result<_>>()?))
            });
            Ok(Rolled { answered: answered.collect::<Result<_>>()? })
        };
        prompts.into_iter().zip(found).map(of_dialogue).collect()
    }

    /// Replies in `samples` dialogues for each of these, in which `partner` speaks for the partner
    /// after the first own turn, with the partner's persona if it is known. They have as many own
    /// turns.
    pub(super) fn in_selfplay(
        &self,
        partner: &DialogueModel,
        dialogues: &[(usize, &RolloutDialogue)],
        samples: usize,
    ) -> Result<Vec<Rolled>> {
        let mut plays: Vec<Play> = Vec::new();
        for (place, (number, dialogue)) in dialogues.iter().enumerate() {
            let conversation = &dialogue.conversation;
            let Some(first) = conversation.examples().next() else { continue };
            for sample in 0..samples {
                let said = said(&first).into_iter();
                let said = said.map(|said| (said.own, said.text.to_string())).collect();
                let turns = conversation.examples().count();
                plays.push(Play { place, number: *number, dialogue, sample, turns, said });
            }
        }
        let search = Search::Sample(Sampling::default(), 1);
        let settings = self.settings(search);
        // Of each dialogue and sample.
        let mut rolled: Vec<Vec<Rolled>> =
            dialogues.iter().map(|_| vec![Rolled::default(); samples]).collect();
        let (own, other) = (Generator::new(self.model.model()), Generator::new(partner.model()));
        for turn in 0.. {
            let live: Vec<usize> =
                (0..plays.len()).filter(|&play| turn < plays[play].turns).collect();
            if live.is_empty() {
                break;
            }
            if turn > 0 {
                let speaks = Speaks { model: partner, generator: &other, turn, who: PARTNER };
                for (play, (_, reply)) in self.spoken(&plays, &live, speaks, &settings)? {
                    let text = partner.decode(reply.text())?;
                    plays[play].said.push((false, text));
                }
            }
            let speaks = Speaks { model: self.model, generator: &own, turn, who: OWN };
            for (play, (prompt, reply)) in self.spoken(&plays, &live, speaks, &settings)? {
                let Play { place, sample, .. } = plays[play];
                plays[play].said.push((true, self.model.decode(reply.text())?));
                let drawn = self.drawn(turn, sample, reply)?;
                rolled[place][sample].answered.push((prompt, vec![drawn]));
            }
        }
        let joined = |samples: Vec<Rolled>| Rolled {
            answered: samples.into_iter().flat_map(|sample| sample.answered).collect(),
        };
        Ok(rolled.into_iter().map(joined).collect())
    }

    /// What a model says next in each play that goes on, and what it says it after.
    fn spoken(
        &self,
        plays: &[Play],
        live: &[usize],
        speaks: Speaks,
        settings: &generate::Settings,
    ) -> Result<Vec<(usize, (Prompt, Reply))>> {
        let prompt = |&number: &usize| {
            let play = &plays[number];
            let is_own = speaks.who == OWN;
            let conversation = &play.dialogue.conversation;
            let persona =
                if is_own { &conversation.persona } else { &conversation.partner_persona };
            let history: Vec<Said> =
                play.said.iter().map(|(own, text)| Said { own: *own == is_own, text }).collect();
            let told = is_own && speaks.model.is_told_emotions();
            let emotion = conversation.emotion.as_deref().filter(|_| told);
            let context = Context { persona, emotion, history: &history, ..Context::default() };
            let prompt = speaks.model.encoder().prompt(&context, self.max_new_tokens);
            prompt.map_err(|error| at(&play.dialogue.path, conversation, error))
        };
        let prompts: Vec<Prompt> = live.iter().map(prompt).collect::<Result<_>>()?;
        let asked = live.iter().zip(&prompts).map(|(&number, prompt)| {
            let Play { number, sample, .. } = plays[number];
            let stream = self.stream(number, speaks.turn, speaks.who);
            let stream = mixed_index(&[stream, sample as u64]);
            generate::Prompt { stream, ..prompt.clone().into() }
        });
        let found = speaks.generator.generate(&asked.collect::<Vec<_>>(), settings)?;
        let replies = found.into_iter().map(|mut replies| replies.swap_remove(0));
        Ok(live.iter().copied().zip(prompts.into_iter().zip(replies)).collect())
    }
}

/// A dialogue that is being played.
struct Play<'a> {
    /// The place of its dialogue among those that are played.
    place: usize,
    number: usize,
    dialogue: &'a RolloutDialogue,
    sample: usize,
    turns: usize,
    /// Whether the own speaker says it, and what.
    said: Vec<(bool, String)>,
}

/// Whose turn it is in all plays.
#[derive(Clone, Copy)]
struct Speaks<'a> {
    model: &'a DialogueModel,
    generator: &'a Generator<'a>,
    turn: usize,
    who: u64,
}
