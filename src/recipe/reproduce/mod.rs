//! The models of the paper's Tables 2 to 6: trained, judged, and put beside the paper's figures.

mod ablation;
mod rows;
mod run;
mod versions;

pub use rows::{Tables, row_names};

use std::path::{Path, PathBuf};

use rows::{ModelRow, rows_of};
use run::no_test_split;
use versions::{one_version, versions};

use super::dialogue::saved_report;
use super::value::read_report;
use super::{ProgressEvent, Site};
use crate::config::{Config, FamilyKind};
use crate::data::Split;
use crate::disk;
use crate::error::{Error, Result};
use crate::eval::Mean;
use crate::model::value_head::Objective;
use crate::report::ablation::{Ablation, AblationEntry, AblationGain, AblationReport};
use crate::report::dialogue_reproduction::{DialogueEntry, DialogueReproduction};
use crate::report::paper::Paper;
use crate::report::reproduction::{Entry, ReproductionReport};
use crate::report::{Format, Report, render};
use crate::run::{SavedRun, seed_folder};

/// What is to be reproduced.
#[derive(Debug, Clone)]
pub struct ReproduceRequest {
    /// The tables.
    pub tables: Tables,
    /// A folder with the versions of the data, or with one dataset; for Tables 4 and 5 the folder of
    /// their files.
    pub data: PathBuf,
    /// The versions; if there is none, those that the folder has. Tables 4 and 5 have none.
    pub versions: Vec<String>,
    /// The names of the rows; if there is none, the paper's.
    pub rows: Vec<String>,
    /// The run of the value model that rows "+ Value" of Tables 4 and 5 learn with.
    pub values: Option<PathBuf>,
    /// The runs of the classifiers that predict the emotions of Table 6: without values, and with.
    pub emotions: [Option<PathBuf>; 2],
    /// The seeds: one run each. If there is none, as many as the tables are to be made of.
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
    /// Which tables these are.
    pub tables: Tables,
    /// A row of each version, of Tables 2 and 3.
    pub entries: Vec<Entry>,
    /// The rows of Table 4.
    pub dialogues: Vec<DialogueEntry>,
    /// The rows of Table 5 or 6.
    pub ablation: Vec<AblationEntry>,
    /// The paper's figures.
    pub paper: Paper,
    /// How many runs failed.
    pub failures: usize,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

impl Reproduction {
    /// Whether nothing came of it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.dialogues.is_empty() && self.ablation.is_empty()
    }

    /// What the names of the tables' files begin with.
    pub fn stem(&self) -> &'static str {
        match self.tables {
            Tables::Values => "tables",
            Tables::Dialogues => "table4",
            Tables::Emotions => "table5",
            Tables::Replies => "table6",
        }
    }

    fn report(&self) -> Box<dyn Report + '_> {
        let (entries, paper) = (&self.entries, &self.paper);
        let ablation = |table| AblationReport { table, entries: &self.ablation, paper };
        match self.tables {
            Tables::Values => Box::new(ReproductionReport { entries, paper }),
            Tables::Dialogues => Box::new(DialogueReproduction { entries: &self.dialogues, paper }),
            Tables::Emotions => Box::new(ablation(Ablation::Emotions)),
            Tables::Replies => Box::new(ablation(Ablation::Replies)),
        }
    }

    /// The tables in one of the formats.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn render(&self, format: Format) -> Result<String> {
        render(self.report().as_ref(), format)
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
                &folder.join(format!("{}.{extension}", self.stem())),
                self.render(format)?.as_bytes(),
            )
        })
    }
}

/// Trains and judges each row on each version under each seed, as far as that is not done yet;
/// tables are written as they fill. A run that fails does not stop the others.
///
/// # Errors
/// If the data or the paper's figures cannot be read, or the tables cannot be written.
pub fn reproduce(request: &ReproduceRequest, site: Site) -> Result<Reproduction> {
    let paper = paper(request.paper.as_deref())?;
    let tables = request.tables;
    let rows = rows_of(tables, &request.rows)?;
    let versions = match tables {
        Tables::Values if request.values.is_some() => {
            let what = "--values is for Tables 4 and 5: value models learn with no other";
            return Err(Error::usage(what).help("--tables 4 is the one of dialogue models"));
        }
        Tables::Values => versions(request)?,
        Tables::Dialogues | Tables::Emotions | Tables::Replies => {
            vec![one_version(request, &rows)?]
        }
    };
    let seeds = if request.seeds.is_empty() { tables.seeds() } else { &request.seeds };
    for row in rows.iter().copied().chain(rows.iter().filter_map(|row| row.first())) {
        row.write_config(&request.output)?;
    }
    let mut made = Reproduction {
        tables,
        entries: Vec::new(),
        dialogues: Vec::new(),
        ablation: Vec::new(),
        paper,
        failures: 0,
        interrupted: false,
    };
    for (version, data) in &versions {
        let mut failed: Vec<(&str, u64)> = Vec::new();
        for row in rows.iter().copied() {
            let failed_before = failed.clone();
            let of_row = OfRow { request, version, data, row, site, failed: &failed_before };
            let mut done = Vec::new();
            for &seed in seeds {
                site.note(&format!("── {version} · {} · seed {seed}", row.name));
                match of_row.complete(seed) {
                    Ok(true) => done.push(seed),
                    Ok(false) => return Ok(Reproduction { interrupted: true, ..made }),
                    Err(error) => {
                        made.failures += 1;
                        failed.push((&row.name, seed));
                        site.observer.tell(ProgressEvent::Failed(&error));
                    }
                }
            }
            if !done.is_empty() {
                of_row.add_to(&mut made, &done)?;
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

/// One row on one version.
#[derive(Clone, Copy)]
struct OfRow<'a> {
    request: &'a ReproduceRequest,
    version: &'a str,
    data: &'a Path,
    row: &'static ModelRow,
    site: Site<'a>,
    /// The rows and seeds of runs that have failed.
    failed: &'a [(&'static str, u64)],
}

impl OfRow<'_> {
    /// The folder of the run under a seed.
    fn folder(&self, seed: u64) -> PathBuf {
        self.folder_of(&self.row.name, seed)
    }

    /// The folder of the run of a row under a seed.
    fn folder_of(&self, row: &str, seed: u64) -> PathBuf {
        seed_folder(&self.request.output.join(self.version).join(row), seed)
    }

    /// The same of the row that it starts from.
    fn first(&self) -> Option<Self> {
        self.row.first().map(|row| Self { row, ..*self })
    }

    fn config(&self, seed: u64) -> Result<Config> {
        let path = |key: &str, path: &Path| format!("{key}={:?}", path.to_string_lossy());
        let mut set = vec![path("data.dir", self.data)];
        if let Some(uses) = self.row.uses {
            set.extend(self.request.run_of(uses).map(|run| path(uses.key(), run)));
        }
        set.extend(self.row.set.iter().cloned());
        for change in &self.request.set {
            match change.split_once(':').filter(|(row, _)| row_names().any(|name| name == *row)) {
                Some((row, change)) if row == self.row.name => set.push(change.into()),
                Some(_) => {}
                None => set.push(change.clone()),
            }
        }
        // Whatever is changed, it starts from the run of the same seed.
        set.extend(self.first().map(|first| path("model.base", &first.folder(seed))));
        let mut config = Config::read(&self.row.config_in(&self.request.output), &set)?;
        config.train.seed = seed;
        Ok(config)
    }

    /// Trains and judges one run, and before it the run that it starts from, as far as that is not
    /// done; false if it was interrupted.
    fn complete(&self, seed: u64) -> Result<bool> {
        if let Some(first) = self.first() {
            let name = first.row.name.as_str();
            if self.failed.contains(&(name, seed)) {
                let what =
                    format!("the run of {name} under seed {seed}, which it starts from, failed");
                return Err(Error::failure(what));
            }
            self.site.note(&format!("it starts from {name} · seed {seed}"));
            if !first.complete(seed)? {
                return Ok(false);
            }
        }
        let config = self.config(seed)?;
        run::complete(&config, &self.folder(seed), self.request.limit, self.site)
    }

    /// Adds the row, of which there are runs under these seeds.
    fn add_to(&self, made: &mut Reproduction, seeds: &[u64]) -> Result<()> {
        let saved = |seed: u64| SavedRun::open(&self.folder(seed));
        let (row, title) = (self.row.name.clone(), self.row.title.clone());
        match made.tables {
            Tables::Values => {
                let model = self.config(seeds[0])?.model;
                let report = |&seed| Ok((seed, read_report(&saved(seed)?, Split::Test.name())?));
                made.entries.push(Entry {
                    version: self.version.into(),
                    row,
                    title,
                    classifier: model.family == FamilyKind::Linear
                        || model.objective == Objective::ThreeClass,
                    reports: seeds.iter().map(report).collect::<Result<_>>()?,
                });
            }
            Tables::Dialogues => {
                let report = |&seed| {
                    let report = saved_report(&saved(seed)?, Split::Test)?;
                    Ok((seed, report.ok_or_else(no_test_split)?))
                };
                made.dialogues.push(DialogueEntry {
                    row,
                    title,
                    starts_from: self.row.starts_from.clone(),
                    reports: seeds.iter().map(report).collect::<Result<_>>()?,
                });
            }
            Tables::Emotions | Tables::Replies => made.ablation.push(AblationEntry {
                gain: self.gain(made, seeds)?,
                row,
                title,
                seeds: seeds.to_vec(),
                means: self.means(seeds)?,
            }),
        }
        Ok(())
    }

    /// The mean of each figure of the row over its seeds.
    fn means(&self, seeds: &[u64]) -> Result<Vec<Mean>> {
        let figures = |&seed: &u64| ablation::figures(self.request.tables, &self.folder(seed));
        let all: Vec<Vec<f64>> = seeds.iter().map(figures).collect::<Result<_>>()?;
        let columns = 0..all.first().map_or(0, Vec::len);
        let mean = |column: usize| {
            Mean::of(&all.iter().map(|figures| figures[column]).collect::<Vec<_>>())
        };
        Ok(columns.map(mean).collect())
    }

    /// What is added to the row, compared with the one without it, under the seeds that both have;
    /// none if that row was not asked for.
    fn gain(&self, made: &Reproduction, seeds: &[u64]) -> Result<Option<AblationGain>> {
        let other =
            made.ablation.iter().find(|entry| Some(&entry.row) == self.row.without.as_ref());
        let Some(AblationEntry { row, title, seeds: others, .. }) = other else { return Ok(None) };
        let shared: Vec<u64> = seeds.iter().filter(|seed| others.contains(seed)).copied().collect();
        if shared.is_empty() {
            return Ok(None);
        }
        let runs = |row: &str| -> Vec<PathBuf> {
            shared.iter().map(|&seed| self.folder_of(row, seed)).collect()
        };
        let (a, b) = (runs(row), runs(&self.row.name));
        let difference = ablation::difference(self.request.tables, &a, &b)?;
        Ok(Some(AblationGain { without: title.clone(), seeds: shared, difference }))
    }
}
