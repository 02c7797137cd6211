//! An encoder with a head: token ids in, utilities out.

use std::collections::HashMap;

use candle_core::{Device, Result, Tensor};

use super::backbone::{Backbone, Family};
use super::head::{Head, HeadSettings};
use super::predictor::Prediction;
use super::wanted::Wanted;
use crate::nn::params::{Loader, Params};
use crate::nn::tape::{Node, Tape};
use crate::text::Packed;
use crate::value::Label;

/// The standard deviation of new weights, as BERT's `initializer_range`.
pub const INITIAL_DEVIATION: f32 = 0.02;

/// Which parameters a checkpoint must bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// All of the encoder and the head: a trained value model.
    Trained,
    /// Those of the encoder; the head starts from the seed.
    Pretrained,
    /// None: everything starts from the seed.
    Scratch,
}

/// The network of a value model.
#[derive(Debug)]
pub struct Network {
    backbone: Box<dyn Backbone>,
    head: Head,
    params: Params,
    fresh: Vec<String>,
}

impl Network {
    /// Builds the network from a checkpoint's tensors under the family's canonical names.
    ///
    /// # Errors
    /// If a parameter that must be there is missing, or one has another shape.
    pub fn build(
        family: &Family,
        head: HeadSettings,
        checkpoint: HashMap<String, Tensor>,
        start: Start,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let loader = Loader::new(checkpoint, seed, INITIAL_DEVIATION, device);
        let scope = match start {
            Start::Scratch => loader.fresh(family.facts().prefix),
            Start::Trained | Start::Pretrained => loader.stored(family.facts().prefix),
        };
        let backbone = family.load(&scope)?;
        let head = Head::load(&loader, family.facts(), head)?;
        let (params, fresh) = loader.finish();
        match fresh.first() {
            Some(name) if start == Start::Trained => candle_core::bail!("tensor {name} is missing"),
            _ => Ok(Self { backbone, head, params, fresh }),
        }
    }

    /// The parameters, in order.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The names of the parameters that no checkpoint brought.
    pub fn fresh(&self) -> &[String] {
        &self.fresh
    }

    /// The last hidden states of a batch.
    ///
    /// # Errors
    /// If an id or a sequence is too large for the encoder.
    pub fn hidden_states(&self, tape: &Tape, batch: &Packed, wanted: Wanted) -> Result<Node> {
        self.backbone.forward(tape, batch, wanted)
    }

    /// The head's numbers before the activation: (sequences, outputs).
    ///
    /// # Errors
    /// As [`Network::hidden_states`].
    pub fn logits(&self, tape: &Tape, batch: &Packed) -> Result<Node> {
        self.head.logits(tape, &self.hidden_states(tape, batch, Wanted::Summary)?)
    }

    /// The utilities that a regression predicts: (sequences, 1).
    ///
    /// # Errors
    /// As [`Network::hidden_states`].
    pub fn utilities(&self, tape: &Tape, batch: &Packed) -> Result<Node> {
        self.head.utilities(tape, &self.logits(tape, batch)?)
    }
    /// What the network says of each sequence; none where a number is none.
    ///
    /// # Errors
    /// As [`Network::hidden_states`].
    pub fn predictions(&self, tape: &Tape, batch: &Packed) -> Result<Vec<Option<Prediction>>> {
        self.head.predictions(tape, &self.logits(tape, batch)?)
    }

    /// `weight` times the sum of the losses of these sequences.
    ///
    /// # Errors
    /// As [`Network::hidden_states`], and if there are not as many labels as sequences.
    pub fn loss(&self, tape: &Tape, batch: &Packed, labels: &[Label], weight: f64) -> Result<Node> {
        self.head.loss(tape, &self.logits(tape, batch)?, labels, weight)
    }
}
