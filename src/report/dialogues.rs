//! How much is said in conversations, as a table, JSON, CSV or Markdown.

use serde_json::Value as Json;

use super::table::{Table, count};
use super::{Records, Report};
use crate::data::conversation::stats::Stats;

/// The counts of a file's splits, and of all of it.
#[derive(Debug, Clone, Copy)]
pub struct DialogueStats<'a>(pub &'a [Stats]);

/// What is counted: the name for people, that for programs, and the number.
type Row = (&'static str, &'static str, fn(&Stats) -> f64);

const ROWS: [Row; 9] = [
    ("dialogues", "dialogues", |part| part.dialogues as f64),
    ("utterances", "turns", |part| part.turns as f64),
    ("replies", "replies", |part| part.replies as f64),
    ("replies with candidates", "with_candidates", |part| part.with_candidates as f64),
    ("words of a reply", "reply_words", |part| part.reply_words),
    ("different personas", "personas", |part| part.personas as f64),
    ("persona sentences", "persona_sentences", |part| part.persona_sentences as f64),
    ("partners' sentences", "partner_sentences", |part| part.partner_sentences as f64),
    ("emotions", "emotions", |part| part.emotions as f64),
];

impl Report for DialogueStats<'_> {
    fn tables(&self) -> Vec<Table> {
        let names = self.0.iter().map(|part| part.name.as_str());
        let mut table = Table::new("dialogue statistics", std::iter::once("").chain(names));
        for (name, _, number) in ROWS {
            let cell = |part: &Stats| match number(part) {
                whole if whole.fract() == 0.0 => count(whole as u64),
                mean => format!("{mean:.2}"),
            };
            table.push(std::iter::once(name.to_string()).chain(self.0.iter().map(cell)));
        }
        vec![table.note(COUNTED)]
    }

    fn records(&self) -> Records {
        let header = std::iter::once("part").chain(ROWS.iter().map(|(_, key, _)| *key));
        let rows = self.0.iter().map(|part| {
            let numbers = ROWS.iter().map(|(.., number)| number(part).to_string());
            std::iter::once(part.name.clone()).chain(numbers).collect::<Vec<_>>()
        });
        Records::new(header, rows)
    }

    fn json(&self) -> serde_json::Result<Json> {
        serde_json::to_value(self.0)
    }
}

const COUNTED: &str = "\
Replies are the utterances of the own speaker: of whom `your persona` tells,\n\
or the listener. Words stand between white space.\n";
