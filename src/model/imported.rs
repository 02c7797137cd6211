//! A value model that others trained: a sequence classifier in the Hugging Face layout, beside which
//! `valuenet.toml` says what it reads and what its logits mean.

use std::collections::HashMap;
use std::path::Path;

use candle_core::Device;
use serde::Deserialize;
use serde_json::Value as Json;

use super::backbone::Family;
use super::base::{check_rows, unfit};
use super::budget::TokenBudget;
use super::files::ModelFiles;
use super::head::{HeadShape, Pooling};
use super::network::{Network, Start};
use super::predictor::{Prediction, Predictor, whole};
use super::value_head::Objective;
use crate::disk;
use crate::error::{Error, Result, toml_line};
use crate::nn::activation::Activation;
use crate::nn::precision::Precision;
use crate::nn::tape::{Node, Tape};
use crate::text::tokenizer::SHORTEST;
use crate::text::{PackedBatch, PlainEncoder};
use crate::value::{LabelCounts, Value};

/// The file that describes such a model, in its folder.
pub const DESCRIPTION: &str = "valuenet.toml";

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    prompt: PromptDescription,
}

/// What the model reads, and what its logits mean.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptDescription {
    /// What it reads: `{text}`, and before or behind it perhaps `{VALUE}` or `{value}`, the value's name
    /// in capitals or not. With the value it has one logit, without it one for each label.
    pub template: String,
    /// What turns a logit into a utility, or into a probability.
    pub activation: LogitMeaning,
    /// The longest prompt in tokens; longer ones are cut.
    #[serde(default = "longest")]
    pub max_length: usize,
}

fn longest() -> usize {
    512
}

/// What a logit stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogitMeaning {
    /// The utility itself.
    None,
    /// `tanh(x)` is the utility.
    Tanh,
    /// `2 σ(x) - 1` is the utility.
    ScaledSigmoid,
    /// `σ(x)` is the probability of the label.
    Sigmoid,
}

impl LogitMeaning {
    /// The numbers that logits stand for, in the same shape.
    fn of(self, tape: &Tape, logits: &Node) -> candle_core::Result<Vec<f32>> {
        let x = match self {
            Self::None => logits.clone(),
            Self::Tanh => Activation::Tanh.forward(tape, logits)?,
            Self::ScaledSigmoid | Self::Sigmoid => {
                Activation::ScaledSigmoid.forward(tape, logits)?
            }
        };
        let numbers = x.tensor().flatten_all()?.to_vec1::<f32>()?;
        Ok(match self {
            Self::Sigmoid => numbers.into_iter().map(|number| f32::midpoint(number, 1.0)).collect(),
            _ => numbers,
        })
    }
}

/// What the labels of a model say of one value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct LabelsOfValue {
    /// Those of its presence, or of its attainment.
    attained: Vec<usize>,
    /// Those of its being constrained.
    constrained: Vec<usize>,
}

impl LabelsOfValue {
    /// The utility by a row's numbers: the largest of presence or attainment, less the largest of
    /// constraint.
    fn utility(&self, row: &[f32]) -> f32 {
        let largest = |labels: &[usize]| labels.iter().map(|&label| row[label]).reduce(f32::max);
        largest(&self.attained).unwrap_or(0.0) - largest(&self.constrained).unwrap_or(0.0)
    }
}

/// A sequence classifier that others trained.
#[derive(Debug)]
pub struct ImportedModel {
    network: Network,
    text: PlainEncoder,
    prompt: PromptDescription,
    /// Of a model whose prompts have no value: what its labels say of each.
    labels: Option<[LabelsOfValue; Value::COUNT]>,
    outputs: usize,
    precision: Precision,
    budget: TokenBudget,
}

impl ImportedModel {
    /// Whether a folder describes such a model.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(DESCRIPTION).is_file()
    }

    /// Opens the folder of such a model.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the description does not fit the model.
    pub fn open(folder: &Path, device: &Device, precision: Precision) -> Result<Self> {
        let path = folder.join(DESCRIPTION);
        let text =
            std::fs::read_to_string(&path).map_err(|error| Error::io(&path, "read", error))?;
        let File { prompt } = toml::from_str(&text).map_err(|error: toml::de::Error| {
            let line = toml_line(&text, &error);
            Error::config_line(&path, line, error.message().to_string())
        })?;
        let files = ModelFiles::find(folder)?;
        let config = disk::read_json(&files.config)?;
        let family =
            Family::from_config(&config).map_err(|what| Error::file(&files.config, what))?;
        let names = label_names(&config);
        let labels = prompt.labels(&names).map_err(|what| Error::file(&path, what))?;
        let max_length = prompt.max_length.min(family.architecture().max_length);
        let text = PlainEncoder::read(&files.tokenizer, max_length)?;
        let tensors = family.canonical(files.read_weights()?);
        check_rows(&files, &family, &tensors, text.vocabulary_size())?;
        let outputs = names.len();
        let shape = HeadShape { outputs, pooling: Pooling::Pooler, inputs: 0 };
        let network = Network::build(&family, shape, tensors, Start::Trained, 0, device)
            .map_err(|error| unfit(&files, error))?;
        let budget = TokenBudget::of(device);
        Ok(Self { network, text, prompt, labels, outputs, precision, budget })
    }

    /// The number of its parameters, each number of a tensor counted.
    pub fn parameters(&self) -> usize {
        self.network.params().count()
    }

    /// The numbers of each prompt's labels, in the order of the prompts.
    fn numbers(&self, prompts: &[String]) -> Result<Vec<Vec<f32>>> {
        let ids = self.text.encode_all(prompts)?;
        let lengths: Vec<usize> = ids.iter().map(Vec::len).collect();
        let mut found = vec![Vec::new(); prompts.len()];
        let tape = Tape::inference().with_precision(self.precision);
        self.budget.batches(&lengths, |batch| {
            let packed = PackedBatch::new(batch.iter().map(|&item| ids[item].as_slice()));
            let logits = self.network.logits(&tape, &packed)?;
            let numbers = self.prompt.activation.of(&tape, &logits)?;
            for (&item, row) in batch.iter().zip(numbers.chunks_exact(self.outputs)) {
                found[item] = row.to_vec();
            }
            Ok(())
        })?;
        Ok(found)
    }
}

impl PromptDescription {
    /// The prompt of a text, under a value.
    fn fill(&self, value: Value, text: &str) -> String {
        let (capitals, name) = (value.name(), value.name().to_lowercase());
        // The text last: what it says itself is no placeholder.
        let prompt = self.template.replace("{VALUE}", capitals).replace("{value}", &name);
        prompt.replacen("{text}", text, 1)
    }

    /// Whether prompts have a value.
    fn has_value(&self) -> bool {
        self.template.contains("{VALUE}") || self.template.contains("{value}")
    }

    /// What labels with these names say of each value, where prompts have none.
    fn labels(
        &self,
        names: &[String],
    ) -> std::result::Result<Option<[LabelsOfValue; Value::COUNT]>, String> {
        if self.max_length < SHORTEST {
            return Err(format!(
                "key \"max_length\": a length of {SHORTEST} tokens or more was expected"
            ));
        }
        if self.template.matches("{text}").count() != 1 {
            return Err("key \"template\": {text} once was expected".into());
        }
        if self.has_value() {
            return match (names.len(), self.activation) {
                (1, LogitMeaning::Sigmoid) => Err(
                    "key \"activation\": one logit is a utility, by none, tanh or scaled-sigmoid"
                        .into(),
                ),
                (1, _) => Ok(None),
                (count, _) => Err(format!(
                    "key \"template\": a prompt with a value has one logit, and the model has {count}"
                )),
            };
        }
        if self.activation != LogitMeaning::Sigmoid {
            return Err("key \"activation\": labels have probabilities, by sigmoid".into());
        }
        let mut of_values: [LabelsOfValue; Value::COUNT] = Default::default();
        for (label, name) in names.iter().enumerate() {
            let Some((value, is_constraint)) = value_of(name) else { continue };
            let own = &mut of_values[value.index()];
            if is_constraint { own.constrained.push(label) } else { own.attained.push(label) }
        }
        match Value::ALL.iter().find(|value| of_values[value.index()] == LabelsOfValue::default()) {
            Some(value) => Err(format!("no label of config.json's id2label is of {value}")),
            None => Ok(Some(of_values)),
        }
    }
}

/// The value that a label is of, such as `Power: dominance constrained`, and whether it is that of its
/// being constrained. None if it is of no value of the ten: `Face`, `Humility`.
fn value_of(label: &str) -> Option<(Value, bool)> {
    let lower = label.trim().to_lowercase();
    let is_constraint = lower.ends_with("constrained");
    let name = lower.strip_suffix("constrained").or(lower.strip_suffix("attained"));
    let name = name.unwrap_or(&lower).split(':').next()?.trim();
    Some((name.to_uppercase().replace(' ', "-").parse().ok()?, is_constraint))
}

/// The names of a classifier's labels, in the order of its logits.
fn label_names(config: &Json) -> Vec<String> {
    let by_number: HashMap<usize, String> = config["id2label"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(number, name)| Some((number.parse().ok()?, name.as_str()?.to_string())))
        .collect();
    (0..by_number.len().max(1))
        .map(|label| by_number.get(&label).cloned().unwrap_or_default())
        .collect()
}

impl Predictor for ImportedModel {
    fn predict(&self, pairs: &[(Value, &str)]) -> Result<Vec<Prediction>> {
        let Some(labels) = &self.labels else {
            let prompts: Vec<String> =
                pairs.iter().map(|(value, text)| self.prompt.fill(*value, text)).collect();
            let rows = self.numbers(&prompts)?;
            return whole(rows.iter().map(|row| Prediction::of_utility(row[0])).collect());
        };
        // A text is read once, however many values it is asked about.
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut texts: Vec<String> = Vec::new();
        for (value, text) in pairs {
            places.entry(text).or_insert_with(|| {
                texts.push(self.prompt.fill(*value, text));
                texts.len() - 1
            });
        }
        let rows = self.numbers(&texts)?;
        let prediction = |(value, text): &(Value, &str)| {
            Prediction::of_utility(labels[value.index()].utility(&rows[places[text]]))
        };
        whole(pairs.iter().map(prediction).collect())
    }

    fn rule(&self) -> &'static str {
        Objective::Regression.rule()
    }

    fn has_probabilities(&self) -> bool {
        false
    }

    fn dtype(&self) -> &'static str {
        self.precision.name()
    }

    fn warning(&self) -> Option<String> {
        self.budget.warning()
    }

    fn train_labels(&self) -> Option<&LabelCounts> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_other_schemes_belong_to_the_ten_values() {
        assert_eq!(value_of("Self-direction: thought"), Some((Value::SelfDirection, false)));
        assert_eq!(value_of("self direction"), Some((Value::SelfDirection, false)));
        assert_eq!(value_of("Power: dominance constrained"), Some((Value::Power, true)));
        assert_eq!(value_of("Hedonism attained"), Some((Value::Hedonism, false)));
        assert_eq!(value_of("Universalism: objectivity"), Some((Value::Universalism, false)));
        for other in ["Face", "Humility", "LABEL_0", ""] {
            assert_eq!(value_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_template_is_filled_once() {
        let prompt = |template: &str| PromptDescription {
            template: template.into(),
            activation: LogitMeaning::Tanh,
            max_length: 64,
        };
        let filled = prompt("[{VALUE}] {text}").fill(Value::Power, "a {value} {text}");
        assert_eq!(filled, "[POWER] a {value} {text}");
        assert_eq!(
            prompt("{text} ({value})").fill(Value::SelfDirection, "x"),
            "x (self-direction)"
        );
    }
}
