//! `valuenet infer`: texts in, value vectors out; or labels, of a classifier of texts.

mod format;
mod label;
mod parts;
mod scorer;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::json;
use valuenet::data::Keep;
use valuenet::error::Error;
use valuenet::infer;
use valuenet::infer::segments::{BySentence, Reduce};
use valuenet::model::Predictor;
use valuenet::recipe::{is_classifier, weights_sha256};
use valuenet::report::profiles::{Columns, ProfileFormat};
use valuenet::report::radar::{self, Series};

use super::model::ModelArgs;
use super::output::{Console, Output};
use super::progress::Scoring;
use super::texts::{TextArgs, read_table};
use format::{Shape, VectorFormat};
use parts::{Job, PartArgs};
use scorer::Scorer;

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

    /// How to write the vectors, or the labels [default: what the name of --output ends in, and jsonl
    /// otherwise].
    #[arg(long, visible_alias = "to", value_enum)]
    format: Option<VectorFormat>,

    /// Write to this file instead of stdout; or into this folder, if it ends in a slash.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    parts: PartArgs,

    /// Draw the first texts' vectors, eight at most, to this SVG file too.
    #[arg(long, value_name = "FILE")]
    radar: Option<PathBuf>,

    /// Write the probabilities of -1, 0 and +1 under each value too; for models of classes
    /// (`model.objective` three-class, joint or ordinal).
    #[arg(long)]
    probabilities: bool,

    /// Score each text by its parts, so that long ones are read to their end.
    #[arg(long, value_enum, value_name = "PART")]
    segments: Option<Segments>,

    /// With --segments: what becomes of the vectors of a text's parts.
    #[arg(long, value_enum, value_name = "HOW", default_value = "mean", requires = "segments")]
    reduce: ReduceName,

    /// With --segments: how many parts before each are read with it.
    #[arg(long, value_name = "N", default_value = "0", requires = "segments")]
    context: usize,

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
enum Segments {
    /// Sentences, by Unicode's rules.
    Sentence,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReduceName {
    /// Their mean.
    Mean,
    /// Under each value the one that is furthest from 0.
    Extreme,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    if is_classifier(&args.model.run) {
        return label::run(args, console);
    }
    args.check()?;
    let job = args.output.as_deref().filter(|folder| args.parts.are_wanted(Some(folder)));
    let whole = job.is_none().then(|| Output::open(args.output.as_deref())).transpose()?;
    let drawing = args.radar.as_deref().map(|path| Output::open(Some(path))).transpose()?;
    let usual = (args.format() == VectorFormat::Touche23).then_some("Premise");
    let mut table = read_table(&args.texts, &args.keep(), usual)?;
    if args.format().is_typed() {
        table = table.typed();
    }
    let stops = args.on_error == OnError::Stop;
    let columns = Columns { kept: table.kept.clone(), errors: !stops };
    let model = args.model.open()?;
    if args.probabilities && !model.predictor().has_probabilities() {
        return Err(without_probabilities(&args.model.run).into());
    }
    // A job begins when nothing can be wrong with it any more.
    let job = job.map(|folder| args.job(folder)).transpose()?;
    let (chunk, progress) = (chunk(args, console), Scoring::new(console));
    let mut scorer =
        Scorer::new(table, model.predictor(), args.sentences(), stops, chunk, progress);
    let mut lines: Vec<Series> = Vec::new();
    let shape = Shape { format: args.format(), probabilities: args.probabilities, columns };
    if let Some(output) = whole {
        output.write_rows(|out| {
            let mut writer = shape.begin(out)?;
            while let Some((batch, rows)) = scorer.next(usize::MAX)? {
                let vectors = rows.iter().filter_map(|row| Some((row.text.clone(), row.profile?)));
                let more = vectors.map(|(name, profile)| Series { name, profile, band: None });
                lines.extend(more.take(radar::MOST - lines.len()));
                writer.write(&rows, &batch)?;
            }
            Ok(writer.finish()?)
        })?;
    }
    if let Some(job) = job
        && !job.run(&mut scorer, &shape)?
    {
        console.note("the parts of this shard are done; _SUCCESS comes with the last shard");
    }
    scorer.progress.finish();
    tell(&scorer, model.predictor(), console);
    if let Some(drawing) = drawing {
        drawing.write(&radar::svg(&lines))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what the rows do not say themselves.
fn tell(scorer: &Scorer, model: &dyn Predictor, console: &Console) {
    if scorer.failed > 0 {
        console.note(&format!(
            "warning: {} rows are wrong, and have no vector; the column error says why",
            scorer.failed
        ));
    }
    if let Some(warning) = model.warning() {
        console.note(&format!("warning: {warning}"));
    }
}

impl Args {
    fn keep(&self) -> Keep {
        match self.keep.as_slice() {
            [] if !self.keys().is_empty() => {
                Keep::These(self.keys().iter().map(|key| key.to_string()).collect())
            }
            [] => Keep::Nothing,
            [all] if all == "all" => Keep::All,
            names => Keep::These(names.to_vec()),
        }
    }

    fn sentences(&self) -> Option<BySentence> {
        let reduce = match self.reduce {
            ReduceName::Mean => Reduce::Mean,
            ReduceName::Extreme => Reduce::Extreme,
        };
        self.segments.map(|Segments::Sentence| BySentence { context: self.context, reduce })
    }

    /// The columns that somebody else's file begins with.
    fn keys(&self) -> &'static [&'static str] {
        match self.format().into() {
            ProfileFormat::Foreign(foreign) => foreign.keys(),
            _ => &[],
        }
    }

    fn format(&self) -> VectorFormat {
        let named = || self.output.as_deref().and_then(VectorFormat::of);
        self.format.or_else(named).unwrap_or(VectorFormat::Jsonl)
    }

    /// Refuses what goes with no other.
    fn check(&self) -> Result<(), Error> {
        let is_plain = self.keep() == Keep::Nothing && self.on_error == OnError::Stop;
        let is_in_parts = self.parts.are_wanted(self.output.as_deref());
        let is_foreign = matches!(self.format().into(), ProfileFormat::Foreign(_));
        let what = if is_foreign && (self.on_error == OnError::Null || self.probabilities) {
            "others' files have no columns for --on-error null and --probabilities"
        } else if !self.keys().is_empty() && !self.keep.is_empty() {
            "a run for Touché begins with its own columns, and takes no --keep"
        } else if is_foreign && is_in_parts {
            "others' files are not written in parts"
        } else if self.top_k.is_some() {
            "--top-k is for classifiers of texts"
        } else if self.format() == VectorFormat::Npy && !is_plain {
            "an array has no columns for --keep and --on-error null"
        } else if is_in_parts && self.radar.is_some() {
            "--radar draws one file's vectors, and not those of parts"
        } else {
            return Ok(());
        };
        Err(Error::usage(what))
    }

    /// The job in parts that is asked for, begun or gone on with.
    fn job(&self, folder: &Path) -> Result<Job, Error> {
        let model = weights_sha256(&self.model.run, self.model.checkpoint.into())?;
        let format = self.format().extension();
        let mut more =
            json!({"model": model, "format": format, "probabilities": self.probabilities});
        more["dtype"] = format!("{:?}", self.model.dtype).to_lowercase().into();
        more["on_error"] = if self.on_error == OnError::Stop { "stop" } else { "null" }.into();
        more["keep"] = self.keep.clone().into();
        more["from"] = self.texts.from.map(|it| format!("{it:?}").to_lowercase()).into();
        more["column"] = self.texts.column.clone().into();
        more["segments"] = self.sentences().map(|it| format!("{it:?}")).into();
        let asked = parts::asked(&self.texts.file, more);
        Job::open(&self.parts, folder, format, asked)
    }
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
