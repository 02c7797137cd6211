//! A bag of words and hashed n-grams under a linear classifier, as fastText's supervised mode (Joulin
//! et al., *Bag of tricks for efficient text classification*, EACL 2017), perhaps with a few further
//! numbers beside the mean vector of the words. No tensors but on disk.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::{WEIGHTS, write_tensors};
use crate::disk;
use crate::error::{Error, Result};
use crate::seed::{Purpose, Stream, name_index};

/// The `model_type` of such a model's `config.json`.
pub(super) const MODEL_TYPE: &str = "valuenet-linear";
const VOCABULARY: &str = "vocabulary.json";

/// `[model.linear]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// What a bag of words is asked: classes, and what it is given beside words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BagShape {
    /// The number of classes.
    pub classes: usize,
    /// How many numbers stand beside the words of each text.
    pub inputs: usize,
}

/// A text as the classifier sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bag {
    /// The rows of vectors that stand for its known words and the buckets of its n-grams.
    pub rows: Vec<u32>,
    /// The numbers beside them.
    pub inputs: Vec<f32>,
}

/// A linear classifier over the mean vector of a text's words and n-grams.
#[derive(Debug)]
pub struct BagOfWords {
    settings: LinearSettings,
    shape: BagShape,
    words: Vec<String>,
    ids: HashMap<String, u32>,
    vectors: Vec<f32>, // (words + buckets, dimension)
    output: Vec<f32>,  // (classes, dimension)
    beside: Vec<f32>,  // (classes, inputs)
}

impl BagOfWords {
    /// A classifier that knows the words of these texts and nothing of their classes.
    pub fn new(
        settings: &LinearSettings,
        shape: BagShape,
        texts: impl Iterator<Item = Vec<String>>,
        seed: u64,
    ) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        texts.flatten().for_each(|word| *counts.entry(word).or_default() += 1);
        counts.retain(|_, count| *count >= settings.min_count);
        let mut words: Vec<String> = counts.into_keys().collect();
        words.sort_unstable();
        let dimension = settings.dimension;
        let rows = words.len() + if settings.word_ngrams > 1 { settings.buckets } else { 0 };
        let mut stream = Stream::new(seed, Purpose::Init, name_index("linear vectors"));
        let mut uniform =
            || (stream.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0) / dimension as f32;
        let vectors = (0..rows * dimension).map(|_| uniform()).collect();
        let output = vec![0.0; shape.classes * dimension];
        let beside = vec![0.0; shape.classes * shape.inputs];
        Self::assemble(settings.clone(), shape, words, [vectors, output, beside])
    }

    fn assemble(
        settings: LinearSettings,
        shape: BagShape,
        words: Vec<String>,
        [vectors, output, beside]: [Vec<f32>; 3],
    ) -> Self {
        let ids = words.iter().zip(0..).map(|(word, id)| (word.clone(), id)).collect();
        Self { settings, shape, words, ids, vectors, output, beside }
    }

    /// Its settings.
    pub fn settings(&self) -> &LinearSettings {
        &self.settings
    }

    /// The number of trained parameters, each number of a vector counted.
    pub fn parameters(&self) -> usize {
        self.vectors.len() + self.output.len() + self.beside.len()
    }

    /// The rows of vectors that stand for a text: its known words and the buckets of its n-grams.
    pub fn rows(&self, words: &[String]) -> Vec<u32> {
        let mut rows: Vec<u32> =
            words.iter().filter_map(|word| self.ids.get(word).copied()).collect();
        for (start, first) in words.iter().enumerate() {
            let mut hash = name_index(first);
            for word in
                words.iter().skip(start + 1).take(self.settings.word_ngrams.saturating_sub(1))
            {
                hash = hash.wrapping_mul(116_049_371).wrapping_add(name_index(word));
                rows.push((self.words.len() as u64 + hash % self.settings.buckets as u64) as u32);
            }
        }
        rows
    }

    /// The mean vector of some rows.
    fn hidden(&self, rows: &[u32]) -> Vec<f32> {
        let mut hidden = vec![0.0; self.settings.dimension];
        for &row in rows {
            hidden.iter_mut().zip(self.vector(row)).for_each(|(sum, x)| *sum += x);
        }
        hidden.iter_mut().for_each(|sum| *sum /= rows.len().max(1) as f32);
        hidden
    }

    fn vector(&self, row: u32) -> &[f32] {
        &self.vectors[row as usize * self.settings.dimension..][..self.settings.dimension]
    }

    /// The logit of each class.
    pub fn logits(&self, bag: &Bag) -> Vec<f32> {
        self.logits_of(&self.hidden(&bag.rows), &bag.inputs)
    }

    fn logits_of(&self, hidden: &[f32], inputs: &[f32]) -> Vec<f32> {
        let product = |weights: &[f32], x: &[f32]| -> f32 {
            weights.iter().zip(x).map(|(weight, x)| weight * x).sum()
        };
        let logits = self.output.chunks_exact(hidden.len()).map(|weights| product(weights, hidden));
        match inputs.len() {
            0 => logits.collect(),
            width => {
                let beside = self.beside.chunks_exact(width);
                logits.zip(beside).map(|(logit, more)| logit + product(more, inputs)).collect()
            }
        }
    }

    /// One step of stochastic gradient descent on the cross-entropy of one text; returns its loss
    /// before the step.
    pub fn learn(&mut self, bag: &Bag, class: usize, learning_rate: f32) -> f32 {
        let dimension = self.settings.dimension;
        let hidden = self.hidden(&bag.rows);
        let logits = self.logits_of(&hidden, &bag.inputs);
        let largest = logits.iter().fold(f32::NEG_INFINITY, |largest, logit| largest.max(*logit));
        let total: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
        let step_of = |number: usize| {
            let target = f32::from(u8::from(number == class));
            learning_rate * (target - (logits[number] - largest).exp() / total)
        };
        let mut gradient = vec![0.0; dimension];
        for (number, weights) in self.output.chunks_exact_mut(dimension).enumerate() {
            let step = step_of(number);
            for ((gradient, weight), x) in gradient.iter_mut().zip(weights).zip(&hidden) {
                *gradient += step * *weight;
                *weight += step * x;
            }
        }
        if !bag.inputs.is_empty() {
            for (number, weights) in self.beside.chunks_exact_mut(bag.inputs.len()).enumerate() {
                let step = step_of(number);
                weights.iter_mut().zip(&bag.inputs).for_each(|(weight, x)| *weight += step * x);
            }
        }
        let share = 1.0 / bag.rows.len().max(1) as f32;
        for &row in &bag.rows {
            let vector = &mut self.vectors[row as usize * dimension..][..dimension];
            vector.iter_mut().zip(&gradient).for_each(|(x, gradient)| *x += gradient * share);
        }
        total.ln() + largest - logits[class]
    }

    /// Reads words and weights from a model's folder.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub(super) fn read(folder: &Path, settings: LinearSettings, shape: BagShape) -> Result<Self> {
        if settings.dimension == 0 || settings.buckets == 0 {
            let what = "dimension and buckets must be 1 or more".into();
            return Err(damaged(folder, super::files::CONFIG, what));
        }
        let words: Vec<String> = serde_json::from_value(disk::read_json(&folder.join(VOCABULARY))?)
            .map_err(|error| {
                damaged(folder, VOCABULARY, format!("not a list of words: {error}"))
            })?;
        let path = folder.join(WEIGHTS);
        let tensors = candle_core::safetensors::load(&path, &Device::Cpu)
            .map_err(|error| Error::file(&path, "the weights cannot be read").because(error))?;
        let take = |name: &str, dims: [usize; 2]| {
            let tensor = tensors.get(name).filter(|tensor| tensor.dims() == dims);
            let numbers =
                tensor.and_then(|tensor| tensor.flatten_all().ok()?.to_vec1::<f32>().ok());
            let what = || format!("there is no tensor {name} of ({}, {})", dims[0], dims[1]);
            numbers.ok_or_else(|| damaged(folder, WEIGHTS, what()))
        };
        let rows = words.len() + if settings.word_ngrams > 1 { settings.buckets } else { 0 };
        let BagShape { classes, inputs } = shape;
        let vectors = take("vectors", [rows, settings.dimension])?;
        let output = take("output", [classes, settings.dimension])?;
        let beside = match inputs {
            0 => Vec::new(),
            _ => take("values", [classes, inputs])?,
        };
        Ok(Self::assemble(settings, shape, words, [vectors, output, beside]))
    }

    /// Writes words and weights into an existing folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        disk::write_json(&folder.join(VOCABULARY), &self.words)?;
        let tensor = |numbers: &Vec<f32>, width: usize| {
            Tensor::from_slice(numbers, (numbers.len() / width, width), &Device::Cpu)
        };
        let dimension = self.settings.dimension;
        let mut tensors = vec![
            ("output".to_string(), tensor(&self.output, dimension)?),
            ("vectors".to_string(), tensor(&self.vectors, dimension)?),
        ];
        if self.shape.inputs > 0 {
            tensors.push(("values".to_string(), tensor(&self.beside, self.shape.inputs)?));
        }
        write_tensors(&folder.join(WEIGHTS), tensors)
    }
}

/// A file of a model's folder that is wrong.
pub(super) fn damaged(folder: &Path, name: &str, what: String) -> Error {
    Error::file(folder.join(name), what)
        .help("the files of a model folder must come from one model")
}

/// The words of a text in lower case with marks of punctuation apart, and an end.
pub fn words(text: &str) -> Vec<String> {
    const MARKS: &str = ".,!?()'\"";
    let mut words = Vec::new();
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
        let expected = ["i", "don", "'", "t", "know", ".", ".", "</s>"];
        assert_eq!(words(" I don't  know.. "), expected);
    }

    #[test]
    fn unknown_words_have_no_vector_but_their_runs_have_buckets() {
        let settings =
            LinearSettings { word_ngrams: 2, buckets: 1000, ..LinearSettings::default() };
        let shape = BagShape { classes: 3, inputs: 0 };
        let model = BagOfWords::new(&settings, shape, [words("good day")].into_iter(), 1);
        let of = |text| model.rows(&words(text));
        assert_eq!(of("good day").len(), 3 + 2);
        assert_eq!(of("bad day").len(), 2 + 2);
        assert!(of("good day")[3..].iter().all(|&row| (3..1003).contains(&row)));
        assert_ne!(of("good day")[3], of("day good")[3]);
    }

    #[test]
    fn a_step_goes_down_the_gradient_of_words_and_of_the_numbers_beside_them() {
        let settings = LinearSettings { dimension: 4, ..LinearSettings::default() };
        let shape = BagShape { classes: 3, inputs: 2 };
        let mut model = BagOfWords::new(&settings, shape, [words("good day")].into_iter(), 1);
        let bag = Bag { rows: model.rows(&words("good day")), inputs: vec![0.5, -1.0] };
        let loss = |model: &BagOfWords| {
            let logits = model.logits(&bag);
            logits.iter().map(|logit| logit.exp()).sum::<f32>().ln() - logits[2]
        };
        model.learn(&bag, 1, 0.5);
        let before = (loss(&model), model.beside.clone());
        // The derivative by one of the weights beside the words, from a small difference.
        model.beside[5] += 1e-2;
        let up = loss(&model);
        model.beside[5] -= 2e-2;
        let slope = (up - loss(&model)) / 2e-2;
        model.beside.copy_from_slice(&before.1);
        assert!((model.learn(&bag, 2, 0.1) - before.0).abs() < 1e-6);
        assert!((before.1[5] - model.beside[5] - 0.1 * slope).abs() < 1e-4);
        assert!(loss(&model) < before.0);
    }
}
