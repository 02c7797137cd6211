//! How a text and the values it is asked about become one prompt for each value, or one for all.

use serde::{Deserialize, Serialize};

use super::backbone::{Architecture, Family};
use crate::error::Result;
use crate::text::{PackedBatch, TextEncoder};
use crate::value::Value;

/// How a text and the values it is asked about are given to the encoder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptKind {
    /// `[CLS] [VALUE] text [SEP]`, one prompt for each value.
    #[default]
    Each,
    /// `text [SEP]` once, and behind it `[CLS] [VALUE]` for each value. The text sees itself only, and
    /// each pair the text and itself, at the positions of one prompt.
    Shared,
}

/// Tokenized prompts, each about as many values.
#[derive(Debug, Clone)]
pub struct Prompts {
    ids: Vec<Vec<u32>>,
    values: usize,
    kind: PromptKind,
}

impl Prompts {
    /// Those of pairs, in their order.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn of_pairs(
        encoder: &TextEncoder,
        kind: PromptKind,
        pairs: &[(Value, &str)],
    ) -> Result<Self> {
        let ids = match kind {
            PromptKind::Each => encoder.encode_all(pairs)?,
            PromptKind::Shared => {
                let ones = pairs.iter().map(|(value, text)| (std::slice::from_ref(value), *text));
                encoder.encode_shared(&ones.collect::<Vec<_>>())?
            }
        };
        Ok(Self { ids, values: 1, kind })
    }

    /// Those of texts under all ten values, in their order: ten for each text, or one that they share.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn of_all(encoder: &TextEncoder, kind: PromptKind, texts: &[&str]) -> Result<Self> {
        let (ids, values) = match kind {
            PromptKind::Each => (encoder.encode_profiles(texts)?, 1),
            PromptKind::Shared => {
                let all = texts.iter().map(|text| (Value::ALL.as_slice(), *text));
                (encoder.encode_shared(&all.collect::<Vec<_>>())?, Value::COUNT)
            }
        };
        Ok(Self { ids, values, kind })
    }

    /// About how many values each is.
    pub fn values(&self) -> usize {
        self.values
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The length of each, in tokens.
    pub fn lengths(&self) -> Vec<usize> {
        self.ids.iter().map(Vec::len).collect()
    }

    /// Some of them behind each other.
    pub fn batch(&self, items: &[usize]) -> PackedBatch {
        let ids = items.iter().map(|&item| self.ids[item].as_slice());
        match self.kind {
            PromptKind::Each => PackedBatch::new(ids),
            PromptKind::Shared => PackedBatch::shared(ids, self.values),
        }
    }
}

/// Refuses prompts that a family cannot read.
pub(super) fn check_prompt(family: &Family, prompt: PromptKind) -> candle_core::Result<()> {
    let Architecture { class, reads_pairs, .. } = family.architecture();
    match prompt == PromptKind::Each || *reads_pairs {
        true => Ok(()),
        false => candle_core::bail!(
            "model.prompt \"shared\" is for BERT, DistilBERT and RoBERTa, and this is a {class}"
        ),
    }
}
