//! `valuenet infer`: texts in, value vectors out; or labels, of a classifier of texts.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::Value as Json;
use valuenet::data::{Keep, TextRow};
use valuenet::error::Error;
use valuenet::infer;
use valuenet::nn::device;
use valuenet::recipe::{EmotionPredictor, is_classifier};
use valuenet::report::labels::LabelWriter;
use valuenet::report::profiles::{Beside, Columns, ProfileFormat, ProfileWriter};
use valuenet::report::radar::{self, Series};

use super::model::ModelArgs;
use super::output::{Console, Output};
use super::progress::Scoring;
use super::texts::{TextArgs, read_table, read_texts};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    texts: TextArgs,

    /// The columns of a table that are written beside each vector, or `all`.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    keep: Vec<String>,

    /// What becomes of a row that is wrong: the end, or a row without a vector whose column `error`
    /// says why.
    #[arg(long, value_enum, value_name = "WHAT", default_value = "stop")]
    on_error: OnError,

    /// How to write the vectors, or the labels.
    #[arg(long, value_enum, default_value = "jsonl")]
    format: VectorFormat,

    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Draw the first texts' vectors, eight at most, to this SVG file too.
    #[arg(long, value_name = "FILE")]
    radar: Option<PathBuf>,

    /// Write the probabilities of -1, 0 and +1 under each value too; for models of classes
    /// (`model.objective` three-class, joint or ordinal).
    #[arg(long)]
    probabilities: bool,

    /// How many labels a classifier of texts names for each text, the most probable first
    /// [default: 5].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    top_k: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnError {
    /// The program ends.
    Stop,
    /// The row has no vector.
    Null,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VectorFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated, with a header.
    Csv,
    /// A NumPy float32 array of shape (texts, 10), or (texts, labels); with --probabilities (texts,
    /// 40): the ten utilities, then the three probabilities of each value.
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
    if is_classifier(&args.model.run) {
        return label(args, console);
    }
    if args.top_k.is_some() {
        return Err(Error::usage("--top-k is for classifiers of texts").into());
    }
    if args.format == VectorFormat::Npy && !(args.keep.is_empty() && args.on_error == OnError::Stop)
    {
        return Err(Error::usage("an array has no columns for --keep and --on-error null").into());
    }
    let output = Output::open(args.output.as_deref())?;
    let drawing = args.radar.as_deref().map(|path| Output::open(Some(path))).transpose()?;
    let table = read_table(&args.texts, &args.keep())?;
    let columns = Columns { kept: table.kept, errors: args.on_error == OnError::Null };
    let model = args.model.open()?;
    if args.probabilities && !model.predictor().has_probabilities() {
        return Err(without_probabilities(&args.model.run).into());
    }
    let chunk = chunk(args, console);
    let mut progress = Scoring::new(console);
    let mut lines: Vec<Series> = Vec::new();
    // What stands beside texts that are being scored.
    let beside = RefCell::new(VecDeque::new());
    let (mut failed, blank) = (0usize, vec![Json::Null; columns.kept.len()]);
    let texts = table.rows.map(|row| match row? {
        Ok(TextRow { text, kept }) => {
            beside.borrow_mut().push_back(Beside { kept, error: None });
            Ok(text.unwrap_or_default())
        }
        Err(error) if args.on_error == OnError::Null => {
            failed += 1;
            let error = Some(error.to_string());
            beside.borrow_mut().push_back(Beside { kept: blank.clone(), error });
            Ok(String::new())
        }
        Err(error) => Err(error),
    });
    let score = |out: &mut dyn Write| -> anyhow::Result<()> {
        let mut writer = ProfileWriter::new(args.format.into(), args.probabilities, &columns, out)?;
        infer::stream(model.predictor(), texts, chunk, &mut |rows| {
            progress.advance(rows.len());
            let vectors = rows.iter().filter_map(|row| Some((row.text.clone(), row.profile?)));
            let more = vectors.map(|(name, profile)| Series { name, profile, band: None });
            lines.extend(more.take(radar::MOST - lines.len()));
            let beside: Vec<Beside> = beside.borrow_mut().drain(..rows.len()).collect();
            writer.write(rows, &beside)
        })?;
        writer.finish()?;
        Ok(())
    };
    output.write_rows(score)?;
    progress.finish();
    if failed > 0 {
        console.note(&format!(
            "warning: {failed} rows are wrong, and have no vector; the column error says why"
        ));
    }
    if let Some(warning) = model.predictor().warning() {
        console.note(&format!("warning: {warning}"));
    }
    if let Some(drawing) = drawing {
        drawing.write(&radar::svg(&lines))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn keep(&self) -> Keep {
        match self.keep.as_slice() {
            [] => Keep::Nothing,
            [all] if all == "all" => Keep::All,
            names => Keep::These(names.to_vec()),
        }
    }
}

/// Labels texts by a classifier.
fn label(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    if args.probabilities {
        let what = "--probabilities is for value models; a classifier of texts always names them";
        return Err(Error::usage(what).into());
    }
    if !(args.keep.is_empty() && args.on_error == OnError::Stop) {
        let what = "--keep and --on-error null are for value vectors, and this run is a classifier of texts";
        return Err(Error::usage(what).into());
    }
    if args.radar.is_some() {
        let what = "--radar draws value vectors, and this run is a classifier of texts";
        return Err(Error::usage(what).into());
    }
    let output = Output::open(args.output.as_deref())?;
    let texts = read_texts(&args.texts)?;
    let ModelArgs { run, checkpoint, device, dtype } = &args.model;
    let device = device::open(device)?.device;
    let model = EmotionPredictor::open(run, (*checkpoint).into(), &device, (*dtype).into())?;
    let chunk = chunk(args, console);
    let mut progress = Scoring::new(console);
    output.write_rows(|out: &mut dyn Write| {
        let most = args.top_k.unwrap_or(5) as usize;
        let mut writer = LabelWriter::new(args.format.into(), out, model.labels(), most)?;
        model.stream(texts, chunk, &mut |rows| {
            progress.advance(rows.len());
            writer.write(rows)
        })?;
        writer.finish()?;
        Ok(())
    })?;
    progress.finish();
    Ok(ExitCode::SUCCESS)
}

/// The refusal of probabilities that a model does not give.
pub fn without_probabilities(run: &Path) -> Error {
    let what =
        format!("{} gives classes no probabilities, as a regression does not", run.display());
    Error::usage(what).help("train with --set model.objective=three-class")
}

/// How many texts are taken together: one, where somebody types them and waits.
fn chunk(args: &Args, console: &Console) -> usize {
    let typed = args.texts.file.as_os_str() == "-" && std::io::stdin().is_terminal();
    if typed {
        console.note("reading texts from the terminal, one a line; Ctrl-D ends");
    }
    if typed { 1 } else { infer::CHUNK }
}
