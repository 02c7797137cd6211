//! A text as token ids between the start and the end that its model knows: `[CLS] text [SEP]`.

use std::path::Path;

use rayon::prelude::*;
use tokenizers::Tokenizer;

use crate::error::Result;
use crate::text::tokenizer::{encode, limit, parse, rows_for, unlimited_json};

/// Turns texts into token ids.
#[derive(Debug, Clone)]
pub struct PlainEncoder(Tokenizer);

impl PlainEncoder {
    /// Reads a tokenizer; longer texts than `max_length` tokens are cut.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(path: &Path, max_length: usize) -> Result<Self> {
        Self::new(parse(path)?, max_length)
    }

    /// The texts of this tokenizer, cut after `max_length` tokens.
    ///
    /// # Errors
    /// If its length cannot be limited.
    pub fn new(tokenizer: Tokenizer, max_length: usize) -> Result<Self> {
        Ok(Self(limit(tokenizer, max_length)?))
    }

    /// The token ids of texts, on all threads, in their order.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn encode_all<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Vec<Vec<u32>>> {
        let ids = |text: &S| Ok(encode(&self.0, text.as_ref(), true)?.get_ids().to_vec());
        texts.par_iter().map(ids).collect()
    }

    /// One more than the largest id: how many rows an embedding table needs.
    pub fn vocabulary_size(&self) -> usize {
        rows_for(&self.0)
    }

    /// The tokenizer as a `tokenizer.json`, without a length limit or padding of its own.
    ///
    /// # Errors
    /// If the tokenizer cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        unlimited_json(&self.0)
    }
}
