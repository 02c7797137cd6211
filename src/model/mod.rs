//! Value models and language models: backbones, heads, and the folders they are kept in.
//!
//! A [`ValueModel`] predicts the utility of a scenario under a value, a [`LanguageModel`] the next
//! token of a text, and a [`DialogueModel`] replies. This room knows how a model is built, run and
//! stored, and nothing of data files, training or metrics.

pub mod any;
pub mod backbone;
pub mod bag_of_words;
pub mod bart;
mod base;
pub mod bert;
mod blocks;
mod budget;
pub mod deberta;
pub mod decoder;
pub mod dialogue_model;
pub mod distilbert;
pub mod emotion;
pub mod ensemble;
pub mod files;
mod folder;
mod gguf;
pub mod gpt2;
pub mod head;
pub mod hidden_states;
pub mod imported;
pub mod language_model;
pub mod language_network;
pub mod linear;
pub mod llama;
mod metadata;
pub mod modernbert;
pub mod mpnet;
pub mod network;
pub mod onnx;
mod pickle;
pub mod predictor;
pub mod reply_model;
pub mod roberta;
pub mod scratch;
pub mod seq2seq;
pub mod seq2seq_model;
pub mod value_head;
pub mod value_model;
pub mod value_prompts;
pub mod value_tokens;

pub use any::Model;
pub use dialogue_model::DialogueModel;
pub use emotion::EmotionModel;
pub use ensemble::Ensemble;
pub use imported::ImportedModel;
pub use language_model::{LanguageModel, is_language_model};
pub use predictor::{Prediction, Predictor};
pub use reply_model::ReplyModel;
pub use seq2seq_model::Seq2SeqModel;
pub use value_model::ValueModel;
