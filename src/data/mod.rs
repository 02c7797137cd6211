//! ValueNet and dialogues on disk: rows in, rows and counts out. No tensors, no tokens of a model.

pub mod annotations;
pub mod augment;
pub mod balance;
pub mod check;
pub mod dialogue;
mod lines;
pub mod quoting;
pub mod splits;
pub mod stats;
pub mod table;
pub mod write;

pub use splits::{Part, Split};
pub use table::{Row, Sample, Table};
