//! The families of encoders, chosen by a checkpoint's own `config.json`.

use std::collections::HashMap;

use candle_core::Tensor;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::bart::{Bart, BartConfig};
use super::bert::{Bert, BertConfig};
use super::deberta::{Deberta, DebertaConfig};
use super::distilbert::{DistilBert, DistilBertConfig};
use super::facts::Facts;
use super::modernbert::{ModernBert, ModernBertConfig};
use super::roberta::{Roberta, RobertaConfig};
use super::wanted::Wanted;
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};
use crate::text::Packed;

/// What is known of a family before its weights are read.
#[derive(Debug, Clone)]
pub struct Family {
    config: Config,
    facts: Facts,
}

/// A family's own configuration.
#[derive(Debug, Clone)]
enum Config {
    Bert(BertConfig),
    Roberta(RobertaConfig),
    DistilBert(DistilBertConfig),
    Bart(BartConfig),
    ModernBert(ModernBertConfig),
    Deberta(DebertaConfig),
}

/// The values of `model_type` that are known.
const KNOWN: &str = "bert, roberta, xlm-roberta, camembert, distilbert, bart, mbart, modernbert, deberta-v2";

impl Family {
    /// Reads the family and its sizes from a `config.json`.
    ///
    /// # Errors
    /// A sentence that says which key is wrong.
    pub fn from_config(config: &Json) -> Result<Self, String> {
        fn read<C: DeserializeOwned>(config: &Json) -> Result<C, String> {
            serde_json::from_value(config.clone()).map_err(|error| error.to_string())
        }
        let config = match config["model_type"].as_str() {
            Some("bert") => Config::Bert(read(config)?),
            Some("roberta" | "xlm-roberta" | "camembert") => Config::Roberta(read(config)?),
            Some("distilbert") => Config::DistilBert(read(config)?),
            Some("bart") => Config::Bart(read(config)?),
            Some("mbart") => Config::Bart(read::<BartConfig>(config)?.mbart()),
            Some("modernbert") => Config::ModernBert(read(config)?),
            Some("deberta-v2") => Config::Deberta(read(config)?),
            Some(other) => {
                return Err(format!("model_type \"{other}\" is not a family that valuenet knows ({KNOWN})"));
            }
            None => return Err("model_type is missing".into()),
        };
        let facts = match &config {
            Config::Bert(config) => Ok(config.facts()),
            Config::Roberta(config) => Ok(config.facts()),
            Config::DistilBert(config) => Ok(config.facts()),
            Config::Bart(config) => Ok(config.facts()),
            Config::ModernBert(config) => config.facts(),
            Config::Deberta(config) => config.facts(),
        };
        Ok(Self { config, facts: facts.map_err(|error| error.to_string())? })
    }

    /// Names and sizes.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// A checkpoint's tensors under the names of this family: with its prefix, TensorFlow's `gamma` and `beta` called
    /// `weight` and `bias`, shared tables under one name. What is no parameter of the encoder or its head may be among them.
    pub fn canonical(&self, tensors: HashMap<String, Tensor>) -> HashMap<String, Tensor> {
        let head = &self.facts.head;
        let of_head = [head.dense, head.output, head.norm.map_or(head.dense, |norm| norm.name)];
        let is_below =
            |name: &str, tree: &str| name.strip_prefix(tree).is_some_and(|rest| rest.starts_with('.'));
        let mut tensors: HashMap<String, Tensor> = tensors
            .into_iter()
            .map(|(name, tensor)| {
                let name = name.replace("LayerNorm.gamma", "LayerNorm.weight");
                let name = name.replace("LayerNorm.beta", "LayerNorm.bias");
                let prefix = self.facts.prefix;
                match is_below(&name, prefix) || of_head.iter().any(|tree| is_below(&name, tree)) {
                    true => (name, tensor),
                    false => (format!("{prefix}.{name}"), tensor),
                }
            })
            .collect();
        if let Config::Bart(_) = self.config {
            BartConfig::share_embeddings(&mut tensors);
        }
        tensors
    }

    /// Builds the encoder from the parameters below `scope`.
    ///
    /// # Errors
    /// If a parameter is missing or of another shape.
    pub fn load(&self, scope: &Scope) -> candle_core::Result<Encoder> {
        match &self.config {
            Config::Bert(config) => Bert::load(scope, config).map(Encoder::Bert),
            Config::Roberta(config) => Roberta::load(scope, config).map(Encoder::Roberta),
            Config::DistilBert(config) => DistilBert::load(scope, config).map(Encoder::DistilBert),
            Config::Bart(config) => Bart::load(scope, config).map(Encoder::Bart),
            Config::ModernBert(config) => ModernBert::load(scope, config).map(Encoder::ModernBert),
            Config::Deberta(config) => Deberta::load(scope, config).map(Encoder::Deberta),
        }
    }
}

/// A trainable encoder.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Encoder {
    Bert(Bert),
    Roberta(Roberta),
    DistilBert(DistilBert),
    Bart(Bart),
    ModernBert(ModernBert),
    Deberta(Deberta),
}

impl Encoder {
    /// The last hidden states of a batch: (tokens, hidden) or (sequences, hidden).
    ///
    /// # Errors
    /// If an id or a sequence is too large for the model.
    pub fn forward(&self, tape: &Tape, batch: &Packed, wanted: Wanted) -> candle_core::Result<Node> {
        match self {
            Self::Bert(encoder) => encoder.forward(tape, batch, wanted),
            Self::Roberta(encoder) => encoder.forward(tape, batch, wanted),
            Self::DistilBert(encoder) => encoder.forward(tape, batch, wanted),
            Self::Bart(encoder) => encoder.forward(tape, batch, wanted),
            Self::ModernBert(encoder) => encoder.forward(tape, batch, wanted),
            Self::Deberta(encoder) => encoder.forward(tape, batch, wanted),
        }
    }
}
