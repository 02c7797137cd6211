//! Runs as one HTML page that needs nothing else: no script, no font, no file beside it.

use std::fmt::Write;

use super::chart::{Bar, Curve, bars, curves};
use super::predictions::Read;
use super::radar::{self, Line, escape};
use super::seeds::Seeds;
use super::table::{count, score};
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
    pub misses: Vec<Read>,
}

/// The mean label and the mean prediction of each value; none if a value has no rows.
pub fn means(rows: &[Read]) -> Option<[Profile; 2]> {
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
pub fn largest_misses(mut rows: Vec<Read>, most: usize) -> Vec<Read> {
    let miss = |row: &Read| (row.scored.utility - f64::from(row.scored.label.number())).abs();
    rows.sort_by(|a, b| miss(b).total_cmp(&miss(a)));
    rows.truncate(most);
    rows
}

/// The page; `recipes` are the runs that differ by their seed only, under the name of their folder.
pub fn page(runs: &[RunPage], recipes: &[Seeds]) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\">\n<title>valuenet report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Value models</h1>\n"
    );
    html += &summary(runs, recipes);
    for run in runs {
        html += &section(run);
    }
    html + "<footer>Labels are the judgements of crowd workers about short texts, and so are a model's utilities: they are for \
            research on how values are talked about, not for judging people. Intervals are 95% bootstrap intervals over texts.</footer>\n\
            </main>\n</body>\n</html>\n"
}

const STYLE: &str = include_str!("page.css");

/// A table of cells that are HTML already.
fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut html = String::from("<div class=\"scroll\"><table><thead><tr>");
    header.iter().for_each(|name| html += &format!("<th>{}</th>", escape(name)));
    html += "</tr></thead><tbody>\n";
    for row in rows {
        html += "<tr>";
        row.iter().for_each(|cell| html += &format!("<td>{cell}</td>"));
        html += "</tr>\n";
    }
    html + "</tbody></table></div>\n"
}

fn with_interval(slice: &Slice, figure: Figure, number: impl Into<Option<f64>>) -> String {
    match slice.intervals.get(&figure.name()) {
        Some(Interval { low, high }) => {
            format!(
                "<span class=\"figure\">{} <small>{} to {}</small></span>",
                score(number),
                score(*low),
                score(*high)
            )
        }
        None => score(number),
    }
}

fn figures(slice: &Slice) -> Vec<String> {
    vec![
        count(slice.rows as u64),
        with_interval(slice, Figure::Accuracy, slice.accuracy),
        with_interval(slice, Figure::MacroF1, slice.macro_f1),
        with_interval(slice, Figure::Mse, slice.mse),
        with_interval(slice, Figure::Pearson, slice.pearson),
        with_interval(slice, Figure::QuadraticKappa, slice.quadratic_kappa),
    ]
}

const FIGURES: [&str; 6] = ["rows", "accuracy", "macro F1", "MSE", "r", "quadratic kappa"];

fn summary(runs: &[RunPage], recipes: &[Seeds]) -> String {
    let header: Vec<&str> = std::iter::once("run").chain(FIGURES).collect();
    let rows = runs.iter().map(|run| {
        std::iter::once(escape(&run.name)).chain(figures(run.evaluation.all())).collect::<Vec<_>>()
    });
    let mut html = format!("<h2>Test split</h2>\n{}", table(&header, rows));
    for recipe in recipes {
        let (header, rows) = recipe.cells();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let whole = |cell: String| format!("<span class=\"figure\">{}</span>", escape(&cell));
        let rows = rows.into_iter().map(|row| row.into_iter().map(whole).collect());
        let _ = write!(html, "<h3>{}</h3>\n{}", escape(&recipe.title()), table(&header, rows));
    }
    html
}

fn section(run: &RunPage) -> String {
    let evaluation = &run.evaluation;
    let mut html = format!("<section>\n<h2>{}</h2>\n<dl>", escape(&run.name));
    for (name, value) in &run.facts {
        let _ = write!(html, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
    }
    html += "</dl>\n";
    let loss = Curve { name: "training loss".into(), points: run.losses.clone() };
    let all: Vec<Curve> = std::iter::once(loss).chain(run.scores.clone()).collect();
    let _ = write!(html, "<h3>Training</h3>\n{}", curves("epochs", &all));

    let header: Vec<&str> = std::iter::once("").chain(FIGURES).collect();
    let rows = evaluation
        .slices
        .iter()
        .map(|slice| std::iter::once(title_of(slice)).chain(figures(slice)).collect::<Vec<_>>());
    let _ = write!(html, "<h3>Scores</h3>\n{}", table(&header, rows));

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
    let _ = write!(
        html,
        "<h3>Accuracy of each value</h3>\n{}<p class=\"note\">The upright mark is each value's most frequent label.</p>\n",
        bars("accuracy of each value", &of_values)
    );

    if let Some([labels, utilities]) = run.means {
        let line = |name: &str, profile| Line { name: name.into(), profile, band: None };
        let lines = [line("mean label", labels), line("mean predicted utility", utilities)];
        let _ = write!(html, "<h3>Values around the circle</h3>\n{}", radar::figure(&lines));
    }

    let class_rows = evaluation.all().classes.iter().map(|class| {
        let scores = [class.precision, class.recall, class.f1].map(score);
        [format!("{:+}", class.label).replace("+0", "0")]
            .into_iter()
            .chain(scores)
            .chain([count(class.support)])
            .collect::<Vec<_>>()
    });
    let _ = write!(
        html,
        "<h3>Classes</h3>\n{}",
        table(&["label", "precision", "recall", "F1", "rows"], class_rows)
    );
    html += &confusion(evaluation.all());
    if !run.misses.is_empty() {
        let rows = run.misses.iter().map(|row| {
            let scored = row.scored;
            vec![
                scored.value.to_string(),
                escape(&row.scenario),
                scored.label.to_string(),
                score(scored.utility),
            ]
        });
        let _ = write!(
            html,
            "<h3>Errors worth reading</h3>\n{}",
            table(&["value", "scenario", "label", "utility"], rows)
        );
    }
    html + "</section>\n"
}

fn title_of(slice: &Slice) -> String {
    if slice.name == "unseen" { "texts unseen in training".into() } else { slice.name.clone() }
}

/// The confusion matrix, the darker the more of its label's rows.
fn confusion(slice: &Slice) -> String {
    let mut html =
        String::from("<div class=\"scroll\"><table class=\"confusion\"><thead><tr><th>label</th>");
    Label::ALL.iter().for_each(|label| html += &format!("<th>predicted {label}</th>"));
    html += "</tr></thead><tbody>\n";
    for (label, counts) in Label::ALL.iter().zip(slice.confusion.counts()) {
        let all: u64 = counts.iter().sum();
        let _ = write!(html, "<tr><td>{label}</td>");
        for &cell in counts {
            let share = if all == 0 { 0.0 } else { cell as f64 / all as f64 };
            let _ = write!(
                html,
                "<td style=\"--share:{:.0}%\">{} <small>{:.0}%</small></td>",
                share * 70.0,
                count(cell),
                share * 100.0
            );
        }
        html += "</tr>\n";
    }
    html + "</tbody></table></div>\n"
}
