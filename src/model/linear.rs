//! The baseline without an encoder: a bag of words and hashed n-grams under a linear classifier, as
//! fastText's supervised mode (Joulin et al., *Bag of tricks for efficient text classification*,
//! EACL 2017). No tensors but on disk.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::extras::EXTRAS;
use super::files::{self, WEIGHTS, write_tensors};
use super::predictor::{Prediction, Predictor, whole};
use super::value_head::Objective;
use crate::disk;
use crate::error::{Error, Result};
use crate::seed::{Purpose, Stream, name_index};
use crate::value::{Label, LabelCounts, Value};

/// The `model_type` of such a model's `config.json`.
pub(super) const MODEL_TYPE: &str = "valuenet-linear";
const VOCABULARY: &str = "vocabulary.json";

/// `[model.linear]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinearSettings {
    /// The width of word vectors.
    pub dimension: usize,
    /// The longest run of words that has a vector of its own.
    pub word_ngrams: usize,
    /// How many vectors the runs of two words or more share by their hash.
    pub buckets: usize,
    /// How often a word must occur in the train split to have a vector.
    pub min_count: usize,
}

impl Default for LinearSettings {
    fn default() -> Self {
        Self { dimension: 100, word_ngrams: 1, buckets: 200_000, min_count: 1 }
    }
}

/// A linear classifier over the mean vector of a prompt's words and n-grams.
#[derive(Debug)]
pub struct LinearModel {
    settings: LinearSettings,
    words: Vec<String>,
    ids: HashMap<String, u32>,
    vectors: Vec<f32>, // (words + buckets, dimension)
    output: Vec<f32>,  // (classes, dimension)
    train_labels: Option<LabelCounts>,
}

/// What `config.json` says of it.
#[derive(Serialize, Deserialize)]
struct Extras {
    version: String,
    #[serde(flatten)]
    settings: LinearSettings,
    train_labels: Option<LabelCounts>,
}

impl LinearModel {
    /// A model that knows the words of these prompts and nothing of their labels.
    pub fn new<'a>(
        settings: &LinearSettings,
        prompts: impl Iterator<Item = (Value, &'a str)>,
        seed: u64,
    ) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        prompts.flat_map(|(value, text)| words(value, text)).for_each(|word| {
            *counts.entry(word).or_default() += 1;
        });
        counts.retain(|_, count| *count >= settings.min_count);
        let mut words: Vec<String> = counts.into_keys().collect();
        words.sort_unstable();
        let dimension = settings.dimension;
        let rows = words.len() + if settings.word_ngrams > 1 { settings.buckets } else { 0 };
        let mut stream = Stream::new(seed, Purpose::Init, name_index("linear vectors"));
        let mut uniform =
            || (stream.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0) / dimension as f32;
        let vectors = (0..rows * dimension).map(|_| uniform()).collect();
        let output = vec![0.0; Label::COUNT * dimension];
        Self::assemble(settings.clone(), words, vectors, output, None)
    }

    fn assemble(
        settings: LinearSettings,
        words: Vec<String>,
        vectors: Vec<f32>,
        output: Vec<f32>,
        train_labels: Option<LabelCounts>,
    ) -> Self {
        let ids = words.iter().zip(0..).map(|(word, id)| (word.clone(), id)).collect();
        Self { settings, words, ids, vectors, output, train_labels }
    }

    /// How many numbers are trained.
    pub fn parameters(&self) -> usize {
        self.vectors.len() + self.output.len()
    }

    /// Remembers the label counts of the split it is trained on.
    pub fn set_train_labels(&mut self, counts: LabelCounts) {
        self.train_labels = Some(counts);
    }

    /// The rows of vectors that stand for a prompt: its known words and the buckets of its n-grams.
    pub fn features(&self, value: Value, text: &str) -> Vec<u32> {
        let words = words(value, text);
        let mut features: Vec<u32> =
            words.iter().filter_map(|word| self.ids.get(word).copied()).collect();
        for (start, first) in words.iter().enumerate() {
            let mut hash = name_index(first);
            for word in
                words.iter().skip(start + 1).take(self.settings.word_ngrams.saturating_sub(1))
            {
                hash = hash.wrapping_mul(116_049_371).wrapping_add(name_index(word));
                features
                    .push((self.words.len() as u64 + hash % self.settings.buckets as u64) as u32);
            }
        }
        features
    }

    /// The mean vector of some features.
    fn hidden(&self, features: &[u32]) -> Vec<f32> {
        let mut hidden = vec![0.0; self.settings.dimension];
        for &row in features {
            hidden.iter_mut().zip(self.vector(row)).for_each(|(sum, x)| *sum += x);
        }
        hidden.iter_mut().for_each(|sum| *sum /= features.len().max(1) as f32);
        hidden
    }

    fn vector(&self, row: u32) -> &[f32] {
        &self.vectors[row as usize * self.settings.dimension..][..self.settings.dimension]
    }

    fn logits(&self, hidden: &[f32]) -> [f32; Label::COUNT] {
        std::array::from_fn(|class| {
            let weights = &self.output[class * hidden.len()..][..hidden.len()];
            weights.iter().zip(hidden).map(|(weight, x)| weight * x).sum()
        })
    }

    /// One step of stochastic gradient descent on the cross-entropy of one prompt; returns its loss
    /// before the step.
    pub fn learn(&mut self, features: &[u32], label: Label, learning_rate: f32) -> f32 {
        let dimension = self.settings.dimension;
        let hidden = self.hidden(features);
        let logits = self.logits(&hidden);
        let largest = logits.iter().fold(f32::NEG_INFINITY, |largest, logit| largest.max(*logit));
        let total: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
        let mut gradient = vec![0.0; dimension];
        for (class, weights) in self.output.chunks_exact_mut(dimension).enumerate() {
            let target = f32::from(u8::from(class == label.index()));
            let step = learning_rate * (target - (logits[class] - largest).exp() / total);
            for ((gradient, weight), x) in gradient.iter_mut().zip(weights).zip(&hidden) {
                *gradient += step * *weight;
                *weight += step * x;
            }
        }
        let share = 1.0 / features.len().max(1) as f32;
        for &row in features {
            let vector = &mut self.vectors[row as usize * dimension..][..dimension];
            vector.iter_mut().zip(&gradient).for_each(|(x, gradient)| *x += gradient * share);
        }
        total.ln() + largest - logits[label.index()]
    }

    /// Opens the folder of a trained model.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub(super) fn open(folder: &Path, config: &Json) -> Result<Self> {
        let damaged = |name: &str, what: String| {
            Error::file(folder.join(name), what)
                .help("the files of a model folder must come from one model")
        };
        let Extras { settings, train_labels, .. } = serde_json::from_value(config[EXTRAS].clone())
            .map_err(|error| damaged(files::CONFIG, format!("key \"{EXTRAS}\": {error}")))?;
        if settings.dimension == 0 || settings.buckets == 0 {
            return Err(damaged(files::CONFIG, "dimension and buckets must be 1 or more".into()));
        }
        let words: Vec<String> = serde_json::from_value(disk::read_json(&folder.join(VOCABULARY))?)
            .map_err(|error| damaged(VOCABULARY, format!("not a list of words: {error}")))?;
        let path = folder.join(WEIGHTS);
        let tensors = candle_core::safetensors::load(&path, &Device::Cpu)
            .map_err(|error| Error::file(&path, "the weights cannot be read").because(error))?;
        let take = |name: &str, rows: usize| {
            let tensor =
                tensors.get(name).filter(|tensor| tensor.dims() == [rows, settings.dimension]);
            let numbers =
                tensor.and_then(|tensor| tensor.flatten_all().ok()?.to_vec1::<f32>().ok());
            let what = || format!("there is no tensor {name} of ({rows}, {})", settings.dimension);
            numbers.ok_or_else(|| damaged(WEIGHTS, what()))
        };
        let rows = words.len() + if settings.word_ngrams > 1 { settings.buckets } else { 0 };
        let (vectors, output) = (take("vectors", rows)?, take("output", Label::COUNT)?);
        Ok(Self::assemble(settings, words, vectors, output, train_labels))
    }

    /// Writes the model into an existing folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let extras = Extras {
            version: env!("CARGO_PKG_VERSION").into(),
            settings: self.settings.clone(),
            train_labels: self.train_labels,
        };
        disk::write_json(
            &folder.join(files::CONFIG),
            &json!({"model_type": MODEL_TYPE, EXTRAS: extras}),
        )?;
        disk::write_json(&folder.join(VOCABULARY), &self.words)?;
        let tensor = |numbers: &Vec<f32>| {
            Tensor::from_slice(
                numbers,
                (numbers.len() / self.settings.dimension, self.settings.dimension),
                &Device::Cpu,
            )
        };
        let tensors = vec![
            ("output".into(), tensor(&self.output)?),
            ("vectors".into(), tensor(&self.vectors)?),
        ];
        write_tensors(&folder.join(WEIGHTS), tensors)
    }
}

impl Predictor for LinearModel {
    fn predict(&self, pairs: &[(Value, &str)]) -> Result<Vec<Prediction>> {
        let prediction = |(value, text): &(Value, &str)| {
            Prediction::of_logits(self.logits(&self.hidden(&self.features(*value, text))))
        };
        whole(pairs.iter().map(prediction).collect())
    }

    fn rule(&self) -> &'static str {
        Objective::ThreeClass.rule()
    }

    fn dtype(&self) -> &'static str {
        "f32"
    }

    fn train_labels(&self) -> Option<&LabelCounts> {
        self.train_labels.as_ref()
    }
}

/// The words of a prompt: the value's token, the text's words in lower case with marks of
/// punctuation apart, and an end.
fn words(value: Value, text: &str) -> Vec<String> {
    const MARKS: &str = ".,!?()'\"";
    let mut words = vec![value.token()];
    for piece in text.to_lowercase().split_whitespace() {
        let mut word = String::new();
        for letter in piece.chars() {
            if MARKS.contains(letter) {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                words.push(letter.into());
            } else {
                word.push(letter);
            }
        }
        words.extend((!word.is_empty()).then_some(word));
    }
    words.push("</s>".into());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_and_marks_stand_apart() {
        let expected = ["[POWER]", "i", "don", "'", "t", "know", ".", ".", "</s>"];
        assert_eq!(words(Value::Power, " I don't  know.. "), expected);
    }

    #[test]
    fn unknown_words_have_no_vector_but_their_runs_have_buckets() {
        let settings =
            LinearSettings { word_ngrams: 2, buckets: 1000, ..LinearSettings::default() };
        let model = LinearModel::new(&settings, [(Value::Power, "good day")].into_iter(), 1);
        let of = |text| model.features(Value::Power, text);
        assert_eq!(of("good day").len(), 4 + 3);
        assert_eq!(of("bad day").len(), 3 + 3);
        assert_eq!(of("good day")[..4].len() + of("good day")[4..].len(), 7);
        assert!(of("good day")[4..].iter().all(|&row| (4..1004).contains(&row)));
        assert_ne!(of("good day")[5], of("day good")[5]);
    }
}
