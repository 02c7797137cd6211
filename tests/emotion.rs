//! Classifiers of texts: their files, their training with and without values, what is refused.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use candle_core::{Device, Tensor};
use serde_json::Value as Json;
use valuenet::data::labelled::{LabelSet, LabelledFile};
use valuenet::disk::read_json;

use crate::support::{assert_fails, config, dataset, folder, stderr, stdout, valuenet, write};

/// The quickstart, made short.
const SHORT: [&str; 6] =
    ["--set", "train.epochs=4", "--set", "train.log_every=5", "--set", "model.scratch.layers=1"];

/// Trains the quickstart of emotions into a folder.
fn train(to: &Path, more: &[&str]) -> std::process::Output {
    let to = to.display().to_string();
    let first = ["train", "configs/emotion-quickstart.toml", "-o", &to];
    valuenet(first.iter().chain(&SHORT).chain(more))
}

fn trained(to: &Path, more: &[&str]) {
    let output = train(to, more);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The run of a small value model, which lives as long as the tests.
fn value_run() -> &'static Path {
    static RUN: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
        let folder = folder();
        let data = dataset(folder.path());
        let config = config(folder.path(), &data, "log_every = 5");
        let run = folder.path().join("values");
        let arguments = ["train", &config.display().to_string(), "--no-test", "-o"];
        let output = valuenet(arguments.into_iter().chain([&*run.display().to_string()]));
        assert!(output.status.success(), "{}", stderr(&output));
        (folder, run)
    });
    &RUN.1
}

fn with_values() -> [String; 2] {
    ["--set".into(), format!("values.run={}", value_run().display())]
}

fn tensors(run: &Path, checkpoint: &str) -> BTreeMap<String, Tensor> {
    let path = run.join("checkpoints").join(checkpoint).join("model.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu).unwrap().into_iter().collect()
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn report(run: &Path, name: &str) -> Json {
    read_json(&run.join("eval").join(format!("{name}.json"))).unwrap()
}

const EMPATHETIC: &str = "\
conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags
hit:1_conv:2,1,proud,I built a \"house\"_comma_ alone.,1,Hello.,5|5|5_5|5|5,
hit:1_conv:2,2,proud,I built a \"house\"_comma_ alone.,0,Well done!,5|5|5_5|5|5,
hit:3_conv:4,1,afraid,It was dark.,1,Who is there?,5|5|5_5|5|5,
";

fn gzip(text: &str) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

#[test]
fn labelled_texts_are_read_from_every_kind_of_file() {
    let folder = folder();
    let file = |name: &str, bytes: &[u8]| LabelledFile::read(&write(folder.path(), name, bytes));
    let pairs = |file: &LabelledFile| -> Vec<(String, String)> {
        file.rows.iter().map(|row| (row.label.clone(), row.text.clone())).collect()
    };
    let expected = [
        ("proud".to_string(), "I built a \"house\", alone.".to_string()),
        ("afraid".to_string(), "It was dark.".to_string()),
    ];
    let plain = file("a.csv", EMPATHETIC.as_bytes()).unwrap();
    assert_eq!(pairs(&plain), expected);
    assert_eq!(plain.rows[1].id.as_deref(), Some("hit:3_conv:4"));
    assert_eq!(plain.rows[1].line, 4);
    assert_eq!(pairs(&file("b.csv.gz", &gzip(EMPATHETIC)).unwrap()), expected);
    let columns = "label,text\nproud,\"I built a \"\"house\"\", alone.\"\nafraid, It was dark. \n";
    assert_eq!(pairs(&file("c.csv", columns.as_bytes()).unwrap()), expected);
    assert_eq!(pairs(&file("d.csv.gz", &gzip(columns)).unwrap()), expected);
    let lines = "{\"text\": \"I built a \\\"house\\\", alone.\", \"label\": \"proud\"}\n\
                 {\"text\": \"It was dark.\", \"label\": \"afraid\"}\n";
    assert_eq!(pairs(&file("e.jsonl", lines.as_bytes()).unwrap()), expected);
    assert_eq!(pairs(&file("f.jsonl.gz", &gzip(lines)).unwrap()), expected);
    let dialogues = "{\"emotion\": \"proud\", \"situation\": \"I built a \\\"house\\\", alone.\", \
                     \"utterances\": [\"Hello.\"]}\n{\"emotion\": \"afraid\", \"situation\": \
                     \"It was dark.\", \"utterances\": [\"Who is there?\"]}\n";
    assert_eq!(pairs(&file("g.jsonl", dialogues.as_bytes()).unwrap()), expected);
    let labels = LabelSet::of(&plain).unwrap();
    assert_eq!(labels.names(), ["afraid", "proud"]);
    assert_eq!(plain.classes(&labels).unwrap(), [1, 0]);
}

#[test]
fn files_of_labelled_texts_that_are_wrong_name_their_line() {
    let folder = folder();
    let says = |name: &str, text: &str| {
        let error = LabelledFile::read(&write(folder.path(), name, text)).unwrap_err();
        error.to_string().replace(&folder.path().display().to_string(), "")
    };
    let unknown = EMPATHETIC.replace("afraid", "hungry");
    assert_eq!(
        says("a.csv", &unknown),
        "/a.csv:4: the context \"hungry\" is none of the 32 emotions"
    );
    let gap = EMPATHETIC.replace("conv:2,2,proud", "conv:2,3,proud");
    assert_eq!(says("b.csv", &gap), "/b.csv:3: utterance 3 of hit:1_conv:2, where 2 should be");
    let blank = EMPATHETIC.replace("It was dark.", " ");
    assert_eq!(says("c.csv", &blank), "/c.csv:4: the prompt is blank");
    assert_eq!(says("d.csv", "text,label\na,b\n,c\n"), "/d.csv:3: the text is blank");
    assert_eq!(says("e.csv", "text,label\na,b\nd, \n"), "/e.csv:3: the label is blank");
    assert_eq!(says("f.csv", "text,label\n"), "/f.csv: there is a header, but not one row");
    assert_eq!(
        says("g.csv", "a,label\nb,c\n"),
        "/g.csv:1: there is no column \"text\" (columns: a, label)"
    );
    let silent = "{\"emotion\": \"proud\", \"utterances\": [\"Hello.\"]}\n";
    assert_eq!(says("h.jsonl", silent), "/h.jsonl:1: this conversation has no situation");
    let packed = &gzip(EMPATHETIC)[..40];
    let path = write(folder.path(), "i.csv.gz", packed);
    let error = LabelledFile::read(&path).unwrap_err().to_string();
    assert!(error.contains("i.csv.gz: the file is compressed, and damaged"), "{error}");
    let one = LabelledFile::read(&write(folder.path(), "j.csv", "text,label\na,b\nc,b\n")).unwrap();
    assert!(LabelSet::of(&one).unwrap_err().to_string().contains("all labels are the same"));
}

#[test]
fn a_classifier_learns_is_judged_and_labels_texts() {
    let folder = folder();
    let run = folder.path().join("run");
    trained(&run, &["--set", "train.epochs=12"]);
    let found = report(&run, "test");
    let accuracy = found["accuracy"]["value"].as_f64().unwrap();
    assert!(accuracy > 0.4, "{accuracy}: six labels are guessed in 17%");
    assert_eq!(found["values"], "without values");
    assert!(found["accuracy"]["interval"][0].as_f64().unwrap() < accuracy);

    let shown = run.display().to_string();
    let output = valuenet(["eval", &shown]);
    let but_path = |mut report: Json| {
        report["data"] = Json::Null; // as it is typed, and as the run remembers it
        report
    };
    assert_eq!(but_path(report(&run, "test")), but_path(found.clone()), "judged twice");
    let table = stdout(&output);
    assert!(table.contains("top 3") && table.contains("each label"), "{table}");
    let csv = stdout(&valuenet(["eval", &shown, "--format", "csv"]));
    assert!(csv.starts_with("split,slice,texts,accuracy,accuracy_low"), "{csv}");

    assert_eq!(csv.lines().count(), 2 + 6, "all, and each label");
    let texts = write(folder.path(), "texts.txt", "I ate alone again.\n\nWe danced all night.\n");
    let texts = texts.display().to_string();
    let lines = stdout(&valuenet(["infer", &shown, &texts, "--top-k", "2"]));
    let lines: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    let shares = lines[0]["probabilities"].as_object().unwrap();
    assert_eq!(shares.len(), 2);
    assert_eq!(shares.keys().next().unwrap(), lines[0]["label"].as_str().unwrap());
    assert!(lines[1]["label"].is_null(), "a blank text has no label");
    let csv = stdout(&valuenet(["infer", &shown, &texts, "--top-k", "2", "--format", "csv"]));
    assert!(csv.starts_with("text,label,probability,label_2,probability_2\n"), "{csv}");
    assert_eq!(csv.lines().nth(2), Some(",,,,"));
    let array = valuenet(["infer", &shown, &texts, "--format", "npy"]).stdout;
    assert!(array.windows(6).any(|part| part == b"(3, 6)"), "three texts, six labels");

    let page = folder.path().join("page.html");
    let made = valuenet(["report", &shown, "-o", &page.display().to_string()]);
    assert!(made.status.success(), "{}", stderr(&made));
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("What is taken for what") && page.contains("BERT + Value, paper"));
    let checkpoint = run.join("checkpoints/best").display().to_string();
    let test = ["eval", &checkpoint, "--data", "data/emotions/test.csv", "--format", "json"];
    let again: Json = serde_json::from_str(&stdout(&valuenet(test))).unwrap();
    assert_eq!(again["accuracy"]["value"], found["accuracy"]["value"]);
}

#[test]
fn a_classifier_resumes_exactly_with_and_without_values_frozen_or_not() {
    let values = with_values();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let frozen = ["--set", "emotion.encoder=frozen"];
    let linear = ["--set", "model.family=linear", "--set", "train.learning_rate=0.3"];
    for more in [
        vec![],
        values.clone(),
        [&values[..], &frozen[..]].concat(),
        [&values[..], &linear[..]].concat(),
    ] {
        let folder = folder();
        let (whole, half) = (folder.path().join("whole"), folder.path().join("half"));
        trained(&whole, &[&more[..], &["--no-test"]].concat());
        trained(&half, &[&more[..], &["--no-test", "--stop-after", "23"]].concat());
        trained(&half, &[&more[..], &["--no-test", "--resume"]].concat());
        for (name, tensor) in tensors(&whole, "last") {
            assert_eq!(
                numbers(&tensor),
                numbers(&tensors(&half, "last")[&name]),
                "{more:?} {name}"
            );
        }
    }
}

#[test]
fn a_frozen_encoder_stays_as_it_is_and_its_head_learns() {
    let folder = folder();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let frozen = ["--set", "emotion.encoder=frozen", "--no-test"];
    trained(&one, &[&frozen[..], &["--set", "train.max_steps=1"]].concat());
    trained(&two, &frozen);
    let (before, after) = (tensors(&one, "last"), tensors(&two, "last"));
    for (name, tensor) in &after {
        let is_of_head = name.starts_with("classifier") || name.contains("pooler");
        assert_eq!(numbers(tensor) != numbers(&before[name]), is_of_head, "{name}");
    }
}

#[test]
fn values_stand_beside_a_text_or_what_is_put_in_their_place() {
    let folder = folder();
    let run = |name: &str, more: &[&str]| {
        let path = folder.path().join(name);
        let values = with_values();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        trained(&path, &[&values[..], more].concat());
        path
    };
    let none = folder.path().join("none");
    trained(&none, &[]);
    let with = run("with", &[]);
    let zeros = run("zeros", &["--set", "values.control=zeros"]);
    let shuffled = run("shuffled", &["--set", "values.control=shuffled"]);
    let only = run("only", &["--set", "values.control=only"]);
    let of = |run: &Path| tensors(run, "last")["values.weight"].clone();
    assert_eq!(of(&with).dims(), [6, 10]);
    assert_ne!(numbers(&of(&with)), numbers(&of(&shuffled)));
    // Zeros are no values: what learns beside them is what learns without.
    let plain = tensors(&none, "last");
    for (name, tensor) in tensors(&zeros, "last") {
        if name != "values.weight" {
            assert_eq!(numbers(&tensor), numbers(&plain[&name]), "{name}");
        }
    }
    // Nothing of the words reaches a model of values only: its encoder has learned nothing.
    let start = run("start", &["--set", "values.control=only", "--set", "train.max_steps=1"]);
    let (before, after) = (tensors(&start, "last"), tensors(&only, "last"));
    let words = "bert.embeddings.word_embeddings.weight";
    assert_eq!(numbers(&before[words]), numbers(&after[words]));
    assert_ne!(numbers(&before["values.weight"]), numbers(&after["values.weight"]));
    let said = |run: &Path| report(run, "test")["values"].as_str().unwrap().to_string();
    assert!(said(&shuffled).ends_with("for other texts, a control"));
    assert!(said(&only).ends_with("alone, a control"));

    let kept = std::fs::read_dir(value_run().join("values")).unwrap().count();
    assert_eq!(kept, 1, "what the value model has said is kept, once");
    let paths = [&none, &with].map(|path| path.display().to_string());
    let compared = stdout(&valuenet(["compare", &paths[0], &paths[1]]));
    assert!(compared.contains("McNemar") && compared.contains("top 3"), "{compared}");
    let texts = write(folder.path(), "texts.txt", "I ate alone again.\n").display().to_string();
    let output = valuenet(["infer", &shuffled.display().to_string(), &texts]);
    assert_fails(&output, 1, &["this model is a control"]);
}

#[test]
fn runs_under_several_seeds_are_averaged() {
    let folder = folder();
    let runs = folder.path().join("runs");
    trained(&runs, &["--seeds", "1,2"]);
    let table = stdout(&valuenet(["eval", &runs.display().to_string()]));
    assert!(table.contains("mean ± sd over seeds 1, 2"), "{table}");
    let page = stdout(&valuenet(["report", &runs.display().to_string()]));
    assert!(page.contains("mean ± sd over seeds 1, 2"));
}

#[test]
fn what_no_classifier_could_learn_is_refused_before_it_learns() {
    let folder = folder();
    let run = folder.path().join("run");
    let refused = |more: &[&str], code: i32, says: &[&str]| {
        let output = train(&run, more);
        assert_fails(&output, code, says);
        assert!(!run.exists());
    };
    for name in ["train.csv", "test.csv"] {
        let text = std::fs::read(Path::new("data/emotions").join(name)).unwrap();
        write(folder.path(), &format!("data/{name}"), text);
    }
    write(folder.path(), "data/eval.csv", "text,label\nI ran.,tired\n");
    let data = format!("data.dir={}", folder.path().join("data").display());
    let says = ["eval.csv:2: the label \"tired\" is none of the 6 labels", "afraid, angry"];
    refused(&["--set", &data], 3, &says);
    let missing = ["no/such/run"];
    refused(&["--set", "values.run=no/such/run"], 1, &missing);
    refused(&["--set", "values.control=zeros"], 2, &["missing field `run`"]);
    let of_values =
        ["--set", "task.kind=value", "--set", "values.run=a", "--set", "train.select=mse"];
    refused(&of_values, 2, &["values", "only `task.kind = \"emotion\"` sees values"]);
    refused(
        &["--set", "model.family=linear", "--set", "emotion.encoder=frozen"],
        2,
        &["emotion.encoder"],
    );

    let classifier = folder.path().join("classifier");
    trained(&classifier, &["--no-test"]);
    let values = format!("values.run={}", classifier.display());
    refused(&["--set", &values], 1, &["this is a classifier of texts, and no value model"]);
    let shown = classifier.display().to_string();
    let output = valuenet(["eval", &shown, "--thresholds"]);
    assert_fails(&output, 2, &["--thresholds are for value models"]);
    let output = valuenet(["eval", &shown, "--measure", "hits"]);
    assert_fails(&output, 2, &["--measure and --values are for dialogue models"]);
    let texts = write(folder.path(), "texts.txt", "I ran.\n").display().to_string();
    let values = value_run().display().to_string();
    let output = valuenet(["infer", &values, &texts, "--top-k", "2"]);
    assert_fails(&output, 2, &["--top-k is for classifiers of texts"]);
    let output = valuenet(["infer", &shown, "--radar", "radar.svg"]);
    assert_fails(&output, 2, &["--radar draws value vectors"]);
}

#[test]
fn a_value_model_that_is_another_now_is_refused() {
    let folder = folder();
    let copied = folder.path().join("values");
    copy(value_run(), &copied);
    let run = folder.path().join("run");
    let values = format!("values.run={}", copied.display());
    trained(&run, &["--set", &values, "--no-test"]);
    // Where nothing can be kept, it is said, and nothing else is lost.
    let full = folder.path().join("full");
    copy(value_run(), &full);
    let _ = std::fs::remove_dir_all(full.join("values"));
    write(&full, "values", "no folder");
    let values = format!("values.run={}", full.display());
    let output = train(&folder.path().join("other"), &["--set", &values, "--no-test"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("warning: the values of texts could not be kept"));
    let path = "checkpoints/best/model.safetensors";
    let [a, b] = ["run", "other"].map(|name| std::fs::read(folder.path().join(name).join(path)));
    assert!(a.unwrap() == b.unwrap(), "kept or not, the values are the same");
    // What it has said is kept, and made anew where it is damaged.
    let before = report_of(&run);
    let kept = std::fs::read_dir(copied.join("values")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&kept, "no tensors").unwrap();
    assert_eq!(report_of(&run), before);
    assert!(std::fs::read(&kept).unwrap().len() > 1000);
    let weights = copied.join("checkpoints/best/model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let output = valuenet(["eval", &run.display().to_string()]);
    let what = "this is not the value model that the classifier has learned with";
    assert_fails(&output, 1, &[what, "put it back"]);
}

/// What is found of a run's test split now.
fn report_of(run: &Path) -> Json {
    let output = valuenet(["eval", &run.display().to_string(), "--format", "json"]);
    serde_json::from_str(&stdout(&output)).unwrap_or_else(|_| panic!("{}", stderr(&output)))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let place = to.join(entry.file_name().unwrap());
        match entry.is_dir() {
            true => copy(&entry, &place),
            false => drop(std::fs::copy(&entry, &place).unwrap()),
        }
    }
}

#[test]
fn data_stats_and_check_know_labelled_texts() {
    let folder = folder();
    write(folder.path(), "train.csv.gz", gzip(EMPATHETIC));
    let other = EMPATHETIC.replace("It was dark.", "It was bright.").replace("afraid", "joyful");
    write(folder.path(), "valid.csv", other);
    let shown = folder.path().display().to_string();
    let stats = stdout(&valuenet(["data", "stats", &shown]));
    for says in ["dialogue statistics", "labelled texts", "texts of each label"] {
        assert!(stats.contains(says), "{stats}");
    }
    let output = valuenet(["data", "check", &shown]);
    assert_eq!(output.status.code(), Some(3));
    let check = stdout(&output);
    assert!(check.contains("eval has labels that train has not: joyful"), "{check}");
    let csv = stdout(&valuenet(["data", "stats", &shown, "--format", "csv"]));
    assert!(csv.starts_with("split,label,texts\ntrain,afraid,1\n"), "{csv}");
    let good = valuenet(["data", "check", "data/emotions"]);
    assert!(good.status.success() && stdout(&good).contains("words of a text"));
    let broken = EMPATHETIC.replace(",,", ",");
    write(folder.path(), "valid.csv", broken.replace("5|5|5_5|5|5,\n", "\n"));
    let output = valuenet(["data", "check", &shown]);
    assert_fails(&output, 3, &["valid.csv:2:", "cells"]);
}

#[test]
#[ignore = "needs EMPATHETICDIALOGUES beside VALUENET_DATA"]
fn the_papers_bag_of_words_is_as_good_as_it_says() {
    let place = std::env::var_os("VALUENET_DATA").expect("VALUENET_DATA is not set");
    let data = Path::new(&place).join("../empathetic");
    let count = |name: &str| LabelledFile::read(&data.join(name)).unwrap().rows.len();
    assert_eq!(
        ["train", "valid", "test"].map(|name| count(&format!("{name}.csv.gz"))),
        [19_533, 2_769, 2_546]
    );
    let folder = folder();
    let run = folder.path().join("run");
    let set = format!("data.dir={}", data.display());
    let arguments = ["train", "configs/emotion-linear.toml", "--set", &set, "-o"];
    let output = valuenet(arguments.into_iter().chain([&*run.display().to_string()]));
    assert!(output.status.success(), "{}", stderr(&output));
    let accuracy = report(&run, "test")["accuracy"]["value"].as_f64().unwrap();
    assert!(accuracy > 0.40, "{accuracy}, where the paper has .4227");
}
