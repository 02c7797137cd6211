//! What rewards a model's own replies: a value model, or a program.

mod program;

use candle_core::Device;

use program::Program;

use crate::data::dialogue::Vector;
use crate::error::{Error, Result};
use crate::nn::precision::Precision;
use crate::recipe::vectors::ValueVectors;
use crate::recipe::{Site, open_model};
use crate::reward::{Center, Form, Reward};
use crate::train::Checkpoint;
use crate::train::reinforce::{ReinforceSettings, Rewarder, RolloutDialogue, Spoken, Worth};

/// What rewards as the settings say.
pub(super) fn open(
    settings: &ReinforceSettings,
    train: &[RolloutDialogue],
    device: &Device,
    precision: Precision,
    site: Site,
) -> Result<Box<dyn Rewarder>> {
    if settings.is_of_program() {
        return Ok(Box::new(Program::start(&settings.command, settings.timeout)?));
    }
    let model = open_model(&settings.run, Checkpoint::Best, device, precision)?;
    let (mut vectors, form) = (ValueVectors::new(model), settings.form);
    let mut center = None;
    if settings.center {
        site.note("the personas are scored, to center vectors");
        let sentences = || {
            let all = train.iter().flat_map(|one| &one.conversation.persona);
            all.map(String::as_str)
        };
        vectors.read(sentences(), &mut |_, _| {})?;
        center = vectors.center(sentences());
    }
    Ok(Box::new(Values { vectors, center, form }))
}

/// The paper's Algorithm 1 with a value model, which scores each text once.
struct Values {
    vectors: ValueVectors,
    center: Option<Center>,
    form: Form,
}

impl Rewarder for Values {
    /// An utterance that was not ended, or says nothing, adds the least there is, -1, and matches
    /// no sentence of the persona.
    fn worth(&mut self, dialogues: &[Spoken]) -> Result<Vec<Worth>> {
        let texts = dialogues.iter().flat_map(|spoken| {
            let persona = spoken.persona.iter().map(String::as_str);
            persona.chain(spoken.utterances.iter().copied().flatten())
        });
        self.vectors.read(texts, &mut |_, _| {})?;
        let vector = |text: &str| self.vectors.of(text, self.center.as_ref());
        let worth = |spoken: &Spoken| {
            let persona: Vec<Vector> = spoken.persona.iter().map(|text| vector(text)).collect();
            let said: Vec<Vector> =
                spoken.utterances.iter().flatten().map(|text| vector(text)).collect();
            let reward = Reward::of(&persona, &said, self.form);
            let mut terms = reward.turns.iter().map(|turn| turn.term);
            let part = |said: &Option<&str>| match said {
                Some(_) => terms.next().unwrap_or(0.0) / persona.len() as f64,
                None => -1.0 / persona.len() as f64,
            };
            let parts: Vec<f64> = spoken.utterances.iter().map(part).collect();
            let total: f64 = parts.iter().sum();
            match total.is_finite() {
                true => Ok(Worth { total, parts }),
                false => {
                    let what =
                        "an utterance that is hardly against a persona is worth minus infinity";
                    Err(Error::key("reward.form", what).help("`bounded` is the form to train on"))
                }
            }
        };
        dialogues.iter().map(worth).collect()
    }

    fn compares_personas(&self) -> bool {
        true
    }
}
