//! A backbone under a classification head: token ids in, logits out.

use std::collections::HashMap;

use candle_core::{Device, Result, Tensor};

use super::backbone::{Backbone, Family};
use super::head::{Head, HeadShape};
use super::wanted::Wanted;
use crate::nn::params::{Loader, Params};
use crate::nn::tape::{Node, Tape};
use crate::text::Packed;

/// The standard deviation of new weights, as BERT's `initializer_range`.
pub const INITIAL_DEVIATION: f32 = 0.02;

/// Which parameters a checkpoint must bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// All of the backbone and the head: a trained model.
    Trained,
    /// Those of the backbone; the head starts from the seed.
    Pretrained,
    /// None: everything starts from the seed.
    Scratch,
}

/// A network that classifies sequences, or gives each some other numbers.
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
        head: HeadShape,
        checkpoint: HashMap<String, Tensor>,
        start: Start,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let loader = Loader::new(checkpoint, seed, INITIAL_DEVIATION, device);
        let scope = match start {
            Start::Scratch => loader.fresh(family.architecture().prefix),
            Start::Trained | Start::Pretrained => loader.stored(family.architecture().prefix),
        };
        let backbone = family.load(&scope)?;
        let hidden = family.architecture().hidden_size;
        let head = Head::load(&loader, family.classifier()?, hidden, head)?;
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
}
