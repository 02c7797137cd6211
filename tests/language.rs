//! What transformers computed with language models, computed again: states, logits, losses,
//! gradients, continuations.
//!
//! `VALUENET_GOLDEN` names another folder of goldens; every model folder in it that holds a
//! language model is checked. `VALUENET_SMOLLM2` names the folder of SmolLM2's GGUF file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde_json::Value as Json;
use valuenet::disk::read_json;
use valuenet::model::LanguageModel;
use valuenet::nn::gradients::Gradients;
use valuenet::nn::tape::{Node, Tape};
use valuenet::text::Packed;

use crate::golden::{distance, numbers, pack, root, sequences};
use crate::support::device;

const CPU: Device = Device::Cpu;

/// A golden language model.
pub struct Golden {
    pub name: String,
    folder: PathBuf,
    manifest: Json,
    tensors: HashMap<String, Tensor>,
    pub model: LanguageModel,
}

impl Golden {
    fn open(folder: &Path) -> Option<Golden> {
        let mut manifest = read_json(&folder.join("manifest.json")).ok()?;
        manifest.get("lm")?;
        let load = |name: &str| candle_core::safetensors::load(folder.join(name), &CPU);
        let mut tensors = load("golden.safetensors").unwrap();
        // The policy losses of some stand in files of their own.
        if let Ok(policy) = read_json(&folder.join("policy.json")) {
            manifest["policy"] = policy["policy"].clone();
            tensors.extend(load("policy.safetensors").unwrap());
        }
        let name = folder.file_name()?.to_string_lossy().into();
        let model = LanguageModel::open(folder, device()).unwrap();
        Some(Golden { name, manifest, tensors, model, folder: folder.into() })
    }

    /// All of them, at least one.
    pub fn all() -> Vec<Golden> {
        let entries = std::fs::read_dir(root()).unwrap();
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        let found: Vec<Golden> = folders.iter().filter_map(|folder| Golden::open(folder)).collect();
        assert!(!found.is_empty(), "no golden language model in {}", root().display());
        found
    }

    fn numbers(&self, name: &str) -> Vec<f32> {
        let tensor = self.tensors.get(name).unwrap_or_else(|| panic!("{}: {name}?", self.name));
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    pub fn sequences(&self) -> Vec<Vec<u32>> {
        sequences(&self.tensors, "plain")
    }

    fn batch(&self) -> Packed {
        pack(&self.sequences())
    }

    /// The rows of a padded (batch, length, width) tensor that are no padding.
    fn packed(&self, name: &str, batch: &Packed) -> Vec<f32> {
        let padded = self.tensors[name].to_vec3::<f32>().unwrap();
        let rows = |(sequence, bounds): (&Vec<Vec<f32>>, &[usize])| {
            sequence[..bounds[1] - bounds[0]].concat()
        };
        padded.iter().zip(batch.offsets.windows(2)).flat_map(rows).collect()
    }

    /// The gradients of the loss with these weights, and the loss.
    fn gradients(&self, batch: &Packed, weights: &[f32]) -> (f32, Gradients) {
        let tape = Tape::training(None);
        let loss = self.model.network().loss(&tape, batch, weights).unwrap();
        let value = numbers(&loss)[0];
        let mut gradients = Gradients::default();
        tape.backward(&loss, &mut gradients).unwrap();
        (value, gradients)
    }

    /// Compares gradients with the golden ones: whole ones whose names begin with `prefix`, and the
    /// norms of all.
    fn check_gradients(&self, gradients: &Gradients, prefix: &str, norms: &Json) {
        let params = self.model.network().params();
        let restored = |name: &str| -> Tensor {
            let index = params.index_of(name).unwrap_or_else(|| panic!("{}: {name}?", self.name));
            let shape = params.var(index).shape();
            gradients.get(params.id(index)).unwrap().dense(shape).unwrap()
        };
        for (key, expected) in self.tensors.iter().filter(|(key, _)| key.starts_with(prefix)) {
            let name = &key[prefix.len()..];
            let mut found = restored(name);
            if found.shape() != expected.shape() {
                found = found.t().unwrap(); // GPT-2's (in, out) weights
            }
            let numbers = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let largest = numbers(expected).iter().fold(1e-4f32, |most, x| most.max(x.abs()));
            let far = distance(&numbers(&found), &numbers(expected)) / largest;
            assert!(far < 1e-4, "{}: {key} is {far:e} off", self.name);
        }
        let norms = norms.as_object().unwrap();
        assert_eq!(norms.len(), params.len(), "{}: every parameter has a norm", self.name);
        for (name, norm) in norms {
            let expected = norm.as_f64().unwrap();
            let found = restored(name).flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let found = found.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            let far = (found / expected - 1.0).abs();
            assert!(found > 0.0 && far < 1e-4, "{}: {name}: {found}, not {norm}", self.name);
        }
    }
}

/// The numbers of the tokens that have one before them, from number `first` of each sequence on.
fn predicted(batch: &Packed, first: usize) -> Vec<u32> {
    let of_sequence = |bounds: &[usize]| (bounds[0] + first..bounds[1]).map(|token| token as u32);
    batch.offsets.windows(2).flat_map(of_sequence).collect()
}

/// The sum of each sequence's log-probabilities.
fn sums(batch: &Packed, first: usize, found: &[f32]) -> Vec<f32> {
    let mut rest = found.iter();
    let of_sequence =
        |bounds: &[usize]| rest.by_ref().take((bounds[1] - bounds[0]).saturating_sub(first)).sum();
    batch.offsets.windows(2).map(of_sequence).collect()
}

#[test]
fn tokens_of_language_models_are_those_of_transformers() {
    for golden in Golden::all() {
        let texts = golden.manifest["plain"]["texts"].as_array().unwrap();
        for (text, sequence) in texts.iter().zip(golden.sequences()) {
            let text = text.as_str().unwrap();
            let found = golden.model.tokenizer().encode(text, false).unwrap();
            assert_eq!(found.get_ids(), sequence, "{}: {text}", golden.name);
            let back = golden.model.tokenizer().decode(&sequence, false).unwrap();
            assert_eq!(back, text, "{}", golden.name);
        }
    }
}

#[test]
fn states_and_logits_of_language_models_are_those_of_transformers() {
    for golden in Golden::all() {
        let (batch, tape) = (golden.batch(), Tape::inference());
        let states = golden.model.network().states(&tape, &batch).unwrap();
        let expected = golden.packed("plain.last_hidden_state", &batch);
        let far = distance(&numbers(&states), &expected);
        assert!(far < 1e-5, "{}: last_hidden_state is {far:e} off", golden.name);
        let first = pack(&golden.sequences()[..2]);
        let states = golden.model.network().states(&tape, &first).unwrap();
        let logits = golden.model.network().logits(&tape, &states).unwrap();
        let expected = golden.packed("plain.logits", &first);
        let largest = expected.iter().fold(1.0f32, |most, x| most.max(x.abs()));
        let far = distance(&numbers(&logits), &expected) / largest;
        assert!(far < 1e-5, "{}: logits are {far:e} off", golden.name);
    }
}

#[test]
fn losses_of_language_models_and_their_gradients_are_those_of_torch() {
    for golden in Golden::all() {
        let batch = golden.batch();
        let tokens = predicted(&batch, 1);
        let mut weights = vec![0.0; batch.ids.len()];
        tokens.iter().for_each(|&token| weights[token as usize] = 1.0 / tokens.len() as f32);
        let (loss, gradients) = golden.gradients(&batch, &weights);
        let expected = golden.numbers("lm.loss")[0];
        assert!((loss / expected - 1.0).abs() < 1e-5, "{}: {loss}, not {expected}", golden.name);
        golden.check_gradients(&gradients, "grad.", &golden.manifest["lm"]["grad_l2_norms"]);
        let found =
            golden.model.network().log_probabilities(&Tape::inference(), &batch, &tokens).unwrap();
        let expected = golden.numbers("lm.sequence_logprob");
        for (found, expected) in sums(&batch, 1, &numbers(&found)).iter().zip(&expected) {
            let far = (found / expected - 1.0).abs();
            assert!(far < 1e-5, "{}: {found}, not {expected}", golden.name);
        }
    }
}

#[test]
fn policy_losses_and_their_gradients_are_those_of_torch() {
    for golden in Golden::all() {
        let (batch, policy) = (golden.batch(), &golden.manifest["policy"]);
        let prompt = policy["prompt_tokens"].as_u64().unwrap() as usize;
        let advantages = golden.numbers("policy.advantages");
        let mut weights = vec![0.0; batch.ids.len()];
        for (bounds, advantage) in batch.offsets.windows(2).zip(&advantages) {
            weights[bounds[0] + prompt..bounds[1]].fill(advantage / batch.len() as f32);
        }
        let (loss, gradients) = golden.gradients(&batch, &weights);
        let expected = golden.numbers("policy.loss")[0];
        assert!((loss / expected - 1.0).abs() < 1e-5, "{}: {loss}, not {expected}", golden.name);
        golden.check_gradients(&gradients, "policy.grad.", &policy["grad_l2_norms"]);
        let tokens = predicted(&batch, prompt);
        let found =
            golden.model.network().log_probabilities(&Tape::inference(), &batch, &tokens).unwrap();
        let found = sums(&batch, prompt, &numbers(&found));
        for (found, expected) in found.iter().zip(golden.numbers("policy.sequence_logprob")) {
            assert!((found / expected - 1.0).abs() < 1e-5, "{}: {found}", golden.name);
        }
    }
}

#[test]
fn greedy_continuations_are_those_of_transformers() {
    for golden in Golden::all() {
        let lm = &golden.manifest["lm"];
        let prompt = lm["greedy_prompt"].as_str().unwrap();
        let mut ids = golden.model.tokenizer().encode(prompt, false).unwrap().get_ids().to_vec();
        let (start, tape) = (ids.len(), Tape::inference());
        let expected = lm["greedy_ids"].as_array().unwrap();
        for _ in expected {
            let batch = pack(std::slice::from_ref(&ids));
            let states = golden.model.network().states(&tape, &batch).unwrap();
            let last = Node::constant(&states.tensor().narrow(0, ids.len() - 1, 1).unwrap());
            let logits = numbers(&golden.model.network().logits(&tape, &last).unwrap());
            let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
            ids.push(best as u32);
        }
        assert_eq!(Json::from(ids[start..].to_vec()), lm["greedy_ids"], "{}", golden.name);
    }
}

#[test]
fn a_sequence_does_not_depend_on_those_beside_it() {
    for golden in Golden::all() {
        let states = |sequences: &[Vec<u32>]| {
            numbers(&golden.model.network().states(&Tape::inference(), &pack(sequences)).unwrap())
        };
        let sequences = golden.sequences();
        let alone: Vec<f32> =
            sequences.iter().flat_map(|sequence| states(std::slice::from_ref(sequence))).collect();
        assert_eq!(states(&sequences), alone, "{}", golden.name);
    }
}

#[test]
fn segments_are_rows_of_the_word_embeddings() {
    for golden in Golden::all() {
        let batch = golden.batch();
        let segments = Packed { segments: Some(vec![3; batch.ids.len()]), ..batch.clone() };
        let states = |batch: &Packed| golden.model.network().states(&Tape::inference(), batch);
        if golden.name == "gpt2" {
            let (with, without) = (states(&segments).unwrap(), states(&batch).unwrap());
            assert!(distance(&numbers(&with), &numbers(&without)) > 1e-2);
        } else {
            assert!(states(&segments).is_err(), "{}: nothing is done with segments", golden.name);
        }
    }
}

#[test]
fn the_first_token_of_a_sequence_is_predicted_from_nothing() {
    for golden in Golden::all() {
        let (network, batch) = (golden.model.network(), golden.batch());
        let tape = Tape::inference();
        let second = batch.offsets[1] as u32;
        for token in [0, second, batch.ids.len() as u32] {
            assert!(network.log_probabilities(&tape, &batch, &[token]).is_err(), "{token}");
        }
        assert!(network.loss(&tape, &batch, &vec![0.0; batch.ids.len()]).is_err());
        assert!(network.loss(&tape, &batch, &[1.0]).is_err());
    }
}

#[test]
fn what_is_written_is_what_was_read() {
    for golden in Golden::all() {
        let folder = crate::support::folder();
        golden.model.write(folder.path()).unwrap();
        let load = |folder: &Path| {
            candle_core::safetensors::load(folder.join("model.safetensors"), &CPU).unwrap()
        };
        let (before, after) = (load(&golden.folder), load(folder.path()));
        assert_eq!(before.len(), after.len(), "{}", golden.name);
        for (name, tensor) in before {
            let numbers = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(tensor.dims(), after[&name].dims(), "{}: {name}", golden.name);
            assert_eq!(numbers(&tensor), numbers(&after[&name]), "{}: {name}", golden.name);
        }
        let config = |folder: &Path| read_json(&folder.join("config.json")).unwrap();
        let (before, mut after) = (config(&golden.folder), config(folder.path()));
        after.as_object_mut().unwrap().shift_remove("torch_dtype");
        assert_eq!(before, after, "{}", golden.name);
        let again = LanguageModel::open(folder.path(), device()).unwrap();
        assert_eq!(again.end_tokens(), [0], "{}", golden.name);
        let text = "a text, 12 words";
        let ids = |model: &LanguageModel| {
            model.tokenizer().encode(text, false).unwrap().get_ids().to_vec()
        };
        assert_eq!(ids(&again), ids(&golden.model));
    }
}

#[test]
fn tokens_that_are_added_start_at_the_mean_and_change_nothing_else() {
    for golden in Golden::all() {
        let batch = golden.batch();
        let states = |model: &LanguageModel| {
            numbers(&model.network().states(&Tape::inference(), &batch).unwrap())
        };
        let before = states(&golden.model);
        let rows = golden.model.network().vocabulary_size();
        let (model, added) = golden
            .model
            .with_tokenizer(|tokenizer| {
                let tokens = ["<speaker1>", "<speaker2>", "day"];
                let tokens = tokens.map(|token| tokenizers::AddedToken::from(token, true));
                Ok(tokenizer.add_special_tokens(tokens).unwrap())
            })
            .unwrap();
        assert_eq!(added, 3, "{}", golden.name);
        assert_eq!(states(&model), before, "{}", golden.name);
        let table = model.network().decoder().table().tensor().to_vec2::<f32>().unwrap();
        let tokens = model.tokenizer().get_vocab_size(true);
        assert_eq!((table.len(), tokens), (rows + tokens - rows, table.len()), "{}", golden.name);
        for column in 0..table[0].len() {
            let mean = table[..rows].iter().map(|row| f64::from(row[column])).sum::<f64>();
            let mean = mean / rows as f64;
            assert!(table[rows..].iter().all(|row| (f64::from(row[column]) - mean).abs() < 1e-6));
        }
        let folder = crate::support::folder();
        model.write(folder.path()).unwrap();
        let again = LanguageModel::open(folder.path(), device()).unwrap();
        assert_eq!(states(&again), before, "{}", golden.name);
        let speaker = again.tokenizer().token_to_id("<speaker1>").unwrap();
        assert!(speaker as usize >= rows);
    }
}
