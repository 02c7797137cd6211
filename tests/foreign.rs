//! Other people's files: what pyvalues reads, and the folders and runs of Touché.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use valuenet::data::SampleTable;
use valuenet::report::profiles::foreign::attainment;
use valuenet::value::{Label, ScoredText, Value};

use crate::support::{assert_fails, folder, saved_model, stderr, stdout, valuenet, write};

/// The rows of tab-separated text, cell by cell.
fn cells(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split('\t').map(String::from).collect()).collect()
}

/// Two sentences of 2024's task, and their labels.
fn sentences(folder: &Path) -> PathBuf {
    let place = folder.join("valueeval24");
    std::fs::create_dir(&place).unwrap();
    write(
        &place,
        "sentences.tsv",
        "Text-ID\tSentence-ID\tText\nEN_1\t1\tThe mayor took the praise.\nEN_1\t2\t\"Nobody helped the \"\"poor\"\".\"\n",
    );
    // Humility belongs to none of the ten; the second sentence is torn about tradition.
    let header = "Text-ID\tSentence-ID\tPower: dominance attained\tPower: dominance constrained\tPower: resources attained\tPower: resources constrained\t\
                  Benevolence: caring attained\tBenevolence: caring constrained\tTradition attained\tTradition constrained\tHumility attained\tHumility constrained\n";
    let rows = "EN_1\t2\t0\t0\t0\t0\t0.0\t1.0\t0.5\t0.5\t1\t0\nEN_1\t1\t0.5\t0\t1.0\t0\t0\t0\t0\t0\t0\t0\n";
    write(&place, "labels.tsv", format!("{header}{rows}"));
    place
}

#[test]
fn folders_of_touche_are_read_as_rows_of_the_ten() {
    let folder = folder();
    let place = sentences(folder.path());
    let table = SampleTable::read_strict(&place).unwrap();
    let of = |value: Value| -> Vec<(u64, Label)> {
        let rows = table.rows.iter().filter(|row| row.sample.value == value);
        rows.map(|row| (row.line, row.sample.label)).collect()
    };
    assert_eq!(table.rows.len(), 19, "ten of each, but one that is torn");
    assert_eq!(of(Value::Power), [(2, Label::Yes), (3, Label::Unrelated)]);
    assert_eq!(of(Value::Benevolence), [(2, Label::Unrelated), (3, Label::No)]);
    assert_eq!(of(Value::Tradition), [(2, Label::Unrelated)]);
    assert_eq!(table.rows[10].sample.scenario, "Nobody helped the \"poor\".");
    let csv = folder.path().join("rows.csv").display().to_string();
    let output = valuenet(["data", "convert", &place.display().to_string(), "-o", &csv]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(&csv).unwrap();
    assert!(text.starts_with("scenario,label,Text-ID,Sentence-ID\n"), "{text}");
    let model = saved_model(folder.path()).display().to_string();
    for data in [&csv, &place.display().to_string()] {
        let output = valuenet(["eval", &model, "--data", data, "--format", "json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output).contains("\"rows\": 19"), "{}", stdout(&output));
    }

    let labels = place.join("labels.tsv");
    let text = std::fs::read_to_string(&labels).unwrap();
    for (wrong, says) in [
        (text.replace("0.5\t0.5", "0.5\t2"), "labels.tsv:2: \"2\" in column Tradition constrained"),
        (text.replace("EN_1\t1", "EN_1\t7"), "sentences.tsv:2: "),
        (text.replace("Text-ID", "Text"), "labels.tsv:1: there is no column \"Text-ID\""),
        (
            format!("{text}EN_1\t1{}\n", "\t0".repeat(10)),
            "labels.tsv:4: these labels stand in line 3 too",
        ),
        ("Text-ID\tSentence-ID\tjoy\n".into(), "labels.tsv:1: none of the columns is named after"),
    ] {
        std::fs::write(&labels, wrong).unwrap();
        let error = SampleTable::read_strict(&place).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    std::fs::remove_file(&labels).unwrap();
    assert!(SampleTable::read(&place).unwrap_err().to_string().contains("labels.tsv"));
}

#[test]
fn arguments_of_2023_draw_on_values_or_not() {
    let folder = folder();
    let place = folder.path().join("valueeval23");
    std::fs::create_dir(&place).unwrap();
    for part in ["-training", "-validation"] {
        let arguments = format!(
            "Argument ID\tConclusion\tStance\tPremise\nA{part}\tWe should sail\tin favor of\tThe sea is \"free\" to all\n"
        );
        write(&place, &format!("arguments{part}.tsv"), arguments);
        let labels = format!(
            "Argument ID\tSelf-direction: thought\tSelf-direction: action\tFace\tUniversalism: objectivity\nA{part}\t0\t1\t1\t0\n"
        );
        write(&place, &format!("labels{part}.tsv"), labels);
    }
    let table = SampleTable::read_strict(&place).unwrap();
    assert_eq!(table.rows.len(), 20);
    let yes: Vec<Value> = table
        .rows
        .iter()
        .filter(|row| row.sample.label == Label::Yes)
        .map(|row| row.sample.value)
        .collect();
    assert_eq!(yes, [Value::SelfDirection; 2]);
    let model = saved_model(folder.path()).display().to_string();
    let file = place.join("arguments-training.tsv").display().to_string();
    let run = stdout(&valuenet(["infer", &model, &file, "--to", "touche23"]));
    let rows = cells(&run);
    assert_eq!(
        (rows[0].len(), rows[0][0].as_str(), rows[0][20].as_str()),
        (21, "Argument ID", "Universalism: objectivity")
    );
    assert_eq!(rows[1][0], "A-training");
    assert!(rows[1][1..].iter().all(|cell| cell == "0" || cell == "1"), "{run}");
}

#[test]
fn a_run_for_2024_has_a_score_for_each_part_of_a_value() {
    let folder = folder();
    let place = sentences(folder.path()).join("sentences.tsv").display().to_string();
    let model = saved_model(folder.path()).display().to_string();
    let rows = cells(&stdout(&valuenet(["infer", &model, &place, "--to", "touche24"])));
    assert_eq!((rows.len(), rows[0].len()), (3, 40));
    assert_eq!(
        rows[0][..4],
        [
            "Text-ID",
            "Sentence-ID",
            "Self-direction: thought attained",
            "Self-direction: thought constrained"
        ]
    );
    assert_eq!(rows[2][..2], ["EN_1", "2"]);
    let column = |name: &str| rows[0].iter().position(|it| it == name).unwrap();
    let cell = |name: &str| rows[1][column(name)].parse::<f64>().unwrap();
    assert_eq!(cell("Power: dominance constrained"), cell("Power: resources constrained"));
    assert!(cell("Power: dominance attained") + cell("Power: dominance constrained") > 0.0);
    assert_eq!((cell("Face attained"), cell("Humility constrained")), (0.0, 0.0));
    for (more, says) in [
        (&["--keep", "Text-ID"][..], "takes no --keep"),
        (&["--on-error", "null"], "have no columns for --on-error"),
        (&["--part-rows", "2", "-o", "parts"], "are not written in parts"),
    ] {
        let all =
            ["infer", &model, &place, "--to", "touche24"].into_iter().chain(more.iter().copied());
        assert_fails(&valuenet(all), 2, &[says]);
    }
    let plain = write(folder.path(), "t.csv", "id,text\n1,a\n").display().to_string();
    assert_fails(
        &valuenet(["infer", &model, &plain, "--to", "touche24"]),
        3,
        &["no column \"Text-ID\""],
    );
}

#[test]
fn pyvalues_gets_ids_texts_languages_and_scores() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let table = write(folder.path(), "t.csv", "lang,doc,text\nde,a,\"one\ttwo\"\nen,b,\n")
        .display()
        .to_string();
    let text =
        stdout(&valuenet(["infer", &model, &table, "--to", "pyvalues", "--keep", "doc,lang"]));
    let mut reader = csv::ReaderBuilder::new().delimiter(b'\t').from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(String::from).collect();
    assert_eq!(header.len(), 23);
    assert_eq!(
        header[..5],
        ["ID", "Text", "Language", "Self-direction attained", "Self-direction constrained"]
    );
    assert_eq!(header[21..], ["Universalism attained", "Universalism constrained"]);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!((&rows[0][0], &rows[0][1], &rows[0][2]), ("a", "one\ttwo", "de"));
    assert!(rows[1].iter().skip(3).all(|cell| cell == "0"), "{:?}", rows[1]);
    let lines = write(folder.path(), "t.txt", "a\nb\n").display().to_string();
    let text = stdout(&valuenet(["infer", &model, &lines, "--to", "pyvalues"]));
    let ids: Vec<String> =
        cells(&text).into_iter().map(|row| [&row[0], ":", &row[2]].concat()).collect();
    assert_eq!(ids, ["ID:Language", "1:en", "2:en"]);
}

proptest! {
    /// pyvalues refuses scores that are more than 1 together.
    #[test]
    fn what_is_attained_and_constrained_is_never_more_than_one(a in -20f32..20.0, b in -20f32..20.0, c in -20f32..20.0) {
        let all = a.exp() + b.exp() + c.exp();
        let shares = [a.exp() / all, b.exp() / all, c.exp() / all];
        let row = |probabilities| ScoredText { text: String::new(), profile: Some([b / 20.0; 10]), probabilities };
        let (yes, no) = attainment(&row(Some([shares; 10])), Value::Power);
        prop_assert!(yes >= 0.0 && no >= 0.0 && yes + no <= 1.0);
        prop_assert!((yes - f64::from(shares[2])).abs() < 1e-6 && (no - f64::from(shares[0])).abs() < 1e-6);
        let (yes, no) = attainment(&row(None), Value::Power);
        prop_assert_eq!((yes - no, yes * no), (f64::from(b / 20.0), 0.0));
    }
}
