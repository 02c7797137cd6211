//! A sequence-to-sequence network with attention, trained from scratch: the paper's baseline
//! SEQ2SEQ-ATTN.
//!
//! An LSTM reads the prompt (Sutskever et al., NeurIPS 2014); another one, which starts in its last
//! state, writes the reply. Each state `s` of the decoder attends to the encoder's states by the
//! additive score of Bahdanau et al. (ICLR 2015), whom the paper cites. As in Luong et al. (EMNLP
//! 2015), attention follows the decoder's last layer, and the context does not go back into the
//! recurrence: `tanh(W_c context + W_s s + b)` is what the next token is predicted from. So a whole
//! batch of replies is decoded at once in training.

mod config;
mod decoding;

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};

pub use config::Seq2SeqConfig;
pub use decoding::Decoding;

use super::files::{self, UNFIT};
use super::network::Start;
use crate::disk;
use crate::error::{Error, Result};
use crate::nn::activation::Activation;
use crate::nn::attention::{AdditiveAttention, Offsets};
use crate::nn::dropout::dropout;
use crate::nn::embedding::{Embedding, lookup, select_rows};
use crate::nn::language_loss::{language_loss, log_probabilities};
use crate::nn::linear::Linear;
use crate::nn::lstm::{Lstm, LstmState};
use crate::nn::params::{Init, Loader, Params};
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

/// The standard deviation of new weights: that of uniform numbers in [-0.1, 0.1], from which Luong
/// et al. start.
pub const INITIAL_DEVIATION: f32 = 0.057_735;

/// The network. Its fields are named as in its checkpoints.
///
/// Neurons are dropped on all connections that are not recurrent (Zaremba et al., 2014): before
/// each LSTM layer, and before the output layer, which has no bias.
#[derive(Debug)]
pub struct Seq2SeqNetwork {
    config: Seq2SeqConfig,
    embedding: Embedding, // shared by both
    encoder: Lstm,
    decoder: Lstm,
    attention: Attention,
    combine: Combine,
    output: Output,
    params: Params,
}

/// The parameters of the score `score · tanh(query(s) + key(e))`.
#[derive(Debug)]
struct Attention {
    query: Linear, // without bias
    key: Linear,
    score: Node, // (1, hidden)
}

/// What becomes of a context and the state that asked for it.
#[derive(Debug)]
struct Combine {
    context: Linear, // without bias
    state: Linear,
}

#[derive(Debug)]
struct Output {
    weight: Node, // (vocabulary, hidden)
    layer: Linear,
}

/// Prompts that have been read, and how far their replies have come.
#[derive(Debug, Clone)]
struct Texts {
    keys: Node,   // (prompt tokens, hidden)
    values: Node, // (prompt tokens, hidden)
    prompts: Offsets,
    states: Vec<LstmState>,
}

impl Seq2SeqNetwork {
    /// Builds the network from a checkpoint's tensors.
    ///
    /// # Errors
    /// If a parameter is missing or has another shape.
    pub fn build(
        config: Seq2SeqConfig,
        checkpoint: HashMap<String, Tensor>,
        device: &Device,
    ) -> candle_core::Result<Self> {
        let loader = Loader::new(checkpoint, 0, INITIAL_DEVIATION, device);
        Self::load(config, loader, Start::Trained)
    }

    /// A network that has not learned anything.
    ///
    /// # Errors
    /// If the configuration cannot be meant, or there is no memory for it.
    pub fn from_scratch(config: Seq2SeqConfig, seed: u64, device: &Device) -> Result<Self> {
        config.check().map_err(Error::usage)?;
        let loader = Loader::new(HashMap::new(), seed, INITIAL_DEVIATION, device);
        Ok(Self::load(config, loader, Start::Scratch)?)
    }

    fn load(config: Seq2SeqConfig, loader: Loader, start: Start) -> candle_core::Result<Self> {
        let scope = match start {
            Start::Scratch => loader.optional(""),
            Start::Trained | Start::Pretrained => loader.required(""),
        };
        let Seq2SeqConfig { vocab_size, embedding_size, hidden_size: hidden, .. } = config;
        let lstm =
            |name: &str| Lstm::load(&scope.enter(name), embedding_size, hidden, config.num_layers);
        let layer = |name: &str| Linear::load(&scope.enter(name), hidden, hidden);
        let without_bias =
            |name: &str| Linear::load_without_bias(&scope.enter(name), hidden, hidden);
        let embedding = Embedding::load(&scope.enter("embedding"), vocab_size, embedding_size)?;
        let (encoder, decoder) = (lstm("encoder")?, lstm("decoder")?);
        let attention = Attention {
            query: without_bias("attention.query")?,
            key: layer("attention.key")?,
            score: scope.enter("attention.score").param("weight", (1, hidden), Init::Normal)?,
        };
        let combine =
            Combine { context: without_bias("combine.context")?, state: layer("combine.state")? };
        let weight = scope.enter("output").param("weight", (vocab_size, hidden), Init::Normal)?;
        let output = Output { layer: Linear::tied(&weight)?, weight };
        let params = loader.finish().0;
        Ok(Self { config, embedding, encoder, decoder, attention, combine, output, params })
    }

    /// Reads the network from its folder.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the folder holds another network.
    pub fn open(folder: &Path, device: &Device) -> Result<Self> {
        let path = folder.join(files::CONFIG);
        let config = Seq2SeqConfig::from_json(&disk::read_json(&path)?).map_err(|what| {
            Error::file(&path, what).help("name a folder that valuenet wrote such a model into")
        })?;
        let path = folder.join(files::WEIGHTS);
        Self::build(config, files::read_tensors(&path)?, device)
            .map_err(|error| Error::file(&path, error.to_string()).help(UNFIT))
    }

    /// Writes `config.json` and `model.safetensors` into an existing folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        disk::write_json(&folder.join(files::CONFIG), &self.config.to_json()?)?;
        files::write_weights(&folder.join(files::WEIGHTS), &self.params)
    }

    /// The same network with another dropout probability.
    pub fn with_dropout(mut self, probability: f32) -> Self {
        self.config.dropout = probability;
        self
    }

    /// Its sizes and settings.
    pub fn config(&self) -> &Seq2SeqConfig {
        &self.config
    }

    /// The parameters, in order.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// How many tokens it knows.
    pub fn vocabulary_size(&self) -> usize {
        self.config.vocab_size
    }

    /// The log-probability of each token of the `replies`, which are to end with the end token
    /// themselves, after its prompt and those before it: (reply tokens).
    ///
    /// # Errors
    /// If there are not as many replies as prompts, one of either has no token, or an id is beyond
    /// the vocabulary.
    pub fn log_probabilities(
        &self,
        tape: &Tape,
        prompts: &PackedBatch,
        replies: &PackedBatch,
    ) -> candle_core::Result<Node> {
        let states = self.before(tape, prompts, replies)?;
        log_probabilities(tape, &states, &self.output.weight, &replies.ids)
    }

    /// `-Σ weight * log p(token | its prompt and those before it)` over the `replies`, with a
    /// weight for each of their tokens. Those that weigh nothing cost nothing at the output layer.
    ///
    /// # Errors
    /// If there are not as many weights as reply tokens, or all are zero, or as
    /// [`Seq2SeqNetwork::log_probabilities`].
    pub fn loss(
        &self,
        tape: &Tape,
        prompts: &PackedBatch,
        replies: &PackedBatch,
        weights: &[f32],
    ) -> candle_core::Result<Node> {
        if weights.len() != replies.ids.len() {
            candle_core::bail!("{} weights for {} tokens", weights.len(), replies.ids.len());
        }
        let weighing = weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
        let (tokens, weights): (Vec<u32>, Vec<f32>) =
            weighing.map(|(token, weight)| (token as u32, *weight)).unzip();
        if tokens.is_empty() {
            candle_core::bail!("no token of the batch has a weight in the loss");
        }
        let states = select_rows(tape, &self.before(tape, prompts, replies)?, &tokens)?;
        let targets: Vec<u32> = tokens.iter().map(|&token| replies.ids[token as usize]).collect();
        language_loss(tape, &states, &self.output.weight, &targets, &weights)
    }

    /// The states that the tokens of the replies are predicted from: (reply tokens, hidden).
    fn before(
        &self,
        tape: &Tape,
        prompts: &PackedBatch,
        replies: &PackedBatch,
    ) -> candle_core::Result<Node> {
        if prompts.len() != replies.len() {
            candle_core::bail!("{} replies to {} prompts", replies.len(), prompts.len());
        }
        check_tokens("reply", replies)?;
        let mut texts = self.read(tape, prompts)?;
        // The decoder reads the begin token and each reply without its last token.
        let mut ids = Vec::with_capacity(replies.ids.len());
        for bounds in replies.offsets.windows(2) {
            ids.push(self.config.bos_token_id);
            ids.extend_from_slice(&replies.ids[bounds[0]..bounds[1] - 1]);
        }
        self.decode(tape, &mut texts, &ids, &replies.offsets)
    }

    /// Reads prompts.
    fn read(&self, tape: &Tape, prompts: &PackedBatch) -> candle_core::Result<Texts> {
        check_tokens("prompt", prompts)?;
        let x = self.embed(tape, &prompts.ids)?;
        let (count, device) = (prompts.len(), x.tensor().device());
        let zeros = LstmState::zeros(count, self.config.hidden_size, device)?;
        let zeros = vec![zeros; self.config.num_layers];
        let drop = self.config.dropout;
        let (values, states) = self.encoder.forward(tape, &x, &prompts.offsets, &zeros, drop)?;
        let keys = self.attention.key.forward(tape, &values)?;
        Ok(Texts { keys, values, prompts: prompts.offsets.clone(), states })
    }

    /// Goes on with these tokens of the replies, some or none of each, and returns what the token
    /// behind each is predicted from: (tokens, hidden).
    fn decode(
        &self,
        tape: &Tape,
        texts: &mut Texts,
        ids: &[u32],
        tokens: &Offsets,
    ) -> candle_core::Result<Node> {
        let x = self.embed(tape, ids)?;
        let drop = self.config.dropout;
        let (s, states) = self.decoder.forward(tape, &x, tokens, &texts.states, drop)?;
        texts.states = states;
        let attention = AdditiveAttention { queries: tokens.clone(), keys: texts.prompts.clone() };
        let queries = self.attention.query.forward(tape, &s)?;
        let inputs = [&queries, &texts.keys, &self.attention.score, &texts.values];
        let context = tape.apply(attention, &inputs)?; // (tokens, hidden)
        let of_state = self.combine.state.forward(tape, &s)?;
        let combined = self.combine.context.residual(tape, &context, &of_state, 0.0)?;
        dropout(tape, &Activation::Tanh.forward(tape, &combined)?, drop)
    }

    /// The embeddings of tokens: (tokens, embedding).
    fn embed(&self, tape: &Tape, ids: &[u32]) -> candle_core::Result<Node> {
        let x = lookup(tape, &[(&self.embedding, ids)])?;
        dropout(tape, &x, self.config.dropout)
    }
}

fn check_tokens(what: &str, batch: &PackedBatch) -> candle_core::Result<()> {
    match batch.is_empty() || batch.offsets.windows(2).any(|bounds| bounds[0] == bounds[1]) {
        true => candle_core::bail!("a {what} has a token at least, and a batch one {what}"),
        false => Ok(()),
    }
}
