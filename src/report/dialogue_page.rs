//! Runs of dialogue models as one HTML page and as one table, beside the paper's Table 4.

use maud::{Markup, html};
use serde_json::Value as Json;

use super::chart::{Curve, curves};
use super::dialogue_evaluation::{DialogueEvaluation, DialogueReport, ReplyRow, TABLE_4, shown};
use super::html::{cell, document, table};
use super::paper::{NextUtterance, Paper, Printed};
use super::persona_alignment;
use super::reward_course::{self, RewardCourse};
use super::table::Table;
use super::{Records, Report};

/// What a page says of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct DialoguePage {
    /// Its report.
    pub report: DialogueReport,
    /// What it was made of: names and values.
    pub facts: Vec<(String, String)>,
    /// The loss of training over epochs.
    pub losses: Vec<(f64, f64)>,
    /// The scores on the eval dialogues over epochs, by name.
    pub scores: Vec<Curve>,
    /// How it learned from rewards, if it did.
    pub rewards: Option<RewardCourse>,
    /// Some of its replies to the first file.
    pub replies: Vec<ReplyRow>,
}

/// The rows of the paper's Table 4: the model, the personas, Hits@1, perplexity and F1.
fn paper() -> Vec<(String, &'static str, [String; 3])> {
    let rows = Paper::built_in().map_or(Vec::new(), |paper| paper.table4);
    let cell = |printed: Option<Printed>| match printed {
        Some(Printed { mean, sd: Some(sd) }) => format!("{mean:.2} ± {sd:.2}"),
        Some(Printed { mean, sd: None }) => format!("{mean:.2}"),
        None => "-".into(),
    };
    let of_row = |row: NextUtterance| {
        [("original", row.original), ("revised", row.revised)]
            .map(|(set, it)| (row.model.clone(), set, [it.hits1, it.perplexity, it.f1].map(cell)))
    };
    rows.into_iter().flat_map(of_row).collect()
}

const COPIED: &str = "The paper's rows SEQ2SEQ-ATTN and P² Bot are copied from elsewhere, in other \
                      units of perplexity. Its\ntokenizers, candidates and splits are not ours: \
                      compare within a set, not across.\n";

/// The reports of several runs.
#[derive(Debug, Clone, PartialEq)]
pub struct DialogueRuns(pub Vec<DialogueReport>);

/// The figures of Table 4, as far as they were measured.
fn figures(set: &DialogueEvaluation) -> impl Iterator<Item = String> + '_ {
    TABLE_4.iter().map(|(.., figure)| figure(set).map_or("-".into(), shown))
}

impl Report for DialogueRuns {
    fn tables(&self) -> Vec<Table> {
        let header = || ["", "set"].into_iter().chain(TABLE_4.iter().map(|(name, ..)| *name));
        let mut ours = Table::new("runs, 95% intervals over dialogues", header()).left(1);
        for report in &self.0 {
            for set in &report.sets {
                ours.push([report.model.clone(), set.name.clone()].into_iter().chain(figures(set)));
            }
        }
        let mut theirs = Table::new("the paper's Table 4, ± sd over five runs", header()).left(1);
        for (name, set, figures) in paper() {
            theirs.push([name, set.into()].into_iter().chain(figures));
        }
        vec![ours, theirs.note(COPIED)]
    }

    fn records(&self) -> Records {
        let header = self.0.first().map_or(Vec::new(), |report| report.records().header);
        let rows = self.0.iter().flat_map(|report| {
            let named = |row| [vec![report.model.clone()], row].concat();
            report.records().rows.into_iter().map(named).collect::<Vec<_>>()
        });
        Records::new(std::iter::once("run".to_string()).chain(header), rows)
    }

    fn json(&self) -> serde_json::Result<Json> {
        serde_json::to_value(&self.0)
    }
}

/// The page.
pub fn page(runs: &[DialoguePage]) -> String {
    let content = html! {
        (summary(runs))
        @for run in runs { (section(run)) }
    };
    let footer = "Intervals are 95% bootstrap intervals over dialogues. The rows of the paper are \
                  its Table 4; SEQ2SEQ-ATTN and P² Bot are copied there from elsewhere, in other \
                  units of perplexity.";
    document("Dialogue models", content, footer)
}

fn summary(runs: &[DialoguePage]) -> Markup {
    let header: Vec<&str> =
        ["", "set"].into_iter().chain(TABLE_4.iter().map(|(name, ..)| *name)).collect();
    let cells = |name: &str, set: &str, figures: Vec<String>| {
        let figures = figures.into_iter().map(|text| html! { span.figure { (text) } });
        [cell(name), cell(set)].into_iter().chain(figures).collect::<Vec<_>>()
    };
    let ours = runs.iter().flat_map(|run| {
        let of_set = |set| cells(&run.report.model, &set_name(set), figures(set).collect());
        run.report.sets.iter().map(of_set).collect::<Vec<_>>()
    });
    let theirs = paper();
    let theirs = theirs
        .iter()
        .map(|(name, set, figures)| cells(&format!("{name}, paper"), set, figures.to_vec()));
    html! {
        h2 { "Table 4" }
        (table(&header, ours.chain(theirs)))
    }
}

fn set_name(set: &DialogueEvaluation) -> String {
    set.name.trim_start_matches("test.").into()
}

fn section(run: &DialoguePage) -> Markup {
    let loss = Curve { name: "training loss".into(), points: run.losses.clone() };
    let all: Vec<Curve> = std::iter::once(loss).chain(run.scores.clone()).collect();
    let names: Vec<String> = run.report.sets.iter().map(set_name).collect();
    let names: Vec<&str> = std::iter::once("").chain(names.iter().map(String::as_str)).collect();
    let row = |(name, figures): (&str, Vec<Option<f64>>)| {
        let text = |found: Option<f64>| found.map_or("-".into(), |it| format!("{it:.2}"));
        let cells = figures.into_iter().map(|found| html! { span.figure { (text(found)) } });
        std::iter::once(cell(name.replace('_', " "))).chain(cells).collect::<Vec<_>>()
    };
    html! {
        section {
            h2 { (run.report.model) }
            dl { @for (name, value) in &run.facts { div { dt { (name) } dd { (value) } } } }
            h3 { "Training" }
            (curves(&all))
            @if let Some(course) = &run.rewards { (reward_course::section(course)) }
            h3 { "Scores" }
            (table(&names, run.report.scores().map(row)))
            p.note { "Replies: " (run.report.decoding) "." }
            (persona_alignment::section(&run.report.sets))
            @if !run.replies.is_empty() {
                h3 { "Replies" }
                div.texts { (replies(&run.replies)) }
            }
        }
    }
}

fn replies(rows: &[ReplyRow]) -> Markup {
    let row = |row: &ReplyRow| {
        let hit = row.hit.map_or("-", |hit| if hit { "yes" } else { "no" });
        let f1 = row.f1.map_or("-".into(), |f1| format!("{:.0}", 100.0 * f1));
        let text = row.text.clone().unwrap_or_default();
        vec![cell(&row.gold), cell(text), cell(f1), cell(hit)]
    };
    table(&["what was said", "what the model says", "F1", "found"], rows.iter().map(row))
}
