//! Learning a WordPiece vocabulary from texts, for models that start from scratch.

use std::collections::BTreeSet;

use tokenizers::models::TrainerWrapper;
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    AddedToken, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer, Tokenizer, Trainer,
};

use super::tokenizer::bert_tokenizer;
use crate::error::{Error, Result};

/// Learns a WordPiece vocabulary of at most `size` pieces (more only if the texts have more
/// letters), and wraps it into an uncased BERT tokenizer. The same texts give the same vocabulary.
///
/// # Errors
/// If the trainer fails.
pub fn learn_wordpiece<'a>(texts: impl Iterator<Item = &'a str>, size: usize) -> Result<Tokenizer> {
    let failed = Error::failure_because("cannot learn a vocabulary");
    let words = texts.map(words).collect::<tokenizers::Result<Vec<_>>>().map_err(failed)?.concat();

    // The trainer numbers pieces inside words in the order of a randomly seeded hash map. Naming
    // them all beforehand, as if they were special, makes it deterministic.
    let inside: BTreeSet<char> = words.iter().flat_map(|word| word.chars().skip(1)).collect();
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(String::from);
    let pieces = special.into_iter().chain(inside.into_iter().map(|letter| format!("##{letter}")));
    let trainer = WordPieceTrainer::builder()
        .vocab_size(size)
        .show_progress(false)
        .special_tokens(pieces.map(|piece| AddedToken::from(piece, true)).collect())
        .build();

    let failed = Error::failure_because("cannot learn a vocabulary");
    let mut trainer = TrainerWrapper::WordPieceTrainer(trainer);
    trainer.feed(words.iter(), |word| Ok(vec![word.to_string()])).map_err(failed)?;
    let mut model = WordPiece::default().into();
    trainer.train(&mut model).map_err(Error::failure_because("cannot learn a vocabulary"))?;
    match model {
        tokenizers::ModelWrapper::WordPiece(model) => bert_tokenizer(model, true),
        _ => Err(Error::failure("the trainer gave another kind of vocabulary")),
    }
}

/// The words and punctuation marks of a text as BERT's uncased tokenizer sees them.
fn words(text: &str) -> tokenizers::Result<Vec<String>> {
    let mut normalized = NormalizedString::from(text);
    BertNormalizer::new(true, true, None, true).normalize(&mut normalized)?;
    let mut split = PreTokenizedString::from(normalized);
    BertPreTokenizer.pre_tokenize(&mut split)?;
    let words = split.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
    Ok(words.into_iter().map(|(word, _, _)| word.to_string()).collect())
}
