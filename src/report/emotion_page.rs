//! Runs of classifiers as one HTML page and as one table, beside the paper's Table 5.

use maud::{Markup, html};
use serde_json::Value as Json;

use super::chart::{Bar, Curve, bars, curves};
use super::emotion_evaluation::{EmotionReport, EmotionRow, EmotionSeeds, figures, names};
use super::html::{cell, document, table};
use super::paper::{Paper, Printed};
use super::table::{Table, count};
use super::{Records, Report};
use crate::eval::classes::ClassEvaluation;

/// What a page says of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct EmotionPage {
    /// Its report.
    pub report: EmotionReport,
    /// What it was made of: names and values.
    pub facts: Vec<(String, String)>,
    /// The loss of training over epochs.
    pub losses: Vec<(f64, f64)>,
    /// The scores on the eval split over epochs, by name.
    pub scores: Vec<Curve>,
    /// The errors that the model was surest of, the surest first.
    pub misses: Vec<EmotionRow>,
}

/// The rows of the paper's Table 5: the model, and its accuracy in percent.
fn paper() -> Vec<(String, String)> {
    let rows = Paper::built_in().map_or(Vec::new(), |paper| paper.table5);
    let text = |Printed { mean, sd }: Printed| match sd {
        Some(sd) => format!("{mean:.2} ± {sd:.1}"),
        None => format!("{mean:.2}"),
    };
    rows.into_iter().map(|row| (row.model, text(row.accuracy))).collect()
}

/// The reports of several runs.
#[derive(Debug, Clone, PartialEq)]
pub struct EmotionRuns(pub Vec<EmotionReport>);

impl Report for EmotionRuns {
    fn tables(&self) -> Vec<Table> {
        let mut ours = Table::new("runs", std::iter::once("").chain(names()));
        for report in &self.0 {
            ours.push(std::iter::once(report.model.clone()).chain(figures(&report.evaluation)));
        }
        let mut theirs = Table::new("the paper's Table 5", ["", "accuracy"]);
        paper().into_iter().for_each(|(model, accuracy)| theirs.push([model, accuracy]));
        vec![ours.note("In percent, but for the loss.\n"), theirs]
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

/// The page; `recipes` are the runs that differ by their seed only, under the name of their folder.
pub fn page(runs: &[EmotionPage], recipes: &[EmotionSeeds]) -> String {
    let content = html! {
        (summary(runs, recipes))
        @for run in runs { (section(run)) }
    };
    let footer = "Intervals are 95% bootstrap intervals over texts. The rows of the paper are its \
                  Table 5. A label is what one person wrote down; a prediction is no diagnosis.";
    document("Emotions", content, footer)
}

fn summary(runs: &[EmotionPage], recipes: &[EmotionSeeds]) -> Markup {
    let header: Vec<&str> = std::iter::once("").chain(names()).collect();
    let row = |name: String, figures: Vec<String>| {
        let figures = figures.into_iter().map(|text| html! { span.figure { (text) } });
        std::iter::once(cell(name)).chain(figures).collect::<Vec<_>>()
    };
    let ours = runs
        .iter()
        .map(|run| row(run.report.model.clone(), figures(&run.report.evaluation).collect()));
    let means = recipes.iter().map(|recipe| row(recipe.title(), recipe.cells().collect()));
    let theirs = paper().into_iter().map(|(model, accuracy)| {
        let dashes = std::iter::repeat_n("-".to_string(), names().count() - 1);
        row(format!("{model}, paper"), std::iter::once(accuracy).chain(dashes).collect())
    });
    html! {
        h2 { "Table 5" }
        (table(&header, ours.chain(means).chain(theirs)))
    }
}

fn section(run: &EmotionPage) -> Markup {
    let loss = Curve { name: "training loss".into(), points: run.losses.clone() };
    let all: Vec<Curve> = std::iter::once(loss).chain(run.scores.clone()).collect();
    let evaluation = &run.report.evaluation;
    let rows = evaluation.rows.max(1) as f64;
    let of_labels: Vec<Bar> = evaluation
        .classes
        .iter()
        .map(|class| Bar {
            name: class.label.clone(),
            figure: class.scores.f1,
            interval: None,
            baseline: Some(class.scores.support as f64 / rows),
        })
        .collect();
    html! {
        section {
            h2 { (run.report.model) }
            dl { @for (name, value) in &run.facts { div { dt { (name) } dd { (value) } } } }
            p.note { "Classified " (run.report.values) "." }
            h3 { "Training" }
            (curves(&all))
            h3 { "F1 of each label" }
            (bars("F1 of each label", &of_labels))
            p.note { "The upright mark is the label's share of the texts." }
            h3 { "What is taken for what" }
            (confusion(evaluation))
            @if !run.misses.is_empty() {
                h3 { "Errors that the model was surest of" }
                div.texts { (misses(&run.misses)) }
            }
        }
    }
}

/// The confusion matrix, the darker the more of its label's rows; counts of nothing are left out.
fn confusion(evaluation: &ClassEvaluation) -> Markup {
    let labels = || evaluation.classes.iter().map(|class| class.label.as_str());
    let square = |row: usize, column: usize, times: u64, all: u64| {
        let share = if all == 0 { 0.0 } else { 100.0 * times as f64 / all as f64 };
        let (from, to) = (labels().nth(row), labels().nth(column));
        let told = format!(
            "{}, taken for {}: {} of {} ({share:.0}%)",
            from.unwrap_or_default(),
            to.unwrap_or_default(),
            count(times),
            count(all)
        );
        let class = if row == column { "right" } else { "" };
        html! {
            td class=(class) style={ "--share:" (format!("{:.0}%", share.sqrt() * 8.5)) } title=(told) {
                @if times > 0 { (times) }
            }
        }
    };
    html! {
        div.scroll {
            table.heat {
                thead {
                    tr {
                        th {}
                        @for label in labels() { th { div { span { (label) } } } }
                    }
                }
                tbody {
                    @for (row, counts) in evaluation.confusion.iter().enumerate() {
                        @let all: u64 = counts.iter().sum();
                        tr {
                            th { (evaluation.classes[row].label) }
                            @for (column, &times) in counts.iter().enumerate() {
                                (square(row, column, times, all))
                            }
                        }
                    }
                }
            }
        }
        p.note {
            "Each row is a label, each column what its texts were taken for, the darker the more \
             of them; the diagonal is right."
        }
    }
}

fn misses(rows: &[EmotionRow]) -> Markup {
    let row = |row: &EmotionRow| {
        let rank = row.rank.to_string();
        vec![cell(&row.label), cell(&row.predicted), cell(rank), cell(&row.text)]
    };
    table(&["label", "predicted", "place of the label", "text"], rows.iter().map(row))
}
