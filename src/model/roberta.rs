//! RoBERTa (Liu et al., 2019) as transformers' `RobertaModel`, and XLM-RoBERTa and CamemBERT, which
//! are the same: a BERT whose positions begin behind that of the padding.

use candle_core::Result;
use serde::Deserialize;

use crate::nn::activation::Activation;
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};
use crate::text::Packed;

use super::backbone::{Architecture, Backbone, BackboneConfig};
use super::bert::{Bert, BertConfig};
use super::head::HeadLayout;
use super::wanted::Wanted;

/// The part of a RoBERTa checkpoint's `config.json` that this model reads.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct RobertaConfig {
    #[serde(flatten)]
    pub bert: BertConfig,
    #[serde(default = "pad_token_id")]
    pub pad_token_id: u32,
}

fn pad_token_id() -> u32 {
    1
}

impl RobertaConfig {
    /// The position of a sequence's first token.
    fn first_position(&self) -> u32 {
        self.pad_token_id + 1
    }
}

impl BackboneConfig for RobertaConfig {
    fn architecture(&self) -> Result<Architecture> {
        let bert = self.bert.architecture()?;
        Ok(Architecture {
            prefix: "roberta",
            max_length: bert.max_length.saturating_sub(self.first_position() as usize),
            class: "RobertaModel",
            ..bert
        })
    }

    fn classifier(&self) -> Result<Option<HeadLayout>> {
        Ok(self.bert.classifier()?.map(|bert| HeadLayout {
            class: "RobertaForSequenceClassification",
            dense: "classifier.dense",
            output: "classifier.out_proj",
            activation: Activation::Tanh,
            dropout_before: bert.dropout,
            ..bert
        }))
    }

    fn load(&self, scope: &Scope) -> Result<Box<dyn Backbone>> {
        Ok(Box::new(Roberta::load(scope, self)?))
    }
}

/// `RobertaModel` without its pooler, which the classification head does not use.
#[derive(Debug)]
pub struct Roberta {
    bert: Bert,
    first_position: u32,
}

impl Roberta {
    /// Builds the model from the parameters below `scope`.
    ///
    /// # Errors
    /// As [`Bert::load`].
    pub fn load(scope: &Scope, config: &RobertaConfig) -> Result<Self> {
        Ok(Self { bert: Bert::load(scope, &config.bert)?, first_position: config.first_position() })
    }
}

impl Backbone for Roberta {
    /// The last hidden states: (tokens, hidden) or (sequences, hidden).
    fn forward(&self, tape: &Tape, batch: &Packed, wanted: Wanted) -> Result<Node> {
        self.bert.forward(tape, &batch.clone().moved(self.first_position), wanted)
    }
}
