//! What transformers and torch computed, computed again: hidden states, losses, gradients,
//! optimiser steps.
//!
//! `VALUENET_GOLDEN` names another folder of goldens; every model folder in it whose family is
//! known is checked.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde_json::Value as Json;
use valuenet::disk::read_json;
use valuenet::model::backbone::Family;
use valuenet::model::files::ModelFiles;
use valuenet::model::head::Pooling;
use valuenet::model::hidden_states::HiddenStates;
use valuenet::model::network::{Network, Start};
use valuenet::model::value_head::{HeadSettings, Objective, Range, Target};
use valuenet::nn::adamw::{AdamW, AdamWSettings};
use valuenet::nn::clip;
use valuenet::nn::gradients::Gradients;
use valuenet::nn::losses::squared_error;
use valuenet::nn::schedule::Schedule;
use valuenet::nn::tape::{Node, Tape};
use valuenet::text::{PackedBatch, TextEncoder};
use valuenet::value::{Label, Value};

use crate::support::{device, head, utilities};

const CPU: Device = Device::Cpu;

pub fn root() -> PathBuf {
    std::env::var_os("VALUENET_GOLDEN")
        .map_or_else(|| "tests/fixtures/golden".into(), PathBuf::from)
}

/// A golden model folder.
pub struct Golden {
    pub name: String,
    folder: PathBuf,
    manifest: Json,
    tensors: HashMap<String, Tensor>,
    family: Family,
}

impl Golden {
    fn open(folder: &Path) -> Option<Golden> {
        let config = read_json(&folder.join("config.json")).ok()?;
        Some(Golden {
            name: folder.file_name()?.to_string_lossy().into(),
            manifest: read_json(&folder.join("manifest.json")).ok()?,
            tensors: candle_core::safetensors::load(folder.join("golden.safetensors"), &CPU)
                .ok()?,
            family: Family::from_config(&config).ok()?,
            folder: folder.into(),
        })
    }

    /// All golden folders of families that are known, at least one.
    fn all() -> Vec<Golden> {
        let entries = std::fs::read_dir(root()).unwrap();
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        let found = folders.iter().filter_map(|folder| Golden::open(folder));
        let found: Vec<Golden> =
            found.filter(|golden| golden.family.classifier().is_ok()).collect();
        assert!(!found.is_empty(), "no golden model in {}", root().display());
        found
    }

    fn tensor(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("{}: no tensor {name}", self.name))
    }

    pub fn numbers(&self, name: &str) -> Vec<f32> {
        self.tensor(name).flatten_all().unwrap().to_vec1().unwrap()
    }

    /// The sequences of a golden batch, without its padding.
    pub fn sequences(&self, part: &str) -> Vec<Vec<u32>> {
        sequences(&self.tensors, part)
    }

    /// The rows of a padded (batch, length, hidden) tensor that are no padding.
    fn packed(&self, name: &str, batch: &PackedBatch) -> Vec<f32> {
        let padded = self.tensor(name).to_vec3::<f32>().unwrap();
        let rows = |(sequence, bounds): (&Vec<Vec<f32>>, &[usize])| {
            sequence[..bounds[1] - bounds[0]].concat()
        };
        padded.iter().zip(batch.offsets.windows(2)).flat_map(rows).collect()
    }

    fn weights(&self) -> HashMap<String, Tensor> {
        self.family.canonical(ModelFiles::find(&self.folder).unwrap().read_weights().unwrap())
    }

    /// The encoder as it stands in the folder, under a new head.
    fn plain(&self, head: HeadSettings) -> Network {
        let prefix = format!("{}.", self.family.architecture().prefix);
        let encoder =
            self.weights().into_iter().filter(|(name, _)| name.starts_with(&prefix)).collect();
        Network::build(&self.family, head.shape(), encoder, Start::Pretrained, 0, device()).unwrap()
    }

    /// All golden folders with a regression head on the first state.
    pub fn regressions() -> impl Iterator<Item = Golden> {
        Golden::all().into_iter().filter(|golden| golden.tensors.contains_key("head.weight"))
    }

    /// The network with the golden value tokens and the golden head.
    pub fn valued(&self, activation: Range) -> Network {
        self.with_value_tokens(head(activation, Pooling::Cls))
    }

    fn with_value_tokens(&self, head: HeadSettings) -> Network {
        let mut weights = self.weights();
        let table = weights.get_mut(&self.family.architecture().word_embeddings()).unwrap();
        *table = Tensor::cat(&[&*table, self.tensor("value.new_rows")], 0).unwrap();
        let rows = table.dims()[0];
        for part in ["weight", "bias"] {
            if let Some(golden) = self.tensors.get(&format!("head.{part}")) {
                let name = format!("{}.{part}", self.family.classifier().unwrap().output);
                weights.insert(name, golden.clone());
            }
        }
        let mut config = read_json(&self.folder.join("config.json")).unwrap();
        config["vocab_size"] = rows.into();
        let family = Family::from_config(&config).unwrap();
        Network::build(&family, head.shape(), weights, Start::Trained, 0, device()).unwrap()
    }

    fn name_of_parameter(&self, name: &str) -> String {
        let architecture = self.family.architecture();
        match name.strip_prefix("head.") {
            Some(rest) if self.tensors.contains_key("head.weight") => {
                format!("{}.{rest}", self.family.classifier().unwrap().output)
            }
            _ if name.starts_with(architecture.prefix)
                || name.starts_with("classification_head.") =>
            {
                name.into()
            }
            _ => format!("{}.{name}", architecture.prefix),
        }
    }
}

/// The sequences of a golden batch, without its padding.
pub fn sequences(tensors: &HashMap<String, Tensor>, part: &str) -> Vec<Vec<u32>> {
    let ids = tensors[&format!("{part}.input_ids")].to_vec2::<i64>().unwrap();
    let mask = tensors[&format!("{part}.attention_mask")].to_vec2::<i64>().unwrap();
    let real = |(ids, mask): (Vec<i64>, Vec<i64>)| {
        let pairs = ids.into_iter().zip(mask).filter(|(_, mask)| *mask == 1);
        pairs.map(|(id, _)| id as u32).collect()
    };
    ids.into_iter().zip(mask).map(real).collect()
}

pub fn pack(sequences: &[Vec<u32>]) -> PackedBatch {
    PackedBatch::new(sequences.iter().map(Vec::as_slice))
}

pub fn numbers(node: &Node) -> Vec<f32> {
    node.tensor().flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference between two lists of the same length.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn token_ids_are_those_of_transformers() {
    for golden in Golden::all() {
        let encoder = TextEncoder::read_base(&golden.folder.join("tokenizer.json"), 64).unwrap();
        let valued = &golden.manifest["valued"];
        let texts = valued["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
        let prompts: Vec<(Value, &str)> = texts
            .map(|text| text.split_once("] ").unwrap())
            .map(|(tag, scenario)| (tag[1..].parse().unwrap(), scenario))
            .collect();
        assert_eq!(
            encoder.encode_all(&prompts).unwrap(),
            golden.sequences("value"),
            "{}",
            golden.name
        );
        let added: Vec<u64> = Value::ALL.map(|value| u64::from(encoder.value_id(value))).into();
        assert_eq!(Json::from(added), valued["added_ids"], "{}", golden.name);
    }
}

#[test]
fn hidden_states_are_those_of_transformers() {
    for golden in Golden::all() {
        let batch = pack(&golden.sequences("plain"));
        let network = golden.plain(head(Range::ScaledSigmoid, Pooling::Cls));
        let states =
            network.hidden_states(&Tape::inference(), &batch, HiddenStates::AllTokens).unwrap();
        let far = distance(&numbers(&states), &golden.packed("plain.last_hidden_state", &batch));
        assert!(far < 1e-5, "{}: last_hidden_state is {far:e} off", golden.name);
    }
}

#[test]
fn summaries_alone_have_the_states_they_have_among_all() {
    for golden in Golden::all() {
        let (batch, network) = (
            pack(&golden.sequences("plain")),
            golden.plain(head(Range::ScaledSigmoid, Pooling::Cls)),
        );
        let states = |wanted| network.hidden_states(&Tape::inference(), &batch, wanted).unwrap();
        let (all, first) = (states(HiddenStates::AllTokens), states(HiddenStates::Summary));
        let rows =
            if golden.name.ends_with("bart") { batch.last_rows() } else { batch.first_rows() };
        let rows = Tensor::new(rows, device()).unwrap();
        let expected: Vec<f32> =
            all.tensor().index_select(&rows, 0).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let far = distance(&numbers(&first), &expected);
        assert!(far < 1e-6, "{}: {far:e}", golden.name);
    }
}

#[test]
fn a_row_does_not_depend_on_its_batch() {
    for golden in Golden::all() {
        let (sequences, network) =
            (golden.sequences("plain"), golden.plain(head(Range::ScaledSigmoid, Pooling::Cls)));
        let logits = |sequences: &[Vec<u32>]| {
            numbers(&network.logits(&Tape::inference(), &pack(sequences)).unwrap())
        };
        let together = logits(&sequences);
        let alone: Vec<f32> =
            sequences.iter().flat_map(|sequence| logits(std::slice::from_ref(sequence))).collect();
        let far = distance(&together, &alone);
        assert!(far < 1e-6, "{}: {far:e}", golden.name);
    }
}

#[test]
fn the_pooled_state_is_that_of_transformers() {
    // The classification head of some families is another than their pooler.
    let has = |golden: &&Golden| {
        golden.tensors.contains_key("plain.pooler_output")
            && golden.family.classifier().unwrap().dense.ends_with("pooler.dense")
    };
    for golden in Golden::all().iter().filter(has) {
        // With a classifier that picks one number of the pooled state, the logits are that number.
        let batch = pack(&golden.sequences("plain"));
        let expected = golden.tensor("plain.pooler_output").to_vec2::<f32>().unwrap();
        let hidden = golden.family.architecture().hidden_size;
        for place in [0, hidden / 2, hidden - 1] {
            let mut weights = golden.weights();
            let picks: Vec<f32> =
                (0..hidden).map(|other| f32::from(u8::from(other == place))).collect();
            weights.insert(
                "classifier.weight".into(),
                Tensor::from_vec(picks, (1, hidden), &CPU).unwrap(),
            );
            weights.insert(
                "classifier.bias".into(),
                Tensor::zeros(1, candle_core::DType::F32, &CPU).unwrap(),
            );
            let head = head(Range::Identity, Pooling::Pooler);
            let network =
                Network::build(&golden.family, head.shape(), weights, Start::Trained, 0, device())
                    .unwrap();
            let logits = numbers(&network.logits(&Tape::inference(), &batch).unwrap());
            let expected: Vec<f32> = expected.iter().map(|row| row[place]).collect();
            assert!(distance(&logits, &expected) < 1e-5, "{}", golden.name);
        }
    }
}

#[test]
fn predictions_and_losses_are_those_of_torch() {
    for golden in Golden::regressions() {
        let (batch, labels) = (pack(&golden.sequences("value")), golden.numbers("value.labels"));
        for (activation, name) in [(Range::ScaledSigmoid, "sigmoid"), (Range::Tanh, "tanh")] {
            let network = golden.valued(activation);
            let logits = numbers(&network.logits(&Tape::inference(), &batch).unwrap());
            assert!(distance(&logits, &golden.numbers("value.z")) < 1e-5, "{}", golden.name);
            let tape = Tape::inference();
            let utilities = utilities(&network, activation, &tape, &batch);
            let expected = golden.numbers(&format!("value.pred_{name}"));
            assert!(distance(&numbers(&utilities), &expected) < 1e-5, "{}", golden.name);
            let loss =
                squared_error(&tape, &utilities, &labels, 1.0 / labels.len() as f64).unwrap();
            let (loss, expected) =
                (numbers(&loss)[0], golden.numbers(&format!("value.loss_{name}"))[0]);
            assert!(
                (loss / expected - 1.0).abs() < 1e-5,
                "{}: loss {loss}, not {expected}",
                golden.name
            );
        }
    }
}

/// The gradients of the golden loss.
fn golden_gradients(golden: &Golden, network: &Network) -> Gradients {
    let (batch, labels) = (pack(&golden.sequences("value")), golden.numbers("value.labels"));
    let tape = Tape::training(None);
    let utilities = utilities(network, Range::ScaledSigmoid, &tape, &batch);
    let loss = squared_error(&tape, &utilities, &labels, 1.0 / labels.len() as f64).unwrap();
    let mut gradients = Gradients::default();
    tape.backward(&loss, &mut gradients).unwrap();
    gradients
}

/// Compares gradients with the golden ones.
fn check_gradients(golden: &Golden, network: &Network, gradients: &Gradients) {
    let gradient = |name: &str| -> Vec<f32> {
        let index = network.params().index_of(&golden.name_of_parameter(name)).unwrap();
        let shape = network.params().var(index).shape();
        gradients
            .get(network.params().id(index))
            .unwrap()
            .dense(shape)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap()
    };
    let mut checked = 0;
    for (key, expected) in golden.tensors.iter().filter(|(key, _)| key.starts_with("grad.")) {
        let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
        // A key's bias moves all scores of a row alike, so its true gradient is zero and all of it
        // is rounding.
        let largest = expected.iter().fold(1e-4f32, |largest, x| largest.max(x.abs()));
        let far = distance(&gradient(&key["grad.".len()..]), &expected) / largest;
        assert!(far < 1e-4, "{}: {key} is {far:e} off", golden.name);
        checked += 1;
    }
    for (name, norm) in golden.manifest["valued"]["grad_l2_norms"].as_object().unwrap() {
        let Some(expected) = norm.as_f64() else {
            continue;
        };
        let norm = gradient(name).iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        assert!(
            (norm - expected).abs() < 1e-4 * expected.max(1e-4),
            "{}: {name}: {norm}",
            golden.name
        );
        checked += 1;
    }
    assert!(
        checked > network.params().len() / 2,
        "{}: {checked} gradients were compared",
        golden.name
    );
}

/// Every parameter has a gradient that is not zero.
fn check_that_all_learn(golden: &Golden, network: &Network, gradients: &Gradients) {
    for (index, (name, _)) in network.params().iter().enumerate() {
        let gradient = gradients
            .get(network.params().id(index))
            .unwrap_or_else(|| panic!("{}: {name} has no gradient", golden.name));
        let largest = gradient.tensor().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        let largest = largest.to_scalar::<f32>().unwrap();
        assert!(largest > 0.0, "{}: the gradient of {name} is zero", golden.name);
    }
}

#[test]
fn gradients_are_those_of_torch() {
    for golden in Golden::regressions() {
        let network = golden.valued(Range::ScaledSigmoid);
        check_gradients(&golden, &network, &golden_gradients(&golden, &network));
    }
}

#[test]
fn every_trainable_variable_gets_a_gradient() {
    for golden in Golden::all() {
        for objective in Objective::ALL {
            for pooling in [Pooling::Cls, Pooling::Pooler] {
                let head = HeadSettings { objective, ..head(Range::ScaledSigmoid, pooling) };
                let network = golden.plain(head);
                let (batch, tape) = (pack(&golden.sequences("plain")), Tape::training(None));
                let targets = vec![Label::Yes.into(); batch.len()];
                let mut gradients = Gradients::default();
                let logits = network.logits(&tape, &batch).unwrap();
                let loss = head.loss(&tape, &logits, &targets, 1.0).unwrap();
                tape.backward(&loss, &mut gradients).unwrap();
                check_that_all_learn(&golden, &network, &gradients);
            }
        }
    }
}

#[test]
fn three_classes_of_a_bart_are_those_of_transformers() {
    let classifiers = |golden: &Golden| golden.tensors.contains_key("value.logits");
    for golden in Golden::all().into_iter().filter(classifiers) {
        let head = HeadSettings {
            objective: Objective::ThreeClass,
            ..head(Range::Identity, Pooling::Pooler)
        };
        let network = golden.with_value_tokens(head);
        let batch = pack(&golden.sequences("value"));
        let logits = numbers(&network.logits(&Tape::inference(), &batch).unwrap());
        assert!(distance(&logits, &golden.numbers("value.logits")) < 1e-5);
        let classes = golden.tensor("value.labels").to_vec1::<i64>().unwrap();
        let targets: Vec<Target> =
            classes.iter().map(|&class| Label::ALL[class as usize].into()).collect();
        let tape = Tape::training(None);
        let logits = network.logits(&tape, &batch).unwrap();
        let loss = head.loss(&tape, &logits, &targets, 1.0 / targets.len() as f64).unwrap();
        assert!((numbers(&loss)[0] / golden.numbers("value.loss_ce")[0] - 1.0).abs() < 1e-5);
        let mut gradients = Gradients::default();
        tape.backward(&loss, &mut gradients).unwrap();
        check_gradients(&golden, &network, &gradients);
        check_that_all_learn(&golden, &network, &gradients);
    }
}

#[test]
fn adamw_follows_torch_on_given_gradients() {
    let folder = root().join("adamw");
    let tensors = candle_core::safetensors::load(folder.join("golden.safetensors"), &CPU).unwrap();
    let manifest = read_json(&folder.join("manifest.json")).unwrap();
    for run in manifest["raw"].as_array().unwrap() {
        let beta = |index: usize, default| run["betas"][index].as_f64().unwrap_or(default);
        let settings = AdamWSettings {
            beta1: beta(0, 0.9),
            beta2: beta(1, 0.999),
            epsilon: run["eps"].as_f64().unwrap_or(1e-8),
            weight_decay: run["weight_decay"].as_f64().unwrap(),
        };
        // A matrix of one column, since vectors do not decay here.
        let start = tensors["raw.p0"].unsqueeze(1).unwrap();
        let (network, node) = single_parameter(&start);
        let mut optimiser = AdamW::new(&network, settings).unwrap();
        let expected = tensors[&format!("raw.{}.params", run["name"].as_str().unwrap())]
            .to_vec2::<f32>()
            .unwrap();
        for (step, expected) in expected.iter().enumerate() {
            // The gradient of sum(x * g) is g.
            let tape = Tape::training(None);
            let wanted = tensors["raw.grads"].get(step).unwrap().unsqueeze(1).unwrap();
            let wanted = wanted.to_device(device()).unwrap();
            let loss = tape.apply(WeightedSum { weights: wanted }, &[&node]).unwrap();
            let mut gradients = Gradients::default();
            tape.backward(&loss, &mut gradients).unwrap();
            optimiser.step(&network, &gradients, run["lr"].as_f64().unwrap(), 0.0).unwrap();
            let moved: Vec<f32> = network.var(0).flatten_all().unwrap().to_vec1().unwrap();
            assert!(
                distance(&moved, expected) < 2e-6,
                "{} step {step}: {moved:?}, not {expected:?}",
                run["name"]
            );
        }
    }
}

#[derive(Debug)]
struct WeightedSum {
    weights: Tensor,
}

impl valuenet::nn::tape::Op for WeightedSum {
    fn reference(&self, inputs: &[Tensor]) -> candle_core::Result<Tensor> {
        (&inputs[0] * &self.weights)?.sum_all()
    }
}

fn single_parameter(start: &Tensor) -> (valuenet::nn::params::Params, Node) {
    let checkpoint = HashMap::from([("p".to_string(), start.clone())]);
    let loader = valuenet::nn::params::Loader::new(checkpoint, 0, 0.02, device());
    let node =
        loader.required("").param("p", start.shape(), valuenet::nn::params::Init::Zeros).unwrap();
    (loader.finish().0, node)
}

#[test]
fn learning_rates_are_those_of_transformers() {
    let manifest = read_json(&root().join("adamw/manifest.json")).unwrap();
    let factors = manifest["schedules"]["lr_factor_used_at_step"].as_object().unwrap();
    let total = manifest["schedules"]["total"].as_u64().unwrap();
    for (name, expected) in factors {
        let warmup = if name.ends_with("nowarm") {
            0
        } else {
            manifest["schedules"]["warmup"].as_u64().unwrap()
        };
        let schedule = match name.split('_').next().unwrap() {
            "linear" => Schedule::Linear,
            "cosine" => Schedule::Cosine,
            "constant" => Schedule::Constant,
            other => panic!("{other}?"),
        };
        for (step, expected) in expected.as_array().unwrap().iter().enumerate() {
            let factor = schedule.factor(step as u64, warmup, total);
            assert!(
                (factor - expected.as_f64().unwrap()).abs() < 1e-12,
                "{name} at step {step}: {factor}"
            );
        }
    }
}

#[test]
fn five_training_steps_of_a_bert_follow_torch() {
    let folder = root().join("adamw");
    let tensors = candle_core::safetensors::load(folder.join("golden.safetensors"), &CPU).unwrap();
    let run = &read_json(&folder.join("manifest.json")).unwrap()["bert"];
    let golden = Golden::open(&root().join("bert")).unwrap();
    let network = golden.valued(Range::ScaledSigmoid);
    let params = network.params();
    let (batch, labels) = (pack(&golden.sequences("value")), golden.numbers("value.labels"));
    let settings = AdamWSettings {
        beta1: run["betas"][0].as_f64().unwrap(),
        beta2: run["betas"][1].as_f64().unwrap(),
        epsilon: run["eps"].as_f64().unwrap(),
        weight_decay: run["weight_decay"].as_f64().unwrap(),
    };
    let mut optimiser = AdamW::new(params, settings).unwrap();
    let ours = |name: &str| {
        name.strip_prefix("head.").map_or(name.to_string(), |rest| format!("classifier.{rest}"))
    };
    for step in run["steps"].as_array().unwrap() {
        let number = step["step"].as_u64().unwrap();
        let tape = Tape::training(None);
        let utilities = utilities(&network, Range::ScaledSigmoid, &tape, &batch);
        let loss = squared_error(&tape, &utilities, &labels, 1.0 / labels.len() as f64).unwrap();
        assert!(
            (f64::from(numbers(&loss)[0]) / step["loss"].as_f64().unwrap() - 1.0).abs() < 1e-5,
            "{step}"
        );
        let mut gradients = Gradients::default();
        tape.backward(&loss, &mut gradients).unwrap();
        let norm = clip::global_norm(&gradients, params).unwrap();
        assert!(
            (norm / step["grad_norm_before_clip"].as_f64().unwrap() - 1.0).abs() < 1e-4,
            "{step}: {norm}"
        );
        let rate = run["lr"].as_f64().unwrap()
            * Schedule::Linear.factor(
                number,
                run["warmup"].as_u64().unwrap(),
                run["total"].as_u64().unwrap(),
            );
        assert!((rate - step["lr"].as_f64().unwrap()).abs() < 1e-12);
        optimiser.step(params, &gradients, rate, 1.0).unwrap();
        let prefix = format!("step{number}.");
        for (key, expected) in tensors.iter().filter(|(key, _)| key.starts_with(&prefix)) {
            let index = params.index_of(&ours(&key[prefix.len()..])).unwrap();
            let moved: Vec<f32> = params.var(index).flatten_all().unwrap().to_vec1().unwrap();
            let far = distance(&moved, &expected.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            assert!(far < 1e-5, "{key} is {far:e} off");
        }
    }
    for (name, norm) in run["final_param_l2_norms"].as_object().unwrap() {
        let index = params.index_of(&ours(name)).unwrap();
        let values: Vec<f32> = params.var(index).flatten_all().unwrap().to_vec1().unwrap();
        let found = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        // The true gradient of a key's bias is zero: what moves it is rounding, and it moves
        // nothing else.
        let noise = name.ends_with("key.bias");
        let far = (found / norm.as_f64().unwrap() - 1.0).abs();
        assert!(far < 1e-6 || noise, "{name}: {found}, not {norm}");
    }
}
