//! What dialogues are worth for their speakers' personas: vectors centred, rewards summed, own
//! personas beside others'.

use std::path::Path;

use serde_json::Value as Json;

use crate::data::dialogue::{Dialogue, Vector};
use crate::error::{Error, Result};
use crate::eval::Bootstrap;
use crate::report::rewards::{Comparison, Settings};
use crate::reward::{Center, Form, Reward, strangers};

/// How dialogues are rewarded.
#[derive(Debug, Clone, Copy)]
pub struct RewardRequest {
    /// The form of the terms.
    pub form: Form,
    /// Whether the mean vector of all persona sentences is subtracted from all vectors.
    pub center: bool,
    /// The seed by which dialogues are given others' personas too, if they are.
    pub against_shuffled: Option<u64>,
    /// How many bootstrap replicates the intervals of that comparison are made of.
    pub bootstrap: u32,
}

/// What comes of it.
#[derive(Debug)]
pub struct Rewarded {
    /// How the rewards came to be.
    pub settings: Settings,
    /// The reward of each dialogue with its own persona.
    pub own: Vec<Reward>,
    /// How they differ from those with others' personas, if that was asked.
    pub comparison: Option<Comparison>,
}

/// Rewards the dialogues of a file, whose sentences have the vectors that `vector` gives. The mean
/// to subtract is that of `center_on`, if it is named.
///
/// # Errors
/// If there is no other persona to compare with.
pub fn reward<T: Clone + Into<Json>>(
    file: &Path,
    dialogues: &[Dialogue<T>],
    center_on: Option<&[T]>,
    request: RewardRequest,
    vector: impl Fn(&T) -> Vector,
) -> Result<Rewarded> {
    let personas = || dialogues.iter().flat_map(|dialogue| &dialogue.persona);
    let center = match center_on {
        Some(sentences) => Center::of(sentences.iter().map(&vector)),
        None if request.center => Center::of(personas().map(&vector)),
        None => None,
    };
    let settings = Settings { form: request.form, center: center.is_some() };
    let vectors = |sentences: &[T]| -> Vec<Vector> {
        let centred = |vector: Vector| match &center {
            Some(center) => center.subtract_from(&vector),
            None => vector,
        };
        sentences.iter().map(|sentence| centred(vector(sentence))).collect()
    };
    let of = |persona: &Dialogue<T>, said: &Dialogue<T>| {
        Reward::of(&vectors(&persona.persona), &vectors(&said.utterances), settings.form)
    };
    let own: Vec<Reward> = dialogues.iter().map(|dialogue| of(dialogue, dialogue)).collect();
    let Some(seed) = request.against_shuffled else {
        return Ok(Rewarded { settings, own, comparison: None });
    };
    let kind = |sentence: &T| sentence.clone().into().to_string();
    let kinds: Vec<Vec<String>> =
        dialogues.iter().map(|dialogue| dialogue.persona.iter().map(kind).collect()).collect();
    let others = strangers(&kinds, seed).ok_or_else(|| {
        Error::data(file, "there is only one persona, and none to compare it with")
    })?;
    let pairs = dialogues.iter().zip(others);
    let shuffled: Vec<Reward> = pairs.map(|(said, other)| of(&dialogues[other], said)).collect();
    let bootstrap = Bootstrap { replicates: request.bootstrap, seed: 1 };
    let comparison = Some(Comparison::of(&own, &shuffled, seed, bootstrap));
    Ok(Rewarded { settings, own, comparison })
}
