//! What transformers computed with language models, computed again: states, logits, losses,
//! gradients, continuations.
//!
//! `VALUENET_GOLDEN` names another folder of goldens; every model folder in it that holds a
//! language model is checked. `VALUENET_SMOLLM2` names the folder of SmolLM2's GGUF file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::Value as Metadata;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use serde_json::Value as Json;
use valuenet::disk::read_json;
use valuenet::model::LanguageModel;
use valuenet::nn::gradients::Gradients;
use valuenet::nn::tape::{Node, Tape};
use valuenet::text::PackedBatch;

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

    /// A prompt, and the tokens that greedy search finds behind it.
    pub fn greedy(&self) -> (Vec<u32>, Vec<u32>) {
        let lm = &self.manifest["lm"];
        let prompt = self.model.tokenizer().encode(lm["greedy_prompt"].as_str().unwrap(), false);
        let ids = lm["greedy_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32);
        (prompt.unwrap().get_ids().to_vec(), ids.collect())
    }

    fn batch(&self) -> PackedBatch {
        pack(&self.sequences())
    }

    /// The rows of a padded (batch, length, width) tensor that are no padding.
    fn packed(&self, name: &str, batch: &PackedBatch) -> Vec<f32> {
        let padded = self.tensors[name].to_vec3::<f32>().unwrap();
        let rows = |(sequence, bounds): (&Vec<Vec<f32>>, &[usize])| {
            sequence[..bounds[1] - bounds[0]].concat()
        };
        padded.iter().zip(batch.offsets.windows(2)).flat_map(rows).collect()
    }

    /// The gradients of the loss with these weights, and the loss.
    fn gradients(&self, batch: &PackedBatch, weights: &[f32]) -> (f32, Gradients) {
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
fn predicted(batch: &PackedBatch, first: usize) -> Vec<u32> {
    let of_sequence = |bounds: &[usize]| (bounds[0] + first..bounds[1]).map(|token| token as u32);
    batch.offsets.windows(2).flat_map(of_sequence).collect()
}

/// The sum of each sequence's log-probabilities.
fn sums(batch: &PackedBatch, first: usize, found: &[f32]) -> Vec<f32> {
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
        let (mut ids, expected) = golden.greedy();
        let (start, tape) = (ids.len(), Tape::inference());
        for _ in &expected {
            let batch = pack(std::slice::from_ref(&ids));
            let states = golden.model.network().states(&tape, &batch).unwrap();
            let last = Node::constant(&states.tensor().narrow(0, ids.len() - 1, 1).unwrap());
            let logits = numbers(&golden.model.network().logits(&tape, &last).unwrap());
            let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
            ids.push(best as u32);
        }
        assert_eq!(ids[start..], expected, "{}", golden.name);
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
        let segments = PackedBatch { segments: Some(vec![3; batch.ids.len()]), ..batch.clone() };
        let states = |batch: &PackedBatch| golden.model.network().states(&Tape::inference(), batch);
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
        golden.model.write(folder.path(), &[]).unwrap();
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
        model.write(folder.path(), &[]).unwrap();
        let again = LanguageModel::open(folder.path(), device()).unwrap();
        assert_eq!(states(&again), before, "{}", golden.name);
        let speaker = again.tokenizer().token_to_id("<speaker1>").unwrap();
        assert!(speaker as usize >= rows);
    }
}

/// A llama's golden folder as a GGUF file, whose matrices have this type.
pub fn gguf(golden: &Golden, path: &Path, dtype: GgmlDType) {
    let tokenizer = read_json(&golden.folder.join("tokenizer.json")).unwrap();
    let config = read_json(&golden.folder.join("config.json")).unwrap();
    let number = |key: &str| config[key].as_u64().unwrap() as u32;
    let mut tokens = vec![String::new(); number("vocab_size") as usize];
    for (token, id) in tokenizer["model"]["vocab"].as_object().unwrap() {
        tokens[id.as_u64().unwrap() as usize] = token.clone();
    }
    let kinds = tokens.iter().map(|token| if token.starts_with("<|") { 3 } else { 1 });
    let kinds = Metadata::Array(kinds.map(Metadata::I32).collect());
    let merges = tokenizer["model"]["merges"].as_array().unwrap().iter().map(|pair| {
        let part = |place: usize| pair[place].as_str().unwrap();
        Metadata::String(format!("{} {}", part(0), part(1)))
    });
    let float = |number: f64| Metadata::F32(number as f32);
    let theta = config["rope_parameters"]["rope_theta"].as_f64().unwrap();
    let metadata = [
        ("general.architecture", Metadata::String("llama".into())),
        ("llama.embedding_length", Metadata::U32(number("hidden_size"))),
        ("llama.feed_forward_length", Metadata::U32(number("intermediate_size"))),
        ("llama.block_count", Metadata::U32(number("num_hidden_layers"))),
        ("llama.attention.head_count", Metadata::U32(number("num_attention_heads"))),
        ("llama.attention.head_count_kv", Metadata::U32(number("num_key_value_heads"))),
        ("llama.context_length", Metadata::U32(number("max_position_embeddings"))),
        ("llama.rope.dimension_count", Metadata::U32(number("head_dim"))),
        ("llama.rope.freq_base", float(theta)),
        ("llama.attention.layer_norm_rms_epsilon", float(config["rms_norm_eps"].as_f64().unwrap())),
        ("tokenizer.ggml.model", Metadata::String("gpt2".into())),
        ("tokenizer.ggml.pre", Metadata::String("gpt-2".into())),
        ("tokenizer.ggml.merges", Metadata::Array(merges.collect())),
        ("tokenizer.ggml.token_type", kinds),
        ("tokenizer.ggml.eos_token_id", Metadata::U32(number("eos_token_id"))),
        ("tokenizer.chat_template", Metadata::String("{{ messages }}".into())),
        (
            "tokenizer.ggml.tokens",
            Metadata::Array(tokens.into_iter().map(Metadata::String).collect()),
        ),
    ];
    let name_in_gguf = |name: &str| {
        let name = name.strip_prefix("model.").unwrap_or(name);
        let name = name.replace("layers.", "blk.").replace("embed_tokens", "token_embd");
        let name = name.replace("input_layernorm", "attn_norm").replace("mlp.", "ffn_");
        let name = name.replace("post_attention_layernorm", "ffn_norm").replace("_proj", "");
        let name = name.replace("self_attn.o", "attn_output").replace("self_attn.", "attn_");
        let name = name.replace("lm_head", "output");
        if name == "norm.weight" { "output_norm.weight".into() } else { name }
    };
    let weights = candle_core::safetensors::load(golden.folder.join("model.safetensors"), &CPU);
    let tensors: Vec<(String, QTensor)> = weights
        .unwrap()
        .into_iter()
        .map(|(name, tensor)| {
            let heads = if name.contains("q_proj") {
                number("num_attention_heads")
            } else if name.contains("k_proj") {
                number("num_key_value_heads")
            } else {
                0
            };
            let tensor = match heads as usize {
                0 => tensor,
                // The two halves of a head row by row in turn, as llama.cpp keeps them.
                heads => {
                    let shape = tensor.shape().clone();
                    let halves = tensor.reshape((heads, 2, (), shape.dims()[1])).unwrap();
                    halves.transpose(1, 2).unwrap().contiguous().unwrap().reshape(shape).unwrap()
                }
            };
            let is_matrix = tensor.rank() == 2 && tensor.dims()[1] % 32 == 0;
            let dtype = if is_matrix { dtype } else { GgmlDType::F32 };
            (name_in_gguf(&name), QTensor::quantize(&tensor, dtype).unwrap())
        })
        .collect();
    let metadata: Vec<(&str, &Metadata)> = metadata.iter().map(|(key, it)| (*key, it)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(key, it)| (&**key, it)).collect();
    let mut file = std::fs::File::create(path).unwrap();
    candle_core::quantized::gguf_file::write(&mut file, &metadata, &tensors).unwrap();
}

#[test]
fn a_gguf_file_holds_the_model_that_a_folder_holds() {
    let llamas = Golden::all().into_iter().filter(|golden| golden.name == "llama");
    for golden in llamas {
        let (folder, batch) = (crate::support::folder(), golden.batch());
        let states = |model: &LanguageModel| {
            numbers(&model.network().states(&Tape::inference(), &batch).unwrap())
        };
        let expected = states(&golden.model);
        // Rounding to 8 and 4 bits moves the states of so small a model a long way.
        for (dtype, tolerance) in [
            (GgmlDType::F32, 1e-6),
            (GgmlDType::F16, 1e-2),
            (GgmlDType::BF16, 5e-2),
            (GgmlDType::Q8_0, 5e-2),
            (GgmlDType::Q4_1, 1.0),
            (GgmlDType::Q4_0, 1.5),
        ] {
            let path = folder.path().join("tiny.gguf");
            gguf(&golden, &path, dtype);
            let model = LanguageModel::open(&path, device()).unwrap();
            let found = states(&model);
            let far = found.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
            let far = (far / found.len() as f32).sqrt();
            assert!(far < tolerance, "{dtype:?}: {far:e} off");
            for text in ["Today I, 2024", "Café 你好<|endoftext|>"] {
                let ids = |model: &LanguageModel| {
                    model.tokenizer().encode(text, false).unwrap().get_ids().to_vec()
                };
                assert_eq!(ids(&model), ids(&golden.model), "{text}");
            }
            assert_eq!(model.end_tokens(), golden.model.end_tokens());
            assert_eq!(model.chat_template(), Some("{{ messages }}"));
            // The same folder, now with a GGUF file only, and as a folder of its own.
            let again = LanguageModel::open(folder.path(), device()).unwrap();
            assert_eq!(states(&again), found);
            let written = crate::support::folder();
            model.write(written.path(), &[]).unwrap();
            let again = LanguageModel::open(written.path(), device()).unwrap();
            assert_eq!(states(&again), found);
        }
    }
}

#[test]
fn what_is_no_language_model_is_refused() {
    let folder = crate::support::folder();
    let says = |path: &Path, what: &str| {
        let error = LanguageModel::open(path, device()).unwrap_err();
        let text = format!("{error} {:?}", error.advice());
        assert!(text.contains(what), "\"{what}\" is missing in: {text}");
    };
    says(&root().join("bert"), "BertModel is no language model");
    says(&folder.path().join("nothing"), "no such folder");
    says(folder.path(), "there is no config.json");
    let cut = crate::support::write(folder.path(), "cut.gguf", b"GGUF");
    says(&cut, "cannot be read");
    let mut file = std::fs::File::create(&cut).unwrap();
    let kind = ("general.architecture", &Metadata::String("mamba".into()));
    candle_core::quantized::gguf_file::write(&mut file, &[kind], &[]).unwrap();
    says(&cut, "it holds a mamba");
}

#[test]
fn a_gguf_file_whose_tensors_have_impossible_sizes_is_refused() {
    let folder = crate::support::folder();
    let path = folder.path().join("tiny.gguf");
    let golden = Golden::all().into_iter().find(|golden| golden.name == "llama").unwrap();
    gguf(&golden, &path, GgmlDType::F32);
    let bytes = std::fs::read(&path).unwrap();
    let name = b"blk.0.ffn_up.weight";
    let at = bytes.windows(name.len()).rposition(|window| window == name).unwrap() + name.len();
    assert_eq!(bytes[at..at + 4], [2, 0, 0, 0], "two dimensions follow");
    for size in [0, u64::MAX / 2] {
        let mut odd = bytes.clone();
        odd[at + 4..at + 12].copy_from_slice(&size.to_le_bytes());
        std::fs::write(&path, odd).unwrap();
        let error = LanguageModel::open(&path, device()).unwrap_err().to_string();
        assert!(error.contains("tiny.gguf"), "{error}");
        assert!(
            size > 0 || error.contains("the tensor blk.0.ffn_up.weight has the shape"),
            "{error}"
        );
    }
}

#[test]
#[ignore = "needs SmolLM2's GGUF file: VALUENET_SMOLLM2"]
fn smollm2_computes_what_transformers_computes() {
    let folder = std::env::var_os("VALUENET_SMOLLM2").expect("VALUENET_SMOLLM2 is not set");
    let golden = read_json(&root().join("smollm2/nll.json")).unwrap();
    let list = |key: &str| golden[key].as_array().unwrap().clone();
    let model = LanguageModel::open(Path::new(&folder), device()).unwrap();
    let text = golden["text"].as_str().unwrap();
    let ids = model.tokenizer().encode(text, false).unwrap().get_ids().to_vec();
    assert_eq!(Json::from(ids.clone()), golden["ids"]);
    let batch = pack(&[ids]);
    let tokens = predicted(&batch, 1);
    let tape = Tape::inference();
    let found = numbers(&model.network().log_probabilities(&tape, &batch, &tokens).unwrap());
    for (found, expected) in found.iter().zip(list("token_nll")) {
        let expected = expected.as_f64().unwrap();
        assert!((f64::from(-found) - expected).abs() < 1e-3, "{}, not {expected}", -found);
    }
    assert_eq!(found.len(), list("token_nll").len());
    let digits = model.tokenizer().encode("In 2024", false).unwrap();
    assert_eq!(digits.get_tokens(), ["In", "Ġ", "2", "0", "2", "4"]);
    assert_eq!(model.tokenizer().decode(digits.get_ids(), true).unwrap(), "In 2024");
}
