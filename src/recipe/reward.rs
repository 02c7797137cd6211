//! What dialogues are worth for their speakers' personas: vectors centred, rewards summed, own
//! personas beside others'.

use std::path::Path;

use serde_json::Value as Json;

use crate::data::dialogue::{Dialogue, Vector};
use crate::error::{Error, Result};
use crate::eval::Bootstrap;
use crate::reward::{Center, Form, PersonaComparison, Reward, RewardSettings, shuffled_personas};

/// Dialogues that have been rewarded.
#[derive(Debug)]
pub struct Rewarded {
    /// How.
    pub settings: RewardSettings,
    /// The reward of each with its own persona.
    pub rewards: Vec<Reward>,
    /// Their vectors, centred if that was asked.
    vectors: Vec<Dialogue<Vector>>,
}

/// The mean vector of all persona sentences, to be subtracted from all vectors. None if there is no
/// sentence.
pub fn center(dialogues: &[Dialogue<Vector>]) -> Option<Center> {
    Center::of(dialogues.iter().flat_map(|dialogue| &dialogue.persona))
}

/// Rewards dialogues of value vectors, from which `center` is subtracted if there is one.
pub fn reward(mut vectors: Vec<Dialogue<Vector>>, center: Option<&Center>, form: Form) -> Rewarded {
    if let Some(center) = center {
        for one in &mut vectors {
            for vector in one.persona.iter_mut().chain(&mut one.utterances) {
                *vector = center.subtract_from(vector);
            }
        }
    }
    let rewards = vectors.iter().map(|one| Reward::of(&one.persona, &one.utterances, form));
    let settings = RewardSettings { form, center: center.is_some() };
    Rewarded { settings, rewards: rewards.collect(), vectors }
}

impl Rewarded {
    /// Compares the rewards with those under the personas that `seed` gives to others. `dialogues`
    /// are the same ones as the file has them, of texts or vectors: they tell which personas are
    /// the same.
    ///
    /// # Errors
    /// If there is only one persona.
    pub fn against_shuffled<T: Clone + Into<Json>>(
        &self,
        file: &Path,
        dialogues: &[Dialogue<T>],
        seed: u64,
        bootstrap: Bootstrap,
    ) -> Result<PersonaComparison> {
        let kind = |sentence: &T| sentence.clone().into().to_string();
        let kinds = dialogues.iter().map(|dialogue| dialogue.persona.iter().map(kind).collect());
        let kinds: Vec<Vec<String>> = kinds.collect();
        let others = shuffled_personas(&kinds, seed).ok_or_else(|| {
            Error::data(file, "there is only one persona, and none to compare it with")
        })?;
        let shuffled: Vec<Reward> = self
            .vectors
            .iter()
            .zip(others)
            .map(|(said, other)| {
                let persona = &self.vectors[other].persona;
                Reward::of(persona, &said.utterances, self.settings.form)
            })
            .collect();
        Ok(PersonaComparison::of(&self.rewards, &shuffled, seed, bootstrap))
    }
}
