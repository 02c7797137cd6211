//! Files that were made to harm, or came to harm: each is an error in words that names it, in little
//! time and little memory.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use candle_core::{Device, Tensor};
use serde_json::json;
use valuenet::disk::read_json;
use valuenet::model::ValueModel;
use valuenet::model::files::ModelFiles;
use valuenet::report::table::Table;

use crate::support::{assert_fails, config, dataset, device, folder, new_model, saved_model};
use crate::support::{stderr, stdout, valuenet, write};

const BERT: &str = "tests/fixtures/golden/bert";

/// A copy of a tiny BERT.
fn base(folder: &Path) -> PathBuf {
    let to = folder.join("base");
    std::fs::create_dir_all(&to).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(Path::new(BERT).join(name), to.join(name)).unwrap();
    }
    to
}

/// What is said of a base that cannot be trained on.
fn refusal(base: &Path) -> String {
    ValueModel::from_pretrained(base, &new_model(), device()).unwrap_err().to_string()
}

fn changed(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut json = read_json(path).unwrap();
    change(&mut json);
    std::fs::write(path, json.to_string()).unwrap();
}

/// Tensors of a file, changed.
fn with_tensors(path: &Path, change: impl FnOnce(&mut std::collections::HashMap<String, Tensor>)) {
    let mut tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    change(&mut tensors);
    candle_core::safetensors::save(&tensors, path).unwrap();
}

#[test]
fn tokenizers_that_know_more_than_their_model_are_refused_before_a_table_is_made() {
    let folder = folder();
    let base = base(folder.path());
    let weights = base.join("model.safetensors");
    with_tensors(&weights, |tensors| {
        let name = "bert.embeddings.word_embeddings.weight";
        let name =
            if tensors.contains_key(name) { name } else { "embeddings.word_embeddings.weight" };
        let table = tensors[name].narrow(0, 0, 20).unwrap();
        tensors.insert(name.into(), table.copy().unwrap());
    });
    let error = refusal(&base);
    assert!(error.contains("tokenizer.json") && error.contains("embeddings for 20"), "{error}");
    // One token with a number beyond all memory.
    let again = self::base(folder.path());
    changed(&again.join("tokenizer.json"), |json| {
        let vocabulary = json["model"]["vocab"].as_object_mut().unwrap();
        vocabulary.insert("far".into(), json!(2_147_483_648u32));
    });
    let error = refusal(&again);
    assert!(error.contains("it knows 2147483649 tokens"), "{error}");
}

#[test]
fn a_table_without_rows_and_numbers_that_are_none_are_named() {
    let folder = folder();
    for (name, tensor, says) in [
        ("embeddings.word_embeddings.weight", Tensor::new(1f32, &Device::Cpu), "embeddings for 0"),
        (
            "encoder.layer.0.output.dense.bias",
            Tensor::full(f32::NAN, 32, &Device::Cpu),
            "not finite",
        ),
    ] {
        let base = base(folder.path());
        with_tensors(&base.join("model.safetensors"), |tensors| {
            let own = tensors.keys().find(|own| own.ends_with(name)).unwrap().clone();
            let tensor = tensor.unwrap();
            let like = if tensor.rank() == 0 {
                tensor
            } else {
                Tensor::full(f32::NAN, tensors[&own].shape(), &Device::Cpu).unwrap()
            };
            tensors.insert(own, like);
        });
        let error = refusal(&base);
        assert!(error.contains(says), "{error}");
        assert!(says != "not finite" || error.contains(name), "the tensor is named: {error}");
    }
}

#[test]
fn a_tokenizer_that_panics_is_an_error() {
    let folder = folder();
    for charsmap in ["AAAA", "BAAAAP////8=", "", "//////////8="] {
        let base = base(folder.path());
        changed(&base.join("tokenizer.json"), |json| {
            json["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": charsmap});
        });
        let model = ValueModel::from_pretrained(&base, &new_model(), device());
        let texts = ["plain", "ﬁne and ①, ﾊﾝｶｸ, e\u{301}"];
        // Either it is refused, or it reads; what it does not do is end the program.
        let outcome = model.and_then(|model| model.prompts_of_all(&texts).map(|_| ()));
        if let Err(error) = outcome {
            assert!(error.advice().is_some(), "{charsmap}: {error}");
        }
    }
}

/// A pickled checkpoint in a zip, with this list of tensors and one file of eight bytes.
fn pickled(path: &Path, list: &[u8]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("archive/data.pkl", stored).unwrap();
    zip.write_all(list).unwrap();
    zip.start_file("archive/data/0", stored).unwrap();
    zip.write_all(&[0; 8]).unwrap();
    zip.finish().unwrap();
}

#[test]
fn pickles_that_ask_for_more_than_they_hold_are_refused() {
    let folder = folder();
    let base = base(folder.path());
    std::fs::remove_file(base.join("model.safetensors")).unwrap();
    let path = base.join("pytorch_model.bin");
    // {"w": torch._utils._rebuild_tensor_v2(("storage", FloatStorage, "0", "cpu", n), 0, (n,), (1,), False, None)}
    let tensor = |count: u32| {
        let mut list = b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((".to_vec();
        list.extend(
            b"X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu",
        );
        list.extend(
            [
                b"J".as_slice(),
                &count.to_le_bytes(),
                b"tQK\x00J",
                &count.to_le_bytes(),
                b"\x85K\x01\x85",
            ]
            .concat(),
        );
        list.extend(b"\x89}tRs.");
        list
    };
    let causes = |path: &Path| {
        let error = ModelFiles::find(path.parent().unwrap()).unwrap().read_weights();
        let error = error.unwrap_err();
        assert!(error.advice().is_some() && error.to_string().contains("pytorch_model.bin"));
        std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string)
    };
    pickled(&path, &tensor(2));
    let read = ModelFiles::find(&base).unwrap().read_weights().unwrap();
    assert_eq!(read["w"].dims(), [2], "what fits is read");
    pickled(&path, &tensor(2_147_483_647));
    let error = causes(&path);
    assert!(error.contains("tensor w") && error.contains("has 8 bytes in the file"), "{error}");
    pickled(&path, &[&b"\x80\x02N"[..], &vec![0x85; 1_000_000], b"."].concat());
    assert!(causes(&path).contains("nested or repeated without end"));
    // Too few arguments, which candle's reader does not expect.
    pickled(&path, b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n(tRs.");
    assert!(causes(&path).contains("gave up") || causes(&path).contains("cannot be read"));
}

#[test]
fn a_day_that_no_calendar_has_is_an_error() {
    use parquet::basic::{LogicalType, Repetition, Type as Physical};
    use parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::types::Type;
    use std::sync::Arc;

    let folder = folder();
    let path = folder.path().join("days.parquet");
    let field = |name, physical, logical| {
        let builder = Type::primitive_type_builder(name, physical).with_logical_type(Some(logical));
        Arc::new(builder.with_repetition(Repetition::REQUIRED).build().unwrap())
    };
    let fields = vec![
        field("scenario", Physical::BYTE_ARRAY, LogicalType::String),
        field("label", Physical::INT32, LogicalType::Date),
    ];
    let schema = Type::group_type_builder("schema").with_fields(fields).build().unwrap();
    let properties = Arc::new(WriterProperties::builder().build());
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut texts = group.next_column().unwrap().unwrap();
    let text = [ByteArray::from("[POWER] she led")];
    texts.typed::<ByteArrayType>().write_batch(&text, None, None).unwrap();
    texts.close().unwrap();
    let mut days = group.next_column().unwrap().unwrap();
    days.typed::<Int32Type>().write_batch(&[i32::MAX], None, None).unwrap();
    days.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let output = valuenet(["data", "check", &path.display().to_string()]);
    let code = output.status.code();
    assert!(code == Some(1) || code == Some(3), "{code:?}: {}", stderr(&output));
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    // Cut and changed at every place, it is refused or read.
    let bytes = std::fs::read(&path).unwrap();
    for place in 0..bytes.len() {
        let mut odd = bytes.clone();
        odd[place] ^= 0x80;
        std::fs::write(&path, &odd).unwrap();
        let _ = valuenet::data::SampleTable::read(&path);
        std::fs::write(&path, &bytes[..place]).unwrap();
        assert!(valuenet::data::SampleTable::read(&path).is_err(), "cut after {place}");
    }
}

#[test]
fn a_model_from_scratch_has_a_bound() {
    let folder = folder();
    let data = dataset(folder.path());
    let config = config(folder.path(), &data, "").display().to_string();
    for set in ["model.scratch.layers=100000000", "model.scratch.hidden_size=1000000"] {
        let to = folder.path().join("run").display().to_string();
        let refused =
            valuenet(["train", &config, "-o", &to, "--set", set, "--set", "model.scratch.heads=1"]);
        assert_fails(&refused, 2, &["model.scratch", "at most two billion parameters"]);
    }
}

#[test]
fn rows_that_are_not_counted_are_said() {
    let folder = folder();
    let rows = "scenario,label\n[POWER] she led,1\n[POWER] he led,7\n[POWER] they led,0\nled,1\n";
    write(folder.path(), "train.csv", rows);
    let output = valuenet(["data", "stats", &folder.path().display().to_string()]);
    assert!(output.status.success());
    let said = stderr(&output);
    assert!(said.contains("train.csv: 2 of 4 rows are wrong and not counted"), "{said}");
    assert!(said.contains("valuenet data check"));
    assert!(stdout(&output).contains("samples"));
}

#[test]
fn a_run_that_is_moved_away_does_not_go_on_in_two_places() {
    let folder = folder();
    let data = dataset(folder.path());
    let config = config(folder.path(), &data, "eval_every = 5").display().to_string();
    let run = folder.path().join("run");
    let to = run.display().to_string();
    let sets = ["--set", "train.epochs=100000", "--set", "train.patience=0"];
    let training = Command::new(env!("CARGO_BIN_EXE_valuenet"))
        .args(["train", &config, "-o", &to].into_iter().chain(sets))
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !run.join("checkpoints/last").is_dir() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::fs::rename(&run, folder.path().join("moved")).unwrap();
    let output = training.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("it was moved or removed"), "{}", stderr(&output));
    assert!(!run.exists(), "nothing is written where it was");
    assert!(folder.path().join("moved/checkpoints/last/model.safetensors").is_file());
}

#[test]
fn a_backtrace_is_no_part_of_a_message() {
    let folder = folder();
    let model = saved_model(folder.path());
    std::fs::write(model.join("model.safetensors"), b"nothing").unwrap();
    let texts = write(folder.path(), "texts.txt", "a text\n");
    let output = crate::support::program()
        .env("RUST_BACKTRACE", "1")
        .args(["infer", &model.display().to_string(), &texts.display().to_string()])
        .output()
        .unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("model.safetensors: the weights cannot be read"), "{said}");
    assert!(said.lines().count() < 6 && !said.contains("candle_core::"), "{said}");
}

#[test]
fn cells_do_not_break_out_of_markdown() {
    let mut table = Table::new("a | b\n<i>", ["name", "x|y"]);
    table.push(["<script>alert(1)</script>\n| more |".into(), "1".into()]);
    let markdown = table.markdown();
    let lines: Vec<&str> = markdown.lines().collect();
    assert_eq!(lines[0], "**a \\| b &lt;i>**");
    assert_eq!(lines[2], "| name | x\\|y |");
    assert_eq!(lines[4], "| &lt;script>alert(1)&lt;/script> \\| more \\| | 1 |");
    assert_eq!(lines.len(), 5);
}
