//! All integration tests in one binary, a module a subject.

mod arrows;
mod cli;
mod config;
mod damage;
mod data;
mod disk;
mod golden;
mod hub;
mod infer;
mod metrics;
mod ops;
mod queue;
mod real;
mod report;
mod reward;
#[cfg(feature = "serve")]
mod serve;
mod support;
mod text;
mod training;
