//! The value profiles of many authors.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use serde_json::Value as Json;
use valuenet::eval::authors::{Authors, LEVELS};
use valuenet::value::{Group, Profile, Value};

use crate::support::{assert_fails, folder, saved_model, stderr, stdout, valuenet, write};

fn vector(numbers: [f32; 3]) -> Profile {
    let mut profile = [0.0; 10];
    profile[Value::Power.index()] = numbers[0];
    profile[Value::Achievement.index()] = numbers[1];
    profile[Value::Hedonism.index()] = numbers[2];
    profile
}

#[test]
fn means_and_intervals_are_those_worked_by_hand() {
    let mut authors = Authors::new(false, Group::SelfEnhancement);
    for (author, numbers) in [
        ("ann", [0.1, 0.5, -0.6]),
        ("bo", [0.3, 0.0, 0.0]),
        ("ann", [0.4, 0.5, -0.6]),
        ("ann", [0.7, 0.5, -0.6]),
    ] {
        authors.add(author, &vector(numbers));
    }
    let found = authors.profiles();
    let names: Vec<(&str, u64)> = found.iter().map(|it| (it.author.as_str(), it.texts)).collect();
    assert_eq!(names, [("ann", 3), ("bo", 1)]);
    let power = found[0].levels[Value::Power.index()];
    let ends = power.interval.unwrap();
    // The standard deviation is .3, and Student's quantile for two degrees of freedom 4.303.
    let half = 4.302_653 * 0.3 / 3f64.sqrt();
    assert!((power.mean - 0.4).abs() < 1e-6);
    assert!((ends.low - (0.4 - half)).abs() < 1e-5 && (ends.high - (0.4 + half)).abs() < 1e-5);
    assert!(found[1].levels.iter().all(|level| level.interval.is_none()), "one text has none");
    let group = |of: &[valuenet::eval::speaker::Level], group: Group| {
        of[Value::COUNT + Group::ALL.iter().position(|it| *it == group).unwrap()].mean
    };
    assert!((group(&found[0].levels, Group::SelfEnhancement) - 0.1).abs() < 1e-6);
    assert!(group(&found[0].levels, Group::OpennessToChange).abs() < 1e-6);

    let mut other = Authors::new(false, Group::OpennessToChange);
    other.add("ann", &vector([0.4, 0.5, -0.6]));
    let levels = &other.profiles()[0].levels;
    assert!((group(levels, Group::SelfEnhancement) - 0.45).abs() < 1e-6);
    assert!((group(levels, Group::OpennessToChange) + 0.2).abs() < 1e-6);

    let mut centered = Authors::new(true, Group::SelfEnhancement);
    centered.add("ann", &vector([0.4, 0.5, 0.1]));
    let levels = &centered.profiles()[0].levels;
    assert!(levels[..10].iter().map(|level| level.mean).sum::<f64>().abs() < 1e-9);
    assert!((levels[Value::Power.index()].mean - 0.3).abs() < 1e-6);
}

#[test]
fn authors_of_a_table_have_profiles_in_every_format() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let text = "who,text\nann,helping a friend\n7,hurting Ann\nann,\nann,painting my sister\n,nobody said it\n";
    let table = write(folder.path(), "posts.csv", text).display().to_string();
    let profile = |more: &[&str]| {
        valuenet(["profile", &model, &table, "--by", "who"].into_iter().chain(more.iter().copied()))
    };
    let shown = stdout(&profile(&[]));
    assert!(shown.starts_with("value profiles by who: 3 of them"), "{shown}");
    let json: Json = serde_json::from_str(&stdout(&profile(&["--format", "json"]))).unwrap();
    let authors: Vec<(&str, u64)> = json["profiles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["author"].as_str().unwrap(), it["texts"].as_u64().unwrap()))
        .collect();
    assert_eq!(authors, [("ann", 2), ("7", 1), ("", 1)], "a blank text counts for nobody");
    // The mean of the vectors that `infer` gives.
    let vectors: Vec<f64> = stdout(&valuenet(["infer", &model, &table]))
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<Json>(line).unwrap()["utilities"]["POWER"].as_f64()
        })
        .collect();
    let mean = json["profiles"][0]["levels"][Value::Power.index()]["mean"].as_f64().unwrap();
    assert!((mean - (vectors[0] + vectors[2]) / 2.0).abs() < 1e-6);
    let csv = stdout(&profile(&["--format", "csv", "--center"]));
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    assert_eq!(header.len(), 2 + 3 * LEVELS);
    assert_eq!((&header[0], &header[2], &header[4]), ("who", "SECURITY", "SECURITY_high"));
    assert_eq!(&header[32], "openness_to_change");
    let file = folder.path().join("profiles.parquet");
    let output = profile(&["-o", &file.display().to_string()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let batch = ParquetRecordBatchReader::try_new(std::fs::File::open(&file).unwrap(), 64).unwrap();
    let batch = batch.map(Result::unwrap).next().unwrap();
    assert_eq!(batch.column(0).as_string::<i32>().value(1), "7");
    assert_eq!(batch.column(1).as_primitive::<UInt64Type>().values(), &[2, 1, 1]);
    let power = batch.column_by_name("POWER").unwrap().as_primitive::<Float64Type>();
    assert_eq!(power.value(0), mean);
    for (more, code, says) in [
        (&["--by", "whom"][..], 3, "no column \"whom\" (columns: who, text)"),
        (&["--center"], 2, "--by"),
        (&["-o", "p.parquet"], 2, "--by says whose"),
        (&["--by", "who", "--radar", "r.svg"], 2, "cannot be used with"),
    ] {
        let all = ["profile", &model, &table].into_iter().chain(more.iter().copied());
        assert_fails(&valuenet(all), code, &[says]);
    }
}
