//! Value models that others trained, described by a `valuenet.toml` beside them.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use valuenet::model::value_head::Objective;
use valuenet::model::value_model::NewModel;
use valuenet::model::{Model, Predictor, ValueModel};
use valuenet::nn::precision::Precision;
use valuenet::value::Value;

use crate::support::{assert_fails, csv, device, folder, head, new_model, samples, stderr, stdout};
use crate::support::{valuenet, write};
use valuenet::model::head::Pooling;
use valuenet::model::value_head::{HeadSettings, Range};

const TEXTS: [&str; 3] = ["we sang for the neighbours", "a {value} thing", "she left early"];

/// A model of ours in a folder, as if somebody else had trained it: without our own settings.
fn theirs(folder: &Path, objective: Objective, description: &str) -> (ValueModel, PathBuf) {
    let head = HeadSettings { objective, ..head(Range::Tanh, Pooling::Pooler) };
    let new = NewModel { head, ..new_model() };
    let base = Path::new("tests/fixtures/golden/bert");
    let model = ValueModel::from_pretrained(base, &new, device()).unwrap();
    let path = folder.join("theirs");
    std::fs::create_dir_all(&path).unwrap();
    model.write(&path).unwrap();
    edit(&path, |config| {
        config.as_object_mut().unwrap().remove("valuenet");
    });
    write(&path, "valuenet.toml", description);
    (model, path)
}

fn edit(model: &Path, change: impl Fn(&mut Json)) {
    let path = model.join("config.json");
    let mut config: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(path, config.to_string()).unwrap();
}

fn open(path: &Path) -> valuenet::error::Result<Model> {
    Model::open(path, device(), Precision::F32)
}

#[test]
fn one_logit_behind_a_value_and_a_text_is_a_utility() {
    let folder = folder();
    let description =
        "[prompt]\ntemplate = \"[{VALUE}] {text}\"\nactivation = \"tanh\"\nmax_length = 32\n";
    let (ours, path) = theirs(folder.path(), Objective::Regression, description);
    let found = open(&path).unwrap().predictor().predict_all(&TEXTS).unwrap();
    assert_eq!(found, ours.predict_all(&TEXTS).unwrap());

    let data = write(folder.path(), "data.csv", csv(&samples(12))).display().to_string();
    let model = path.display().to_string();
    let output = valuenet(["eval", &model, "--data", &data]);
    assert!(output.status.success() && stdout(&output).contains("12 rows"), "{}", stderr(&output));
    let texts = write(folder.path(), "texts.txt", TEXTS.join("\n")).display().to_string();
    let output = valuenet(["infer", &model, &texts]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().count(), 3);

    write(&path, "valuenet.toml", description.replace("tanh", "none"));
    let raw = open(&path).unwrap().predictor().predict_all(&TEXTS).unwrap();
    assert!((raw[0][4].utility.tanh() - found[0][4].utility).abs() < 1e-6);
    write(&path, "valuenet.toml", description.replace("tanh", "scaled-sigmoid"));
    let scaled = open(&path).unwrap().predictor().predict_all(&TEXTS).unwrap();
    assert!(((raw[0][4].utility / 2.0).tanh() - scaled[0][4].utility).abs() < 1e-6);
}

#[test]
fn labels_of_a_text_are_utilities_of_their_values() {
    let folder = folder();
    let description =
        "[prompt]\ntemplate = \"{text}\"\nactivation = \"sigmoid\"\nmax_length = 32\n";
    let (ours, path) = theirs(folder.path(), Objective::ThreeClass, description);
    // Three labels serve all ten values here: what others have in 10, 20 or 38.
    let names = Value::ALL.map(|value| value.name().to_string());
    let error = open(&path).unwrap_err().to_string();
    assert!(
        error.contains("valuenet.toml: no label of config.json's id2label is of SECURITY"),
        "{error}"
    );

    // A head of 21 labels: each value attained and constrained, and one that is of none.
    let rows: Vec<String> = names
        .iter()
        .flat_map(|name| ["attained", "constrained"].map(|end| format!("{name}: some {end}")))
        .chain(["Face".to_string()])
        .collect();
    let tensors = path.join("model.safetensors");
    let mut weights = candle_core::safetensors::load(&tensors, device()).unwrap();
    for name in ["classifier.weight", "classifier.bias"] {
        let three = &weights[name];
        let copies: Vec<_> =
            (0..7).map(|copy| (three * (1.0 + f64::from(copy))).unwrap()).collect();
        let all = candle_core::Tensor::cat(&copies, 0).unwrap();
        weights.insert(name.to_string(), all);
    }
    candle_core::safetensors::save(&weights, &tensors).unwrap();
    edit(&path, |config| {
        let numbered = rows.iter().enumerate().map(|(at, name)| (at.to_string(), json!(name)));
        config["id2label"] = Json::Object(numbered.collect());
    });
    let model = open(&path).unwrap();
    let found = model.predictor().predict_all(&TEXTS[..1]).unwrap();
    let logits = {
        // The bare text, which our own model never reads.
        let prompt = ours.text().encode(Value::Power, TEXTS[0]).unwrap();
        let bare: Vec<u32> = [&prompt[..1], &prompt[2..]].concat();
        let batch = valuenet::text::PackedBatch::new([bare.as_slice()]);
        let tape = valuenet::nn::tape::Tape::inference();
        ours.network().logits(&tape, &batch).unwrap().tensor().to_vec2::<f32>().unwrap().remove(0)
    };
    let share = |label: usize| {
        let logit = f64::from(logits[label % 3]) * (1.0 + (label / 3) as f64);
        1.0 / (1.0 + (-logit).exp())
    };
    for value in Value::ALL {
        let expected = share(2 * value.index()) - share(2 * value.index() + 1);
        let found = f64::from(found[0][value.index()].utility);
        assert!((found - expected).abs() < 1e-6, "{value}: {found} {expected}");
    }
    let pairs =
        [(Value::Power, TEXTS[0]), (Value::Hedonism, TEXTS[1]), (Value::Security, TEXTS[0])];
    let some = model.predictor().predict(&pairs).unwrap();
    assert!((some[0].utility - found[0][Value::Power.index()].utility).abs() < 1e-6);
    assert!((some[2].utility - found[0][Value::Security.index()].utility).abs() < 1e-6);
}

#[test]
fn a_description_that_does_not_fit_is_refused() {
    let folder = folder();
    let (_, path) = theirs(folder.path(), Objective::ThreeClass, "[prompt]\n");
    let says = |description: &str, what: &str| {
        write(&path, "valuenet.toml", description);
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains("valuenet.toml:") && error.contains(what), "{description}: {error}");
    };
    says("[prompt]\n", "template");
    let with = |template: &str, activation: &str| {
        format!("[prompt]\ntemplate = \"{template}\"\nactivation = \"{activation}\"\n")
    };
    says(&with("{text}", "cube"), "unknown variant `cube`");
    says(&with("{txt}", "tanh"), "{text} once was expected");
    says(&with("[{VALUE}] {text}", "tanh"), "one logit, and the model has 3");
    says(&with("{text}", "tanh"), "labels have probabilities, by sigmoid");
    says(&(with("{text}", "sigmoid") + "colour = 1\n"), "colour");
    std::fs::remove_file(path.join("valuenet.toml")).unwrap();
    let texts = write(folder.path(), "texts.txt", "a\n").display().to_string();
    let output = valuenet(["infer", &path.display().to_string(), &texts]);
    assert_fails(&output, 1, &["this is no value model", "valuenet.toml says what it reads"]);
}
