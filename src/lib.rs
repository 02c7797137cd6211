//! Human values in text: the library behind the `valuenet` program.
//!
//! It implements Qiu et al., *ValueNet: A New Dataset for Human Value Driven Dialogue System* (AAAI
//! 2022). The rooms of the house, from the ground up; a room uses those above it in this list only,
//! which `tests/arrows.rs` checks:
//!
//! * [`error`], [`value`], [`seed`], [`disk`]: errors with a place and a remedy; the ten values and
//!   three labels; randomness without state; writing whole or not at all.
//! * [`data`], [`eval`], [`reward`], [`report`]: rows in, rows and counts out; labels and utilities
//!   in, numbers out; value vectors of a dialogue in, its reward out; results as bytes. No tensors.
//! * [`hub`]: a model's name to its folder.
//! * [`text`], [`nn`]: prompts to token ids; operations with a backward pass, parameters, an
//!   optimiser.
//! * [`model`], [`infer`], [`generate`]: networks and their folders; a stream of texts to a stream of
//!   value vectors; prompts to replies.
//! * [`train`], [`config`], [`run`]: one loop for every task; its configuration; its directory.
//! * [`recipe`]: what the program's verbs mean, without a terminal.
//!
//! The library never prints, exits, or reads the environment: it returns values and calls what it
//! is given.

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::exit
)]
#![warn(clippy::panic, clippy::todo, clippy::dbg_macro, clippy::disallowed_methods)]

pub mod config;
pub mod data;
pub mod disk;
pub mod error;
pub mod eval;
pub mod generate;
pub mod guard;
pub mod hub;
pub mod infer;
pub mod model;
pub mod nn;
pub mod recipe;
pub mod report;
pub mod reward;
pub mod run;
pub mod seed;
pub mod text;
pub mod train;
pub mod value;
