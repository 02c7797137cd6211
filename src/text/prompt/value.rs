//! The prompt `[CLS] [$VALUE] scenario [SEP]` as token ids.
//!
//! Owns a tokenizer that knows the ten value tokens, and nothing of embeddings: the new rows that
//! the tokens need are the model folder's business.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use tokenizers::{AddedToken, Tokenizer};

use crate::error::{Error, Result};
use crate::text::tokenizer::{encode, limit, parse, rows_for, unlimited_json};
use crate::value::Value;

/// Turns (value, scenario) pairs into token ids.
#[derive(Debug, Clone)]
pub struct TextEncoder {
    tokenizer: Tokenizer,
    value_ids: [u32; Value::COUNT],
    /// Tokens from this id on were added to what was read.
    first_added: usize,
    /// How many texts were cut so far.
    cut: Arc<AtomicU64>,
}

impl TextEncoder {
    /// Reads the tokenizer of a trained model, which must know the value tokens.
    ///
    /// # Errors
    /// If the file cannot be read, or a value token is missing.
    pub fn read(path: &Path, max_length: usize) -> Result<Self> {
        let tokenizer = parse(path)?;
        if let Some(value) =
            Value::ALL.into_iter().find(|value| tokenizer.token_to_id(&value.token()).is_none())
        {
            return Err(Error::file(path, format!("the token {} is missing", value.token())).help(
                "this tokenizer belongs to a base model; `valuenet train` adds the ten value tokens to it",
            ));
        }
        let first_added = rows_for(&tokenizer);
        Self::new(tokenizer, first_added, max_length).map_err(|error| error_at(path, error))
    }

    /// Reads the tokenizer of a base model, and adds the value tokens that it does not know.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read_base(path: &Path, max_length: usize) -> Result<Self> {
        Self::with_value_tokens(parse(path)?, max_length).map_err(|error| error_at(path, error))
    }

    /// Adds the value tokens to a tokenizer.
    ///
    /// # Errors
    /// If the tokenizer puts no start token before a text.
    pub fn with_value_tokens(mut tokenizer: Tokenizer, max_length: usize) -> Result<Self> {
        let first_added = rows_for(&tokenizer);
        let tokens =
            Value::ALL.map(|value| AddedToken::from(value.token(), true).normalized(false));
        tokenizer
            .add_special_tokens(tokens)
            .map_err(Error::failure_because("cannot add the value tokens"))?;
        Self::new(tokenizer, first_added, max_length)
    }

    fn new(tokenizer: Tokenizer, first_added: usize, max_length: usize) -> Result<Self> {
        let tokenizer = limit(tokenizer, max_length)?;
        let (value_ids, cut) = ([0; Value::COUNT], Arc::default());
        let mut encoder = Self { value_ids, first_added, tokenizer, cut };
        for value in Value::ALL {
            let id = encoder.tokenizer.token_to_id(&value.token());
            encoder.value_ids[value.index()] =
                id.ok_or_else(|| Error::failure("no value tokens"))?;
            if encoder.encode(value, "")?.get(1) != id.as_ref() {
                return Err(Error::failure(
                    "the tokenizer does not put one start token before a text",
                )
                .help("tokenizer.json needs a post-processor that adds [CLS] (or <s>) and [SEP]"));
            }
        }
        Ok(encoder)
    }

    /// The token ids of one prompt, cut at the maximal length.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn encode(&self, value: Value, scenario: &str) -> Result<Vec<u32>> {
        let (ids, is_cut) = self.cut_ids(value, scenario)?;
        self.cut.fetch_add(u64::from(is_cut), Ordering::Relaxed);
        Ok(ids)
    }

    /// The token ids, and whether some are missing.
    fn cut_ids(&self, value: Value, scenario: &str) -> Result<(Vec<u32>, bool)> {
        let prompt = format!("{} {scenario}", value.token());
        let encoding = encode(&self.tokenizer, &prompt, true)?;
        Ok((encoding.get_ids().to_vec(), !encoding.get_overflowing().is_empty()))
    }

    /// How many texts were longer than a prompt may be, and were cut, so far.
    pub fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    /// The token ids of many prompts, on all threads, in their order.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn encode_all<S: AsRef<str> + Sync>(
        &self,
        prompts: &[(Value, S)],
    ) -> Result<Vec<Vec<u32>>> {
        prompts.par_iter().map(|(value, scenario)| self.encode(*value, scenario.as_ref())).collect()
    }

    /// The token ids of each scenario's ten prompts, scenario by scenario in the order of
    /// [`Value::ALL`]. They differ in their second token only, so each scenario is tokenized
    /// once.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn encode_profiles(&self, scenarios: &[&str]) -> Result<Vec<Vec<u32>>> {
        let prompts = scenarios.par_iter().map(|scenario| {
            let prompt = self.encode(Value::ALL[0], scenario)?;
            Ok(self.value_ids.map(|id| {
                let mut prompt = prompt.clone();
                prompt[1] = id;
                prompt
            }))
        });
        Ok(prompts.collect::<Result<Vec<_>>>()?.concat())
    }

    /// The token ids of each scenario's ten prompts where the text is another one under each value.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn encode_under_each(
        &self,
        scenarios: &[&str],
        text: impl Fn(Value, &str) -> String + Sync,
    ) -> Result<Vec<Vec<u32>>> {
        let prompts = scenarios.par_iter().map(|scenario| {
            let ten = Value::ALL.map(|value| self.cut_ids(value, &text(value, scenario)));
            let ten = ten.into_iter().collect::<Result<Vec<_>>>()?;
            let is_cut = ten.iter().any(|(_, is_cut)| *is_cut);
            self.cut.fetch_add(u64::from(is_cut), Ordering::Relaxed);
            Ok(ten.into_iter().map(|(ids, _)| ids).collect::<Vec<_>>())
        });
        Ok(prompts.collect::<Result<Vec<_>>>()?.concat())
    }

    /// The token ids of many texts with several values each, on all threads, in their order: the
    /// text's own up to its end token, and behind them the start token and the value's for each
    /// value.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn encode_shared<S: AsRef<str> + Sync>(
        &self,
        texts: &[(&[Value], S)],
    ) -> Result<Vec<Vec<u32>>> {
        let ids = texts.par_iter().map(|(values, text)| {
            let prompt = self.encode(Value::ALL[0], text.as_ref())?;
            let (start, text) = (prompt[0], &prompt[2..]);
            let pairs = values.iter().flat_map(|value| [start, self.value_id(*value)]);
            Ok(text.iter().copied().chain(pairs).collect())
        });
        ids.collect()
    }

    /// The id of a value's token.
    pub fn value_id(&self, value: Value) -> u32 {
        self.value_ids[value.index()]
    }

    /// The word pieces of a value's own name inside a sentence, such as those of " self-direction".
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn name_pieces(&self, value: Value) -> Result<Vec<u32>> {
        let name = format!(" {}", value.name().to_lowercase());
        Ok(encode(&self.tokenizer, &name, false)?.get_ids().to_vec())
    }

    /// One more than the largest id: how many rows an embedding table needs.
    pub fn vocabulary_size(&self) -> usize {
        rows_for(&self.tokenizer)
    }

    /// The same without the value tokens that were added to what was read.
    pub fn base_vocabulary_size(&self) -> usize {
        self.first_added
    }

    /// Whether a value's token was not in the tokenizer that was read, but added to it.
    pub fn is_added(&self, value: Value) -> bool {
        self.value_id(value) as usize >= self.first_added
    }

    /// The tokenizer as a `tokenizer.json`, without a length limit or padding of its own.
    ///
    /// # Errors
    /// If the tokenizer cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        unlimited_json(&self.tokenizer)
    }
}

fn error_at(path: &Path, error: Error) -> Error {
    let advice = error.advice().map(String::from);
    let placed = Error::file(path, error.to_string());
    advice.into_iter().fold(placed, Error::help)
}
