//! The reward of a speaker's utterances for a persona (the paper's Algorithm 1 and the discounted sum over it): value
//! vectors in, numbers out.
//!
//! For an utterance u_t, the persona sentence m_t is the one whose value vector V has the largest dot product with
//! V(u_t), both scaled to length 1, so that the similarity s_t is a cosine; the reward is R = Σ_t γ^t r_t with t from 0.
//!
//! How r_t comes from s_t differs in two forms. The listing in the paper starts the search for m_t at -1 and takes only
//! what exceeds it, so that m_t can stay unset, and its r_t has no bound as s_t comes near 0 from below: there we read
//! r_t = 1 / s_t for s_t < 0. A dialogue's reward is then the one utterance that is hardly against the persona (s_t = -0.01
//! gives -100, and s_t = -1 only -1), and being less against it is punished more. The bounded form, which is the default,
//! is r_t = s_t with the first of the nearest sentences as m_t: it is set whenever there is a persona, |r_t| <= 1, and r_t
//! never falls when s_t rises.

use serde::Serialize;

use crate::eval::{Bootstrap, Interval};
use crate::seed::{Purpose, Stream};
use crate::value::{Profile, Value};

/// The discount that is taken where none is named. Ours.
pub const GAMMA: f64 = 0.95;

/// How the reward of an utterance comes from its similarity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// It is the similarity.
    #[default]
    Bounded,
    /// As the paper prints it.
    Literal,
}

/// What an utterance is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// m_t: the persona sentence nearest to it, by its place; none if there is none above the start of the search.
    pub matched: Option<usize>,
    /// s_t: the cosine of their value vectors, in [-1, 1]; 0 for a vector of zeros, -1 without a match.
    pub similarity: f64,
    /// r_t.
    pub reward: f64,
}

/// What a dialogue is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Reward {
    /// Its utterances.
    pub turns: Vec<Turn>,
    /// R, the discounted sum.
    pub total: f64,
}

impl Reward {
    /// The reward of utterances for a persona, discounted by `gamma` in [0, 1] from one to the next.
    pub fn of(persona: &[Profile], utterances: &[Profile], gamma: f64, form: Form) -> Self {
        let persona: Vec<Unit> = persona.iter().map(unit).collect();
        let turns: Vec<Turn> =
            utterances.iter().map(|utterance| turn(&persona, &unit(utterance), form)).collect();
        let total = turns.iter().rev().fold(0.0, |later, turn| turn.reward + gamma * later);
        Self { turns, total }
    }

    /// The mean of r_t; not a number without utterances.
    pub fn mean(&self) -> f64 {
        self.turns.iter().map(|turn| turn.reward).sum::<f64>() / self.turns.len() as f64
    }
}

/// A value vector of length 1, or of zeros.
type Unit = [f64; Value::COUNT];

fn unit(profile: &Profile) -> Unit {
    let wide = profile.map(f64::from);
    let length = wide.iter().map(|utility| utility * utility).sum::<f64>().sqrt();
    if length > 0.0 { wide.map(|utility| utility / length) } else { wide }
}

/// Algorithm 1, the search for m_t.
fn turn(persona: &[Unit], utterance: &Unit, form: Form) -> Turn {
    let (mut matched, mut similarity) = (None, -1.0);
    for (place, sentence) in persona.iter().enumerate() {
        let dot: f64 = sentence.iter().zip(utterance).map(|(a, b)| a * b).sum();
        let dot = dot.clamp(-1.0, 1.0); // rounding
        if dot > similarity || (form == Form::Bounded && matched.is_none()) {
            (matched, similarity) = (Some(place), dot);
        }
    }
    let reward = match form {
        Form::Literal if similarity < 0.0 => 1.0 / similarity,
        _ => similarity,
    };
    Turn { matched, similarity, reward }
}

/// For each dialogue another one whose persona it is given: the next with another persona in a random order. None if all
/// personas are the same.
pub fn strangers(personas: &[Vec<String>], seed: u64) -> Option<Vec<usize>> {
    let mut kinds: Vec<Vec<&str>> =
        personas.iter().map(|persona| persona.iter().map(String::as_str).collect()).collect();
    kinds.iter_mut().for_each(|kind| kind.sort_unstable()); // the order of the sentences makes no other persona
    let mut order: Vec<usize> = (0..personas.len()).collect();
    Stream::new(seed, Purpose::Persona, 0).shuffle(&mut order);
    let mut strangers = vec![0; personas.len()];
    for (place, &own) in order.iter().enumerate() {
        let mut others = (1..order.len()).map(|step| order[(place + step) % order.len()]);
        strangers[own] = others.find(|&other| kinds[other] != kinds[own])?;
    }
    Some(strangers)
}

/// A mean over dialogues with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Level {
    /// The mean.
    pub mean: f64,
    /// Its percentile interval over dialogues; none for one dialogue.
    pub interval: Option<Interval>,
}

/// How a figure of the same dialogues differs between their own personas and others'.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// With their own personas.
    pub own: Level,
    /// With the personas of others.
    pub shuffled: Level,
    /// Own minus shuffled, dialogue by dialogue.
    pub difference: Level,
    /// The share of dialogues that are worth more with their own persona; equal ones count a half.
    pub won: f64,
}

impl Difference {
    /// Compares two figures of each dialogue, of which there is at least one.
    pub fn of(own: &[f64], shuffled: &[f64], bootstrap: Bootstrap) -> Self {
        let differences: Vec<f64> = own.iter().zip(shuffled).map(|(own, other)| own - other).collect();
        let points = |difference: &f64| match difference.total_cmp(&0.0) {
            _ if *difference == 0.0 => 0.5,
            order => f64::from(u8::from(order.is_gt())),
        };
        let won = differences.iter().map(points).sum::<f64>() / differences.len() as f64;
        let level = |figures: &[f64]| level(figures, bootstrap);
        Self { own: level(own), shuffled: level(shuffled), difference: level(&differences), won }
    }
}

/// The mean of a figure over dialogues, of which there is at least one.
pub fn level(figures: &[f64], bootstrap: Bootstrap) -> Level {
    let mean = figures.iter().sum::<f64>() / figures.len() as f64;
    let weighted = |weights: &[u32]| {
        let sum: f64 = figures.iter().zip(weights).map(|(figure, weight)| figure * f64::from(*weight)).sum();
        sum / figures.len() as f64
    };
    let drawn = || Interval::of(bootstrap.draw(figures.len(), weighted));
    Level { mean, interval: (figures.len() > 1).then(drawn).flatten() }
}
