//! `valuenet infer`: texts in, value vectors out; or labels, of a classifier of texts.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use valuenet::error::Error;
use valuenet::infer;
use valuenet::nn::device;
use valuenet::recipe::{EmotionPredictor, is_classifier};
use valuenet::report::labels::LabelWriter;
use valuenet::report::profiles::{ProfileFormat, ProfileWriter};
use valuenet::report::radar::{self, Series};

use super::model::ModelArgs;
use super::output::{Console, Output};
use super::progress::Scoring;
use super::texts::{TextArgs, read_texts};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    texts: TextArgs,

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

#[derive(Clone, Copy, ValueEnum)]
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
    let output = Output::open(args.output.as_deref())?;
    let drawing = args.radar.as_deref().map(|path| Output::open(Some(path))).transpose()?;
    let texts = read_texts(&args.texts)?;
    let model = args.model.open()?;
    if args.probabilities && !model.predictor().has_probabilities() {
        return Err(without_probabilities(&args.model.run).into());
    }
    let chunk = chunk(args, console);
    let mut progress = Scoring::new(console);
    let mut lines: Vec<Series> = Vec::new();
    let score = |out: &mut dyn Write| -> anyhow::Result<()> {
        let mut writer = ProfileWriter::new(args.format.into(), args.probabilities, out)?;
        infer::stream(model.predictor(), texts, chunk, &mut |rows| {
            progress.advance(rows.len());
            let vectors = rows.iter().filter_map(|row| Some((row.text.clone(), row.profile?)));
            let more = vectors.map(|(name, profile)| Series { name, profile, band: None });
            lines.extend(more.take(radar::MOST - lines.len()));
            writer.write(rows)
        })?;
        writer.finish()?;
        Ok(())
    };
    output.write_rows(score)?;
    progress.finish();
    if let Some(warning) = model.predictor().warning() {
        console.note(&format!("warning: {warning}"));
    }
    if let Some(drawing) = drawing {
        drawing.write(&radar::svg(&lines))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Labels texts by a classifier.
fn label(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    if args.probabilities {
        let what = "--probabilities is for value models; a classifier of texts always names them";
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
