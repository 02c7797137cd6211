//! What the verbs mean for classifiers of texts, such as of emotions: their data, their training,
//! their judgement, their predictions.

mod features;
mod folds;
mod gather;
mod judge;
mod predict;

use std::path::Path;

use candle_core::Device;

pub use folds::train_folds;
pub(super) use folds::{PREDICTED, Predicted, predicted_emotions};
pub(super) use gather::{compare, compare_seeds, gather, is_predictions};
pub(super) use judge::{judge, read_report, seed_reports};
pub use predict::{EmotionPredictor, is_classifier};

use features::Features;
use judge::judge_test;

use super::models::checkpoint_folder;
use super::{LAYOUT, Observer, Origin, Prepared, ProgressEvent, Recipe, Site};
use crate::config::{Config, EmotionSettings, FamilyKind};
use crate::data::Split;
use crate::data::labelled::{self, LabelSet, LabelledFile};
use crate::error::Result;
use crate::hub;
use crate::model::EmotionModel;
use crate::model::emotion::{EmotionEncoder, EmotionLinear, NewEmotionModel};
use crate::report::Report;
use crate::run::{DataFile, ModelInfo};
use crate::train::emotion::{EmotionTask, Texts};
use crate::train::linear::LinearLearner;
use crate::train::{Checkpoint, GradientLearner, Learner};

/// The training of a classifier of texts.
pub(super) struct EmotionRecipe<'a> {
    config: &'a Config,
    train: LabelledFile,
    eval: LabelledFile,
    test: Option<LabelledFile>,
    labels: LabelSet,
    features: Option<Features>,
    sources: Vec<DataFile>,
}

impl<'a> EmotionRecipe<'a> {
    /// Reads the data, of each split so many texts if not all.
    pub(super) fn read(config: &'a Config, limit: Option<usize>) -> Result<Self> {
        let folder = &config.data.dir;
        let read = |split: Split| -> Result<LabelledFile> {
            let mut file = LabelledFile::of_split(folder, split)?;
            file.rows.truncate(limit.unwrap_or(usize::MAX));
            Ok(file)
        };
        let (mut train, eval) = (read(Split::Train)?, read(Split::Eval)?);
        let labels = LabelSet::of(&train)?;
        let has_test = labelled::find(folder, Split::Test).is_some();
        let test = has_test.then(|| read(Split::Test)).transpose()?;
        let splits = [(Split::Train, Some(&train)), (Split::Eval, Some(&eval))];
        let mut sources = Vec::new();
        for (split, file) in splits.into_iter().chain([(Split::Test, test.as_ref())]) {
            let Some(file) = file else { continue };
            file.classes(&labels)?; // a label that is unknown is said before hours of training
            sources.push(DataFile::of(split.name(), &file.path, file.rows.len())?);
        }
        let EmotionSettings { folds, fold, .. } = config.emotion;
        if folds > 0 {
            let mut parts = folds::parts(train.rows.len(), folds).into_iter();
            train.rows.retain(|_| parts.next() != Some(fold));
        }
        let features = Features::of(config)?;
        sources.extend(features.iter().flat_map(Features::sources).cloned());
        Ok(Self { config, train, eval, test, labels, features, sources })
    }

    /// Whether each text has a name, by which what is predicted of it can be found.
    fn check_named(&self) -> Result<()> {
        let files = [&self.train, &self.eval].into_iter().chain(&self.test);
        files.into_iter().try_for_each(LabelledFile::check_named)
    }

    /// The texts of a split, as they are learned from.
    fn texts(&self, file: &LabelledFile, device: &Device, site: Site) -> Result<Texts> {
        let texts: Vec<String> = file.rows.iter().map(|row| row.text.clone()).collect();
        let of = |features: &Features| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            features.values(&texts, device, site.observer)
        };
        let values = self.features.as_ref().map(of).transpose()?;
        Ok(Texts { classes: file.classes(&self.labels)?, texts, values })
    }

    /// The model as it is before the first step.
    fn new_model(&self, device: &Device, site: Site) -> Result<EmotionModel> {
        let config = self.config;
        let new = NewEmotionModel {
            labels: self.labels.names().to_vec(),
            values: self.features.as_ref().map(Features::described),
            encoder: config.emotion.encoder,
            pooling: config.model.pooling,
            max_length: config.model.max_length,
            dropout: config.model.dropout,
            seed: config.train.seed,
        };
        let texts = || self.train.rows.iter().map(|row| row.text.as_str());
        if config.model.family == FamilyKind::Linear {
            let model = EmotionLinear::new(&config.model.linear, texts(), &new);
            return Ok(EmotionModel::Linear(model));
        }
        let model = match config.model.base.as_str() {
            "scratch" => {
                EmotionEncoder::from_scratch(&config.model.scratch, texts(), &new, device)?
            }
            base => {
                let mut tell = |transfer: hub::Transfer<'_>| {
                    site.observer.tell(ProgressEvent::Transfer(transfer));
                };
                let revision = &config.model.revision;
                let folder = hub::locate(base, revision, &LAYOUT, site.hub, &mut tell)?;
                EmotionEncoder::from_pretrained(&folder, &new, device)?
            }
        };
        Ok(EmotionModel::Encoder(model.with_precision(config.train.dtype)))
    }
}

impl<'a> Recipe<'a> for EmotionRecipe<'a> {
    fn sources(&self) -> &[DataFile] {
        &self.sources
    }

    fn prepare(&self, origin: Origin, device: &Device, site: Site) -> Result<Prepared<'a>> {
        let config = self.config;
        let model = match origin {
            Origin::New => self.new_model(device, site)?,
            Origin::SavedRun(run) => {
                let folder = checkpoint_folder(run, Checkpoint::Last)?;
                EmotionModel::open(&folder, device, config.train.dtype)?
            }
        };
        let info = ModelInfo {
            base: config.base().into(),
            parameters: model.parameters(),
            fresh: model.newly_initialised(),
        };
        let train = self.texts(&self.train, device, site)?;
        let eval = self.texts(&self.eval, device, site)?;
        let learner: Box<dyn Learner + 'a> = match model {
            EmotionModel::Encoder(model) => {
                let task = EmotionTask::new(model, &train, &eval)?;
                Box::new(GradientLearner::new(task, &config.train)?)
            }
            EmotionModel::Linear(model) => {
                Box::new(LinearLearner::of_emotions(model, &train, &eval))
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
        let Some(test) = &self.test else { return Ok(None) };
        Ok(Some(Box::new(judge_test(run, test, device, observer)?)))
    }
}
