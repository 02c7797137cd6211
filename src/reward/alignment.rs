//! How near what speakers say is to their personas, and how much nearer than to others': the
//! rewards of a dialogue's utterances with its own persona and with another's, and the own one's
//! rank among several.
//!
//! The utterances are what was said in a file, or what a model says in its place. Personas and
//! utterances come as value vectors. The form of the reward is the bounded one.

use serde::{Deserialize, Serialize};

use super::{Form, Reward, kinds, shuffled_personas};
use crate::eval::Bootstrap;
use crate::eval::dialogue::Estimate;
use crate::seed::{Purpose, Stream};

/// How many personas the own one is ranked among, itself included, if there are so many.
pub const PERSONAS: usize = 20;

/// The personas that each dialogue's own one is held against, by the places of their dialogues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opponents {
    /// For each dialogue the one whose persona is "another's".
    others: Vec<usize>,
    /// For each dialogue those whose personas its own one is ranked among.
    rivals: Vec<Vec<usize>>,
    seed: u64,
}

impl Opponents {
    /// Draws for each dialogue one with another persona, as [`shuffled_personas`] does, and at most
    /// so many rivals, all with different personas. None if all personas are the same.
    pub fn draw(personas: &[Vec<String>], rivals: usize, seed: u64) -> Option<Self> {
        let others = shuffled_personas(personas, seed)?;
        let kinds = kinds(personas);
        let mut seen = std::collections::HashSet::new();
        let is_first = |dialogue: &usize| seen.insert(&kinds[*dialogue]);
        let different: Vec<usize> = (0..kinds.len()).filter(is_first).collect();
        let rivals_of = |dialogue: usize| {
            let is_other = |other: &usize| kinds[*other] != kinds[dialogue];
            let mut drawn: Vec<usize> = different.iter().copied().filter(is_other).collect();
            Stream::new(seed, Purpose::Persona, 1 + dialogue as u64).shuffle(&mut drawn);
            drawn.truncate(rivals);
            drawn
        };
        let rivals = (0..kinds.len()).map(rivals_of).collect();
        Some(Self { others, rivals, seed })
    }

    /// How many personas each own one is ranked among, itself included.
    pub fn personas(&self) -> usize {
        1 + self.rivals.first().map_or(0, Vec::len)
    }
}

/// What the utterances of a dialogue are worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Aligned {
    /// With its own persona.
    pub own: Reward,
    /// With another's.
    pub other: Reward,
    /// The own persona's rank by the mean of r_t, from 1 for the highest; equal ones count a half.
    pub rank: f64,
    /// Whether it is first: 1, or 0, or 1/k where k are equally near and none is nearer.
    pub first: f64,
}

impl Aligned {
    /// Rewards the utterances of a dialogue, by its place among those of these personas. There is
    /// at least one utterance, and a sentence in each persona.
    pub fn of<V: AsRef<[f64]>>(
        personas: &[Vec<V>],
        dialogue: usize,
        utterances: &[V],
        opponents: &Opponents,
    ) -> Self {
        let with = |other: usize| Reward::of(&personas[other], utterances, Form::Bounded);
        let own = with(dialogue);
        let rivals = opponents.rivals[dialogue].iter();
        let rivals: Vec<f64> = rivals.map(|&rival| with(rival).mean_r()).collect();
        let count = |is: &dyn Fn(f64) -> bool| rivals.iter().filter(|r| is(**r)).count() as f64;
        let r = own.mean_r();
        let (above, beside) = (count(&|rival| rival > r), count(&|rival| rival == r));
        Self {
            own,
            other: with(opponents.others[dialogue]),
            rank: 1.0 + above + beside / 2.0,
            first: if above > 0.0 { 0.0 } else { 1.0 / (1.0 + beside) },
        }
    }
}

/// A figure of the same utterances with their own personas and with others', means over dialogues.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OwnAndOther {
    /// With their own personas.
    pub own: Estimate,
    /// With the personas of others.
    pub other: Estimate,
    /// Own minus other, dialogue by dialogue.
    pub difference: Estimate,
}

impl OwnAndOther {
    /// From the figure of each dialogue with its own persona and with another's.
    fn of(figures: &[[f64; 2]], bootstrap: Option<Bootstrap>) -> Self {
        let mean =
            |figure: fn(&[f64; 2]) -> f64| Estimate::mean(figures.iter().map(figure), bootstrap);
        Self {
            own: mean(|[own, _]| *own),
            other: mean(|[_, other]| *other),
            difference: mean(|[own, other]| own - other),
        }
    }
}

/// How near utterances are to their speakers' personas.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Alignment {
    /// The mean of r_t.
    pub r: OwnAndOther,
    /// R/N, the paper's.
    pub reward: OwnAndOther,
    /// R/T.
    pub per_turn: OwnAndOther,
    /// The share of dialogues whose mean r_t is higher with their own persona than with another's;
    /// equal ones count a half.
    pub won: Estimate,
    /// The mean rank of the own persona.
    pub rank: Estimate,
    /// How often it is first, a share.
    pub first: Estimate,
}

impl Alignment {
    /// Gathers dialogues, of which there is at least one.
    pub fn of(dialogues: &[Aligned], bootstrap: Option<Bootstrap>) -> Self {
        let figure = |figure: fn(&Reward) -> f64| {
            let both = dialogues.iter().map(|it| [figure(&it.own), figure(&it.other)]);
            OwnAndOther::of(&both.collect::<Vec<_>>(), bootstrap)
        };
        let mean =
            |figure: fn(&Aligned) -> f64| Estimate::mean(dialogues.iter().map(figure), bootstrap);
        Self {
            r: figure(Reward::mean_r),
            reward: figure(Reward::total),
            per_turn: figure(Reward::per_turn),
            won: mean(|it| match it.own.mean_r() - it.other.mean_r() {
                0.0 => 0.5,
                difference => f64::from(u8::from(difference > 0.0)),
            }),
            rank: mean(|it| it.rank),
            first: mean(|it| it.first),
        }
    }
}

/// How near a model's replies are to the personas, beside what was said in their place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PersonaAlignment {
    /// The dialogues.
    pub dialogues: usize,
    /// How many personas the own one is ranked among, itself included.
    pub personas: usize,
    /// What decided which those are, and which is "another's".
    pub seed: u64,
    /// Of what was said.
    pub said: Alignment,
    /// Of the model's replies.
    pub model: Alignment,
    /// The mean of r_t of the replies minus that of what was said, dialogue by dialogue.
    pub change: OwnAndOther,
}

impl PersonaAlignment {
    /// Gathers the same dialogues, of which there is at least one, as they were and as the model
    /// speaks in them.
    pub fn of(
        said: &[Aligned],
        model: &[Aligned],
        opponents: &Opponents,
        bootstrap: Option<Bootstrap>,
    ) -> Self {
        let r = |it: &Aligned| [it.own.mean_r(), it.other.mean_r()];
        let change = said.iter().zip(model).map(|(said, model)| {
            let ([a, b], [c, d]) = (r(said), r(model));
            [c - a, d - b]
        });
        Self {
            dialogues: said.len(),
            personas: opponents.personas(),
            seed: opponents.seed,
            said: Alignment::of(said, bootstrap),
            model: Alignment::of(model, bootstrap),
            change: OwnAndOther::of(&change.collect::<Vec<_>>(), bootstrap),
        }
    }
}
