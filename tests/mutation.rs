//! Readers of foreign bytes, fed files that were changed at random: whatever they are given, they give
//! an answer or an error, in time, and the program lives on.
//!
//! Each reader gets a thousand files, or `VALUENET_FUZZ_FILES`, the same each time; `VALUENET_FUZZ_SEED` makes
//! others. `cargo test --test tests mutation:: -- --nocapture` says how many were still accepted. With `VALUENET_FUZZ_CORPUS` the
//! right files are written into a folder, for `scripts/fuzz.sh` to begin with.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};
use candle_core::quantized::GgmlDType;
use valuenet::guard::caught;
use valuenet::model::any::Model;
use valuenet::nn::precision::Precision;
use valuenet::seed::{Purpose, Stream};

use crate::readers;
use crate::support::{csv, device, folder, samples, saved_model, zstandard};

/// No file of the sizes used here takes longer.
const SLOWEST: Duration = Duration::from_secs(10);

/// Numbers that readers are apt to trip over, as bytes and in text.
const ODD: [&[u8]; 14] = [
    &[0],
    &[0xff],
    &[0x7f],
    &[0xff; 4],
    &[0xff, 0xff, 0xff, 0x7f],
    &[0, 0, 0, 0x80],
    &[0xff; 8],
    b"-1",
    b"99999999999999999999",
    b"\"",
    b"\n",
    b"\r",
    b"\xed\xa0\x80",
    b",",
];

pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A file with a few changes.
pub fn changed(file: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=stream.below(4) {
        let length = bytes.len().max(1) as u32;
        let at = (stream.below(length) as usize).min(bytes.len());
        let end = (at + stream.below(64) as usize).min(bytes.len());
        match stream.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << stream.below(8),
            1 if at < bytes.len() => bytes[at] = stream.next_u32() as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let copy = bytes[at..end].to_vec();
                let to = stream.below(length) as usize;
                bytes.splice(to.min(bytes.len())..to.min(bytes.len()), copy);
            }
            5 => {
                let odd = ODD[stream.below(ODD.len() as u32) as usize];
                bytes.splice(at..at, odd.iter().copied());
            }
            _ => {
                let odd = ODD[stream.below(ODD.len() as u32) as usize];
                let end = (at + odd.len()).min(bytes.len());
                bytes.splice(at..end, odd.iter().copied());
            }
        }
    }
    bytes
}

/// Gives a reader changed copies of files, each under the same name in a folder that `read` is given,
/// as often as is asked for.
fn withstands(name: &str, files: &[Vec<u8>], read: impl Fn(&Path) -> bool) {
    let files_tried = setting("VALUENET_FUZZ_FILES").unwrap_or(1000);
    let seed = setting("VALUENET_FUZZ_SEED").unwrap_or(1);
    let folder = folder();
    let path = folder.path().join(name);
    std::fs::write(&path, &files[0]).unwrap();
    assert!(read(&path), "{name} is right as it is");
    let mut accepted = 0u64;
    for tried in 0..files_tried {
        let mut stream = Stream::new(seed, Purpose::Sampling, tried);
        let file = &files[stream.below(files.len() as u32) as usize];
        std::fs::write(&path, changed(file, &mut stream)).unwrap();
        let started = Instant::now();
        let outcome = caught(|| read(&path));
        let kept = || {
            let kept = std::env::temp_dir().join(format!("valuenet-{seed}-{tried}-{name}"));
            let _ = std::fs::copy(&path, &kept);
            kept.display().to_string()
        };
        match outcome {
            Ok(is_accepted) => accepted += u64::from(is_accepted),
            Err(panic) => panic!(
                "{name}: change {tried} of seed {seed} panics: {panic}; it is kept as {}",
                kept()
            ),
        }
        assert!(
            started.elapsed() < SLOWEST,
            "{name}: change {tried} of seed {seed} takes too long: {}",
            kept()
        );
    }
    println!("{name:28} {files_tried:8} changed files, {accepted} of them still accepted");
}

/// The same for the reader that knows this name.
fn reader_withstands(name: &str, files: &[Vec<u8>]) {
    if let Ok(folder) = std::env::var("VALUENET_FUZZ_CORPUS") {
        let folder = Path::new(&folder).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (number, file) in files.iter().enumerate() {
            std::fs::write(folder.join(number.to_string()), file).unwrap();
        }
    }
    withstands(name, files, |path| readers::accepts(name, path));
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new("tests/fixtures").join(name)).unwrap()
}

#[test]
fn tables_of_samples() {
    let plain = csv(&samples(12)).into_bytes();
    let quoted =
        b"scenario,label\n\"[POWER] she said \"\"no\"\", and left\",-1\n[TRADITION] tea,0\r\n"
            .to_vec();
    let columns = b"value,scenario,label\nPOWER,she led,1\nSELF-DIRECTION,he read,0\n".to_vec();
    reader_withstands("samples.csv", &[plain, quoted, columns]);
    let lines = b"{\"scenario\": \"[POWER] she led\", \"label\": 1}\n{\"scenario\": \"[HEDONISM] cake\", \"label\": -1}\n";
    reader_withstands("samples.jsonl", &[lines.to_vec()]);
    let parquet = fixture("pandas.parquet");
    reader_withstands("samples.parquet", &[parquet]);
}

#[test]
fn tables_of_texts() {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("scenario", DataType::Utf8, true),
    ]);
    let batch = RecordBatch::try_new(
        schema.into(),
        vec![
            Arc::new(Int64Array::from(vec![1, 2, 3])),
            Arc::new(StringArray::from(vec![Some("she led"), None, Some("he read")])),
        ],
    )
    .unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let stream = writer.into_inner().unwrap();
    reader_withstands("texts.arrows", &[stream]);
    let rows = b"scenario,id\nshe led,1\nhe read,2\n";
    reader_withstands("texts.csv.zst", &[zstandard(rows)]);
    let parquet = fixture("pandas.parquet");
    reader_withstands("texts.parquet", &[parquet]);
}

#[test]
fn dialogues_and_emotions() {
    let convai = b"1 your persona: i sail.\n2 your persona: i have a dog.\n3 hello\thi, do you sail?\t\tone|two|hi, do you sail?\n4 yes\tso do i\t\tno|so do i\n";
    reader_withstands("dialogues.txt", &[convai.to_vec()]);
    let json = b"{\"persona\": [\"i sail.\"], \"utterances\": [\"the sea!\", \"a boat.\"]}\n";
    reader_withstands("dialogues.jsonl", &[json.to_vec()]);
    let empathetic = b"conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags\nhit:0_conv:1,1,sentimental,I remember a song,1,I heard it again,5|5|5_2|2|5,\nhit:0_conv:1,2,sentimental,I remember a song,0,Which one_comma_ please?,5|5|5_2|2|5,\n";
    reader_withstands("train.csv", &[empathetic.to_vec()]);
}

#[test]
fn tokenizers() {
    let of = |family: &str| fixture(&format!("golden/{family}/tokenizer.json"));
    reader_withstands("tokenizer.json", &["bert", "gpt2", "roberta", "deberta-v2"].map(of));
    reader_withstands("spm.model", &[fixture("spm.model")]);
}

#[test]
fn weights() {
    reader_withstands("model.safetensors", &[fixture("golden/bert/model.safetensors")]);
    reader_withstands("pytorch_model.bin", &[fixture("pytorch_model.bin")]);
}

#[test]
fn language_models_in_one_file() {
    let place = folder();
    let path = place.path().join("llama.gguf");
    let golden = crate::language::Golden::all().into_iter().find(|golden| golden.name == "llama");
    crate::language::gguf(&golden.unwrap(), &path, GgmlDType::Q8_0);
    let file = std::fs::read(&path).unwrap();
    reader_withstands("llama.gguf", &[file]);
}

#[test]
fn folders_of_models() {
    let place = folder();
    let model = saved_model(place.path());
    let config = std::fs::read(model.join("config.json")).unwrap();
    let read = |path: &Path| {
        for name in ["model.safetensors", "tokenizer.json"] {
            let to = path.with_file_name(name);
            if !to.exists() {
                std::fs::copy(model.join(name), to).unwrap();
            }
        }
        Model::open(path.parent().unwrap(), device(), Precision::F32).is_ok()
    };
    withstands("config.json", &[config], read);
}
