//! What is fast and should stay so: `cargo bench`. Training and scoring stand beside candle's stock
//! path in one run.

mod stock;

use std::hint::black_box;
use std::time::Duration;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use criterion::{Criterion, Throughput};
use valuenet::data::SampleTable;
use valuenet::eval::{Evaluation, Scored};
use valuenet::model::backbone::Family;
use valuenet::model::head::Pooling;
use valuenet::model::network::{Network, Start};
use valuenet::model::scratch::ScratchSettings;
use valuenet::model::value_head::{HeadSettings, Objective, Range};
use valuenet::nn::adamw::{AdamW, AdamWSettings};
use valuenet::nn::cpu;
use valuenet::nn::gradients::Gradients;
use valuenet::nn::losses::squared_error;
use valuenet::nn::noise::Noise;
use valuenet::nn::precision::Precision;
use valuenet::nn::tape::{Node, Tape};
use valuenet::seed::{Purpose, Stream};
use valuenet::text::{PackedBatch, TextEncoder};
use valuenet::value::{Label, Value};

const LAYERS: usize = 6;
const HEADS: usize = 12;
const BATCH: usize = 32;
const PRECISIONS: [(&str, Precision); 2] = [("f32", Precision::F32), ("bf16", Precision::Bf16)];

/// The shape of all-MiniLM-L6-v2.
fn config() -> serde_json::Value {
    serde_json::json!({
        "model_type": "bert", "vocab_size": 30532, "hidden_size": 384, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "intermediate_size": 1536, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "max_position_embeddings": 512, "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12,
        "pad_token_id": 0, "classifier_dropout": null,
    })
}

const HEAD: HeadSettings = HeadSettings {
    objective: Objective::Regression,
    activation: Range::ScaledSigmoid,
    pooling: Pooling::Cls,
};

/// The utilities that it predicts: (prompts, 1).
fn utilities(network: &Network, tape: &Tape, batch: &PackedBatch) -> Node {
    HEAD.utilities(tape, &network.logits(tape, batch).unwrap()).unwrap()
}

fn network() -> Network {
    let family = Family::from_config(&config()).unwrap();
    Network::build(&family, HEAD.shape(), Default::default(), Start::Scratch, 1, &Device::Cpu)
        .unwrap()
}

/// Prompts of like length, as a batch of training has them: 16 to 18 tokens.
fn prompts(count: usize) -> Vec<Vec<u32>> {
    let mut stream = Stream::new(1, Purpose::Init, 0);
    let length = |stream: &mut Stream| 16 + stream.below(3);
    (0..count).map(|_| (0..length(&mut stream)).map(|_| stream.below(30_000)).collect()).collect()
}

/// The same with padding: ids and mask, (prompts, tokens).
fn padded(prompts: &[Vec<u32>]) -> (Tensor, Tensor) {
    let width = prompts.iter().map(Vec::len).max().unwrap();
    let fill = |number: &dyn Fn(&Vec<u32>, usize) -> u32| {
        let numbers: Vec<u32> =
            prompts.iter().flat_map(|p| (0..width).map(|at| number(p, at))).collect();
        Tensor::from_vec(numbers, (prompts.len(), width), &Device::Cpu).unwrap()
    };
    (fill(&|p, at| p.get(at).copied().unwrap_or(0)), fill(&|p, at| u32::from(at < p.len())))
}

fn training(c: &mut Criterion) {
    let prompts = prompts(BATCH);
    let targets: Vec<f32> = (0..BATCH).map(|i| (i % 3) as f32 - 1.0).collect();
    let mut group = c.benchmark_group("train a batch of 32");
    group
        .throughput(Throughput::Elements(BATCH as u64))
        .sample_size(10)
        .measurement_time(Duration::from_secs(8));
    for (name, precision) in PRECISIONS {
        let network = network();
        let batch = PackedBatch::new(prompts.iter().map(Vec::as_slice));
        let settings =
            AdamWSettings { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };
        let mut optimiser = AdamW::new(network.params(), settings).unwrap();
        let mut pass = 0;
        group.bench_function(format!("valuenet {name}"), |b| {
            b.iter(|| {
                pass += 1;
                let tape = Tape::training(Some(Noise::new(1, pass))).with_precision(precision);
                let utilities = utilities(&network, &tape, &batch);
                let loss = squared_error(&tape, &utilities, &targets, 1.0 / BATCH as f64).unwrap();
                let mut gradients = Gradients::default();
                tape.backward(&loss, &mut gradients).unwrap();
                optimiser.step(network.params(), &gradients, 5e-5, 1.0).unwrap();
            });
        });
    }
    let params = network();
    let named =
        params.params().iter().map(|(name, var)| (name.to_string(), var.as_tensor().clone()));
    let mut stock = stock::Stock::new(named).unwrap();
    let (ids, mask) = padded(&prompts);
    let targets = Tensor::new(targets, &Device::Cpu).unwrap();
    group.bench_function("candle", |b| b.iter(|| stock.step(&ids, &mask, &targets).unwrap()));
    group.finish();
}

fn scoring(c: &mut Criterion) {
    let network = network();
    let prompts = prompts(120);
    let mut group = c.benchmark_group("score 120 prompts");
    group.throughput(Throughput::Elements(prompts.len() as u64)).sample_size(10);
    let batch = PackedBatch::new(prompts.iter().map(Vec::as_slice));
    for (name, precision) in PRECISIONS {
        group.bench_function(format!("valuenet {name}"), |b| {
            b.iter(|| utilities(&network, &Tape::inference().with_precision(precision), &batch));
        });
    }
    let tensors = network
        .params()
        .iter()
        .map(|(name, var)| (name.to_string(), var.as_tensor().clone()))
        .collect();
    let weights = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    let config: Config = serde_json::from_value(config()).unwrap();
    let stock = BertModel::load(weights, &config).unwrap();
    let (ids, mask) = padded(&prompts);
    let types = ids.zeros_like().unwrap();
    group.bench_function("candle-transformers", |b| {
        b.iter(|| stock.forward(&ids, &types, Some(&mask)).unwrap())
    });
    group.finish();
}

/// As many scenarios as ValueNet's test split has, from a few words.
fn scenarios(count: usize) -> Vec<(Value, String)> {
    const WORDS: [&str; 8] =
        ["helping", "a stranger", "with", "the heavy", "shopping", "after", "work", "yesterday"];
    let mut stream = Stream::new(2, Purpose::Init, 0);
    let text = |stream: &mut Stream| {
        (0..9).map(|_| WORDS[stream.below(8) as usize]).collect::<Vec<_>>().join(" ")
    };
    (0..count).map(|i| (Value::ALL[i % 10], text(&mut stream))).collect()
}

fn text_and_data(c: &mut Criterion) {
    let samples = scenarios(2138);
    let tokenizer = ScratchSettings::default()
        .tokenizer(samples.iter().map(|(_, text)| text.as_str()))
        .unwrap();
    let encoder = TextEncoder::with_value_tokens(tokenizer, 128).unwrap();
    let rows = samples.len() as u64;
    let mut group = c.benchmark_group("2138 rows");
    group.throughput(Throughput::Elements(rows));
    group.bench_function("encode texts", |b| {
        b.iter(|| encoder.encode_all(black_box(&samples)).unwrap())
    });

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.csv");
    let lines = samples
        .iter()
        .enumerate()
        .map(|(i, (value, text))| format!("[{value}] {text},{}\n", i as i64 % 3 - 1));
    std::fs::write(&path, format!("scenario,label\n{}", lines.collect::<String>())).unwrap();
    group.bench_function("read CSV", |b| b.iter(|| SampleTable::read_strict(&path).unwrap()));

    let labels = [Label::No, Label::Unrelated, Label::Yes];
    let scored: Vec<Scored> = (0..samples.len())
        .map(|i| Scored {
            value: Value::ALL[i % 10],
            label: labels[i % 3],
            utility: (i as f64 * 0.37).sin(),
            class: labels[i * 7 % 3],
            probabilities: None,
            text: i / 2,
            seen: Some(i % 4 == 0),
        })
        .collect();
    group.bench_function("evaluate", |b| {
        b.iter(|| Evaluation::of(black_box(&scored), None).unwrap())
    });
    group.finish();
}

/// The rate of the largest product of a MiniLM layer: what the floor of a training step is counted
/// from.
fn products(c: &mut Criterion) {
    let (rows, inputs, outputs) = (560, 384, 1536);
    let (x, w) = (vec![0.5f32; rows * inputs], vec![0.5f32; outputs * inputs]);
    let mut group = c.benchmark_group("(560, 384) x (384, 1536)");
    group.throughput(Throughput::Elements((2 * rows * inputs * outputs) as u64));
    for (name, precision) in PRECISIONS {
        let rhs = cpu::Rhs::beside(&[cpu::Matrix::new(&w, inputs).t()], precision);
        group.bench_function(name, |b| {
            b.iter(|| cpu::product(cpu::Matrix::new(&x, inputs), &rhs, 0, |_, _, _| {}));
        });
    }
    group.finish();
}

fn main() {
    cpu::keep_memory();
    // On a thread of the pool, as the program itself.
    rayon::scope(|_| {
        let mut criterion = Criterion::default().configure_from_args();
        for bench in [products, training, scoring, text_and_data] {
            bench(&mut criterion);
        }
        criterion.final_summary();
    });
}
