//! ValueNet on disk: rows in, rows and counts out. No tensors, no tokens of a model.

pub mod check;
pub mod quoting;
pub mod splits;
pub mod stats;
pub mod table;

pub use splits::{Part, Split};
pub use table::{Row, Sample, Table};
