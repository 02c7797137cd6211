//! What a survey is made of: scenarios under values, and qualification items with their right
//! answers.

use std::path::{Path, PathBuf};

use crate::data::annotations::answer_of;
use crate::data::rows::Rows;
use crate::error::{Error, Result};
use crate::value::{Label, Value};

/// A scenario and the value that it is to be asked under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The value.
    pub value: Value,
    /// What happens.
    pub scenario: String,
}

/// The scenarios of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenarios {
    /// Where they were read.
    pub path: PathBuf,
    /// In order.
    pub rows: Vec<Scenario>,
}

const HELP: &str = "scenarios have the columns scenario and value, as `valuenet data curate` writes them, or the scenario as \
                    \"[VALUE] text\"";

impl Scenarios {
    /// Reads what `data curate` writes, or a ValueNet file, whose labels are not looked at.
    ///
    /// # Errors
    /// If the file cannot be read, or a row has no scenario, or none of the ten values.
    pub fn read(path: &Path) -> Result<Self> {
        let rows = Rows::read(path, HELP)?;
        let asked = rows.asked()?;
        let read = rows.map(|_, cells| {
            let (value, scenario) = asked.value_and_text(cells.record())?;
            Ok(Scenario { value, scenario: scenario.trim().into() })
        })?;
        match read.is_empty() {
            true => Err(Error::data(path, "there are no scenarios in it").help(HELP)),
            false => Ok(Self { path: path.into(), rows: read }),
        }
    }
}

/// A qualification item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qualifying {
    /// The value.
    pub value: Value,
    /// What happens.
    pub scenario: String,
    /// The right answer.
    pub right: Label,
}

/// The qualification items of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gold {
    /// Where they were read.
    pub path: PathBuf,
    /// In order, each once.
    pub items: Vec<Qualifying>,
}

impl Gold {
    /// Reads a file with the columns `scenario`, `value` and `answer`.
    ///
    /// # Errors
    /// If it cannot be read, lacks a column, has a row that is wrong, or gives an item two answers.
    pub fn read(path: &Path) -> Result<Self> {
        let help = "qualification items have the columns scenario, value and answer (yes, no or unrelated)";
        let rows = Rows::read(path, help)?;
        let scenario = rows.require(&["scenario"])?;
        let (value, answer) = (rows.require(&["value"])?, rows.require(&["answer"])?);
        let mut items: Vec<Qualifying> = Vec::new();
        rows.map(|_, cells| {
            let (text, value) = (cells.filled(scenario)?, cells.value(value)?);
            let right =
                answer_of(cells.filled(answer)?)?.ok_or("\"not sure\" is no right answer")?;
            match items.iter().find(|item| item.value == value && item.scenario == text) {
                Some(item) if item.right != right => {
                    return Err(format!("\"{text}\" has two right answers under {value}"));
                }
                Some(_) => {}
                None => items.push(Qualifying { value, scenario: text.into(), right }),
            }
            Ok(())
        })?;
        Ok(Self { path: path.into(), items })
    }
}
