//! The sequence-to-sequence model: a tokenizer and a network that belong together, and the folder
//! they are kept in.

use std::path::Path;

use candle_core::Device;
use serde_json::{Value as Json, json};
use tokenizers::Tokenizer;

use super::files;
use super::scratch::ScratchSettings;
use super::seq2seq::{Seq2SeqConfig, Seq2SeqNetwork};
use crate::disk;
use crate::error::{Error, Result};
use crate::nn::precision::Precision;
use crate::text::byte_level::learn_byte_pairs;
use crate::text::prompt::Layout;
use crate::text::tokenizer::{parse, rows_for};

/// A model whose encoder reads a prompt, and whose decoder writes the reply.
#[derive(Debug)]
pub struct Seq2SeqModel {
    network: Seq2SeqNetwork,
    tokenizer: Tokenizer,
    precision: Precision,
}

impl Seq2SeqModel {
    /// A model of this size with random weights and a byte-level vocabulary learned from texts, for
    /// dialogues in this layout.
    ///
    /// # Errors
    /// If no vocabulary can be learned, or the sizes cannot be meant.
    pub fn from_scratch<'a>(
        size: &ScratchSettings,
        texts: impl Iterator<Item = &'a str>,
        layout: Layout,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let mut tokenizer = learn_byte_pairs(texts, size.vocabulary_size)?;
        layout.prepare(&mut tokenizer)?;
        let end = layout.end();
        let end = tokenizer
            .token_to_id(end)
            .ok_or_else(|| Error::failure(format!("the tokenizer has no token {end}")))?;
        let config = Seq2SeqConfig {
            vocab_size: rows_for(&tokenizer),
            embedding_size: size.hidden_size,
            hidden_size: size.hidden_size,
            num_layers: size.layers,
            dropout: 0.2,
            bos_token_id: end,
            eos_token_id: end,
        };
        let network = Seq2SeqNetwork::from_scratch(config, seed, device)?;
        Ok(Self { network, tokenizer, precision: Precision::F32 })
    }

    /// Whether a folder holds such a model.
    pub fn is_in(folder: &Path) -> bool {
        disk::read_json(&folder.join(files::CONFIG)).is_ok_and(|it| Seq2SeqConfig::is_of(&it))
    }

    /// Opens a folder.
    ///
    /// # Errors
    /// If a file is missing or damaged, or tokenizer and network do not belong together.
    pub fn open(folder: &Path, device: &Device) -> Result<Self> {
        let network = Seq2SeqNetwork::open(folder, device)?;
        let tokenizer = parse(&folder.join(files::TOKENIZER))?;
        let (tokens, rows) = (rows_for(&tokenizer), network.vocabulary_size());
        if tokens > rows {
            let what = format!("it knows {tokens} tokens, but has embeddings for {rows}");
            return Err(Error::file(folder, what)
                .help("the tokenizer and the weights must come from the same model"));
        }
        Ok(Self { network, tokenizer, precision: Precision::F32 })
    }

    /// The same model, which computes in this precision.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The same model with this dropout probability.
    pub fn with_dropout(self, probability: f64) -> Self {
        Self { network: self.network.with_dropout(probability as f32), ..self }
    }

    /// The same model with a tokenizer that `change` changes without adding a token.
    ///
    /// # Errors
    /// As `change`.
    pub(super) fn with_tokenizer<T>(
        mut self,
        change: impl FnOnce(&mut Tokenizer) -> Result<T>,
    ) -> Result<Self> {
        change(&mut self.tokenizer)?;
        Ok(self)
    }

    /// The network.
    pub fn network(&self) -> &Seq2SeqNetwork {
        &self.network
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// In which precision it computes.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Writes the model into an existing folder, with `notes` under keys of `config.json` that the
    /// network does not read.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path, notes: &[(&str, Json)]) -> Result<()> {
        self.network.write(folder)?;
        let path = folder.join(files::CONFIG);
        let mut config = disk::read_json(&path)?;
        notes.iter().for_each(|(key, note)| config[*key] = note.clone());
        disk::write_json(&path, &config)?;
        let tokenizer =
            self.tokenizer.to_string(false).map_err(Error::failure_because("no tokenizer.json"))?;
        disk::write_file(&folder.join(files::TOKENIZER), tokenizer.as_bytes())?;
        let settings = json!({ "tokenizer_class": "PreTrainedTokenizerFast" });
        disk::write_json(&folder.join(files::TOKENIZER_CONFIG), &settings)
    }
}
