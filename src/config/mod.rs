//! The configuration of a training run: TOML with known keys only, in layers.
//!
//! Defaults come first, then the file, then `--set key=value`. What comes out is complete, and is
//! written into the run.

mod check;
mod dialogue;
mod emotion;
mod reward;

pub use dialogue::{DialogueSettings, EmotionTold, Measure, SampleUnit};
pub use emotion::{EmotionSettings, ValuesSettings};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, toml_line};
use crate::model::head::Pooling;
use crate::model::linear::LinearSettings;
use crate::model::scratch::ScratchSettings;
use crate::model::value_head::{HeadSettings, Objective, Range};
use crate::model::value_model::NewModel;
use crate::model::value_prompts::PromptKind;
use crate::model::value_tokens::ValueTokenInit;
use crate::train::reinforce::{self, ReinforceSettings};
use crate::train::{self, TrainSettings};

/// Everything that a training run is told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is to be learned.
    pub task: TaskSettings,
    /// What it learns from.
    pub data: DataSettings,
    /// What learns.
    pub model: ModelSettings,
    /// How dialogues are given to a language model, if the task is of dialogues.
    #[serde(skip_serializing_if = "is_default")]
    pub dialogue: DialogueSettings,
    /// How a classifier of texts learns, if the task is of emotions.
    #[serde(skip_serializing_if = "is_default")]
    pub emotion: EmotionSettings,
    /// The values that a classifier of texts sees beside each, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<ValuesSettings>,
    /// How a dialogue model learns from what its own replies are worth, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reward: Option<ReinforceSettings>,
    /// How it learns.
    pub train: TrainSettings,
}

/// `[task]`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskSettings {
    /// What kind of task it is.
    pub kind: TaskKind,
}

/// The kinds of tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// How far a scenario serves a value.
    #[default]
    Value,
    /// What a speaker replies in a dialogue, given a persona.
    Dialogue,
    /// What somebody feels in a situation, or to which other label a text belongs.
    Emotion,
}

impl TaskKind {
    /// The scores by which its checkpoints can be compared, as `train.select` calls them.
    pub fn scores(self) -> &'static [&'static str] {
        match self {
            Self::Value => &train::value::SCORES,
            Self::Dialogue => &train::dialogue::SCORES,
            Self::Emotion => &train::emotion::SCORES,
        }
    }
}

/// `[data]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataSettings {
    /// The folder with train.csv, eval.csv and test.csv (of emotions also .jsonl and .gz), or with
    /// the files of dialogues, from where the program is started.
    pub dir: PathBuf,
    /// The files of dialogues to learn from, in the folder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub train: Vec<PathBuf>,
    /// The files of dialogues by which checkpoints are compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub eval: Vec<PathBuf>,
    /// How many dialogues of the train files are kept apart for that, where there are no such
    /// files.
    #[serde(skip_serializing_if = "is_default")]
    pub eval_dialogues: usize,
    /// Of how many parts of the texts of a value model's train and eval splits one is held out, if
    /// one is, and which, from 1: `train --folds`.
    #[serde(skip_serializing_if = "is_default")]
    pub folds: usize,
    /// Which of them, from 1.
    #[serde(skip_serializing_if = "is_default")]
    pub fold: usize,
    /// The files of dialogues by which the best checkpoint is judged, each under a name of its own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub test: BTreeMap<String, PathBuf>,
}

/// Whether a setting is what it is if nothing is said.
fn is_default<T: Default + PartialEq>(setting: &T) -> bool {
    *setting == T::default()
}

impl Default for DataSettings {
    fn default() -> Self {
        Self {
            dir: "data/sample".into(),
            train: Vec::new(),
            eval: Vec::new(),
            eval_dialogues: 0,
            folds: 0,
            fold: 0,
            test: BTreeMap::new(),
        }
    }
}

/// `[model]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSettings {
    /// What kind of model it is.
    pub family: FamilyKind,
    /// `scratch`, a folder, or the name of a model on the hub.
    pub base: String,
    /// The branch, tag or commit on the hub.
    pub revision: String,
    /// What the head learns.
    pub objective: Objective,
    /// What brings a logit into [-1, 1] in regression.
    pub activation: Range,
    /// What stands between the encoder and the last layer.
    pub pooling: Pooling,
    /// The longest prompt in tokens; longer ones are cut.
    pub max_length: usize,
    /// The dropout probability; the checkpoint's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// How the embeddings of the value tokens start.
    pub value_tokens: ValueTokenInit,
    /// How a text and values are given to the encoder.
    #[serde(skip_serializing_if = "is_default")]
    pub prompt: PromptKind,
    /// How many layers read a shared text before the values come in.
    #[serde(skip_serializing_if = "is_default")]
    pub shared_layers: usize,
    /// The size of a model from scratch.
    pub scratch: ScratchSettings,
    /// The linear baseline's settings.
    pub linear: LinearSettings,
}

/// The kinds of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FamilyKind {
    /// A transformer, for dialogues a decoder and otherwise an encoder; which one, the base's own
    /// `config.json` says.
    Encoder,
    /// A bag of words and n-grams, as fastText; the keys of `[model]` that tell of encoders mean
    /// nothing to it.
    Linear,
    /// For dialogues: an LSTM that reads, and one that replies and attends to what was read, from
    /// scratch (the paper's SEQ2SEQ-ATTN).
    Seq2seq,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            family: FamilyKind::Encoder,
            base: "scratch".into(),
            revision: "main".into(),
            objective: Objective::Regression,
            activation: Range::ScaledSigmoid,
            pooling: Pooling::Pooler,
            max_length: 128,
            dropout: None,
            value_tokens: ValueTokenInit::Mean,
            prompt: PromptKind::Each,
            shared_layers: 0,
            scratch: ScratchSettings::default(),
            linear: LinearSettings::default(),
        }
    }
}

impl Config {
    /// Reads a configuration file, and then each `key=value` of `sets`, such as `train.epochs=3`.
    ///
    /// # Errors
    /// If the file cannot be read, a key is unknown, or a value is invalid.
    pub fn read(path: &Path, sets: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, "read", error))?;
        let from_file = |error: toml::de::Error| {
            let line = toml_line(&text, &error);
            described(error.message(), |what| Error::config_line(path, line, what))
        };
        toml::from_str::<Config>(&text).map_err(from_file)?;
        let mut table: toml::Table = toml::from_str(&text).map_err(from_file)?;
        let mut config = Self::from_table(&table, "")?;
        for set in sets {
            let Some((key, value)) = set.split_once('=') else {
                return Err(Error::usage(format!("--set {set}: key=value was expected"))
                    .help("for example --set train.learning_rate=3e-5"));
            };
            assign(&mut table, key.trim(), value.trim())?;
            config = Self::from_table(&table, key.trim())?;
        }
        config.check()?;
        Ok(config)
    }

    fn from_table(table: &toml::Table, key: &str) -> Result<Self> {
        let config = Config::deserialize(toml::Value::Table(table.clone()));
        let mut config =
            config.map_err(|error| described(error.message(), |what| Error::key(key, what)))?;
        if table.get("train").and_then(|train| train.get("select")).is_none() {
            config.train.select = config.scores()[0].into();
        }
        Ok(config)
    }

    /// Refuses numbers out of their range, and settings that do not go together.
    ///
    /// # Errors
    /// If there is one; it names the key.
    pub fn check(&self) -> Result<()> {
        check::check(self)
    }

    /// The configuration as a TOML file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(Error::failure_because("cannot write the configuration"))
    }

    /// The JSON Schema of configurations: every key with what it means, its kind and its default.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn schema() -> Result<String> {
        let schema = serde_json::to_string_pretty(&schemars::schema_for!(Config));
        Ok(schema.map_err(Error::failure_because("cannot write the schema"))? + "\n")
    }

    /// What the model starts from, for people.
    pub fn base(&self) -> &str {
        match self.model.family {
            FamilyKind::Encoder | FamilyKind::Seq2seq => &self.model.base,
            FamilyKind::Linear => "linear",
        }
    }

    /// The scores by which checkpoints can be compared, as `train.select` calls them.
    pub fn scores(&self) -> &'static [&'static str] {
        match &self.reward {
            Some(reward) if reward.is_of_program() => &reinforce::SCORES_OF_PROGRAM,
            Some(_) => &reinforce::SCORES,
            None => self.task.kind.scores(),
        }
    }

    /// What is asked of the model.
    pub fn new_model(&self) -> NewModel {
        NewModel {
            head: HeadSettings {
                objective: self.model.objective,
                activation: self.model.activation,
                pooling: self.model.pooling,
            },
            max_length: self.model.max_length,
            dropout: self.model.dropout,
            value_tokens: self.model.value_tokens,
            prompt: self.model.prompt,
            shared_layers: self.model.shared_layers,
            seed: self.train.seed,
        }
    }
}

/// Sets a dotted key of a table; what is no TOML value is a string.
fn assign(table: &mut toml::Table, key: &str, value: &str) -> Result<()> {
    let value = match toml::from_str::<toml::Table>(&format!("value = {value}")) {
        Ok(mut parsed) => parsed.remove("value").unwrap_or_else(|| value.into()),
        Err(_) => toml::Value::String(value.into()),
    };
    let mut parts: Vec<&str> = key.split('.').collect();
    let Some(last) = parts.pop().filter(|part| !part.is_empty()) else {
        return Err(Error::usage(format!("--set {key}=…: the key is empty")));
    };
    let mut table = table;
    for part in parts {
        let entry = table.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        match entry {
            toml::Value::Table(inner) => table = inner,
            _ => return Err(Error::key(key, format!("\"{part}\" is no section"))),
        }
    }
    table.insert(last.into(), value);
    Ok(())
}

/// An error from serde's message; for an unknown name, with the nearest of those that are known.
fn described(message: &str, place: impl Fn(&str) -> Error) -> Error {
    let error = place(message.lines().next().unwrap_or(message));
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let [unknown, known @ ..] = quoted.as_slice() else {
        return error;
    };
    if !message.starts_with("unknown") {
        return error;
    }
    let likeness = |name: &&&str| (strsim::jaro_winkler(unknown, name) * 1000.0) as u64;
    match known.iter().max_by_key(likeness).filter(|name| likeness(name) > 750) {
        Some(nearest) => error.help(format!("did you mean \"{nearest}\"?")),
        None => error,
    }
}
