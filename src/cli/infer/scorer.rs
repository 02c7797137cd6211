//! The rows of a table, scored batch by batch.

use valuenet::data::{TextBatch, TextTable};
use valuenet::error::{Error, Result};
use valuenet::infer;
use valuenet::infer::segments::BySentence;
use valuenet::model::Predictor;
use valuenet::value::ScoredText;

use crate::cli::progress::Scoring;

/// A table and the model that scores it.
pub struct Scorer<'a> {
    table: TextTable<'a>,
    model: &'a dyn Predictor,
    /// Whether and how texts are scored by their sentences.
    sentences: Option<BySentence>,
    /// Whether a row that is wrong ends the reading.
    stops: bool,
    /// A row that is wrong, behind some that are not.
    wrong: Option<Error>,
    /// How many rows are taken next, and at most.
    size: usize,
    most: usize,
    /// How many rows were wrong.
    pub failed: usize,
    /// What is told of it.
    pub progress: Scoring,
}

impl<'a> Scorer<'a> {
    /// Takes `most` rows at once, and fewer at first, so that the first row comes soon.
    pub fn new(
        table: TextTable<'a>,
        model: &'a dyn Predictor,
        sentences: Option<BySentence>,
        stops: bool,
        most: usize,
        progress: Scoring,
    ) -> Self {
        Self {
            table,
            model,
            sentences,
            stops,
            wrong: None,
            size: most.min(8),
            most,
            failed: 0,
            progress,
        }
    }

    /// The next rows, of which there are `limit` at most, and their vectors.
    pub fn next(&mut self, limit: usize) -> Result<Option<(TextBatch, Vec<ScoredText>)>> {
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        let size = self.table.batch(self.size).min(limit);
        self.size = (self.size * 4).min(self.most);
        let Some(mut batch) = self.table.next(size)? else {
            return Ok(None);
        };
        if self.stops
            && let Some(first) = batch.texts.iter().position(Result::is_err)
        {
            self.wrong = batch.texts.drain(first..).next().and_then(Result::err);
            batch.truncate(first);
            if first == 0 {
                return self.next(limit);
            }
        }
        let mut rows = Vec::with_capacity(batch.texts.len());
        for texts in batch.texts.chunks(infer::CHUNK) {
            let text = |text: &Result<Option<String>>| match text {
                Ok(text) => text.clone().unwrap_or_default(),
                Err(_) => String::new(),
            };
            let all = texts.iter().map(text).collect();
            rows.extend(match &self.sentences {
                Some(sentences) => sentences.score(self.model, all)?,
                None => infer::score(self.model, all)?,
            });
            self.progress.advance(texts.len());
        }
        self.failed += batch.texts.iter().filter(|text| text.is_err()).count();
        Ok(Some((batch, rows)))
    }

    /// Passes over some rows, of which there are `limit` at most; how many there were.
    pub fn skip(&mut self, limit: usize) -> Result<usize> {
        let mut rows = 0;
        while rows < limit {
            match self.table.next((limit - rows).min(infer::CHUNK))? {
                Some(batch) => rows += batch.texts.len(),
                None => break,
            }
        }
        Ok(rows)
    }
}
