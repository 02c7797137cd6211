//! Long texts sentence by sentence, and files that are packed with Zstandard.

use std::io::Write;

use serde_json::Value as Json;
use valuenet::infer::score;
use valuenet::infer::segments::{BySentence, Reduce};
use valuenet::value::Value;

use crate::support::{
    Stub, assert_fails, folder, saved_model, stderr, stdout, valuenet, write, zstandard,
};

#[test]
fn vectors_of_sentences_become_one() {
    let text = "Short. A somewhat longer one, by Dr. who?  Mid!\n";
    let alone = |sentences: &[&str]| {
        let rows = score(&Stub, sentences.iter().map(|it| it.to_string()).collect()).unwrap();
        rows.into_iter().map(|row| row.profile.unwrap()).collect::<Vec<_>>()
    };
    let by = |context, reduce| {
        let all = vec![text.to_string(), " ".into(), "One.".into()];
        BySentence { context, reduce }.score(&Stub, all).unwrap()
    };
    let rows = by(0, Reduce::Mean);
    assert_eq!((rows[0].text.as_str(), rows.len()), (text, 3));
    assert!(rows[1].profile.is_none(), "a blank text has no vector");
    assert_eq!(rows[2].profile.unwrap(), alone(&["One."])[0]);
    let parts = alone(&["Short.", "A somewhat longer one, by Dr. who?", "Mid!"]);
    let power = Value::Power.index();
    let mean = parts.iter().map(|it| f64::from(it[power])).sum::<f64>() / 3.0;
    assert!((f64::from(rows[0].profile.unwrap()[power]) - mean).abs() < 1e-7);
    let extreme = by(0, Reduce::Extreme)[0].profile.unwrap();
    for (place, found) in extreme.iter().enumerate() {
        let most = parts.iter().map(|it| it[place]).max_by(|a, b| a.abs().total_cmp(&b.abs()));
        assert_eq!(Some(*found), most, "the longest is furthest from 0, or the shortest");
    }
    let with_context = alone(&[
        "Short.",
        "Short. A somewhat longer one, by Dr. who?",
        "A somewhat longer one, by Dr. who? Mid!",
    ]);
    let mean = with_context.iter().map(|it| f64::from(it[power])).sum::<f64>() / 3.0;
    assert!((f64::from(by(1, Reduce::Mean)[0].profile.unwrap()[power]) - mean).abs() < 1e-7);
}

#[test]
fn a_long_text_is_read_to_its_end() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let long = format!("{}Hurting Ann.", "Helping a friend. ".repeat(40));
    let file = write(folder.path(), "t.txt", &long).display().to_string();
    let cut = valuenet(["infer", &model, &file]);
    assert!(stderr(&cut).contains("longer than a prompt"), "{}", stderr(&cut));
    let whole = valuenet(["infer", &model, &file, "--segments", "sentence"]);
    assert_eq!(stderr(&whole), "");
    let power = |line: &str| {
        serde_json::from_str::<Json>(line).unwrap()["utilities"]["POWER"].as_f64().unwrap()
    };
    let both =
        write(folder.path(), "both.txt", "Helping a friend.\nHurting Ann.\n").display().to_string();
    let alone: Vec<f64> = stdout(&valuenet(["infer", &model, &both])).lines().map(power).collect();
    let mean = (40.0 * alone[0] + alone[1]) / 41.0;
    assert!((power(stdout(&whole).trim()) - mean).abs() < 1e-6);
    for more in [["--reduce", "extreme"], ["--context", "1"]] {
        let all = ["infer", &model, &file].into_iter().chain(more);
        assert_fails(&valuenet(all), 2, &["--segments"]);
    }
}

#[test]
fn frames_of_zstandard_are_read_one_behind_the_other() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let plain = write(folder.path(), "t.csv", "text,id\nhelping a friend,1\nhurting Ann,2\n")
        .display()
        .to_string();
    let mut packed = zstandard(b"text,id\nhelping a fri");
    packed.extend([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]); // a frame to be skipped
    packed.write_all(&zstandard(b"end,1\nhurting Ann,2\n")).unwrap();
    let file = write(folder.path(), "t2.csv.zst", &packed).display().to_string();
    let output = valuenet(["infer", &model, &file, "--keep", "id"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), stdout(&valuenet(["infer", &model, &plain, "--keep", "id"])));
    let cut =
        write(folder.path(), "cut.csv.zst", &packed[..packed.len() - 5]).display().to_string();
    let output = valuenet(["infer", &model, &cut, "-o", "/dev/null"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("cut.csv.zst"), "{}", stderr(&output));
}
