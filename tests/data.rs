//! Reading, checking and counting ValueNet files.

use std::path::Path;

use proptest::prelude::*;
use valuenet::data::balance::{Keep, balance};
use valuenet::data::check::check;
use valuenet::data::stats::{stats, tokens};
use valuenet::data::write::with_train_split;
use valuenet::data::{Part, Row, Sample, SampleTable, Split, annotations, augment};
use valuenet::error::Kind;
use valuenet::value::{Label, Value};

use crate::support::{dataset, folder, samples, write};

/// What reading a file of this name and contents gives: its samples, or its first error.
fn read(name: &str, contents: impl AsRef<[u8]>) -> Result<Vec<(u64, Sample)>, String> {
    let folder = folder();
    let path = write(folder.path(), name, contents);
    let shown = |text: String| text.replace(&format!("{}/", folder.path().display()), "");
    match SampleTable::read_strict(&path) {
        Ok(table) => Ok(table.rows.into_iter().map(|row| (row.line, row.sample)).collect()),
        Err(error) => {
            assert_eq!(error.kind(), Kind::Data, "{error}");
            assert!(
                error.advice().is_some() || error.to_string().contains("quote"),
                "no advice: {error}"
            );
            Err(shown(error.to_string()))
        }
    }
}

fn sample(value: Value, scenario: &str, label: Label) -> Sample {
    Sample { value, scenario: scenario.into(), label }
}

#[test]
fn every_shape_of_file_gives_the_same_samples() {
    let expected = vec![
        (2, sample(Value::SelfDirection, "painting my door, twice", Label::Yes)),
        (3, sample(Value::Power, "saying \"no\" [sic]", Label::No)),
        (4, sample(Value::Power, "counting – caf\u{e9}s", Label::Unrelated)),
    ];
    let plain = "scenario,label\n\
        \"[SELF-DIRECTION] painting my door, twice\",1\n\
        \"[POWER] saying \"\"no\"\" [sic]\",-1\n\
        [POWER] counting – caf\u{e9}s,0\n";
    let indexed = ",scenario,label,orig_label\n\
        0,\"[SELF-DIRECTION] painting my door, twice\",1.0,1\n\
        17,\"[POWER] saying \"\"no\"\" [sic]\",-1,0\n\
        18,[POWER] counting – caf\u{e9}s, 0 ,0\n";
    let columns = "value,scenario,label\n\
        self-direction,\"painting my door, twice\",+1\n\
        power,\"saying \"\"no\"\" [sic]\",-1\n\
        Power,counting – caf\u{e9}s,0\n";
    let shapes: [(&str, Vec<u8>); 6] = [
        ("plain", plain.into()),
        ("CRLF", plain.replace('\n', "\r\n").into()),
        ("BOM", format!("\u{feff}{plain}").into()),
        ("no last line end", plain.trim_end().into()),
        ("index column", indexed.into()),
        ("value column", columns.into()),
    ];
    for (name, contents) in shapes {
        assert_eq!(read("train.csv", contents).as_ref(), Ok(&expected), "{name}");
    }
    let named =
        ",uid,scenario,label\n0,3,\"saying \"\"no\"\" [sic]\",-1\n1,9,counting – caf\u{e9}s,0\n";
    let rows: Vec<Sample> =
        read("POWER.csv", named).unwrap().into_iter().map(|(_, sample)| sample).collect();
    assert_eq!(rows, expected[1..].iter().map(|(_, sample)| sample.clone()).collect::<Vec<_>>());
}

#[test]
fn a_bad_row_is_named_by_file_and_line() {
    let head = "scenario,label\n[POWER] fine,1\n";
    let long = format!("train.csv:3: label \"{}\" is not -1, 0 or 1", "9".repeat(30));
    let table: [(&str, Vec<u8>, &str); 13] = [
        ("a label of two", "[POWER] x,2\n".into(), "train.csv:3: label \"2\" is not -1, 0 or 1"),
        ("a half label", "[POWER] x,0.5\n".into(), "train.csv:3: label \"0.5\" is not -1, 0 or 1"),
        ("NaN", "[POWER] x,NaN\n".into(), "train.csv:3: label \"NaN\" is not -1, 0 or 1"),
        ("no label", "[POWER] x,\n".into(), "train.csv:3: the label is empty"),
        ("a word", "[POWER] x,yes\n".into(), "train.csv:3: label \"yes\" is not -1, 0 or 1"),
        ("a large label", format!("[POWER] x,{}\n", "9".repeat(30)).into(), &long),
        (
            "an unknown value",
            "[COURAGE] x,1\n".into(),
            "train.csv:3: \"COURAGE\" is none of the ten values",
        ),
        ("no value", "x,1\n".into(), "train.csv:3: the scenario does not begin with a [VALUE] tag"),
        ("no text", "[POWER]  ,1\n".into(), "train.csv:3: the scenario is empty"),
        ("too few cells", "[POWER] x\n".into(), "train.csv:3: 1 cells, but the header has 2"),
        ("too many cells", "[POWER] x, y,1\n".into(), "train.csv:3: 3 cells, but the header has 2"),
        (
            "an open quote",
            "\"[POWER] x,1\n[POWER] y,1\n".into(),
            "train.csv:3: a quote is opened here and never closed",
        ),
        (
            "Latin-1",
            b"[POWER] caf\xe9,1\n".into(),
            "train.csv:3: the byte 0xe9 in column scenario is not UTF-8",
        ),
    ];
    for (name, line, expected) in table {
        let error = read("train.csv", [head.as_bytes(), &line].concat()).unwrap_err();
        assert!(error.starts_with(expected), "{name}: {error}");
    }
}

#[test]
fn a_file_that_is_wrong_as_a_whole_is_named() {
    let table: [(&str, Vec<u8>, &str); 6] = [
        ("an empty file", "".into(), "train.csv: the file is empty"),
        ("no rows", "scenario,label\n".into(), "train.csv: there is a header, but not one row"),
        (
            "no label column",
            "scenario,lable\nx,1\n".into(),
            "train.csv:1: there is no column \"label\" (columns: scenario, lable)",
        ),
        (
            "no scenario column",
            "text,label\nx,1\n".into(),
            "train.csv:1: there is no column \"scenario\"",
        ),
        ("no header", "[POWER] x,1\n".into(), "train.csv:1: there is no column \"scenario\""),
        ("UTF-16", b"\xff\xfes\0".into(), "train.csv: the file is UTF-16"),
    ];
    for (name, contents, expected) in table {
        let error = read("train.csv", contents).unwrap_err();
        assert!(error.starts_with(expected), "{name}: {error}");
    }
}

#[test]
fn a_value_that_is_said_twice_must_be_the_same() {
    let rows = "value,scenario,label\npower,[POWER] x,1\npower,[SECURITY] y,1\npower,[sic] z,1\n";
    let folder = folder();
    let table = SampleTable::read(&write(folder.path(), "train.csv", rows)).unwrap();
    assert_eq!(table.rows[0].sample, sample(Value::Power, "x", Label::Yes));
    assert_eq!(table.rows[1].sample, sample(Value::Power, "[sic] z", Label::Yes));
    assert_eq!(table.bad[0].what, "the row says POWER, but its text is tagged [SECURITY]");
}

#[test]
fn quoting_faults_do_not_spread_beyond_their_rows() {
    let rows = "scenario,label\n\"[POWER] a\nb\",1\n\"[POWER] c\"d,1\n[POWER] e,0\n";
    let folder = folder();
    let table = SampleTable::read(&write(folder.path(), "train.csv", rows)).unwrap();
    let lines: Vec<u64> = table.rows.iter().map(|row| row.line).collect();
    assert_eq!(lines, [2, 5]);
    assert_eq!(table.bad.len(), 1);
    assert_eq!(table.bad[0].line, 4);
}

#[test]
fn a_scenario_of_any_length_is_read() {
    let long = "word ".repeat(20_000);
    let rows = read("train.csv", format!("scenario,label\n[POWER] {long},1\n")).unwrap();
    assert_eq!(rows[0].1.scenario.len(), long.trim().len());
}

#[test]
fn lines_are_counted_through_blank_lines_and_cells_of_several_lines() {
    for end in ["\n", "\r\n"] {
        let rows = "scenario,label\n\n[POWER] a,1\n\n\n\"[POWER] b\nc\",1\n[POWER] d,0\n"
            .replace('\n', end);
        let lines: Vec<u64> =
            read("train.csv", rows).unwrap().into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [3, 6, 8], "{end:?}");
    }
}

#[test]
fn several_bad_rows_are_counted_in_the_error() {
    let error =
        read("train.csv", "scenario,label\n[POWER] x,2\n[POWER] y,3\n[POWER] z,4\n").unwrap_err();
    assert_eq!(error, "train.csv:2: label \"2\" is not -1, 0 or 1 (and 2 more bad rows)");
}

#[test]
fn splits_are_found_under_all_their_names() {
    for name in ["eval.csv", "valid.csv", "val.csv"] {
        let folder = folder();
        write(folder.path(), name, "scenario,label\n[POWER] x,1\n");
        assert_eq!(Split::Eval.read(folder.path()).unwrap().rows.len(), 1, "{name}");
        let error = Split::Train.read(folder.path()).unwrap_err();
        assert!(error.to_string().contains("there is no train.csv in this folder"), "{error}");
    }
    assert!(
        Split::Train.read(Path::new("no/such")).unwrap_err().to_string().contains("no such folder")
    );
    assert!(Part::read_all(Path::new("no/such")).is_err());
    assert!(Part::read_all(folder().path()).is_err());
}

/// A dataset with a bad row, a duplicate, a conflict, and texts on both sides.
fn flawed(folder: &Path) -> Vec<Part> {
    let train = "scenario,label\n[POWER] one,1\n[POWER] one,1\n[POWER] one,0\n[TRADITION] two,7\n[SECURITY] two,0\n";
    write(folder, "train.csv", train);
    write(folder, "test.csv", "scenario,label\n[POWER] one,1\n[HEDONISM] two,1\n[POWER] three,0\n");
    Part::read_all(folder).unwrap()
}

#[test]
fn a_check_finds_bad_rows_duplicates_conflicts_and_overlaps() {
    let folder = folder();
    let findings = check(&flawed(folder.path()));
    assert_eq!(findings.rows, 7);
    assert_eq!(findings.bad.len(), 1);
    assert_eq!(
        (findings.bad[0].0.line, findings.bad[0].1.as_str()),
        (5, "label \"7\" is not -1, 0 or 1")
    );
    let echo = |echoes: &[valuenet::data::check::RepeatedRow]| {
        (echoes[0].row.line, echoes[0].earlier.line, echoes.len())
    };
    assert_eq!(echo(&findings.duplicates), (3, 2, 1));
    assert_eq!(echo(&findings.conflicts), (4, 2, 1));
    let overlap = &findings.overlaps[0];
    assert_eq!(
        (overlap.part.as_str(), overlap.rows, overlap.texts, overlap.pairs),
        ("test", 3, 2, 1)
    );
}

#[test]
fn tokens_are_lower_cased_words_and_single_marks() {
    assert_eq!(
        tokens("I'm  NOT at Émile's,\tok?!"),
        ["i", "'", "m", "not", "at", "émile", "'", "s", ",", "ok", "?", "!"]
    );
    assert!(tokens(" ").is_empty());
}

#[test]
fn stats_count_each_part_and_all_together() {
    let folder = folder();
    let counted = stats(&flawed(folder.path()));
    let names: Vec<&str> = counted.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["train", "test", "total"]);
    let total = &counted[2];
    assert_eq!((total.samples, total.unique_tokens, total.average_tokens), (7, 3, 1.0));
    assert_eq!(total.labels.of_value(Value::Power), [0, 2, 3]);
    assert_eq!(total.labels.total(), [0, 3, 4]);
}

#[test]
fn the_sample_is_sound_and_has_all_values_and_labels() {
    let parts = Part::read_all(Path::new("data/sample")).unwrap();
    let findings = check(&parts);
    assert!(
        findings.bad.is_empty() && findings.conflicts.is_empty() && findings.duplicates.is_empty()
    );
    assert!(findings.overlaps[1].texts > 0, "the sample shows the leak of the real data");
    for part in &parts {
        let counts = part.label_counts();
        assert!(
            Value::ALL.iter().all(|value| counts.of_value(*value).iter().all(|count| *count > 0))
        );
    }
}

proptest! {
    #[test]
    fn any_text_survives_writing_and_reading(text in "[^\r\u{feff}]{1,60}", value in 0usize..10, label in 0usize..3) {
        let scenario = text.trim();
        prop_assume!(!scenario.is_empty());
        let (value, label) = (Value::ALL[value], Label::ALL[label]);
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["scenario", "label"]).unwrap();
        writer.write_record([format!("{} {scenario}", value.token()), label.number().to_string()]).unwrap();
        let rows = read("train.csv", writer.into_inner().unwrap()).unwrap();
        prop_assert_eq!(&rows[0].1, &sample(value, scenario, label));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = folder();
        let _ = SampleTable::read(&write(folder.path(), "x.csv", &bytes));
        let with_header = [b"scenario,label\n".as_slice(), &bytes].concat();
        let _ = SampleTable::read(&write(folder.path(), "y.csv", with_header));
    }
}

fn rows(samples: Vec<Sample>) -> Vec<Row> {
    samples.into_iter().zip(2..).map(|(sample, line)| Row { line, sample }).collect()
}

#[test]
fn balancing_draws_as_many_rows_as_asked_in_their_order() {
    let all = rows(samples(300));
    let (value, label) = (Value::Power, Label::No);
    let of = |rows: &[Row]| {
        let is_meant = |row: &&Row| row.sample.value == value && row.sample.label == label;
        rows.iter().filter(is_meant).map(|row| row.line).collect::<Vec<u64>>()
    };
    let keep = Keep { value, label, count: 4 };
    let kept = balance(&all, &[keep], 1).unwrap();
    assert_eq!(of(&kept).len(), 4);
    assert_eq!(kept.len(), all.len() - of(&all).len() + 4);
    assert!(kept.windows(2).all(|two| two[0].line < two[1].line));
    assert_eq!(kept, balance(&all, &[keep], 1).unwrap());
    let other_seeds: Vec<_> =
        (2..6).map(|seed| of(&balance(&all, &[keep], seed).unwrap())).collect();
    assert!(other_seeds.iter().any(|lines| *lines != of(&kept)), "{other_seeds:?}");
    let error = balance(&all, &[Keep { count: 4000, ..keep }], 1).unwrap_err();
    assert!(error.to_string().contains("4000 rows of POWER -1"), "{error}");
}

#[test]
fn what_is_to_be_kept_is_read_with_its_faults_named() {
    let keep = Keep { value: Value::SelfDirection, label: Label::No, count: 12 };
    assert_eq!("self-direction:-1=12".parse(), Ok(keep));
    for (text, says) in
        [("POWER", "is not like"), ("POWR:1=2", "none of the ten"), ("POWER:2=3", "not -1, 0 or 1")]
    {
        let error = text.parse::<Keep>().unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}

const ANSWERS: &str = "worker,scenario,value,answer\r\n\
    ann,\"feeding, the cat\",BENEVOLENCE,yes\r\n\
    bob,\"feeding, the cat\",BENEVOLENCE,Yes\r\n\
    cem,\"feeding, the cat\",BENEVOLENCE,not sure\r\n\
    dan,\"feeding, the cat\",BENEVOLENCE,yes\r\n\
    ann,moving out,self-direction,yes\r\n\
    bob,moving out,SELF-DIRECTION,no\r\n\
    cem,moving out,SELF-DIRECTION,unrelated\r\n\
    ann,moving out,POWER,not sure\r\n";

#[test]
fn scenarios_without_agreement_become_neutral_unless_they_are_known() {
    let folder = folder();
    let answers = annotations::read(&[write(folder.path(), "answers.csv", ANSWERS)], None).unwrap();
    let answers = answers.annotations;
    assert_eq!(answers.len(), 8);
    let (agreed, disputed) = annotations::by_agreement(&answers, 3);
    let cat = Sample {
        value: Value::Benevolence,
        scenario: "feeding, the cat".into(),
        label: Label::Yes,
    };
    assert_eq!(agreed, [cat]);
    let moving = |value| (value, "moving out".to_string());
    assert_eq!(disputed, [moving(Value::SelfDirection), moving(Value::Power)]);
    let known = Sample { value: Value::Power, scenario: "moving out".into(), label: Label::Yes };
    let added = augment::neutral(disputed, [known].iter());
    let neutral = Sample {
        value: Value::SelfDirection,
        scenario: "moving out".into(),
        label: Label::Unrelated,
    };
    assert_eq!(added, [neutral]);
}

#[test]
fn a_wrong_annotation_is_named_by_its_line() {
    let folder = folder();
    for (name, text, says) in [
        (
            "a.csv",
            ANSWERS
                .replace("bob,moving out,SELF-DIRECTION,no", "bob,moving out,SELF-DIRECTION,maybe"),
            "a.csv:7: the answer \"maybe\"",
        ),
        ("b.csv", ANSWERS.replace("POWER", "POWR"), "b.csv:9: \"POWR\" is none of the ten values"),
        ("c.csv", ANSWERS.replace("worker", "who"), "c.csv:1: there is no column \"worker\""),
        ("d.csv", ANSWERS.replace(",POWER,not sure", ""), "d.csv:9: 2 cells, but the header has 4"),
        ("e.csv", String::new(), "e.csv: the file is empty"),
    ] {
        let error = annotations::read(&[write(folder.path(), name, text)], None).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_version_of_a_dataset_keeps_eval_and_test_and_reads_as_it_was_written() {
    let folder = folder();
    let data = dataset(folder.path());
    let strange =
        Sample { value: Value::Power, scenario: "\"so, he said\" [sic]".into(), label: Label::Yes };
    let to = folder.path().join("new");
    with_train_split(&to, &data, [&strange].into_iter()).unwrap();
    assert_eq!(Split::Train.read(&to).unwrap().rows[0].sample, strange);
    for split in ["eval.csv", "test.csv"] {
        assert_eq!(
            std::fs::read(to.join(split)).unwrap(),
            std::fs::read(data.join(split)).unwrap()
        );
    }
    let error = with_train_split(&to, &data, [&strange].into_iter()).unwrap_err();
    assert!(error.to_string().ends_with("is not empty"), "{error}");
}
