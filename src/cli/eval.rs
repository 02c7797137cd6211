//! `valuenet eval`: the scores of a trained model.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::Device;
use valuenet::data::{Split, Table};
use valuenet::disk;
use valuenet::error::{Error, Result};
use valuenet::eval::calibration::{Thresholded, reliability};
use valuenet::eval::{Bootstrap, Evaluation, Scored};
use valuenet::model::Predictor;
use valuenet::nn::precision::Precision;
use valuenet::report::Format;
use valuenet::report::card::{Making, card};
use valuenet::report::evaluation::Report;
use valuenet::report::predictions;
use valuenet::report::seeds::Seeds;
use valuenet::run::{self, Saved, Source};
use valuenet::train::Checkpoint;
use valuenet::train::value::predict;

use super::TableFormat;
use super::model::{self, CheckpointName, ModelArgs};
use super::output::{Console, write_result};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// The split of the run's own data.
    #[arg(long, default_value = "test", conflicts_with = "data")]
    split: Split,

    /// Evaluate on this file instead.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// How many bootstrap replicates the 95% intervals are made of; 0 for none [default: 2000 for test, otherwise 0].
    #[arg(long, value_name = "N")]
    bootstrap: Option<u32>,

    /// Also cut classes at thresholds fitted on the run's eval split, beside the paper's rounding.
    #[arg(long, conflicts_with = "data")]
    thresholds: bool,

    /// How to write the report.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,

    /// Write the report to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let folder = &args.model.run;
    let text = match run::seeds(folder).as_slice() {
        seeds @ [_, ..] if !Saved::is_run(folder) && args.data.is_none() => {
            for (seed, path) in seeds {
                console.note(&format!("── seed {seed}"));
                evaluate(args, path, Format::Json, console)?;
            }
            let name = report_name(args.split.name(), args.model.checkpoint);
            seed_means(folder, &name, args.format.into())?
        }
        _ => evaluate(args, folder, args.format.into(), console)?,
    };
    write_result(&text, args.output.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// The report on one model.
fn evaluate(args: &Args, folder: &Path, format: Format, console: &Console) -> anyhow::Result<String> {
    let saved = Saved::is_run(folder).then(|| Saved::open(folder)).transpose()?;
    let table = match (&args.data, &saved) {
        (Some(path), _) => Table::read_strict(path)?,
        (None, Some(saved)) => saved_split(saved, args.split, console)?,
        (None, None) => {
            let what = format!("{} is a model without data of its own", folder.display());
            return Err(Error::usage(what).help("name a file with --data, or a run directory").into());
        }
    };
    let name = match &args.data {
        // Never the name of a split: its report in the run is about the run's own data.
        Some(path) => format!("data.{}", path.file_stem().unwrap_or_default().to_string_lossy()),
        None => args.split.name().into(),
    };
    let model = args.model.open_at(folder)?;
    let job = Job {
        model: model.predictor(),
        folder,
        saved: saved.as_ref(),
        table: &table,
        name: &name,
        bootstrap: args.bootstrap.unwrap_or(replicates_for(&name)),
        thresholds: args.thresholds,
    };
    job.evaluate(format, args.model.checkpoint, console)
}

/// The name under which a run keeps the report on a split or a file.
fn report_name(judged: &str, checkpoint: CheckpointName) -> String {
    match checkpoint {
        CheckpointName::Best => judged.into(),
        CheckpointName::Last => format!("{judged}.last"),
    }
}

/// The report of this name that a run keeps.
pub fn read_report(saved: &Saved, name: &str) -> Result<Evaluation> {
    let path = saved.report(name);
    if !path.is_file() {
        return Err(Error::file(&path, "this run has no such report").help("`valuenet eval` makes it"));
    }
    serde_json::from_value(disk::read_json(&path)?).map_err(|error| {
        Error::file(&path, format!("not a report: {error}")).help("`valuenet eval` makes it anew")
    })
}

/// The mean over the seeds in a folder, from the reports of this name that their runs keep.
pub fn seed_means(folder: &Path, name: &str, format: Format) -> Result<String> {
    let reports = seed_reports(folder, name)?;
    Seeds { folder: folder.display().to_string(), split: name.into(), reports: &reports }.render(format)
}

/// The reports of this name that the runs under several seeds in a folder keep.
pub fn seed_reports(folder: &Path, name: &str) -> Result<Vec<(u64, Evaluation)>> {
    let report = |(seed, path): (u64, PathBuf)| Ok((seed, read_report(&Saved::open(&path)?, name)?));
    run::seeds(folder).into_iter().map(report).collect()
}

/// Judges a run's best checkpoint on its test split, and keeps the report in the run.
pub fn judge_test(
    folder: &Path,
    test: &Table,
    device: &Device,
    precision: Precision,
    format: Format,
    console: &Console,
) -> anyhow::Result<String> {
    let saved = Saved::open(folder)?;
    let model = model::open(folder, CheckpointName::Best, device, precision)?;
    let name = Split::Test.name();
    let (model, saved, bootstrap) = (model.predictor(), Some(&saved), replicates_for(name));
    let job = Job { model, folder, saved, table: test, name, bootstrap, thresholds: false };
    job.evaluate(format, CheckpointName::Best, console)
}

/// A split of the data that a run was made with.
fn saved_split(saved: &Saved, split: Split, console: &Console) -> anyhow::Result<Table> {
    let source = saved.info.data.iter().find(|source| source.split == split.name());
    let source = source.ok_or_else(|| {
        Error::usage(format!("the run's data has no {split} split")).help("name a file with --data")
    })?;
    if !source.path.is_file() {
        let what = "the run's data is no longer there";
        return Err(Error::data(&source.path, what).help("put it back, or name a file with --data").into());
    }
    let mut table = Table::read_strict(&source.path)?;
    table.rows.truncate(source.rows);
    if Source::of(split, &table)?.sha256 != source.sha256 {
        console
            .note(&format!("warning: {} is not the file that the run was made with", source.path.display()));
    }
    Ok(table)
}

/// How many bootstrap replicates a split's report has unless told otherwise.
fn replicates_for(split: &str) -> u32 {
    if split == Split::Test.name() { 2000 } else { 0 }
}

/// One evaluation: a model, and the rows it is judged by.
struct Job<'a> {
    model: &'a dyn Predictor,
    folder: &'a Path,
    saved: Option<&'a Saved>,
    table: &'a Table,
    name: &'a str,
    /// How many bootstrap replicates its intervals are made of, if any.
    bootstrap: u32,
    /// Whether classes are cut at fitted thresholds too.
    thresholds: bool,
}

impl Job<'_> {
    /// Judges the model, keeps the report and the predictions in the run, and returns the report.
    fn evaluate(
        &self,
        format: Format,
        checkpoint: CheckpointName,
        console: &Console,
    ) -> anyhow::Result<String> {
        let train_texts =
            self.saved.map(|saved| saved_split(saved, Split::Train, console)).and_then(|train| match train {
                Ok(train) => {
                    Some(train.rows.into_iter().map(|row| row.sample.scenario).collect::<HashSet<_>>())
                }
                Err(error) => {
                    console.note(&format!("warning: no slice of unseen texts: {error}"));
                    None
                }
            });
        let samples: Vec<_> = self.table.rows.iter().map(|row| row.sample.clone()).collect();
        let seen = |text: &str| train_texts.as_ref().map(|texts| texts.contains(text));
        let scored = predict(self.model, &samples, seen)?;
        let mut evaluation = Evaluation::of(&scored, self.model.train_labels())?;
        let bootstrap = (self.bootstrap > 0).then_some(Bootstrap { replicates: self.bootstrap, seed: 1 });
        if let Some(bootstrap) = bootstrap {
            evaluation = evaluation.with_intervals(&scored, bootstrap);
        }
        let thresholds = self.fitted(&scored, console)?;
        let report = Report {
            model: self.folder.display().to_string(),
            data: self.table.path.display().to_string(),
            split: self.name.into(),
            dtype: self.model.dtype(),
            class_rule: self.model.rule(),
            bootstrap,
            reliability: reliability(&scored),
            thresholds,
            evaluation: &evaluation,
        };
        if let Some(saved) = self.saved {
            let name = report_name(self.name, checkpoint);
            let path = saved.report(&name);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "create", error))?;
            }
            disk::write_file(&path, report.render(Format::Json)?.as_bytes())?;
            disk::write_file(&saved.predictions(&name), self.predictions(&scored)?.as_bytes())?;
            console.detail(&format!("written to {}", path.display()));
            if name == Split::Test.name() {
                self.write_card(saved, &evaluation)?;
            }
        }
        Ok(report.render(format)?)
    }

    /// The model card of the best checkpoint.
    fn write_card(&self, saved: &Saved, evaluation: &Evaluation) -> Result<()> {
        let Some(folder) = saved.checkpoint(Checkpoint::Best) else { return Ok(()) };
        let (info, train) = (&saved.info, &saved.info.config.train);
        let settings = [
            ("epochs", train.epochs.to_string()),
            ("batch size", train.batch_size.to_string()),
            ("learning rate", format!("{:e}", train.learning_rate)),
            ("seed", train.seed.to_string()),
            ("dtype", info.dtype.clone()),
        ];
        let making = Making {
            base: info.model.base.clone(),
            parameters: info.model.parameters,
            class_rule: self.model.rule().into(),
            settings: settings.map(|(name, value)| (name.to_string(), value)).into(),
            data: info.data.iter().map(|source| (source.split.clone(), source.rows)).collect(),
        };
        disk::write_file(&folder.join("README.md"), card(&making, evaluation).as_bytes())
    }

    /// The rows judged by thresholds fitted on the run's eval split, if that is asked for.
    fn fitted(&self, scored: &[Scored], console: &Console) -> anyhow::Result<Option<Thresholded>> {
        if !self.thresholds {
            return Ok(None);
        }
        if self.name == Split::Eval.name() {
            return Err(Error::usage(
                "--thresholds are fitted on the eval split, and cannot be judged by it",
            )
            .into());
        }
        let saved = self
            .saved
            .ok_or_else(|| Error::usage("--thresholds needs a run, whose eval split they are fitted on"))?;
        let eval: Vec<_> =
            saved_split(saved, Split::Eval, console)?.rows.into_iter().map(|row| row.sample).collect();
        let eval = predict(self.model, &eval, |_| None)?;
        Ok(Some(Thresholded::of(&eval, scored, self.model.train_labels())?))
    }

    fn predictions(&self, scored: &[Scored]) -> Result<String> {
        let rows = self.table.rows.iter().zip(scored);
        predictions::write(rows.map(|(row, scored)| (row.line, row.sample.scenario.as_str(), scored)))
    }
}
