//! What the verbs mean for dialogue models: their data, their training, their judgement, their
//! replies.

mod emotions;
mod files;
mod gather;
mod judge;
mod measure;
mod persona;
mod reply;
mod rewarder;

pub(super) use gather::{compare, compare_seeds, gather, is_replies};
pub use judge::Measures;
pub(super) use judge::{judge, saved_report, seed_reports};
pub use persona::PersonaRequest;
pub use reply::{Chat, Decoding, Spoken, reply_all};

use std::path::Path;

use candle_core::Device;

use files::{DialogueFile, DialogueFiles};
use judge::judge_test;

use super::models::{checkpoint_folder, weights};
use super::{LAYOUT, Observer, Origin, Prepared, ProgressEvent, Recipe, Site};
use crate::config::{Config, EmotionTold, FamilyKind, SampleUnit};
use crate::data::conversation::Conversation;
use crate::error::{Error, Result};
use crate::hub;
use crate::model::{DialogueModel, LanguageModel, ReplyModel, Seq2SeqModel};
use crate::nn::precision::Precision;
use crate::report::Report;
use crate::reward::shuffled_personas;
use crate::run::{DataFile, ModelInfo, SavedRun};
use crate::text::prompt::dialogue::{Sequence, Settings};
use crate::train::dialogue::{DialogueTask, sequences};
use crate::train::reinforce::{ReinforceLearner, ReinforceSettings, RolloutDialogue, Rollouts};
use crate::train::{Checkpoint, GradientLearner, Learner};

/// The training of a dialogue model.
pub(super) struct DialogueRecipe<'a> {
    config: &'a Config,
    data: DialogueFiles,
    /// Whether the best checkpoint will be judged by the test files.
    judges: bool,
}

impl<'a> DialogueRecipe<'a> {
    /// Reads the data, of each file so many dialogues if not all. If the model is to be judged by
    /// the test split, its replies need candidates.
    pub(super) fn read(config: &'a Config, limit: Option<usize>, judges: bool) -> Result<Self> {
        let mut data = DialogueFiles::read(config, limit)?;
        if let Some(reward) = &config.reward {
            // They are read again when the training goes on, and must be what they were.
            data.sources.extend(weights("start", Path::new(&config.model.base))?);
            data.sources.extend(weights("values", &reward.run)?);
        }
        if judges && Measures::of(&config.dialogue).hits {
            data.test.iter().try_for_each(|(_, file)| file.check_candidates())?;
        }
        Ok(Self { config, data, judges })
    }

    /// The samples of files, each a reply or a dialogue.
    fn samples(
        &self,
        model: &DialogueModel,
        files: &[DialogueFile],
        unit: SampleUnit,
    ) -> Result<Vec<Sequence>> {
        let mut samples = Vec::new();
        for file in files {
            for dialogue in &file.dialogues {
                let sequences = sequences(model, &file.path, dialogue)?;
                samples.extend(match unit {
                    SampleUnit::Reply => sequences,
                    SampleUnit::Dialogue => Sequence::joined(sequences),
                });
            }
        }
        Ok(samples)
    }
}

impl<'a> Recipe<'a> for DialogueRecipe<'a> {
    fn sources(&self) -> &[DataFile] {
        &self.data.sources
    }

    fn prepare(&self, origin: Origin, device: &Device, site: Site) -> Result<Prepared<'a>> {
        let Self { config, data, .. } = self;
        let model = match origin {
            Origin::New => self.new_model(device, site)?,
            Origin::SavedRun(run) => {
                let folder = checkpoint_folder(run, Checkpoint::Last)?;
                DialogueModel::open(&folder, device, config.train.dtype)?
            }
        };
        let params = model.model().params();
        let is_new = config.model.base == "scratch";
        let names = params.iter().filter(|_| is_new).map(|(name, _)| name.to_string());
        let info = ModelInfo {
            base: config.model.base.clone(),
            parameters: params.count(),
            fresh: names.collect(),
        };
        let train = self.samples(&model, &data.train, config.dialogue.sample)?;
        // Replies of a dialogue are judged together wherever that changes nothing but the time.
        let eval = self.samples(&model, &data.eval, SampleUnit::Dialogue)?;
        if self.judges {
            let decoding = Decoding::of(&config.dialogue);
            let measures = Measures::of(&config.dialogue);
            let check = |(_, file): &(String, DialogueFile)| {
                measure::check(&model, &decoding, measures, file)
            };
            data.test.iter().try_for_each(check)?;
        }
        let cut: usize = train.iter().map(|sample| sample.cut).sum();
        if cut > 0 {
            site.note(&format!("{cut} utterances of the history found no room in the samples"));
        }
        let task = DialogueTask::new(model, train, eval);
        let learner: Box<dyn Learner> = match &config.reward {
            None => Box::new(GradientLearner::new(task, &config.train)?),
            Some(reward) => {
                let rollouts = self.rollouts(reward, device, site)?;
                Box::new(ReinforceLearner::new(task, rollouts, reward, &config.train)?)
            }
        };
        Ok(Prepared { learner, info })
    }

    fn test(
        &self,
        run: &Path,
        device: &Device,
        observer: &dyn Observer,
    ) -> Result<Option<Box<dyn Report>>> {
        match self.data.test.is_empty() {
            true => Ok(None),
            false => Ok(Some(judge_test(run, &self.data.test, device, observer)?)),
        }
    }
}

impl DialogueRecipe<'_> {
    /// What a model that learns from rewards works with.
    fn rollouts(
        &self,
        reward: &ReinforceSettings,
        device: &Device,
        site: Site,
    ) -> Result<Rollouts> {
        let (train, eval) =
            (rollout_dialogues(&self.data.train)?, rollout_dialogues(&self.data.eval)?);
        let precision = self.config.train.dtype;
        Ok(Rollouts {
            start: self.new_model(device, site)?,
            rewarder: rewarder::open(reward, &train, device, precision, site)?,
            train: train.into(),
            eval: eval.into(),
        })
    }

    /// The model as it is before the first step.
    fn new_model(&self, device: &Device, site: Site) -> Result<DialogueModel> {
        let config = self.config;
        let (base, seed) = (&config.model.base, config.train.seed);
        let max_length = config.model.max_length;
        let dialogues = self.data.train.iter().flat_map(|file| &file.dialogues);
        let texts = dialogues.flat_map(|dialogue| {
            let said = dialogue.turns.iter().map(|turn| turn.text.as_str());
            dialogue.persona.iter().map(String::as_str).chain(said)
        });
        let size = &config.model.scratch;
        let model: ReplyModel = match base.as_str() {
            "scratch" if config.model.family == FamilyKind::Seq2seq => {
                let layout = config.dialogue.layout;
                Seq2SeqModel::from_scratch(size, texts, layout, seed, device)?.into()
            }
            "scratch" => LanguageModel::from_scratch(size, texts, max_length, seed, device)?.into(),
            _ if SavedRun::is_run(Path::new(base)) => {
                self.open(&checkpoint_folder(Path::new(base), Checkpoint::Best)?, device)?
            }
            _ if Path::new(base).is_file() => self.open(Path::new(base), device)?,
            _ => {
                let mut tell = |transfer: hub::Transfer<'_>| {
                    site.observer.tell(ProgressEvent::Transfer(transfer));
                };
                let revision = &config.model.revision;
                let folder = hub::locate(base, revision, &LAYOUT, site.hub, &mut tell)?;
                self.open(&folder, device)?
            }
        };
        let model = match config.model.dropout {
            Some(probability) => model.with_dropout(probability)?,
            None => model,
        };
        let model = model.with_precision(config.train.dtype);
        let model = DialogueModel::new(model, config.dialogue.prompt(max_length))?;
        Ok(model.with_emotions(config.dialogue.emotion != EmotionTold::None))
    }

    /// Opens the model that the run starts from, to which dialogues are not laid out otherwise than
    /// it has learned.
    fn open(&self, base: &Path, device: &Device) -> Result<ReplyModel> {
        match DialogueModel::learned_layout(base) {
            Some(layout) if layout != self.config.dialogue.layout => {
                let what = format!("{} has learned the layout {}", base.display(), layout.name());
                Err(Error::key("dialogue.layout", what))
            }
            _ => ReplyModel::open(base, device),
        }
    }
}

/// The dialogues of files that can be replied to, each beside the persona of another one.
///
/// # Errors
/// If one has no persona.
fn rollout_dialogues(files: &[DialogueFile]) -> Result<Vec<RolloutDialogue>> {
    let all = files.iter().flat_map(|file| file.dialogues.iter().map(move |one| (file, one)));
    let all: Vec<(&DialogueFile, &Conversation)> =
        all.filter(|(_, one)| one.examples().next().is_some()).collect();
    if let Some((file, one)) = all.iter().find(|(_, one)| one.persona.is_empty()) {
        let what = "this dialogue has no persona, which its replies are rewarded for";
        return Err(one.place.error(&file.path, what));
    }
    let personas: Vec<Vec<String>> = all.iter().map(|(_, one)| one.persona.clone()).collect();
    // Where all have the same persona, nothing is to be told from another.
    let others = shuffled_personas(&personas, 1).unwrap_or((0..all.len()).collect());
    let of_dialogue = |((file, one), other): (&(&DialogueFile, &Conversation), usize)| {
        let (path, conversation) = (file.path.clone(), (*one).clone());
        RolloutDialogue { path, conversation, other: personas[other].clone() }
    };
    Ok(all.iter().zip(others).map(of_dialogue).collect())
}

/// The model of a run's checkpoint, or of a folder or GGUF file, for which `layout` says how
/// dialogues are laid out if it does not say so itself.
///
/// # Errors
/// If there is none, it is damaged, or nobody says how dialogues are laid out for it.
pub fn open_dialogue_model(
    path: &Path,
    checkpoint: Checkpoint,
    layout: Option<Settings>,
    device: &Device,
    precision: Precision,
) -> Result<DialogueModel> {
    match layout {
        _ if SavedRun::is_run(path) => {
            DialogueModel::open(&checkpoint_folder(path, checkpoint)?, device, precision)
        }
        None => DialogueModel::open(path, device, precision),
        Some(settings) => {
            let model = ReplyModel::open(path, device)?.with_precision(precision);
            DialogueModel::new(model, settings)
        }
    }
}
