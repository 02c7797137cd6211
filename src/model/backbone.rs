//! The families of encoders and decoders, chosen by a checkpoint's own `config.json`: `FAMILIES` is the list,
//! and the one place to add to.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use candle_core::Tensor;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::bart::BartConfig;
use super::bert::BertConfig;
use super::deberta::DebertaConfig;
use super::decoder::{Decoder, LanguageHead};
use super::distilbert::DistilBertConfig;
use super::gpt2::Gpt2Config;
use super::head::HeadLayout;
use super::hidden_states::HiddenStates;
use super::llama::LlamaConfig;
use super::modernbert::ModernBertConfig;
use super::mpnet::MpnetConfig;
use super::roberta::RobertaConfig;
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

/// A trainable encoder or decoder.
pub trait Backbone: Debug + Send + Sync {
    /// The last hidden states of a batch: (tokens, hidden) or (sequences, hidden).
    ///
    /// # Errors
    /// If an id or a sequence is too large for the model.
    fn forward(
        &self,
        tape: &Tape,
        batch: &PackedBatch,
        states: HiddenStates,
    ) -> candle_core::Result<Node>;
}

/// A family's own configuration: the part of a checkpoint's `config.json` that it reads.
pub trait BackboneConfig: Debug + Send + Sync {
    /// Names and sizes.
    ///
    /// # Errors
    /// If it asks for what this program cannot do.
    fn architecture(&self) -> candle_core::Result<Architecture>;

    /// The head of the family's `…ForSequenceClassification` in transformers, if it has one.
    ///
    /// # Errors
    /// If it asks for what this program cannot do.
    fn classifier(&self) -> candle_core::Result<Option<HeadLayout>> {
        Ok(None)
    }

    /// The head of the family's language model in transformers, if it is one of decoders.
    fn language_head(&self) -> Option<LanguageHead> {
        None
    }

    /// Builds the backbone from the parameters below `scope`.
    ///
    /// # Errors
    /// If a parameter is missing or of another shape.
    fn load(&self, scope: &Scope) -> candle_core::Result<Box<dyn Backbone>>;

    /// The same as a decoder.
    ///
    /// # Errors
    /// As [`BackboneConfig::load`], and if it is none.
    fn load_decoder(&self, _scope: &Scope) -> candle_core::Result<Box<dyn Decoder>> {
        candle_core::bail!("{} is no decoder", self.architecture()?.class)
    }

    /// Gives tensors that a checkpoint keeps under other names or in another shape those that
    /// [`BackboneConfig::load`] asks for.
    fn rename(&self, _tensors: &mut HashMap<String, Tensor>) {}

    /// Gives parameters the shape back in which a checkpoint keeps them.
    fn restore(&self, _tensors: &mut [(String, Tensor)]) {}
}

/// What is to be known of a backbone before its weights are read: names and sizes.
#[derive(Debug, Clone)]
pub struct Architecture {
    /// What the names of all its parameters begin with in a checkpoint with a head.
    pub prefix: &'static str,
    /// The name of the word embedding table below the prefix; the value tokens lengthen it.
    pub word_embeddings: &'static str,
    /// The width of a hidden state.
    pub hidden_size: usize,
    /// The longest sequence it can read, in tokens.
    pub max_length: usize,
    /// The keys of `config.json` that hold dropout probabilities.
    pub dropout_keys: &'static [&'static str],
    /// The transformers class of the backbone alone.
    pub class: &'static str,
    /// How many layers it has, if it reads texts that several pairs of tokens share: its positions are
    /// absolute, and its attention takes that mask.
    pub pair_layers: Option<usize>,
}

impl Architecture {
    /// The full name of the word embedding table.
    pub fn word_embeddings(&self) -> String {
        format!("{}.{}", self.prefix, self.word_embeddings)
    }
}

/// Reads a family's configuration.
type Read = fn(&Json) -> serde_json::Result<Arc<dyn BackboneConfig>>;

/// The families that are known: the values of `model_type` that stand for one, and how its
/// configuration is read.
const FAMILIES: [(&[&str], Read); 10] = [
    (&["bert"], read::<BertConfig>),
    (&["roberta", "xlm-roberta", "camembert"], read::<RobertaConfig>),
    (&["distilbert"], read::<DistilBertConfig>),
    (&["bart"], read::<BartConfig>),
    (&["mbart"], |config| Ok(Arc::new(BartConfig::deserialize(config)?.mbart()))),
    (&["modernbert"], read::<ModernBertConfig>),
    (&["deberta-v2"], read::<DebertaConfig>),
    (&["mpnet"], read::<MpnetConfig>),
    (&["gpt2"], read::<Gpt2Config>),
    (&["llama"], read::<LlamaConfig>),
];

fn read<C: BackboneConfig + DeserializeOwned + 'static>(
    config: &Json,
) -> serde_json::Result<Arc<dyn BackboneConfig>> {
    Ok(Arc::new(C::deserialize(config)?))
}

/// What is known of a family before its weights are read.
#[derive(Debug, Clone)]
pub struct Family {
    config: Arc<dyn BackboneConfig>,
    architecture: Architecture,
    classifier: Option<HeadLayout>,
}

impl Family {
    /// Reads the family and its sizes from a `config.json`.
    ///
    /// # Errors
    /// A sentence that says which key is wrong.
    pub fn from_config(config: &Json) -> Result<Self, String> {
        let name = config["model_type"].as_str().ok_or("model_type is missing")?;
        let (_, read) =
            FAMILIES.iter().find(|(names, _)| names.contains(&name)).ok_or_else(|| {
                let known = FAMILIES
                    .iter()
                    .flat_map(|(names, _)| *names)
                    .copied()
                    .collect::<Vec<_>>()
                    .join(", ");
                format!("model_type \"{name}\" is not a family that valuenet knows ({known})")
            })?;
        Self::of(read(config).map_err(|error| error.to_string())?)
    }

    /// The family of this configuration, which need not be one of those that are known here.
    ///
    /// # Errors
    /// If it asks for what the family cannot do.
    pub fn of(config: Arc<dyn BackboneConfig>) -> Result<Self, String> {
        let architecture = config.architecture().map_err(|error| error.to_string())?;
        let classifier = config.classifier().map_err(|error| error.to_string())?;
        Ok(Self { config, architecture, classifier })
    }

    /// Names and sizes.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The head of the family's `…ForSequenceClassification`.
    ///
    /// # Errors
    /// If it has none.
    pub fn classifier(&self) -> candle_core::Result<&HeadLayout> {
        let class = self.architecture.class;
        let missing = || candle_core::Error::msg(format!("{class} has no classification head"));
        self.classifier.as_ref().ok_or_else(missing)
    }

    /// The head of the family's language model.
    ///
    /// # Errors
    /// If it is no family of decoders.
    pub fn language_head(&self) -> candle_core::Result<LanguageHead> {
        let class = self.architecture.class;
        let missing = || candle_core::Error::msg(format!("{class} is no language model"));
        self.config.language_head().ok_or_else(missing)
    }

    /// A checkpoint's tensors under the names of this family: with its prefix, TensorFlow's `gamma`
    /// and `beta` called `weight` and `bias`, shared tables under one name. What is no
    /// parameter of the backbone or its head may be among them.
    pub fn canonical(&self, tensors: HashMap<String, Tensor>) -> HashMap<String, Tensor> {
        let of_language = self.config.language_head().map(|head| head.output);
        let of_head: Vec<&str> =
            self.classifier.iter().flat_map(HeadLayout::names).chain(of_language).collect();
        let is_below = |name: &str, tree: &str| {
            name.strip_prefix(tree).is_some_and(|rest| rest.starts_with('.'))
        };
        let mut tensors: HashMap<String, Tensor> = tensors
            .into_iter()
            .map(|(name, tensor)| {
                let name = name.replace("LayerNorm.gamma", "LayerNorm.weight");
                let name = name.replace("LayerNorm.beta", "LayerNorm.bias");
                let prefix = self.architecture.prefix;
                match is_below(&name, prefix) || of_head.iter().any(|tree| is_below(&name, tree)) {
                    true => (name, tensor),
                    false => (format!("{prefix}.{name}"), tensor),
                }
            })
            .collect();
        self.config.rename(&mut tensors);
        tensors
    }

    /// Parameters in the shape in which the family's checkpoints keep them.
    pub fn restored(&self, mut tensors: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
        self.config.restore(&mut tensors);
        tensors
    }

    /// Builds the decoder from the parameters below `scope`.
    ///
    /// # Errors
    /// If a parameter is missing or of another shape, or it is no family of decoders.
    pub fn load_decoder(&self, scope: &Scope) -> candle_core::Result<Box<dyn Decoder>> {
        self.config.load_decoder(scope)
    }

    /// Builds the backbone from the parameters below `scope`.
    ///
    /// # Errors
    /// If a parameter is missing or of another shape.
    pub fn load(&self, scope: &Scope) -> candle_core::Result<Box<dyn Backbone>> {
        self.config.load(scope)
    }
}
