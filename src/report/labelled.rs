//! What is in files of labelled texts, as tables, JSON, CSV or Markdown.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::dialogues::DialogueStats;
use super::table::{Table, count};
use super::{Records, Report};
use crate::data::conversation::stats::Stats;
use crate::data::labelled_check::LabelCounts;

/// The counts of splits, and of the conversations that their texts are from, if they are.
#[derive(Debug, Clone, Copy)]
pub struct LabelledReport<'a> {
    /// The texts and labels of each split.
    pub labels: &'a [LabelCounts],
    /// The conversations of each split; none if the files hold no conversations.
    pub dialogues: &'a [Stats],
}

impl LabelledReport<'_> {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(|part| part.name.as_str())
    }

    fn names_of_labels(&self) -> BTreeSet<&str> {
        self.labels.iter().flat_map(|part| part.labels.keys().map(String::as_str)).collect()
    }

    fn splits(&self) -> Table {
        let mut table = Table::new("labelled texts", std::iter::once("").chain(self.names()));
        type Row = (&'static str, fn(&LabelCounts) -> String);
        let rows: [Row; 6] = [
            ("texts", |part| count(part.texts as u64)),
            ("words of a text", |part| format!("{:.2}", part.words)),
            ("labels", |part| count(part.labels.len() as u64)),
            ("said before, same label", |part| count(part.duplicates as u64)),
            ("said before, other label", |part| count(part.conflicts as u64)),
            ("text in train too", |part| {
                part.in_train.map_or("-".into(), |texts| count(texts as u64))
            }),
        ];
        for (name, cell) in rows {
            table.push(std::iter::once(name.to_string()).chain(self.labels.iter().map(cell)));
        }
        let unknown = self.labels.iter().filter(|part| !part.unknown.is_empty()).map(|part| {
            format!("{} has labels that train has not: {}\n", part.name, part.unknown.join(", "))
        });
        match unknown.collect::<String>() {
            none if none.is_empty() => table,
            note => table.note(note),
        }
    }

    fn of_labels(&self) -> Table {
        let header = std::iter::once("").chain(self.names());
        let mut table = Table::new("texts of each label", header);
        for label in self.names_of_labels() {
            let cell = |part: &LabelCounts| {
                count(part.labels.get(label).copied().unwrap_or_default() as u64)
            };
            table.push(std::iter::once(label.to_string()).chain(self.labels.iter().map(cell)));
        }
        table
    }
}

impl Report for LabelledReport<'_> {
    fn tables(&self) -> Vec<Table> {
        let mut tables = match self.dialogues {
            [] => Vec::new(),
            dialogues => DialogueStats(dialogues).tables(),
        };
        tables.extend([self.splits(), self.of_labels()]);
        tables
    }

    fn records(&self) -> Records {
        let header = ["split", "label", "texts"];
        let rows = self.labels.iter().flat_map(|part| {
            part.labels
                .iter()
                .map(|(label, texts)| [part.name.clone(), label.clone(), texts.to_string()])
        });
        Records::new(header, rows)
    }

    fn json(&self) -> serde_json::Result<Json> {
        Ok(json!({ "labels": self.labels, "dialogues": self.dialogues }))
    }
}
