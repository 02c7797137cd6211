//! What a teacher says of the rows that a value model learns from: asked once, and kept beside the
//! teacher for the next seed.

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::model::Prediction;
use crate::model::files::{self, write_tensors};
use crate::model::value_head::Target;
use crate::nn::precision::Precision;
use crate::recipe::models::{members, open_model, weights};
use crate::recipe::{Observer, ProgressEvent};
use crate::run::{DataFile, SavedRun};
use crate::train::Checkpoint;
use crate::value::{Label, Value};

/// A run, the folder of its runs under several seeds, or a model's folder.
pub(super) struct Teacher {
    run: PathBuf,
    files: Vec<DataFile>,
    precision: Precision,
}

/// What it says of one row: the utility and the probabilities.
const NUMBERS: usize = 1 + Label::COUNT;

impl Teacher {
    /// The value model there.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn of(run: &Path, precision: Precision) -> Result<Self> {
        let files = weights("teacher", run)?;
        if files.is_empty() {
            return Err(Error::file(run, "there is no value model here")
                .help("train.teacher names a run, or a folder of runs under several seeds"));
        }
        Ok(Self { run: run.into(), files, precision })
    }

    /// The files of its weights.
    pub(super) fn sources(&self) -> &[DataFile] {
        &self.files
    }

    /// What it says of pairs, in their order; `of_classes`: probabilities are needed.
    ///
    /// # Errors
    /// If it cannot be opened, fails, or gives no probabilities where they are needed.
    pub(super) fn targets(
        &self,
        pairs: &[(Value, &str)],
        of_classes: bool,
        device: &Device,
        observer: &dyn Observer,
    ) -> Result<Vec<Target>> {
        let path = self.path(pairs);
        let kept = path.as_deref().and_then(|path| read(path, pairs.len()));
        let targets = match kept {
            Some(targets) => targets,
            None => {
                let (rows, shown) = (pairs.len(), self.run.display());
                let text = format!("{rows} rows are predicted by the teacher {shown}");
                observer.tell(ProgressEvent::Note(&text));
                let model = open_model(&self.run, Checkpoint::Best, device, self.precision)?;
                if of_classes && !model.predictor().has_probabilities() {
                    return Err(without_probabilities());
                }
                let said = model.predictor().predict(pairs)?;
                let targets: Vec<Target> = said.into_iter().map(target).collect();
                if let Some(Err(error)) = path.map(|path| write(&path, &targets)) {
                    let text = format!("warning: what the teacher says could not be kept: {error}");
                    observer.tell(ProgressEvent::Note(&text));
                }
                targets
            }
        };
        if of_classes && targets.iter().any(|one| one.probabilities.iter().any(|it| it.is_nan())) {
            return Err(without_probabilities());
        }
        Ok(targets)
    }

    /// Where that is kept, under a hash of the model, of this program's version and of the rows; nowhere if the model is that of no
    /// run.
    fn path(&self, pairs: &[(Value, &str)]) -> Option<PathBuf> {
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        for file in &self.files {
            hash.update(&file.sha256);
            for beside in [files::CONFIG, files::TOKENIZER] {
                hash.update(std::fs::read(file.path.with_file_name(beside)).unwrap_or_default());
            }
        }
        for (value, text) in pairs {
            hash.update([value.index() as u8]);
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        let hash: String =
            hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let name = format!("teacher-{hash}.{}.safetensors", self.precision.name());
        let is_ours = SavedRun::is_run(&self.run) || !members(&self.run).is_empty();
        is_ours.then(|| self.run.join("values").join(name))
    }
}

fn without_probabilities() -> Error {
    let what = "the teacher gives classes no probabilities, as a regression does not";
    Error::key("train.teacher", what)
        .help("choose model.objective = \"regression\", or a teacher that learned classes")
}

/// A prediction to learn from; probabilities that are not given are NaN.
fn target(said: Prediction) -> Target {
    let probabilities = said.probabilities.unwrap_or([f32::NAN; Label::COUNT]);
    Target { utility: said.utility, probabilities }
}

/// What is kept of so many rows; none if there is no such file, or it is damaged, and will be made
/// anew.
fn read(path: &Path, rows: usize) -> Option<Vec<Target>> {
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).ok()?;
    let numbers = tensors.get("predictions")?.to_vec2::<f32>().ok()?;
    let target = |row: Vec<f32>| {
        let [utility, probabilities @ ..] = <[f32; NUMBERS]>::try_from(row).ok()?;
        Some(Target { utility, probabilities })
    };
    let targets: Option<Vec<Target>> = numbers.into_iter().map(target).collect();
    targets.filter(|targets| targets.len() == rows)
}

fn write(path: &Path, targets: &[Target]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "create", error))?;
    }
    let row = |one: &Target| std::iter::once(one.utility).chain(one.probabilities);
    let numbers: Vec<f32> = targets.iter().flat_map(row).collect();
    let numbers = Tensor::from_vec(numbers, (targets.len(), NUMBERS), &Device::Cpu)?;
    write_tensors(path, vec![("predictions".into(), numbers)])
}
