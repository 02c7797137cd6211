//! All integration tests in one binary, a module a subject.

mod agreement;
mod alignment;
mod annotate;
mod arrows;
mod branches;
mod cli;
mod config;
mod convert;
mod curate;
mod damage;
mod data;
mod dialogue;
mod dialogue_layout;
mod dialogue_measures;
mod dialogue_model;
mod dialogue_page;
mod disk;
mod docs;
mod emotion;
mod extend;
mod floats;
mod generate;
mod golden;
#[cfg(any(feature = "cuda", feature = "cuda-emulation"))]
mod gpu;
mod hub;
mod infer;
mod keywords;
mod language;
mod metrics;
mod ops;
mod paper;
mod queue;
mod real;
mod reinforce;
mod report;
mod reproduce;
mod reward;
mod seq2seq;
#[cfg(feature = "serve")]
mod serve;
mod simulation;
mod support;
mod survey;
mod text;
mod training;
