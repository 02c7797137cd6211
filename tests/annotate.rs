//! From annotations to a trained model: aggregate, agreement and split, in the library and as
//! commands.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use proptest::prelude::*;
use valuenet::data::aggregate::{self, Aggregation, aggregate, screen};
use valuenet::data::annotations::{self, Annotation, Answers, Qualification};
use valuenet::data::partition::{Partition, Shares, partition};
use valuenet::data::{Part, Sample, SampleTable, Split};
use valuenet::error::Kind;
use valuenet::eval::Bootstrap;
use valuenet::eval::annotators::{Agreement, Rated};
use valuenet::report;
use valuenet::value::{Label, LabelCounts, Value};

use crate::support::{assert_fails, folder, samples, stderr, stdout, valuenet, write};

const ANSWERS: &str = "worker,item,scenario,value,answer\n\
    ann,1,\"feeding the cat, twice\",BENEVOLENCE,yes\n\
    bob,1,\"feeding the cat, twice\",benevolence,yes\n\
    cem,1,\"feeding the cat, twice\",BENEVOLENCE,yes\n\
    dan,1,\"feeding the cat, twice\",BENEVOLENCE,no\n\
    eve,1,\"feeding the cat, twice\",BENEVOLENCE,no\n\
    ann,2,moving out,SELF-DIRECTION,yes\n\
    bob,2,moving out,SELF-DIRECTION,not sure\n\
    cem,2,moving out,SELF-DIRECTION,unrelated\n\
    dan,2,moving out,SELF-DIRECTION,yes\n\
    ann,3,counting stairs,POWER,unrelated\n\
    bob,3,counting stairs,POWER,unrelated\n\
    ann,4,\"I broke it — on purpose\",CONFORMITY,no\n\
    bob,4,\"I broke it — on purpose\",CONFORMITY,no\n\
    cem,4,\"I broke it — on purpose\",CONFORMITY,no\n\
    ann,gold,locking the door at night,SECURITY,yes\n\
    bob,gold,locking the door at night,SECURITY,yes\n\
    cem,gold,locking the door at night,SECURITY,yes\n\
    dan,gold,locking the door at night,SECURITY,yes\n\
    eve,gold,locking the door at night,SECURITY,not sure\n";

fn answers(text: &str) -> Answers {
    let folder = folder();
    annotations::read(&[write(folder.path(), "answers.csv", text)], None).unwrap()
}

fn read(text: &str) -> Vec<Annotation> {
    answers(text).annotations
}

fn gold() -> Qualification {
    let folder = folder();
    let rows = "item,value,answer\ngold,SECURITY,yes\n";
    Qualification::read(&write(folder.path(), "gold.csv", rows)).unwrap()
}

fn made(text: &str, qualification: &Qualification, agree: usize, neutral: bool) -> Aggregation {
    let answers = answers(text);
    aggregate(&answers, screen(&answers.annotations, qualification, 0.7).unwrap(), agree, neutral)
}

fn sample(value: Value, scenario: &str, label: Label) -> Sample {
    Sample { value, scenario: scenario.into(), label }
}

#[test]
fn items_that_enough_qualified_workers_agree_on_are_kept() {
    let cat = sample(Value::Benevolence, "feeding the cat, twice", Label::Yes);
    let broke = sample(Value::Conformity, "I broke it — on purpose", Label::No);
    let kept = made(ANSWERS, &gold(), 3, false);
    assert_eq!(kept.samples, [cat.clone(), broke.clone()]);
    assert_eq!((kept.agreed, kept.disputed, kept.too_few, kept.items), (2, 1, 1, 4));
    let failed = &kept.failed[0];
    assert_eq!(
        (failed.worker.as_str(), failed.asked, failed.right, failed.answers),
        ("eve", 1, 0, 1)
    );
    let augmented = made(ANSWERS, &gold(), 3, true);
    let moving = sample(Value::SelfDirection, "moving out", Label::Unrelated);
    assert_eq!(augmented.samples, [cat, moving, broke]);
    let unqualified = made(ANSWERS, &Qualification::default(), 3, false);
    assert_eq!(unqualified.samples.len(), 3, "the qualification item is an item then");
}

#[test]
fn what_aggregation_says_in_every_format() {
    use valuenet::report::Format::{Csv, Json, Table};
    let kept = made(ANSWERS, &gold(), 3, true);
    for (name, format) in [("table", Table), ("json", Json), ("csv", Csv)] {
        let text = report::render(&kept, format).unwrap();
        insta::assert_snapshot!(format!("aggregation_{name}"), text);
    }
}

#[test]
fn ties_and_not_sure_never_win() {
    let rows = |answers: &[&str]| {
        let row =
            |(worker, answer): (usize, &&str)| format!("w{worker},moving out,POWER,{answer}\n");
        let rows: String = answers.iter().enumerate().map(row).collect();
        made(&format!("worker,scenario,value,answer\n{rows}"), &Qualification::default(), 2, true)
    };
    let label = |answers: &[&str]| rows(answers).samples.first().map(|sample| sample.label);
    assert_eq!(label(&["yes", "yes", "no", "no"]), Some(Label::Unrelated), "a tie is a dispute");
    assert_eq!(label(&["yes", "yes", "no"]), Some(Label::Yes));
    assert_eq!(label(&["not sure", "not sure", "not sure", "no"]), Some(Label::Unrelated));
    assert_eq!(rows(&["not sure", "not sure", "not sure", "no"]).disputed, 1);
    assert_eq!(rows(&["yes"]).too_few, 1);
}

#[test]
fn a_worker_who_answers_twice_counts_once_or_not_at_all() {
    let rows = "worker,scenario,value,answer\n\
        ann,x,POWER,yes\nann,x,POWER,yes\nbob,x,POWER,yes\nbob,x,POWER,no\ncem,x,POWER,yes\n";
    let kept = made(rows, &Qualification::default(), 3, false);
    assert_eq!((kept.repeated, kept.contradicting, kept.not_sure), (1, 1, 1));
    assert_eq!((kept.samples.len(), kept.disputed), (0, 1));
    assert_eq!(made(rows, &Qualification::default(), 2, false).samples[0].label, Label::Yes);
}

#[test]
fn annotations_may_be_json_lines_with_the_texts_in_another_file() {
    let folder = folder();
    let rows = "{\"worker\": 7, \"item\": 1, \"value\": \"power\", \"answer\": \"yes\"}\n\n\
        {\"worker\": \"b\", \"item\": \"2\", \"value\": \"POWER\", \"answer\": -1}\n";
    let answers = write(folder.path(), "answers.jsonl", rows);
    let items = write(folder.path(), "items.csv", "item,scenario\n1,\"one, two\"\n2,three\n");
    let read = annotations::read(&[answers], Some(&items)).unwrap().annotations;
    let told: Vec<_> = read
        .iter()
        .map(|row| (row.worker.as_str(), row.item.as_str(), row.scenario.as_str(), row.answer))
        .collect();
    assert_eq!(
        told,
        [("7", "1", "one, two", Some(Label::Yes)), ("b", "2", "three", Some(Label::No))]
    );
}

#[test]
fn wrong_annotations_are_named_by_file_and_line() {
    let folder = folder();
    let head = "worker,item,scenario,value,answer\nann,1,a cat,POWER,yes\n";
    for (row, says) in [
        ("bob,1,a dog,POWER,yes", "a.csv:3: item \"1\" has another text than at line 2"),
        (",1,a cat,POWER,yes", "a.csv:3: column worker is empty"),
        ("bob,1,a cat,POWER,", "a.csv:3: column answer is empty"),
        (
            "bob,1,a cat,POWER,perhaps",
            "a.csv:3: the answer \"perhaps\" is not yes, no, unrelated or not sure",
        ),
        ("bob,1,a cat,POWER,yes,1", "a.csv:3: 6 cells, but the header has 5"),
    ] {
        let path = write(folder.path(), "a.csv", format!("{head}{row}\n"));
        let error = annotations::read(&[path], None).unwrap_err();
        assert!(error.to_string().ends_with(says), "{error}");
        assert!(error.kind() == Kind::Data && error.advice().is_some());
    }
    let answers = write(folder.path(), "a.csv", head);
    for (rows, says) in [
        ("item,scenario\n2,x\n", "item \"1\" is not in"),
        ("item,scenario\n1,x\n", "item \"1\" has another text than at"),
        ("item,scenario\n1,a cat\n1,a dog\n", "items.csv:3: item \"1\" has another text than at"),
        ("id,scenario\n1,a cat\n", "items.csv:1: there is no column \"item\""),
    ] {
        let items = write(folder.path(), "items.csv", rows);
        let error = annotations::read(std::slice::from_ref(&answers), Some(&items)).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    for (rows, says) in [
        ("item,value,answer\n1,POWER,not sure\n", "q.csv:2: \"not sure\" is no right answer"),
        (
            "item,value,answer\n1,POWER,yes\n1,POWER,no\n",
            "q.csv:3: \"1\" has two right answers under POWER",
        ),
    ] {
        let error = Qualification::read(&write(folder.path(), "q.csv", rows)).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let nobody =
        Qualification::read(&write(folder.path(), "q.csv", "item,value,answer\n9,POWER,yes\n"))
            .unwrap();
    let error = screen(&read(head), &nobody, 0.7).unwrap_err();
    assert!(error.to_string().contains("no worker was asked any"), "{error}");
}

#[test]
fn agreement_in_every_format() {
    use valuenet::report::Format::{Csv, Json, Table};
    let answers = |labels: &[i32]| {
        let label = |number: &i32| Label::ALL[(number + 1) as usize];
        labels.iter().enumerate().map(|(worker, number)| (worker, label(number))).collect()
    };
    let items = [
        Rated { value: Value::Power, text: 0, answers: answers(&[1, 1, 1, 0]) },
        Rated { value: Value::Power, text: 1, answers: answers(&[-1, -1, 0]) },
        Rated { value: Value::SelfDirection, text: 1, answers: answers(&[1, 1]) },
        Rated { value: Value::SelfDirection, text: 2, answers: answers(&[0]) },
    ];
    let bootstrap = Bootstrap { replicates: 100, seed: 1 };
    let found = Agreement::of(&items, bootstrap);
    let workers = &["ann", "bob", "cem", "dan"];
    let agreement = report::annotations::AgreementReport { found: &found, workers, bootstrap };
    for (name, format) in [("table", Table), ("json", Json), ("csv", Csv)] {
        let text = report::render(&agreement, format).unwrap();
        insta::assert_snapshot!(format!("agreement_{name}"), text);
    }
}

/// Rows of which some share their text.
fn rows_with_shared_texts() -> impl Strategy<Value = Vec<Sample>> {
    let row = (0usize..10, 0usize..3, 0usize..400).prop_map(|(value, label, text)| {
        // Half of the texts are rare, and a few stand in many rows.
        let text = if text < 200 { text } else { text % 97 };
        sample(Value::ALL[value], &format!("text {text}"), Label::ALL[label])
    });
    prop::collection::vec(row, 60..400)
}

fn counted(samples: &[Sample]) -> HashMap<Sample, usize> {
    let mut counts = HashMap::new();
    samples.iter().for_each(|sample| *counts.entry(sample.clone()).or_default() += 1);
    counts
}

fn texts(samples: &[Sample]) -> HashSet<&str> {
    samples.iter().map(|sample| sample.scenario.as_str()).collect()
}

fn shares() -> Shares {
    "75,15,10".parse().unwrap()
}

proptest! {
    #[test]
    fn a_partition_keeps_every_row_once_and_no_text_in_two_splits(rows in rows_with_shared_texts(), seed in 0u64..5) {
        let made = partition(&rows, shares(), true, seed).unwrap();
        prop_assert_eq!(counted(&made.splits.concat()), counted(&rows));
        let [train, eval, test] = [0, 1, 2].map(|split| texts(&made.splits[split]));
        prop_assert!(train.is_disjoint(&eval) && train.is_disjoint(&test) && eval.is_disjoint(&test));
        prop_assert_eq!(&made, &partition(&rows, shares(), true, seed).unwrap());
        let largest = counted(&rows.iter().map(|row| sample(Value::Power, &row.scenario, Label::No)).collect::<Vec<_>>());
        let largest = *largest.values().max().unwrap() as f64;
        let deviation = made.largest_deviation().unwrap();
        prop_assert!(deviation.rows.abs() <= largest + 3.0, "{deviation:?}, the largest text has {largest} rows");
    }

    #[test]
    fn row_by_row_every_label_of_every_value_is_within_two_rows_of_its_share(rows in rows_with_shared_texts(), seed in 0u64..5) {
        let made = partition(&rows, shares(), false, seed).unwrap();
        prop_assert_eq!(counted(&made.splits.concat()), counted(&rows));
        prop_assert!(made.largest_deviation().unwrap().rows.abs() < 2.0);
        prop_assert!(made.largest_stratum_deviation().unwrap().rows.abs() < 2.0);
    }
}

#[test]
fn another_seed_deals_out_other_rows_and_the_order_of_rows_stays() {
    let rows = samples(300);
    let made = partition(&rows, shares(), true, 1).unwrap();
    assert_ne!(made.splits, partition(&rows, shares(), true, 2).unwrap().splits);
    let place = |sample: &Sample| rows.iter().position(|row| row == sample).unwrap();
    for split in &made.splits {
        assert!(split.windows(2).all(|two| place(&two[0]) < place(&two[1])));
    }
    assert_eq!(made.splits.each_ref().map(Vec::len), [225, 45, 30]);
}

#[test]
fn shares_that_cannot_be_meant_are_refused() {
    for text in ["75,15", "75,15,20", "100,0,0", "a,b,c", "75,15,10,0", "-75,150,25"] {
        assert!(text.parse::<Shares>().is_err(), "{text}");
    }
    assert_eq!(".75, .15, .1".parse::<Shares>().unwrap().of(Split::Eval), 0.15);
    let error = partition(&samples(3), shares(), true, 1).unwrap_err();
    assert!(error.to_string().contains("3 rows are too few"), "{error}");
}

fn shown(made: &Partition) -> String {
    report::render(made, report::Format::Table).unwrap()
}

#[test]
fn what_a_split_says() {
    let mut rows = samples(200);
    let under_another_value =
        |(number, row): (usize, &Sample)| Sample { value: Value::ALL[number % 10], ..row.clone() };
    let again: Vec<Sample> = rows.iter().take(40).enumerate().map(under_another_value).collect();
    rows.extend(again);
    insta::assert_snapshot!(
        "partition_by_text",
        shown(&partition(&rows, shares(), true, 1).unwrap())
    );
    insta::assert_snapshot!(
        "partition_by_row",
        shown(&partition(&rows, shares(), false, 1).unwrap())
    );
}

/// Four workers answer 240 items, three of them well; two more fail the hidden items; some
/// scenarios stand under two values.
fn annotate(folder: &Path) {
    let mut text = String::from("worker,item,value,answer\r\n");
    let mut items = String::from(
        "item,scenario\r\ngold-1,locking the door at night\r\ngold-2,\"helping, \"\"gladly\"\"\"\r\n",
    );
    let says = |label: Label| ["no", "unrelated", "yes"][label.index()];
    for (number, sample) in samples(240).iter().enumerate() {
        let second = Value::ALL[(sample.value.index() + 3) % Value::COUNT];
        let values = [Some(sample.value), number.is_multiple_of(4).then_some(second)];
        for value in values.into_iter().flatten() {
            for worker in 0..6 {
                let answer = match (worker, number % 8) {
                    (3, 0) => "not sure",
                    (2..=3, 1) => "no",
                    (0..=1, 1) => "yes",
                    (4..=5, _) => ["yes", "no"][(number + worker) % 2],
                    _ => says(sample.label),
                };
                text += &format!("w{worker},{number},{value},{answer}\r\n");
            }
        }
        items += &format!("{number},\"{}\"\r\n", sample.scenario);
    }
    for worker in 0..6 {
        let answer = if worker < 4 { "yes" } else { "unrelated" };
        text += &format!(
            "w{worker},gold-1,SECURITY,{answer}\r\nw{worker},gold-2,BENEVOLENCE,{answer}\r\n"
        );
    }
    write(folder, "annotations.csv", text);
    write(folder, "items.csv", items);
    write(
        folder,
        "gold.csv",
        "item,value,answer\r\ngold-1,SECURITY,yes\r\ngold-2,BENEVOLENCE,yes\r\n",
    );
}

#[test]
fn annotations_become_a_dataset_splits_and_a_trained_model() {
    let folder = folder();
    annotate(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (answers, items, gold) = (path("annotations.csv"), path("items.csv"), path("gold.csv"));
    let run = |arguments: &[&str]| {
        let output = valuenet(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    let with = ["--items", &items, "--qualification", &gold];
    let of = |verb: &'static str, rest: &[&str]| {
        run(&[&["data", verb, &answers][..], &with, rest].concat())
    };

    let told = of("aggregate", &["-o", &path("made"), "--agree", "3"]);
    assert!(told.contains("workers who failed the qualification") && told.contains("w5"), "{told}");
    let parts = Part::read_all(&folder.path().join("made")).unwrap();
    let rows = parts[0].rows().count();
    // Of 240 items and 60 of them again, those of a number that leaves 1 by 8 are tied.
    assert_eq!((parts[0].name.as_str(), rows), ("all", 270));
    of("aggregate", &["-o", &path("made.csv"), "--augment"]);
    assert_eq!(SampleTable::read_strict(&folder.path().join("made.csv")).unwrap().rows.len(), 300);

    let agreement: serde_json::Value =
        serde_json::from_str(&of("agreement", &["--format", "json", "--bootstrap", "50"])).unwrap();
    assert_eq!(agreement["workers"].as_array().unwrap().len(), 4, "those who failed are left out");
    assert!(agreement["slices"][0]["alpha"]["estimate"].as_f64().unwrap() > 0.6);
    assert!(agreement["slices"][0]["kappa"]["interval"][0].is_f64());

    let told = run(&["data", "split", &path("made"), "-o", &path("data")]);
    assert!(told.contains("largest deviation from the asked shares"), "{told}");
    let data = Part::read_all(&folder.path().join("data")).unwrap();
    assert_eq!(data.iter().map(|part| part.rows().count()).sum::<usize>(), rows);
    let check: serde_json::Value =
        serde_json::from_str(&run(&["data", "check", &path("data"), "--format", "json"])).unwrap();
    assert_eq!(check["overlaps"][1]["text_in_train"], 0);

    let set = format!("data.dir={}", path("data"));
    let told = run(&["train", "configs/linear.toml", "--set", &set, "-o", &path("run")]);
    assert!(told.contains("accuracy"), "{told}");
    let again = valuenet(["data", "split", &path("made"), "-o", &path("data")]);
    assert_fails(&again, 2, &["is not empty", "-o"]);
    let again = valuenet([
        "data",
        "aggregate",
        &path("annotations.csv"),
        "--items",
        &items,
        "-o",
        &path("made"),
    ]);
    assert_fails(&again, 2, &["is not empty", "-o"]);
}

#[test]
fn aggregate_and_split_name_what_is_wrong() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    write(folder.path(), "a.csv", "worker,scenario,value,answer\nann,x,POWER,yes\n");
    write(folder.path(), "bad.csv", "scenario,label\n[POWER] x,2\n");
    let (a, bad) = (path("a.csv"), path("bad.csv"));
    assert_fails(
        &valuenet(["data", "aggregate", &a, "-o", &path("o")]),
        3,
        &["no item on which 3 workers", "--agree"],
    );
    assert_fails(
        &valuenet(["data", "aggregate", &a, "-o", &path("o.jsonl"), "--agree", "1"]),
        2,
        &["convert"],
    );
    assert_fails(&valuenet(["data", "agreement", &a]), 3, &["no item has answers of two workers"]);
    assert_fails(
        &valuenet(["data", "aggregate", &a, "-o", &path("o"), "--pass", "0.5"]),
        2,
        &["--qualification"],
    );
    assert_fails(
        &valuenet(["data", "split", &bad, "-o", &path("o")]),
        3,
        &["bad.csv:2: label \"2\""],
    );
    assert_fails(
        &valuenet(["data", "split", &bad, "-o", &path("o"), "--shares", "1,2,3"]),
        2,
        &["sum to 100"],
    );
    assert!(!Path::new(&path("o")).exists());
}

#[test]
fn aggregated_values_have_a_file_each_and_labels_are_counted() {
    let folder = folder();
    let samples = samples(40);
    let to = folder.path().join("made");
    assert_eq!(aggregate::write(&samples, &to).unwrap(), 10);
    let read = Part::read_all(&to).unwrap();
    let counts = LabelCounts::of(samples.iter().map(|sample| (sample.value, sample.label)));
    assert_eq!(read[0].label_counts(), counts);
}
