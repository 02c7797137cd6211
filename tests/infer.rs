//! Texts to value vectors: order, blanks, chunks, formats.

use std::cell::Cell;
use std::io::Read;
use std::path::Path;

use candle_core::Tensor;
use proptest::collection::vec;
use proptest::prelude::*;
use valuenet::data::texts::{LONGEST_LINE, lines};
use valuenet::data::{Keep, Kept, TextBatch, TextKind, TextTable};
use valuenet::error::{Error, Kind, Result};
use valuenet::infer::{CHUNK, stream};
use valuenet::model::Predictor;
use valuenet::report::profiles::{Columns, ProfileFormat, ProfileWriter};
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
        .map(
            |number| {
                if number % 7 == 3 { " ".repeat(number % 5) } else { "x".repeat(number % 50 + 1) }
            },
        )
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
    let stopped = stream(
        &Stub,
        texts.map(|text| text.map(|number: i32| number.to_string())),
        CHUNK,
        &mut |chunk| {
            rows += chunk.len();
            Ok(())
        },
    );
    assert_eq!((rows, stopped.unwrap_err().to_string().as_str()), (20, "unreadable"));
}

#[test]
fn lines_lose_their_ends_and_keep_the_rest() {
    let read = |bytes: &[u8]| -> Vec<String> {
        lines(Path::new("t"), bytes).map(Result::unwrap).collect()
    };
    assert_eq!(read("\u{feff}one\r\ntwo \n\n\tthree".as_bytes()), ["one", "two ", "", "\tthree"]);
    assert!(read(b"").is_empty());
    let error = lines(Path::new("t"), b"fine\ncaf\xe9\n".as_slice()).nth(1).unwrap().unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.kind()),
        ("t:2: the byte 0xe9 is not UTF-8", Kind::Data)
    );
}

#[test]
fn a_line_without_an_end_does_not_fill_the_memory() {
    let longest = "é".repeat(LONGEST_LINE / 2);
    let text = format!("one\n{longest}\r\nthree\n");
    let read: Vec<String> = lines(Path::new("t"), text.as_bytes()).map(Result::unwrap).collect();
    assert_eq!((read.len(), read[1].len(), read[2].as_str()), (3, LONGEST_LINE, "three"));
    let endless = std::io::BufReader::new(std::io::repeat(b'a'));
    let mut endless = lines(Path::new("t"), b"one\n".as_slice().chain(endless));
    assert_eq!(endless.next().unwrap().unwrap(), "one");
    let error = endless.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), format!("t:2: the line is longer than {LONGEST_LINE} bytes"));
    let text = format!("{}\nafter it\n", "a".repeat(3 * LONGEST_LINE));
    let mut long = lines(Path::new("t"), text.as_bytes());
    assert!(long.next().unwrap().is_err());
    assert_eq!(long.next().unwrap().unwrap(), "after it", "it is one line, whatever its length");
}

/// The cells of a column of CSV.
fn column<'a>(
    path: &Path,
    reader: impl Read + 'a,
    name: &str,
) -> Result<impl Iterator<Item = Result<String>> + 'a> {
    let reader = Box::new(std::io::BufReader::new(reader));
    let table = TextTable::read(path, Some(reader), TextKind::Csv, Some(name), &Keep::Nothing)?;
    Ok(table.texts().map(|text| Ok(text?.unwrap_or_default())))
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
}

/// The cells of the column `text`, and the error that ends them.
fn cells(table: &[u8]) -> (Vec<String>, Option<Error>) {
    let mut read = Vec::new();
    let cells = match column(Path::new("t"), table, "text") {
        Ok(cells) => cells,
        Err(error) => return (read, Some(error)),
    };
    for cell in cells {
        match cell {
            Ok(cell) => read.push(cell),
            Err(error) => return (read, Some(error)),
        }
    }
    (read, None)
}

#[test]
fn a_row_that_would_swallow_or_shift_texts_is_an_error_with_its_line() {
    let table = [
        ("text\nfine\n\"open\nand\nso on\n", 1, "t:3: a quote is opened here and never closed"),
        ("id,text\n1,a\n2,b,c\n", 1, "t:3: 3 cells, but the header has 2"),
        ("id,text\r\n1,a\r\n2\r\n", 1, "t:3: 1 cells, but the header has 2"),
        ("id,text\n1,\"a\nb\" c\n", 0, "t:3: text after the closing quote of a cell"),
        ("\u{feff}\"text\" x\na\n", 0, "t:1: text after the closing quote of a cell"),
        ("text,Text\na,b\n", 0, "t:1: two columns are named \"text\""),
        ("id,body\n1,a\n", 0, "t:1: there is no column \"text\" (columns: id, body)"),
    ];
    for (bytes, before, message) in table {
        let (read, error) = cells(bytes.as_bytes());
        let error = error.unwrap_or_else(|| panic!("{bytes:?} passes"));
        assert!(error.to_string().starts_with(message), "{bytes:?}: {error}");
        assert_eq!((read.len(), error.kind()), (before, Kind::Data), "{bytes:?}");
    }
    let (_, latin) = cells(b"text\ncaf\xe9\n");
    assert!(
        latin.unwrap().to_string().starts_with("t:2: the byte 0xe9 in column text is not UTF-8")
    );
    let (_, utf16) = cells(b"\xff\xfet\0");
    assert_eq!(utf16.unwrap().to_string(), "t: the file is UTF-16");
}

#[test]
fn a_quote_that_is_never_closed_ends_the_reading_before_it_fills_the_memory() {
    struct Endless(u64);
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 += buffer.len() as u64;
            assert!(self.0 < 64 << 20, "64 MiB were read");
            buffer.fill(b'\n');
            Ok(buffer.len())
        }
    }
    let table = std::io::Read::chain("text\nfine\n\"open".as_bytes(), Endless(0));
    let mut cells = column(Path::new("t"), table, "text").unwrap();
    assert_eq!(cells.next().unwrap().unwrap(), "fine");
    let error = cells.next().unwrap().unwrap_err().to_string();
    assert!(error.starts_with("t:3: a quote is opened here and never closed"), "{error}");
}

proptest! {
    /// However the bytes arrive, and whatever line ends and quotes the cells have.
    #[test]
    fn what_a_csv_writer_wrote_is_read_as_it_was(
        rows in vec(("[a-z,\"\r\n é]{0,6}", "[a-z,\"\r\n é]{0,6}"), 0..20), crlf: bool, pieces in 1..5usize,
    ) {
        struct Pieces<'a>(&'a [u8], usize);
        impl std::io::Read for Pieces<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let count = self.1.min(buffer.len());
                std::io::Read::read(&mut self.0, &mut buffer[..count])
            }
        }
        let end = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().terminator(end).from_writer(Vec::new());
        writer.write_record(["id", "text"]).unwrap();
        for (id, text) in &rows {
            writer.write_record([id, text]).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let read = column(Path::new("t"), Pieces(&bytes, pieces), "text").unwrap();
        let read: Vec<String> = read.map(Result::unwrap).collect();
        prop_assert_eq!(read, rows.into_iter().map(|(_, text)| text).collect::<Vec<_>>());
    }

    /// Rows are never lost: bytes of any kind give as many rows or errors as a CSV reader finds records.
    #[test]
    fn no_row_is_passed_over(text in "[a,\"\r\n ]{0,40}") {
        let table = format!("text,b\n{text}");
        let reader = csv::ReaderBuilder::new().flexible(true).from_reader(table.as_bytes());
        let records: Vec<csv::ByteRecord> = reader.into_byte_records().map(Result::unwrap).collect();
        let (read, error) = cells(table.as_bytes());
        match error {
            None => prop_assert_eq!(read.len(), records.len()),
            Some(error) => {
                let line: usize = error.to_string()["t:".len()..].split(':').next().unwrap().parse().unwrap();
                prop_assert!(read.len() < records.len(), "{}", error);
                prop_assert!((2..=table.lines().count()).contains(&line), "{}", error);
            }
        }
    }
}

/// Two texts, the second blank, in a format.
fn written(format: ProfileFormat) -> Vec<u8> {
    written_with(format, false)
}

/// The same, with or without the probabilities of classes.
fn written_with(format: ProfileFormat, probabilities: bool) -> Vec<u8> {
    let profile = std::array::from_fn(|index| index as f32 / 10.0 - 0.5);
    let rows = [
        ScoredText {
            text: "say \"hi\", Zoë".into(),
            profile: Some(profile),
            probabilities: Some([[0.25, 0.5, 0.25]; 10]),
        },
        ScoredText { text: " ".into(), profile: None, probabilities: None },
    ];
    let mut bytes = Vec::new();
    let mut writer =
        ProfileWriter::new(format, probabilities, &Columns::default(), &mut bytes).unwrap();
    let texts = rows.iter().map(|row| Ok(Some(row.text.clone()))).collect();
    let batch = TextBatch { texts, kept: Kept::Cells(vec![Vec::new(); 2]) };
    writer.write(&rows, &batch).unwrap();
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
fn probabilities_stand_behind_the_utilities() {
    let text = |format| String::from_utf8(written_with(format, true)).unwrap();
    let json: Vec<serde_json::Value> = text(ProfileFormat::Jsonl)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(json[0]["probabilities"]["POWER"], serde_json::json!([0.25, 0.5, 0.25]));
    assert_eq!(json[0]["utilities"]["SECURITY"], -0.5);
    assert_eq!(json[1]["probabilities"], serde_json::Value::Null);
    let csv = text(ProfileFormat::Csv);
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].contains("TRADITION,SECURITY_no,SECURITY_unrelated,SECURITY_yes,POWER_no,"));
    assert!(lines[1].contains(",0.39999998,0.25,0.5,0.25,0.25,0.5,"), "{csv}");
    assert_eq!(lines[2].matches(',').count(), 40);
    let array = written_with(ProfileFormat::Npy, true);
    assert!(String::from_utf8_lossy(&array[..128]).contains("'shape': (2, 40)"));
    assert_eq!(array.len(), 128 + 2 * 40 * 4);
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
