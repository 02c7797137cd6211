//! The rows of the paper's tables that can be trained, with the configurations that the program
//! brings along.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::disk;
use crate::error::{Error, Result};

/// Tables of the paper that are made of the same runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// Tables 2 and 3: value models on ValueNet.
    Values,
    /// Table 4: dialogue models on PERSONA-CHAT.
    Dialogues,
    /// Table 5: classifiers of emotions on EMPATHETICDIALOGUES.
    Emotions,
    /// Table 6: replies on EMPATHETICDIALOGUES that are told an emotion.
    Replies,
}

impl fmt::Display for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Values => "Tables 2 and 3",
            Self::Dialogues => "Table 4",
            Self::Emotions => "Table 5",
            Self::Replies => "Table 6",
        })
    }
}

impl Tables {
    /// The seeds of the runs, unless others are named: the paper's Table 5 has means over five.
    pub fn seeds(self) -> &'static [u64] {
        match self {
            Self::Values | Self::Dialogues | Self::Replies => &[1],
            Self::Emotions => &[1, 2, 3, 4, 5],
        }
    }
}

/// A row: its name, how tables and the paper call it, and its configuration.
pub(super) struct ModelRow {
    pub(super) tables: Tables,
    pub(super) name: String,
    pub(super) title: String,
    /// Whether the paper has it.
    pub(super) is_of_paper: bool,
    /// The row whose run under the same seed it starts from, to learn from rewards.
    pub(super) starts_from: Option<String>,
    /// The row that lacks what is added to this one.
    pub(super) without: Option<String>,
    /// What it uses beside its data.
    pub(super) uses: Option<Uses>,
    /// Changes of the configuration.
    pub(super) set: Vec<String>,
    config: &'static str,
}

/// A run that rows use beside their data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uses {
    /// A value model, whose rewards are learned from.
    Rewards,
    /// A value model, whose utilities stand beside texts.
    Values,
    /// A classifier of emotions without values.
    Emotions,
    /// A classifier of emotions with values.
    EmotionsOfValues,
}

impl Uses {
    pub(super) const ALL: [Self; 4] =
        [Self::Rewards, Self::Values, Self::Emotions, Self::EmotionsOfValues];

    /// The key of the configuration that names the run.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Rewards => "reward.run",
            Self::Values => "values.run",
            Self::Emotions | Self::EmotionsOfValues => "dialogue.emotions",
        }
    }

    /// What a row does with it, and what is wrong if it is named and no row does.
    pub(super) fn in_words(self) -> [&'static str; 2] {
        match self {
            Self::Rewards => [
                "learns from the rewards of a value model",
                "a value model is named, and no row learns from its rewards",
            ],
            Self::Values => [
                "sees the values of a value model",
                "a value model is named, and no row sees its values",
            ],
            Self::Emotions => [
                "is told the emotions that a classifier predicts",
                "a classifier is named, and no row is told the emotions that it predicts",
            ],
            Self::EmotionsOfValues => [
                "is told the emotions that a classifier with values predicts",
                "a classifier with values is named, and no row is told the emotions that it predicts",
            ],
        }
    }

    /// How the run is named, and made.
    pub(super) fn flag(self) -> &'static str {
        match self {
            Self::Rewards | Self::Values => {
                "--values RUN (`valuenet train configs/minilm.toml` makes one)"
            }
            Self::Emotions => {
                "--emotions RUN (`valuenet train configs/emotion-minilm.toml --folds 5` makes one)"
            }
            Self::EmotionsOfValues => {
                "--value-emotions RUN (`valuenet train configs/emotion-minilm.toml --folds 5 --set \
                 values.run=RUN` makes one)"
            }
        }
    }
}

macro_rules! text_of {
    ($config:literal) => {
        include_str!(concat!("../../../configs/", $config, ".toml"))
    };
}

impl ModelRow {
    fn new(
        tables: Tables,
        is_of_paper: bool,
        name: &str,
        title: &str,
        config: &'static str,
    ) -> Self {
        Self {
            tables,
            name: name.into(),
            title: title.into(),
            is_of_paper,
            starts_from: None,
            without: None,
            uses: None,
            set: Vec::new(),
            config,
        }
    }

    /// The same row, which learns from rewards from the runs of another on.
    fn from(self, row: &str) -> Self {
        Self { starts_from: Some(row.into()), uses: Some(Uses::Rewards), ..self }
    }
}

/// In the order in which they are trained: a row stands behind the one that it starts from.
static ROWS: LazyLock<Vec<ModelRow>> = LazyLock::new(|| {
    use Tables::{Dialogues, Values};
    let row = ModelRow::new;
    let mut rows = vec![
        row(Values, true, "linear", "fastText", text_of!("linear")),
        row(Values, true, "bert", "BERT", text_of!("bert")),
        row(Values, true, "distilbert", "DistilBERT", text_of!("distilbert")),
        row(Values, true, "roberta", "RoBERTa", text_of!("roberta")),
        row(Values, true, "bart", "BART", text_of!("bart")),
        row(Values, false, "modernbert", "ModernBERT", text_of!("modernbert")),
        row(Values, false, "deberta", "DeBERTa-v3", text_of!("deberta")),
        row(Values, false, "minilm-regression", "MiniLM", text_of!("minilm-regression")),
        row(Values, false, "minilm", "MiniLM 3-class", text_of!("minilm")),
        row(Values, false, "scratch", "from scratch", text_of!("scratch")),
        row(Dialogues, true, "seq2seq", "SEQ2SEQ-ATTN", text_of!("persona-seq2seq")),
        row(Dialogues, true, "gpt2", "GPT2 (MLE)", text_of!("persona-gpt2")),
        row(Dialogues, true, "gpt2-value", "GPT2 + Value", text_of!("persona-gpt2-value"))
            .from("gpt2"),
        row(Dialogues, true, "dialogpt", "DialoGPT (MLE)", text_of!("persona-dialogpt")),
        row(
            Dialogues,
            true,
            "dialogpt-value",
            "DialoGPT + Value",
            text_of!("persona-dialogpt-value"),
        )
        .from("dialogpt"),
        row(Dialogues, false, "smollm2", "SmolLM2 (MLE)", text_of!("persona-smollm2")),
        row(
            Dialogues,
            false,
            "smollm2-value",
            "SmolLM2 + Value",
            text_of!("persona-smollm2-value"),
        )
        .from("smollm2"),
    ];
    rows.extend(emotions());
    rows.extend(replies());
    rows
});

/// The rows of Table 5: each model, with an encoder that learns or is frozen, without and with
/// values or what stands in their place.
fn emotions() -> Vec<ModelRow> {
    let models = [
        ("linear", "fastText", text_of!("emotion-linear")),
        ("distilbert", "DistilBERT", text_of!("emotion-distilbert")),
        ("bert", "BERT", text_of!("emotion-bert")),
        ("minilm", "MiniLM", text_of!("emotion-minilm")),
        ("mpnet", "MPNet", text_of!("emotion-mpnet")),
    ];
    let beside = [
        ("", ""),
        ("-value", " + Value"),
        ("-shuffled", " + Value of another"),
        ("-zeros", " + zeros"),
        ("-only", ", Value only"),
    ];
    let mut rows = Vec::new();
    for (name, title, config) in models {
        for is_frozen in [false, true] {
            if name == "linear" && is_frozen {
                continue;
            }
            let (frozen, told) = if is_frozen { ("-frozen", " frozen") } else { ("", "") };
            let plain = format!("emotion-{name}{frozen}");
            for (suffix, values) in beside {
                let is_of_paper = !is_frozen
                    && (["distilbert", "bert"].contains(&name) && ["", "-value"].contains(&suffix)
                        || name == "linear" && suffix.is_empty());
                let title = format!("{title}{told}{values}");
                let row = format!("{plain}{suffix}");
                let mut row = ModelRow::new(Tables::Emotions, is_of_paper, &row, &title, config);
                if is_frozen {
                    row.set.extend(FROZEN.map(String::from));
                }
                if !suffix.is_empty() {
                    row.uses = Some(Uses::Values);
                    row.without = Some(plain.clone());
                }
                if !["", "-value"].contains(&suffix) {
                    row.set.push(format!("values.control={}", suffix.trim_start_matches('-')));
                }
                rows.push(row);
            }
        }
    }
    rows
}

/// The rows of Table 6: each model, told no emotion, one that is predicted, the right one, or that of
/// another dialogue.
fn replies() -> Vec<ModelRow> {
    let models = [
        ("gpt2", "GPT", text_of!("empathetic-gpt2")),
        ("dialogpt", "DialoGPT", text_of!("empathetic-dialogpt")),
        ("smollm2", "SmolLM2", text_of!("empathetic-smollm2")),
    ];
    let told = [
        ("", "", "none", None),
        ("-emotion", " + Emotion (w/o Value)", "predicted", Some(Uses::Emotions)),
        ("-emotion-value", " + Emotion (w/ Value)", "predicted", Some(Uses::EmotionsOfValues)),
        ("-gold", " + Emotion (gold)", "gold", None),
        ("-shuffled", " + Emotion of another", "shuffled", None),
    ];
    let mut rows = Vec::new();
    for (name, title, config) in models {
        let plain = format!("empathetic-{name}");
        for (suffix, added, emotion, uses) in told {
            let is_of_paper = name != "smollm2" && (suffix.is_empty() || uses.is_some());
            let (row, title) = (format!("{plain}{suffix}"), format!("{title}{added}"));
            let mut row = ModelRow::new(Tables::Replies, is_of_paper, &row, &title, config);
            row.uses = uses;
            row.without = (!suffix.is_empty()).then(|| plain.clone());
            row.set.push(format!("dialogue.emotion={emotion}"));
            rows.push(row);
        }
    }
    rows
}

/// How a head alone learns, as the configurations say: ours, chosen on the eval split.
const FROZEN: [&str; 3] = ["emotion.encoder=frozen", "train.learning_rate=1e-3", "train.epochs=20"];

/// The names of the rows that can be asked for.
pub fn row_names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name.as_str())
}

/// The rows of these names in their order; the paper's if none is named.
///
/// # Errors
/// If one is no row of these tables.
pub(super) fn rows_of(tables: Tables, names: &[String]) -> Result<Vec<&'static ModelRow>> {
    let rows = || ROWS.iter().filter(|row| row.tables == tables);
    if let Some(name) = names.iter().find(|name| rows().all(|row| row.name != **name)) {
        let known = rows().map(|row| row.name.as_str()).collect::<Vec<_>>().join(", ");
        let what = format!("the row {name} is not of {tables}");
        return Err(Error::usage(what).help(format!("{tables}: {known}")));
    }
    let is_asked = |row: &&ModelRow| match names {
        [] => row.is_of_paper,
        names => names.contains(&row.name),
    };
    Ok(rows().filter(is_asked).collect())
}

impl ModelRow {
    /// The row that it starts from.
    pub(super) fn first(&self) -> Option<&'static ModelRow> {
        ROWS.iter().find(|row| Some(&row.name) == self.starts_from.as_ref())
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
