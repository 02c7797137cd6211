//! The paper's Table 5: ours beside the paper's, and what values add.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::comparison::{beyond, p};
use super::dialogue_evaluation::mean_and_sd;
use super::emotion_evaluation::{COLUMNS, Column, EmotionReport, names};
use super::paper::{Emotion, Note, Paper, Printed};
use super::table::{Table, number, paragraph};
use super::{Records, Report};
use crate::eval::Mean;
use crate::eval::classes::ClassComparison;

/// The evaluations of one model, one for each seed.
#[derive(Debug, Clone, PartialEq)]
pub struct EmotionEntry {
    /// The row's name.
    pub row: String,
    /// How tables call it, and the paper.
    pub title: String,
    /// Each seed and its report on the test split.
    pub reports: Vec<(u64, EmotionReport)>,
    /// What values add to it, if it has some and the row without them was made too.
    pub gain: Option<EmotionGain>,
}

/// A row compared with the one that differs from it by its values only.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmotionGain {
    /// How tables call the other row.
    pub without: String,
    /// The seeds that both have.
    pub seeds: Vec<u64>,
    /// The comparison over all of them.
    #[serde(flatten)]
    pub comparison: ClassComparison,
}

/// Table 5, ours beside the paper's.
#[derive(Debug, Clone, Copy)]
pub struct EmotionReproduction<'a> {
    /// Our rows.
    pub entries: &'a [EmotionEntry],
    /// The paper's figures.
    pub paper: &'a Paper,
}

impl EmotionEntry {
    fn mean(&self, (_, _, factor, figure): &Column) -> Mean {
        let of = |(_, report): &(u64, EmotionReport)| factor * figure(&report.evaluation).value;
        Mean::of(&self.reports.iter().map(of).collect::<Vec<_>>())
    }
}

impl<'a> EmotionReproduction<'a> {
    fn printed(&self, title: &str) -> Option<&'a Emotion> {
        self.paper.table5.iter().find(|row| row.model == title)
    }

    fn scores(&self) -> Table {
        let header = ["", "seeds", "paper"].into_iter().chain(names());
        let mut table = Table::new("Table 5: emotions of situations, in percent", header);
        for entry in self.entries {
            let paper = match self.printed(&entry.title).map(|row| row.accuracy) {
                Some(Printed { mean, sd: Some(sd) }) => format!("{mean:.2} ± {sd:.1}"),
                Some(Printed { mean, sd: None }) => format!("{mean:.2}"),
                None => "-".into(),
            };
            let head = [entry.title.clone(), entry.reports.len().to_string(), paper];
            let means = COLUMNS.iter().map(|column| mean_and_sd(entry.mean(column), false));
            table.push(head.into_iter().chain(means));
        }
        let note = self.notes().map(|note| paragraph(&note.text)).collect::<String>();
        let note =
            format!("paper: the accuracy that the paper prints. The loss is in nats.\n{note}");
        table.note(note)
    }

    fn gains(&self) -> Option<Table> {
        let header = ["", "less", "accuracy", "95% interval", "p", "paper"];
        let mut table = Table::new("what values add, in points of accuracy", header).left(1);
        let mut verdict = String::new();
        for entry in self.entries {
            let Some(gain) = &entry.gain else { continue };
            let found = gain.comparison.accuracy;
            let points = |number: f64| format!("{:+.2}", 100.0 * number);
            let interval = found.interval.map_or("-".into(), |ends| {
                format!("{} to {}", points(ends.low), points(ends.high))
            });
            let paper = self.printed(&entry.title).and_then(|row| row.gain);
            table.push([
                entry.title.clone(),
                gain.without.clone(),
                points(found.difference),
                interval,
                p(found.p),
                paper.map_or("-".into(), |gain| format!("{gain:+.2}")),
            ]);
            let words = match (beyond(found.p), found.difference > 0.0) {
                (false, _) => "no difference beyond chance",
                (true, true) => "better beyond chance",
                (true, false) => "worse beyond chance",
            };
            let (title, without) = (&entry.title, &gain.without);
            verdict += &format!("{title}: {words} than {without}.\n")
                .replace("no difference beyond chance than", "no difference beyond chance to");
        }
        (!verdict.is_empty()).then(|| {
            let how = "Intervals by a bootstrap over texts, the runs of all seeds together.\n";
            table.note(verdict + how)
        })
    }

    /// What the paper's figures of the rows are to be read with.
    fn notes(&self) -> impl Iterator<Item = &'a Note> {
        let titles: Vec<&str> = self.entries.iter().map(|entry| entry.title.as_str()).collect();
        self.paper.notes_on(5, &titles).collect::<Vec<_>>().into_iter()
    }
}

impl Report for EmotionReproduction<'_> {
    fn tables(&self) -> Vec<Table> {
        std::iter::once(self.scores()).chain(self.gains()).collect()
    }

    fn records(&self) -> Records {
        let keys = COLUMNS.iter().flat_map(|(_, key, ..)| [key.to_string(), format!("{key}_sd")]);
        let header = ["row", "title", "seeds", "paper_accuracy"].map(String::from);
        let gain = ["gain", "gain_low", "gain_high", "gain_p"].map(String::from);
        let row = |entry: &EmotionEntry| {
            let paper = self.printed(&entry.title).map(|row| row.accuracy.mean / 100.0);
            let head = [entry.row.clone(), entry.title.clone(), entry.reports.len().to_string()];
            let figures = COLUMNS.iter().flat_map(|column| {
                let (Mean { mean, sd }, factor) = (entry.mean(column), column.2);
                [Some(mean / factor), sd.map(|sd| sd / factor)]
            });
            let found = entry.gain.as_ref().map(|gain| gain.comparison.accuracy);
            let ends = found.and_then(|it| it.interval);
            let gain = [
                found.map(|it| it.difference),
                ends.map(|it| it.low),
                ends.map(|it| it.high),
                found.and_then(|it| it.p),
            ];
            let numbers = std::iter::once(paper).chain(figures).chain(gain).map(number);
            head.into_iter().chain(numbers).collect::<Vec<_>>()
        };
        let header = header.into_iter().chain(keys).chain(gain);
        Records::new(header, self.entries.iter().map(row))
    }

    fn json(&self) -> serde_json::Result<Json> {
        let row = |entry: &EmotionEntry| {
            let figures = COLUMNS.iter().map(|column| {
                let (Mean { mean, sd }, factor) = (entry.mean(column), column.2);
                let mean = Mean { mean: mean / factor, sd: sd.map(|sd| sd / factor) };
                (column.1.to_string(), json!(mean))
            });
            json!({
                "row": entry.row,
                "title": entry.title,
                "seeds": entry.reports.iter().map(|(seed, _)| seed).collect::<Vec<_>>(),
                "figures": figures.collect::<serde_json::Map<_, _>>(),
                "paper": self.printed(&entry.title).map(|row| row.accuracy.mean / 100.0),
                "gain": entry.gain,
            })
        };
        Ok(json!({
            "table5": self.entries.iter().map(row).collect::<Vec<_>>(),
            "notes": self.notes().collect::<Vec<_>>(),
        }))
    }
}
