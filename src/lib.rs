//! Human values in text: the library behind the `valuenet` program.

#![warn(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used, clippy::exit)]
#![warn(clippy::panic, clippy::todo, clippy::dbg_macro, clippy::disallowed_methods)]

pub mod data;
pub mod disk;
pub mod error;
pub mod eval;
pub mod hub;
pub mod infer;
pub mod model;
pub mod nn;
pub mod report;
pub mod seed;
pub mod text;
pub mod value;
