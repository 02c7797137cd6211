//! Curating scenarios: near-duplicates, files of every shape, what is written. `keywords` has how
//! keywords are found.

use std::path::Path;

use proptest::prelude::*;
use valuenet::data::curate::keywords::Keywords;
use valuenet::data::curate::lists::Choice;
use valuenet::data::curate::{BLOCK, Curation, CurationSettings, Found, RecordFormat, Summary};
use valuenet::error::{Error, Kind, Result};
use valuenet::report::curated::{CuratedWriter, Detail, RowFormat, summary};
use valuenet::value::Value;

use crate::support::{assert_fails, folder, stderr, stdout, valuenet, write};

fn settings() -> CurationSettings {
    CurationSettings { shape: None, column: None, similarity: Some(0.8), block: BLOCK }
}

/// What is kept of a file of this name and contents with our own lists, and the summary.
fn curate(
    name: &str,
    contents: impl AsRef<[u8]>,
    settings: CurationSettings,
) -> Result<(Vec<Found>, Summary)> {
    let keywords = Keywords::of(&Choice::Extended)?;
    let mut curation = Curation::new(&keywords, settings);
    let mut kept = Vec::new();
    curation.file(Path::new(name), contents.as_ref(), &mut |found, _| {
        kept.extend_from_slice(found);
        Ok(())
    })?;
    Ok((kept, curation.summary().clone()))
}

fn texts(contents: &str, similarity: Option<f64>) -> Vec<String> {
    let kept = curate("t.txt", contents, CurationSettings { similarity, ..settings() }).unwrap().0;
    kept.into_iter().map(|found| found.scenario).collect()
}

/// Twenty words, of which the one at a place is another.
fn long(place: usize, word: &str) -> String {
    let text = "I promised my old neighbour that I would help her carry the heavy garden chairs up to the attic tomorrow";
    let mut words: Vec<&str> = text.split(' ').collect();
    words[place] = word;
    words.join(" ")
}

#[test]
fn the_same_words_and_near_ones_are_dropped_after_the_first() {
    let first = long(0, "I");
    let same = first.to_uppercase().replace(' ', "  ") + "!";
    let inflected = first.replace("promised", "promises");
    let near = long(19, "now");
    let other = long(9, "stop").replace("neighbour", "teacher").replace("chairs", "gnomes");
    let all = [&first, &same, &inflected, &near, &other].map(String::as_str).join("\n");
    let (kept, summary) = curate("t.txt", &all, settings()).unwrap();
    assert_eq!(kept.iter().map(|found| found.line).collect::<Vec<_>>(), [1, 5]);
    assert_eq!((summary.found, summary.same, summary.near, summary.kept_scenarios()), (5, 1, 2, 2));
    assert_eq!(texts(&all, None).len(), 5);
    assert_eq!(texts(&all, Some(1.0)).len(), 3, "at 1 only the same stems are near");
}

#[test]
fn every_shape_of_file_gives_the_same_scenarios() {
    let expected = [(2, "I helped, twice"), (3, "the \"church\"\nchoir"), (5, "my family")];
    let table =
        "id,situation\n1,\"I helped, twice\"\n2,\"the \"\"church\"\"\nchoir\"\n3,my family\n4,\n";
    let tabs =
        "id\tsituation\n1\tI helped, twice\n2\t\"the \"\"church\"\"\nchoir\"\n3\tmy family\n";
    for (name, contents) in [
        ("a.csv", table.to_string()),
        ("crlf.csv", table.replace('\n', "\r\n").replace("\"\r\nchoir", "\"\nchoir")),
        ("bom.csv", format!("\u{feff}{table}")),
        ("a.tsv", tabs.to_string()),
    ] {
        let kept = curate(name, contents, settings()).unwrap().0;
        let kept: Vec<(u64, &str)> =
            kept.iter().map(|found| (found.line, found.scenario.as_str())).collect();
        assert_eq!(kept, expected, "{name}");
    }
    let json =
        "{\"text\": \"I helped, twice\"}\n\n{\"text\": null}\n{\"text\":\"my family\", \"n\": 3}\n";
    let kept = curate("a.jsonl", json, settings()).unwrap().0;
    assert_eq!(kept.iter().map(|found| found.line).collect::<Vec<_>>(), [1, 4]);
    let chosen = CurationSettings {
        column: Some("body".into()),
        shape: Some(RecordFormat::Jsonl),
        ..settings()
    };
    assert_eq!(curate("-", "{\"body\": \"a family\", \"text\": \"\"}", chosen).unwrap().0.len(), 1);
}

#[test]
fn a_bad_record_is_named_by_file_and_line() {
    let table: [(&str, Vec<u8>, &str); 11] = [
        ("a.csv", "id,text\n1,a family, mine\n".into(), "a.csv:2: 3 cells, but the header has 2"),
        ("a.txt", b"a family\ncaf\xe9\n".into(), "a.txt:2: the byte 0xe9 is not UTF-8"),
        ("a.csv", b"id,text\n1,caf\xe9\n".into(), "a.csv:2: the byte 0xe9 is not UTF-8"),
        (
            "a.csv",
            "id,body\n1,x\n".into(),
            "a.csv:1: there is no column \"scenario\" or \"situation\" or \"text\"",
        ),
        ("a.csv", "id,text\n1,x\n2\n".into(), "a.csv:3: 1 cells, but the header has 2"),
        (
            "a.csv",
            "id,text\n1,x\n2,\"y\n3,z\n".into(),
            "a.csv:3: a quote is opened here and never closed",
        ),
        ("a.csv", "id,text\n1,\"x\" y\n".into(), "a.csv:2: text after the closing quote"),
        ("a.jsonl", "{\"text\": \"x\"}\n{\"text\"\n".into(), "a.jsonl:2: not a JSON object"),
        ("a.jsonl", "\n{\"body\": \"x\"}\n".into(), "a.jsonl:2: there is no key \"scenario\" or"),
        (
            "a.jsonl",
            "{\"text\": 3}\n".into(),
            "a.jsonl:1: \"scenario\" or \"situation\" or \"text\" is not a string",
        ),
        ("a.txt", "".into(), "a.txt: the file is empty"),
    ];
    for (name, contents, says) in table {
        for block in [1, BLOCK] {
            let error =
                curate(name, &contents, CurationSettings { block, ..settings() }).unwrap_err();
            assert!(error.to_string().starts_with(says), "{error}");
            assert!(error.kind() == Kind::Data && error.advice().is_some(), "{error}");
        }
    }
}

#[test]
fn rows_that_know_their_value_are_counted_under_it() {
    let power = ",uid,scenario,label\n0,1,counting my money,1\n1,2,counting beans,0\n2,3,Counting my money,0\n";
    let (kept, summary) = curate("POWER.csv", power, settings()).unwrap();
    let own = summary.own[Value::Power.index()];
    assert_eq!((kept.len(), summary.same, own.rows, own.found), (1, 1, 3, [2, 0, 0]));
    for tagged in [
        "scenario,label\n[POWER] counting my money,1\n[TRADITION] counting my money,1\n",
        "value,scenario,label\npower,counting my money,1\ntradition,counting my money,1\n",
    ] {
        let (kept, summary) = curate("train.csv", tagged, settings()).unwrap();
        assert_eq!(kept[0].scenario, "counting my money");
        assert_eq!(summary.own[Value::Power.index()].found, [1, 0, 0]);
        assert_eq!(summary.own[Value::Tradition.index()].rows, 1);
        assert_eq!(summary.own[Value::Tradition.index()].found, [0; 3]);
    }
}

/// Scenarios under a file of the house's own shape, among them duplicates.
const SAMPLE: &str = "value,scenario,label\n\
    power,\"Asking who has the authority, twice\",1\n\
    tradition,Respecting my family,1\n\
    tradition,respecting my FAMILY!,0\n\
    hedonism,Counting stones for my boss,0\n";

#[test]
fn rows_and_summary_are_written_as_a_user_reads_them() {
    let mut shown = String::new();
    for (choice, format, file, all_keywords) in [
        (Choice::Paper, RowFormat::Csv, false, false),
        (Choice::Paper, RowFormat::Jsonl, false, false),
        (Choice::PaperAndExtended, RowFormat::Csv, true, true),
        (Choice::PaperAndExtended, RowFormat::Jsonl, false, false),
    ] {
        let keywords = Keywords::of(&choice).unwrap();
        let mut curation = Curation::new(&keywords, settings());
        let mut writer =
            CuratedWriter::new(format, Detail { file, all_keywords }, &keywords, Vec::new());
        let path = Path::new("train.csv");
        curation.file(path, SAMPLE.as_bytes(), &mut |found, _| writer.write(path, found)).unwrap();
        shown += &String::from_utf8(writer.finish().unwrap()).unwrap();
        shown += "\n";
        if format == RowFormat::Jsonl {
            shown += &summary(curation.summary());
            shown += "\n";
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn the_program_writes_the_same_bytes_with_any_number_of_threads() {
    let folder = folder();
    let line = |number: usize| match number % 4 {
        0 => format!("helping person {number} with box {}", number / 7),
        1 => format!("a walk past house {}", number % 900),
        2 => format!("counting stone {number}"),
        _ => format!("A promise to friend {} about a game of {} moves", number % 501, number % 77),
    };
    let lines: String = (0..60_000).map(|number| line(number) + "\n").collect();
    let texts = write(folder.path(), "texts.txt", lines).display().to_string();
    let run = |threads: &str| {
        valuenet(["data", "curate", &texts, "--keywords", "extended", "--threads", threads])
    };
    let (one, two, three) = (run("1"), run("2"), run("3"));
    assert!(one.status.success(), "{}", stderr(&one));
    assert!(one.stdout == two.stdout && one.stdout == three.stdout);
    assert_eq!(stderr(&one), stderr(&two));
    assert!(stderr(&one).contains("dropped: near an earlier one"), "{}", stderr(&one));
    let rows = stdout(&one);
    let numbers = rows.lines().skip(1).map(|row| row.rsplit(',').next().unwrap().parse().unwrap());
    let numbers: Vec<u64> = numbers.collect();
    assert!(numbers.len() > 1000 && numbers.is_sorted() && numbers[0] == 1);
}

#[test]
fn the_program_writes_a_file_whole_or_not_at_all() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    write(folder.path(), "good.txt", "my family\n");
    write(folder.path(), "bad.txt", b"my family\ncaf\xe9\n");
    let output = valuenet(["data", "curate", &path("good.txt"), "-o", &path("rows.csv")]);
    assert!(output.status.success() && stdout(&output).contains("scenarios kept under each value"));
    let rows = std::fs::read_to_string(path("rows.csv")).unwrap();
    assert_eq!(rows, "scenario,value,keyword,source,line\nmy family,SECURITY,family,original,1\n");
    let bad =
        valuenet(["data", "curate", &path("good.txt"), &path("bad.txt"), "-o", &path("rows.csv")]);
    assert_fails(
        &bad,
        3,
        &["bad.txt:2: the byte 0xe9 is not UTF-8", "save it as UTF-8", "was not written"],
    );
    assert_eq!(std::fs::read_to_string(path("rows.csv")).unwrap(), rows);
    for similarity in ["0", "1.1", "NaN", "x"] {
        let refused = valuenet(["data", "curate", &path("good.txt"), "--similarity", similarity]);
        assert_fails(&refused, 2, &["a number above 0 and up to 1"]);
    }
    assert_fails(&valuenet(["data", "curate", "no/such"]), 1, &["no/such: cannot read it"]);
}

#[test]
fn a_failure_to_write_ends_the_curation() {
    let keywords = Keywords::of(&Choice::default()).unwrap();
    let mut curation = Curation::new(&keywords, settings());
    let stopped = curation
        .file(Path::new("t"), "my family".as_bytes(), &mut |_, _| Err(Error::failure("full")));
    assert_eq!(stopped.unwrap_err().to_string(), "full");
}

/// Words to make scenarios of; the first is a keyword.
const WORDS: [&str; 8] =
    ["family", "stone", "walk", "seven", "across", "bridge", "yellow", "evening"];

fn scenario(length: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    prop::collection::vec(0usize..WORDS.len(), length).prop_map(|words| {
        let words: Vec<&str> = words.into_iter().map(|word| WORDS[word]).collect();
        format!("family {}", words.join(" "))
    })
}

proptest! {
    #[test]
    fn of_two_the_second_is_dropped_whichever_comes_first(
        one in scenario(0..90),
        other in scenario(0..90),
        similarity in 0.05f64..1.0,
    ) {
        let forth = texts(&format!("{one}\n{other}"), Some(similarity));
        let back = texts(&format!("{other}\n{one}"), Some(similarity));
        prop_assert_eq!(forth.len(), back.len());
        prop_assert_eq!(forth[0].as_str(), one.trim());
        prop_assert_eq!(back[0].as_str(), other.trim());
        prop_assert_eq!(texts(&format!("{one}\n{one}"), Some(similarity)).len(), 1);
    }

    #[test]
    fn what_is_kept_is_kept_again(all in prop::collection::vec(scenario(0..30), 1..20)) {
        let once = texts(&all.join("\n"), Some(0.8));
        prop_assert_eq!(&texts(&once.join("\n"), Some(0.8)), &once);
    }

    #[test]
    fn blocks_of_any_size_give_what_one_block_gives(
        cells in prop::collection::vec("(family|stone|\"|,|\n|\r\n| |é){0,12}", 1..20),
        block in 1usize..200,
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["text", "n"]).unwrap();
        for cell in &cells {
            writer.write_record([cell, "1"]).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let whole = curate("a.csv", &bytes, settings()).unwrap();
        let in_blocks = || CurationSettings { block, ..settings() };
        prop_assert_eq!(curate("a.csv", &bytes, in_blocks()).unwrap(), whole);
        let lines = cells.join("\n");
        if !lines.is_empty() {
            let whole = curate("a.txt", &lines, settings()).unwrap();
            prop_assert_eq!(curate("a.txt", &lines, in_blocks()).unwrap(), whole);
        }
    }

    #[test]
    fn no_bytes_make_the_curation_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,80}") {
        for name in ["a.txt", "a.csv", "a.tsv", "a.jsonl"] {
            let _ = curate(name, &bytes, CurationSettings { block: 7, ..settings() });
            let _ = curate(name, [b"text\n", text.as_bytes()].concat(), settings());
        }
    }
}
