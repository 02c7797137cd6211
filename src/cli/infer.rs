//! `valuenet infer`: texts in, value vectors out.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::ValueEnum;
use valuenet::disk;
use valuenet::error::Error;
use valuenet::infer;
use valuenet::report::profiles::{ProfileFormat, ProfileWriter};

use super::model::ModelArgs;
use super::output::Console;
use super::progress::Scoring;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// A file with one text a line; `-` for stdin.
    #[arg(default_value = "-")]
    file: PathBuf,

    /// The file is CSV with a header, and the texts are in this column.
    #[arg(long, value_name = "NAME")]
    column: Option<String>,

    /// How to write the vectors.
    #[arg(long, value_enum, default_value = "jsonl")]
    format: VectorFormat,

    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum VectorFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated, with a header.
    Csv,
    /// A NumPy float32 array of shape (texts, 10).
    Npy,
}

impl From<VectorFormat> for ProfileFormat {
    fn from(format: VectorFormat) -> Self {
        match format {
            VectorFormat::Jsonl => ProfileFormat::Jsonl,
            VectorFormat::Csv => ProfileFormat::Csv,
            VectorFormat::Npy => ProfileFormat::Npy,
        }
    }
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let reader: Box<dyn BufRead> = match args.file.as_os_str() == "-" {
        true => Box::new(BufReader::new(std::io::stdin())),
        false => Box::new(BufReader::new(
            File::open(&args.file).map_err(|error| Error::io(&args.file, "read", error))?,
        )),
    };
    let model = args.model.open()?;
    let texts: Box<dyn Iterator<Item = valuenet::error::Result<String>>> = match &args.column {
        Some(name) => Box::new(infer::column(&args.file, reader, name)?),
        None => Box::new(infer::lines(&args.file, reader)),
    };
    let typed = args.file.as_os_str() == "-" && std::io::stdin().is_terminal();
    if typed {
        console.note("reading texts from the terminal, one a line; Ctrl-D ends");
    }
    let chunk = if typed { 1 } else { infer::CHUNK };
    let mut progress = Scoring::new(console);
    let score = |out: &mut dyn Write| -> anyhow::Result<()> {
        let mut writer = ProfileWriter::new(args.format.into(), out)?;
        infer::stream(model.predictor(), texts, chunk, &mut |rows| {
            progress.advance(rows.len());
            writer.write(rows)
        })?;
        writer.finish()?;
        Ok(())
    };
    match &args.output {
        None => score(&mut std::io::stdout().lock())?,
        Some(path) => score_to_file(path, score)?,
    }
    progress.finish();
    Ok(ExitCode::SUCCESS)
}

/// Writes beside the file first, so that what stands there is always whole.
fn score_to_file(
    path: &Path,
    score: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if disk::is_device(path) {
        let mut device =
            File::options().write(true).open(path).map_err(|error| Error::io(path, "write", error))?;
        return score(&mut device);
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file =
        tempfile::NamedTempFile::new_in(folder).map_err(|error| Error::io(path, "write", error))?;
    score(&mut file).with_context(|| format!("{} was not written", path.display()))?;
    file.persist(path).map_err(|error| Error::io(path, "write", error.error))?;
    Ok(())
}
