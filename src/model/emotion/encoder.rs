//! The classifier with an encoder: dropout and a linear layer over the state of the first token, as
//! the family's `…ForSequenceClassification` has it, and the values of the text.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::Value as Json;

use super::metadata::{EmotionMetadata, EncoderUse, NewEmotionModel};
use super::{finite, softmax};
use crate::disk::{self, read_json};
use crate::error::{Error, Result};
use crate::model::backbone::Family;
use crate::model::base::{Base, Meaning, check_rows, family_with_dropout, full_config, unfit};
use crate::model::budget::TokenBudget;
use crate::model::files::{self, ModelFiles};
use crate::model::hidden_states::HiddenStates;
use crate::model::metadata::{METADATA_KEY, TokenizerSettings};
use crate::model::network::{Network, Start};
use crate::model::scratch::ScratchSettings;
use crate::nn::losses::cross_entropy;
use crate::nn::precision::Precision;
use crate::nn::tape::{Node, Tape};
use crate::text::{PackedBatch, PlainEncoder};
use crate::value::{Profile, Value};

/// An encoder with a head over labels.
#[derive(Debug)]
pub struct EmotionEncoder {
    network: Network,
    text: PlainEncoder,
    metadata: EmotionMetadata,
    /// `config.json` without our own settings.
    config: Json,
    tokenizer_settings: TokenizerSettings,
    hidden: usize,
    device: Device,
    precision: Precision,
    budget: TokenBudget,
}

/// Texts as such a model sees them.
#[derive(Debug)]
pub struct Inputs {
    prompts: Vec<Vec<u32>>,
    /// The state of each text's first token, (texts, hidden), if the encoder does not learn.
    states: Option<Vec<f32>>,
    values: Option<Vec<Profile>>,
}

impl Inputs {
    /// The length of each text, in tokens.
    pub fn lengths(&self) -> Vec<usize> {
        self.prompts.iter().map(Vec::len).collect()
    }
}

impl EmotionEncoder {
    /// A model on a pretrained encoder, with a new head.
    ///
    /// # Errors
    /// If a file is missing or damaged, or asks for what the family cannot do.
    pub fn from_pretrained(folder: &Path, new: &NewEmotionModel, device: &Device) -> Result<Self> {
        let Base { files, config, family, tensors } = Base::read(folder)?;
        let max_length = new.max_length.min(family.architecture().max_length);
        let new = NewEmotionModel { max_length, ..new.clone() };
        let text = PlainEncoder::read(&files.tokenizer, new.max_length)?;
        check_rows(&files, &family, &tensors, text.vocabulary_size())?;
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
        new: &NewEmotionModel,
        device: &Device,
    ) -> Result<Self> {
        let text = PlainEncoder::new(size.tokenizer(texts)?, new.max_length)?;
        let mut config = size.config(new.max_length);
        config["vocab_size"] = text.vocabulary_size().into();
        let (tensors, settings) = (HashMap::new(), TokenizerSettings::bert());
        Self::assemble(config, text, tensors, Start::Scratch, new, settings, device)
            .map_err(|error| Error::key("model.scratch", error.to_string()))
    }

    fn assemble(
        mut config: Json,
        text: PlainEncoder,
        tensors: HashMap<String, Tensor>,
        start: Start,
        new: &NewEmotionModel,
        tokenizer_settings: TokenizerSettings,
        device: &Device,
    ) -> candle_core::Result<Self> {
        let family = family_with_dropout(&mut config, new.dropout)?;
        let metadata = EmotionMetadata::new(new);
        let network = network(&family, &metadata, tensors, start, new.seed, device)?;
        Ok(Self {
            network,
            text,
            metadata,
            hidden: family.architecture().hidden_size,
            config,
            tokenizer_settings,
            device: device.clone(),
            precision: Precision::F32,
            budget: TokenBudget::of(device),
        })
    }

    /// Opens the folder of a trained model.
    pub(super) fn open(folder: &Path, device: &Device) -> Result<Self> {
        let files = ModelFiles::find(folder)?;
        let config = read_json(&files.config)?;
        let family =
            Family::from_config(&config).map_err(|what| Error::file(&files.config, what))?;
        let metadata: EmotionMetadata = serde_json::from_value(config[METADATA_KEY].clone())
            .map_err(|error| {
                Error::file(&files.config, format!("key \"{METADATA_KEY}\": {error}"))
            })?;
        let text = PlainEncoder::read(&files.tokenizer, metadata.max_length)?;
        let tensors = family.canonical(files.read_weights()?);
        check_rows(&files, &family, &tensors, text.vocabulary_size())?;
        let network = network(&family, &metadata, tensors, Start::Trained, 0, device)
            .map_err(|error| unfit(&files, error))?;
        Ok(Self {
            network,
            text,
            metadata,
            hidden: family.architecture().hidden_size,
            config,
            tokenizer_settings: TokenizerSettings::read(&files.folder),
            device: device.clone(),
            precision: Precision::F32,
            budget: TokenBudget::of(device),
        })
    }

    /// The same model, which predicts in another precision than f32.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// In which precision it predicts.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    pub(super) fn metadata(&self) -> &EmotionMetadata {
        &self.metadata
    }

    /// Texts, and their values if the model sees values. If the encoder does not learn, it reads
    /// each text here, once and for all.
    ///
    /// # Errors
    /// If a text cannot be tokenized, or the encoder fails.
    pub fn inputs(&self, texts: &[&str], values: Option<&[Profile]>) -> Result<Inputs> {
        let prompts = self.text.encode_all(texts)?;
        let states = match (self.metadata.reads(), self.metadata.encoder) {
            (true, EncoderUse::Finetune) => None,
            (true, EncoderUse::Frozen) => Some(self.states(&prompts)?),
            (false, _) => Some(vec![0.0; texts.len() * self.hidden]),
        };
        Ok(Inputs { prompts, states, values: values.map(<[Profile]>::to_vec) })
    }

    /// The state of each prompt's first token: (prompts, hidden).
    fn states(&self, prompts: &[Vec<u32>]) -> Result<Vec<f32>> {
        let lengths: Vec<usize> = prompts.iter().map(Vec::len).collect();
        let mut states = vec![0.0; prompts.len() * self.hidden];
        let tape = Tape::inference().with_precision(self.precision);
        self.budget.batches(&lengths, |batch| {
            let packed = PackedBatch::new(batch.iter().map(|&item| prompts[item].as_slice()));
            let found = self.network.hidden_states(&tape, &packed, HiddenStates::Summary)?;
            let found = found.tensor().to_dtype(candle_core::DType::F32)?;
            let found = found.flatten_all()?.to_vec1::<f32>()?;
            for (&item, state) in batch.iter().zip(found.chunks_exact(self.hidden)) {
                states[item * self.hidden..][..self.hidden].copy_from_slice(state);
            }
            Ok(())
        })?;
        Ok(states)
    }

    /// The logits of some of these texts: (samples, labels).
    ///
    /// # Errors
    /// If the network fails.
    pub fn logits(
        &self,
        tape: &Tape,
        inputs: &Inputs,
        samples: &[usize],
    ) -> candle_core::Result<Node> {
        let rows = |numbers: Vec<f32>, width: usize| {
            let rows = Tensor::from_vec(numbers, (samples.len(), width), &self.device)?;
            candle_core::Result::Ok(Node::constant(&rows))
        };
        let states = match &inputs.states {
            Some(states) => {
                let of = |&item: &usize| &states[item * self.hidden..][..self.hidden];
                rows(samples.iter().flat_map(of).copied().collect(), self.hidden)?
            }
            None => {
                let prompts = samples.iter().map(|&item| inputs.prompts[item].as_slice());
                let batch = PackedBatch::new(prompts);
                self.network.hidden_states(tape, &batch, HiddenStates::Summary)?
            }
        };
        let values = inputs.values.as_ref().map(|values| {
            rows(samples.iter().flat_map(|&item| values[item]).collect(), Value::COUNT)
        });
        self.network.logits_of(tape, &states, values.transpose()?.as_ref())
    }

    /// `weight` times the sum of the cross-entropies of some of these texts.
    ///
    /// # Errors
    /// If the network fails, or there are not as many labels as samples.
    pub fn loss(
        &self,
        tape: &Tape,
        inputs: &Inputs,
        samples: &[usize],
        labels: &[u32],
        weight: f64,
    ) -> candle_core::Result<Node> {
        cross_entropy(tape, &self.logits(tape, inputs, samples)?, labels, weight)
    }

    /// The probability of each label: (texts, labels).
    ///
    /// # Errors
    /// If the network fails, or a probability is not finite.
    pub fn predict(&self, inputs: &Inputs) -> Result<Vec<Vec<f32>>> {
        let lengths = match inputs.states {
            Some(_) => vec![1; inputs.prompts.len()],
            None => inputs.lengths(),
        };
        let mut predicted = vec![Vec::new(); lengths.len()];
        let tape = Tape::inference().with_precision(self.precision);
        self.budget.batches(&lengths, |batch| {
            let logits = self.logits(&tape, inputs, batch)?.tensor().to_vec2::<f32>()?;
            for (&item, logits) in batch.iter().zip(logits) {
                predicted[item] = softmax(&logits);
            }
            Ok(())
        })?;
        finite(predicted)
    }

    /// Writes the model into an existing folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let Self { metadata, .. } = self;
        let labels: Vec<&str> = metadata.labels.iter().map(String::as_str).collect();
        let problem = "single_label_classification";
        let meaning = Meaning { labels: &labels, problem, pooling: metadata.pooling };
        let config = full_config(&self.config, &meaning, metadata)?;
        disk::write_json(&folder.join(files::CONFIG), &config)?;
        disk::write_file(&folder.join(files::TOKENIZER), self.text.to_json()?.as_bytes())?;
        self.tokenizer_settings.write(folder, &[], metadata.max_length)?;
        files::write_weights(&folder.join(files::WEIGHTS), self.network.params())
    }
}

fn network(
    family: &Family,
    metadata: &EmotionMetadata,
    tensors: HashMap<String, Tensor>,
    start: Start,
    seed: u64,
    device: &Device,
) -> candle_core::Result<Network> {
    let build = match metadata.encoder {
        EncoderUse::Finetune => Network::build,
        EncoderUse::Frozen => Network::build_on_frozen,
    };
    build(family, metadata.head(), tensors, start, seed, device)
}
