//! The paper's figures, transcribed: against numbers typed by themselves, against each other, and
//! refused where they are wrong.

use valuenet::report::paper::{COLUMNS, DialogueFigures, Paper, Printed};
use valuenet::value::Value;

const VERSIONS: [&str; 3] = ["original", "balanced", "augmented"];

fn paper() -> Paper {
    Paper::built_in().unwrap()
}

#[test]
fn table_1_has_the_sizes_of_the_splits() {
    let paper = paper();
    for (part, samples, average, unique) in [
        ("train", 16_030, 12.05, 12_452),
        ("valid", 3_206, 12.09, 5_292),
        ("test", 2_138, 12.26, 4_112),
        ("total", 21_374, 12.07, 14_143),
    ] {
        let size = &paper.table1[part];
        assert_eq!(
            (size.samples, size.average_tokens, size.unique_tokens),
            (samples, average, unique)
        );
    }
    let of = |part: &str| paper.table1[part].samples;
    assert_eq!(of("train") + of("valid") + of("test"), of("total"));
}

#[test]
fn table_2_has_eleven_columns_of_five_models_on_three_versions() {
    let paper = paper();
    for version in VERSIONS {
        let titles: Vec<&str> = paper.table2[version].keys().map(String::as_str).collect();
        assert_eq!(titles, ["BART", "BERT", "DistilBERT", "RoBERTa", "fastText"]);
        for (title, figures) in &paper.table2[version] {
            let without =
                if ["BART", "fastText"].contains(&title.as_str()) { "mse" } else { "class_mse" };
            let columns = COLUMNS.iter().map(|(_, key)| *key).filter(|key| *key != without);
            assert!(
                figures.len() == 11 && columns.into_iter().all(|key| figures.contains_key(key)),
                "{title}"
            );
        }
    }
    for (version, title, column, figure) in [
        ("original", "fastText", "recall_no", 0.76),
        ("original", "BERT", "f1_no", 0.73),
        ("original", "DistilBERT", "mse", 0.37),
        ("original", "RoBERTa", "recall_yes", 0.22),
        ("original", "BART", "accuracy", 0.67),
        ("balanced", "fastText", "class_mse", 0.68),
        ("balanced", "BERT", "precision_unrelated", 0.42),
        ("balanced", "BART", "f1_unrelated", 0.75),
        ("augmented", "DistilBERT", "precision_no", 0.79),
        ("augmented", "RoBERTa", "accuracy", 0.61),
        ("augmented", "BART", "class_mse", 0.46),
    ] {
        assert_eq!(paper.table2[version][title][column], figure, "{version} {title} {column}");
    }
    assert_eq!(paper.table2["original"]["RoBERTa"], paper.table2["balanced"]["RoBERTa"]);
}

/// The labels -1, 0 and +1 of the test split, which is the same in all versions.
const TEST_LABELS: [f64; 3] = [1065.0, 685.0, 388.0];

#[test]
fn the_rows_of_table_2_agree_with_themselves_and_the_test_split_but_for_barts() {
    for (version, titles) in &paper().table2 {
        for (title, figures) in titles {
            let of = |name: &str| {
                ["no", "unrelated", "yes"].map(|class| figures[&format!("{name}_{class}")])
            };
            let (f1, precision, recall) = (of("f1"), of("precision"), of("recall"));
            for class in 0..3 {
                let (p, r) = (precision[class], recall[class]);
                let expected = if p + r == 0.0 { 0.0 } else { 2.0 * p * r / (p + r) };
                assert!(
                    (f1[class] - expected).abs() < 0.01,
                    "{version} {title}: F1 of class {class}"
                );
            }
            let right: f64 =
                TEST_LABELS.iter().zip(recall).map(|(rows, recall)| rows * recall).sum();
            let implied = right / TEST_LABELS.iter().sum::<f64>();
            let agrees = (implied - figures["accuracy"]).abs() < 0.01;
            assert_eq!(agrees, title != "BART", "{version} {title}: {implied}");
        }
    }
}

/// The test rows of each value in the order of `Value::ALL`.
const TEST_ROWS: [f64; Value::COUNT] =
    [372.0, 96.0, 89.0, 227.0, 107.0, 33.0, 125.0, 785.0, 172.0, 132.0];

#[test]
fn table_3_comes_to_the_accuracy_of_bert_in_table_2() {
    let paper = paper();
    for version in VERSIONS {
        let bert = &paper.table3[version]["BERT"];
        assert_eq!((paper.table3[version].len(), bert.len()), (1, 10));
        let right = Value::ALL.map(|value| TEST_ROWS[value.index()] * bert[value.name()]);
        let accuracy = right.iter().sum::<f64>() / TEST_ROWS.iter().sum::<f64>();
        assert!(
            (accuracy - paper.table2[version]["BERT"]["accuracy"]).abs() < 0.01,
            "{version} {accuracy}"
        );
    }
    assert_eq!(paper.table3["original"]["BERT"]["POWER"], 0.35);
    assert_eq!(paper.table3["balanced"]["BERT"]["CONFORMITY"], 0.83);
    assert_eq!(paper.table3["augmented"]["BERT"]["SELF-DIRECTION"], 0.48);
}

#[test]
fn table_4_has_six_models_with_the_deviations_of_those_that_were_trained() {
    let shown = |figures: &DialogueFigures| {
        let one = |figure: Option<Printed>| match figure {
            None => "–".into(),
            Some(Printed { mean, sd: None }) => format!("{mean}"),
            Some(Printed { mean, sd: Some(sd) }) => format!("{mean:.2}[{sd:.2}]"),
        };
        [figures.hits1, figures.perplexity, figures.f1].map(one).join("/")
    };
    let rows: Vec<String> = paper()
        .table4
        .iter()
        .map(|row| format!("{}: {} | {}", row.model, shown(&row.original), shown(&row.revised)))
        .collect();
    let expected = [
        "SEQ2SEQ-ATTN: 12.5/35.07/16.82 | 9.8/39.54/15.52",
        "P² Bot: –/15.12/19.77 | –/18.89/19.08",
        "GPT2 (MLE): 14.51[0.05]/17.23[0.03]/18.74[0.01] | 10.31[0.07]/20.64[0.11]/18.29[0.05]",
        "GPT2 + Value: 16.44[0.10]/16.83[0.06]/18.76[0.02] | 12.19[0.03]/19.98[0.06]/17.88[0.05]",
        "DialoGPT (MLE): 20.20[0.04]/14.38[0.05]/20.16[0.04] | 15.80[0.03]/17.35[0.05]/19.08[0.08]",
        "DialoGPT + Value: 20.97[0.08]/13.84[0.03]/20.22[0.01] | 18.83[0.03]/17.01[0.03]/19.79[0.10]",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn table_5_gains_what_value_adds() {
    let rows = paper().table5;
    let accuracies: Vec<(f64, Option<f64>)> =
        rows.iter().map(|row| (row.accuracy.mean, row.accuracy.sd)).collect();
    let expected = [(42.27, 0.3), (41.81, 0.2), (43.98, 0.2), (42.93, 0.1), (45.67, 0.3)];
    assert_eq!(accuracies, expected.map(|(mean, sd)| (mean, Some(sd))));
    let mut gains = 0;
    for row in &rows {
        let Some(gain) = row.gain else { continue };
        let base = row.model.strip_suffix(" + Value").unwrap();
        let base = rows.iter().find(|row| row.model == base).unwrap();
        assert!((row.accuracy.mean - base.accuracy.mean - gain).abs() < 1e-9, "{}", row.model);
        gains += 1;
    }
    assert_eq!(gains, 2);
}

#[test]
fn table_6_has_seven_perplexities() {
    let rows: Vec<(String, f64)> =
        paper().table6.into_iter().map(|row| (row.model, row.perplexity)).collect();
    let expected = [
        ("EmoPrepend-1", 24.30),
        ("GPT", 14.74),
        ("GPT + Emotion (w/o Value)", 14.46),
        ("GPT + Emotion (w/ Value)", 14.01),
        ("DialoGPT", 13.48),
        ("DialoGPT + Emotion (w/o Value)", 12.32),
        ("DialoGPT + Emotion (w/ Value)", 12.12),
    ];
    assert_eq!(rows, expected.map(|(model, figure)| (model.to_string(), figure)));
}

#[test]
fn figures_are_refused_under_names_that_no_table_has_and_where_no_measure_can_be() {
    let with = |table2: &str| {
        format!(r#"{{"source": "", "table2": {{"original": {{"BERT": {table2}}}}}}}"#)
    };
    assert!(Paper::parse(&with(r#"{"f1_yes": 1.0, "mse": 4}"#)).is_ok());
    let emotion = r#"{"table5": [{"model": "BERT", "accuracy": {"mean": 42, "sd": SD}}]}"#;
    assert!(Paper::parse(&emotion.replace("SD", "0")).is_ok());
    for (json, says) in [
        (with(r#"{"f2_yes": 0.5}"#), "table2: \"f2_yes\" is no column of that table"),
        (with(r#"{"accuracy": 61}"#), "table2: 61 is not from 0 to 1"),
        (with(r#"{"mse": 4.1}"#), "table2: 4.1 is not from 0 to 4"),
        (r#"{"table3": {"original": {"BERT": {"SEC": 0.5}}}}"#.into(), "table3: \"SEC\" is no column"),
        (r#"{"table7": []}"#.into(), "unknown field `table7`"),
        (
            r#"{"table1": {"dev": {"samples": 1, "average_tokens": 1, "unique_tokens": 1}}}"#.into(),
            "table1: \"dev\" is no part (train, valid, test, total)",
        ),
        (
            r#"{"table4": [{"model": "GPT2", "original": {"hits": {"mean": 3}}, "revised": {}}]}"#.into(),
            "unknown field `hits`",
        ),
        (
            r#"{"table4": [{"model": "GPT2", "original": {"perplexity": {"mean": 0.9}}, "revised": {}}]}"#
                .into(),
            "table4: 0.9 is less than 1",
        ),
        (emotion.replace("SD", "-0.1"), "table5: -0.1 is less than 0"),
        (r#"{"table6": [{"model": "GPT", "ppl": 3}]}"#.into(), "unknown field `ppl`"),
        (r#"{"notes": [{"table": 9, "rows": [], "text": "?"}]}"#.into(), "notes: there is no table 9"),
    ] {
        let error = Paper::parse(&json).unwrap_err();
        assert!(error.contains(says), "{json}: {error}");
    }
}

#[test]
fn remarks_come_with_the_rows_that_they_are_on() {
    let paper = paper();
    let notes = |rows: &[&str]| paper.notes_on(2, rows).count();
    assert_eq!(
        [notes(&[]), notes(&["BERT"]), notes(&["BART"]), notes(&["RoBERTa", "BART"])],
        [0, 0, 1, 2]
    );
    for note in &paper.notes {
        let titles: Vec<&str> = match note.table {
            2 => paper.table2["original"].keys().map(String::as_str).collect(),
            4 => paper.table4.iter().map(|row| row.model.as_str()).collect(),
            _ => Vec::new(),
        };
        assert!(note.rows.iter().all(|row| titles.contains(&row.as_str())), "{note:?}");
    }
}
