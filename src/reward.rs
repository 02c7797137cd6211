//! The reward of a speaker's utterances for a persona (the paper's Algorithm 1): value vectors in,
//! numbers out.
//!
//! For an utterance x_t, the persona sentence m_t is the one whose value vector V has the largest
//! dot product with V(x_t), both scaled to length 1, and r_t is that dot product, a cosine. γ_i is
//! 1 and one more for each utterance of the whole dialogue that matches sentence i: a count, no
//! parameter, so that repeating one fact pays less. With N persona sentences, R = (1/N) Σ_t
//! sign(r_t) |r_t|^(sign(r_t) γ_{m_t}).
//!
//! That is the literal form. Its search begins at -1 and takes only what exceeds it, so that m_t is
//! unset where every cosine is -1; the listing then counts for a γ_{-1} that it does not define.
//! Here no γ is counted and the term is -1, which 1 to any power gives. Its terms have no bound as
//! r_t comes near 0 from below, so that one utterance that is hardly against the persona outweighs
//! all others, and being less against it is punished more.
//!
//! The bounded form, which is the default and the one to train on, has the same counts, and the
//! terms r^γ for r >= 0 and -|r|^(1/γ) below: within [-1, 1], never falling when r rises, and never
//! rising with γ. Its m_t is set whenever there is a persona.

pub mod alignment;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::eval::{Bootstrap, Interval};
use crate::seed::{Purpose, Stream};

/// What an utterance adds to the sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// r^γ for r >= 0, -|r|^(1/γ) below. Ours.
    #[default]
    Bounded,
    /// sign(r) |r|^(sign(r) γ), as the paper prints it.
    Literal,
}

impl Form {
    /// The term of an utterance with this `r`, in [-1, 1], whose sentence has this `gamma`, at
    /// least 1. In the literal form it is minus infinity where it exceeds what a double holds.
    pub fn term(self, r: f64, gamma: usize) -> f64 {
        let gamma = gamma as f64;
        match self {
            _ if r == 0.0 => 0.0,
            _ if r > 0.0 => r.powf(gamma),
            Form::Bounded => -(-r).powf(1.0 / gamma),
            Form::Literal => -(-r).powf(-gamma),
        }
    }
}

/// How rewards come to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RewardSettings {
    /// The form of the terms.
    pub form: Form,
    /// Whether a mean was subtracted from the vectors.
    pub center: bool,
}

/// What an utterance is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// m_t: the persona sentence nearest to it, the first of equals, by its place; `None` if
    /// no dot product exceeds the start of the search.
    pub matched: Option<usize>,
    /// r_t: the cosine of their value vectors, in [-1, 1]; 0 for a vector of zeros, -1 without a
    /// match.
    pub r: f64,
    /// γ of the matched sentence: one more than the utterances of this dialogue that match it.
    pub gamma: Option<usize>,
    /// What it adds to the sum.
    pub term: f64,
}

/// What a dialogue is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Reward {
    /// Its utterances.
    pub turns: Vec<Turn>,
    /// How many utterances match each persona sentence.
    pub matches: Vec<usize>,
}

impl Reward {
    /// The reward of utterances for a persona, by their value vectors, of any length (zeros may be
    /// left out at their ends).
    pub fn of<P: AsRef<[f64]>, U: AsRef<[f64]>>(
        persona: &[P],
        utterances: &[U],
        form: Form,
    ) -> Self {
        let persona: Vec<Vec<f64>> =
            persona.iter().map(|sentence| unit(sentence.as_ref())).collect();
        let nearest: Vec<(Option<usize>, f64)> = utterances
            .iter()
            .map(|utterance| search(&persona, &unit(utterance.as_ref()), form))
            .collect();
        let mut matches = vec![0; persona.len()];
        nearest.iter().filter_map(|(matched, _)| *matched).for_each(|place| matches[place] += 1);
        let turn = |(matched, r): (Option<usize>, f64)| {
            let gamma = matched.map(|place| 1 + matches[place]);
            Turn { matched, r, gamma, term: form.term(r, gamma.unwrap_or(1)) }
        };
        Self { turns: nearest.into_iter().map(turn).collect(), matches }
    }

    /// R, as the paper returns it: the sum of all terms by the number of persona sentences. NaN
    /// without a persona.
    pub fn total(&self) -> f64 {
        self.sum() / self.matches.len() as f64
    }

    /// The sum by the number of utterances, which dialogues of any length can be compared by. NaN
    /// without any.
    pub fn per_turn(&self) -> f64 {
        self.sum() / self.turns.len() as f64
    }

    /// The mean of r_t. NaN without utterances.
    pub fn mean_r(&self) -> f64 {
        self.turns.iter().map(|turn| turn.r).sum::<f64>() / self.turns.len() as f64
    }

    fn sum(&self) -> f64 {
        self.turns.iter().map(|turn| turn.term).sum()
    }
}

/// The same vector at length 1; a vector of zeros stays.
fn unit(vector: &[f64]) -> Vec<f64> {
    let length = length(vector);
    let divisor = if length > 0.0 { length } else { 1.0 };
    vector.iter().map(|utility| utility / divisor).collect()
}

/// The Euclidean length.
fn length(vector: &[f64]) -> f64 {
    vector.iter().fold(0.0, |length, &utility| utility.hypot(length))
}

/// The search for m_t, and r_t.
fn search(persona: &[Vec<f64>], utterance: &[f64], form: Form) -> (Option<usize>, f64) {
    let (mut matched, mut r) = (None, -1.0);
    for (place, sentence) in persona.iter().enumerate() {
        let dot: f64 = sentence.iter().zip(utterance).map(|(a, b)| a * b).sum();
        let dot = dot.clamp(-1.0, 1.0); // rounding
        if dot > r || (form == Form::Bounded && matched.is_none()) {
            (matched, r) = (Some(place), dot);
        }
    }
    (matched, r)
}

/// The mean of value vectors, to be subtracted from others before they are scaled: the vectors of a
/// value model share a direction, which makes the cosine of any two of them large.
#[derive(Debug, Clone, PartialEq)]
pub struct Center(Vec<f64>);

/// What is left of a vector beside its center, as a share of its length, if it is the center but
/// for rounding.
const ROUNDING: f64 = 1e-12;

impl Center {
    /// The mean of vectors of one length. None if there are none.
    pub fn of<V: AsRef<[f64]>>(vectors: impl IntoIterator<Item = V>) -> Option<Self> {
        let mut sum: Vec<f64> = Vec::new();
        let mut count = 0u64;
        for vector in vectors {
            let vector = vector.as_ref();
            sum.resize(sum.len().max(vector.len()), 0.0);
            sum.iter_mut().zip(vector).for_each(|(sum, utility)| *sum += utility);
            count += 1;
        }
        (count > 0).then(|| Self(sum.into_iter().map(|sum| sum / count as f64).collect()))
    }

    /// A vector of the same length without the mean: zeros if it is the mean but for rounding,
    /// which must not be scaled up to a direction.
    pub fn subtract_from(&self, vector: &[f64]) -> Vec<f64> {
        let left: Vec<f64> =
            vector.iter().zip(&self.0).map(|(utility, mean)| utility - mean).collect();
        if length(&left) > ROUNDING * length(vector) { left } else { vec![0.0; left.len()] }
    }
}

/// For each dialogue another one whose persona it is given: the next with another persona in a
/// random order. None if all personas are the same.
pub fn shuffled_personas(personas: &[Vec<String>], seed: u64) -> Option<Vec<usize>> {
    let kinds = kinds(personas);
    let mut order: Vec<usize> = (0..personas.len()).collect();
    Stream::new(seed, Purpose::Persona, 0).shuffle(&mut order);
    let mut shuffled_personas = vec![0; personas.len()];
    for (place, &own) in order.iter().enumerate() {
        let mut others = (1..order.len()).map(|step| order[(place + step) % order.len()]);
        shuffled_personas[own] = others.find(|&other| kinds[other] != kinds[own])?;
    }
    Some(shuffled_personas)
}

/// What tells personas apart: their sentences, whose order makes no other persona.
fn kinds(personas: &[Vec<String>]) -> Vec<Vec<&str>> {
    let mut kinds: Vec<Vec<&str>> =
        personas.iter().map(|persona| persona.iter().map(String::as_str).collect()).collect();
    kinds.iter_mut().for_each(|kind| kind.sort_unstable());
    kinds
}

/// A mean over dialogues with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DialogueMean {
    /// The mean.
    pub mean: f64,
    /// Its percentile interval over dialogues; none for one dialogue.
    pub interval: Option<Interval>,
}

/// How a figure of the same dialogues differs between their own personas and others'.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PersonaDifference {
    /// With their own personas.
    pub own: DialogueMean,
    /// With the personas of others.
    pub shuffled: DialogueMean,
    /// Own minus shuffled, dialogue by dialogue.
    pub difference: DialogueMean,
    /// The share of dialogues that are worth more with their own persona; equal ones count a half.
    pub won: f64,
}

impl PersonaDifference {
    /// Compares two figures of each dialogue, of which there is at least one.
    pub fn of(own: &[f64], shuffled: &[f64], bootstrap: Bootstrap) -> Self {
        let differences: Vec<f64> =
            own.iter().zip(shuffled).map(|(own, other)| own - other).collect();
        let points = |(own, other): (&f64, &f64)| match own.total_cmp(other) {
            _ if own == other => 0.5,
            order => f64::from(u8::from(order.is_gt())),
        };
        let won = own.iter().zip(shuffled).map(points).sum::<f64>() / differences.len() as f64;
        let level = |figures: &[f64]| level(figures, bootstrap);
        Self { own: level(own), shuffled: level(shuffled), difference: level(&differences), won }
    }
}

/// What the same dialogues are worth with their own personas and with others'.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PersonaComparison {
    /// How many dialogues.
    pub dialogues: usize,
    /// What decided whose persona each is given.
    pub seed: u64,
    /// R/N.
    pub reward: PersonaDifference,
    /// R/T.
    pub per_turn: PersonaDifference,
    /// The means of r_t.
    pub mean_r: PersonaDifference,
}

impl PersonaComparison {
    /// Compares what the same dialogues, of which there is at least one, are worth with their own
    /// personas and with those that `seed` gave them.
    pub fn of(own: &[Reward], shuffled: &[Reward], seed: u64, bootstrap: Bootstrap) -> Self {
        let difference = |figure: fn(&Reward) -> f64| {
            let [own, shuffled] =
                [own, shuffled].map(|rewards| rewards.iter().map(figure).collect::<Vec<f64>>());
            PersonaDifference::of(&own, &shuffled, bootstrap)
        };
        Self {
            dialogues: own.len(),
            seed,
            reward: difference(Reward::total),
            per_turn: difference(Reward::per_turn),
            mean_r: difference(Reward::mean_r),
        }
    }
}

/// The mean of a figure over dialogues, of which there is at least one.
pub fn level(figures: &[f64], bootstrap: Bootstrap) -> DialogueMean {
    let mean = figures.iter().sum::<f64>() / figures.len() as f64;
    let weighted = |weights: &[u32]| {
        let sum: f64 =
            figures.iter().zip(weights).map(|(figure, weight)| figure * f64::from(*weight)).sum();
        sum / figures.len() as f64
    };
    let drawn = || Interval::of(bootstrap.draw(figures.len(), weighted));
    DialogueMean { mean, interval: (figures.len() > 1).then(drawn).flatten() }
}
