//! Runs as one HTML page that needs nothing else: no script, no font, no file beside it.

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

use super::chart::{Bar, Curve, bars, curves};
use super::predictions::SavedPrediction;
use super::radar::{self, Series};
use super::seeds::Seeds;
use super::table::{count, score};
use crate::eval::evaluation::LabelScores;
use crate::eval::{Evaluation, Figure, Interval, Slice};
use crate::value::{Label, Profile, Value};

/// What a page says of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPage {
    /// The run's folder.
    pub name: String,
    /// What it was made of: names and values.
    pub facts: Vec<(String, String)>,
    /// The loss of training over epochs.
    pub losses: Vec<(f64, f64)>,
    /// The scores on the eval split over epochs, by name.
    pub scores: Vec<Curve>,
    /// The report on the test split.
    pub evaluation: Evaluation,
    /// The mean label of each value, and the mean prediction; none for values without rows.
    pub means: Option<[Profile; 2]>,
    /// The predictions that are farthest off, the farthest first.
    pub misses: Vec<SavedPrediction>,
}

/// The mean label and the mean prediction of each value; none if a value has no rows.
pub fn means(rows: &[SavedPrediction]) -> Option<[Profile; 2]> {
    let mut means = [[0.0; Value::COUNT]; 2];
    for value in Value::ALL {
        let own = || rows.iter().map(|row| row.scored).filter(|scored| scored.value == value);
        let count = own().count();
        if count == 0 {
            return None;
        }
        let labels: f64 = own().map(|scored| f64::from(scored.label.number())).sum();
        let utilities: f64 = own().map(|scored| scored.utility).sum();
        means[0][value.index()] = (labels / count as f64) as f32;
        means[1][value.index()] = (utilities / count as f64) as f32;
    }
    Some(means)
}

/// The predictions that are farthest from their labels, the farthest first.
pub fn largest_misses(mut rows: Vec<SavedPrediction>, most: usize) -> Vec<SavedPrediction> {
    let miss =
        |row: &SavedPrediction| (row.scored.utility - f64::from(row.scored.label.number())).abs();
    rows.sort_by(|a, b| miss(b).total_cmp(&miss(a)));
    rows.truncate(most);
    rows
}

/// The page; `recipes` are the runs that differ by their seed only, under the name of their folder.
pub fn page(runs: &[RunPage], recipes: &[Seeds]) -> String {
    let content = html! {
        (summary(runs, recipes))
        @for run in runs { (section(run)) }
    };
    let footer = "Labels are the judgements of crowd workers about short texts, and so are a \
                  model's utilities: they are for research on how values are talked about, not \
                  for judging people. Intervals are 95% bootstrap intervals over texts.";
    document("Value models", content, footer)
}

/// A page that needs nothing else.
pub(super) fn document(heading: &str, content: Markup, footer: &str) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { "valuenet report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (heading) }
                    (content)
                    footer { (footer) }
                }
            }
        }
    };
    page.into_string() + "\n"
}

const STYLE: &str = include_str!("page.css");

pub(super) fn table(header: &[&str], rows: impl Iterator<Item = Vec<Markup>>) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { @for name in header { th { (name) } } } }
                tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
            }
        }
    }
}

pub(super) fn cell(text: impl Render) -> Markup {
    html! { (text) }
}

fn with_interval(slice: &Slice, figure: Figure, number: impl Into<Option<f64>>) -> Markup {
    let number = score(number);
    match slice.intervals.get(&figure.name()) {
        Some(Interval { low, high }) => html! {
            span.figure { (number) " " small { (score(*low)) " to " (score(*high)) } }
        },
        None => cell(number),
    }
}

fn figures(slice: &Slice) -> Vec<Markup> {
    vec![
        cell(count(slice.rows as u64)),
        with_interval(slice, Figure::Accuracy, slice.accuracy),
        with_interval(slice, Figure::MacroF1, slice.macro_f1),
        with_interval(slice, Figure::Mse, slice.mse),
        with_interval(slice, Figure::Pearson, slice.pearson),
        with_interval(slice, Figure::QuadraticKappa, slice.quadratic_kappa),
    ]
}

/// The figures of slices, each below the name of its column; `first` is the name of what is told
/// of.
fn scores<'a>(first: &str, slices: impl Iterator<Item = (&'a str, &'a Slice)>) -> Markup {
    let header = [first, "rows", "accuracy", "macro F1", "MSE", "r", "quadratic kappa"];
    let row = |(name, slice)| std::iter::once(cell(name)).chain(figures(slice)).collect();
    table(&header, slices.map(row))
}

fn summary(runs: &[RunPage], recipes: &[Seeds]) -> Markup {
    html! {
        h2 { "Test split" }
        (scores("run", runs.iter().map(|run| (run.name.as_str(), run.evaluation.all()))))
        @for recipe in recipes {
            @let (header, rows) = recipe.cells();
            @let header: Vec<&str> = header.iter().map(String::as_str).collect();
            @let whole = |cell: &String| html! { span.figure { (cell) } };
            h3 { (recipe.title()) }
            (table(&header, rows.iter().map(|row| row.iter().map(whole).collect())))
        }
    }
}

fn section(run: &RunPage) -> Markup {
    let evaluation = &run.evaluation;
    let loss = Curve { name: "training loss".into(), points: run.losses.clone() };
    let all: Vec<Curve> = std::iter::once(loss).chain(run.scores.clone()).collect();
    let of_values: Vec<Bar> = evaluation
        .slices
        .iter()
        .filter(|slice| slice.name.parse::<Value>().is_ok())
        .map(|slice| Bar {
            name: slice.name.clone(),
            figure: slice.accuracy,
            interval: slice.intervals.get(&Figure::Accuracy.name()).copied(),
            baseline: slice.baseline.map(|baseline| baseline.accuracy),
        })
        .collect();
    html! {
        section {
            h2 { (run.name) }
            dl { @for (name, value) in &run.facts { div { dt { (name) } dd { (value) } } } }
            h3 { "Training" }
            (curves(&all))
            h3 { "Scores" }
            (scores("", evaluation.slices.iter().map(|slice| (title_of(slice), slice))))
            h3 { "Accuracy of each value" }
            (bars("accuracy of each value", &of_values))
            p.note { "The upright mark is each value's most frequent label." }
            @if let Some([labels, utilities]) = run.means {
                @let line = |name: &str, profile| Series { name: name.into(), profile, band: None };
                h3 { "Values around the circle" }
                (radar::figure(&[
                    line("mean label", labels),
                    line("mean predicted utility", utilities),
                ]))
            }
            h3 { "Classes" }
            (classes(evaluation.all()))
            (confusion(evaluation.all()))
            @if !run.misses.is_empty() {
                h3 { "Errors worth reading" }
                (misses(&run.misses))
            }
        }
    }
}

fn title_of(slice: &Slice) -> &str {
    if slice.name == "unseen" { "texts unseen in training" } else { &slice.name }
}

fn classes(slice: &Slice) -> Markup {
    let row = |LabelScores { label, scores }: &LabelScores| {
        let label = format!("{label:+}").replace("+0", "0");
        let shares = [scores.precision, scores.recall, scores.f1].map(score);
        [label].into_iter().chain(shares).chain([count(scores.support)]).map(cell).collect()
    };
    table(&["label", "precision", "recall", "F1", "rows"], slice.classes.iter().map(row))
}

fn misses(misses: &[SavedPrediction]) -> Markup {
    let row = |SavedPrediction { scenario, scored }: &SavedPrediction| {
        vec![
            cell(scored.value.name()),
            cell(scenario),
            cell(scored.label.to_string()),
            cell(score(scored.utility)),
        ]
    };
    table(&["value", "scenario", "label", "utility"], misses.iter().map(row))
}

/// The confusion matrix, the darker the more of its label's rows.
fn confusion(slice: &Slice) -> Markup {
    let cell = |cell: u64, all: u64| {
        let share = if all == 0 { 0.0 } else { cell as f64 / all as f64 };
        let percent = |share: f64| format!("{share:.0}%");
        html! {
            td style={ "--share:" (percent(share * 70.0)) } {
                (count(cell)) " " small { (percent(share * 100.0)) }
            }
        }
    };
    html! {
        div.scroll {
            table.confusion {
                thead {
                    tr {
                        th { "label" }
                        @for label in Label::ALL { th { "predicted " (label.to_string()) } }
                    }
                }
                tbody {
                    @for (label, counts) in Label::ALL.iter().zip(slice.confusion.counts()) {
                        tr {
                            td { (label.to_string()) }
                            @for &count in counts { (cell(count, counts.iter().sum())) }
                        }
                    }
                }
            }
        }
    }
}
