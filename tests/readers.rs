//! The readers of foreign bytes, each by the name of a file that it reads: for `mutation.rs`, and for fuzzing with coverage
//! (`scripts/fuzz.sh`).

use std::fs::File;
use std::path::Path;

use candle_core::Device;
use valuenet::data::labelled::LabelledFile;
use valuenet::data::{Keep, SampleTable, TextKind, TextTable, conversation, dialogue};
use valuenet::error::Result;
use valuenet::model::LanguageModel;
use valuenet::model::files::ModelFiles;
use valuenet::text::PlainEncoder;
use valuenet::text::tokenizer;

/// Whether the reader for files of this name takes the one at `path`, which is called so too.
pub fn accepts(name: &str, path: &Path) -> bool {
    let file = || File::open(path).unwrap();
    match name {
        "samples.csv" | "samples.jsonl" | "samples.parquet" => SampleTable::read(path).is_ok(),
        "texts.arrows" => texts(path, TextKind::Arrow).is_ok(),
        "texts.csv.zst" => texts(path, TextKind::Csv).is_ok(),
        "texts.parquet" => texts(path, TextKind::Parquet).is_ok(),
        "dialogues.txt" => conversation::read(path, file()).is_ok(),
        "dialogues.jsonl" => dialogue::read(path, file()).is_ok(),
        "train.csv" => LabelledFile::read(path).is_ok(),
        "tokenizer.json" | "spm.model" => {
            let texts = ["a plain text", "caf\u{e9} \u{4f60}\u{597d} \u{fb01} 100%", ""];
            let read =
                tokenizer::parse(path).and_then(|tokenizer| PlainEncoder::new(tokenizer, 32));
            read.and_then(|encoder| encoder.encode_all(&texts)).is_ok()
        }
        "model.safetensors" | "pytorch_model.bin" => {
            let base = Path::new("tests/fixtures/golden/bert");
            for name in ["config.json", "tokenizer.json"] {
                let to = path.with_file_name(name);
                if !to.exists() {
                    std::fs::copy(base.join(name), to).unwrap();
                }
            }
            ModelFiles::find(path.parent().unwrap()).and_then(|files| files.read_weights()).is_ok()
        }
        "llama.gguf" => LanguageModel::open(path, &Device::Cpu).is_ok(),
        _ => panic!("there is no reader for {name}"),
    }
}

/// Reads a table of texts to its end.
fn texts(path: &Path, kind: TextKind) -> Result<()> {
    let mut table = TextTable::read(path, None, kind, Some("scenario"), &Keep::All)?;
    while table.next(usize::MAX)?.is_some() {}
    Ok(())
}
