//! What torch computed with a sequence-to-sequence network, computed again, and how such a network
//! learns and writes.
//!
//! `scripts/make_golden_seq2seq.py` made the reference.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{Device, Tensor};
use serde_json::json;
use valuenet::disk::{read_json, write_json};
use valuenet::model::seq2seq::{Seq2SeqConfig, Seq2SeqNetwork};
use valuenet::nn::adamw::{AdamW, AdamWSettings};
use valuenet::nn::gradients::Gradients;
use valuenet::nn::noise::Noise;
use valuenet::nn::precision::Precision;
use valuenet::nn::tape::Tape;
use valuenet::text::PackedBatch;

use crate::golden::{distance, numbers, pack};
use crate::support::{self, device};

fn golden_folder() -> PathBuf {
    "tests/fixtures/golden/seq2seq".into()
}

struct Golden {
    tensors: HashMap<String, Tensor>,
    network: Seq2SeqNetwork,
}

impl Golden {
    fn open() -> Self {
        let path = golden_folder().join("golden.safetensors");
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        Self { tensors, network: Seq2SeqNetwork::open(&golden_folder(), device()).unwrap() }
    }

    fn numbers(&self, name: &str) -> Vec<f32> {
        self.tensors[name].flatten_all().unwrap().to_vec1().unwrap()
    }

    /// The `prompts` or the `replies`.
    fn sequences(&self, part: &str) -> Vec<Vec<u32>> {
        let list = |name: &str| self.tensors[&format!("{part}.{name}")].to_vec1::<i64>().unwrap();
        let mut ids = list("ids").into_iter().map(|id| id as u32);
        let next = |length: i64| ids.by_ref().take(length as usize).collect();
        list("lengths").into_iter().map(next).collect()
    }

    fn batches(&self) -> (PackedBatch, PackedBatch) {
        (pack(&self.sequences("prompts")), pack(&self.sequences("replies")))
    }

    /// The loss with the golden weights, and the gradient of each parameter.
    fn gradients(&self) -> (f32, Vec<(String, Vec<f32>)>) {
        let (prompts, replies) = self.batches();
        gradients(&self.network, &prompts, &replies, &self.numbers("weights"))
    }
}

fn gradients(
    network: &Seq2SeqNetwork,
    prompts: &PackedBatch,
    replies: &PackedBatch,
    weights: &[f32],
) -> (f32, Vec<(String, Vec<f32>)>) {
    let tape = Tape::training(None);
    let loss = network.loss(&tape, prompts, replies, weights).unwrap();
    let value = numbers(&loss)[0];
    let mut found = Gradients::default();
    tape.backward(&loss, &mut found).unwrap();
    let params = network.params();
    let gradient = |(index, (name, var)): (usize, (&str, &candle_core::Var))| {
        let sum = found.get(params.id(index)).unwrap_or_else(|| panic!("{name} has no gradient"));
        let dense = sum.dense(var.shape()).unwrap();
        (name.to_string(), dense.flatten_all().unwrap().to_vec1().unwrap())
    };
    (value, params.iter().enumerate().map(gradient).collect())
}

fn log_probabilities(
    network: &Seq2SeqNetwork,
    prompts: &PackedBatch,
    replies: &PackedBatch,
) -> Vec<f32> {
    numbers(&network.log_probabilities(&Tape::inference(), prompts, replies).unwrap())
}

fn tiny() -> Seq2SeqConfig {
    Seq2SeqConfig {
        vocab_size: 12,
        embedding_size: 10,
        hidden_size: 24,
        num_layers: 2,
        dropout: 0.0,
        bos_token_id: 0,
        eos_token_id: 1,
    }
}

/// Prompts, and replies that say them backwards.
fn backwards() -> (Vec<Vec<u32>>, Vec<Vec<u32>>) {
    let prompts: Vec<Vec<u32>> =
        [[2, 3, 4].as_slice(), &[5, 6], &[4, 3, 2, 9], &[7], &[8, 9, 10, 11, 2]]
            .map(Vec::from)
            .into();
    let reversed = |prompt: &Vec<u32>| prompt.iter().rev().copied().chain([1]).collect();
    let replies = prompts.iter().map(reversed).collect();
    (prompts, replies)
}

#[test]
fn log_probabilities_of_replies_are_those_of_torch() {
    let golden = Golden::open();
    let (prompts, replies) = golden.batches();
    let found = log_probabilities(&golden.network, &prompts, &replies);
    let far = distance(&found, &golden.numbers("log_probabilities"));
    assert!(far < 1e-5, "{far:e} off");
}

#[test]
fn the_loss_of_replies_and_its_gradients_are_those_of_torch() {
    let golden = Golden::open();
    let (loss, gradients) = golden.gradients();
    let expected = golden.numbers("loss")[0];
    assert!((loss / expected - 1.0).abs() < 1e-5, "{loss}, not {expected}");
    for (name, found) in &gradients {
        let expected = golden.numbers(&format!("grad.{name}"));
        let largest = expected.iter().fold(0f32, |most, x| most.max(x.abs()));
        let far = distance(found, &expected) / largest;
        assert!(far < 1e-4, "{name} is {far:e} off");
    }
    let golden_ones = golden.tensors.keys().filter(|name| name.starts_with("grad.")).count();
    assert_eq!(gradients.len(), golden_ones);
}

#[test]
fn a_reply_depends_on_neither_threads_nor_the_dialogues_beside_it() {
    let golden = Golden::open();
    let expected = golden.gradients();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(|| Golden::open().gradients()) == expected, "{threads} threads");
    }
    let (prompts, replies) = golden.batches();
    let pairs = golden.sequences("prompts").into_iter().zip(golden.sequences("replies"));
    let alone: Vec<f32> = pairs
        .flat_map(|(prompt, reply)| {
            log_probabilities(&golden.network, &pack(&[prompt]), &pack(&[reply]))
        })
        .collect();
    assert_eq!(log_probabilities(&golden.network, &prompts, &replies), alone);
}

/// The log-probability of one token.
fn log_probability(logits: &[f32], token: u32) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|x| (x - largest).exp()).sum();
    logits[token as usize] - largest - sum.ln()
}

#[test]
fn replies_written_token_by_token_have_the_logits_of_whole_ones() {
    let golden = Golden::open();
    let (prompts, replies) = (golden.sequences("prompts"), golden.sequences("replies"));
    let tape = Tape::inference();
    let mut decoding = golden.network.begin(&tape, &pack(&prompts)).unwrap();
    let mut found = vec![Vec::new(); replies.len()];
    for place in 0..replies.iter().map(Vec::len).max().unwrap() {
        let last = |reply: &Vec<u32>| match place {
            0 => Some(golden.network.config().bos_token_id),
            // Replies that are over stand still.
            _ => (place < reply.len()).then(|| reply[place - 1]),
        };
        let last: Vec<Option<u32>> = replies.iter().map(last).collect();
        let mut logits = decoding.step(&tape, &last).unwrap().into_iter();
        for (number, reply) in replies.iter().enumerate().filter(|(_, reply)| place < reply.len()) {
            found[number].push(log_probability(&logits.next().unwrap(), reply[place]));
        }
        assert!(logits.next().is_none());
    }
    let expected = log_probabilities(&golden.network, &pack(&prompts), &pack(&replies));
    let far = distance(&found.concat(), &expected);
    assert!(far < 1e-5, "{far:e} off");
}

#[test]
fn selected_replies_go_on_as_they_would_have_gone_on() {
    let golden = Golden::open();
    let prompts = golden.sequences("prompts");
    let tape = Tape::inference();
    let begin = |prompts: &[Vec<u32>]| {
        let mut decoding = golden.network.begin(&tape, &pack(prompts)).unwrap();
        decoding.step(&tape, &vec![Some(1); prompts.len()]).unwrap();
        decoding
    };
    let chosen = [2, 0, 2, 3];
    let copies: Vec<Vec<u32>> = chosen.iter().map(|&number| prompts[number].clone()).collect();
    let mut selected = begin(&prompts).select(&tape, &chosen).unwrap();
    let mut fresh = begin(&copies);
    let steps = [[Some(4), Some(5), Some(6), None], [Some(7), None, Some(4), Some(8)]];
    for last in &steps {
        assert_eq!(selected.step(&tape, last).unwrap(), fresh.step(&tape, last).unwrap());
    }
    assert_eq!(selected.len(), 4);
    assert!(selected.step(&tape, &[None; 4]).unwrap().is_empty());
    assert!(selected.step(&tape, &[None; 3]).is_err(), "three last tokens of four replies");
    assert!(selected.select(&tape, &[4]).is_err(), "there is no fifth reply");
}

/// The likeliest reply to each prompt.
fn greedy(network: &Seq2SeqNetwork, prompts: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let tape = Tape::inference();
    let mut decoding = network.begin(&tape, &pack(prompts)).unwrap();
    let mut last = vec![Some(network.config().bos_token_id); prompts.len()];
    let mut replies = vec![Vec::new(); prompts.len()];
    while last.iter().any(Option::is_some) {
        let mut logits = decoding.step(&tape, &last).unwrap().into_iter();
        for (last, reply) in last.iter_mut().zip(&mut replies).filter(|(last, _)| last.is_some()) {
            let logits = logits.next().unwrap();
            let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
            reply.push(best as u32);
            let is_over = best as u32 == network.config().eos_token_id || reply.len() == 10;
            *last = (!is_over).then_some(best as u32);
        }
    }
    replies
}

#[test]
fn a_network_from_scratch_learns_a_tiny_set_by_heart() {
    let network = Seq2SeqNetwork::from_scratch(tiny(), 3, device()).unwrap();
    let (prompts, replies) = backwards();
    let (packed_prompts, packed_replies) = (pack(&prompts), pack(&replies));
    let weights = vec![1.0 / packed_replies.ids.len() as f32; packed_replies.ids.len()];
    let settings = AdamWSettings { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    let mut optimiser = AdamW::new(network.params(), settings).unwrap();
    let mut loss = f32::INFINITY;
    for _ in 0..150 {
        let tape = Tape::training(None);
        let node = network.loss(&tape, &packed_prompts, &packed_replies, &weights).unwrap();
        loss = numbers(&node)[0];
        let mut gradients = Gradients::default();
        tape.backward(&node, &mut gradients).unwrap();
        optimiser.step(network.params(), &gradients, 0.02, 1.0).unwrap();
    }
    assert!(loss < 0.05, "the loss is {loss}");
    assert_eq!(greedy(&network, &prompts), replies);
}

#[test]
fn new_weights_depend_on_the_seed_alone() {
    let (prompts, replies) = backwards();
    let found = |seed: u64| {
        let network = Seq2SeqNetwork::from_scratch(tiny(), seed, device()).unwrap();
        log_probabilities(&network, &pack(&prompts), &pack(&replies))
    };
    assert_eq!(found(1), found(1));
    assert_ne!(found(1), found(2));
    let even = (1.0 / tiny().vocab_size as f32).ln();
    assert!(found(1).iter().all(|x| (x - even).abs() < 0.3), "all tokens are about as likely");
}

#[test]
fn dropout_is_on_in_training_only_and_repeats_for_the_same_pass() {
    let network = Seq2SeqNetwork::from_scratch(tiny(), 3, device()).unwrap().with_dropout(0.5);
    let (prompts, replies) = backwards();
    let (prompts, replies) = (pack(&prompts), pack(&replies));
    let found =
        |tape: Tape| numbers(&network.log_probabilities(&tape, &prompts, &replies).unwrap());
    let pass = |number: u64| found(Tape::training(Some(Noise::new(1, number))));
    assert_eq!(pass(0), pass(0));
    assert_ne!(pass(0), pass(1));
    assert_ne!(pass(0), found(Tape::inference()));
    assert_eq!(found(Tape::training(None)), found(Tape::inference()));
}

#[test]
fn bfloat16_rounds_what_products_read_and_no_more() {
    let golden = Golden::open();
    let (prompts, replies) = golden.batches();
    let tape = Tape::inference().with_precision(Precision::Bf16);
    let found = numbers(&golden.network.log_probabilities(&tape, &prompts, &replies).unwrap());
    let far = distance(&found, &golden.numbers("log_probabilities"));
    assert!(far > 1e-5 && far < 5e-2, "{far:e} off");
}

#[test]
fn a_network_that_is_written_and_read_again_gives_the_same_numbers() {
    let network = Seq2SeqNetwork::from_scratch(tiny(), 3, device()).unwrap();
    let (folder, (prompts, replies)) = (support::folder(), backwards());
    network.write(folder.path()).unwrap();
    let again = Seq2SeqNetwork::open(folder.path(), device()).unwrap();
    assert_eq!(again.config(), network.config());
    let [a, b] = [&network, &again]
        .map(|network| log_probabilities(network, &pack(&prompts), &pack(&replies)));
    assert_eq!(a, b);
    let bytes = |network: &Seq2SeqNetwork| {
        let folder = support::folder();
        network.write(folder.path()).unwrap();
        ["config.json", "model.safetensors"]
            .map(|name| std::fs::read(folder.path().join(name)).unwrap())
    };
    assert_eq!(bytes(&network), bytes(&again));
}

#[test]
fn dialogues_that_cannot_be_meant_are_refused() {
    let network = Seq2SeqNetwork::from_scratch(tiny(), 3, device()).unwrap();
    let tape = Tape::inference();
    let (one, two) = (pack(&[vec![2, 3]]), pack(&[vec![2], vec![3]]));
    let says = |result: candle_core::Result<valuenet::nn::tape::Node>, what: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(what), "\"{what}\" is missing in: {error}");
    };
    says(network.log_probabilities(&tape, &one, &two), "2 replies to 1 prompts");
    says(network.log_probabilities(&tape, &pack(&[vec![]]), &one), "a prompt has a token at least");
    says(network.log_probabilities(&tape, &one, &pack(&[vec![]])), "a reply has a token at least");
    says(network.log_probabilities(&tape, &one, &pack(&[vec![12]])), "do not fit");
    says(network.log_probabilities(&tape, &pack(&[vec![12]]), &one), "row 12 was asked");
    says(network.loss(&tape, &one, &one, &[1.0]), "1 weights for 2 tokens");
    says(network.loss(&tape, &one, &one, &[0.0; 2]), "no token of the batch has a weight");
    let recording = Tape::training(None);
    assert!(network.begin(&recording, &one).is_err(), "nothing is learned token by token");
}

#[test]
fn files_that_hold_no_such_network_are_refused() {
    let folder = support::folder();
    let says = |what: &str| {
        let error = Seq2SeqNetwork::open(folder.path(), device()).unwrap_err();
        let text = format!("{error} {:?}", error.advice());
        assert!(text.contains(what), "\"{what}\" is missing in: {text}");
    };
    says("config.json");
    let network = Seq2SeqNetwork::from_scratch(tiny(), 3, device()).unwrap();
    network.write(folder.path()).unwrap();
    let path = folder.path().join("config.json");
    let config = read_json(&path).unwrap();
    for (key, value, what) in [
        ("model_type", json!("gpt2"), "model_type is \"gpt2\", not \"valuenet-seq2seq\""),
        ("hidden_size", json!(0), "hidden_size is 0"),
        ("hidden_size", json!("wide"), "invalid type"),
        ("dropout", json!(1.0), "dropout is 1, not at least 0 and below 1"),
        ("eos_token_id", json!(12), "eos_token_id is 12, but vocab_size 12"),
        ("embedding_size", json!(11), "tensor embedding.weight has the shape [12, 10]"),
        ("num_layers", json!(3), "weight_ih_l2 is missing"),
    ] {
        let mut changed = config.clone();
        changed[key] = value;
        write_json(&path, &changed).unwrap();
        says(what);
    }
    write_json(&path, &config).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), b"cut").unwrap();
    says("the weights cannot be read");
    let nothing = Seq2SeqConfig { num_layers: 0, ..tiny() };
    assert!(Seq2SeqNetwork::from_scratch(nothing, 0, device()).is_err());
}
