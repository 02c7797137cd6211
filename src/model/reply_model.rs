//! What predicts replies: a decoder that reads on, or an encoder with a decoder of its own.

use std::path::Path;

use candle_core::Device;
use serde_json::Value as Json;
use tokenizers::Tokenizer;

use super::files;
use super::{LanguageModel, Seq2SeqModel};
use crate::disk;
use crate::error::{Error, Result};
use crate::nn::params::Params;
use crate::nn::precision::Precision;
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;
use crate::text::prompt::branches::{Answered, Branches};
use crate::text::prompt::dialogue::Sequence;

/// A model that predicts replies.
#[derive(Debug)]
pub enum ReplyModel {
    /// A decoder, to which a reply is the rest of a text.
    Decoder(LanguageModel),
    /// An encoder that reads what is before a reply, and a decoder that writes it.
    Seq2Seq(Seq2SeqModel),
}

impl From<LanguageModel> for ReplyModel {
    fn from(model: LanguageModel) -> Self {
        Self::Decoder(model)
    }
}

impl From<Seq2SeqModel> for ReplyModel {
    fn from(model: Seq2SeqModel) -> Self {
        Self::Seq2Seq(model)
    }
}

impl ReplyModel {
    /// Opens a folder or a GGUF file.
    ///
    /// # Errors
    /// If a file is missing or damaged, or holds no such model.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        match Seq2SeqModel::is_in(path) {
            true => Ok(Seq2SeqModel::open(path, device)?.into()),
            false => Ok(LanguageModel::open(path, device)?.into()),
        }
    }

    /// What stands in the `config.json` of a folder under a key; null if nothing does.
    pub(super) fn note(folder: &Path, key: &str) -> Json {
        disk::read_json(&folder.join(files::CONFIG)).map_or(Json::Null, |mut it| it[key].take())
    }

    /// The same model, which computes in this precision.
    pub fn with_precision(self, precision: Precision) -> Self {
        match self {
            Self::Decoder(model) => model.with_precision(precision).into(),
            Self::Seq2Seq(model) => model.with_precision(precision).into(),
        }
    }

    /// The same model with this dropout probability.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn with_dropout(self, probability: f64) -> Result<Self> {
        Ok(match self {
            Self::Decoder(model) => model.with_dropout(probability)?.into(),
            Self::Seq2Seq(model) => model.with_dropout(probability).into(),
        })
    }

    /// The same model with a tokenizer that `change` has changed; a decoder learns the tokens that
    /// it adds.
    pub(super) fn with_tokenizer<T>(
        self,
        change: impl FnOnce(&mut Tokenizer) -> Result<T>,
    ) -> Result<Self> {
        Ok(match self {
            Self::Decoder(model) => model.with_tokenizer(change)?.0.into(),
            Self::Seq2Seq(model) => model.with_tokenizer(change)?.into(),
        })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        match self {
            Self::Decoder(model) => model.tokenizer(),
            Self::Seq2Seq(model) => model.tokenizer(),
        }
    }

    /// The parameters, in order.
    pub fn params(&self) -> &Params {
        match self {
            Self::Decoder(model) => model.network().params(),
            Self::Seq2Seq(model) => model.network().params(),
        }
    }

    /// In which precision it computes.
    pub fn precision(&self) -> Precision {
        match self {
            Self::Decoder(model) => model.precision(),
            Self::Seq2Seq(model) => model.precision(),
        }
    }

    /// The longest sequence that it can read, in tokens.
    pub fn max_length(&self) -> usize {
        match self {
            Self::Decoder(model) => model.max_length(),
            Self::Seq2Seq(_) => usize::MAX,
        }
    }

    /// The tokens that end a text, as its own configuration names them.
    pub fn end_tokens(&self) -> Vec<u32> {
        match self {
            Self::Decoder(model) => model.end_tokens(),
            Self::Seq2Seq(model) => vec![model.network().config().eos_token_id],
        }
    }

    /// `-Σ weight * log p(token | all before it)` over the tokens of all replies.
    ///
    /// # Errors
    /// If there is no reply, or the network fails.
    pub fn loss(&self, tape: &Tape, sequences: &[&Sequence], weight: f32) -> Result<Node> {
        Ok(match self {
            Self::Decoder(model) => {
                let (batch, targets) = packed(sequences);
                let mut weights = vec![0.0; batch.ids.len()];
                targets.iter().for_each(|&token| weights[token as usize] = weight);
                model.network().loss(tape, &batch, &weights)?
            }
            Self::Seq2Seq(model) => {
                let (prompts, replies) = parted(sequences);
                let weights = vec![weight; replies.ids.len()];
                model.network().loss(tape, &prompts, &replies, &weights)?
            }
        })
    }

    /// The log-probability of each token of all replies after all before it, in their order.
    ///
    /// # Errors
    /// If the network fails.
    pub fn log_probabilities(&self, tape: &Tape, sequences: &[&Sequence]) -> Result<Vec<f32>> {
        let found = match self {
            Self::Decoder(model) => {
                let (batch, targets) = packed(sequences);
                model.network().log_probabilities(tape, &batch, &targets)?
            }
            Self::Seq2Seq(model) => {
                let (prompts, replies) = parted(sequences);
                model.network().log_probabilities(tape, &prompts, &replies)?
            }
        };
        Ok(found.tensor().to_vec1()?)
    }

    /// `-Σ weight * log p(token | all before it)` over the tokens of all replies to these prompts,
    /// with a weight for each token, in their order. A decoder reads what prompts share once.
    ///
    /// # Errors
    /// If all weights are zero, there are not as many as tokens, or the network fails.
    pub fn weighted_loss(
        &self,
        tape: &Tape,
        answered: &[Answered],
        weights: &[f32],
    ) -> Result<Node> {
        Ok(match self {
            Self::Decoder(model) => {
                let Branches { batch, targets } = Branches::new(answered);
                if targets.len() != weights.len() {
                    let what = format!("{} weights for {} tokens", weights.len(), targets.len());
                    return Err(Error::failure(what));
                }
                let mut all = vec![0.0; batch.ids.len()];
                let tokens = targets.iter().zip(weights);
                tokens.for_each(|(&token, &weight)| all[token as usize] = weight);
                model.network().loss(tape, &batch, &all)?
            }
            Self::Seq2Seq(model) => {
                let (prompts, replies) = copied(answered);
                model.network().loss(tape, &prompts, &replies, weights)?
            }
        })
    }

    /// The log-probability of each token of all replies to these prompts, in their order.
    ///
    /// # Errors
    /// If the network fails.
    pub fn answer_log_probabilities(&self, tape: &Tape, answered: &[Answered]) -> Result<Vec<f32>> {
        let found = match self {
            Self::Decoder(model) => {
                let Branches { batch, targets } = Branches::new(answered);
                model.network().log_probabilities(tape, &batch, &targets)?
            }
            Self::Seq2Seq(model) => {
                let (prompts, replies) = copied(answered);
                model.network().log_probabilities(tape, &prompts, &replies)?
            }
        };
        Ok(found.tensor().to_vec1()?)
    }

    /// Writes the model into an existing folder, with `notes` under keys of its `config.json`.
    pub(super) fn write(&self, folder: &Path, notes: &[(&str, Json)]) -> Result<()> {
        match self {
            Self::Decoder(model) => model.write(folder, notes),
            Self::Seq2Seq(model) => model.write(folder, notes),
        }
    }
}

/// Sequences behind each other, and the tokens of their replies.
fn packed(sequences: &[&Sequence]) -> (PackedBatch, Vec<u32>) {
    let mut batch = PackedBatch::new(sequences.iter().map(|sequence| sequence.ids.as_slice()));
    let segments = sequences.iter().map(|sequence| sequence.segments.as_deref());
    batch.segments = segments.collect::<Option<Vec<_>>>().map(|segments| segments.concat());
    let of_sequence = |(sequence, &start): (&&Sequence, &usize)| {
        let replies = sequence.replies.clone().into_iter().flatten();
        replies.map(|token| (start + token) as u32).collect::<Vec<_>>()
    };
    let targets = sequences.iter().zip(&*batch.offsets).flat_map(of_sequence).collect();
    (batch, targets)
}

/// All replies to these prompts, and before each its prompt anew.
fn copied(answered: &[Answered]) -> (PackedBatch, PackedBatch) {
    let prompts =
        answered.iter().flat_map(|(prompt, replies)| replies.iter().map(|_| prompt.ids.as_slice()));
    let replies = answered.iter().flat_map(|(_, replies)| replies.iter().map(Vec::as_slice));
    (PackedBatch::new(prompts), PackedBatch::new(replies))
}

/// All replies, and what is before each.
fn parted(sequences: &[&Sequence]) -> (PackedBatch, PackedBatch) {
    let all = || {
        sequences.iter().flat_map(|sequence| {
            sequence.replies.iter().map(move |reply| (&sequence.ids, reply.clone()))
        })
    };
    let prompts = PackedBatch::new(all().map(|(ids, reply)| &ids[..reply.start]));
    (prompts, PackedBatch::new(all().map(|(ids, reply)| &ids[reply])))
}
