//! The value model: a text encoder and a network that belong together.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::base::{Base, check_rows, family_with_dropout, unfit};
use super::budget::TokenBudget;
use super::metadata::{ModelMetadata, TokenizerSettings};
use super::network::{Network, Start};
use super::predictor::{Prediction, Predictor, TenPredictions, tens, whole};
use super::scratch::ScratchSettings;
use super::value_head::{HeadSettings, Target};
use super::value_prompts::{PromptKind, Prompts, check_prompt};
use super::value_tokens::{ValueTokenInit, add_value_rows};
use crate::error::{Error, Result};
use crate::nn::precision::Precision;
use crate::nn::sum::sum;
use crate::nn::tape::{Node, Tape};
use crate::text::{PackedBatch, TextEncoder};
use crate::value::{Label, LabelCounts, Value};

/// What is asked of a model that is about to be trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewModel {
    /// The head on top of the encoder.
    pub head: HeadSettings,
    /// The longest prompt in tokens; longer ones are cut.
    pub max_length: usize,
    /// The dropout probability, if not the checkpoint's own.
    pub dropout: Option<f64>,
    /// How the embeddings of the value tokens start.
    pub value_tokens: ValueTokenInit,
    /// How a text and values are given to the encoder.
    pub prompt: PromptKind,
    /// How many layers read a shared text before the values come in.
    pub shared_layers: usize,
    /// The seed of everything that starts at random.
    pub seed: u64,
}

/// What a value model's loss may have beside that of each prompt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beside {
    /// Pairs of prompts of one text.
    pub pairs: Vec<(u32, u32)>,
    /// How much it weighs that the utilities of a pair differ otherwise than their targets.
    pub contrast: f64,
    /// How much it weighs that a second pass, with other dropout, says something else; without it
    /// there is no second pass.
    pub r_drop: f64,
}

/// A model that predicts the utility of scenarios under values.
#[derive(Debug)]
pub struct ValueModel {
    pub(super) network: Network,
    pub(super) text: TextEncoder,
    pub(super) metadata: ModelMetadata,
    /// `config.json` without our own settings.
    pub(super) config: Json,
    pub(super) tokenizer_settings: TokenizerSettings,
    /// In which precision it predicts.
    pub(super) precision: Precision,
    /// How many tokens it predicts for at once.
    pub(super) budget: TokenBudget,
}

impl ValueModel {
    /// A model on a pretrained encoder, with a new head and new value tokens.
    ///
    /// # Errors
    /// If a file is missing or damaged, or asks for what the family cannot do.
    pub fn from_pretrained(folder: &Path, new: &NewModel, device: &Device) -> Result<Self> {
        let Base { files, mut config, family, mut tensors } = Base::read(folder)?;
        let new = NewModel {
            max_length: new.max_length.min(family.architecture().max_length),
            ..new.clone()
        };
        let text = TextEncoder::read_base(&files.tokenizer, new.max_length)?;
        check_rows(&files, &family, &tensors, text.base_vocabulary_size())?;
        if let Some(table) = tensors.get_mut(&family.architecture().word_embeddings()) {
            let longer = add_value_rows(table, &text, new.value_tokens, new.seed);
            *table = longer.map_err(|error| unfit(&files, error))?;
            config["vocab_size"] = table.dims()[0].into();
        }
        let settings = TokenizerSettings::read(folder);
        Self::assemble(config, text, tensors, Start::Pretrained, &new, settings, device)
            .map_err(|error| unfit(&files, error))
    }

    /// A model that starts from random weights and a vocabulary learned from `texts`.
    ///
    /// # Errors
    /// If the sizes do not fit each other.
    pub fn from_scratch<'a>(
        size: &ScratchSettings,
        texts: impl Iterator<Item = &'a str>,
        new: &NewModel,
        device: &Device,
    ) -> Result<Self> {
        let text = TextEncoder::with_value_tokens(size.tokenizer(texts)?, new.max_length)?;
        let mut config = size.config(new.max_length);
        config["vocab_size"] = text.vocabulary_size().into();
        Self::assemble(
            config,
            text,
            HashMap::new(),
            Start::Scratch,
            new,
            TokenizerSettings::bert(),
            device,
        )
        .map_err(|error| Error::key("model.scratch", error.to_string()))
    }

    fn assemble(
        mut config: Json,
        text: TextEncoder,
        tensors: HashMap<String, Tensor>,
        start: Start,
        new: &NewModel,
        tokenizer_settings: TokenizerSettings,
        device: &Device,
    ) -> candle_core::Result<Self> {
        let family = family_with_dropout(&mut config, new.dropout)?;
        check_prompt(&family, new.prompt, new.shared_layers)?;
        let network = Network::build(&family, new.head.shape(), tensors, start, new.seed, device)?;
        let metadata = ModelMetadata::new(new);
        let (precision, budget) = (Precision::F32, TokenBudget::of(device));
        Ok(Self { network, text, metadata, config, tokenizer_settings, precision, budget })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What turns prompts into token ids.
    pub fn text(&self) -> &TextEncoder {
        &self.text
    }

    /// The same model, which predicts in another precision than f32.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Remembers the label counts of the split it is trained on, which trivial baselines are made
    /// of.
    pub fn set_train_labels(&mut self, counts: LabelCounts) {
        self.metadata.train_labels = Some(counts);
    }

    /// How texts and values are given to the encoder.
    pub fn prompt(&self) -> PromptKind {
        self.metadata.prompt
    }

    /// The prompts of pairs, in their order.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn prompts(&self, pairs: &[(Value, &str)]) -> Result<Prompts> {
        let ModelMetadata { prompt, shared_layers, .. } = self.metadata;
        Ok(Prompts::of_pairs(&self.text, prompt, pairs)?.with_shared_layers(shared_layers))
    }

    /// The prompts of texts under all ten values, in their order.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn prompts_of_all(&self, texts: &[&str]) -> Result<Prompts> {
        let ModelMetadata { prompt, shared_layers, .. } = self.metadata;
        Ok(Prompts::of_all(&self.text, prompt, texts)?.with_shared_layers(shared_layers))
    }

    /// `weight` times the sum of the losses of these prompts, of which each has as many targets as
    /// values, with what `beside` adds to them.
    ///
    /// # Errors
    /// If a prompt is too long, or there are not as many targets as values.
    pub fn loss(
        &self,
        tape: &Tape,
        batch: &PackedBatch,
        targets: &[Target],
        weight: f64,
        beside: &Beside,
    ) -> candle_core::Result<Node> {
        let head = &self.metadata.head;
        let of_pass = |logits: &Node, weight: f64| {
            let loss = head.loss(tape, logits, targets, weight)?;
            if beside.pairs.is_empty() {
                return Ok(loss);
            }
            let (pairs, contrast) = (beside.pairs.clone(), beside.contrast * weight);
            sum(tape, &loss, &head.contrast(tape, logits, targets, pairs, contrast)?)
        };
        let logits = self.network.logits(tape, batch)?;
        if beside.r_drop == 0.0 {
            return of_pass(&logits, weight);
        }
        let again = self.network.logits(tape, batch)?; // with other dropout
        let passes = sum(tape, &of_pass(&logits, weight / 2.0)?, &of_pass(&again, weight / 2.0)?)?;
        let divergence = head.divergence(tape, &logits, &again, beside.r_drop * weight)?;
        sum(tape, &passes, &divergence)
    }

    /// The predictions for prompts, in their order, and in that of each one's values.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn score(&self, prompts: &Prompts) -> Result<Vec<Prediction>> {
        let values = prompts.values();
        let mut predictions = vec![None; prompts.len() * values];
        let tape = Tape::inference().with_precision(self.precision);
        self.budget.batches(&prompts.lengths(), |batch| {
            let logits = self.network.logits(&tape, &prompts.batch(batch))?;
            let predicted = self.metadata.head.predictions(&tape, &logits)?;
            for (&item, predicted) in batch.iter().zip(predicted.chunks_exact(values)) {
                predictions[item * values..][..values].copy_from_slice(predicted);
            }
            Ok(())
        })?;
        whole(predictions)
    }
}

impl Predictor for ValueModel {
    fn predict(&self, pairs: &[(Value, &str)]) -> Result<Vec<Prediction>> {
        self.score(&self.prompts(pairs)?)
    }

    fn predict_all(&self, scenarios: &[&str]) -> Result<Vec<TenPredictions>> {
        Ok(tens(&self.score(&self.prompts_of_all(scenarios)?)?))
    }

    fn rule(&self) -> &'static str {
        self.metadata.head.objective.rule()
    }

    fn meant(&self, label: Label) -> Label {
        self.metadata.head.objective.meant(label)
    }

    fn has_probabilities(&self) -> bool {
        self.metadata.head.objective.has_probabilities()
    }

    fn dtype(&self) -> &'static str {
        self.precision.name()
    }

    fn warning(&self) -> Option<String> {
        let (cut, most) = (self.text.cut(), self.metadata.max_length);
        let of_texts = format!(
            "{cut} texts were longer than a prompt of {most} tokens leaves room for, and were cut"
        );
        let all = [self.budget.warning(), (cut > 0).then_some(of_texts)];
        all.into_iter().flatten().reduce(|first, second| format!("{first}\n{second}"))
    }

    fn train_labels(&self) -> Option<&LabelCounts> {
        self.metadata.train_labels.as_ref()
    }
}
