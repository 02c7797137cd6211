//! The keys of a value model's training that change what it learns from, or what is kept of it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use valuenet::data::Sample;
use valuenet::data::unlabelled::{CircleRates, guesses};
use valuenet::model::value_model::NewModel;
use valuenet::model::value_prompts::PromptKind;
use valuenet::model::{Predictor, ValueModel};
use valuenet::value::{Label, Value};

use crate::support::{assert_fails, config, dataset, device, folder, new_model, samples, stderr};
use crate::support::{stdout, valuenet, write};

/// Trains a tiny model from scratch, and returns the folder of its run.
fn trained(folder: &Path, name: &str, sets: &[&str]) -> PathBuf {
    let run = folder.join(name);
    let (config, to) =
        (folder.join("config.toml").display().to_string(), run.display().to_string());
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let output = valuenet(["train", &config, "-o", &to].into_iter().chain(sets));
    assert!(output.status.success(), "{}", stderr(&output));
    run
}

fn report(run: &Path, name: &str) -> Json {
    let text = std::fs::read_to_string(run.join("eval").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_model_of_relevance_tells_two_classes_apart() {
    let folder = folder();
    let data = dataset(folder.path());
    config(folder.path(), &data, "");
    let learned = [
        "model.objective=relevance",
        "train.epochs=30",
        "train.learning_rate=1e-2",
        "train.select=accuracy",
    ];
    let run = trained(folder.path(), "run", &learned);
    let found = report(&run, "test.json");
    let all = &found["slices"][0];
    assert_eq!(all["classes"][0]["support"], 0, "-1 is as related as +1: {all}");
    let related = samples(60)[50..].iter().filter(|one| one.label != Label::Unrelated).count();
    assert_eq!(all["classes"][2]["support"], related);
    let f1 = |class: usize| all["classes"][class]["f1"].as_f64().unwrap();
    assert_eq!(all["macro_f1"].as_f64().unwrap(), (f1(1) + f1(2)) / 2.0, "of two classes");
    assert!(all["accuracy"].as_f64().unwrap() > 0.8, "{all}");
    let is_related = |one: &&Sample| one.label != Label::Unrelated;
    let mean_square = |one: &Sample| {
        let like: Vec<Sample> =
            samples(40).into_iter().filter(|other| other.value == one.value).collect();
        let mean = like.iter().filter(is_related).count() as f64 / like.len() as f64;
        (mean - f64::from(u8::from(is_related(&one)))).powi(2)
    };
    let expected = samples(60)[50..].iter().map(mean_square).sum::<f64>() / 10.0;
    let found = all["baseline"]["mse"].as_f64().unwrap();
    assert!((found - expected).abs() < 1e-9, "{found} and not {expected}");

    let texts = write(
        folder.path(),
        "texts.txt",
        "helping a friend\nhurting a friend\npainting a friend\n",
    );
    let (run, texts) = (run.display().to_string(), texts.display().to_string());
    let output = valuenet(["infer", &run, &texts, "--probabilities", "--format", "jsonl"]);
    let rows: Vec<Json> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3, "{}", stderr(&output));
    for row in &rows {
        for value in Value::ALL {
            let [no, unrelated, yes] = [0, 1, 2]
                .map(|class: usize| row["probabilities"][value.name()][class].as_f64().unwrap());
            let utility = row["utilities"][value.name()].as_f64().unwrap();
            assert!(no == 0.0 && (unrelated + yes - 1.0).abs() < 1e-6 && utility == yes, "{row}");
        }
    }
    let (to, linear) = (folder.path().join("no").display().to_string(), "model.family=linear");
    let config = folder.path().join("config.toml").display().to_string();
    let fixed = ["train", &config, "-o", &to, "--set", linear, "--set"];
    let refused = |set| valuenet(fixed.iter().copied().chain([set]));
    assert_fails(&refused("model.objective=relevance"), 2, &["model.objective", "with an encoder"]);
    assert_fails(&refused("train.unrelated=1"), 2, &["train.unrelated", "with an encoder"]);
    assert_fails(&refused("train.average=0.9"), 2, &["train.average", "this is for encoders"]);
    assert_fails(&refused("train.layer_decay=0.9"), 2, &["train.layer_decay", "with layers"]);
    for (set, says) in [
        ("train.average=1", "from 0 (off) to below 1"),
        ("train.layer_decay=0", "above 0, up to 1"),
        ("train.unrelated=10", "from 0 (off) to 9"),
    ] {
        assert_fails(&refused(set), 2, &[set.split('=').next().unwrap(), says]);
    }
}

#[test]
fn a_text_is_unrelated_to_values_that_nobody_labelled_it_under() {
    let twice =
        |one: &Sample| Sample { value: Value::ALL[(one.value.index() + 3) % 10], ..one.clone() };
    let train: Vec<Sample> =
        samples(200).iter().flat_map(|one| [one.clone(), twice(one)]).collect();
    let key = |one: &Sample| (one.value, one.scenario.clone());
    let labelled: HashSet<_> = train.iter().map(key).collect();
    let drawn = |rate, seed| guesses(&train, rate, seed, |_, _| [0.0, 1.0, 0.0]);
    for (rate, expected) in [(0.0, 0..=0), (0.25, 70..=130), (1.5, 550..=650), (9.0, 1600..=1600)] {
        let added: Vec<Sample> = drawn(rate, 1).into_iter().map(|one| one.sample).collect();
        assert!(expected.contains(&added.len()), "{} at {rate}", added.len());
        assert!(
            added.iter().all(|one| one.label == Label::Unrelated && !labelled.contains(&key(one)))
        );
        assert_eq!(added.iter().map(key).collect::<HashSet<_>>().len(), added.len(), "each once");
        assert_eq!(drawn(rate, 1), drawn(rate, 1));
    }
    assert_ne!(drawn(1.0, 1), drawn(1.0, 2));

    let folder = folder();
    let data = dataset(folder.path());
    config(folder.path(), &data, "");
    let run = trained(folder.path(), "run", &["train.unrelated=9", "train.epochs=1"]);
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let last: Json = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    assert_eq!(last["step"], 100, "40 texts under ten values, in batches of four");
    let card = std::fs::read_to_string(run.join("checkpoints/best/config.json")).unwrap();
    let card: Json = serde_json::from_str(&card).unwrap();
    let counts = card["valuenet"]["train_labels"].to_string();
    let count: u64 = counts
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|it| it.parse::<u64>().ok())
        .sum();
    assert_eq!(count, 40, "the baselines are those of the rows that people labelled: {counts}");
}

#[test]
fn what_a_text_is_under_another_value_is_counted_by_distance_on_the_circle() {
    let row = |value, scenario: &str, label| Sample { value, scenario: scenario.into(), label };
    let texts = ["we sang", "we sailed", "we danced"];
    // Neighbours agree; under the opposite value the text is unrelated, once against it.
    let mut train: Vec<Sample> = Vec::new();
    for text in texts {
        train.push(row(Value::Hedonism, text, Label::Yes));
        train.push(row(Value::Stimulation, text, Label::Yes));
    }
    train.push(row(Value::Conformity, texts[0], Label::Unrelated));
    train.push(row(Value::Power, "we voted", Label::No));
    let rates = CircleRates::of(&train);
    // Three texts, from both sides, and one of each kind besides.
    let near = rates.shares(Value::Power, Label::Yes, Value::Security);
    assert_eq!(near, [1.0 / 9.0, 1.0 / 9.0, 7.0 / 9.0]);
    let opposite = rates.shares(Value::Hedonism, Label::Yes, Value::Conformity);
    assert_eq!(opposite, [0.25, 0.5, 0.25]);
    let unknown = rates.shares(Value::Power, Label::No, Value::Achievement);
    assert_eq!(unknown, [1.0 / 3.0; 3]);
    let shares = |own: &Sample, value| rates.shares(own.value, own.label, value);
    let all = guesses(&train, 9.0, 1, shares);
    assert_eq!(all.len(), 40 - train.len(), "four texts under ten values");
    let beside = all
        .iter()
        .find(|one| one.sample.scenario == texts[1] && one.sample.value == Value::Achievement);
    let beside = beside.unwrap();
    assert_eq!((beside.sample.label, beside.shares), (Label::Yes, near));

    let folder = folder();
    let data = dataset(folder.path());
    config(folder.path(), &data, "");
    let objective = "model.objective=joint";
    let plain = trained(folder.path(), "plain", &[objective, "train.unrelated=2"]);
    let circle = trained(folder.path(), "circle", &[objective, "train.circle=2"]);
    let weights =
        |run: &Path| std::fs::read(run.join("checkpoints/last/model.safetensors")).unwrap();
    assert!(weights(&plain) != weights(&circle));
    let config = folder.path().join("config.toml").display().to_string();
    let both = ["--set", "train.circle=1", "--set", "train.unrelated=1"];
    let refused = valuenet(["train", &config, "-o", "no"].into_iter().chain(both));
    assert_fails(&refused, 2, &["train.circle", "train.unrelated is set"]);
}

#[test]
fn a_defined_prompt_has_the_definition_before_the_text() {
    let base = Path::new("tests/fixtures/golden/bert");
    let model = |prompt| {
        let new = NewModel { prompt, ..new_model() };
        ValueModel::from_pretrained(base, &new, device()).unwrap()
    };
    let (plain, defined) = (model(PromptKind::Each), model(PromptKind::Defined));
    let text = |value: Value| format!("{}. we sang", value.definition());
    let texts: Vec<(Value, String)> = Value::ALL.map(|value| (value, text(value))).into();
    let pairs: Vec<(Value, &str)> =
        texts.iter().map(|(value, text)| (*value, text.as_str())).collect();
    let expected = plain.predict(&pairs).unwrap();
    let found = defined.predict(&Value::ALL.map(|value| (value, "we sang"))).unwrap();
    let together = defined.predict_all(&["we sang"]).unwrap().remove(0);
    for ((found, expected), together) in found.iter().zip(&expected).zip(&together) {
        assert!((found.utility - expected.utility).abs() < 1e-6);
        assert!((together.utility - expected.utility).abs() < 1e-6);
    }
    let kept = folder();
    defined.write(kept.path()).unwrap();
    let again = ValueModel::open(kept.path(), device()).unwrap();
    assert_eq!(again.predict_all(&["we sang"]).unwrap()[0], together);
}

#[test]
fn the_weights_that_are_kept_are_the_mean_of_those_that_were() {
    let folder = folder();
    let data = dataset(folder.path());
    config(folder.path(), &data, "");
    let plain = trained(folder.path(), "plain", &[]);
    let mean = trained(folder.path(), "mean", &["train.average=0.9"]);
    let lower = trained(folder.path(), "lower", &["train.layer_decay=0.5"]);
    let weights = |run: &Path| {
        candle_core::safetensors::load(run.join("checkpoints/last/model.safetensors"), device())
            .unwrap()
    };
    let state = |run: &Path| {
        candle_core::safetensors::load(run.join("checkpoints/last/optimizer.safetensors"), device())
            .unwrap()
    };
    let numbers = |tensor: &candle_core::Tensor| -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    };
    let (plain_weights, own) = (weights(&plain), state(&mean));
    for (name, tensor) in &plain_weights {
        let own = &own[&format!("own.{name}")];
        assert_eq!(numbers(own), numbers(tensor), "{name}: it learns as without");
    }
    let differs = |run: &Path| {
        let other = weights(run);
        plain_weights.iter().any(|(name, tensor)| numbers(&other[name]) != numbers(tensor))
    };
    assert!(differs(&mean) && differs(&lower));
    assert_ne!(report(&mean, "test.json")["slices"], report(&plain, "test.json")["slices"]);
}
