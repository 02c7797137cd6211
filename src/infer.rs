//! A stream of texts to a stream of value vectors, in order and in bounded memory; and a queue of
//! requests for them.

pub mod queue;
pub mod segments;

use crate::error::Result;
use crate::model::Predictor;
use crate::value::ScoredText;

/// Texts that are scored together: enough to sort prompts of like length into full batches.
pub const CHUNK: usize = 512;

/// Scores `texts` in chunks of at most `largest_chunk`, and hands each chunk to `write` as soon as
/// it is done. The first chunk is small, so the first row comes soon.
///
/// # Errors
/// If reading, scoring or writing fails; what was handed on before stays.
pub fn stream(
    model: &dyn Predictor,
    texts: impl Iterator<Item = Result<String>>,
    largest_chunk: usize,
    write: &mut dyn FnMut(&[ScoredText]) -> Result<()>,
) -> Result<()> {
    in_chunks(texts, largest_chunk, &mut |chunk| write(&score(model, chunk)?))
}

/// Hands on `texts` in chunks of at most `largest_chunk`, of which the first is small.
///
/// # Errors
/// If reading or what is done with a chunk fails; a fault comes after the texts before it.
pub fn in_chunks(
    mut texts: impl Iterator<Item = Result<String>>,
    largest_chunk: usize,
    take: &mut dyn FnMut(Vec<String>) -> Result<()>,
) -> Result<()> {
    let mut size = largest_chunk.clamp(1, 8);
    loop {
        let mut failure = None;
        let mut chunk = Vec::with_capacity(size);
        for text in texts.by_ref().take(size) {
            match text {
                Ok(text) => chunk.push(text),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        if !chunk.is_empty() {
            take(chunk)?;
        } else if failure.is_none() {
            return Ok(());
        }
        if let Some(error) = failure {
            return Err(error);
        }
        size = (size * 4).min(largest_chunk.max(1));
    }
}

/// Scores texts together; blank ones have no vector.
///
/// # Errors
/// If scoring fails.
pub fn score(model: &dyn Predictor, texts: Vec<String>) -> Result<Vec<ScoredText>> {
    let filled: Vec<&str> =
        texts.iter().map(String::as_str).filter(|text| !text.trim().is_empty()).collect();
    let mut predictions = model.predict_all(&filled)?.into_iter();
    let mut rows = Vec::with_capacity(texts.len());
    for text in texts {
        let ten = if text.trim().is_empty() { None } else { predictions.next() };
        rows.push(ScoredText {
            text,
            profile: ten.map(|ten| ten.map(|prediction| prediction.utility)),
            probabilities: ten.and_then(|ten| {
                let all: Option<Vec<_>> = ten.iter().map(|one| one.probabilities).collect();
                all?.try_into().ok()
            }),
        });
    }
    Ok(rows)
}
