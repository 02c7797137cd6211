//! A dialogue model's evaluation, beside the paper's Table 4, and its replies one by one.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::persona_alignment::{self, PersonaEvaluation};
use super::table::{Table, count, number, ten_thousandths};
use super::{Records, Report};
use crate::error::{Error, Result};
use crate::eval::dialogue::{Estimate, Hits, Perplexity, Replies};
use crate::eval::{Bootstrap, Mean};

/// A reply, and what was measured of it: a line of `eval/<name>.replies.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplyRow {
    /// The number of its dialogue in the file, from 1.
    pub dialogue: usize,
    /// The line on which the dialogue begins, or its number in a JSON document.
    pub line: u64,
    /// Its place among the dialogue's turns, from 1.
    pub reply: usize,
    /// What was said.
    pub gold: String,
    /// What the model says instead.
    pub text: Option<String>,
    /// The negative log-likelihood of what was said, with its end, in nats.
    pub nll: Option<f64>,
    /// How many tokens that are.
    pub tokens: Option<usize>,
    /// Whether it was found among its candidates.
    pub hit: Option<bool>,
    /// F1 of what the model says with what was said.
    pub f1: Option<f64>,
    /// r_t of what the model says, with the speaker's persona.
    pub r: Option<f64>,
    /// The same with another's persona.
    pub r_other: Option<f64>,
}

/// Rows as JSON Lines.
///
/// # Errors
/// If a row cannot be written.
pub fn reply_rows(rows: &[ReplyRow]) -> Result<String> {
    let line = |row: &ReplyRow| serde_json::to_string(row).map(|line| line + "\n");
    let lines: serde_json::Result<String> = rows.iter().map(line).collect();
    lines.map_err(Error::failure_because("cannot write JSON"))
}

/// Reads what [`reply_rows`] wrote.
///
/// # Errors
/// If the file cannot be read, or a line is no such row; it names the line.
pub fn read_reply_rows(path: &Path) -> Result<Vec<ReplyRow>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, "read", error))?;
    let row = |(line, number): (&str, u64)| {
        serde_json::from_str(line)
            .map_err(|error| Error::row(path, number, format!("not a reply: {error}")))
    };
    text.lines().zip(1..).map(row).collect()
}

/// What was measured by one file of dialogues.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DialogueEvaluation {
    /// Its name: `test.original`, `eval`, or that of the file.
    pub name: String,
    /// The file.
    pub data: String,
    /// Its dialogues.
    pub dialogues: usize,
    /// The replies in them.
    pub replies: usize,
    /// How many utterances of histories found no room.
    pub cut: usize,
    /// How well replies are predicted, if it was measured.
    pub perplexity: Option<Perplexity>,
    /// How often they are found among candidates, if it was measured.
    pub hits: Option<Hits>,
    /// The SHA-256 of all candidates.
    pub candidates_sha256: Option<String>,
    /// What generated replies are like, if it was measured.
    pub generated: Option<Replies>,
    /// How near they are to the speakers' personas, if it was measured.
    pub persona: Option<PersonaEvaluation>,
}

/// The evaluation of a model by several files of dialogues, with what it was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DialogueReport {
    /// The model's folder.
    pub model: String,
    /// In which precision it computed.
    pub dtype: String,
    /// How dialogues were laid out.
    pub layout: String,
    /// How many utterances of a history were given; 0 for all.
    pub history: usize,
    /// How replies were decoded.
    pub decoding: String,
    /// How the intervals were made, if they were.
    pub bootstrap: Option<Bootstrap>,
    /// The files.
    pub sets: Vec<DialogueEvaluation>,
}

/// A figure: its name in tables, its key, and where it is.
pub(super) type Column = (&'static str, &'static str, fn(&DialogueEvaluation) -> Option<Estimate>);

/// Table 4's figures.
pub(super) const TABLE_4: [Column; 3] = [
    ("Hits@1", "hits_at_1", |set| set.hits.map(|hits| percent(hits.mean))),
    ("Ppl", "perplexity", |set| set.perplexity.map(|it| it.per_token)),
    ("F1", "f1", |set| set.generated.map(|it| percent(it.f1))),
];

/// The perplexity that is comparable between tokenizers.
pub(super) const PER_WORD: Column =
    ("Ppl/word", "perplexity_per_word", |set| set.perplexity.map(|it| it.per_word));

/// How well replies are predicted and found, by other measures.
const PREDICTED: [Column; 5] = [
    PER_WORD,
    ("bits/byte", "bits_per_byte", |set| set.perplexity.map(|it| it.bits_per_byte)),
    ("Ppl/reply", "perplexity_per_reply", |set| set.perplexity.map(|it| it.per_reply)),
    ("Hits sum", "hits_sum", |set| set.hits.map(|hits| percent(hits.sum))),
    ("Hits gain", "hits_gain", |set| {
        set.hits.and_then(|hits| hits.sum_minus_unconditional).map(percent)
    }),
];

/// What generated replies are like.
const GENERATED: [Column; 6] = [
    ("dist-1", "distinct_1", |set| set.generated.map(|it| percent(it.distinct_1))),
    ("dist-2", "distinct_2", |set| set.generated.map(|it| percent(it.distinct_2))),
    ("words", "words", |set| set.generated.map(|it| it.length)),
    ("commonest", "commonest", |set| set.generated.map(|it| percent(it.commonest))),
    ("rep-4", "repeated_4_grams", |set| set.generated.map(|it| percent(it.repeated_4_grams))),
    ("persona-3", "persona_3_grams", |set| set.generated.map(|it| percent(it.persona_3_grams))),
];

/// How near generated replies are to the speakers' personas.
const ALIGNED: [Column; 2] = [
    ("r", "persona_model_r_own", |set| set.persona.as_ref().map(|it| it.alignment.model.r.own)),
    ("own - other", "persona_model_r_difference", |set| {
        set.persona.as_ref().map(|it| it.alignment.model.r.difference)
    }),
];

fn percent(estimate: Estimate) -> Estimate {
    estimate.times(100.0)
}

impl DialogueReport {
    /// A table of some figures, a row for each file, each `written` in its way.
    fn table(&self, title: String, columns: &[Column], written: fn(Estimate) -> String) -> Table {
        let names = columns.iter().map(|(name, ..)| *name);
        let mut table = Table::new(title, std::iter::once("").chain(names));
        for set in &self.sets {
            let cells = columns.iter().map(|(.., figure)| figure(set).map_or("-".into(), written));
            table.push(std::iter::once(set.name.clone()).chain(cells));
        }
        table
    }

    /// All figures but those of personas.
    fn columns() -> impl Iterator<Item = &'static Column> {
        TABLE_4.iter().chain(&PREDICTED).chain(&GENERATED)
    }

    /// All figures but those of personas, without their intervals: the name of each, and its value
    /// for each file.
    pub(super) fn scores(&self) -> impl Iterator<Item = (&'static str, Vec<Option<f64>>)> + '_ {
        Self::columns().map(|(_, key, figure)| {
            (*key, self.sets.iter().map(|set| figure(set).map(|it| it.value)).collect())
        })
    }

    /// What all was measured by.
    fn counts(&self) -> String {
        let count_of = |set: &DialogueEvaluation| {
            let mut text = format!(
                "{}: {} dialogues, {} replies",
                set.name,
                count(set.dialogues as u64),
                count(set.replies as u64)
            );
            if let Some(found) = set.perplexity {
                let (tokens, words) = (count(found.tokens as u64), count(found.words as u64));
                text += &format!(", {tokens} tokens, {words} words");
            }
            if set.cut > 0 {
                text += &format!("; {} utterances found no room", count(set.cut as u64));
            }
            if let (Some(hits), Some(hash)) = (set.hits, &set.candidates_sha256) {
                let (chance, short) = (100.0 * hits.chance, hash.get(..8).unwrap_or(hash));
                text += &format!("; chance {chance:.1}, candidates {short}");
            }
            text + ".\n"
        };
        let layout = match self.history {
            0 => format!("{} with the whole history", self.layout),
            most => format!("{} with at most {most} utterances of the history", self.layout),
        };
        let of_sets: String = self.sets.iter().map(count_of).collect();
        let intervals = match self.bootstrap {
            Some(_) => "In brackets 95% bootstrap intervals over dialogues.\n",
            None => "",
        };
        format!("{of_sets}Layout {layout}.\nReplies: {}.\n{intervals}", self.decoding)
    }
}

/// A figure with its interval.
pub(super) fn shown(Estimate { value, interval }: Estimate) -> String {
    let digits = if value.abs() < 10.0 { 2 } else { 1 };
    match interval {
        Some(range) => {
            format!("{value:.digits$} [{:.digits$}, {:.digits$}]", range.low, range.high)
        }
        None => format!("{value:.digits$}"),
    }
}

/// A figure without its interval, which the other formats have.
fn alone(Estimate { value, .. }: Estimate) -> String {
    shown(Estimate { value, interval: None })
}

/// A mean with its standard deviation; `fine` for cosines, and what is made of them.
pub(super) fn mean_and_sd(Mean { mean, sd }: Mean, fine: bool) -> String {
    let digits = if mean.abs() < 10.0 { 2 } else { 1 };
    match sd {
        Some(sd) if fine => format!("{} ± {}", ten_thousandths(mean), ten_thousandths(sd)),
        None if fine => ten_thousandths(mean),
        Some(sd) => format!("{mean:.digits$} ± {sd:.2}"),
        None => format!("{mean:.digits$}"),
    }
}

impl Report for DialogueReport {
    fn tables(&self) -> Vec<Table> {
        let has = |columns: &[Column]| {
            self.sets.iter().any(|set| columns.iter().any(|(.., of)| of(set).is_some()))
        };
        let title = format!("{} · {}", self.model, self.dtype);
        let mut tables = vec![self.table(title, &TABLE_4, shown).note(self.counts())];
        if has(&PREDICTED) {
            let note = "Ppl/word and bits/byte are comparable between tokenizers; Ppl/reply is the \
                        mean over\nreplies. Hits sum: by the log-probability with the end; gain: \
                        by that minus the same\nwithout persona and history.\n";
            tables.push(self.table("prediction".into(), &PREDICTED, alone).note(note));
        }
        if has(&GENERATED) {
            let note = "dist-1, dist-2: different words and pairs of words; commonest: the share \
                        of the commonest\nreply; rep-4: runs of four words said before in the \
                        reply; persona-3: runs of three\nwords from the persona. In percent, but \
                        for the number of words.\n";
            tables.push(self.table("generated replies".into(), &GENERATED, alone).note(note));
        }
        tables.extend(persona_alignment::tables(&self.sets));
        tables
    }

    fn records(&self) -> Records {
        let names = Self::columns().map(|(_, key, _)| key.to_string());
        let names = names.chain(persona_alignment::keys());
        let names = names.flat_map(|key| ["", "_low", "_high"].map(|end| format!("{key}{end}")));
        let header = ["set", "dialogues", "replies"].map(String::from).into_iter().chain(names);
        let row = |set: &DialogueEvaluation| {
            let figures = Self::columns().map(|(.., figure)| figure(set));
            let cells = figures.chain(persona_alignment::cells(set)).flat_map(|found| {
                let ends = found.and_then(|found| found.interval);
                let (low, high) = (ends.map(|it| it.low), ends.map(|it| it.high));
                [found.map(|found| found.value), low, high].map(number)
            });
            let counts = [set.name.clone(), set.dialogues.to_string(), set.replies.to_string()];
            counts.into_iter().chain(cells).collect::<Vec<_>>()
        };
        Records::new(header, self.sets.iter().map(row))
    }

    fn json(&self) -> serde_json::Result<Json> {
        serde_json::to_value(self)
    }
}

/// The evaluations of one recipe under several seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct DialogueSeeds {
    /// The folder of the runs.
    pub folder: String,
    /// Each seed with its report; all are of the same files.
    pub reports: Vec<(u64, DialogueReport)>,
}

impl DialogueSeeds {
    /// The mean of a figure for each file, by its place.
    fn mean(
        &self,
        set: usize,
        figure: fn(&DialogueEvaluation) -> Option<Estimate>,
    ) -> Option<Mean> {
        let of_report = |(_, report): &(u64, DialogueReport)| report.sets.get(set).and_then(figure);
        let values = self.reports.iter().map(|one| of_report(one).map(|it| it.value));
        let values: Vec<f64> = values.collect::<Option<_>>()?;
        (!values.is_empty()).then(|| Mean::of(&values))
    }

    fn sets(&self) -> impl Iterator<Item = (usize, &DialogueEvaluation)> {
        self.reports.iter().take(1).flat_map(|(_, report)| report.sets.iter().enumerate())
    }

    /// The figures, those of personas if they were measured.
    fn columns(&self) -> impl Iterator<Item = &'static Column> {
        let has_personas = self.sets().any(|(_, set)| set.persona.is_some());
        let aligned: &[Column] = if has_personas { &ALIGNED } else { &[] };
        TABLE_4.iter().chain(&PREDICTED[..1]).chain(&GENERATED[1..2]).chain(aligned)
    }
}

impl Report for DialogueSeeds {
    fn tables(&self) -> Vec<Table> {
        let seeds: Vec<String> = self.reports.iter().map(|(seed, _)| seed.to_string()).collect();
        let title = format!("{} · mean ± sd over seeds {}", self.folder, seeds.join(", "));
        let names = self.columns().map(|(name, ..)| *name);
        let mut table = Table::new(title, std::iter::once("").chain(names));
        for (place, set) in self.sets() {
            let cells = self.columns().map(|(_, key, figure)| {
                let fine = ALIGNED.iter().any(|(_, other, _)| other == key);
                self.mean(place, *figure).map_or("-".into(), |mean| mean_and_sd(mean, fine))
            });
            table.push(std::iter::once(set.name.clone()).chain(cells));
        }
        vec![table]
    }

    fn records(&self) -> Records {
        let names = self.columns().flat_map(|(_, key, _)| [key.to_string(), format!("{key}_sd")]);
        let rows = self.sets().map(|(place, set)| {
            let figures = self.columns().flat_map(|(.., figure)| {
                let mean = self.mean(place, *figure);
                [mean.map(|it| it.mean), mean.and_then(|it| it.sd)].map(number)
            });
            std::iter::once(set.name.clone()).chain(figures).collect::<Vec<_>>()
        });
        Records::new(std::iter::once("set".to_string()).chain(names), rows)
    }

    fn json(&self) -> serde_json::Result<Json> {
        let reports = self.reports.iter().map(|(seed, report)| {
            Ok(serde_json::json!({ "seed": seed, "report": serde_json::to_value(report)? }))
        });
        let reports: Vec<Json> = reports.collect::<serde_json::Result<_>>()?;
        Ok(serde_json::json!({ "folder": self.folder, "seeds": reports }))
    }
}
