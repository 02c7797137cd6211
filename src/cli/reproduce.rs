//! `valuenet reproduce`: the models of the paper's Tables 2 and 3, trained, evaluated and put beside the paper's figures.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use valuenet::config::{Config, FamilyKind};
use valuenet::data::Split;
use valuenet::disk;
use valuenet::error::{Error, Result};
use valuenet::eval::Evaluation;
use valuenet::model::head::Objective;
use valuenet::nn::device;
use valuenet::report::Format;
use valuenet::report::paper::Paper;
use valuenet::report::reproduction::{Entry, render};
use valuenet::run::{Saved, differences, seed_folder};
use valuenet::train::{Checkpoint, Stop};

use super::TableFormat;
use super::error;
use super::eval::{judge_test, read_report};
use super::output::{Console, write_result};
use super::train::{self, read_config};
use super::train_data::Data;
use super::train_session::Outcome;

#[derive(clap::Args)]
pub struct Args {
    /// A folder with the versions of the data, original/ balanced/ augmented/, or with one dataset.
    #[arg(long, value_name = "DIR", default_value = "data/valuenet")]
    data: PathBuf,

    /// The versions; by default those that the folder has.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    versions: Vec<String>,

    /// The models.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", value_parser = row_names(),
          default_values = ["linear", "bert", "distilbert", "roberta", "bart"])]
    rows: Vec<String>,

    /// The seeds: one run each.
    #[arg(long, value_delimiter = ',', default_value = "1", value_name = "N,…")]
    seeds: Vec<u64>,

    /// Change a key of all configurations, or as minilm:model.base=DIR of one row's.
    #[arg(long, value_name = "[ROW:]KEY=VALUE")]
    set: Vec<String>,

    /// The folder of all runs and tables. What is complete there is not computed again.
    #[arg(short, long, value_name = "DIR", default_value = "runs/reproduce")]
    output: PathBuf,

    /// The paper's figures as JSON; by default those that the program knows.
    #[arg(long, value_name = "FILE")]
    paper: Option<PathBuf>,

    /// Read only the first N rows of each split.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// How to write the tables to stdout; the folder has them in every format.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

/// A row: its name, how tables and the paper call it, and its configuration.
struct Row {
    name: &'static str,
    title: &'static str,
    config: &'static str,
}

impl Row {
    /// Where the configuration stands among the runs.
    fn config_in(&self, output: &Path) -> PathBuf {
        output.join("configs").join(format!("{}.toml", self.name))
    }

    fn write_config(&self, output: &Path) -> Result<()> {
        let folder = output.join("configs");
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, "create", error))?;
        disk::write_file(&self.config_in(output), self.config.as_bytes())
    }
}

macro_rules! row {
    ($name:literal, $title:literal) => {
        Row { name: $name, title: $title, config: include_str!(concat!("../../configs/", $name, ".toml")) }
    };
}

/// Those of the paper first.
const ROWS: [Row; 10] = [
    row!("linear", "fastText"),
    row!("bert", "BERT"),
    row!("distilbert", "DistilBERT"),
    row!("roberta", "RoBERTa"),
    row!("bart", "BART"),
    row!("modernbert", "ModernBERT"),
    row!("deberta", "DeBERTa-v3"),
    row!("minilm", "MiniLM"),
    row!("minilm-classes", "MiniLM 3-class"),
    row!("scratch", "from scratch"),
];

fn row_names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(ROWS.iter().map(|row| row.name))
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let paper = paper(args)?;
    let versions = versions(args)?;
    let rows: Vec<&Row> = ROWS.iter().filter(|row| args.rows.iter().any(|name| name == row.name)).collect();
    for row in &rows {
        row.write_config(&args.output)?;
    }
    let (mut entries, mut failures): (Vec<Entry>, usize) = (Vec::new(), 0);
    for (version, data) in &versions {
        for row in &rows {
            let task = Task { args, version, data, row, console };
            let mut reports = Vec::new();
            for &seed in &args.seeds {
                console.note(&format!("── {version} · {} · seed {seed}", row.name));
                match task.report(seed) {
                    Ok(Some(report)) => reports.push((seed, report)),
                    Ok(None) => return Ok(ExitCode::from(130)),
                    Err(error) => {
                        failures += 1;
                        error::show(&error);
                    }
                }
            }
            if !reports.is_empty() {
                let (version, title) = (version.clone(), row.title.into());
                entries.push(Entry {
                    version,
                    row: row.name.into(),
                    title,
                    classifier: task.is_classifier()?,
                    reports,
                });
                write_tables(&args.output, &entries, &paper)?;
            }
        }
    }
    if !entries.is_empty() {
        write_result(&render(&entries, &paper, args.format.into())?, None)?;
        console.note(&format!("tables.{{txt,md,tex,csv,json}} are in {}", args.output.display()));
    }
    Ok(match failures {
        0 => ExitCode::SUCCESS,
        count => {
            console.note(&format!(
                "{count} of the runs failed, as said above; the same command tries them again"
            ));
            ExitCode::FAILURE
        }
    })
}

fn paper(args: &Args) -> Result<Paper> {
    let (paper, name) = match &args.paper {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, "read", error))?;
            (Paper::parse(&text), path.as_path())
        }
        None => (Paper::built_in(), Path::new("configs/paper.json")),
    };
    paper.map_err(|what| Error::data(name, what).help("configs/paper.json in the repository shows the form"))
}

/// The names and folders of the versions.
fn versions(args: &Args) -> Result<Vec<(String, PathBuf)>> {
    let is_dataset = |folder: &Path| Split::Train.find(folder).is_some();
    let named: Vec<(String, PathBuf)> =
        args.versions.iter().map(|name| (name.clone(), args.data.join(name))).collect();
    if let Some((name, folder)) = named.iter().find(|(_, folder)| !is_dataset(folder)) {
        let what = format!("there is no version {name} here");
        return Err(Error::data(folder, what).help("`valuenet data balance` and `augment` make versions"));
    }
    if !named.is_empty() {
        return Ok(named);
    }
    if is_dataset(&args.data) {
        let whole = std::path::absolute(&args.data).unwrap_or_else(|_| args.data.clone());
        let name = whole.file_name().map_or("data".into(), |name| name.to_string_lossy().into_owned());
        return Ok(vec![(name, args.data.clone())]);
    }
    let usual = ["original", "balanced", "augmented"].map(|name| (name.to_string(), args.data.join(name)));
    let found: Vec<(String, PathBuf)> = usual.into_iter().filter(|(_, folder)| is_dataset(folder)).collect();
    match found.is_empty() {
        true => Err(Error::data(&args.data, "there is neither a train.csv nor a folder original with one")
            .help("name the folder of the dataset with --data")),
        false => Ok(found),
    }
}

/// One row on one version.
struct Task<'a> {
    args: &'a Args,
    version: &'a str,
    data: &'a Path,
    row: &'a Row,
    console: &'a Console,
}

impl Task<'_> {
    /// What `valuenet train` would be told for this row and seed.
    fn train_args(&self, seed: u64) -> train::Args {
        let config = self.row.config_in(&self.args.output);
        let mut set = vec![format!("data.dir={:?}", self.data.to_string_lossy())];
        for change in &self.args.set {
            match change.split_once(':').filter(|(row, _)| ROWS.iter().any(|other| other.name == *row)) {
                Some((row, change)) if row == self.row.name => set.push(change.into()),
                Some(_) => {}
                None => set.push(change.clone()),
            }
        }
        let folder = seed_folder(&self.args.output.join(self.version).join(self.row.name), seed);
        let (seed, limit) = (Some(seed), self.args.limit);
        train::Args { config, output: Some(folder), set, seed, limit, no_test: true, ..Default::default() }
    }

    /// Whether the row predicts classes.
    fn is_classifier(&self) -> Result<bool> {
        let config = read_config(&self.train_args(0))?;
        Ok(config.model.family == FamilyKind::Linear || config.model.objective == Objective::ThreeClass)
    }

    /// The report of one run, which is computed as far as it is not there; none if it was interrupted.
    fn report(&self, seed: u64) -> anyhow::Result<Option<Evaluation>> {
        let mut args = self.train_args(seed);
        let config = read_config(&args)?;
        let folder = args.output.clone().unwrap_or_default();
        match self.progress(&folder, &config)? {
            Progress::Evaluated(evaluation) => {
                self.console.note("complete already");
                return Ok(Some(*evaluation));
            }
            Progress::Trained => return self.evaluate(&folder, &config).map(Some),
            Progress::Begun => args.resume = true,
            Progress::Nothing => args.overwrite = folder.is_dir(),
        }
        match train::train(&args, self.console)? {
            Outcome::Interrupted => Ok(None),
            Outcome::Ended(_) | Outcome::Planned => self.evaluate(&folder, &config).map(Some),
        }
    }

    /// How far the run in a folder has come, if it is the run that is asked for. A report that cannot be read, of another version
    /// of the program perhaps, is made again.
    fn progress(&self, folder: &Path, config: &Config) -> Result<Progress> {
        let Some(saved) = Saved::is_run(folder).then(|| Saved::open(folder)).transpose()? else {
            return Ok(Progress::Nothing);
        };
        let limit = self.args.limit.map(|limit| limit as usize);
        let differing = differences(&saved, config, &Data::read(config, limit)?.sources, limit)?;
        if !differing.is_empty() {
            let what = format!("another run is here: {}", differing.join("; "));
            return Err(Error::file(folder, what).help("begin elsewhere with -o, or move it away"));
        }
        Ok(match saved.info.outcome {
            Some(Stop::Finished | Stop::Patience) => match read_report(&saved, Split::Test.name()) {
                Ok(evaluation) => Progress::Evaluated(Box::new(evaluation)),
                Err(_) => Progress::Trained,
            },
            _ if saved.checkpoint(Checkpoint::Last).is_some() => Progress::Begun,
            _ => Progress::Nothing,
        })
    }

    /// Judges the best checkpoint on the test split.
    fn evaluate(&self, folder: &Path, config: &Config) -> anyhow::Result<Evaluation> {
        let limit = self.args.limit.map(|limit| limit as usize);
        let test = Data::read(config, limit)?.test.context("the data has no test split")?;
        let device = device::open(&config.train.device)?.device;
        let report = judge_test(folder, &test, &device, config.train.dtype, Format::Json, self.console)?;
        Ok(serde_json::from_str(&report)?)
    }
}

/// How far a run has come.
enum Progress {
    Nothing,
    Begun,
    Trained,
    Evaluated(Box<Evaluation>),
}

fn write_tables(folder: &Path, entries: &[Entry], paper: &Paper) -> Result<()> {
    let formats = [
        ("txt", Format::Table),
        ("md", Format::Markdown),
        ("tex", Format::Latex),
        ("csv", Format::Csv),
        ("json", Format::Json),
    ];
    for (extension, format) in formats {
        let text = render(entries, paper, format)?;
        disk::write_file(&folder.join(format!("tables.{extension}")), text.as_bytes())?;
    }
    Ok(())
}
