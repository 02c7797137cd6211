//! What several tests need: temporary folders, the program itself, small datasets and models.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use candle_core::Device;
use valuenet::data::Sample;
use valuenet::eval::Scored;
use valuenet::model::head::Pooling;
use valuenet::model::network::Network;
use valuenet::model::scratch::ScratchSettings;
use valuenet::model::value_head::{HeadSettings, Objective, Range};
use valuenet::model::value_model::NewModel;
use valuenet::model::value_prompts::PromptKind;
use valuenet::model::value_tokens::ValueTokenInit;
use valuenet::model::{Prediction, Predictor, ValueModel};
use valuenet::nn::tape::{Node, Tape};
use valuenet::text::PackedBatch;
use valuenet::value::{Label, LabelCounts, Value};

/// The device that networks and operations are tested on: `VALUENET_DEVICE`, or the CPU.
pub fn device() -> &'static Device {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| {
        let name = std::env::var("VALUENET_DEVICE").unwrap_or_else(|_| "cpu".into());
        valuenet::nn::device::open(&name).unwrap().device
    });
    &DEVICE
}

/// A folder that is gone when the test is over.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Writes a file below a folder, and returns its path.
pub fn write(folder: &Path, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, contents).unwrap();
    path
}

/// The program, started in the repository's root, without the user's hub settings.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_valuenet"));
    command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", "target/no-such-cache");
    for name in ["HF_HUB_CACHE", "HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH"] {
        command.env_remove(name);
    }
    command
}

/// Runs the program with these arguments.
pub fn valuenet<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    program().args(arguments).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Asserts that a run of the program failed with this exit code and said all of this.
pub fn assert_fails(output: &Output, code: i32, says: &[&str]) {
    let (err, out) = (stderr(output), stdout(output));
    assert_eq!(output.status.code(), Some(code), "{err}");
    assert!(out.is_empty(), "an error belongs on stderr, and this came on stdout: {out}");
    for text in says {
        assert!(err.contains(text), "\"{text}\" is missing in:\n{err}");
    }
}

/// Samples that a model can learn: the first word decides.
pub fn samples(count: usize) -> Vec<Sample> {
    let doings = [("helping", Label::Yes), ("hurting", Label::No), ("painting", Label::Unrelated)];
    (0..count)
        .map(|number| {
            let (doing, label) = doings[number % 3];
            let value = Value::ALL[(number * 7 + number / 3) % Value::COUNT];
            let rest = ["a friend", "the old man", "somebody", "my sister Ann"][number % 4];
            Sample { value, scenario: format!("{doing} {rest} number {number}"), label }
        })
        .collect()
}

/// The samples as a ValueNet CSV file.
pub fn csv(samples: &[Sample]) -> String {
    let row = |sample: &Sample| {
        format!("[{}] {},{}\n", sample.value, sample.scenario, sample.label.number())
    };
    format!("scenario,label\n{}", samples.iter().map(row).collect::<String>())
}

/// A dataset folder with small splits.
pub fn dataset(folder: &Path) -> PathBuf {
    let all = samples(60);
    write(folder, "data/train.csv", csv(&all[..40]));
    write(folder, "data/eval.csv", csv(&all[40..50]));
    write(folder, "data/test.csv", csv(&all[50..]));
    folder.join("data")
}

/// A configuration for a tiny model from scratch on `data`, with more lines for `[train]`.
pub fn config(folder: &Path, data: &Path, train: &str) -> PathBuf {
    let text = format!(
        "[data]\ndir = {data:?}\n\
         [model]\nbase = \"scratch\"\nmax_length = 32\n\
         [model.scratch]\nvocabulary_size = 200\nhidden_size = 16\nlayers = 1\nheads = 2\nintermediate_size = 32\n\
         [train]\nepochs = 2\nbatch_size = 4\nlearning_rate = 1e-3\n{train}\n"
    );
    write(folder, "config.toml", text)
}

/// A tiny model that has not learned anything.
pub fn tiny_model() -> ValueModel {
    let size = ScratchSettings {
        vocabulary_size: 200,
        hidden_size: 16,
        layers: 1,
        heads: 2,
        intermediate_size: 32,
    };
    let texts = samples(30);
    let texts = texts.iter().map(|sample| sample.scenario.as_str());
    ValueModel::from_scratch(&size, texts, &new_model(), device()).unwrap()
}

/// The tiny model in a folder of its own below `folder`.
pub fn saved_model(folder: &Path) -> PathBuf {
    let path = folder.join("model");
    std::fs::create_dir_all(&path).unwrap();
    tiny_model().write(&path).unwrap();
    path
}

/// The head of a regression.
pub fn head(activation: Range, pooling: Pooling) -> HeadSettings {
    HeadSettings { objective: Objective::Regression, activation, pooling }
}

/// The utilities of a regression, (sequences, 1).
pub fn utilities(network: &Network, activation: Range, tape: &Tape, batch: &PackedBatch) -> Node {
    let logits = network.logits(tape, batch).unwrap();
    head(activation, Pooling::Cls).utilities(tape, &logits).unwrap()
}

/// What is asked of the tiny model.
pub fn new_model() -> NewModel {
    NewModel {
        head: head(Range::ScaledSigmoid, Pooling::Cls),
        max_length: 32,
        dropout: None,
        value_tokens: ValueTokenInit::Mean,
        prompt: PromptKind::Each,
        shared_layers: 0,
        seed: 5,
    }
}

/// A row with the prediction of a regression.
pub fn scored(value: Value, label: Label, utility: f64, seen: Option<bool>) -> Scored {
    let class = Label::of_utility(utility).unwrap();
    Scored { value, label, utility, class, probabilities: None, text: 0, seen }
}

/// A predictor that needs no weights: a value's place among the ten, and the length of the text.
pub struct Stub;

impl Predictor for Stub {
    fn predict(&self, pairs: &[(Value, &str)]) -> valuenet::error::Result<Vec<Prediction>> {
        let utility = |&(value, text): &(Value, &str)| {
            value.index() as f32 / 10.0 - text.len() as f32 / 100.0
        };
        Ok(pairs.iter().map(|pair| Prediction::of_utility(utility(pair)).unwrap()).collect())
    }

    fn rule(&self) -> &'static str {
        Objective::Regression.rule()
    }

    fn has_probabilities(&self) -> bool {
        false
    }

    fn dtype(&self) -> &'static str {
        "f32"
    }

    fn train_labels(&self) -> Option<&LabelCounts> {
        None
    }
}

/// A frame of Zstandard with one block as it is.
pub fn zstandard(text: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]; // a window of 2 MiB, no checksum
    let head = (text.len() as u32) << 3 | 1; // the last block, raw
    bytes.extend(&head.to_le_bytes()[..3]);
    bytes.extend(text);
    bytes
}
