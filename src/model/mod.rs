//! Value models: encoders, heads, and the folders they are kept in.
//!
//! A [`ValueModel`] predicts the utility of a scenario under a value. This room knows how a model
//! is built, run and stored, and nothing of data files, training or metrics.

pub mod any;
pub mod backbone;
pub mod bart;
pub mod bert;
mod blocks;
mod budget;
pub mod deberta;
pub mod distilbert;
mod extras;
pub mod files;
mod folder;
pub mod head;
pub mod linear;
pub mod modernbert;
pub mod network;
pub mod predictor;
pub mod roberta;
pub mod scratch;
pub mod value_head;
pub mod value_model;
pub mod value_tokens;
pub mod wanted;

pub use any::Model;
pub use predictor::{Prediction, Predictor};
pub use value_model::ValueModel;
