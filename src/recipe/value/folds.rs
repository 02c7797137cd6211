//! A value model judged by all its texts, each by a model that has not learned from it under any
//! value: what is asked of a few texts under several values is asked of all of them.

use super::splits::Splits;
use crate::data::Sample;
use crate::data::table::Row;
use crate::disk;
use crate::error::Result;
use crate::eval::calibration::reliability;
use crate::eval::discrimination::Discrimination;
use crate::eval::{Bootstrap, Evaluation, Scored, clusters};
use crate::nn::device;
use crate::recipe::Site;
use crate::recipe::models::open_model;
use crate::recipe::train::{Begin, TrainRequest, is_finished, is_interrupted, train};
use crate::report::evaluation::EvaluationReport;
use crate::report::{Format, Report, predictions, render};
use crate::run::{IfOccupied, SavedRun};
use crate::train::Checkpoint;
use crate::train::value::predict;

/// Trains as many models as there are folds, each on the train and eval splits without the texts of
/// its part, in `fold-N` below the request's folder, and judges each by that part at its last step:
/// no checkpoint is chosen by it. None if it was interrupted.
///
/// # Errors
/// If a training fails.
pub(in crate::recipe) fn train_folds(
    request: &TrainRequest,
    folds: usize,
    site: Site,
) -> Result<Option<Box<dyn Report>>> {
    let mut judged = Judged::default();
    for fold in 1..=folds {
        let folder = request.folder.join(format!("fold-{fold}"));
        let mut one = TrainRequest { folder, test: false, ..request.clone() };
        (one.config.data.folds, one.config.data.fold) = (folds, fold);
        one.config.train.patience = 0; // what is left out does not say when to stop
        one.config.check()?;
        if request.begin == Begin::Resume && !SavedRun::is_run(&one.folder) {
            one.begin = Begin::New(IfOccupied::Refuse);
        }
        site.note(&format!("── without part {fold} of {folds}"));
        if !is_finished(&one)? && is_interrupted(&train(&one, site)?) {
            return Ok(None);
        }
        judged.add(&one)?;
    }
    Ok(Some(Box::new(judged.report(request, folds)?)))
}

/// The rows of all parts, judged.
#[derive(Default)]
struct Judged {
    rows: Vec<Row>,
    scored: Vec<Scored>,
    class_rule: &'static str,
}

impl Judged {
    /// Judges the part that a fold's model has not seen.
    fn add(&mut self, fold: &TrainRequest) -> Result<()> {
        let config = &fold.config;
        let held_out = Splits::read(config, fold.limit)?.eval.rows;
        let samples: Vec<Sample> = held_out.iter().map(|row| row.sample.clone()).collect();
        let device = device::open(&config.train.device)?.device;
        let model = open_model(&fold.folder, Checkpoint::Last, &device, config.train.dtype)?;
        self.scored.extend(predict(model.predictor(), &samples, |_| Some(false))?);
        self.class_rule = model.predictor().rule();
        self.rows.extend(held_out);
        Ok(())
    }

    /// The report on all rows, which is kept with the predictions in the request's folder.
    fn report(mut self, request: &TrainRequest, folds: usize) -> Result<EvaluationReport> {
        let texts = clusters(self.rows.iter().map(|row| row.sample.scenario.as_str()));
        self.scored.iter_mut().zip(texts).for_each(|(scored, text)| scored.text = text);
        let bootstrap = Bootstrap { replicates: 2000, seed: 1 };
        let report = EvaluationReport {
            model: request.folder.display().to_string(),
            data: request.config.data.dir.display().to_string(),
            split: format!("{folds} folds"),
            dtype: request.config.train.dtype.name(),
            class_rule: self.class_rule,
            bootstrap: Some(bootstrap),
            reliability: reliability(&self.scored),
            thresholds: None,
            discrimination: Discrimination::of(&self.scored, Some(bootstrap)),
            evaluation: Evaluation::of(&self.scored, None)?.with_intervals(&self.scored, bootstrap),
        };
        let kept = self.rows.iter().zip(&self.scored);
        let kept = kept.map(|(row, scored)| (row.line, row.sample.scenario.as_str(), scored));
        let path = |ending: &str| request.folder.join(format!("folds.{ending}"));
        disk::write_file(&path("predictions.csv"), predictions::write(kept)?.as_bytes())?;
        disk::write_file(&path("json"), render(&report, Format::Json)?.as_bytes())?;
        Ok(report)
    }
}
