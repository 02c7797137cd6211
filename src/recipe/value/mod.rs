//! What the verbs mean for value models: their data, their training, their judgement.

mod folds;
mod gather;
mod judge;
mod splits;

pub(super) use folds::train_folds;
pub(super) use gather::{compare, gather};
pub(super) use judge::{judge, read_report};

use std::path::{Path, PathBuf};

use candle_core::Device;

use judge::judge_test;
use splits::Splits;

use super::models::{LAYOUT, open_model, weights};
use super::{Observer, Origin, Prepared, ProgressEvent, Recipe, Site};
use crate::config::{Config, FamilyKind};
use crate::data::{SampleTable, Split};
use crate::error::{Error, Result};
use crate::hub;
use crate::model::linear::LinearModel;
use crate::model::{Model, ValueModel};
use crate::report::Report;
use crate::report::seeds::Seeds;
use crate::run::{self, DataFile, ModelInfo, SavedRun};
use crate::train::linear::LinearLearner;
use crate::train::value::ValueTask;
use crate::train::{Checkpoint, GradientLearner, Learner, TrainSettings};

/// The training of a value model.
pub(super) struct ValueRecipe<'a> {
    config: &'a Config,
    data: Splits,
}

impl<'a> ValueRecipe<'a> {
    /// Reads the data, of each split so many rows if not all.
    pub(super) fn read(config: &'a Config, limit: Option<usize>) -> Result<Self> {
        let mut data = Splits::read(config, limit)?;
        if let Some(teacher) = &config.train.teacher {
            let files = weights("teacher", teacher)?;
            if files.is_empty() {
                return Err(Error::file(teacher, "there is no value model here")
                    .help("train.teacher names a run, or a folder of runs under several seeds"));
            }
            data.sources.extend(files);
        }
        Ok(Self { config, data })
    }
}

impl<'a> Recipe<'a> for ValueRecipe<'a> {
    fn sources(&self) -> &[DataFile] {
        &self.data.sources
    }

    fn prepare(&self, origin: Origin, device: &Device, site: Site) -> Result<Prepared<'a>> {
        let Self { config, data } = self;
        let model = match origin {
            Origin::New => new_model(config, &data.train, device, site)?,
            Origin::SavedRun(run) => open_model(run, Checkpoint::Last, device, config.train.dtype)?,
        };
        let info = ModelInfo {
            base: config.base().into(),
            parameters: model.parameters(),
            fresh: model.newly_initialised(),
        };
        let (train, eval) = (data.samples(Split::Train), data.samples(Split::Eval));
        let learner: Box<dyn Learner + 'a> = match model {
            Model::Encoder(model) => {
                let mut task = ValueTask::new(model, &train, eval)?
                    .with_smoothing(config.train.label_smoothing)
                    .with_r_drop(config.train.r_drop);
                if let Some(teacher) = &config.train.teacher {
                    let TrainSettings { dtype, teacher_values, teacher_weight, .. } = config.train;
                    let (rows, shown) = (train.len(), teacher.display());
                    site.note(&format!("{rows} rows are predicted by the teacher {shown}"));
                    let teacher = open_model(teacher, Checkpoint::Best, device, dtype)?;
                    task = task.with_teacher(
                        teacher.predictor(),
                        &train,
                        teacher_values,
                        teacher_weight,
                    )?;
                }
                if config.train.contrast > 0.0 {
                    task = task.with_contrast(&train, config.train.contrast);
                }
                Box::new(GradientLearner::new(task, &config.train)?)
            }
            Model::Linear(model) => Box::new(LinearLearner::of_values(model, &train, eval)),
            Model::Imported(_) | Model::Ensemble(_) => {
                return Err(Error::failure("models of this kind are not trained"));
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
        let Some(test) = &self.data.test else { return Ok(None) };
        let report = judge_test(run, test, device, self.config.train.dtype, observer)?;
        Ok(Some(Box::new(report)))
    }
}

/// The model as it is before the first step.
fn new_model(config: &Config, train: &SampleTable, device: &Device, site: Site) -> Result<Model> {
    if config.model.family == FamilyKind::Linear {
        let prompts = train.rows.iter().map(|row| (row.sample.value, row.sample.scenario.as_str()));
        return Ok(Model::Linear(LinearModel::new(
            &config.model.linear,
            prompts,
            config.train.seed,
        )));
    }
    let new = config.new_model();
    if config.model.base == "scratch" {
        let texts = train.rows.iter().map(|row| row.sample.scenario.as_str());
        let model = ValueModel::from_scratch(&config.model.scratch, texts, &new, device)?;
        return Ok(Model::Encoder(model.with_precision(config.train.dtype)));
    }
    let mut tell =
        |transfer: hub::Transfer<'_>| site.observer.tell(ProgressEvent::Transfer(transfer));
    let (base, revision) = (&config.model.base, &config.model.revision);
    let folder = hub::locate(base, revision, &LAYOUT, site.hub, &mut tell)?;
    let model = ValueModel::from_pretrained(&folder, &new, device)?;
    Ok(Model::Encoder(model.with_precision(config.train.dtype)))
}

/// The reports of this name that the runs under several seeds in a folder keep.
///
/// # Errors
/// If one of the runs has none, or it is damaged.
pub fn seed_reports(folder: &Path, name: &str) -> Result<Seeds> {
    let report =
        |(seed, path): (u64, PathBuf)| Ok((seed, read_report(&SavedRun::open(&path)?, name)?));
    let reports = run::seeds(folder).into_iter().map(report).collect::<Result<_>>()?;
    Ok(Seeds { folder: folder.display().to_string(), split: name.into(), reports })
}
