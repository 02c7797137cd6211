//! A value model, and the vectors of all texts that it has read, each once.

use std::collections::{BTreeSet, HashMap};

use super::score::distinct_profiles;
use crate::data::dialogue::Vector;
use crate::error::Result;
use crate::model::Model;
use crate::reward::Center;
use crate::value::Value;

/// A value model, and the vectors of all texts that it has read.
pub(super) struct ValueVectors {
    model: Model,
    vectors: HashMap<String, Vector>,
}

impl ValueVectors {
    /// Nothing has been read yet.
    pub(super) fn new(model: Model) -> Self {
        Self { model, vectors: HashMap::new() }
    }

    /// Reads what is new among these texts; `tell` is told how many of how many are done.
    ///
    /// # Errors
    /// If the model fails.
    pub(super) fn read<'t>(
        &mut self,
        texts: impl Iterator<Item = &'t str>,
        tell: &mut dyn FnMut(usize, usize),
    ) -> Result<()> {
        let new: BTreeSet<&str> = texts.filter(|text| !self.vectors.contains_key(*text)).collect();
        let new: Vec<String> = new.into_iter().map(String::from).collect();
        let mut done = 0;
        let found = distinct_profiles(self.model.predictor(), new.iter(), &mut |texts| {
            done += texts;
            tell(done, new.len());
        })?;
        let vectors =
            found.into_iter().map(|(text, it)| (text.to_string(), it.map(f64::from).to_vec()));
        self.vectors.extend(vectors);
        Ok(())
    }

    /// The vector of a text that was read, less a center; zeros for a blank one, centred or not.
    pub(super) fn of(&self, text: &str, center: Option<&Center>) -> Vector {
        vector_of(&self.vectors, text, center)
    }

    /// The mean vector of sentences that were read; none if there is no sentence.
    pub(super) fn center<'t>(&self, sentences: impl Iterator<Item = &'t str>) -> Option<Center> {
        Center::of(sentences.filter_map(|text| self.vectors.get(text)))
    }
}

/// The vector of a text: zeros for a blank one, centred or not.
fn vector_of(vectors: &HashMap<String, Vector>, text: &str, center: Option<&Center>) -> Vector {
    match (vectors.get(text), center) {
        (Some(vector), Some(center)) if !text.trim().is_empty() => center.subtract_from(vector),
        (Some(vector), _) => vector.clone(),
        (None, _) => vec![0.0; Value::COUNT],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_text_points_nowhere_centred_or_not() {
        let mut vectors: HashMap<String, Vector> = HashMap::new();
        vectors.insert("i sail .".into(), vec![0.5; Value::COUNT]);
        vectors.insert(" ".into(), vec![0.0; Value::COUNT]);
        let center = Center::of([[0.25; Value::COUNT]]);
        let zeros = vec![0.0; Value::COUNT];
        for text in ["", " "] {
            assert_eq!(vector_of(&vectors, text, None), zeros);
            assert_eq!(vector_of(&vectors, text, center.as_ref()), zeros);
        }
        assert_eq!(vector_of(&vectors, "i sail .", None), [0.5; Value::COUNT]);
        assert_eq!(vector_of(&vectors, "i sail .", center.as_ref()), [0.25; Value::COUNT]);
    }
}
