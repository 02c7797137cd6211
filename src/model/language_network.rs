//! A decoder under a language head: token ids in, the probabilities of what follows out.

use std::collections::HashMap;

use candle_core::{Device, Result, Tensor};

use super::backbone::Family;
use super::decoder::Decoder;
use super::hidden_states::HiddenStates;
use super::network::INITIAL_DEVIATION;
use crate::nn::embedding::select_rows;
use crate::nn::language_loss::{language_loss, log_probabilities};
use crate::nn::linear::Linear;
use crate::nn::params::{Init, Loader, Params, Scope};
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

/// The network of a language model.
#[derive(Debug)]
pub struct LanguageNetwork {
    decoder: Box<dyn Decoder>,
    /// The weight of the output layer, which may be the word embeddings: (vocabulary, hidden).
    table: Node,
    output: Linear,
    params: Params,
}

impl LanguageNetwork {
    /// Builds the network from a checkpoint's tensors under the family's canonical names.
    ///
    /// # Errors
    /// If the family is none of decoders, a parameter is missing, or one has another shape.
    pub fn build(
        family: &Family,
        checkpoint: HashMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let loader = Loader::new(checkpoint, 0, INITIAL_DEVIATION, device);
        Self::load(family, loader, Loader::required)
    }

    /// Builds the network with parameters that start from the seed.
    ///
    /// # Errors
    /// If the family is none of decoders.
    pub fn from_scratch(family: &Family, seed: u64, device: &Device) -> Result<Self> {
        let loader = Loader::new(HashMap::new(), seed, INITIAL_DEVIATION, device);
        Self::load(family, loader, Loader::optional)
    }

    fn load(
        family: &Family,
        loader: Loader,
        scope: for<'a> fn(&'a Loader, &str) -> Scope<'a>,
    ) -> Result<Self> {
        let head = family.language_head()?;
        let decoder = family.load_decoder(&scope(&loader, family.architecture().prefix))?;
        let table = match head.is_tied {
            true => decoder.table().clone(),
            false => {
                let shape = decoder.table().tensor().shape();
                scope(&loader, head.output).param("weight", shape, Init::Normal)?
            }
        };
        let output = Linear::tied(&table)?;
        Ok(Self { decoder, table, output, params: loader.finish().0 })
    }

    /// The parameters, in order.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The backbone.
    pub fn decoder(&self) -> &dyn Decoder {
        &*self.decoder
    }

    /// How many tokens it knows.
    pub fn vocabulary_size(&self) -> usize {
        self.table.tensor().dims()[0]
    }

    /// The last hidden states of all tokens: (tokens, hidden).
    ///
    /// # Errors
    /// If an id or a sequence is too large for the decoder.
    pub fn states(&self, tape: &Tape, batch: &PackedBatch) -> Result<Node> {
        self.decoder.forward(tape, batch, HiddenStates::AllTokens)
    }

    /// What follows tokens with these states, (rows, hidden), before softmax: (rows, vocabulary) in
    /// f32.
    ///
    /// # Errors
    /// If the states have another width.
    pub fn logits(&self, tape: &Tape, states: &Node) -> Result<Node> {
        self.output.widened(tape, states)
    }

    /// The log-probability of each of these `tokens`, which are numbers of tokens in the batch,
    /// after those before it in its sequence: (tokens).
    ///
    /// # Errors
    /// If one is the first of its sequence, or as [`LanguageNetwork::states`].
    pub fn log_probabilities(
        &self,
        tape: &Tape,
        batch: &PackedBatch,
        tokens: &[u32],
    ) -> Result<Node> {
        let (states, targets) = self.before(tape, batch, tokens)?;
        log_probabilities(tape, &states, &self.table, &targets)
    }

    /// The log-probability of each of these `targets` after a token with the state in its row of
    /// `states`, (targets, hidden): (targets).
    ///
    /// # Errors
    /// If a target is no token, or the states have another shape.
    pub fn log_probabilities_after(
        &self,
        tape: &Tape,
        states: &Node,
        targets: &[u32],
    ) -> Result<Node> {
        log_probabilities(tape, states, &self.table, targets)
    }

    /// `-Σ weight * log p(token | those before it)` over the batch, with a weight for each of its
    /// tokens. Those that weigh nothing cost nothing at the output layer; the first of a sequence
    /// must be among them.
    ///
    /// # Errors
    /// If there are not as many weights as tokens, or all are zero, or as
    /// [`LanguageNetwork::log_probabilities`].
    pub fn loss(&self, tape: &Tape, batch: &PackedBatch, weights: &[f32]) -> Result<Node> {
        if weights.len() != batch.ids.len() {
            candle_core::bail!("{} weights for {} tokens", weights.len(), batch.ids.len());
        }
        let weighing = weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
        let (tokens, weights): (Vec<u32>, Vec<f32>) =
            weighing.map(|(token, weight)| (token as u32, *weight)).unzip();
        if tokens.is_empty() {
            candle_core::bail!("no token of the batch has a weight in the loss");
        }
        let (states, targets) = self.before(tape, batch, &tokens)?;
        language_loss(tape, &states, &self.table, &targets, &weights)
    }

    /// The states that these tokens are predicted from, (tokens, hidden), and their ids.
    fn before(&self, tape: &Tape, batch: &PackedBatch, tokens: &[u32]) -> Result<(Node, Vec<u32>)> {
        let (mut before, mut targets) = (Vec::new(), Vec::new());
        for &token in tokens {
            let Some(&id) = batch.ids.get(token as usize) else {
                candle_core::bail!("there is no token {token} in the batch");
            };
            let Some(row) = batch.row_before(token as usize) else {
                candle_core::bail!("token {token} has none before it");
            };
            before.push(row as u32);
            targets.push(id);
        }
        Ok((select_rows(tape, &self.states(tape, batch)?, &before)?, targets))
    }
}
