//! Texts to value vectors, all of them in memory: for verbs that need every text before they can
//! say anything. `infer` streams instead.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::data::{Kept, TextBatch, TextTable, cells};
use crate::error::{Error, Result};
use crate::eval::authors::Authors;
use crate::infer;
use crate::model::Predictor;
use crate::value::Profile;

/// The texts that are not blank, and their vectors; `advance` is told of each so many texts.
///
/// # Errors
/// If a text cannot be read, or the model fails.
pub fn profiles(
    model: &dyn Predictor,
    texts: impl Iterator<Item = Result<String>>,
    advance: &mut dyn FnMut(usize),
) -> Result<(Vec<String>, Vec<Profile>)> {
    let (mut said, mut profiles) = (Vec::new(), Vec::new());
    infer::stream(model, texts, infer::CHUNK, &mut |rows| {
        advance(rows.len());
        for row in rows {
            if let Some(profile) = row.profile {
                said.push(row.text.clone());
                profiles.push(profile);
            }
        }
        Ok(())
    })?;
    Ok((said, profiles))
}

/// Adds the vectors of a table's texts to the profiles of their authors, who are in the one column that it
/// keeps. Blank texts count for nobody.
///
/// # Errors
/// If a row is wrong, or the model fails.
pub fn author_profiles(
    model: &dyn Predictor,
    table: &mut TextTable,
    authors: &mut Authors,
    advance: &mut dyn FnMut(usize),
) -> Result<()> {
    if let Some(odd) = table.kept.iter().find(|field| !cells::is_plain(field.data_type())) {
        let what = format!("the column \"{}\" names nobody: {}", odd.name(), odd.data_type());
        return Err(Error::usage(what));
    }
    while let Some(TextBatch { texts, kept }) = table.next(infer::CHUNK)? {
        let text = |text: Result<Option<String>>| Ok(text?.unwrap_or_default());
        let rows = infer::score(model, texts.into_iter().map(text).collect::<Result<_>>()?)?;
        advance(rows.len());
        for (place, row) in rows.iter().enumerate() {
            let author = match &kept {
                Kept::Cells(rows) => rows[place][0].clone(),
                Kept::Columns(columns) => cells::cell(columns.column(0), place),
            };
            let author = match author {
                Json::Null => String::new(),
                Json::String(author) => author,
                other => other.to_string(),
            };
            if let Some(profile) = &row.profile {
                authors.add(&author, profile);
            }
        }
    }
    Ok(())
}

/// The vector of each different text, which is scored once; that of a blank one is zero.
///
/// # Errors
/// If the model fails.
pub fn distinct_profiles<'a>(
    model: &dyn Predictor,
    texts: impl Iterator<Item = &'a String>,
    advance: &mut dyn FnMut(usize),
) -> Result<HashMap<&'a str, Profile>> {
    let mut vectors: HashMap<&str, Profile> = HashMap::new();
    let mut distinct: Vec<&str> = Vec::new();
    for text in texts {
        vectors.entry(text).or_insert_with(|| {
            distinct.push(text);
            Profile::default()
        });
    }
    let mut scored = distinct.iter();
    let source = distinct.iter().map(|text| Ok(text.to_string()));
    infer::stream(model, source, infer::CHUNK, &mut |rows| {
        advance(rows.len());
        // In this order: the other one would take a text too many at the end of each chunk.
        for (row, text) in rows.iter().zip(scored.by_ref()) {
            vectors.insert(text, row.profile.unwrap_or_default());
        }
        Ok(())
    })?;
    Ok(vectors)
}
