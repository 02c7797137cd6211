//! Value models together: several seeds as one, a model that learns from another, and folds.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use valuenet::eval::Bootstrap;
use valuenet::eval::discrimination::Discrimination;
use valuenet::value::{Label, Value};

use crate::support::{assert_fails, config, csv, dataset, folder, samples, scored, stderr, stdout};
use crate::support::{valuenet, write};

/// Trains a tiny model from scratch, and returns the folder of its run or runs.
fn trained(folder: &Path, name: &str, more: &[&str]) -> PathBuf {
    let run = folder.join(name);
    let config = folder.join("config.toml").display().to_string();
    let to = run.display().to_string();
    let output =
        valuenet(["train", &config, "-o", &to].iter().copied().chain(more.iter().copied()));
    assert!(output.status.success(), "{}", stderr(&output));
    run
}

fn read(path: &Path) -> Json {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The columns of a CSV file under these names.
fn columns(path: &Path, names: &[&str]) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().clone();
    let place = |name: &&str| header.iter().position(|column| column == *name).unwrap();
    let places: Vec<usize> = names.iter().map(place).collect();
    reader
        .records()
        .map(|row| places.iter().map(|&at| row.as_ref().unwrap()[at].into()).collect())
        .collect()
}

#[test]
fn runs_under_several_seeds_are_one_model_wherever_a_run_is() {
    let folder = folder();
    let data = dataset(folder.path());
    config(folder.path(), &data, "");
    let joint = ["--set", "model.objective=joint", "--seeds", "1,2,3"];
    let runs = trained(folder.path(), "runs", &joint).display().to_string();
    let output = valuenet(["eval", &runs, "--ensemble", "--bootstrap", "0"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("test · 10 rows"), "{}", stdout(&output));
    let numbers = ["utility", "p_no", "p_unrelated", "p_yes"];
    let of = |path: PathBuf| -> Vec<Vec<f64>> {
        let rows = columns(&path.join("eval/test.predictions.csv"), &numbers);
        rows.iter().map(|row| row.iter().map(|cell| cell.parse().unwrap()).collect()).collect()
    };
    let together = of(runs.clone().into());
    let each = [1, 2, 3].map(|seed| of(Path::new(&runs).join(format!("seed-{seed}"))));
    for (row, found) in together.iter().enumerate() {
        for (column, found) in found.iter().enumerate() {
            let mean = each.iter().map(|rows| rows[row][column]).sum::<f64>() / 3.0;
            assert!((mean - found).abs() < 1e-6, "row {row}, {}", numbers[column]);
        }
        assert!((found[1] + found[2] + found[3] - 1.0).abs() < 1e-6);
        assert!((found[3] - found[1] - found[0]).abs() < 1e-6);
    }

    let texts =
        write(folder.path(), "texts.txt", "we sang\n\nshe won the prize\n").display().to_string();
    let output = valuenet(["infer", &runs, &texts, "--probabilities"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let lines: Vec<Json> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shares = lines[0]["probabilities"]["TRADITION"].as_array().unwrap();
    let shares: Vec<f64> = shares.iter().map(|share| share.as_f64().unwrap()).collect();
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-6);
    let utility = lines[0]["utilities"]["TRADITION"].as_f64().unwrap();
    assert!((shares[2] - shares[0] - utility).abs() < 1e-6);
    assert!(lines[1]["probabilities"].is_null());

    // Runs of other data are no ensemble, nor is one run.
    write(folder.path(), "data/train.csv", csv(&samples(30)));
    trained(folder.path(), "runs/seed-4", &["--set", "model.objective=joint"]);
    let mixed = valuenet(["eval", &runs, "--ensemble"]);
    assert_fails(&mixed, 1, &["seed-4", "other data than"]);
    assert_fails(&valuenet(["infer", &runs, &texts]), 1, &["seed-4", "other data than"]);
    std::fs::remove_dir_all(Path::new(&runs).join("seed-4")).unwrap();
    let rows = write(folder.path(), "rows.csv", csv(&samples(12))).display().to_string();
    let each = stdout(&valuenet(["eval", &runs, "--data", &rows]));
    assert!(each.contains("mean ± sd over seeds 1, 2, 3"), "{each}");
    let one = stdout(&valuenet(["eval", &runs, "--data", &rows, "--ensemble"]));
    assert!(one.contains("data.rows · 12 rows"), "{one}");
    let seed_1 = Path::new(&runs).join("seed-1").display().to_string();
    let output = valuenet(["compare", &runs, &seed_1]);
    assert!(output.status.success(), "{}", stderr(&output));
    let alone = Path::new(&runs).join("seed-1").display().to_string();
    assert_fails(&valuenet(["eval", &alone, "--ensemble"]), 2, &["--ensemble", "several seeds"]);
}

#[test]
fn a_regression_has_no_probabilities() {
    let folder = folder();
    let data = dataset(folder.path());
    config(folder.path(), &data, "");
    let run = trained(folder.path(), "run", &[]).display().to_string();
    let texts = write(folder.path(), "texts.txt", "we sang\n").display().to_string();
    let output = valuenet(["infer", &run, &texts, "--probabilities"]);
    assert_fails(&output, 2, &["gives classes no probabilities", "model.objective=three-class"]);
}

#[test]
fn a_student_learns_what_its_teacher_says() {
    let folder = folder();
    let data = dataset(folder.path());
    config(folder.path(), &data, "learning_rate = 5e-3\n");
    let short = write(folder.path(), "config.toml", {
        let text = std::fs::read_to_string(folder.path().join("config.toml")).unwrap();
        text.replace("learning_rate = 1e-3\n", "").replace("epochs = 2", "epochs = 40")
    });
    assert!(short.is_file());
    let joint = ["--set", "model.objective=joint"];
    let teacher = trained(folder.path(), "teacher", &joint);
    let named = format!("train.teacher={}", teacher.display());
    // The labels say nothing here; the teacher alone says something.
    let all = samples(60);
    let blank: Vec<_> = all[..40]
        .iter()
        .map(|sample| valuenet::data::Sample { label: Label::Unrelated, ..sample.clone() })
        .collect();
    write(folder.path(), "data/train.csv", csv(&blank));
    let accuracy =
        |run: &Path| read(&run.join("eval/test.json"))["slices"][0]["accuracy"].as_f64().unwrap();
    for more in [&["--set", "model.prompt=shared", "--set", "train.teacher_values=all"][..], &[]] {
        let name = format!("student-{}", more.len());
        let with =
            [&["--set", &named, "--set", "train.teacher_weight=1"], &joint[..], more].concat();
        let student = trained(folder.path(), &name, &with);
        let distance = (accuracy(&student) - accuracy(&teacher)).abs();
        assert!(distance < 0.25, "{name}: {} beside {}", accuracy(&student), accuracy(&teacher));
        let roles = read(&student.join("run.json"));
        assert!(roles["data"].as_array().unwrap().iter().any(|file| file["role"] == "teacher"));
    }
    // What it says of the rows is asked once.
    let kept = || std::fs::read_dir(teacher.join("values")).unwrap().count();
    assert_eq!(kept(), 2, "under each row's value, and under all");
    let with = [&["--set", &named, "--set", "train.teacher_weight=1"], &joint[..]].concat();
    let again = trained(folder.path(), "again", &with);
    let weights =
        |run: &Path| std::fs::read(run.join("checkpoints/best/model.safetensors")).unwrap();
    assert!(kept() == 2 && weights(&again) == weights(&folder.path().join("student-0")));
    let occupied = teacher.display().to_string();
    let config = folder.path().join("config.toml").display().to_string();
    let refused = valuenet(["train", &config, "-o", &occupied].iter().chain(&joint));
    assert_fails(&refused, 2, &["is not empty"]);
    assert!(!stderr(&refused).contains("device"), "it is said before anything is done");

    // A training that stops and goes on is the same with all of this.
    let shared = ["--set", "model.prompt=shared", "--set", "train.teacher_values=all"];
    let all = [&["--set", &named, "--set", "train.r_drop=1"], &shared[..], &joint[..]].concat();
    let smooth = [&all[..], &["--set", "train.label_smoothing=0.2"]].concat();
    let whole = trained(folder.path(), "whole", &smooth);
    trained(folder.path(), "parts", &[&smooth[..], &["--stop-after", "7"]].concat());
    let parts = trained(folder.path(), "parts", &[&smooth[..], &["--resume"]].concat());
    let last = |run: &Path| std::fs::read(run.join("checkpoints/last/model.safetensors")).unwrap();
    assert!(last(&whole) == last(&parts));
    let plain = trained(folder.path(), "plain", &all);
    assert!(last(&plain) != last(&whole), "smoothing changes what is learned");
    let without = trained(folder.path(), "without", &joint);
    assert!(
        accuracy(&without) < accuracy(&teacher),
        "{} labels of 0 teach nothing",
        accuracy(&without)
    );

    let regression = trained(folder.path(), "regression", &[]);
    let named = format!("train.teacher={}", regression.display());
    let config = folder.path().join("config.toml").display().to_string();
    let to = folder.path().join("no").display().to_string();
    let fixed = ["train", &config, "-o", &to, "--set", &named, "--set"];
    let refused = valuenet(fixed.iter().chain(&["model.objective=joint"]));
    assert_fails(&refused, 2, &["train.teacher", "gives classes no probabilities"]);
    let refused = valuenet(["train", &config, "-o", &to, "--set", "train.teacher=nowhere"]);
    assert_fails(&refused, 1, &["nowhere", "there is no value model here"]);
    let refused = valuenet(["train", &config, "-o", &to, "--set", "train.teacher_weight=2"]);
    assert_fails(&refused, 2, &["train.teacher_weight", "a share from 0 to 1"]);
    for (set, says) in [
        ("train.teacher_weight=0.7", "no train.teacher to weigh"),
        ("train.teacher_values=all", "no train.teacher to ask"),
        ("model.prompt=rare", "model.prompt"),
    ] {
        assert_fails(&valuenet(["train", &config, "-o", &to, "--set", set]), 2, &[says]);
    }
    let linear = ["--set", "model.family=linear", "--set", "model.prompt=shared"];
    let refused = valuenet(["train", &config, "-o", &to].iter().chain(&linear));
    assert_fails(&refused, 2, &["model.prompt", "with an encoder"]);
    let silent = ["--set", "model.dropout=0.0", "--set", "train.r_drop=1"];
    let refused = valuenet(["train", &config, "-o", &to].iter().chain(&silent));
    assert_fails(&refused, 2, &["train.r_drop", "without dropout"]);
    let card = std::fs::read_to_string(teacher.join("checkpoints/best/README.md")).unwrap();
    assert!(card.contains("logits.softmax(-1) @") && card.contains("model-index:"), "{card}");
    assert!(!card.contains("derived from its base") && !card.contains("base_model"), "{card}");
    let cls = [&joint[..], &["--set", "model.pooling=cls"]].concat();
    let cls = trained(folder.path(), "cls", &cls);
    let card = std::fs::read_to_string(cls.join("checkpoints/best/README.md")).unwrap();
    assert!(!card.contains("In transformers"), "its class there has layers that it lacks: {card}");
    let refused = valuenet(fixed.iter().chain(&["model.family=linear"]));
    assert_fails(&refused, 2, &["train.teacher", "with an encoder"]);
}

#[test]
fn folds_judge_each_text_by_a_model_that_has_not_learned_from_it() {
    let folder = folder();
    let data = dataset(folder.path());
    config(folder.path(), &data, "");
    // Each text under two values.
    let all = samples(60);
    let other = |sample: &valuenet::data::Sample| {
        let value = Value::ALL[(sample.value.index() + 1) % 10];
        let label = Label::ALL[(sample.label.index() + 1) % 3];
        valuenet::data::Sample { value, label, ..sample.clone() }
    };
    let twice: Vec<_> = all[..40].iter().flat_map(|one| [one.clone(), other(one)]).collect();
    write(folder.path(), "data/train.csv", csv(&twice));
    let run = trained(folder.path(), "run", &["--folds", "3"]);
    let report = read(&run.join("folds.json"));
    assert_eq!(report["slices"][0]["rows"], 90, "80 rows of train, 10 of eval, none of test");
    assert!(report["discrimination"]["pairs"].as_u64().unwrap() >= 40);
    let rows = columns(&run.join("folds.predictions.csv"), &["value", "scenario", "label"]);
    let mut found: Vec<String> = rows.iter().map(|row| row.join("|")).collect();
    let expected = twice.iter().chain(&all[40..50]);
    let mut expected: Vec<String> = expected
        .map(|one| format!("{}|{}|{}", one.value, one.scenario, one.label.number()))
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "each row once");
    for fold in 1..=3 {
        let info = read(&run.join(format!("fold-{fold}/run.json")));
        assert_eq!(info["config"]["data"]["fold"], fold);
        assert!(!run.join(format!("fold-{fold}/eval/test.json")).is_file());
    }
    let rows = |fold: usize| -> [u64; 2] {
        let info = read(&run.join(format!("fold-{fold}/run.json")));
        [0, 1].map(|split: usize| info["data"][split]["rows"].as_u64().unwrap())
    };
    let folds = [rows(1), rows(2), rows(3)];
    assert!(folds.iter().all(|[learned, left]| learned + left == 90 && *left > 20), "{folds:?}");
    assert_eq!(folds.iter().map(|[_, left]| left).sum::<u64>(), 90);
    let config = folder.path().join("config.toml").display().to_string();
    let to = run.display().to_string();
    let fixed = ["train", &config, "-o", &to, "--resume", "--folds"];
    let other = valuenet(fixed.iter().chain(&["2"]));
    assert_fails(&other, 2, &["this is not the run in", "data.folds was 3 and is 2"]);
    let other = valuenet(fixed.iter().chain(&["3", "--set", "train.learning_rate=0.5"]));
    assert_fails(&other, 2, &["train.learning_rate was"]);
    let teacher = ["train", &config, "--folds", "2", "--set", "train.teacher=runs/any"];
    assert_fails(&valuenet(teacher), 2, &["train.teacher", "that a fold leaves out"]);
    let one = run.join("fold-1").display().to_string();
    let output = valuenet(["eval", &one, "--split", "eval"]);
    assert_fails(&output, 2, &["one of several folds", "folds.json"]);
    let before = std::fs::read(run.join("folds.json")).unwrap();
    trained(folder.path(), "run", &["--folds", "3", "--resume"]);
    assert_eq!(std::fs::read(run.join("folds.json")).unwrap(), before);
}

#[test]
fn rows_of_one_text_are_learned_from_together() {
    let folder = folder();
    let data = dataset(folder.path());
    config(folder.path(), &data, "");
    let all = samples(60);
    let other = |sample: &valuenet::data::Sample| valuenet::data::Sample {
        value: Value::ALL[(sample.value.index() + 5) % 10],
        label: Label::ALL[2 - sample.label.index()],
        ..sample.clone()
    };
    let twice: Vec<_> = all[..40].iter().flat_map(|one| [one.clone(), other(one)]).collect();
    write(folder.path(), "data/train.csv", csv(&twice));
    let texts: std::collections::HashSet<_> = twice.iter().map(|one| &one.scenario).collect();
    let contrast = ["--set", "train.contrast=2", "--no-test"];
    let run = trained(folder.path(), "run", &contrast);
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let last: Json = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    let steps = 2 * texts.len().div_ceil(4); // two epochs of batches of four texts
    assert_eq!(last["step"].as_u64().unwrap() as usize, steps, "{} texts", texts.len());
    let paused =
        trained(folder.path(), "paused", &[&contrast[..], &["--stop-after", "5"]].concat());
    trained(folder.path(), "paused", &[&contrast[..], &["--resume"]].concat());
    let weights =
        |run: &Path| std::fs::read(run.join("checkpoints/last/model.safetensors")).unwrap();
    assert!(weights(&paused) == weights(&run), "a resumed training is the same");
    let plain = trained(folder.path(), "plain", &["--no-test"]);
    assert!(weights(&plain) != weights(&run));
    // Two passes in place of one, of pairs too.
    let twice = [&contrast[..], &["--set", "train.r_drop=1"]].concat();
    let dropped = trained(folder.path(), "dropped", &twice);
    assert!(weights(&dropped) != weights(&run));
    let config = folder.path().join("config.toml").display().to_string();
    let to = folder.path().join("no").display().to_string();
    let fixed = ["train", &config, "-o", &to, "--set", "train.contrast=1", "--set"];
    let refused = valuenet(fixed.iter().chain(&["model.family=linear"]));
    assert_fails(&refused, 2, &["train.contrast", "with an encoder"]);
    let refused = valuenet(fixed.iter().chain(&["train.label_smoothing=0.1"]));
    assert_fails(&refused, 2, &["train.label_smoothing", "a regression has no classes"]);
    let all = ["train.teacher=any", "--set", "train.teacher_values=all"];
    let refused = valuenet(fixed.iter().chain(&all));
    assert_fails(&refused, 2, &["train.contrast", "leaves no pairs"]);
}

#[test]
fn discrimination_counts_pairs_of_one_text_with_different_labels() {
    let row = |text, value: usize, label, utility| valuenet::eval::Scored {
        text,
        ..scored(Value::ALL[value], label, utility, None)
    };
    let rows = [
        row(0, 0, Label::Yes, 0.9), // above both others
        row(0, 1, Label::No, -0.2),
        row(0, 2, Label::Unrelated, -0.4), // below -1's: wrong
        row(1, 0, Label::Yes, 0.1),
        row(1, 1, Label::Yes, 0.5), // no other label
        row(2, 3, Label::No, 0.3),
        row(2, 4, Label::Yes, 0.3), // equal: one half
        row(3, 3, Label::No, 0.3),
        row(3, 3, Label::Yes, 0.5), // one value twice
    ];
    let found = Discrimination::of(&rows, None).unwrap();
    assert_eq!((found.pairs, found.texts, found.interval), (4, 2, None));
    assert!((found.share - 2.5 / 4.0).abs() < 1e-12);
    let bootstrap = Some(Bootstrap { replicates: 500, seed: 1 });
    let interval = Discrimination::of(&rows, bootstrap).unwrap().interval.unwrap();
    assert!(interval.low <= 0.5 && interval.high >= 2.0 / 3.0 - 1e-9, "{interval:?}");
    assert_eq!(Discrimination::of(&rows[3..5], None), None);
    assert_eq!(Discrimination::of(&[], None), None);
}
