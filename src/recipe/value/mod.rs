//! What the verbs mean for value models: their data, their training, their judgement.

mod folds;
mod gather;
mod judge;
mod splits;
mod teacher;

pub(super) use folds::train_folds;
pub(super) use gather::{compare, gather};
pub(super) use judge::{judge, read_report};

use std::path::{Path, PathBuf};

use candle_core::Device;

use judge::judge_test;
use splits::Splits;
use teacher::Teacher;

use super::models::{LAYOUT, open_model};
use super::{Observer, Origin, Prepared, ProgressEvent, Recipe, Site};
use crate::config::{Config, FamilyKind};
use crate::data::unlabelled::{CircleRates, guesses};
use crate::data::{Sample, SampleTable, Split};
use crate::error::{Error, Result};
use crate::hub;
use crate::model::linear::LinearModel;
use crate::model::value_head::Target;
use crate::model::{Model, ValueModel};
use crate::report::Report;
use crate::report::seeds::Seeds;
use crate::run::{self, DataFile, ModelInfo, SavedRun};
use crate::train::linear::LinearLearner;
use crate::train::value::{ValueTask, distinct_texts};
use crate::train::{Checkpoint, GradientLearner, Learner, TeacherValues, TrainSettings};
use crate::value::Value;

/// The training of a value model.
pub(super) struct ValueRecipe<'a> {
    config: &'a Config,
    data: Splits,
    teacher: Option<Teacher>,
}

impl<'a> ValueRecipe<'a> {
    /// Reads the data, of each split so many rows if not all.
    pub(super) fn read(config: &'a Config, limit: Option<usize>) -> Result<Self> {
        let mut data = Splits::read(config, limit)?;
        let teacher = config.train.teacher.as_deref();
        let teacher = teacher.map(|run| Teacher::of(run, config.train.dtype)).transpose()?;
        data.sources.extend(teacher.iter().flat_map(Teacher::sources).cloned());
        Ok(Self { config, data, teacher })
    }

    /// The train samples' texts under other values, as the configuration asks for them, and what they
    /// probably are.
    fn guessed(&self, train: &[Sample]) -> (Vec<Sample>, Vec<Target>) {
        let TrainSettings { unrelated, circle, seed, .. } = self.config.train;
        let unrelated = guesses(train, unrelated, seed, |_, _| [0.0, 1.0, 0.0]);
        let rates = CircleRates::of(train);
        let by_rates = |own: &Sample, value: Value| rates.shares(own.value, own.label, value);
        let all = unrelated.into_iter().chain(guesses(train, circle, seed, by_rates));
        let objective = self.config.model.objective;
        all.map(|one| (one.sample, objective.target(one.shares.into()))).unzip()
    }

    /// What the teacher says of the train samples.
    fn said(
        &self,
        teacher: &Teacher,
        train: &[Sample],
        device: &Device,
        site: Site,
    ) -> Result<Vec<Target>> {
        let pairs: Vec<(Value, &str)> = match self.config.train.teacher_values {
            TeacherValues::Own => {
                train.iter().map(|sample| (sample.value, sample.scenario.as_str())).collect()
            }
            TeacherValues::All => {
                let texts = distinct_texts(train).into_iter();
                texts.flat_map(|text| Value::ALL.map(|value| (value, text))).collect()
            }
        };
        let objective = self.config.model.objective;
        let targets =
            teacher.targets(&pairs, objective.has_probabilities(), device, site.observer)?;
        Ok(targets.into_iter().map(|target| objective.target(target)).collect())
    }
}

impl<'a> Recipe<'a> for ValueRecipe<'a> {
    fn sources(&self) -> &[DataFile] {
        &self.data.sources
    }

    fn prepare(&self, origin: Origin, device: &Device, site: Site) -> Result<Prepared<'a>> {
        let Self { config, data, .. } = self;
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
                let (more, targets) = self.guessed(&train);
                let mut task = ValueTask::new(model, &train, eval)?
                    .with_more(&more, targets)?
                    .with_smoothing(config.train.label_smoothing)
                    .with_r_drop(config.train.r_drop);
                let train = [train, more].concat();
                if let Some(teacher) = &self.teacher {
                    let said = self.said(teacher, &train, device, site)?;
                    let TrainSettings { teacher_values, teacher_weight, .. } = config.train;
                    task = task.with_teacher(&train, said, teacher_values, teacher_weight)?;
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
