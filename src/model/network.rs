//! A backbone under a classification head: token ids in, logits out.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor};

use super::backbone::{Backbone, Family};
use super::head::{Head, HeadShape};
use super::hidden_states::HiddenStates;
use crate::nn::params::{Loader, Params};
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

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
    newly_initialised: Vec<String>,
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
        Self::assemble(
            family,
            head,
            start,
            false,
            Loader::new(checkpoint, seed, INITIAL_DEVIATION, device),
        )
    }

    /// The same with a backbone that stays as it is.
    ///
    /// # Errors
    /// As [`Network::build`].
    pub fn build_on_frozen(
        family: &Family,
        head: HeadShape,
        checkpoint: HashMap<String, Tensor>,
        start: Start,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        Self::assemble(
            family,
            head,
            start,
            true,
            Loader::new(checkpoint, seed, INITIAL_DEVIATION, device),
        )
    }

    fn assemble(
        family: &Family,
        head: HeadShape,
        start: Start,
        is_frozen: bool,
        loader: Loader,
    ) -> Result<Self> {
        let prefix = family.architecture().prefix;
        let scope = match start {
            Start::Scratch => loader.optional(prefix),
            Start::Trained | Start::Pretrained => loader.required(prefix),
        };
        let scope = if is_frozen { scope.frozen(DType::F32) } else { scope };
        let backbone = family.load(&scope)?;
        let hidden = family.architecture().hidden_size;
        let head = Head::load(&loader, family.classifier()?, hidden, head)?;
        let (params, newly_initialised) = loader.finish();
        match newly_initialised.first() {
            Some(name) if start == Start::Trained => candle_core::bail!("tensor {name} is missing"),
            _ => Ok(Self { backbone, head, params, newly_initialised }),
        }
    }

    /// The parameters, in order.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The names of the parameters that no checkpoint brought.
    pub fn newly_initialised(&self) -> &[String] {
        &self.newly_initialised
    }

    /// The last hidden states of a batch.
    ///
    /// # Errors
    /// If an id or a sequence is too large for the encoder.
    pub fn hidden_states(
        &self,
        tape: &Tape,
        batch: &PackedBatch,
        states: HiddenStates,
    ) -> Result<Node> {
        self.backbone.forward(tape, batch, states)
    }

    /// The head's numbers before the activation: (sequences, outputs).
    ///
    /// # Errors
    /// As [`Network::hidden_states`].
    pub fn logits(&self, tape: &Tape, batch: &PackedBatch) -> Result<Node> {
        self.logits_of(tape, &self.hidden_states(tape, batch, HiddenStates::Summary)?, None)
    }

    /// The same from summary states, (sequences, hidden), and what stands beside them in the head,
    /// (sequences, inputs).
    ///
    /// # Errors
    /// If one has another width.
    pub fn logits_of(&self, tape: &Tape, states: &Node, inputs: Option<&Node>) -> Result<Node> {
        self.head.logits(tape, states, inputs)
    }
}
