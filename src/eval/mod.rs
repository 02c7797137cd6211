//! Labels and utilities in, numbers out. No tensors, no files.

pub mod agreement;
pub mod annotators;
pub mod authors;
pub mod bootstrap;
pub mod calibration;
pub mod circle;
pub mod classes;
pub mod compare;
pub mod confusion;
pub mod dialogue;
pub mod discrimination;
pub mod evaluation;
pub mod figures;
mod mean;
pub mod regression;
pub mod rise;
pub mod speaker;

pub use bootstrap::{Bootstrap, Interval, clusters};
pub use confusion::Confusion;
pub use evaluation::{Evaluation, Slice};
pub use figures::{Figure, Scored};
pub use mean::Mean;
