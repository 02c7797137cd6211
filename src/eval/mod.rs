//! Labels and utilities in, numbers out. No tensors, no files.

pub mod agreement;
pub mod annotators;
pub mod baseline;
pub mod bootstrap;
pub mod calibration;
pub mod circle;
pub mod compare;
pub mod confusion;
pub mod dialogue;
pub mod evaluation;
pub mod figures;
mod mean;
pub mod regression;
mod scored;
pub mod speaker;

pub use bootstrap::{Bootstrap, Interval};
pub use confusion::Confusion;
pub use evaluation::{Evaluation, Slice};
pub use figures::Figure;
pub use mean::Mean;
pub use scored::Scored;
