//! Replies that are told an emotion: where it comes from, where it stands, what is refused.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value as Json;
use valuenet::data::conversation::{self, Conversation};
use valuenet::disk::read_json;
use valuenet::model::scratch::ScratchSettings;
use valuenet::model::{DialogueModel, LanguageModel};
use valuenet::text::prompt::Layout;
use valuenet::text::prompt::dialogue::Settings;
use valuenet::train::dialogue::sequences;

use crate::support::{assert_fails, device, folder, stderr, stdout, valuenet, write};

/// Conversations about feelings, of two turns each, numbered from `first`.
fn empathetic(first: usize, count: usize) -> String {
    let told = [
        ("proud", "I won a prize with my song", "Well done you must be glad"),
        ("afraid", "I heard a noise in the dark", "Oh no that sounds scary"),
        ("lonely", "I spent the evening alone", "I am sorry call a friend"),
    ];
    let mut text =
        "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags\n".to_string();
    for number in first..first + count {
        let (emotion, situation, reply) = told[number % told.len()];
        let id = format!("hit:{number}_conv:{number}");
        let situation = format!("{situation} {} times.", number % 7);
        text +=
            &format!("{id},1,{emotion},{situation},1,Guess what_comma_ my friend.,5|5|5_5|5|5,\n");
        text += &format!("{id},2,{emotion},{situation},2,{reply}.,5|5|5_5|5|5,\n");
    }
    text
}

/// A folder with the splits, and the run of a classifier with its predictions.
fn data(folder: &Path) -> PathBuf {
    write(folder, "data/train.csv", empathetic(0, 48));
    write(folder, "data/valid.csv", empathetic(100, 12));
    write(folder, "data/test.csv", empathetic(200, 12));
    folder.join("data")
}

fn classifier(folder: &Path, more: &[&str]) -> Output {
    let (data, run) =
        (format!("data.dir={}", folder.join("data").display()), folder.join("emotions"));
    let run = run.display().to_string();
    let first = ["train", "configs/emotion-quickstart.toml", "--set", &data, "-o", &run];
    let short = ["--set", "model.family=linear", "--set", "train.learning_rate=0.5"];
    valuenet(first.iter().chain(&short).chain(more))
}

/// Trains a tiny model to reply, told as `more` says, and returns its perplexity on the test split.
fn perplexity(folder: &Path, name: &str, more: &[&str]) -> Result<f64, Output> {
    let (data, run) = (format!("data.dir={}", folder.join("data").display()), folder.join(name));
    let shown = run.display().to_string();
    let arguments = [
        "train",
        "configs/persona-quickstart.toml",
        "-o",
        &shown,
        "--set",
        &data,
        "--set",
        "data.train=[\"train.csv\"]",
        "--set",
        "data.eval=[\"valid.csv\"]",
        "--set",
        "data.eval_dialogues=0",
        "--set",
        "data.test={test=\"test.csv\"}",
        "--set",
        "dialogue.measure=[\"perplexity\"]",
        "--set",
        "model.scratch.layers=1",
        "--set",
        "model.scratch.hidden_size=32",
        "--set",
        "model.dropout=0.0",
        "--set",
        "train.learning_rate=5e-3",
        "--set",
        "train.epochs=100",
        "--set",
        "train.eval_every=150",
    ];
    let output = valuenet(arguments.iter().chain(more));
    if !output.status.success() {
        return Err(output);
    }
    let report: Json = read_json(&run.join("eval/test.test.json")).unwrap();
    Ok(report["sets"][0]["perplexity"]["per_token"]["value"].as_f64().unwrap())
}

fn conversations(text: &str) -> Vec<Conversation> {
    conversation::read(Path::new("d"), text.as_bytes()).unwrap()
}

#[test]
fn the_emotion_is_one_plain_word_before_the_history_or_is_not_told() {
    let found = conversations(&empathetic(0, 3));
    let texts: Vec<&str> =
        found.iter().flat_map(|one| &one.turns).map(|turn| turn.text.as_str()).collect();
    let all: Vec<&str> = texts.into_iter().chain(["proud afraid lonely"]).collect();
    let size = ScratchSettings { hidden_size: 16, layers: 1, ..ScratchSettings::default() };
    for layout in Layout::ALL {
        let model = |told: bool| {
            let model = LanguageModel::from_scratch(&size, all.iter().copied(), 128, 1, device());
            let settings = Settings { layout, history: 0, max_length: 128 };
            DialogueModel::new(model.unwrap(), settings).unwrap().with_emotions(told)
        };
        let (silent, told) = (model(false), model(true));
        let of = |model: &DialogueModel, one: &Conversation| {
            sequences(model, Path::new("d"), one).unwrap().remove(0)
        };
        let without = Conversation { emotion: None, ..found[0].clone() };
        assert_eq!(of(&silent, &found[0]), of(&told, &without), "{layout:?}");
        let (short, long) = (of(&silent, &found[0]), of(&told, &found[0]));
        let text = told.decode(&long.ids).unwrap();
        assert!(text.find("proud").unwrap() < text.find("uess").unwrap(), "{layout:?}: {text}");
        assert_eq!(text.matches("proud").count(), 1, "{layout:?}: {text}");
        assert_eq!(short.targets(), long.targets(), "{layout:?}: nothing else is to be predicted");
        let folder = folder();
        told.write(folder.path()).unwrap();
        let read = DialogueModel::open(folder.path(), device(), Default::default()).unwrap();
        assert!(read.is_told_emotions(), "a model's folder says what it is told");
    }
}

#[test]
fn emotions_are_gold_predicted_out_of_fold_or_of_another_dialogue() {
    let folder = folder();
    data(folder.path());
    let output = classifier(folder.path(), &["--folds", "2"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let run = folder.path().join("emotions");
    let rows = std::fs::read_to_string(run.join("emotions.jsonl")).unwrap();
    let rows: Vec<Json> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 48 + 12 + 12);
    assert_eq!(rows.iter().filter(|row| row["split"] == "train").count(), 48);
    let right = rows.iter().filter(|row| row["emotion"] == row["gold"]).count();
    assert!(right > 60, "{right} of 72: three situations are easily told apart");
    // What stands there is what the models say that have not learned from the text.
    let of_fold = |fold: usize| {
        let run = run.join(format!("folds/fold-{fold}")).display().to_string();
        let path = run.clone() + "/eval/train.predictions.jsonl";
        valuenet(["eval", &run, "--split", "train"]);
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Json>>()
    };
    let folds = [of_fold(1), of_fold(2)];
    for (place, row) in rows.iter().take(48).enumerate() {
        let says = [&folds[0][place]["predicted"], &folds[1][place]["predicted"]];
        assert!(says.contains(&&row["emotion"]), "{row}");
    }
    let again = classifier(folder.path(), &["--folds", "2", "--resume"]);
    assert!(again.status.success(), "{}", stderr(&again));

    let none = perplexity(folder.path(), "none", &[]).unwrap();
    let gold = perplexity(folder.path(), "gold", &["--set", "dialogue.emotion=gold"]).unwrap();
    let other =
        perplexity(folder.path(), "other", &["--set", "dialogue.emotion=shuffled"]).unwrap();
    let emotions = format!("dialogue.emotions={}", run.display());
    let predicted = ["--set", "dialogue.emotion=predicted", "--set", &emotions];
    let told = perplexity(folder.path(), "told", &predicted).unwrap();
    assert!(gold < none && gold < other && told < none, "{none} {gold} {other} {told}");
    // What was told in training is told in judging: the same figure comes again.
    let shown = folder.path().join("told").display().to_string();
    let report: Json =
        serde_json::from_str(&stdout(&valuenet(["eval", &shown, "--format", "json"]))).unwrap();
    let again = report["sets"][0]["perplexity"]["per_token"]["value"].as_f64().unwrap();
    assert_eq!(again, told);
    let rows = std::fs::read_to_string(run.join("emotions.jsonl")).unwrap();
    write(&run, "emotions.jsonl", rows.replacen("proud", "lonely", 1));
    let output = valuenet(["eval", &shown]);
    let warning = "emotions.jsonl is not the file that the run was made with";
    assert!(stderr(&output).contains(warning), "{}", stderr(&output));
}

#[test]
fn emotions_that_cannot_be_told_are_refused() {
    let folder = folder();
    let data = data(folder.path());
    let refused = |name: &str, more: &[&str], code: i32, says: &[&str]| {
        let output = perplexity(folder.path(), name, more).unwrap_err();
        assert_fails(&output, code, says);
    };
    refused("a", &["--set", "dialogue.emotion=predicted"], 2, &["dialogue.emotions", "--folds 5"]);
    refused("b", &["--set", "dialogue.emotions=runs/a"], 2, &["dialogue.emotion = \"predicted\""]);
    refused("c", &["--set", "dialogue.measure=[]"], 2, &["nothing is to be measured"]);
    let predicted = ["--set", "dialogue.emotion=predicted", "--set"];
    let run = format!("dialogue.emotions={}", folder.path().join("no").display());
    refused("d", &[&predicted[..], &[&run]].concat(), 1, &["this run has predicted nothing"]);
    let row =
        "{\"split\":\"train\",\"id\":\"hit:0_conv:0\",\"emotion\":\"sad\",\"gold\":\"sad\"}\n";
    write(folder.path(), "few/emotions.jsonl", row);
    let run = format!("dialogue.emotions={}", folder.path().join("few").display());
    let says = ["train.csv:4: nothing was predicted of this dialogue's emotion"];
    refused("e", &[&predicted[..], &[&run]].concat(), 3, &says);
    write(folder.path(), "few/emotions.jsonl", "{}\n");
    refused("f", &[&predicted[..], &[&run]].concat(), 3, &["emotions.jsonl:1: not a prediction"]);
    write(&data, "train.csv", "{\"persona\": [], \"utterances\": [\"a\", \"b\"]}\n");
    let says = ["train.csv:1: this dialogue has no emotion"];
    refused("g", &["--set", "dialogue.emotion=gold"], 3, &says);
    let unnamed = ["train", "configs/emotion-quickstart.toml", "--folds", "2", "-o"];
    let run = folder.path().join("unnamed");
    let output = valuenet(unnamed.into_iter().chain([&*run.display().to_string()]));
    assert_fails(&output, 3, &["train.csv:2: this text has no name", "a column `id`"]);
    assert!(!run.exists(), "it is said before anything is trained");
    let output = classifier(folder.path(), &["--folds", "2", "--seeds", "1,2"]);
    assert_eq!(output.status.code(), Some(2));
    let output = valuenet(["train", "configs/persona-quickstart.toml", "--folds", "2", "-o", "no"]);
    assert_fails(&output, 2, &["--folds are for value models and classifiers of emotions"]);
}

#[test]
fn tables_5_and_6_are_made_of_runs_with_and_without() {
    let folder = folder();
    let data = data(folder.path()).display().to_string();
    let made = folder.path().join("made").display().to_string();
    let table_5 = [
        "reproduce",
        "--tables",
        "5",
        "--data",
        &data,
        "-o",
        &made,
        "--seeds",
        "1,2",
        "--rows",
        "emotion-linear,emotion-linear-value",
        "--set",
        "train.epochs=2",
    ];
    assert_fails(&valuenet(table_5), 2, &["emotion-linear-value sees the values", "--values"]);
    let values = crate::support::saved_model(folder.path()).display().to_string();
    let output = valuenet(table_5.iter().chain(&["--values", &values]));
    assert!(output.status.success(), "{}", stderr(&output));
    let table = stdout(&output);
    for says in ["fastText + Value", "42.27 ± 0.3", "what values add", "beyond chance"] {
        assert!(table.contains(says), "\"{says}\" is missing in\n{table}");
    }
    let json: Json = read_json(&Path::new(&made).join("table5.json")).unwrap();
    assert_eq!(json["table5"][1]["gain"]["without"], "fastText");
    assert_eq!(json["table5"][1]["gain"]["seeds"], serde_json::json!([1, 2]));
    let again = valuenet(table_5.iter().chain(&["--values", &values]));
    assert!(stderr(&again).contains("complete already"));

    let made = folder.path().join("replies").display().to_string();
    let set = |text: &str| format!("empathetic-gpt2:{text}");
    let rows = "empathetic-gpt2,empathetic-gpt2-gold";
    let mut table_6: Vec<String> =
        ["reproduce", "--tables", "6", "--data", &data, "-o", &made, "--rows", rows]
            .map(String::from)
            .into();
    for change in [
        "model.base=scratch",
        "model.scratch.layers=1",
        "model.scratch.hidden_size=24",
        "data.train=[\"train.csv\"]",
        "data.eval=[\"valid.csv\"]",
        "data.test={test=\"test.csv\"}",
        "train.max_steps=4",
        "train.eval_every=4",
    ] {
        table_6.extend(["--set".into(), set(change)]);
        table_6.extend(["--set".into(), set(change).replace("gpt2:", "gpt2-gold:")]);
    }
    let output = valuenet(&table_6);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = stdout(&output);
    for says in ["GPT + Emotion (gold)", "14.74", "what the emotion adds to perplexity"] {
        assert!(table.contains(says), "\"{says}\" is missing in\n{table}");
    }
    table_6[8] = "empathetic-gpt2-emotion".into();
    assert_fails(&valuenet(&table_6), 2, &["--emotions RUN"]);
}
