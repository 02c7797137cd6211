//! What rewards a model's own replies: a value model, or a program.

mod program;

use std::collections::{BTreeSet, HashMap};

use candle_core::Device;

use program::Program;

use crate::data::dialogue::Vector;
use crate::error::Result;
use crate::model::Model;
use crate::nn::precision::Precision;
use crate::recipe::score::distinct_profiles;
use crate::recipe::{ProgressEvent, Site, open_model};
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
    let (vectors, form) = (HashMap::new(), settings.form);
    let mut rewarder = Values { model, vectors, center: None, form };
    if settings.center {
        site.observer.tell(ProgressEvent::Note("the personas are scored, to center vectors"));
        let sentences: Vec<&String> =
            train.iter().flat_map(|one| &one.conversation.persona).collect();
        let scored =
            distinct_profiles(rewarder.model.predictor(), sentences.iter().copied(), &mut |_| {})?;
        let vectors =
            sentences.iter().filter_map(|text| Some(scored.get(text.as_str())?.map(f64::from)));
        rewarder.center = Center::of(vectors);
    }
    Ok(Box::new(rewarder))
}

/// The paper's Algorithm 1 with a value model, which scores each text once.
struct Values {
    model: Model,
    vectors: HashMap<String, Vector>,
    center: Option<Center>,
    form: Form,
}

impl Values {
    /// Scores the texts that are new.
    fn score<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> Result<()> {
        let new: BTreeSet<&str> = texts.filter(|text| !self.vectors.contains_key(*text)).collect();
        let new: Vec<String> = new.into_iter().map(String::from).collect();
        let scored = distinct_profiles(self.model.predictor(), new.iter(), &mut |_| {})?;
        for (text, profile) in scored {
            let vector = profile.map(f64::from).to_vec();
            let vector = match &self.center {
                Some(center) => center.subtract_from(&vector),
                None => vector,
            };
            self.vectors.insert(text.into(), vector);
        }
        Ok(())
    }

    fn vector(&self, text: &str) -> &[f64] {
        self.vectors.get(text).map_or(&[], Vec::as_slice)
    }
}

impl Rewarder for Values {
    /// An utterance that was not ended, or says nothing, adds the least there is, -1, and matches
    /// no sentence of the persona.
    fn worth(&mut self, dialogues: &[Spoken]) -> Result<Vec<Worth>> {
        let texts = dialogues.iter().flat_map(|spoken| {
            let persona = spoken.persona.iter().map(String::as_str);
            persona.chain(spoken.utterances.iter().copied().flatten())
        });
        self.score(texts)?;
        let worth = |spoken: &Spoken| {
            let persona: Vec<&[f64]> = spoken.persona.iter().map(|it| self.vector(it)).collect();
            let said = spoken.utterances.iter().flatten();
            let said: Vec<&[f64]> = said.map(|text| self.vector(text)).collect();
            let reward = Reward::of(&persona, &said, self.form);
            let mut terms = reward.turns.iter().map(|turn| turn.term);
            let part = |said: &Option<&str>| match said {
                Some(_) => terms.next().unwrap_or(0.0) / persona.len() as f64,
                None => -1.0 / persona.len() as f64,
            };
            let parts: Vec<f64> = spoken.utterances.iter().map(part).collect();
            Worth { total: parts.iter().sum(), parts }
        };
        Ok(dialogues.iter().map(worth).collect())
    }

    fn compares_personas(&self) -> bool {
        true
    }
}
