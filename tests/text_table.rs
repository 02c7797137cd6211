//! Texts in tables, and what stays beside them on the way to their vectors.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use valuenet::data::{Keep, Kept, TextBatch, TextKind, TextTable, cells};
use valuenet::error::Result;

use crate::support::{assert_fails, folder, program, saved_model, stderr, stdout, valuenet, write};

/// A text, and what is kept beside it.
type Row = (Option<String>, Vec<Json>);

fn read(path: &Path, column: Option<&str>, keep: &Keep) -> Result<(Vec<String>, Vec<Row>)> {
    let mut table = TextTable::read(path, None, TextKind::of(path), column, keep)?;
    let names = table.kept.iter().map(|field| field.name().clone()).collect();
    let mut rows = Vec::new();
    while let Some(TextBatch { texts, kept }) = table.next(2)? {
        for (place, text) in texts.into_iter().enumerate() {
            let cells = match &kept {
                Kept::Cells(rows) => rows[place].clone(),
                Kept::Columns(batch) => cells::row(batch, place),
            };
            rows.push((text?, cells));
        }
    }
    Ok((names, rows))
}

fn row(text: Option<&str>, kept: &[Json]) -> Row {
    (text.map(String::from), kept.to_vec())
}

#[test]
fn tables_of_all_kinds_keep_what_stands_beside_the_texts() {
    let folder = folder();
    let place = |name: &str, bytes: &[u8]| write(folder.path(), name, bytes);
    let csv = place("a.csv", b"id,Text,author\n7,\"one, two\",ann\n8,,bo\n");
    let tsv = place("a.tsv", b"id\ttext\tauthor\n7\tone, two\tann\n8\t\tbo\n");
    let names = vec!["id".to_string(), "author".to_string()];
    let rows = [
        row(Some("one, two"), &[json!("7"), json!("ann")]),
        row(Some(""), &[json!("8"), json!("bo")]),
    ];
    for path in [&csv, &tsv] {
        assert_eq!(read(path, None, &Keep::All).unwrap(), (names.clone(), rows.to_vec()));
    }
    let lines = b"{\"id\": 7, \"text\": \"one, two\", \"author\": {\"name\": \"ann\"}}\n\n{\"author\": null, \"text\": null, \"id\": 8}\n";
    let jsonl = place("a.jsonl", lines);
    let rows = [
        row(Some("one, two"), &[json!(7), json!({"name": "ann"})]),
        row(None, &[json!(8), Json::Null]),
    ];
    assert_eq!(read(&jsonl, None, &Keep::All).unwrap(), (names.clone(), rows.to_vec()));
    let these = Keep::These(vec!["author".into()]);
    let (kept, rows) = read(&jsonl, Some("id"), &these).unwrap();
    assert_eq!((kept, &rows[1]), (vec!["author".into()], &row(Some("8"), &[Json::Null])));

    let pandas = PathBuf::from("tests/fixtures/pandas.parquet");
    let (kept, rows) =
        read(&pandas, Some("scenario"), &Keep::These(vec!["note".into(), "label".into()])).unwrap();
    assert_eq!(kept, ["note", "label"]);
    let notes: Vec<&[Json]> = rows.iter().map(|(_, kept)| kept.as_slice()).collect();
    assert_eq!(notes, [[json!("a"), json!(1)], [Json::Null, json!(-1)], [json!("c"), json!(0)]]);

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&std::fs::read(&csv).unwrap()).unwrap();
    let packed = place("a.csv.gz", &packed.finish().unwrap());
    assert_eq!(read(&packed, None, &Keep::All).unwrap(), read(&csv, None, &Keep::All).unwrap());
    for name in ["none.csv", "none.tsv", "none.jsonl", "none.txt"] {
        let none = place(name, b"");
        assert!(read(&none, None, &Keep::Nothing).unwrap().1.is_empty(), "{name}");
    }
}

#[test]
fn a_table_says_what_is_missing_or_wrong_in_it() {
    let folder = folder();
    let place = |name: &str, bytes: &[u8]| write(folder.path(), name, bytes);
    let says = |path: &Path, column: Option<&str>, keep: &Keep, what: &str| {
        let error = read(path, column, keep).unwrap_err();
        let said = format!("{error} {}", error.advice().unwrap_or_default());
        assert!(said.contains(what), "\"{what}\" is missing in: {said}");
    };
    let body = place("b.csv", b"id,body\n1,a\n");
    says(&body, None, &Keep::Nothing, "no column \"text\" (columns: id, body) --column names");
    says(&body, Some("body"), &Keep::These(vec!["author".into()]), "no column \"author\"");
    let lines = place("c.jsonl", b"{\"text\": \"a\"}\n{\"body\": \"b\"}\n");
    says(&lines, None, &Keep::Nothing, "c.jsonl:2: there is no key \"text\"");
    let more = place("d.jsonl", b"{\"text\": \"a\"}\n{\"text\": \"b\", \"id\": 1}\n");
    says(&more, None, &Keep::All, "d.jsonl:2: the first line has no key \"id\"");
    assert!(read(&more, None, &Keep::Nothing).is_ok());
    let list = place("e.jsonl", b"{\"text\": [1]}\n");
    says(&list, None, &Keep::Nothing, "e.jsonl:1: \"text\" is no text");
    let plain = place("f.txt", b"a\n");
    says(&plain, Some("text"), &Keep::Nothing, "lines have no columns");
}

#[test]
fn rows_are_kept_and_wrong_ones_cost_nothing_but_themselves() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let table = write(folder.path(), "t.csv", b"id,text,note\n1,helping a friend,\"x, y\"\n2,caf\xe9,z\n3,,\n4,too,many,cells\n5,hurting Ann,\n");
    let table = table.display().to_string();
    let plain =
        write(folder.path(), "p.txt", "helping a friend\n\nhurting Ann\n").display().to_string();
    let vectors: Vec<Json> = stdout(&valuenet(["infer", &model, &plain]))
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap()["utilities"].clone())
        .collect();
    assert_fails(
        &valuenet(["infer", &model, &table, "-o", "/dev/null"]),
        3,
        &["t.csv:3: the byte 0xe9"],
    );
    let output = valuenet(["infer", &model, &table, "--keep", "all", "--on-error", "null"]);
    assert!(stderr(&output).contains("2 rows are wrong"), "{}", stderr(&output));
    let rows: Vec<Json> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = [
        ("1", "x, y", "helping a friend", &vectors[0], None),
        ("", "", "", &Json::Null, Some("t.csv:3: the byte 0xe9")),
        ("3", "", "", &Json::Null, None),
        ("", "", "", &Json::Null, Some("t.csv:5: 4 cells")),
        ("5", "", "hurting Ann", &vectors[2], None),
    ];
    assert_eq!(rows.len(), expected.len());
    for (row, (id, note, text, utilities, error)) in rows.iter().zip(expected) {
        let names: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert_eq!(names, ["id", "note", "text", "utilities", "error"]);
        let cell = |name: &str| row[name].as_str().unwrap_or_default();
        assert_eq!((cell("id"), cell("note"), cell("text")), (id, note, text));
        assert_eq!(&row["utilities"], utilities);
        assert_eq!(row["error"].is_null(), error.is_none());
        assert!(error.is_none_or(|what| cell("error").contains(what)), "{row}");
    }
    let output = valuenet([
        "infer",
        &model,
        &table,
        "--keep",
        "note,id",
        "--on-error",
        "null",
        "--format",
        "csv",
    ]);
    let text = stdout(&output);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    assert_eq!((&header[0], &header[1], &header[2], &header[13]), ("note", "id", "text", "error"));
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    assert_eq!((&rows[0][0], &rows[0][1], &rows[4][1], rows.len()), ("x, y", "1", "5", 5));

    for (more, says) in [
        (&["--format", "npy", "--keep", "id"][..], "an array has no columns"),
        (&["--keep", "id,id"], "would stand twice"),
        (&["--keep", "note,text"], "is the texts' own column"),
        (&["--keep", "id,note", "--column", "Note"], "is the texts' own column"),
        (&["--from", "lines", "--keep", "id"], "lines have no columns"),
    ] {
        let refused =
            valuenet(["infer", &model, &table].iter().copied().chain(more.iter().copied()));
        assert_fails(&refused, 2, &[says]);
    }
    // What is wrong with more than a row ends the reading, whatever becomes of rows.
    let open = format!("text\nfine\n\"{}", "open\n".repeat(4 << 20));
    let open = write(folder.path(), "open.csv", open).display().to_string();
    let pandas = std::fs::read("tests/fixtures/pandas.parquet").unwrap();
    let middle = pandas.iter().map(|byte| if *byte == b'a' { 0xff } else { *byte });
    let cut =
        write(folder.path(), "cut.parquet", middle.collect::<Vec<u8>>()).display().to_string();
    let null = ["--on-error", "null"];
    let output = valuenet(["infer", &model, &open].into_iter().chain(null));
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("a quote is opened here and never closed"),
        "{}",
        stderr(&output)
    );
    let output = valuenet(["infer", &model, &cut, "--column", "scenario"].into_iter().chain(null));
    assert!(
        !output.status.success() && stderr(&output).contains("cut.parquet"),
        "{}",
        stderr(&output)
    );
    // What the name does not say: stdin, and a file of another name.
    let piped = program()
        .args(["infer", &model, "-", "--from", "jsonl", "--keep", "id"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let mut piped = piped.unwrap();
    piped.stdin.take().unwrap().write_all(b"{\"id\": 5, \"text\": \"hurting Ann\"}\n").unwrap();
    let row: Json = serde_json::from_slice(&piped.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!((&row["id"], &row["utilities"]), (&json!(5), &vectors[2]));
    let header_as_text =
        valuenet(["infer", &model, &table, "--from", "lines", "--on-error", "null"]);
    assert_eq!(stdout(&header_as_text).lines().count(), 6);
    let long = format!("helping {}\nhurting Ann\n", "a friend and ".repeat(40));
    let long = write(folder.path(), "long.txt", long).display().to_string();
    let said = stderr(&valuenet(["infer", &model, &long]));
    assert!(said.contains("1 texts were longer than a prompt of 32 tokens"), "{said}");
    assert!(!stderr(&valuenet(["infer", &model, &plain])).contains("longer than"));
    // Nothing in is nothing out, in any format.
    for name in ["none.csv", "none.jsonl", "none.txt"] {
        let none = write(folder.path(), name, "").display().to_string();
        for format in ["jsonl", "csv", "npy"] {
            let output = valuenet(["infer", &model, &none, "--format", format]);
            assert!(output.status.success(), "{name} {format}: {}", stderr(&output));
        }
    }
}
