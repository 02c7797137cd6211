//! The paper's Tables 5 and 6: ours beside the paper's, and what is added to a model compared with
//! the model without it.

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::comparison::{beyond, p};
use super::paper::{Note, Paper, Printed};
use super::table::{Table, number, paragraph};
use super::{Records, Report};
use crate::eval::Mean;
use crate::eval::compare::Difference;

/// Which of the tables it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ablation {
    /// Table 5: emotions of situations, by accuracy.
    Emotions,
    /// Table 6: replies that are told an emotion, by perplexity.
    Replies,
}

/// A figure: its name in tables, its key, and its factor there.
type Column = (&'static str, &'static str, f64);

impl Ablation {
    fn number(self) -> u8 {
        match self {
            Self::Emotions => 5,
            Self::Replies => 6,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Emotions => "Table 5: emotions of situations, in percent",
            Self::Replies => "Table 6: perplexity of the listeners' replies",
        }
    }

    /// The figures of a row, in the order of its means; the first is the one that is compared.
    fn columns(self) -> &'static [Column] {
        match self {
            Self::Emotions => &[
                ("accuracy", "accuracy", 100.0),
                ("macro F1", "macro_f1", 100.0),
                ("top 3", "top_3", 100.0),
                ("top 5", "top_5", 100.0),
                ("loss", "loss", 1.0),
            ],
            Self::Replies => &[
                ("Ppl", "perplexity", 1.0),
                ("Ppl/word", "perplexity_per_word", 1.0),
                ("bits/byte", "bits_per_byte", 1.0),
            ],
        }
    }

    fn compared(self) -> &'static str {
        match self {
            Self::Emotions => "what values add, in points of accuracy",
            Self::Replies => "what the emotion adds to perplexity",
        }
    }

    fn is_error(self) -> bool {
        self == Self::Replies
    }

    fn note(self) -> &'static str {
        match self {
            Self::Emotions => "paper: the accuracy that the paper prints. The loss is in nats.\n",
            Self::Replies => {
                "paper: the perplexity that the paper prints, of models that learned from other \
                 tokens.\nPpl/word and bits/byte are comparable between tokenizers.\n"
            }
        }
    }

    fn drawn(self) -> &'static str {
        match self {
            Self::Emotions => {
                "Intervals by a bootstrap over texts, the runs of all seeds together.\n"
            }
            Self::Replies => {
                "Intervals by a bootstrap over dialogues, the runs of all seeds together.\n"
            }
        }
    }
}

/// A row, over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AblationEntry {
    /// The row's name.
    pub row: String,
    /// How tables call it, and the paper.
    pub title: String,
    /// The seeds of its runs.
    pub seeds: Vec<u64>,
    /// The mean of each figure over the seeds, in the order of the table's columns.
    pub means: Vec<Mean>,
    /// What is added to it, if the row without that was made too.
    pub gain: Option<AblationGain>,
}

/// A row compared with the one that lacks what is added to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AblationGain {
    /// How tables call the other row.
    pub without: String,
    /// The seeds that both have.
    pub seeds: Vec<u64>,
    /// The difference of the first figure over all of them.
    #[serde(flatten)]
    pub difference: Difference,
}

/// The table, ours beside the paper's.
#[derive(Debug, Clone, Copy)]
pub struct AblationReport<'a> {
    /// Which table.
    pub table: Ablation,
    /// Our rows.
    pub entries: &'a [AblationEntry],
    /// The paper's figures.
    pub paper: &'a Paper,
}

impl AblationReport<'_> {
    /// What the paper prints of a row, in the unit of tables, and what it says to be added.
    fn printed(&self, title: &str) -> (Option<Printed>, Option<f64>) {
        match self.table {
            Ablation::Emotions => {
                let found = self.paper.table5.iter().find(|row| row.model == title);
                (found.map(|row| row.accuracy), found.and_then(|row| row.gain))
            }
            Ablation::Replies => {
                let found = self.paper.table6.iter().find(|row| row.model == title);
                (found.map(|row| Printed { mean: row.perplexity, sd: None }), None)
            }
        }
    }

    fn scores(&self) -> Table {
        let columns = self.table.columns().iter().map(|(name, ..)| *name);
        let header = ["", "seeds", "paper"].into_iter().chain(columns);
        let mut table = Table::new(self.table.title(), header);
        for entry in self.entries {
            let paper = match self.printed(&entry.title).0 {
                Some(Printed { mean, sd: Some(sd) }) => format!("{mean:.2} ± {sd:.1}"),
                Some(Printed { mean, sd: None }) => format!("{mean:.2}"),
                None => "-".into(),
            };
            let head = [entry.title.clone(), entry.seeds.len().to_string(), paper];
            table.push(head.into_iter().chain(self.means(entry).map(shown)));
        }
        let notes: String = self.notes().map(|note| paragraph(&note.text)).collect();
        table.note(self.table.note().to_string() + &notes)
    }

    /// The means of a row in the units of tables.
    fn means<'e>(&self, entry: &'e AblationEntry) -> impl Iterator<Item = Mean> + use<'e> {
        entry.means.iter().zip(self.table.columns()).map(|(it, (_, _, factor))| Mean {
            mean: it.mean * factor,
            sd: it.sd.map(|sd| sd * factor),
        })
    }

    fn gains(&self) -> Option<Table> {
        let header = ["", "less", "difference", "95% interval", "p", "paper"];
        let mut table = Table::new(self.table.compared(), header).left(1);
        let factor = self.table.columns()[0].2;
        let mut verdict = String::new();
        for entry in self.entries {
            let Some(AblationGain { without, difference: it, .. }) = &entry.gain else { continue };
            let points = |number: f64| format!("{:+.2}", factor * number);
            let interval = it.interval.map_or("-".into(), |ends| {
                format!("{} to {}", points(ends.low), points(ends.high))
            });
            let paper = self.printed(&entry.title).1;
            table.push([
                entry.title.clone(),
                without.clone(),
                points(it.difference),
                interval,
                p(it.p),
                paper.map_or("-".into(), |gain| format!("{gain:+.2}")),
            ]);
            let is_better = (it.difference > 0.0) != self.table.is_error();
            let words = match (beyond(it.p), is_better) {
                (false, _) => "no difference beyond chance from",
                (true, true) => "better beyond chance than",
                (true, false) => "worse beyond chance than",
            };
            verdict += &format!("{}: {words} {without}.\n", entry.title);
        }
        (!verdict.is_empty()).then(|| table.note(verdict + self.table.drawn()))
    }

    /// What the paper's figures of the rows are to be read with.
    fn notes(&self) -> impl Iterator<Item = &Note> {
        let titles: Vec<&str> = self.entries.iter().map(|entry| entry.title.as_str()).collect();
        self.paper.notes_on(self.table.number(), &titles).collect::<Vec<_>>().into_iter()
    }
}

impl Report for AblationReport<'_> {
    fn tables(&self) -> Vec<Table> {
        std::iter::once(self.scores()).chain(self.gains()).collect()
    }

    fn records(&self) -> Records {
        let columns = || self.table.columns().iter();
        let keys = columns().flat_map(|(_, key, _)| [key.to_string(), format!("{key}_sd")]);
        let header = ["row", "title", "seeds", "paper"].map(String::from);
        let gain = ["gain", "gain_low", "gain_high", "gain_p"].map(String::from);
        let row = |entry: &AblationEntry| {
            let factor = self.table.columns()[0].2;
            let paper = self.printed(&entry.title).0.map(|it| it.mean / factor);
            let head = [entry.row.clone(), entry.title.clone(), entry.seeds.len().to_string()];
            let means = entry.means.iter().flat_map(|it| [Some(it.mean), it.sd]);
            let found = entry.gain.as_ref().map(|gain| gain.difference);
            let ends = found.and_then(|it| it.interval);
            let gain = [
                found.map(|it| it.difference),
                ends.map(|it| it.low),
                ends.map(|it| it.high),
                found.and_then(|it| it.p),
            ];
            let numbers = std::iter::once(paper).chain(means).chain(gain).map(number);
            head.into_iter().chain(numbers).collect::<Vec<_>>()
        };
        let header = header.into_iter().chain(keys).chain(gain);
        Records::new(header, self.entries.iter().map(row))
    }

    fn json(&self) -> serde_json::Result<Json> {
        let row = |entry: &AblationEntry| {
            let factor = self.table.columns()[0].2;
            let figures = self.table.columns().iter().zip(&entry.means);
            let figures = figures.map(|((_, key, _), mean)| (key.to_string(), json!(mean)));
            json!({
                "row": entry.row,
                "title": entry.title,
                "seeds": entry.seeds,
                "figures": figures.collect::<Map<_, _>>(),
                "paper": self.printed(&entry.title).0.map(|it| it.mean / factor),
                "gain": entry.gain,
            })
        };
        let rows: Vec<Json> = self.entries.iter().map(row).collect();
        let name = format!("table{}", self.table.number());
        Ok(json!({ name: rows, "notes": self.notes().collect::<Vec<_>>() }))
    }
}

/// A mean with two decimals, as the paper prints them, and its standard deviation.
fn shown(Mean { mean, sd }: Mean) -> String {
    match sd {
        Some(sd) => format!("{mean:.2} ± {sd:.2}"),
        None => format!("{mean:.2}"),
    }
}
