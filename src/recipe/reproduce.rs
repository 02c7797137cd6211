//! The models of the paper's Tables 2 and 3: trained, judged, and put beside the paper's figures.

use std::path::{Path, PathBuf};

use super::train::{Begin, Outcome, TrainRequest, train};
use super::value::{ValueRecipe, read_report};
use super::{ProgressEvent, Recipe, Site};
use crate::config::{Config, FamilyKind};
use crate::data::Split;
use crate::disk;
use crate::error::{Error, Result};
use crate::eval::Evaluation;
use crate::model::value_head::Objective;
use crate::nn::device;
use crate::report::paper::Paper;
use crate::report::reproduction::{Entry, ReproductionReport};
use crate::report::{Format, render};
use crate::run::{IfOccupied, SavedRun, differences, seed_folder};
use crate::train::{Checkpoint, Stop};

/// What is to be reproduced.
#[derive(Debug, Clone)]
pub struct ReproduceRequest {
    /// A folder with the versions of the data, or with one dataset.
    pub data: PathBuf,
    /// The versions; if there is none, those that the folder has.
    pub versions: Vec<String>,
    /// The names of the rows.
    pub rows: Vec<String>,
    /// The seeds: one run each.
    pub seeds: Vec<u64>,
    /// Changes of all configurations, `key=value`, or of one row's, `row:key=value`.
    pub set: Vec<String>,
    /// The folder of all runs and tables.
    pub output: PathBuf,
    /// The paper's figures, if not those that the program knows.
    pub paper: Option<PathBuf>,
    /// How many rows of each split are read, if not all.
    pub limit: Option<usize>,
}

/// What came of it.
#[derive(Debug)]
pub struct Reproduction {
    /// A row of each version.
    pub entries: Vec<Entry>,
    /// The paper's figures.
    pub paper: Paper,
    /// How many runs failed.
    pub failures: usize,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

impl Reproduction {
    /// The tables in one of the formats.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn render(&self, format: Format) -> Result<String> {
        render(&ReproductionReport { entries: &self.entries, paper: &self.paper }, format)
    }

    /// Writes the tables in every format into a folder.
    fn write(&self, folder: &Path) -> Result<()> {
        let formats = [
            ("txt", Format::Table),
            ("md", Format::Markdown),
            ("tex", Format::Latex),
            ("csv", Format::Csv),
            ("json", Format::Json),
        ];
        formats.into_iter().try_for_each(|(extension, format)| {
            disk::write_file(
                &folder.join(format!("tables.{extension}")),
                self.render(format)?.as_bytes(),
            )
        })
    }
}

/// A row: its name, how tables and the paper call it, and its configuration.
struct ModelRow {
    name: &'static str,
    title: &'static str,
    config: &'static str,
}

macro_rules! row {
    ($name:literal, $title:literal) => {
        ModelRow {
            name: $name,
            title: $title,
            config: include_str!(concat!("../../configs/", $name, ".toml")),
        }
    };
}

/// Those of the paper first.
const ROWS: [ModelRow; 10] = [
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

/// The names of the rows that can be asked for.
pub fn row_names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name)
}

/// Trains and judges each row on each version under each seed, as far as that is not done yet;
/// tables are written as they fill. A run that fails does not stop the others.
///
/// # Errors
/// If the data or the paper's figures cannot be read, or the tables cannot be written.
pub fn reproduce(request: &ReproduceRequest, site: Site) -> Result<Reproduction> {
    let paper = paper(request.paper.as_deref())?;
    let versions = versions(request)?;
    let rows: Vec<&ModelRow> =
        ROWS.iter().filter(|row| request.rows.iter().any(|name| name == row.name)).collect();
    for row in &rows {
        row.write_config(&request.output)?;
    }
    let mut made = Reproduction { entries: Vec::new(), paper, failures: 0, interrupted: false };
    for (version, data) in &versions {
        for row in &rows {
            let of_row = OfRow { request, version, data, row, site };
            let mut reports = Vec::new();
            for &seed in &request.seeds {
                site.note(&format!("── {version} · {} · seed {seed}", row.name));
                match of_row.report(seed) {
                    Ok(Some(report)) => reports.push((seed, report)),
                    Ok(None) => return Ok(Reproduction { interrupted: true, ..made }),
                    Err(error) => {
                        made.failures += 1;
                        site.observer.tell(ProgressEvent::Failed(&error));
                    }
                }
            }
            if !reports.is_empty() {
                made.entries.push(Entry {
                    version: version.clone(),
                    row: row.name.into(),
                    title: row.title.into(),
                    classifier: of_row.is_classifier()?,
                    reports,
                });
                made.write(&request.output)?;
            }
        }
    }
    Ok(made)
}

fn paper(path: Option<&Path>) -> Result<Paper> {
    let (paper, name) = match path {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| Error::io(path, "read", error))?;
            (Paper::parse(&text), path)
        }
        None => (Paper::built_in(), Path::new("configs/paper.json")),
    };
    paper.map_err(|what| {
        Error::data(name, what).help("configs/paper.json in the repository shows the form")
    })
}

/// The names and folders of the versions.
fn versions(request: &ReproduceRequest) -> Result<Vec<(String, PathBuf)>> {
    let data = &request.data;
    let is_dataset = |folder: &Path| Split::Train.find(folder).is_some();
    let named: Vec<(String, PathBuf)> =
        request.versions.iter().map(|name| (name.clone(), data.join(name))).collect();
    if let Some((name, folder)) = named.iter().find(|(_, folder)| !is_dataset(folder)) {
        let what = format!("there is no version {name} here");
        return Err(
            Error::data(folder, what).help("`valuenet data balance` and `augment` make versions")
        );
    }
    if !named.is_empty() {
        return Ok(named);
    }
    if is_dataset(data) {
        let whole = std::path::absolute(data).unwrap_or_else(|_| data.clone());
        let name =
            whole.file_name().map_or("data".into(), |name| name.to_string_lossy().into_owned());
        return Ok(vec![(name, data.clone())]);
    }
    let usual =
        ["original", "balanced", "augmented"].map(|name| (name.to_string(), data.join(name)));
    let found: Vec<(String, PathBuf)> =
        usual.into_iter().filter(|(_, folder)| is_dataset(folder)).collect();
    match found.is_empty() {
        true => {
            Err(Error::data(data, "there is neither a train.csv nor a folder original with one")
                .help("name the folder of the dataset with --data"))
        }
        false => Ok(found),
    }
}

impl ModelRow {
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

/// One row on one version.
struct OfRow<'a> {
    request: &'a ReproduceRequest,
    version: &'a str,
    data: &'a Path,
    row: &'a ModelRow,
    site: Site<'a>,
}

impl OfRow<'_> {
    fn config(&self) -> Result<Config> {
        let mut set = vec![format!("data.dir={:?}", self.data.to_string_lossy())];
        for change in &self.request.set {
            match change.split_once(':').filter(|(row, _)| row_names().any(|name| name == *row)) {
                Some((row, change)) if row == self.row.name => set.push(change.into()),
                Some(_) => {}
                None => set.push(change.clone()),
            }
        }
        Config::read(&self.row.config_in(&self.request.output), &set)
    }

    /// Whether the row predicts classes.
    fn is_classifier(&self) -> Result<bool> {
        let model = self.config()?.model;
        Ok(model.family == FamilyKind::Linear || model.objective == Objective::ThreeClass)
    }

    /// The report of one run, which is computed as far as it is not there; none if it was
    /// interrupted.
    fn report(&self, seed: u64) -> Result<Option<Evaluation>> {
        let mut config = self.config()?;
        config.train.seed = seed;
        let folder = seed_folder(&self.request.output.join(self.version).join(self.row.name), seed);
        let begin = match self.progress(&folder, &config)? {
            RunProgress::Evaluated(evaluation) => {
                self.site.note("complete already");
                return Ok(Some(*evaluation));
            }
            RunProgress::Trained => return self.judge(&folder, &config).map(Some),
            RunProgress::Begun => Begin::Resume,
            RunProgress::Nothing if folder.is_dir() => Begin::New(IfOccupied::MoveAside),
            RunProgress::Nothing => Begin::New(IfOccupied::Refuse),
        };
        let limit = self.request.limit;
        let request = TrainRequest {
            config,
            folder,
            begin,
            limit,
            stop_after: None,
            test: true,
            tensorboard: false,
        };
        match train(&request, self.site)? {
            Outcome::Interrupted => Ok(None),
            Outcome::Ended(_, Some(_)) => kept_report(&request.folder).map(Some),
            Outcome::Ended(_, None) | Outcome::Planned => Err(no_test_split()),
        }
    }

    /// How far the run in a folder has come, if it is the run that is asked for. A report that
    /// cannot be read, of another version of the program perhaps, is made again.
    fn progress(&self, folder: &Path, config: &Config) -> Result<RunProgress> {
        let Some(saved) = SavedRun::is_run(folder).then(|| SavedRun::open(folder)).transpose()?
        else {
            return Ok(RunProgress::Nothing);
        };
        let limit = self.request.limit;
        let differing =
            differences(&saved, config, ValueRecipe::read(config, limit)?.sources(), limit)?;
        if !differing.is_empty() {
            let what = format!("another run is here: {}", differing.join("; "));
            return Err(Error::file(folder, what).help("begin elsewhere with -o, or move it away"));
        }
        Ok(match saved.info.outcome {
            Some(Stop::Finished | Stop::Patience) => {
                match read_report(&saved, Split::Test.name()) {
                    Ok(evaluation) => RunProgress::Evaluated(Box::new(evaluation)),
                    Err(_) => RunProgress::Trained,
                }
            }
            _ if saved.checkpoint(Checkpoint::Last).is_some() => RunProgress::Begun,
            _ => RunProgress::Nothing,
        })
    }

    /// Judges the best checkpoint on the test split.
    fn judge(&self, folder: &Path, config: &Config) -> Result<Evaluation> {
        let recipe = ValueRecipe::read(config, self.request.limit)?;
        let device = device::open(&config.train.device)?.device;
        recipe.test(folder, &device, self.site.observer)?.ok_or_else(no_test_split)?;
        kept_report(folder)
    }
}

/// The report on the test split that a run keeps.
fn kept_report(folder: &Path) -> Result<Evaluation> {
    read_report(&SavedRun::open(folder)?, Split::Test.name())
}

fn no_test_split() -> Error {
    Error::failure("the data has no test split")
}

/// How far a run has come.
enum RunProgress {
    Nothing,
    Begun,
    Trained,
    Evaluated(Box<Evaluation>),
}
