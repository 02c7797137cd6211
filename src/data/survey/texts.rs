//! What workers read of a value before they answer: its definition, an example for each answer, and
//! the question that must be answered rightly. `configs/survey/texts.toml` has those that are built
//! in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::data::annotations::answer_of;
use crate::error::{Error, Result};
use crate::value::{Label, Value};

const BUILT_IN: &str = include_str!("../../../configs/survey/texts.toml");

const HELP: &str = "each value has a definition, examples.yes, examples.no, examples.unrelated, and a prerequisite with scenario and \
                    answer, as in configs/survey/texts.toml";

/// The texts of several values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyTexts {
    path: PathBuf,
    of: BTreeMap<Value, ValueTexts>,
}

/// The texts of a value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueTexts {
    /// What the value is; shown throughout.
    pub definition: String,
    /// Worked examples.
    pub examples: Examples,
    /// The question before the survey.
    pub prerequisite: Prerequisite,
}

/// A scenario for each answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Examples {
    /// One that the value calls for.
    pub yes: String,
    /// One that it speaks against.
    pub no: String,
    /// One that has nothing to do with it.
    pub unrelated: String,
}

/// A scenario and its right answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prerequisite {
    /// What happens.
    pub scenario: String,
    /// The right answer.
    #[serde(deserialize_with = "label")]
    pub answer: Label,
}

fn label<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Label, D::Error> {
    let answer =
        answer_of(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
    answer.ok_or_else(|| serde::de::Error::custom("\"not sure\" is no right answer"))
}

impl SurveyTexts {
    /// The texts that the program brings along.
    ///
    /// # Errors
    /// If they are wrong, which a test rules out.
    pub fn built_in() -> Result<Self> {
        Self::parse(Path::new("configs/survey/texts.toml"), BUILT_IN)
    }

    /// Reads a TOML file with a table for each value.
    ///
    /// # Errors
    /// If it cannot be read, or a text is missing or blank.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, "read", error))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let tables: BTreeMap<String, ValueTexts> = toml::from_str(text).map_err(|error| {
            let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
            let line = before.matches('\n').count() as u64 + 1;
            let what = error.message().lines().next().unwrap_or_default().to_string();
            Error::config_line(path, line, what).help(HELP)
        })?;
        let at = |key: String| format!("{}: {key}", path.display());
        let mut of = BTreeMap::new();
        for (name, texts) in tables {
            let value = name.parse().map_err(|()| {
                Error::key(at(name.clone()), "this is none of the ten values".to_string())
                    .help(HELP)
            })?;
            if let Some((key, _)) = texts.all().into_iter().find(|(_, text)| text.trim().is_empty())
            {
                return Err(Error::key(at(format!("{name}.{key}")), "the text is blank").help(HELP));
            }
            of.insert(value, texts);
        }
        Ok(Self { path: path.into(), of })
    }

    /// The texts of a value.
    ///
    /// # Errors
    /// If there are none.
    pub fn of(&self, value: Value) -> Result<&ValueTexts> {
        self.of.get(&value).ok_or_else(|| {
            let key = format!("{}: {}", self.path.display(), value.name().to_lowercase());
            Error::key(key, "scenarios of this value are asked, and it has no texts").help(HELP)
        })
    }
}

impl ValueTexts {
    /// All texts with their keys.
    fn all(&self) -> [(&'static str, &str); 5] {
        [
            ("definition", &self.definition),
            ("examples.yes", &self.examples.yes),
            ("examples.no", &self.examples.no),
            ("examples.unrelated", &self.examples.unrelated),
            ("prerequisite.scenario", &self.prerequisite.scenario),
        ]
    }

    /// Refuses texts of which one is a question too: its answer would be told.
    pub(super) fn tells_no_answer<'a>(
        &self,
        value: Value,
        questions: impl Iterator<Item = &'a str>,
    ) -> Result<()> {
        let own = self.all();
        for question in questions {
            if let Some((key, _)) = own.iter().find(|(_, text)| text.trim() == question) {
                let key = format!("{}.{key}", value.name().to_lowercase());
                return Err(Error::key(
                    key,
                    format!("\"{question}\" is a question of the survey too"),
                )
                .help("write another sentence in a file for --texts, or take the scenario out"));
            }
        }
        Ok(())
    }
}
