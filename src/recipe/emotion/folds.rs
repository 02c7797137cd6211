//! What a classifier predicts of its own data: each train text by a model that has not learned from
//! it, so that who reads the predictions is not told what was learned by heart.

use std::path::{Path, PathBuf};

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::EmotionRecipe;
use super::features::Features;
use super::judge::saved_split;
use crate::data::Split;
use crate::data::labelled::LabelledText;
use crate::disk;
use crate::error::{Error, Result};
use crate::model::EmotionModel;
use crate::nn::device;
use crate::recipe::models::checkpoint_folder;
use crate::recipe::train::{Begin, TrainRequest, is_finished, is_interrupted, train};
use crate::recipe::{Observer, Site};
use crate::run::{IfOccupied, SavedRun};
use crate::seed::{Purpose, Stream};
use crate::train::Checkpoint;

/// The file of a run in which its predictions stand.
pub(in crate::recipe) const PREDICTED: &str = "emotions.jsonl";

/// What is predicted of a text: a line of `emotions.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::recipe) struct Predicted {
    /// The split.
    pub(in crate::recipe) split: String,
    /// The name of the conversation.
    pub(in crate::recipe) id: String,
    /// The most probable emotion.
    pub(in crate::recipe) emotion: String,
    /// That of the file.
    pub(in crate::recipe) gold: String,
}

/// The predictions that a run keeps.
pub(in crate::recipe) fn predicted_emotions(run: &Path) -> Result<Vec<Predicted>> {
    let path = run.join(PREDICTED);
    if !path.is_file() {
        let what = "this run has predicted nothing of its own data";
        return Err(Error::file(&path, what)
            .help("`valuenet train CONFIG --folds 5 -o RUN` makes a run that has"));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io(&path, "read", error))?;
    let row = |(line, number): (&str, u64)| {
        serde_json::from_str(line)
            .map_err(|error| Error::row(&path, number, format!("not a prediction: {error}")))
    };
    text.lines().zip(1..).map(row).collect()
}

/// The part, from 1, that each of so many rows is in.
pub(super) fn parts(rows: usize, folds: usize) -> Vec<usize> {
    let mut parts: Vec<usize> = (0..rows).map(|row| row % folds + 1).collect();
    Stream::new(1, Purpose::Partition, 2).shuffle(&mut parts);
    parts
}

/// Trains what the request says, then as many models of which each leaves out a part of the train
/// split, in `folds/` of its run, and keeps there what is predicted of all its texts. What is there
/// already is kept when it is resumed. False if it was interrupted.
///
/// # Errors
/// If a training fails, or the data's conversations have no names.
pub fn train_folds(request: &TrainRequest, folds: usize, site: Site) -> Result<bool> {
    let run = &request.folder;
    EmotionRecipe::read(&request.config, request.limit)?.check_named()?;
    site.note("── all of the train split");
    if !is_finished(request)? && is_interrupted(&train(request, site)?) {
        return Ok(false);
    }
    let folder = |fold: usize| run.join("folds").join(format!("fold-{fold}"));
    for fold in 1..=folds {
        let mut one = TrainRequest { folder: folder(fold), test: false, ..request.clone() };
        (one.config.emotion.folds, one.config.emotion.fold) = (folds, fold);
        if one.begin == Begin::Resume && !SavedRun::is_run(&one.folder) {
            one.begin = Begin::New(IfOccupied::Refuse);
        }
        site.note(&format!("── without part {fold} of {folds}"));
        if !is_finished(&one)? && is_interrupted(&train(&one, site)?) {
            return Ok(false);
        }
    }
    let saved = SavedRun::open(run)?;
    let device = device::open(&request.config.train.device)?.device;
    let folders: Vec<PathBuf> = (1..=folds).map(folder).collect();
    let rows = predict_all(&saved, run, &folders, &device, site.observer)?;
    let right = rows.iter().filter(|row| row.split == "train" && row.emotion == row.gold).count();
    let train_rows = rows.iter().filter(|row| row.split == "train").count();
    let line = |row: &Predicted| serde_json::to_string(row).map(|line| line + "\n");
    let lines: serde_json::Result<String> = rows.iter().map(line).collect();
    let lines = lines.map_err(Error::failure_because("cannot write JSON"))?;
    disk::write_file(&run.join(PREDICTED), lines.as_bytes())?;
    let share = 100.0 * right as f64 / train_rows.max(1) as f64;
    site.note(&format!(
        "{} emotions are in {}; {share:.1}% of the train split's are right",
        rows.len(),
        run.join(PREDICTED).display()
    ));
    Ok(true)
}

/// What is predicted of all texts of a run's data.
fn predict_all(
    saved: &SavedRun,
    run: &Path,
    folds: &[PathBuf],
    device: &Device,
    observer: &dyn Observer,
) -> Result<Vec<Predicted>> {
    let mut found = Vec::new();
    for split in Split::ALL {
        if !saved.info.data.iter().any(|source| source.role == split.name()) {
            continue;
        }
        let file = saved_split(saved, split, observer)?;
        let precision = saved.info.config.train.dtype;
        let predict = |run: &Path, rows: &[&LabelledText]| -> Result<Vec<String>> {
            let folder = checkpoint_folder(run, Checkpoint::Best)?;
            let model = EmotionModel::open(&folder, device, precision)?;
            let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
            let features = model.values().map(Features::of_model).transpose()?;
            let values = features.as_ref().map(|it| it.values(&texts, device, observer));
            let shares = model.predict(&texts, values.transpose()?.as_deref())?;
            let best = |shares: &Vec<f32>| {
                let best = (0..shares.len()).rev().max_by(|&a, &b| shares[a].total_cmp(&shares[b]));
                model.labels()[best.unwrap_or(0)].clone()
            };
            Ok(shares.iter().map(best).collect())
        };
        let mut emotions = vec![String::new(); file.rows.len()];
        let parts = match split {
            Split::Train => parts(file.rows.len(), folds.len()),
            Split::Eval | Split::Test => vec![0; file.rows.len()],
        };
        let runs = std::iter::once(run).chain(folds.iter().map(PathBuf::as_path));
        for (part, run) in runs.enumerate() {
            let own: Vec<usize> = (0..parts.len()).filter(|&row| parts[row] == part).collect();
            if own.is_empty() {
                continue;
            }
            let rows: Vec<&LabelledText> = own.iter().map(|&row| &file.rows[row]).collect();
            for (row, emotion) in own.into_iter().zip(predict(run, &rows)?) {
                emotions[row] = emotion;
            }
        }
        file.check_named()?;
        found.extend(file.rows.into_iter().zip(emotions).map(|(row, emotion)| Predicted {
            split: split.name().into(),
            id: row.id.unwrap_or_default(),
            emotion,
            gold: row.label,
        }));
    }
    Ok(found)
}
