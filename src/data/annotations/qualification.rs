//! Hidden qualification items and their right answers.

use std::collections::HashMap;
use std::path::Path;

use super::{Annotation, answer_of};
use crate::data::rows::Rows;
use crate::error::Result;
use crate::value::{Label, Value};

/// The right answers to hidden qualification items, under their value and their name or text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Qualification {
    right: HashMap<(Value, String), Label>,
}

impl Qualification {
    /// Reads a file with the columns `item` (or `scenario`), `value` and `answer`.
    ///
    /// # Errors
    /// If it cannot be read, lacks a column, has a row that is wrong, or gives an item two answers.
    pub fn read(path: &Path) -> Result<Self> {
        let help = "qualification items have the columns item (or scenario), value and answer (yes, no or unrelated)";
        let rows = Rows::read(path, help)?;
        let item = rows.require(&["item", "scenario"])?;
        let (value, answer) = (rows.require(&["value"])?, rows.require(&["answer"])?);
        let mut right: HashMap<(Value, String), Label> = HashMap::new();
        rows.map(|_, cells| {
            let (name, value) = (cells.filled(item)?, cells.value(value)?);
            let label =
                answer_of(cells.filled(answer)?)?.ok_or("\"not sure\" is no right answer")?;
            match right.insert((value, name.into()), label) {
                Some(other) if other != label => {
                    Err(format!("\"{name}\" has two right answers under {value}"))
                }
                _ => Ok(()),
            }
        })?;
        Ok(Self { right })
    }

    /// The right answer to what was asked, if it is a qualification item.
    pub fn right(&self, annotation: &Annotation) -> Option<Label> {
        let under = |name: &String| self.right.get(&(annotation.value, name.clone())).copied();
        under(&annotation.item).or_else(|| under(&annotation.scenario))
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.right.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.right.is_empty()
    }
}
