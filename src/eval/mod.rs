//! Labels and utilities in, numbers out. No tensors, no files.

pub mod baseline;
pub mod confusion;
pub mod evaluation;
pub mod regression;
mod scored;

pub use confusion::Confusion;
pub use evaluation::{Evaluation, Slice};
pub use scored::Scored;
