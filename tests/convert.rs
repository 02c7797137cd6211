//! A dataset from one shape to another and back.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use valuenet::data::convert::{LineEnd, Shape, convert};
use valuenet::data::{Part, Sample, SampleTable, Split};
use valuenet::value::{Label, Value};

use crate::support::{
    assert_fails, csv, dataset, folder, samples, stderr, stdout, valuenet, write,
};

fn to(from: &Path, to: PathBuf, shape: Option<Shape>) -> PathBuf {
    convert(from, &to, shape, LineEnd::Lf).unwrap();
    to
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// A published file in miniature: CRLF, quotes, commas, non-ASCII letters, blanks at both ends,
/// tags in the text, line ends.
const STRANGE: &str = "scenario,label\r\n\
    \"[SELF-DIRECTION] painting my door, twice\",1\r\n\
    \"[POWER] saying \"\"no\"\" [sic]\",-1\r\n\
    [POWER] counting – cafés ,0\r\n\
    [POWER]   [SECURITY] is not my tag,0\r\n\
    [TRADITION] [TRADITION] twice,1\r\n\
    \"[HEDONISM] one\r\ntwo\nthree\rfour\",1\r\n\
    [POWER] 12,0\r\n\
    [POWER] null,0\r\n";

#[test]
fn every_shape_of_file_leads_back_to_the_same_bytes() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let original = write(folder.path(), "train.csv", STRANGE);
    for (name, shape) in [
        ("a.csv", Some(Shape::Columns)),
        ("b.csv", None),
        ("c.jsonl", None),
        ("d.ndjson", Some(Shape::Jsonl)),
        ("e.parquet", None),
    ] {
        let there = to(&original, at(name), shape);
        convert(&there, &at("back.csv"), None, LineEnd::CrLf).unwrap();
        assert_eq!(bytes(&at("back.csv")), STRANGE.as_bytes(), "{name}");
        assert_eq!(SampleTable::read_strict(&there).unwrap().rows.len(), 8, "{name}");
    }
    let jsonl = std::fs::read_to_string(at("c.jsonl")).unwrap();
    assert_eq!(
        jsonl.lines().next().unwrap(),
        r#"{"value":"SELF-DIRECTION","scenario":"painting my door, twice","label":1}"#
    );
}

#[test]
fn files_for_each_value_keep_their_numbers_and_other_columns() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let power = ",uid,scenario,label\r\n0,007,\"one, two\",1\r\n1,8,[TRADITION] is not mine,-1\r\n";
    let security = ",uid,scenario,label\r\n0,9,three,0\r\n";
    write(folder.path(), "values/POWER.csv", power.replace("[TRADITION]", "[POWER] [TRADITION]"));
    write(folder.path(), "values/SECURITY.csv", security);
    for name in ["all.jsonl", "all.parquet", "all.csv"] {
        let there = to(&at("values"), at(name), None);
        let back = at(&format!("back-{}", name.replace('.', "-")));
        let written = convert(&there, &back, Some(Shape::PerValue), LineEnd::CrLf).unwrap();
        assert_eq!(written.iter().map(|file| file.rows).collect::<Vec<_>>(), [1, 2]);
        for file in ["POWER.csv", "SECURITY.csv"] {
            assert_eq!(bytes(&back.join(file)), bytes(&at("values").join(file)), "{name} {file}");
        }
    }
    let first = std::fs::read_to_string(at("all.jsonl")).unwrap();
    let first = first.lines().nth(1).unwrap();
    assert_eq!(first, r#"{"value":"POWER","scenario":"one, two","label":1,"uid":"007"}"#);
}

#[test]
fn an_unnamed_column_that_does_not_count_rows_is_kept() {
    let folder = folder();
    let rows = ",scenario,label,orig_label\n17,[POWER] x,1,0\n3,[POWER] y,0,\n";
    let original = write(folder.path(), "train.csv", rows);
    let there = to(&original, folder.path().join("a.jsonl"), None);
    let back = to(&there, folder.path().join("b.csv"), None);
    let expected = "scenario,label,index,orig_label\n[POWER] x,1,17,0\n[POWER] y,0,3,\n";
    assert_eq!(bytes(&back), expected.as_bytes());
}

#[test]
fn a_folder_of_splits_is_a_dataset_in_every_shape() {
    let folder = folder();
    let data = dataset(folder.path());
    let labels: Vec<_> = Part::read_all(&data).unwrap().iter().map(Part::label_counts).collect();
    for shape in [Shape::Tagged, Shape::Columns, Shape::Jsonl, Shape::Parquet] {
        let there = to(&data, folder.path().join(shape.name()), Some(shape));
        let read = Part::read_all(&there).unwrap();
        assert_eq!(
            read.iter().map(Part::label_counts).collect::<Vec<_>>(),
            labels,
            "{}",
            shape.name()
        );
        let back = to(&there, folder.path().join(format!("{}-back", shape.name())), None);
        for split in Split::ALL {
            let name = format!("{split}.csv");
            assert_eq!(bytes(&back.join(&name)), bytes(&data.join(&name)), "{}", shape.name());
        }
    }
    let version = folder.path().join("version");
    let train = samples(6);
    valuenet::data::write::with_train_split(&version, &folder.path().join("jsonl"), train.iter())
        .unwrap();
    assert_eq!(Split::Test.read(&version).unwrap().rows.len(), 10);
}

#[test]
fn a_parquet_file_of_pandas_is_read() {
    // pandas.DataFrame({"scenario": [...], "label": [1, -1, 0], "note": ["a", None,
    // "c"]}).to_parquet(...)
    let path = Path::new("tests/fixtures/pandas.parquet");
    let rows: Vec<Sample> =
        SampleTable::read_strict(path).unwrap().rows.into_iter().map(|row| row.sample).collect();
    let sample = |value, scenario: &str, label| Sample { value, scenario: scenario.into(), label };
    assert_eq!(
        rows,
        [
            sample(Value::Power, "asking for a rise", Label::Yes),
            sample(Value::SelfDirection, "doing as I am told – again", Label::No),
            sample(Value::Power, "counting stairs", Label::Unrelated),
        ]
    );
    let folder = folder();
    let there = to(path, folder.path().join("all.csv"), None);
    let text = std::fs::read_to_string(there).unwrap();
    assert!(text.starts_with("scenario,label,note\n[POWER] asking for a rise,1,a\n"), "{text}");
}

#[test]
fn a_wrong_line_of_json_is_named() {
    let folder = folder();
    let good = "{\"scenario\": \"[POWER] x\", \"label\": 1}\n";
    for (line, says) in [
        ("{\"scenario\": \"[POWER] y\", \"label\": 3}", "a.jsonl:2: label \"3\" is not -1, 0 or 1"),
        ("{\"scenario\": \"[POWER] y\"}", "a.jsonl:2: the label is empty"),
        (
            "{\"scenario\": [\"y\"], \"label\": 1}",
            "a.jsonl:2: \"scenario\" is neither a text nor a number",
        ),
        ("[1]", "a.jsonl:2: the line is not a JSON object"),
        (
            "{\"scenario\": ",
            "a.jsonl:2: the line is not JSON: EOF while parsing a value at column 13",
        ),
    ] {
        let path = write(folder.path(), "a.jsonl", format!("{good}{line}\n"));
        let error = SampleTable::read_strict(&path).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let path = write(folder.path(), "a.parquet", "no parquet");
    let error = SampleTable::read_strict(&path).unwrap_err();
    assert!(
        error.to_string().contains("cannot read it as Parquet") && error.advice().is_some(),
        "{error}"
    );
}

#[test]
fn what_does_not_fit_a_shape_is_refused() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let data = dataset(folder.path()).display().to_string();
    let one = write(folder.path(), "one.csv", csv(&samples(12))).display().to_string();
    for (arguments, says) in [
        (vec![&data[..], "-o", &path("all.jsonl")], "has 3 splits, and a file one"),
        (vec![&data, "-o", &path("values"), "--to", "per-value"], "has splits"),
        (vec![&one, "-o", &path("folder")], "has no splits that could make a folder"),
        (
            vec![&one, "-o", &path("a.jsonl"), "--to", "columns"],
            "a.jsonl is no name for the shape columns",
        ),
        (vec![&one, "-o", &path("POWER.csv")], "would be read as rows of POWER alone"),
        (vec![&data, "-o", &data], "is not empty"),
    ] {
        let output = valuenet([vec!["data", "convert"], arguments].concat());
        assert_fails(&output, 2, &[says, "help:"]);
    }
    write(folder.path(), "twice.csv", "scenario,label,a,A\n[POWER] x,1,2,3\n");
    let output = valuenet(["data", "convert", &path("twice.csv"), "-o", &path("b.jsonl")]);
    assert_fails(&output, 3, &["twice.csv:1: two columns are named \"A\""]);
    let output = valuenet(["data", "convert", &one, "-o", &path("values"), "--to", "per-value"]);
    assert!(output.status.success() && stdout(&output).is_empty(), "{}", stderr(&output));
    assert!(stderr(&output).contains("rows in") && Path::new(&path("values/POWER.csv")).is_file());
}

/// A text with anything in it but nothing alone.
fn text() -> impl Strategy<Value = String> {
    let parts = prop::collection::vec(
        prop_oneof![
            "[a-zA-Z ,\"'\u{e9}\u{2013}\u{1f44b}]{1,8}",
            Just("\r\n".to_string()),
            Just("\r".to_string()),
            Just("[POWER] ".to_string()),
            Just("[".to_string()),
            Just("\"".to_string()),
            any::<char>().prop_map(String::from),
        ],
        1..6,
    );
    parts.prop_map(|parts| parts.concat()).prop_filter("a text", |text| !text.trim().is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_row_is_lost_or_changed_on_any_way(
        rows in prop::collection::vec((0usize..10, 0usize..3, text(), any::<i64>(), text()), 1..8),
        crlf in any::<bool>(),
    ) {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let line_end = if crlf { LineEnd::CrLf } else { LineEnd::Lf };
        let mut writer = ::csv::Writer::from_path(at("start.csv")).unwrap();
        writer.write_record(["value", "scenario", "label", "uid", "note"]).unwrap();
        for (value, label, text, uid, note) in &rows {
            let (value, label) = (Value::ALL[*value], Label::ALL[*label].number().to_string());
            writer.write_record([value.name(), &format!("{} {text}", value.token()), &label, &uid.to_string(), note]).unwrap();
        }
        writer.flush().unwrap();
        let start = |name: &str| convert(&at("start.csv"), &at(name), None, line_end).unwrap();
        start("tagged.csv");
        let read = SampleTable::read_strict(&at("tagged.csv")).unwrap();
        for (row, (value, label, text, ..)) in read.rows.iter().zip(&rows) {
            let expected = Sample { value: Value::ALL[*value], scenario: text.trim().into(), label: Label::ALL[*label] };
            prop_assert_eq!(&row.sample, &expected);
        }
        let mut last = at("tagged.csv");
        for (name, shape) in [
            ("a.jsonl", None),
            ("b.csv", Some(Shape::Columns)),
            ("c.parquet", None),
            ("d.jsonl", None),
            ("e.parquet", None),
            ("f.csv", Some(Shape::Columns)),
            ("g.csv", Some(Shape::Tagged)),
        ] {
            convert(&last, &at(name), shape, line_end).unwrap();
            last = at(name);
        }
        prop_assert_eq!(bytes(&at("g.csv")), bytes(&at("tagged.csv")));
        prop_assert_eq!(bytes(&at("d.jsonl")), bytes(&at("a.jsonl")));
        // One file for each value sorts the rows by value, and does no more to them.
        convert(&last, &at("values"), Some(Shape::PerValue), line_end).unwrap();
        convert(&at("values"), &at("again.jsonl"), None, line_end).unwrap();
        let mut lines: Vec<Vec<u8>> = bytes(&at("a.jsonl")).split(|byte| *byte == b'\n').map(Vec::from).collect();
        let mut again: Vec<Vec<u8>> = bytes(&at("again.jsonl")).split(|byte| *byte == b'\n').map(Vec::from).collect();
        lines.sort();
        again.sort();
        prop_assert_eq!(lines, again);
    }
}
