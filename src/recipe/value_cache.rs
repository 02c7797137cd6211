//! The values of texts, each predicted once: what a run's value model has said is kept beside it,
//! in `values/` of its run, and found there the next time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use sha2::{Digest, Sha256};

use super::models::{joined_sha256, members, weights};
use super::vectors::ValueVectors;
use super::{Observer, ProgressEvent, open_model};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::files::write_tensors;
use crate::nn::precision::Precision;
use crate::run::{DataFile, SavedRun};
use crate::train::Checkpoint;
use crate::value::{Profile, Value};

/// A value model, by which texts are scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueSource {
    /// Its run, of which the best checkpoint is taken, the folder of its runs under several seeds, or
    /// its folder.
    pub(super) run: PathBuf,
    /// The files of its weights.
    pub(super) files: Vec<DataFile>,
    /// In which precision it predicts.
    pub(super) precision: Precision,
}

/// What is said of so many texts is kept before the next ones are read: so much is lost at most if
/// the program is killed.
const KEPT_AFTER: usize = 4096;

/// The SHA-256 of a text, under which its values are kept.
type TextHash = [u8; 32];

impl ValueSource {
    /// The model of a run, or in a folder.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn of(run: &Path, precision: Precision) -> Result<Self> {
        let files = weights("values", run)?;
        if files.is_empty() {
            return Err(Error::file(run, "there is no value model here").help(
                "name a run (`valuenet train configs/minilm.toml` makes one) or a model's folder",
            ));
        }
        Ok(Self { run: run.into(), files, precision })
    }

    /// The SHA-256 of its weights, of each file in their order.
    pub(super) fn sha256(&self) -> String {
        joined_sha256(&self.files)
    }

    /// The model itself.
    ///
    /// # Errors
    /// If it is damaged, or no value model.
    pub(super) fn open(&self, device: &Device) -> Result<Model> {
        open_model(&self.run, Checkpoint::Best, device, self.precision)
    }

    /// The values of texts, in their order. What is not known yet is predicted, and kept.
    ///
    /// # Errors
    /// If the model cannot be opened, or fails.
    pub(super) fn values(
        &self,
        texts: &[&str],
        device: &Device,
        observer: &dyn Observer,
    ) -> Result<Vec<Profile>> {
        let mut known = self.read();
        let hashes: Vec<TextHash> = texts.iter().map(|text| Sha256::digest(text).into()).collect();
        let is_new = |(_, hash): &(&&str, &TextHash)| !known.contains_key(*hash);
        let new: Vec<(&str, TextHash)> =
            texts.iter().zip(&hashes).filter(is_new).map(|(text, hash)| (*text, *hash)).collect();
        if new.is_empty() {
            return Ok(hashes.iter().map(|hash| known[hash]).collect());
        }
        let text = format!("{} texts are scored by {}", new.len(), self.run.display());
        observer.tell(ProgressEvent::Note(&text));
        let (mut vectors, mut is_kept) = (ValueVectors::new(self.open(device)?), true);
        for (number, part) in new.chunks(KEPT_AFTER).enumerate() {
            vectors.read(part.iter().map(|(text, _)| *text), &mut |done, _| {
                let (done, total) = (number * KEPT_AFTER + done, new.len());
                observer.tell(ProgressEvent::Done { what: "values", done, total });
            })?;
            for (text, hash) in part {
                let vector = vectors.of(text, None);
                known.insert(*hash, std::array::from_fn(|value| vector[value] as f32));
            }
            if let (true, Err(error)) = (is_kept, self.write(&known)) {
                let text = format!("warning: the values of texts could not be kept: {error}");
                observer.tell(ProgressEvent::Note(&text));
                is_kept = false;
            }
        }
        Ok(hashes.iter().map(|hash| known[hash]).collect())
    }

    /// Where the values are kept; nowhere if the model is that of no run.
    fn path(&self) -> Option<PathBuf> {
        let short = self.files.iter().filter_map(|file| file.sha256.get(..16));
        let short = short.collect::<Vec<_>>().join("-");
        let name = format!("{short}.{}.safetensors", self.precision.name());
        let is_ours = SavedRun::is_run(&self.run) || !members(&self.run).is_empty();
        is_ours.then(|| self.run.join("values").join(name))
    }

    /// What is kept; nothing if there is no such file, or it is damaged, and will be made anew.
    fn read(&self) -> HashMap<TextHash, Profile> {
        let read = |path: PathBuf| -> candle_core::Result<HashMap<TextHash, Profile>> {
            let tensors = candle_core::safetensors::load(path, &Device::Cpu)?;
            let tensor = |name: &str| {
                tensors.get(name).ok_or_else(|| candle_core::Error::msg(format!("no {name}")))
            };
            let hashes = tensor("texts")?.to_vec2::<u8>()?;
            let values = tensor("values")?.to_vec2::<f32>()?;
            let pair = |(hash, values): (Vec<u8>, Vec<f32>)| {
                Some((hash.try_into().ok()?, values.try_into().ok()?))
            };
            let pairs: Option<HashMap<_, _>> = hashes.into_iter().zip(values).map(pair).collect();
            pairs.ok_or_else(|| candle_core::Error::msg("rows of another length"))
        };
        self.path()
            .filter(|path| path.is_file())
            .map_or(HashMap::new(), |path| read(path).unwrap_or_default())
    }

    fn write(&self, known: &HashMap<TextHash, Profile>) -> Result<()> {
        let Some(path) = self.path() else { return Ok(()) };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "create", error))?;
        }
        let mut rows: Vec<(&TextHash, &Profile)> = known.iter().collect();
        rows.sort_by_key(|(hash, _)| *hash);
        let hashes: Vec<u8> = rows.iter().flat_map(|(hash, _)| **hash).collect();
        let values: Vec<f32> = rows.iter().flat_map(|(_, values)| **values).collect();
        let texts = Tensor::from_vec(hashes, (rows.len(), 32), &Device::Cpu)?;
        let values = Tensor::from_vec(values, (rows.len(), Value::COUNT), &Device::Cpu)?;
        write_tensors(&path, vec![("texts".into(), texts), ("values".into(), values)])
    }
}
