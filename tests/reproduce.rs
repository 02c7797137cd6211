//! The paper's Table 4: ours beside the paper's, and the runs that it is made of.

use std::path::Path;

use serde_json::{Value as Json, json};
use valuenet::disk::read_json;
use valuenet::report::dialogue_evaluation::DialogueReport;
use valuenet::report::dialogue_reproduction::{DialogueEntry, DialogueReproduction};
use valuenet::report::paper::Paper;
use valuenet::report::{Format, render};

use crate::support::{assert_fails, folder, saved_model, stderr, stdout, valuenet};

/// A report with Hits@1 and F1 as shares and perplexity, by the original personas, and by the
/// revised ones with a perplexity higher by 2.
fn report(hits: f64, perplexity: f64, f1: f64) -> DialogueReport {
    let figure = |value: f64| json!({ "value": value, "interval": null });
    let set = |name: &str, perplexity: f64| {
        json!({
            "name": name, "data": "a.jsonl", "dialogues": 1000, "replies": 7801, "cut": 0,
            "perplexity": {
                "dialogues": 1000, "replies": 7801, "tokens": 1, "words": 1, "bytes": 1,
                "per_token": figure(perplexity), "per_word": figure(2.0 * perplexity),
                "bits_per_byte": figure(1.0), "per_reply": figure(1.0),
            },
            "hits": {
                "dialogues": 1000, "replies": 7801, "candidates": 1, "chance": 0.05,
                "mean": figure(hits), "sum": figure(hits), "sum_minus_unconditional": null,
            },
            "generated": {
                "dialogues": 1000, "replies": 7801, "words": 1, "f1": figure(f1),
                "distinct_1": figure(0.1), "distinct_2": figure(0.1), "length": figure(1.0),
                "commonest": figure(0.1), "repeated_4_grams": figure(0.1),
                "persona_3_grams": figure(0.1),
            },
        })
    };
    let sets = [set("test.original", perplexity), set("test.revised", perplexity + 2.0)];
    serde_json::from_value(json!({
        "model": "runs/a", "dtype": "f32", "layout": "gpt2", "history": 5, "decoding": "greedy",
        "bootstrap": null, "sets": sets,
    }))
    .unwrap()
}

fn entries() -> Vec<DialogueEntry> {
    let entry = |row: &str, title: &str, starts_from: Option<&str>, reports| {
        let (row, title) = (row.to_string(), title.to_string());
        DialogueEntry { row, title, starts_from: starts_from.map(String::from), reports }
    };
    let gpt2 = vec![(1, report(0.14, 17.0, 0.18)), (2, report(0.16, 18.0, 0.19))];
    // Another order of the seeds, and one that the row before does not have.
    let value = vec![
        (2, report(0.19, 17.5, 0.195)),
        (1, report(0.16, 16.7, 0.180)),
        (7, report(0.90, 1.0, 0.9)),
    ];
    vec![
        entry("gpt2", "GPT2 (MLE)", None, gpt2),
        entry("gpt2-value", "GPT2 + Value", Some("gpt2"), value),
        entry("smollm2", "SmolLM2 (MLE)", None, vec![(1, report(0.3, 12.0, 0.2))]),
        entry("x-value", "X + Value", Some("x"), vec![(1, report(0.3, 12.0, 0.2))]),
    ]
}

/// The words of the first line that begins with this name, below a line that begins with a title.
fn cells<'a>(text: &'a str, title: &str, name: &str) -> Vec<&'a str> {
    let mut below = text.lines().skip_while(|line| !line.starts_with(title)).skip(1);
    let line = below.find(|line| line.starts_with(name));
    line.unwrap_or_else(|| panic!("{name} is missing in:\n{text}"))[name.len()..]
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect()
}

#[test]
fn table_4_stands_beside_the_papers_with_what_rewards_change_under_the_same_seeds() {
    let (entries, paper) = (entries(), Paper::built_in().unwrap());
    let report = DialogueReproduction { entries: &entries, paper: &paper };
    let text = render(&report, Format::Table).unwrap();
    let original = |name| cells(&text, "Table 4, original", name);
    assert_eq!(
        original("GPT2 (MLE) ×2"),
        ["15.00 ± 1.41", "17.50 ± 0.71", "18.50 ± 0.71", "35.00 ± 1.41"]
    );
    assert_eq!(original("  paper"), ["14.51 ± 0.05", "17.23 ± 0.03", "18.74 ± 0.01", "-"]);
    assert_eq!(original("  difference"), ["+0.49", "+0.27", "-0.24", "-"]);
    assert_eq!(original("SmolLM2 (MLE)"), ["30.00", "12.00", "20.00", "24.00"]);
    let revised = cells(&text, "Table 4, revised", "GPT2 (MLE) ×2");
    assert_eq!(revised[1], "19.50 ± 0.71");
    assert_eq!(cells(&text, "Table 4, revised", "  paper")[1], "20.64 ± 0.11");
    // By seed: 1 from .14 to .16, 2 from .16 to .19; seed 7 has nothing to be held against.
    let gains = "Table 4, original: what learning from rewards changes";
    let gained = cells(&text, gains, "GPT2 + Value ×2");
    assert_eq!(gained, ["+2.50 ± 0.71", "-0.40 ± 0.14", "+0.25 ± 0.35", "-0.80 ± 0.28"]);
    assert_eq!(cells(&text, gains, "  paper"), ["+1.93", "-0.40", "+0.02", "-"]);
    let below = text.split(gains).nth(1).unwrap();
    assert!(!below.contains("X + Value"), "the row that it starts from is not there: {text}");
    assert!(text.contains("\noriginal: 1,000 dialogues, 7,801 replies."), "{text}");
    assert!(text.contains("17.88, is below that of GPT2"), "the paper's own remark: {text}");
    assert!(!text.contains("SEQ2SEQ"), "only what is shown is remarked on: {text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");

    let json: Json = serde_json::from_str(&render(&report, Format::Json).unwrap()).unwrap();
    let row = &json["rows"][0];
    assert_eq!((&row["set"], &row["seeds"]), (&json!("test.original"), &json!([1, 2])));
    assert_eq!(row["paper"]["perplexity"], 17.23);
    assert_eq!(row["paper_sd"]["hits_at_1"], 0.05);
    assert_eq!(json["gains"][0]["seeds"], json!([2, 1]));
    let csv = render(&report, Format::Csv).unwrap();
    let header = "set,row,title,seeds,what,hits_at_1,perplexity,f1,perplexity_per_word\n";
    assert!(csv.starts_with(header), "{csv}");
    assert!(csv.contains("test.original,gpt2,GPT2 (MLE),1 2,mean,15,17.5,18.5,35\n"), "{csv}");
    assert!(csv.contains("test.revised,gpt2,GPT2 (MLE),1 2,paper,10.31,20.64,18.29,\n"), "{csv}");
    assert!(
        render(&report, Format::Markdown).unwrap().contains("| GPT2 (MLE) ×2 | 15.00 ± 1.41 |")
    );
    assert!(render(&report, Format::Latex).unwrap().contains("\\caption{Table 4, original}"));
}

/// Changes that make a training tiny.
const SMALL: [&str; 18] = [
    "data.train=[\"train.txt\"]",
    "data.eval_dialogues=4",
    "model.base=scratch",
    "model.max_length=256",
    "model.scratch.vocabulary_size=400",
    "model.scratch.hidden_size=16",
    "model.scratch.layers=1",
    "model.scratch.heads=2",
    "model.scratch.intermediate_size=32",
    "dialogue.max_new_tokens=6",
    "train.max_steps=2",
    "train.eval_every=1",
    "gpt2-value:reward.k=2",
    "gpt2-value:reward.dialogues=1",
    "gpt2-value:reward.eval_dialogues=2",
    "gpt2-value:reward.max_new_tokens=6",
    "gpt2-value:reward.max_perplexity_rise=100",
    "gpt2-value:reward.max_distinct_fall=100",
];

#[test]
fn table_4_is_reproduced_and_rewards_go_on_from_the_run_by_likelihood() {
    let folder = folder();
    let values = saved_model(folder.path()).display().to_string();
    let runs = folder.path().join("runs");
    let reproduce = |runs: &Path, arguments: &[&str]| {
        let runs = runs.display().to_string();
        let data = "data/dialogues";
        let fixed = ["reproduce", "--tables", "4", "--data", data, "-o", &runs, "--limit", "12"];
        let small = SMALL.iter().flat_map(|change| ["--set", change]);
        valuenet(fixed.into_iter().chain(small).chain(arguments.iter().copied()))
    };

    // A row that learns from rewards alone: the run that it starts from comes first.
    let output = reproduce(&runs, &["--rows", "gpt2-value", "--values", &values]);
    assert!(output.status.success(), "{}", stderr(&output));
    let out = stdout(&output);
    assert!(out.contains("GPT2 + Value ") && !out.contains("GPT2 (MLE) "), "{out}");
    assert!(stderr(&output).contains("it starts from gpt2 · seed 1"), "{}", stderr(&output));
    let of = |row: &str, seed: u64| runs.join(format!("table4/{row}/seed-{seed}"));
    let record = read_json(&of("gpt2-value", 1).join("run.json")).unwrap();
    let config = &record["config"];
    assert_eq!(config["model"]["base"], of("gpt2", 1).display().to_string());
    assert_eq!(config["reward"]["run"], values);
    assert_eq!(config["train"]["learning_rate"], 2e-6);

    let all = ["--rows", "seq2seq,gpt2,gpt2-value", "--values", &values, "--seeds", "1,2"];
    let output = reproduce(&runs, &all);
    assert!(output.status.success(), "{}", stderr(&output));
    // Seed 1 of both, and what either seed of the row with rewards starts from.
    assert_eq!(stderr(&output).matches("complete already").count(), 4, "{}", stderr(&output));
    let out = stdout(&output);
    for told in [
        "Table 4, original",
        "Table 4, revised",
        "SEQ2SEQ-ATTN ×2",
        "GPT2 (MLE) ×2",
        "GPT2 + Value ×2",
        "Table 4, revised: what learning from rewards changes",
        "  difference",
        "12 dialogues, 72 replies",
    ] {
        assert!(out.contains(told), "{told} is missing:\n{out}");
    }
    assert_eq!(std::fs::read_to_string(runs.join("table4.txt")).unwrap(), out);
    let json = read_json(&runs.join("table4.json")).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), 6);
    assert_eq!(json["gains"][1]["seeds"], json!([1, 2]));

    // A report that is missing is made again from its checkpoint; the rest is there.
    let kept = of("gpt2", 2).join("eval/test.revised.json");
    let before = std::fs::read(&kept).unwrap();
    std::fs::remove_file(&kept).unwrap();
    let again = reproduce(&runs, &all);
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(!stderr(&again).contains("plan"), "{}", stderr(&again));
    assert_eq!(stderr(&again).matches("complete already").count(), 7, "{}", stderr(&again));
    assert_eq!(std::fs::read(&kept).unwrap(), before);
    assert_eq!(stdout(&again), out);

    // Another value model is another run; and what starts from a run that failed is not tried.
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let other = other.display().to_string();
    let output = reproduce(&runs, &["--rows", "gpt2-value", "--values", &other]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("another run is here: reward.run was"), "{}", stderr(&output));
    let rows = ["--rows", "gpt2,gpt2-value", "--values", &values];
    let failing = [&rows[..], &["--set", "gpt2:model.base=./none"]].concat();
    let output = reproduce(&folder.path().join("failing"), &failing);
    assert_eq!(output.status.code(), Some(1));
    let err = stderr(&output);
    assert_eq!(err.matches("./none: no such folder").count(), 1, "{err}");
    assert!(err.contains("the run of gpt2 under seed 1, which it starts from, failed"), "{err}");
}

#[test]
fn what_table_4_cannot_be_made_of_is_refused() {
    let folder = folder();
    let runs = folder.path().join("runs").display().to_string();
    let reproduce = |arguments: &[&str]| {
        valuenet(["reproduce", "-o", &runs].into_iter().chain(arguments.iter().copied()))
    };
    let tables = ["--tables", "4"];
    let data = ["--data", "data/dialogues"];
    let four = |arguments: &[&str]| reproduce(&[&tables, &data, arguments].concat());
    assert_fails(&four(&[]), 2, &["gpt2-value learns from the rewards", "--values RUN"]);
    assert_fails(
        &four(&["--rows", "smollm2-value"]),
        2,
        &["smollm2-value learns from", "--values RUN", "--rows"],
    );
    let rows = ["--rows", "gpt2", "--values", "runs/minilm"];
    assert_fails(&four(&rows), 2, &["no row learns from its rewards"]);
    assert_fails(&four(&["--rows", "bert"]), 2, &["the row bert is not of Table 4", "dialogpt"]);
    assert_fails(
        &four(&["--versions", "original", "--rows", "gpt2"]),
        2,
        &["Table 4 has no versions"],
    );
    let elsewhere = ["--tables", "4", "--rows", "gpt2", "--data", "none"];
    assert_fails(&reproduce(&elsewhere), 3, &["no such folder", "--data"]);
    assert_fails(&reproduce(&["--rows", "gpt2"]), 2, &["not of Tables 2 and 3", "distilbert"]);
    let values = ["--rows", "linear", "--values", "runs/minilm"];
    assert_fails(&reproduce(&values), 2, &["--values is for Tables 4 and 5"]);
    assert_fails(&reproduce(&["--tables", "7"]), 2, &["invalid value '7'"]);
    let emotions = ["--tables", "5", "--data", "data/emotions", "--emotions", "runs/emotions"];
    assert_fails(&reproduce(&emotions), 2, &["emotion-distilbert-value sees the values"]);
    let replies = ["--tables", "6", "--data", "data/emotions", "--values", "runs/minilm", "--rows"];
    let replies = [&replies[..], &["empathetic-gpt2"]].concat();
    assert_fails(&reproduce(&replies), 2, &["no row learns from its rewards"]);
}
