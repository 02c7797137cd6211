//! Texts and vectors in columns: streams of Arrow, which engines send and wait for, and Parquet.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, DictionaryArray, DurationSecondArray, Int64Array, ListArray,
    RecordBatch, StringArray, Time64MicrosecondArray, TimestampSecondArray,
};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use serde_json::Value as Json;
use valuenet::value::Value;

use crate::support::{assert_fails, folder, program, saved_model, stderr, stdout, valuenet, write};

/// A table of an engine: ids, texts of which one is null, lists and a dictionary.
fn schema() -> SchemaRef {
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true)));
    let place = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("text", DataType::Utf8, true),
        Field::new("tags", list, true),
        Field::new("place", place, true),
    ]))
}

fn batch(ids: &[i64], texts: &[Option<&str>]) -> RecordBatch {
    let tags = ids.iter().map(|&id| Some(vec![Some(id as i32), None]));
    let places: DictionaryArray<Int32Type> =
        ids.iter().map(|id| (id % 2 == 0).then_some("Ghent")).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids.to_vec())),
        Arc::new(StringArray::from(texts.to_vec())),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(tags)),
        Arc::new(places),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn read(bytes: &[u8]) -> Vec<RecordBatch> {
    StreamReader::try_new(bytes, None).unwrap().map(Result::unwrap).collect()
}

/// What the program writes to stdout if it is given this.
fn fed(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = program()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// The vectors of a batch, row by row; none of a blank text.
fn vectors(batch: &RecordBatch) -> Vec<Option<Vec<f32>>> {
    let column =
        |value: &Value| batch.column_by_name(value.name()).unwrap().as_primitive::<Float32Type>();
    let columns: Vec<_> = Value::ALL.iter().map(column).collect();
    let row = |row| columns.iter().map(|it| it.is_valid(row).then(|| it.value(row))).collect();
    (0..batch.num_rows()).map(row).collect()
}

/// The vectors of texts, as JSON Lines say them.
fn expected(model: &str, texts: &str) -> Vec<Option<Vec<f32>>> {
    let output = fed(&["infer", model], texts.as_bytes());
    let row = |line: &str| {
        let json: Json = serde_json::from_str(line).unwrap();
        let numbers = json["utilities"].as_object()?.values();
        Some(numbers.map(|number| number.as_f64().unwrap() as f32).collect())
    };
    stdout(&output).lines().map(row).collect()
}

#[test]
fn a_stream_comes_back_batch_by_batch_with_its_other_columns() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let batches = [
        batch(&[7, 8, 9], &[Some("helping a friend"), None, Some("hurting Ann")]),
        batch(&[], &[]),
        batch(&[4], &[Some("")]),
    ];
    let worker = ["infer", &model, "-", "--from", "arrow", "--to", "arrow", "--keep", "all"];
    let output = fed(&worker, &stream(&batches));
    let found = read(&output.stdout);
    let sizes: Vec<usize> = found.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(sizes, [3, 0, 1], "{}", stderr(&output));
    for (found, sent) in found.iter().zip(&batches) {
        let names: Vec<&str> =
            found.schema_ref().fields().iter().map(|it| it.name().as_str()).collect();
        let own = ["id", "tags", "place", "text"]
            .into_iter()
            .chain(Value::ALL.iter().map(|it| it.name()));
        assert_eq!(names, own.collect::<Vec<_>>());
        for name in ["id", "tags", "place", "text"] {
            assert_eq!(found.column_by_name(name), sent.column_by_name(name), "{name}");
        }
    }
    let known = expected(&model, "helping a friend\nhurting Ann\n");
    assert_eq!(vectors(&found[0]), [known[0].clone(), None, known[1].clone()]);
    assert_eq!(vectors(&found[2]), [None]);
    // What is kept in lines and cells: texts and numbers, and no lists.
    let lines =
        fed(&["infer", &model, "-", "--from", "arrow", "--keep", "id,place"], &stream(&batches));
    let row: Json = serde_json::from_str(stdout(&lines).lines().nth(1).unwrap()).unwrap();
    assert_eq!(
        (&row["id"], &row["place"], &row["utilities"]),
        (&8.into(), &"Ghent".into(), &Json::Null)
    );
    let csv = fed(
        &["infer", &model, "-", "--from", "arrow", "--keep", "tags", "--to", "csv"],
        &stream(&batches),
    );
    assert_fails(&csv, 2, &["the column \"tags\" is neither text nor number"]);
    // Nothing in, nothing out.
    let nothing = fed(&worker, &[]);
    assert!(nothing.status.success() && read(&nothing.stdout).is_empty(), "{}", stderr(&nothing));
    let no_batch = fed(&worker, &stream(&[]));
    assert!(
        no_batch.status.success() && read(&no_batch.stdout).is_empty(),
        "{}",
        stderr(&no_batch)
    );
    // What is wrong.
    let whole = stream(&batches);
    let cut = fed(&worker, &whole[..whole.len() / 2]);
    assert_eq!(cut.status.code(), Some(3));
    assert!(stderr(&cut).contains("cannot read it as a stream of Arrow"), "{}", stderr(&cut));
    assert_fails(&fed(&worker, b"text\nfine\n"), 3, &["-: ", "stream of Arrow"]);
    let list = fed(&["infer", &model, "-", "--from", "arrow", "--column", "tags"], &whole);
    assert_fails(&list, 3, &["column \"tags\" holds no texts"]);
}

/// An engine sends the next batch when it has the one before.
#[test]
fn a_batch_comes_back_before_the_next_is_sent() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let arguments = ["infer", &model, "-", "--from", "arrow", "--to", "arrow", "--keep", "id"];
    let child = program().args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    let mut writer = StreamWriter::try_new(child.stdin.take().unwrap(), &schema()).unwrap();
    let mut reader = None;
    for id in 0..3 {
        writer.write(&batch(&[id], &[Some("helping a friend")])).unwrap();
        writer.flush().unwrap();
        let reader = reader.get_or_insert_with(|| {
            StreamReader::try_new(child.stdout.take().unwrap(), None).unwrap()
        });
        let found = reader.next().unwrap().unwrap();
        assert_eq!(found.column(0).as_primitive::<Int64Type>().value(0), id);
    }
    writer.finish().unwrap();
    drop(writer);
    assert!(reader.unwrap().next().is_none());
    assert!(child.wait().unwrap().success());
}

fn parquet(path: &Path) -> Vec<RecordBatch> {
    let file = std::fs::File::open(path).unwrap();
    ParquetRecordBatchReader::try_new(file, 1024).unwrap().map(Result::unwrap).collect()
}

#[test]
fn columns_keep_the_kind_that_a_table_gives_them() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let lines = "{\"id\": 5, \"share\": 0.5, \"is_new\": true, \"by\": {\"name\": \"ann\"}, \"text\": \"helping a friend\"}\n\
                 {\"id\": 6, \"share\": 2, \"is_new\": null, \"by\": \"bo\", \"text\": null}\n";
    let table = write(folder.path(), "t.jsonl", lines).display().to_string();
    let out = folder.path().join("out.parquet");
    let output =
        valuenet(["infer", &model, &table, "--keep", "all", "-o", &out.display().to_string()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let [found] = &parquet(&out)[..] else { panic!("one batch") };
    let kinds: Vec<&DataType> =
        found.schema_ref().fields().iter().map(|it| it.data_type()).collect();
    use DataType as T;
    assert_eq!(kinds[..6], [&T::Int64, &T::Float64, &T::Boolean, &T::Utf8, &T::Utf8, &T::Float32]);
    let by = found.column(3).as_string::<i32>();
    assert_eq!((by.value(0), by.value(1)), ("{\"name\":\"ann\"}", "bo"));
    assert!(found.column(2).is_null(1) && found.column(4).is_null(1));
    assert_eq!(vectors(found), [expected(&model, "helping a friend\n")[0].clone(), None]);
    // That file is a table itself.
    let out = out.display().to_string();
    let again = stdout(&valuenet(["infer", &model, &out, "--keep", "id,share"]));
    assert!(again.starts_with("{\"id\":5,\"share\":0.5,\"text\":\"helping a friend\""), "{again}");
    let refused = valuenet(["infer", &model, &out, "--keep", "all"]);
    assert_fails(&refused, 2, &["would stand twice"]);

    let odd = write(
        folder.path(),
        "odd.jsonl",
        "{\"id\": 5, \"text\": \"a\"}\n{\"id\": \"six\", \"text\": \"b\"}\n",
    );
    let odd = odd.display().to_string();
    let job = ["infer", &model, &odd, "--keep", "id", "--to", "arrow"];
    let says = "odd.jsonl:2: \"six\" in column \"id\" is no whole number";
    assert_fails(&valuenet(job.into_iter().chain(["-o", "/dev/null"])), 3, &[says, "--to jsonl"]);
    let found = read(&valuenet(job.into_iter().chain(["--on-error", "null"])).stdout);
    assert!(found[0].column(0).is_null(1));
    let error = found[0].column_by_name("error").unwrap().as_string::<i32>();
    assert!(error.is_null(0) && error.value(1).contains(says), "{error:?}");
    assert!(stdout(&valuenet(job[..5].iter().copied())).contains("\"six\""));
    // CSV's cells are texts, whatever they look like.
    let csv = write(folder.path(), "t.csv", "id,text\n007,a\n").display().to_string();
    let output =
        valuenet(["infer", &model, &csv, "--keep", "id", "--on-error", "null", "--to", "arrow"]);
    let found = read(&output.stdout);
    assert_eq!(found[0].column(0).as_string::<i32>().value(0), "007");
    assert!(found[0].column_by_name("error").unwrap().is_null(0));
}

#[test]
fn what_no_cell_can_say_is_refused_and_what_is_no_text_is_a_wrong_row() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let at = TimestampSecondArray::from(vec![0, 61]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("text", Arc::new(BinaryArray::from(vec![b"a".as_slice(), b"caf\xe9"]))),
        ("at", Arc::new(at.clone())),
        ("utc", Arc::new(at.with_timezone("Europe/Brussels"))),
        ("took", Arc::new(DurationSecondArray::from(vec![1, 2]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let stream = writer.into_inner().unwrap();
    let keep = |names: &'static str| {
        ["infer", &model, "-", "--from", "arrow", "--on-error", "null", "--keep", names]
    };
    let lines = stdout(&fed(&keep("at,utc"), &stream));
    let rows: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&rows[1]["at"], &rows[1]["utc"]),
        (&"1970-01-01T00:01:01".into(), &"1970-01-01T00:01:01Z".into())
    );
    assert!(rows[0]["error"].is_null() && rows[1]["utilities"].is_null());
    assert!(
        rows[1]["error"].as_str().unwrap().contains("-:2: the byte 0xe9 is not UTF-8"),
        "{lines}"
    );
    assert_fails(
        &fed(&keep("took"), &stream),
        2,
        &["the column \"took\" is neither text nor number"],
    );

    let odd = RecordBatch::try_from_iter([
        ("scenario", Arc::new(StringArray::from(vec!["[POWER] she led"])) as ArrayRef),
        ("label", Arc::new(Int64Array::from(vec![1]))),
        ("took", Arc::new(Time64MicrosecondArray::from(vec![1]))),
    ]);
    let path = folder.path().join("odd.parquet");
    std::fs::write(&path, valuenet::data::parquet::to_bytes(&odd.unwrap()).unwrap()).unwrap();
    let error = valuenet::data::SampleTable::read(&path).unwrap_err().to_string();
    assert!(error.contains("column \"took\" holds neither texts nor numbers"), "{error}");
}

#[test]
fn the_name_of_the_output_says_its_format() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let texts = write(folder.path(), "t.txt", "helping a friend\n").display().to_string();
    for (name, begins) in [
        ("a.csv", "text,SECURITY"),
        ("a.tsv", "text\tSECURITY"),
        ("a.jsonl", "{\"text\""),
        ("a", "{\"text\""),
    ] {
        let path = folder.path().join(name);
        assert!(
            valuenet(["infer", &model, &texts, "-o", &path.display().to_string()]).status.success()
        );
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(begins), "{name}: {text}");
    }
    let path = folder.path().join("b.csv").display().to_string();
    valuenet(["infer", &model, &texts, "-o", &path, "--format", "arrow"]);
    let mut bytes = Vec::new();
    std::fs::File::open(&path).unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(read(&bytes).len(), 1);
}
