//! The paper's Table 4: ours beside the paper's, with the difference, and what learning from
//! rewards adds.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::dialogue_evaluation::{Column, DialogueReport, PER_WORD, TABLE_4};
use super::paper::{DialogueFigures, Figures, Note, Paper, Printed};
use super::reproduction::Compared;
use super::table::{Table, count, number, paragraph};
use super::{Records, Report, joined};

/// The evaluations of one model, one for each seed.
#[derive(Debug, Clone, PartialEq)]
pub struct DialogueEntry {
    /// The row's name.
    pub row: String,
    /// How tables call it, and the paper.
    pub title: String,
    /// The name of the row whose runs it starts from.
    pub starts_from: Option<String>,
    /// Each seed and its report on the test files.
    pub reports: Vec<(u64, DialogueReport)>,
}

/// Table 4 for each test file, ours beside the paper's.
#[derive(Debug, Clone, Copy)]
pub struct DialogueReproduction<'a> {
    /// Our rows.
    pub entries: &'a [DialogueEntry],
    /// The paper's figures.
    pub paper: &'a Paper,
}

/// The figures that are shown: the paper's, and one that tokenizers do not change.
fn columns() -> impl Iterator<Item = &'static Column> {
    TABLE_4.iter().chain([&PER_WORD])
}

/// What a report has of a file.
fn figures(report: &DialogueReport, set: &str) -> Option<Figures> {
    let set = report.sets.iter().find(|found| found.name == set)?;
    let figure = |(_, key, figure): &Column| {
        let found = figure(set)?.value;
        found.is_finite().then(|| (key.to_string(), found))
    };
    Some(columns().filter_map(figure).collect())
}

/// A row by one file, as JSON shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Line<'a> {
    set: &'a str,
    row: &'a str,
    title: &'a str,
    seeds: Vec<u64>,
    #[serde(flatten)]
    compared: Compared,
    paper_sd: Figures,
}

/// By how much a row that learned from rewards differs from the one that it starts from: means of
/// the differences between runs of the same seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Gain<'a> {
    set: &'a str,
    row: &'a str,
    title: &'a str,
    starts_from: &'a str,
    seeds: Vec<u64>,
    #[serde(flatten)]
    compared: Compared,
}

impl<'a> DialogueReproduction<'a> {
    /// The names of the files, in their order.
    fn sets(&self) -> Vec<&'a str> {
        let reports = self.entries.iter().flat_map(|entry| &entry.reports);
        let sets = reports.flat_map(|(_, report)| &report.sets).map(|set| set.name.as_str());
        let mut known = BTreeSet::new();
        sets.filter(|name| known.insert(*name)).collect()
    }

    /// What the paper prints of a row by a file, and the standard deviations.
    fn printed(&self, title: &str, set: &str) -> [Figures; 2] {
        let found = self.paper.table4.iter().find(|row| row.model == title);
        let found = found.and_then(|row| match set.trim_start_matches("test.") {
            "original" => Some(row.original),
            "revised" => Some(row.revised),
            _ => None,
        });
        let Some(DialogueFigures { hits1, perplexity, f1 }) = found else {
            return Default::default();
        };
        let all = || TABLE_4.iter().map(|(_, key, _)| key.to_string()).zip([hits1, perplexity, f1]);
        let of = |figure: fn(Printed) -> Option<f64>| {
            all().filter_map(|(key, it)| Some((key, figure(it?)?))).collect()
        };
        [of(|it| Some(it.mean)), of(|it| it.sd)]
    }

    fn lines(&self, set: &'a str) -> Vec<Line<'a>> {
        let line = |entry: &'a DialogueEntry| {
            let reports = entry.reports.iter();
            let found = reports.filter_map(|(seed, it)| Some((*seed, figures(it, set)?)));
            let (seeds, found): (Vec<u64>, Vec<Figures>) = found.unzip();
            let [paper, paper_sd] = self.printed(&entry.title, set);
            let compared = Compared::of(&found, Some(&paper));
            let (row, title) = (entry.row.as_str(), entry.title.as_str());
            Line { set, row, title, seeds, compared, paper_sd }
        };
        self.entries.iter().map(line).filter(|line| !line.seeds.is_empty()).collect()
    }

    fn gains(&self, set: &'a str) -> Vec<Gain<'a>> {
        let gain = |entry: &'a DialogueEntry| {
            let starts_from = entry.starts_from.as_deref()?;
            let first = self.entries.iter().find(|first| first.row == starts_from)?;
            let of_seed = |(seed, report): &(u64, DialogueReport)| {
                let (_, before) = first.reports.iter().find(|(other, _)| other == seed)?;
                Some((*seed, less(&figures(report, set)?, &figures(before, set)?)))
            };
            let (seeds, found): (Vec<u64>, Vec<Figures>) =
                entry.reports.iter().filter_map(of_seed).unzip();
            let [paper, paper_before] =
                [&entry.title, &first.title].map(|title| self.printed(title, set)[0].clone());
            let compared = Compared::of(&found, Some(&less(&paper, &paper_before)));
            let (row, title) = (entry.row.as_str(), entry.title.as_str());
            (!seeds.is_empty()).then_some(Gain { set, row, title, starts_from, seeds, compared })
        };
        self.entries.iter().filter_map(gain).collect()
    }

    /// What the paper's figures of the rows are to be read with.
    fn notes(&self) -> impl Iterator<Item = &'a Note> {
        let titles: Vec<&str> = self.entries.iter().map(|entry| entry.title.as_str()).collect();
        self.paper.notes_on(4, &titles).collect::<Vec<_>>().into_iter()
    }

    /// By what all was measured, a line for each file.
    fn counts(&self) -> String {
        let reports = || self.entries.iter().flat_map(|entry| &entry.reports);
        let line = |name: &str| {
            let mut found = reports().flat_map(|(_, report)| &report.sets);
            let set = found.find(|set| set.name == name)?;
            let [dialogues, replies] = [set.dialogues, set.replies].map(|it| count(it as u64));
            let name = name.trim_start_matches("test.");
            Some(format!("{name}: {dialogues} dialogues, {replies} replies.\n"))
        };
        self.sets().into_iter().filter_map(line).collect()
    }
}

/// What two have, the second subtracted from the first.
fn less(a: &Figures, b: &Figures) -> Figures {
    a.iter().filter_map(|(key, a)| Some((key.clone(), a - b.get(key)?))).collect()
}

/// The name of a row with the number of its seeds.
fn name(title: &str, seeds: &[u64]) -> String {
    match seeds.len() {
        1 => title.into(),
        count => format!("{title} ×{count}"),
    }
}

/// A row of figures with their deviations, each `written` in its way.
fn cells(
    name: String,
    means: &Figures,
    deviations: Option<&Figures>,
    written: fn(f64) -> String,
) -> Vec<String> {
    let cell = |(_, key, _): &Column| {
        let Some(mean) = means.get(*key) else { return "-".into() };
        match deviations.and_then(|all| all.get(*key)) {
            Some(sd) => format!("{} ± {sd:.2}", written(*mean)),
            None => written(*mean),
        }
    };
    std::iter::once(name).chain(columns().map(cell)).collect()
}

fn plain(figure: f64) -> String {
    format!("{figure:.2}")
}

fn signed(figure: f64) -> String {
    format!("{figure:+.2}")
}

fn empty(title: String) -> Table {
    Table::new(title, std::iter::once("").chain(columns().map(|(name, ..)| *name)))
}

const NOTE: &str = "\n\
Each figure is the mean ± standard deviation over seeds (×N). Hits@1 and F1 in\n\
percent. Ppl is per token of each model's own tokenizer, and compares models of\n\
one tokenizer only; Ppl/word compares all. A dash: not printed, or not on hand.\n\
The paper does not tell its candidates, layouts and decoding.\n";

impl Report for DialogueReproduction<'_> {
    fn tables(&self) -> Vec<Table> {
        let mut tables = Vec::new();
        for set in self.sets() {
            let mut table = empty(format!("Table 4, {}", set.trim_start_matches("test.")));
            for Line { title, seeds, compared, paper_sd, .. } in self.lines(set) {
                let Compared { mean, sd, paper, difference } = &compared;
                table.push(cells(name(title, &seeds), mean, sd.as_ref(), plain));
                if !paper.is_empty() {
                    table.push(cells("  paper".into(), paper, Some(&paper_sd), plain));
                    table.push(cells("  difference".into(), difference, None, signed));
                }
            }
            tables.push(table);
        }
        for set in self.sets() {
            let shown = set.trim_start_matches("test.");
            let mut table = empty(format!("Table 4, {shown}: what learning from rewards changes"));
            let gains = self.gains(set);
            for Gain { title, seeds, compared, .. } in &gains {
                let Compared { mean, sd, paper, .. } = compared;
                table.push(cells(name(title, seeds), mean, sd.as_ref(), signed));
                if !paper.is_empty() {
                    table.push(cells("  paper".into(), paper, None, signed));
                }
            }
            tables.extend((!gains.is_empty()).then_some(table));
        }
        tables
    }

    fn text(&self) -> String {
        let notes: String =
            self.notes().map(|note| format!("\n{}", paragraph(&note.text))).collect();
        joined(&self.tables(), Table::text) + NOTE + &self.counts() + &notes
    }

    fn markdown(&self) -> String {
        let notes: String = self.notes().map(|note| format!("\n{}\n", note.text)).collect();
        joined(&self.tables(), Table::markdown) + NOTE + &self.counts() + &notes
    }

    fn latex(&self) -> String {
        let notes: String = self.notes().map(|note| format!("% {}\n", note.text)).collect();
        joined(&self.tables(), Table::latex) + &notes
    }

    fn records(&self) -> Records {
        let keys: Vec<&str> = columns().map(|(_, key, _)| *key).collect();
        let header = ["set", "row", "title", "seeds", "what"].into_iter().chain(keys.clone());
        let line = |line: &Line, what: &str, found: &Figures| {
            let seeds = line.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
            let head = [line.set, line.row, line.title, &seeds, what].map(String::from);
            let cells = keys.iter().map(|key| number(found.get(*key).copied()));
            head.into_iter().chain(cells).collect::<Vec<_>>()
        };
        let mut rows = Vec::new();
        for found in self.sets().into_iter().flat_map(|set| self.lines(set)) {
            let Compared { mean, sd, paper, .. } = &found.compared;
            let none = Figures::new();
            let sd = sd.as_ref().unwrap_or(&none);
            let all = [("mean", mean), ("sd", sd), ("paper", paper), ("paper_sd", &found.paper_sd)];
            for (what, figures) in all.into_iter().filter(|(_, figures)| !figures.is_empty()) {
                rows.push(line(&found, what, figures));
            }
        }
        Records::new(header, rows)
    }

    fn json(&self) -> serde_json::Result<Json> {
        let lines: Vec<Line> = self.sets().into_iter().flat_map(|set| self.lines(set)).collect();
        let gains: Vec<Gain> = self.sets().into_iter().flat_map(|set| self.gains(set)).collect();
        Ok(json!({
            "paper": self.paper.source,
            "notes": serde_json::to_value(self.notes().collect::<Vec<_>>())?,
            "rows": serde_json::to_value(lines)?,
            "gains": serde_json::to_value(gains)?,
        }))
    }
}
