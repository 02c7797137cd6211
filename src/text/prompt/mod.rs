//! How what a model is given becomes one sequence of token ids.

pub mod branches;
pub mod dialogue;
mod layout;
pub mod plain;
pub mod value;

pub use layout::{Layout, Vocabulary};
