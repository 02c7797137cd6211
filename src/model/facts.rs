//! What the rest of the program must know of a family before its weights are read.

use crate::nn::activation::Activation;

/// Names and sizes of an encoder.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What the names of all the encoder's parameters begin with in a checkpoint with a head.
    pub prefix: &'static str,
    /// The name of the word embedding table below the prefix; the value tokens lengthen it.
    pub word_embeddings: &'static str,
    /// The width of a hidden state.
    pub hidden_size: usize,
    /// The longest sequence it can read, in tokens.
    pub max_length: usize,
    /// The keys of `config.json` that hold dropout probabilities.
    pub dropout_keys: &'static [&'static str],
    /// The transformers class of the encoder alone.
    pub class: &'static str,
    /// Its classification head.
    pub head: HeadLayout,
}

impl Facts {
    /// The full name of the word embedding table.
    pub fn word_embeddings(&self) -> String {
        format!("{}.{}", self.prefix, self.word_embeddings)
    }
}

/// How transformers' `…ForSequenceClassification` gets from the summary state to logits: dropout, a
/// dense layer, an activation, perhaps a norm, dropout, a linear layer. Names are full names in a
/// checkpoint.
#[derive(Debug, Clone)]
pub struct HeadLayout {
    /// The class.
    pub class: &'static str,
    /// The dense layer.
    pub dense: &'static str,
    /// Whether that has a bias.
    pub dense_bias: bool,
    /// The function after it.
    pub activation: Activation,
    /// The norm after that, if there is one.
    pub norm: Option<NormLayout>,
    /// The linear layer to logits.
    pub output: &'static str,
    /// The dropout probability before the dense layer.
    pub dropout_before: f32,
    /// The dropout probability before the linear layer.
    pub dropout: f32,
    /// Text values of `config.json` that say the same, where other values would mean another head.
    pub settings: &'static [(&'static str, &'static str)],
}

/// A norm inside a head.
#[derive(Debug, Clone, Copy)]
pub struct NormLayout {
    /// Its name.
    pub name: &'static str,
    /// Keeps the square root away from zero.
    pub eps: f64,
    /// Whether it has a bias.
    pub bias: bool,
}

impl HeadLayout {
    /// A head without any name or dropout, to be filled in.
    pub(super) fn plain() -> Self {
        Self {
            class: "",
            dense: "",
            dense_bias: true,
            activation: Activation::Tanh,
            norm: None,
            output: "",
            dropout_before: 0.0,
            dropout: 0.0,
            settings: &[],
        }
    }
}
