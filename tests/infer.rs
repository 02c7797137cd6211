//! Texts to value vectors: order, blanks, chunks, formats.

use std::cell::Cell;
use std::path::Path;

use candle_core::Tensor;
use valuenet::error::{Error, Kind, Result};
use valuenet::infer::{CHUNK, column, lines, stream};
use valuenet::model::Predictor;
use valuenet::report::profiles::{ProfileFormat, ProfileWriter};
use valuenet::value::{ScoredText, Value};

use crate::support::{Stub, folder, tiny_model};

fn score(texts: impl Iterator<Item = Result<String>>) -> Result<Vec<ScoredText>> {
    let mut rows = Vec::new();
    stream(&Stub, texts, CHUNK, &mut |chunk| {
        rows.extend_from_slice(chunk);
        Ok(())
    })?;
    Ok(rows)
}

#[test]
fn rows_come_in_the_order_of_the_texts_and_blank_ones_stay() {
    let texts: Vec<String> = (0..2000)
        .map(|number| if number % 7 == 3 { " ".repeat(number % 5) } else { "x".repeat(number % 50 + 1) })
        .collect();
    let rows = score(texts.iter().cloned().map(Ok)).unwrap();
    assert_eq!(rows.len(), 2000);
    for (text, row) in texts.iter().zip(&rows) {
        assert_eq!(text, &row.text);
        let expected = (!text.trim().is_empty()).then(|| Stub.profiles(&[text]).unwrap()[0]);
        assert_eq!(row.profile, expected);
    }
}

#[test]
fn no_more_texts_are_held_than_a_chunk() {
    let (pulled, written, most) = (Cell::new(0usize), Cell::new(0usize), Cell::new(0usize));
    let texts = (0..100_000).map(|number| {
        pulled.set(pulled.get() + 1);
        most.set(most.get().max(pulled.get() - written.get()));
        Ok(format!("text {number}"))
    });
    stream(&Stub, texts, CHUNK, &mut |rows| {
        written.set(written.get() + rows.len());
        Ok(())
    })
    .unwrap();
    assert_eq!(written.get(), 100_000);
    assert!(most.get() <= 512, "{} texts were held", most.get());
}

#[test]
fn the_first_row_comes_soon() {
    let pulled = Cell::new(0);
    let texts = (0..1000).map(|_| {
        pulled.set(pulled.get() + 1);
        Ok("text".to_string())
    });
    let stopped = stream(&Stub, texts, CHUNK, &mut |_| Err(Error::failure("enough")));
    assert!(stopped.is_err() && pulled.get() <= 8);
}

#[test]
fn what_was_read_before_an_error_is_scored() {
    let texts = (0..20).map(Ok).chain([Err(Error::failure("unreadable"))]);
    let mut rows = 0;
    let stopped =
        stream(&Stub, texts.map(|text| text.map(|number: i32| number.to_string())), CHUNK, &mut |chunk| {
            rows += chunk.len();
            Ok(())
        });
    assert_eq!((rows, stopped.unwrap_err().to_string().as_str()), (20, "unreadable"));
}

#[test]
fn lines_lose_their_ends_and_keep_the_rest() {
    let read = |bytes: &[u8]| -> Vec<String> { lines(Path::new("t"), bytes).map(Result::unwrap).collect() };
    assert_eq!(read("\u{feff}one\r\ntwo \n\n\tthree".as_bytes()), ["one", "two ", "", "\tthree"]);
    assert!(read(b"").is_empty());
    let error = lines(Path::new("t"), b"fine\ncaf\xe9\n".as_slice()).nth(1).unwrap().unwrap_err();
    assert_eq!((error.to_string().as_str(), error.kind()), ("t:2: the byte 0xe9 is not UTF-8", Kind::Data));
}

#[test]
fn a_column_is_found_by_its_name() {
    let text = "\u{feff}id,text\n1,\"one, two\"\n2,\"a\nb\"\n3,\n";
    let cells: Vec<String> =
        column(Path::new("t"), text.as_bytes(), "text").unwrap().map(Result::unwrap).collect();
    assert_eq!(cells, ["one, two", "a\nb", ""]);
    let first = column(Path::new("t"), text.as_bytes(), "id").unwrap().next().unwrap().unwrap();
    assert_eq!(first, "1");
    let missing = column(Path::new("t"), text.as_bytes(), "body").err().unwrap().to_string();
    assert!(missing.contains("there is no column \"body\" (columns: "), "{missing}");
    let short = column(Path::new("t"), "a,b\nx\n".as_bytes(), "b").unwrap().next().unwrap().unwrap_err();
    assert!(short.to_string().starts_with("t:2: the row has 1 cells"), "{short}");
    let short =
        column(Path::new("t"), "a,b\r\n1,2\r\nx\r\n".as_bytes(), "b").unwrap().nth(1).unwrap().unwrap_err();
    assert!(short.to_string().starts_with("t:3: the row has 1 cells"), "{short}");
}

/// Two texts, the second blank, in a format.
fn written(format: ProfileFormat) -> Vec<u8> {
    let profile = std::array::from_fn(|index| index as f32 / 10.0 - 0.5);
    let rows = [
        ScoredText { text: "say \"hi\", Zoë".into(), profile: Some(profile) },
        ScoredText { text: " ".into(), profile: None },
    ];
    let mut bytes = Vec::new();
    let mut writer = ProfileWriter::new(format, &mut bytes).unwrap();
    writer.write(&rows).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn json_lines_name_each_value_and_keep_f32_digits() {
    let text = String::from_utf8(written(ProfileFormat::Jsonl)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with(
            "{\"text\":\"say \\\"hi\\\", Zoë\",\"utilities\":{\"SECURITY\":-0.5,\"POWER\":-0.4,"
        ),
        "{text}"
    );
    assert!(lines[0].contains("\"SELF-DIRECTION\":0.0,"));
    assert_eq!(lines[1], "{\"text\":\" \",\"utilities\":null}");
}

#[test]
fn csv_quotes_texts_and_leaves_blank_rows_empty() {
    let text = String::from_utf8(written(ProfileFormat::Csv)).unwrap();
    let names: Vec<&str> = Value::ALL.iter().map(|value| value.name()).collect();
    let expected = format!(
        "text,{}\n\"say \"\"hi\"\", Zoë\",-0.5,-0.4,-0.3,-0.19999999,-0.099999994,0,0.100000024,0.19999999,0.3,0.39999998\n \
         ,,,,,,,,,,\n",
        names.join(",")
    );
    assert_eq!(text, expected);
}

#[test]
fn npy_is_an_array_that_numpy_readers_open() {
    let folder = folder();
    let path = folder.path().join("v.npy");
    std::fs::write(&path, written(ProfileFormat::Npy)).unwrap();
    let array = Tensor::read_npy(&path).unwrap();
    assert_eq!(array.dims(), [2, 10]);
    let rows = array.to_vec2::<f32>().unwrap();
    assert_eq!(rows[0][0], -0.5);
    assert!(rows[1].iter().all(|utility| utility.is_nan()));
}

#[test]
fn a_profile_is_the_ten_utilities_one_by_one() {
    let model = tiny_model();
    let texts = ["helping a friend", "", "hurting somebody and my sister Ann number 12"];
    let profiles = model.profiles(&texts).unwrap();
    for (text, profile) in texts.iter().zip(profiles) {
        for (value, utility) in Value::ALL.into_iter().zip(profile) {
            let alone = model.utilities(&[(value, text)]).unwrap()[0];
            assert!((alone - utility).abs() < 1e-6, "{alone} {utility}");
        }
    }
}
