//! Long texts sentence by sentence: a model reads a prompt's worth of each, and not the beginning of the whole.

use unicode_segmentation::UnicodeSegmentation;

use super::{CHUNK, score};
use crate::error::Result;
use crate::model::Predictor;
use crate::value::{Label, ProfileProbabilities, ScoredText, Value};

/// How a text's vector comes from those of its sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduce {
    /// Their mean.
    Mean,
    /// Under each value that of the sentence that serves it, or goes against it, most.
    Extreme,
}

/// How texts are scored by their sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BySentence {
    /// How many sentences before each are read with it.
    pub context: usize,
    /// How their vectors become one.
    pub reduce: Reduce,
}

impl BySentence {
    /// Scores texts; blank ones have no vector.
    ///
    /// # Errors
    /// If scoring fails.
    pub fn score(&self, model: &dyn Predictor, texts: Vec<String>) -> Result<Vec<ScoredText>> {
        let parts: Vec<Vec<String>> = texts.iter().map(|text| self.parts(text)).collect();
        let all: Vec<String> = parts.iter().flatten().cloned().collect();
        let mut scored = Vec::with_capacity(all.len());
        for chunk in all.chunks(CHUNK) {
            scored.extend(score(model, chunk.to_vec())?);
        }
        let mut rest = scored.as_slice();
        let one = |(text, parts): (String, &Vec<String>)| {
            let (own, behind) = rest.split_at(parts.len());
            rest = behind;
            self.reduced(text, own)
        };
        Ok(texts.into_iter().zip(&parts).map(one).collect())
    }

    /// The sentences of a text by Unicode's rules (UAX 29), each behind those before it that are read with it.
    fn parts(&self, text: &str) -> Vec<String> {
        let all: Vec<&str> = text
            .split_sentence_bounds()
            .map(str::trim)
            .filter(|sentence| !sentence.is_empty())
            .collect();
        let part = |end: usize| all[end.saturating_sub(self.context)..=end].join(" ");
        (0..all.len()).map(part).collect()
    }

    fn reduced(&self, text: String, parts: &[ScoredText]) -> ScoredText {
        let profiles: Vec<_> = parts.iter().filter_map(|part| part.profile).collect();
        let shares: Vec<&ProfileProbabilities> =
            parts.iter().filter_map(|part| part.probabilities.as_ref()).collect();
        if profiles.is_empty() {
            return ScoredText { text, profile: None, probabilities: None };
        }
        let has_shares = shares.len() == profiles.len();
        let mut profile = [0.0; Value::COUNT];
        let mut probabilities = [[0.0; Label::COUNT]; Value::COUNT];
        for place in 0..Value::COUNT {
            match self.reduce {
                Reduce::Mean => {
                    profile[place] = mean(profiles.iter().map(|it| it[place]));
                    for label in 0..Label::COUNT {
                        probabilities[place][label] =
                            mean(shares.iter().map(|it| it[place][label]));
                    }
                }
                Reduce::Extreme => {
                    let size = |part: &usize| profiles[*part][place].abs();
                    // Of equals the first.
                    let most = (0..profiles.len()).rev().max_by(|a, b| size(a).total_cmp(&size(b)));
                    let most = most.unwrap_or_default();
                    profile[place] = profiles[most][place];
                    if has_shares {
                        probabilities[place] = shares[most][place];
                    }
                }
            }
        }
        let probabilities = has_shares.then_some(probabilities);
        ScoredText { text, profile: Some(profile), probabilities }
    }
}

fn mean(numbers: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = numbers.len().max(1) as f64;
    (numbers.map(f64::from).sum::<f64>() / count) as f32
}
