//! Tokenizers from the files of a model's folder.

use std::path::Path;

use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{AddedToken, DecoderWrapper, Encoding, Tokenizer, TruncationParams};

use super::template::classifier_template;
use super::{byte_pairs, sentencepiece};
use crate::error::{Error, Result};
use crate::guard;

/// One more than the largest id of a tokenizer: how many rows an embedding table needs.
pub fn rows_for(tokenizer: &Tokenizer) -> usize {
    tokenizer.get_vocab(true).values().max().map_or(0, |&id| id as usize + 1)
}

/// The shortest length limit: start, value, one piece and end, with room to spare for other
/// families' extra tokens.
pub const SHORTEST: usize = 8;

/// A tokenizer that cuts texts after `max_length` tokens, and pads none, whatever it did before.
///
/// # Errors
/// If it cannot.
pub(super) fn limit(mut tokenizer: Tokenizer, max_length: usize) -> Result<Tokenizer> {
    let max_length = max_length.max(SHORTEST);
    let truncation = TruncationParams { max_length, ..TruncationParams::default() };
    tokenizer
        .with_padding(None)
        .with_truncation(Some(truncation))
        .map_err(Error::failure_because("cannot limit the length of texts"))?;
    Ok(tokenizer)
}

/// A tokenizer as a `tokenizer.json`, without a length limit of its own.
///
/// # Errors
/// If it cannot be written as JSON.
pub(super) fn unlimited_json(tokenizer: &Tokenizer) -> Result<String> {
    let mut tokenizer = tokenizer.clone();
    let unlimited = tokenizer.with_truncation(None).map(|tokenizer| tokenizer.to_string(false));
    unlimited.and_then(|json| json).map_err(Error::failure_because("cannot write the tokenizer"))
}

/// Reads a `tokenizer.json`, `vocab.txt`, `vocab.json` or `spm.model`.
///
/// # Errors
/// If the file cannot be read, or is none of them.
pub fn parse(path: &Path) -> Result<Tokenizer> {
    guard::reading(path, || parse_file(path))
}

fn parse_file(path: &Path) -> Result<Tokenizer> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("txt") => return from_vocabulary_file(path),
        Some("model") => return sentencepiece::read(path),
        _ if path.ends_with("vocab.json") => return byte_pairs::read(path),
        _ => {}
    }
    let text = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
    let checked = byte_pairs::check_json(&text);
    let read = checked.and_then(|()| Tokenizer::from_bytes(&text).map_err(|e| e.to_string()));
    read.map_err(|error| {
        Error::file(path, format!("not a tokenizer that can be read: {error}"))
            .help("a tokenizer.json as the `tokenizers` library writes it is needed")
    })
}

/// The tokenizer of a BERT checkpoint that has a `vocab.txt` only; `tokenizer_config.json` beside
/// it says whether the model is uncased.
fn from_vocabulary_file(path: &Path) -> Result<Tokenizer> {
    let lowercase = std::fs::read(path.with_file_name("tokenizer_config.json"))
        .ok()
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok())
        .and_then(|config| config["do_lower_case"].as_bool())
        .unwrap_or(true);
    let model = WordPiece::from_file(&path.to_string_lossy())
        .build()
        .map_err(|error| Error::file(path, format!("not a WordPiece vocabulary: {error}")))?;
    bert_tokenizer(model, lowercase)
}

/// What a tokenizer makes of a text, with the special tokens that it puts around it or without.
///
/// # Errors
/// If it fails.
pub(super) fn encode(tokenizer: &Tokenizer, text: &str, special: bool) -> Result<Encoding> {
    let failed = Error::failure_because("cannot tokenize a text");
    match guard::caught(|| tokenizer.encode_fast(text, special)) {
        Ok(encoding) => encoding.map_err(failed),
        Err(what) => {
            Err(failed(what.into()).help("the tokenizer may be damaged: copy or download it again"))
        }
    }
}

/// BERT's tokenizer around a WordPiece model.
///
/// # Errors
/// If the vocabulary lacks `[CLS]` or `[SEP]`.
pub(super) fn bert_tokenizer(model: WordPiece, lowercase: bool) -> Result<Tokenizer> {
    let mut tokenizer = Tokenizer::new(model);
    tokenizer
        .with_normalizer(Some(BertNormalizer::new(true, true, None, lowercase)))
        .map_err(Error::failure_because("cannot set BERT's normalizer"))?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_decoder(Some(DecoderWrapper::WordPiece(Default::default())));
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    tokenizer
        .add_special_tokens(special.map(|token| AddedToken::from(token, true)))
        .map_err(Error::failure_because("cannot add BERT's special tokens"))?;
    let template = classifier_template(&tokenizer)
        .map_err(Error::failure_because("not a BERT's vocabulary"))?;
    tokenizer.with_post_processor(Some(template));
    Ok(tokenizer)
}
