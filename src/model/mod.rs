//! Value models: encoders, heads, and the folders they are kept in.
//!
//! A [`ValueModel`] predicts the utility of a scenario under a value. This room knows how a model is built, run and
//! stored, and nothing of data files, training or metrics.

pub mod bert;
pub mod encoder;
mod extras;
pub mod files;
mod folder;
pub mod head;
pub mod network;
pub mod predictor;
pub mod scratch;
pub mod value_model;
pub mod value_tokens;
pub mod wanted;

pub use predictor::Predictor;
pub use value_model::ValueModel;
