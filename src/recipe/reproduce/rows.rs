//! The rows of the paper's tables that can be trained, with the configurations that the program
//! brings along.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::error::{Error, Result};

/// Tables of the paper that are made of the same runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// Tables 2 and 3: value models on ValueNet.
    Values,
    /// Table 4: dialogue models on PERSONA-CHAT.
    Dialogues,
}

impl fmt::Display for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Values => "Tables 2 and 3",
            Self::Dialogues => "Table 4",
        })
    }
}

/// A row: its name, how tables and the paper call it, and its configuration.
pub(super) struct ModelRow {
    pub(super) tables: Tables,
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// Whether the paper has it.
    pub(super) is_of_paper: bool,
    /// The row whose run under the same seed it starts from, to learn from rewards.
    pub(super) starts_from: Option<&'static str>,
    config: &'static str,
}

macro_rules! row {
    ($tables:ident, $is_of_paper:literal, $name:literal, $title:literal, $config:literal) => {
        row!($tables, $is_of_paper, $name, $title, $config, None)
    };
    ($tables:ident, $is_of_paper:literal, $name:literal, $title:literal, $config:literal, $from:expr) => {
        ModelRow {
            tables: Tables::$tables,
            name: $name,
            title: $title,
            is_of_paper: $is_of_paper,
            starts_from: $from,
            config: include_str!(concat!("../../../configs/", $config, ".toml")),
        }
    };
}

/// In the order in which they are trained: a row stands behind the one that it starts from.
pub(super) const ROWS: [ModelRow; 17] = [
    row!(Values, true, "linear", "fastText", "linear"),
    row!(Values, true, "bert", "BERT", "bert"),
    row!(Values, true, "distilbert", "DistilBERT", "distilbert"),
    row!(Values, true, "roberta", "RoBERTa", "roberta"),
    row!(Values, true, "bart", "BART", "bart"),
    row!(Values, false, "modernbert", "ModernBERT", "modernbert"),
    row!(Values, false, "deberta", "DeBERTa-v3", "deberta"),
    row!(Values, false, "minilm", "MiniLM", "minilm"),
    row!(Values, false, "minilm-classes", "MiniLM 3-class", "minilm-classes"),
    row!(Values, false, "scratch", "from scratch", "scratch"),
    row!(Dialogues, true, "seq2seq", "SEQ2SEQ-ATTN", "persona-seq2seq"),
    row!(Dialogues, true, "gpt2", "GPT2 (MLE)", "persona-gpt2"),
    row!(Dialogues, true, "gpt2-value", "GPT2 + Value", "persona-gpt2-value", Some("gpt2")),
    row!(Dialogues, true, "dialogpt", "DialoGPT (MLE)", "persona-dialogpt"),
    row!(
        Dialogues,
        true,
        "dialogpt-value",
        "DialoGPT + Value",
        "persona-dialogpt-value",
        Some("dialogpt")
    ),
    row!(Dialogues, false, "smollm2", "SmolLM2 (MLE)", "persona-smollm2"),
    row!(
        Dialogues,
        false,
        "smollm2-value",
        "SmolLM2 + Value",
        "persona-smollm2-value",
        Some("smollm2")
    ),
];

/// The names of the rows that can be asked for.
pub fn row_names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name)
}

/// The rows of these names in their order; the paper's if none is named.
///
/// # Errors
/// If one is no row of these tables.
pub(super) fn rows_of(tables: Tables, names: &[String]) -> Result<Vec<&'static ModelRow>> {
    let rows = || ROWS.iter().filter(|row| row.tables == tables);
    if let Some(name) = names.iter().find(|name| rows().all(|row| row.name != *name)) {
        let known = rows().map(|row| row.name).collect::<Vec<_>>().join(", ");
        let what = format!("the row {name} is not of {tables}");
        return Err(Error::usage(what).help(format!("{tables}: {known}")));
    }
    let is_asked = |row: &&ModelRow| match names {
        [] => row.is_of_paper,
        names => names.iter().any(|name| name == row.name),
    };
    Ok(rows().filter(is_asked).collect())
}

impl ModelRow {
    /// The row that it starts from.
    pub(super) fn first(&self) -> Option<&'static ModelRow> {
        ROWS.iter().find(|row| Some(row.name) == self.starts_from)
    }

    /// Where the configuration stands among the runs.
    pub(super) fn config_in(&self, output: &Path) -> PathBuf {
        output.join("configs").join(format!("{}.toml", self.name))
    }

    /// Writes the configuration there.
    pub(super) fn write_config(&self, output: &Path) -> Result<()> {
        let folder = output.join("configs");
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, "create", error))?;
        disk::write_file(&self.config_in(output), self.config.as_bytes())
    }
}
