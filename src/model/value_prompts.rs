//! How a text and the values it is asked about become one prompt for each value, or one for all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backbone::{Architecture, Family};
use crate::error::Result;
use crate::text::{PackedBatch, Pairs, TextEncoder};
use crate::value::Value;

/// How a text and the values it is asked about are given to the encoder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PromptKind {
    /// `[CLS] [VALUE] text [SEP]`, one prompt for each value.
    #[default]
    Each,
    /// `text [SEP]` once, and behind it `[CLS] [VALUE]` for each value. The text sees itself only, and
    /// each pair the text and itself, at the positions of one prompt.
    Shared,
    /// `[CLS] [VALUE] definition. text [SEP]`, one prompt for each value, with Schwartz's definition of
    /// it.
    Defined,
}

impl PromptKind {
    /// A prompt as it is given to the tokenizer, for an example: of those that stand alone.
    pub fn example(self) -> String {
        let (value, text) = (Value::Benevolence, "I helped my neighbour.");
        match self {
            Self::Each | Self::Shared => format!("{} {text}", value.token()),
            Self::Defined => format!("{} {}", value.token(), with_definition(value, text)),
        }
    }
}

/// Tokenized prompts, each about as many values.
#[derive(Debug, Clone)]
pub struct Prompts {
    ids: Vec<Vec<u32>>,
    values: usize,
    kind: PromptKind,
    shared_layers: usize,
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
            PromptKind::Defined => encoder.encode_all(&defined(pairs))?,
            PromptKind::Shared => {
                let ones = pairs.iter().map(|(value, text)| (std::slice::from_ref(value), *text));
                encoder.encode_shared(&ones.collect::<Vec<_>>())?
            }
        };
        Ok(Self { ids, values: 1, kind, shared_layers: 0 })
    }

    /// Those of texts under all ten values, in their order: ten for each text, or one that they share.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn of_all(encoder: &TextEncoder, kind: PromptKind, texts: &[&str]) -> Result<Self> {
        let (ids, values) = match kind {
            PromptKind::Each => (encoder.encode_profiles(texts)?, 1),
            PromptKind::Defined => (encoder.encode_under_each(texts, with_definition)?, 1),
            PromptKind::Shared => {
                let all = texts.iter().map(|text| (Value::ALL.as_slice(), *text));
                (encoder.encode_shared(&all.collect::<Vec<_>>())?, Value::COUNT)
            }
        };
        Ok(Self { ids, values, kind, shared_layers: 0 })
    }

    /// The same for an encoder of which so many layers read a shared text before its values.
    pub fn with_shared_layers(self, shared_layers: usize) -> Self {
        Self { shared_layers, ..self }
    }

    /// More of the same kind behind these.
    pub fn append(&mut self, mut more: Self) {
        self.ids.append(&mut more.ids);
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
            PromptKind::Each | PromptKind::Defined => PackedBatch::new(ids),
            PromptKind::Shared => {
                let pairs = Pairs { count: self.values, shared_layers: self.shared_layers };
                PackedBatch::shared(ids, pairs)
            }
        }
    }
}

/// Texts with the definitions of their values before them.
fn defined(pairs: &[(Value, &str)]) -> Vec<(Value, String)> {
    pairs.iter().map(|(value, text)| (*value, with_definition(*value, text))).collect()
}

fn with_definition(value: Value, text: &str) -> String {
    format!("{}. {text}", value.definition())
}

/// Refuses prompts that a family cannot read, with so many layers before their values.
pub(super) fn check_prompt(
    family: &Family,
    prompt: PromptKind,
    shared_layers: usize,
) -> candle_core::Result<()> {
    let Architecture { class, pair_layers, .. } = family.architecture();
    match (prompt, pair_layers) {
        (PromptKind::Shared, None) => candle_core::bail!(
            "model.prompt \"shared\" is for BERT, DistilBERT and RoBERTa, and this is a {class}"
        ),
        (PromptKind::Shared, Some(layers)) if shared_layers >= *layers => candle_core::bail!(
            "model.shared_layers is {shared_layers}, and of {layers} layers at least one must know the value"
        ),
        _ => Ok(()),
    }
}
