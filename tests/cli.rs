//! The program as a user meets it: commands, files, messages, exit codes.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use valuenet::disk::read_json;

use crate::support::{
    assert_fails, config, csv, dataset, folder, program, samples, stderr, stdout, valuenet, write,
};

/// A dataset, a configuration and a finished run in a folder of their own.
struct Trained {
    folder: tempfile::TempDir,
}

impl Trained {
    fn new() -> Self {
        let folder = folder();
        let data = dataset(folder.path());
        config(folder.path(), &data, "log_every = 5");
        let trained = Self { folder };
        let output = trained.train(&[]);
        assert!(output.status.success(), "{}", stderr(&output));
        trained
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn train(&self, arguments: &[&str]) -> std::process::Output {
        let (config, run) = (self.path("config.toml"), self.path("run"));
        valuenet(["train", &config, "-o", &run].iter().chain(arguments))
    }

    fn json(&self, name: &str) -> Json {
        read_json(Path::new(&self.path(name))).unwrap()
    }
}

#[test]
fn a_report_on_a_part_of_a_split_does_not_take_the_place_of_the_whole_one() {
    let trained = Trained::new();
    let names = ["run/eval/test.json", "run/checkpoints/best/README.md"];
    let read = || names.map(|name| std::fs::read(trained.path(name)).unwrap());
    let before = read();
    let output = valuenet(["eval", &trained.path("run"), "--limit", "3"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(read(), before);
    assert_eq!(trained.json("run/eval/test.first-3.json")["slices"][0]["rows"], 3);
    let thresholds =
        ["eval", &trained.path("run"), "--split", "eval", "--limit", "3", "--thresholds"];
    assert_fails(&valuenet(thresholds), 2, &["cannot be judged by it"]);
}

#[test]
fn a_training_leaves_a_complete_run_and_reports_the_test_split() {
    let trained = Trained::new();
    let run = |name: &str| trained.folder.path().join("run").join(name);
    for name in [
        "config.toml",
        "run.json",
        "train.log",
        "metrics.jsonl",
        "checkpoints/best/model.safetensors",
        "checkpoints/last/model.safetensors",
        "checkpoints/last/trainer_state.json",
        "eval/test.json",
        "eval/test.predictions.csv",
    ] {
        assert!(run(name).is_file(), "{name}");
    }
    let info = trained.json("run/run.json");
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&info["outcome"], &info["device"], &info["dtype"]),
        (&"finished".into(), &"cpu".into(), &"f32".into())
    );
    assert_eq!(info["data"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&info["data"][0]["rows"], info["data"][0]["sha256"].as_str().unwrap().len()),
        (&40.into(), 64)
    );
    let metrics = std::fs::read_to_string(run("metrics.jsonl")).unwrap();
    let rows: Vec<Json> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.iter().filter(|row| row["event"] == "train").count(), 4);
    assert_eq!(rows.iter().filter(|row| row["event"] == "eval").count(), 2);
    assert!(rows.iter().all(|row| row["step"].is_u64() && row["epoch"].is_f64()));
    let predictions = std::fs::read_to_string(run("eval/test.predictions.csv")).unwrap();
    assert_eq!(predictions.lines().count(), 11);
    assert_eq!(std::fs::read_to_string(run("train.log")).unwrap().lines().count(), rows.len());
}

#[test]
fn eval_says_the_same_as_its_file_in_every_format() {
    let trained = Trained::new();
    let run = trained.path("run");
    let output = valuenet(["eval", &run, "--format", "json"]);
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report, trained.json("run/eval/test.json"));
    assert_eq!(report["slices"][0]["rows"], 10);
    assert_eq!(report["slices"][1]["name"], "unseen");
    for format in ["table", "csv", "markdown"] {
        let output = valuenet(["eval", &run, "--format", format]);
        assert!(output.status.success() && stdout(&output).contains("unseen"), "{format}");
    }
    // Predictions rounded and counted by hand give the report's accuracy.
    let predictions =
        std::fs::read_to_string(trained.path("run/eval/test.predictions.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(predictions.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let right = rows.iter().filter(|row| row[3] == row[5]).count();
    assert_eq!(report["slices"][0]["accuracy"], right as f64 / rows.len() as f64);
    for row in &rows {
        let utility: f64 = row[4].parse().unwrap();
        assert_eq!(row[5].parse::<f64>().unwrap(), utility.round_ties_even());
    }
}

#[test]
fn eval_takes_other_data_and_other_checkpoints() {
    let trained = Trained::new();
    let (run, best) = (trained.path("run"), trained.path("run/checkpoints/best"));
    let other = write(trained.folder.path(), "test.csv", csv(&samples(6)));
    let own = std::fs::read(trained.path("run/eval/test.json")).unwrap();
    let other = other.display().to_string();
    for arguments in [
        vec!["eval", &run, "--data", &other],
        vec!["eval", &best, "--data", &other],
        vec!["eval", &run, "--checkpoint", "last"],
        vec!["eval", &run, "--split", "eval"],
    ] {
        let output = valuenet(&arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    }
    assert!(Path::new(&trained.path("run/eval/data.test.json")).is_file());
    assert_eq!(
        std::fs::read(trained.path("run/eval/test.json")).unwrap(),
        own,
        "the run's own report stays"
    );
    assert!(Path::new(&trained.path("run/eval/test.last.json")).is_file());
    let report = trained.path("report.json");
    assert!(valuenet(["eval", &run, "--format", "json", "-o", &report]).stdout.is_empty());
    assert_eq!(trained.json("report.json"), trained.json("run/eval/test.json"));
    assert_fails(&valuenet(["eval", &best]), 2, &["is a model without data of its own", "--data"]);
}

#[test]
fn eval_says_when_the_runs_data_has_changed_or_gone() {
    let trained = Trained::new();
    let run = trained.path("run");
    write(trained.folder.path(), "data/test.csv", csv(&samples(10)));
    let output = valuenet(["eval", &run]);
    assert!(
        output.status.success()
            && stderr(&output).contains("test.csv is not the file that the run was made with")
    );
    std::fs::remove_file(trained.path("data/train.csv")).unwrap();
    let output = valuenet(["eval", &run]);
    assert!(
        output.status.success() && stderr(&output).contains("no slice of unseen texts"),
        "{}",
        stderr(&output)
    );
    assert!(!stdout(&output).contains("unseen"));
    std::fs::remove_file(trained.path("data/test.csv")).unwrap();
    assert_fails(
        &valuenet(["eval", &run]),
        3,
        &["test.csv: the run's data is no longer there", "--data"],
    );
}

#[test]
fn infer_reads_stdin_files_and_columns() {
    let trained = Trained::new();
    let run = trained.path("run");
    let mut child = program()
        .args(["infer", &run])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all("helping a friend\n\nhurting Ann\n".as_bytes()).unwrap();
    let piped = stdout(&child.wait_with_output().unwrap());
    let rows: Vec<Json> = piped.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    assert!(rows[1]["utilities"].is_null());
    let utilities = rows[0]["utilities"].as_object().unwrap();
    assert_eq!(utilities.keys().next().unwrap(), "SECURITY");
    assert!(utilities.len() == 10 && utilities.values().all(|x| x.as_f64().unwrap().abs() <= 1.0));

    let file = write(trained.folder.path(), "texts.txt", "helping a friend\n\nhurting Ann\n")
        .display()
        .to_string();
    assert_eq!(stdout(&valuenet(["infer", &run, &file])), piped);
    let table =
        write(trained.folder.path(), "t.csv", "id,body\n1,helping a friend\n2,\n3,hurting Ann\n");
    let table = table.display().to_string();
    assert_eq!(stdout(&valuenet(["infer", &run, &table, "--column", "body"])), piped);
    let output = trained.path("vectors.npy");
    assert!(valuenet(["infer", &run, &file, "--format", "npy", "-o", &output]).status.success());
    assert_eq!(candle_core::Tensor::read_npy(&output).unwrap().dims(), [3, 10]);
    assert_eq!(
        valuenet(["infer", &run, &file, "--format", "npy"]).stdout,
        std::fs::read(&output).unwrap()
    );
    let folder = trained.path("run/checkpoints/best");
    assert_eq!(stdout(&valuenet(["infer", &folder, &file])), piped);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let trained = Trained::new();
    let texts = write(trained.folder.path(), "texts.txt", "helping a friend\n".repeat(20_000));
    let mut child = program()
        .args(["infer".as_ref(), trained.folder.path().join("run").as_os_str(), texts.as_os_str()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0u8; 10];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).is_empty(), "{}", stderr(&output));
}

#[test]
fn a_run_is_neither_overwritten_nor_deleted() {
    let trained = Trained::new();
    assert_fails(&trained.train(&[]), 2, &["is not empty", "--resume", "--overwrite"]);
    let before = std::fs::read(trained.path("run/checkpoints/best/model.safetensors")).unwrap();
    let output = trained.train(&["--overwrite", "--seed", "7"]);
    assert!(output.status.success() && stderr(&output).contains("run.1"), "{}", stderr(&output));
    assert_eq!(
        std::fs::read(trained.path("run.1/checkpoints/best/model.safetensors")).unwrap(),
        before
    );
    assert_ne!(
        std::fs::read(trained.path("run/checkpoints/best/model.safetensors")).unwrap(),
        before
    );
    assert_eq!(trained.json("run/run.json")["config"]["train"]["seed"], 7);
}

#[test]
fn a_run_of_before_keys_were_renamed_is_judged_and_resumed() {
    let trained = Trained::new();
    let (config, run, old) =
        (trained.path("config.toml"), trained.path("run"), trained.path("old"));
    assert!(valuenet(["train", &config, "-o", &old, "--stop-after", "7"]).status.success());
    for folder in ["run", "old"] {
        let mut info = trained.json(&format!("{folder}/run.json"));
        info["config"].as_object_mut().unwrap().remove("task").unwrap();
        let text = info.to_string();
        let text = text.replace("\"role\"", "\"split\"").replace("\"max_grad_norm\"", "\"clip\"");
        let text = text.replace("\"gradient_accumulation\"", "\"accumulate\"");
        assert!(["\"split\"", "\"clip\"", "\"accumulate\""].iter().all(|key| text.contains(key)));
        write(trained.folder.path(), &format!("{folder}/run.json"), text);
    }
    let judged = valuenet(["eval", &run]);
    assert!(judged.status.success(), "{}", stderr(&judged));
    let resumed = valuenet(["train", &config, "-o", &old, "--resume"]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let weights = |folder: &str| {
        std::fs::read(trained.path(&format!("{folder}/checkpoints/last/model.safetensors")))
    };
    assert!(weights("run").unwrap() == weights("old").unwrap());
}

#[test]
fn a_stopped_and_resumed_run_is_the_uninterrupted_one() {
    let trained = Trained::new();
    let (config, other) = (trained.path("config.toml"), trained.path("other"));
    let paused = valuenet(["train", &config, "-o", &other, "--stop-after", "7"]);
    assert!(
        paused.status.success()
            && stderr(&paused).contains("stopped after step 7; --resume goes on")
    );
    assert!(paused.stdout.is_empty(), "a run that is not over is not reported");
    assert_eq!(trained.json("other/run.json")["outcome"], "paused");
    let resumed = valuenet(["train", &config, "-o", &other, "--resume"]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    for name in ["best/model.safetensors", "last/model.safetensors", "last/optimizer.safetensors"] {
        let read =
            |run: &str| std::fs::read(trained.path(&format!("{run}/checkpoints/{name}"))).unwrap();
        assert!(read("run") == read("other"), "{name}");
    }
    let rows = |run: &str| {
        let text = std::fs::read_to_string(trained.path(&format!("{run}/metrics.jsonl"))).unwrap();
        let strip = |line: &str| {
            let mut row: Json = serde_json::from_str(line).unwrap();
            row["seconds"] = 0.into();
            row["samples_per_second"] = 0.into();
            row
        };
        text.lines().map(strip).collect::<Vec<_>>()
    };
    assert_eq!(rows("run"), rows("other"));
    let again = valuenet(["train", &config, "-o", &other, "--resume"]);
    assert!(again.status.success(), "a finished run resumes to nothing: {}", stderr(&again));
}

#[test]
fn a_run_in_bfloat16_resumes_exactly_and_says_what_it_is() {
    let trained = Trained::new();
    let (config, whole, halves) =
        (trained.path("config.toml"), trained.path("whole"), trained.path("halves"));
    let train = |run: &str, more: &[&str]| {
        let output = valuenet(
            ["train", &config, "-o", run, "--dtype", "bf16"]
                .into_iter()
                .chain(more.iter().copied()),
        );
        assert!(output.status.success(), "{}", stderr(&output));
    };
    train(&whole, &[]);
    train(&halves, &["--stop-after", "7"]);
    train(&halves, &["--resume"]);
    let weights = |run: &str| {
        std::fs::read(trained.path(&format!("{run}/checkpoints/last/model.safetensors"))).unwrap()
    };
    assert!(weights("whole") == weights("halves"));
    assert!(weights("whole") != weights("run"), "bfloat16 rounds");
    assert_eq!(trained.json("whole/run.json")["dtype"], "bf16");
    assert_fails(&valuenet(["train", &config, "-o", &halves, "--resume"]), 2, &["train.dtype"]);
}

#[test]
fn vectors_do_not_depend_on_the_number_of_threads() {
    let trained = Trained::new();
    let texts = "I helped her.\nI broke the rules.\nWe danced all night.\n";
    let texts = write(trained.folder.path(), "texts.txt", texts).display().to_string();
    let vectors = |threads: &str, dtype: &str| {
        let run = trained.path("run");
        let output = valuenet(["infer", &run, &texts, "--threads", threads, "--dtype", dtype]);
        assert!(output.status.success(), "{}", stderr(&output));
        output.stdout
    };
    for dtype in ["f32", "bf16"] {
        assert!(vectors("1", dtype) == vectors("3", dtype), "{dtype}");
    }
    assert!(vectors("1", "f32") != vectors("1", "bf16"));
}

#[test]
fn resume_refuses_what_has_changed_and_names_it() {
    let trained = Trained::new();
    let same_data = format!("data.dir={:?}", trained.path("./data"));
    let elsewhere = trained.train(&["--resume", "--set", &same_data]);
    assert!(elsewhere.status.success(), "{}", stderr(&elsewhere));
    let changed = trained.train(&["--resume", "--set", "train.learning_rate=0.5"]);
    assert_fails(&changed, 2, &["train.learning_rate was 0.001 and is 0.5"]);
    assert_fails(&trained.train(&["--resume", "--limit", "9"]), 2, &["--limit was none and is 9"]);
    write(trained.folder.path(), "data/train.csv", csv(&samples(41)));
    assert_fails(&trained.train(&["--resume"]), 2, &["train.csv is not the file it was"]);
    let config = trained.path("config.toml");
    let missing = trained.path("none");
    assert_fails(
        &valuenet(["train", &config, "-o", &missing, "--resume"]),
        1,
        &["there is no run here"],
    );
}

#[test]
fn a_setting_with_all_its_digits_is_still_the_same_on_resume() {
    let trained = Trained::new();
    let precise = ["--set", "train.weight_decay=0.36082474226804123", "--overwrite"];
    assert!(trained.train(&precise).status.success());
    let resumed = trained.train(&["--set", "train.weight_decay=0.36082474226804123", "--resume"]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
}

#[test]
fn infer_refuses_a_table_whose_rows_are_not_what_its_header_says() {
    let trained = Trained::new();
    let run = trained.path("run");
    let table =
        write(trained.folder.path(), "t.csv", "id,body\n1,\"helping a friend\n2,hurting Ann\n");
    let table = table.display().to_string();
    for verb in ["infer", "profile", "circle"] {
        let refused = valuenet([verb, &run, &table, "--column", "body"]);
        assert_fails(&refused, 3, &["t.csv:2: a quote is opened here and never closed", "help: "]);
    }
    assert_fails(
        &valuenet(["infer", &run, &table, "--column", "text"]),
        3,
        &["(columns: id, body)"],
    );
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_the_work() {
    let folder = folder();
    let texts = write(folder.path(), "t.txt", "helping a friend\n").display().to_string();
    let nowhere = folder.path().join("none/vectors").display().to_string();
    let here = folder.path().display().to_string();
    // There is no such run: what is said first is what was looked at first.
    for output in [&nowhere, &here] {
        for verb in [
            vec!["infer", "no/run", &texts],
            vec!["eval", "no/run"],
            vec!["compare", "no/a", "no/b"],
        ] {
            let refused = valuenet(verb.iter().copied().chain(["-o", output]));
            assert_fails(&refused, 1, &[output, "cannot write it"]);
        }
        assert_fails(
            &valuenet(["infer", "no/run", &texts, "--radar", output]),
            1,
            &[output, "cannot write it"],
        );
        assert_fails(
            &valuenet(["profile", "no/run", &texts, "--radar", output]),
            1,
            &[output, "cannot write it"],
        );
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let folder = folder();
    let data = dataset(folder.path());
    let config = config(folder.path(), &data, "");
    let run = folder.path().join("run");
    let output = valuenet([
        "train".as_ref(),
        config.as_os_str(),
        "--dry-run".as_ref(),
        "-o".as_ref(),
        run.as_os_str(),
    ]);
    assert!(
        output.status.success() && stderr(&output).contains("plan 20 steps, 10 an epoch"),
        "{}",
        stderr(&output)
    );
    assert!(!run.exists());
}

#[test]
fn limit_takes_the_first_rows_of_each_split() {
    let folder = folder();
    let data = dataset(folder.path());
    let config = config(folder.path(), &data, "");
    let run = folder.path().join("run");
    let output = program()
        .arg("train")
        .args([&config, Path::new("-o"), &run, Path::new("--limit"), Path::new("8")])
        .output()
        .unwrap();
    assert!(stderr(&output).contains("8 train, 8 eval"), "{}", stderr(&output));
    let info = read_json(&run.join("run.json")).unwrap();
    assert_eq!((&info["limit"], &info["data"][2]["rows"]), (&8.into(), &8.into()));
    let report = read_json(&run.join("eval/test.json")).unwrap();
    assert_eq!(report["slices"][0]["rows"], 8);
    let again = valuenet(["eval".as_ref(), run.as_os_str(), "--format".as_ref(), "json".as_ref()]);
    assert_eq!(serde_json::from_slice::<Json>(&again.stdout).unwrap(), report);
}

#[test]
fn quiet_says_nothing_but_results() {
    let trained = Trained::new();
    let output = trained.train(&["--overwrite", "-q"]);
    assert!(output.status.success() && stderr(&output).is_empty(), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("test"));
    let output = trained.train(&["--overwrite", "-q", "--no-test"]);
    assert!(stdout(&output).is_empty());
}

#[test]
fn bad_input_is_named_with_a_hint_and_an_exit_code() {
    let folder = folder();
    let data = dataset(folder.path());
    let config = config(folder.path(), &data, "");
    let run = folder.path().join("run");
    let train = |arguments: &[&str]| {
        program().arg("train").arg(&config).arg("-o").arg(&run).args(arguments).output().unwrap()
    };
    let good = std::fs::read(data.join("train.csv")).unwrap();
    write(&data, "train.csv", "scenario,label\n[POWER] x,2\n");
    assert_fails(
        &train(&[]),
        3,
        &["error: ", "train.csv:2: label \"2\" is not -1, 0 or 1", "help: `valuenet data check`"],
    );
    std::fs::remove_file(data.join("train.csv")).unwrap();
    assert_fails(&train(&[]), 3, &["there is no train.csv in this folder"]);
    write(&data, "train.csv", good);
    assert_fails(
        &train(&["--set", "train.epoch=1"]),
        2,
        &["unknown field `epoch`", "did you mean \"epochs\"?"],
    );
    assert_fails(&train(&["--device", "tpu"]), 2, &["\"tpu\" is no device"]);
    assert_fails(
        &train(&["--set", "model.base=ann/none"]),
        1,
        &["ann/none is not on this machine", "config.json"],
    );
    assert_fails(&train(&["--set", "model.base=./none"]), 1, &["./none: no such folder"]);
    assert_fails(
        &train(&["--set", "model.scratch.heads=3"]),
        2,
        &["model.scratch", "cannot be shared"],
    );
    assert_fails(&train(&["--no-such-flag"]), 2, &["--no-such-flag"]);
    assert_fails(
        &train(&["--set", "train.dtype=fp16"]),
        2,
        &["train.dtype: unknown variant `fp16`", "f32", "bf16"],
    );
    assert_fails(&train(&["--threads", "0"]), 2, &["--threads"]);
    assert_fails(&train(&["--threads", "60000"]), 2, &["--threads"]);
    assert!(!run.exists(), "a refused run leaves nothing behind");
    assert_fails(&valuenet(["train", "no-such.toml"]), 1, &["no-such.toml: cannot read it"]);
    assert_fails(&valuenet(["eval", "no/such"]), 2, &["no/such"]);
    assert_fails(&valuenet(["data", "stats", "no/such"]), 3, &["no/such: no such file or folder"]);
    let base = "tests/fixtures/golden/bert";
    assert_fails(&valuenet(["infer", base, "Cargo.toml"]), 1, &["this is no value model"]);
    assert_fails(&valuenet(["infer", base, "no-such.txt"]), 1, &["no-such.txt: cannot read it"]);
}

#[cfg(not(feature = "cuda"))]
#[test]
fn asking_a_cpu_build_for_cuda_names_the_feature() {
    let output = valuenet(["train", "configs/quickstart.toml", "--device", "cuda:1", "--dry-run"]);
    assert_fails(&output, 2, &["cuda:1: this build has no CUDA", "--features cuda"]);
}

#[test]
fn numbers_without_measure_are_refused_in_words() {
    let seed = valuenet(["train", "configs/quickstart.toml", "--seed", "18446744073709551615"]);
    assert_fails(&seed, 2, &["18446744073709551615 is not in 0..=9223372036854775807"]);
    let bootstrap = valuenet(["eval", "runs/any", "--bootstrap", "1000000000"]);
    assert_fails(&bootstrap, 2, &["1000000000 is not in", "100000"]);
    let nothing = valuenet(["eval", "runs/that/is/not/there"]);
    assert_fails(&nothing, 2, &["runs/that/is/not/there: there is no run and no model here"]);
}

#[test]
fn infer_names_the_line_that_is_not_utf8_and_keeps_what_came_before() {
    let trained = Trained::new();
    let run = trained.path("run");
    let texts =
        write(trained.folder.path(), "texts.txt", b"helping\ncaf\xe9\n").display().to_string();
    let output = valuenet(["infer", &run, &texts]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("texts.txt:2: the byte 0xe9 is not UTF-8"));
    assert_eq!(stdout(&output).lines().count(), 1);
    let target = trained.path("out.jsonl");
    assert_eq!(valuenet(["infer", &run, &texts, "-o", &target]).status.code(), Some(3));
    assert!(!Path::new(&target).exists(), "no half-written file");
}

#[test]
fn data_check_ends_with_the_code_for_bad_data() {
    let folder = folder();
    write(folder.path(), "train.csv", "scenario,label\n[POWER] x,2\n[POWER] y,1\n");
    let path = folder.path().display().to_string();
    let output = valuenet(["data", "check", &path]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stdout(&output).contains("train.csv:2: label \"2\" is not -1, 0 or 1"));
    assert_eq!(valuenet(["data", "check", "data/sample"]).status.code(), Some(0));
    for format in ["table", "json", "csv", "markdown"] {
        assert!(valuenet(["data", "stats", "data/sample", "--format", format]).status.success());
    }
}

#[cfg(unix)]
mod unix {
    use super::*;

    #[test]
    fn results_that_cannot_be_written_are_an_error() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output =
            program().args(["data", "stats", "data/sample"]).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("No space left on device"), "{}", stderr(&output));
    }

    #[test]
    fn an_output_that_cannot_be_made_is_an_error() {
        let trained = Trained::new();
        let (config, below) = (trained.path("config.toml"), trained.path("config.toml/run"));
        assert_fails(
            &valuenet(["train", &config, "-o", &below]),
            1,
            &["config.toml/run: cannot create it"],
        );
        assert_fails(
            &valuenet(["train", &config, "-o", &config]),
            2,
            &["is a file, not a directory"],
        );
        let run = trained.path("run");
        let texts = trained.path("config.toml");
        assert_fails(&valuenet(["infer", &run, &texts, "-o", &below]), 1, &["cannot write it"]);
        assert_fails(&valuenet(["eval", &run, "-o", &below]), 1, &["cannot write it"]);
    }

    #[test]
    fn a_disk_that_fills_up_while_saving_keeps_the_last_checkpoint() {
        let folder = folder();
        let data = dataset(folder.path());
        let config = config(folder.path(), &data, "");
        let shown = |path: &Path| path.display().to_string();
        let (config, run) = (shown(&config), shown(&folder.path().join("run")));
        assert!(valuenet(["train", &config, "-o", &run, "--stop-after", "3"]).status.success());
        let last = Path::new(&run).join("checkpoints/last/model.safetensors");
        let before = std::fs::read(&last).unwrap();
        // No file may become larger than 8 blocks of 512 bytes: the weights do not fit any more.
        let limited = format!(
            "trap '' XFSZ; ulimit -f 8; exec {} train {config} -o {run} --resume",
            env!("CARGO_BIN_EXE_valuenet")
        );
        let output = std::process::Command::new("sh").args(["-c", &limited]).output().unwrap();
        assert_fails(&output, 1, &["has stopped", "cannot write it"]);
        assert_eq!(std::fs::read(&last).unwrap(), before);
        let left: Vec<_> = std::fs::read_dir(Path::new(&run).join("checkpoints"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "last" && name != "best")
            .collect();
        assert!(left.is_empty(), "{left:?}");
        let resumed = valuenet(["train", &config, "-o", &run, "--resume"]);
        assert!(resumed.status.success(), "{}", stderr(&resumed));
    }

    /// A training that takes long enough to be disturbed.
    fn long_training(folder: &Path) -> (String, String) {
        let data = dataset(folder);
        let config = config(folder, &data, "eval_every = 5");
        let text = std::fs::read_to_string(&config).unwrap().replace("epochs = 2", "epochs = 200");
        std::fs::write(&config, text).unwrap();
        (config.display().to_string(), folder.join("run").display().to_string())
    }

    fn send(signal: &str, child: &std::process::Child) {
        let done = std::process::Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(done.success());
    }

    fn wait_for(path: &Path) {
        let begun = Instant::now();
        while !path.exists() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{} does not appear",
                path.display()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn an_interrupt_saves_and_exits_with_130_and_the_run_goes_on() {
        let folder = folder();
        let (config, run) = long_training(folder.path());
        for signal in ["-INT", "-TERM"] {
            let mut command = program();
            command.args(["train", &config, "-o", &run]).stderr(Stdio::piped());
            if signal == "-TERM" {
                command.arg("--resume");
            }
            let child = command.spawn().unwrap();
            wait_for(&Path::new(&run).join("checkpoints/last"));
            std::thread::sleep(Duration::from_millis(300));
            send(signal, &child);
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
            assert!(stderr(&output).contains("--resume goes on"), "{}", stderr(&output));
        }
        let state =
            read_json(&Path::new(&run).join("checkpoints/last/trainer_state.json")).unwrap();
        assert!(state["step"].as_u64().unwrap() > 0);
    }

    #[test]
    fn a_directory_in_use_is_refused() {
        let folder = folder();
        let (config, run) = long_training(folder.path());
        let mut child = program().args(["train", &config, "-o", &run, "-q"]).spawn().unwrap();
        wait_for(&Path::new(&run).join("checkpoints/last"));
        for how in ["--resume", "--overwrite"] {
            let output = valuenet(["train", &config, "-o", &run, how]);
            assert_fails(&output, 1, &["is in use by another process", "-o"]);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_kill_at_any_moment_leaves_a_checkpoint_to_go_on_from() {
        let folder = folder();
        let (config, run) = long_training(folder.path());
        let texts = write(folder.path(), "texts.txt", "helping Ann\n").display().to_string();
        for round in 0..12 {
            let mut command = program();
            command.args(["train", &config, "-o", &run, "-q"]).stderr(Stdio::piped());
            if round > 0 {
                command.arg("--resume");
            }
            let mut child = command.spawn().unwrap();
            wait_for(&Path::new(&run).join("checkpoints/last"));
            std::thread::sleep(Duration::from_millis(30 + 17 * round));
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(
                output.status.code().is_none() || output.status.success(),
                "{}",
                stderr(&output)
            );
            let output = valuenet(["infer", &run, &texts, "--checkpoint", "last"]);
            assert!(output.status.success(), "round {round}: {}", stderr(&output));
        }
        let metrics = std::fs::read_to_string(Path::new(&run).join("metrics.jsonl")).unwrap();
        let steps: Vec<u64> = metrics
            .lines()
            .filter_map(|line| serde_json::from_str::<Json>(line).ok())
            .filter(|row| row["event"] == "eval")
            .map(|row| row["step"].as_u64().unwrap())
            .collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "each evaluation once: {steps:?}");
    }
}

#[test]
fn reproduce_goes_on_after_a_failure_and_computes_nothing_twice() {
    let folder = folder();
    let data = dataset(folder.path());
    let runs = folder.path().join("runs").display().to_string();
    let reproduce = |arguments: &[&str]| {
        let small = [
            "--set=scratch:model.scratch.hidden_size=16",
            "--set=scratch:train.epochs=1",
            "--set=bert:model.base=./none",
        ];
        let data = data.display().to_string();
        let fixed = ["reproduce", "--data", &data, "-o", &runs, "--seeds", "1,2"];
        valuenet(fixed.iter().chain(&small).chain(arguments))
    };
    let output = reproduce(&["--rows", "bert,scratch,linear"]);
    let err = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert_eq!(err.matches("./none: no such folder").count(), 2, "{err}");
    let out = stdout(&output);
    assert!(
        out.contains("Table 2, data")
            && out.contains("fastText ×2")
            && out.contains("from scratch ×2"),
        "{out}"
    );
    let json = read_json(&Path::new(&runs).join("tables.json")).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), 2);
    assert_eq!(json["rows"][1]["seeds"], serde_json::json!([1, 2]));
    assert_eq!(std::fs::read_to_string(Path::new(&runs).join("tables.txt")).unwrap(), out);

    // A report that is missing is made again from its checkpoint; the rest is there.
    let report = Path::new(&runs).join("data/scratch/seed-2/eval/test.json");
    let before = std::fs::read(&report).unwrap();
    std::fs::remove_file(&report).unwrap();
    let again = reproduce(&["--rows", "scratch,linear"]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(stderr(&again).matches("complete already").count(), 3);
    assert!(!stderr(&again).contains("plan"), "{}", stderr(&again));
    assert_eq!(std::fs::read(&report).unwrap(), before);
    assert_eq!(stdout(&again), out);

    // A run that a kill left without an outcome goes on; one it left without a checkpoint begins
    // anew, and the old one is kept.
    let seed = Path::new(&runs).join("data/scratch/seed-1");
    let unfinished = |seed: &Path| {
        let mut record = read_json(&seed.join("run.json")).unwrap();
        record["outcome"] = Json::Null;
        std::fs::write(seed.join("run.json"), record.to_string()).unwrap();
        std::fs::remove_dir_all(seed.join("eval")).unwrap();
    };
    unfinished(&seed);
    let resumed = reproduce(&["--rows", "scratch,linear"]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    assert_eq!(stdout(&resumed), out);
    assert!(!seed.with_file_name("seed-1.1").exists());
    unfinished(&seed);
    std::fs::remove_dir_all(seed.join("checkpoints")).unwrap();
    let anew = reproduce(&["--rows", "scratch,linear"]);
    assert!(anew.status.success(), "{}", stderr(&anew));
    assert_eq!(stdout(&anew), out);
    assert!(seed.with_file_name("seed-1.1").join("run.json").is_file());

    let other = reproduce(&["--rows", "linear", "--set", "train.epochs=2"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(
        stderr(&other).contains("another run is here: train.epochs was 5 and is 2"),
        "{}",
        stderr(&other)
    );
    assert_fails(&reproduce(&["--rows", "gpt"]), 2, &["invalid value 'gpt'", "distilbert"]);
    assert_fails(
        &reproduce(&["--versions", "original"]),
        3,
        &["there is no version original here"],
    );
}

#[test]
fn a_linear_model_is_trained_evaluated_and_used_like_any_other() {
    let folder = folder();
    let data = dataset(folder.path()).display().to_string();
    let run = folder.path().join("run").display().to_string();
    let set = format!("data.dir={data}");
    let output = valuenet([
        "train",
        "configs/linear.toml",
        "-o",
        &run,
        "--set",
        &set,
        "--set",
        "train.epochs=30",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report = valuenet(["eval", &run, "--format", "json"]);
    let report: Json = serde_json::from_str(&stdout(&report)).unwrap();
    assert_eq!(report["class_rule"], "the most probable class; the utility is p(+1) - p(-1)");
    assert!(report["slices"][0]["accuracy"].as_f64().unwrap() > 0.9, "{report}");
    let texts = write(folder.path(), "texts.txt", "helping a friend\nhurting a friend\n")
        .display()
        .to_string();
    let vectors = stdout(&valuenet(["infer", &run, &texts, "--format", "csv"]));
    let power = |line: &str| line.split(',').nth(2).unwrap().parse::<f64>().unwrap();
    let lines: Vec<&str> = vectors.lines().collect();
    assert!(power(lines[1]) > 0.0 && power(lines[2]) < 0.0, "{vectors}");

    let file = Path::new(&run).join("checkpoints/best/config.json");
    let mut damaged = read_json(&file).unwrap();
    damaged["valuenet"]["buckets"] = 0.into();
    std::fs::write(&file, damaged.to_string()).unwrap();
    assert_fails(&valuenet(["infer", &run, &texts]), 1, &["config.json", "buckets"]);
}

#[test]
fn compare_reads_the_predictions_of_runs_and_refuses_other_rows() {
    let (one, other) = (Trained::new(), Trained::new());
    let (a, b) = (one.path("run"), other.path("run"));
    let output = valuenet(["compare", &a, &b]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("accuracy: no difference beyond chance"),
        "{}",
        stdout(&output)
    );
    let json = valuenet(["compare", &a, &b, &b, "--format", "json", "--bootstrap", "100"]);
    assert_eq!(stdout(&json).matches("\"mcnemar\"").count() % 2, 0);
    assert_fails(
        &valuenet(["compare", &a, &b, "--split", "eval"]),
        1,
        &["there are no such predictions", "valuenet eval"],
    );
    let predictions = one.path("run/eval/test.predictions.csv");
    let text = std::fs::read_to_string(&predictions).unwrap();
    let shorter = write(
        one.folder.path(),
        "shorter.csv",
        text.lines().take(5).map(|line| format!("{line}\n")).collect::<String>(),
    );
    let shorter = shorter.display().to_string();
    assert_fails(
        &valuenet(["compare", &a, &shorter]),
        3,
        &["shorter.csv: these are not predictions for the rows of"],
    );
    let damaged = write(one.folder.path(), "damaged.csv", text.replacen(",POWER,", ",POWR,", 1))
        .display()
        .to_string();
    assert_fails(
        &valuenet(["compare", &a, &damaged]),
        3,
        &["damaged.csv:", "this is no prediction"],
    );
    assert_fails(
        &valuenet(["compare", &a, "Cargo.toml"]),
        3,
        &["Cargo.toml: these are no predictions"],
    );
}

#[test]
fn several_seeds_make_a_run_each_and_a_mean() {
    let folder = folder();
    let data = dataset(folder.path());
    let config = config(folder.path(), &data, "log_every = 5").display().to_string();
    let runs = folder.path().join("runs").display().to_string();
    let output = valuenet(["train", &config, "-o", &runs, "--seeds", "1,2", "--tensorboard"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("mean ± sd over seeds 1, 2"), "{}", stdout(&output));
    for seed in ["seed-1", "seed-2"] {
        let run = Path::new(&runs).join(seed);
        assert!(run.join("eval/test.json").is_file());
        assert_eq!(std::fs::read_dir(run.join("tensorboard")).unwrap().count(), 1);
        let card = std::fs::read_to_string(run.join("checkpoints/best/README.md")).unwrap();
        assert!(
            card.starts_with("---\n")
                && card.contains("| all | 10 |")
                && card.contains("## Ethics"),
            "{card}"
        );
    }
    let again = valuenet(["eval", &runs, "--bootstrap", "100"]);
    assert_eq!(stdout(&again), stdout(&output));
    let last = valuenet(["eval", &runs, "--checkpoint", "last"]);
    assert!(last.status.success(), "{}", stderr(&last));
    assert!(Path::new(&runs).join("seed-2/eval/test.last.json").is_file());
    let stopped = folder.path().join("stopped").display().to_string();
    let paused =
        valuenet(["train", &config, "-o", &stopped, "--seeds", "1,2", "--stop-after", "2"]);
    assert!(paused.status.success(), "{}", stderr(&paused));
    assert!(Path::new(&stopped).join("seed-2/run.json").is_file());
    let page = folder.path().join("report.html");
    let report = valuenet(["report", &runs, "-o", &page.display().to_string()]);
    assert!(report.status.success(), "{}", stderr(&report));
    let page = std::fs::read_to_string(page).unwrap();
    assert_eq!(page.matches("<section>").count(), 2);
    assert!(stdout(&valuenet(["report", &runs, "--format", "table"])).contains("seed-2"));
    assert_fails(
        &valuenet(["report", &runs, "--split", "eval"]),
        1,
        &["eval.json: this run has no such report", "valuenet eval"],
    );
}

#[test]
fn seeds_on_several_devices_at_a_time_give_the_runs_they_give_one_by_one() {
    let folder = folder();
    let data = dataset(folder.path());
    let config = config(folder.path(), &data, "log_every = 5").display().to_string();
    let train = |name: &str, devices: &[&str]| {
        let runs = folder.path().join(name).display().to_string();
        let fixed = ["train", &config, "-o", &runs, "--seeds", "1,2,3"];
        let output = valuenet(fixed.iter().chain(devices));
        assert!(output.status.success(), "{}", stderr(&output));
        let weights =
            |seed| Path::new(&runs).join(format!("seed-{seed}/checkpoints/last/model.safetensors"));
        (
            stdout(&output),
            stderr(&output),
            [1, 2, 3].map(|seed| std::fs::read(weights(seed)).unwrap()),
        )
    };
    let (table, _, weights) = train("together", &["--devices", "cpu,cpu"]);
    let (expected, said, one_by_one) = train("one-by-one", &[]);
    assert!(weights == one_by_one, "other weights");
    assert_eq!(table.replace("together", "one-by-one"), expected);
    assert!(said.contains("── seed 3"), "{said}");
    let other = folder.path().join("other").display().to_string();
    let unknown =
        valuenet(["train", &config, "-o", &other, "--seeds", "1,2", "--devices", "cpu,tpu"]);
    assert_fails(&unknown, 2, &["\"tpu\" is no device"]);
    assert!(!Path::new(&other).exists(), "nothing was begun");
    assert_fails(&valuenet(["train", &config, "--devices", "cpu,cpu"]), 2, &["--seeds"]);
}

#[test]
#[cfg(not(feature = "serve"))]
fn a_build_without_the_service_names_its_feature() {
    assert_fails(
        &valuenet(["serve", "runs/x", "--port", "0"]),
        2,
        &["has no service", "--no-default-features"],
    );
}

#[test]
fn speakers_circles_radars_and_thresholds() {
    let trained = Trained::new();
    let (run, svg) = (trained.path("run"), trained.path("radar.svg"));
    let said: String = samples(6).iter().map(|sample| format!("{}\n", sample.scenario)).collect();
    let texts =
        write(trained.folder.path(), "texts.txt", format!("{said}\n")).display().to_string();
    let profile = valuenet(["profile", &run, &texts, "--radar", &svg]);
    assert!(stdout(&profile).starts_with("value profile of 6 texts"), "{}", stderr(&profile));
    assert!(std::fs::read_to_string(&svg).unwrap().contains("evenodd"), "the interval is drawn");
    let vectors = valuenet(["infer", &run, &texts, "--radar", &svg]);
    assert_eq!(stdout(&vectors).lines().count(), 7);
    assert_eq!(std::fs::read_to_string(&svg).unwrap().matches("stroke-linejoin").count(), 6);
    let circle = valuenet(["circle", &run, &texts, "--format", "json"]);
    let circle: Json = serde_json::from_str(&stdout(&circle)).unwrap();
    assert_eq!(circle["correlations"][3][3], 1.0);
    let empty = write(trained.folder.path(), "empty.txt", "\n").display().to_string();
    assert_fails(&valuenet(["profile", &run, &empty]), 3, &["empty.txt: there are too few texts"]);
    assert_fails(
        &valuenet(["circle", &run, &empty]),
        3,
        &["empty.txt: there are too few texts", "three texts"],
    );
    let cut = valuenet(["eval", &run, "--thresholds"]);
    assert!(stdout(&cut).contains("fitted on eval"), "{}", stderr(&cut));
    assert_fails(
        &valuenet(["eval", &run, "--thresholds", "--split", "eval"]),
        2,
        &["fitted on the eval split"],
    );
}

#[test]
fn env_says_what_there_is() {
    let output = stdout(&valuenet(["env", "--threads", "2"]));
    for line in ["valuenet ", "features: ", "device: ", "CPU threads: 2", "bfloat16 on the CPU: "] {
        assert!(
            output.lines().any(|other| other.starts_with(line)),
            "{line} is missing in {output}"
        );
    }
}

#[test]
fn shells_and_manuals_learn_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = valuenet(["completions", shell]);
        assert!(output.status.success(), "{}", stderr(&output));
        let script = stdout(&output);
        for word in ["infer", "ensemble", "keep"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    let folder = folder();
    let to = folder.path().join("man1").display().to_string();
    let output = valuenet(["man", &to]);
    assert!(output.status.success(), "{}", stderr(&output));
    for (page, word) in [
        ("valuenet.1", "reproduce"),
        ("valuenet-infer.1", "probabilities"),
        ("valuenet-data-curate.1", "keywords"),
    ] {
        let text = std::fs::read_to_string(Path::new(&to).join(page)).unwrap();
        assert!(text.contains(word) && text.contains(".TH"), "{page}");
    }
}
