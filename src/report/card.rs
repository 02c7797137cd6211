//! The model card of a checkpoint: what it is, how it was made, what it scores, what it is for.

use std::fmt::Write;

use super::table::{Table, count, score};
use crate::eval::{Evaluation, Figure, Interval};

/// What a card says of the making; everything else comes from the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Provenance {
    /// The model that it started from.
    pub base: String,
    /// The number of trained parameters.
    pub parameters: usize,
    /// How a class comes to be.
    pub class_rule: String,
    /// Names and values of the training's settings.
    pub settings: Vec<(String, String)>,
    /// The splits and their rows.
    pub data: Vec<(String, usize)>,
}

/// The card as Markdown.
pub fn card(provenance: &Provenance, evaluation: &Evaluation) -> String {
    let mut card = String::from(
        "---\nlibrary_name: transformers\npipeline_tag: text-classification\ntags:\n- human-values\n- schwartz-values\n- valuenet\n---\n\n\
         # A model of human values in text\n\n\
         It predicts how far a scenario serves one of Schwartz's ten basic values, as a utility from -1 (against it) over 0\n\
         (unrelated) to +1 (for it). The value is asked for by a token before the text: `[BENEVOLENCE] I helped my neighbour.`\n\
         It was trained by valuenet on data in the form of ValueNet (Qiu et al., AAAI 2022).\n\n## How it was made\n\n",
    );
    let _ = writeln!(
        card,
        "* base: {}, {:.1} M parameters",
        provenance.base,
        provenance.parameters as f64 / 1e6
    );
    let data =
        provenance.data.iter().map(|(split, rows)| format!("{} {split}", count(*rows as u64)));
    let _ = writeln!(card, "* rows: {}", data.collect::<Vec<_>>().join(", "));
    for (name, value) in &provenance.settings {
        let _ = writeln!(card, "* {name}: {value}");
    }
    let _ = writeln!(card, "* class: {}", provenance.class_rule);
    let _ = write!(card, "\n## What it scores\n\n{}", scores(evaluation).markdown());
    card + "\nIntervals are 95% bootstrap intervals over texts. The unseen texts stand in no row of the train split, under whatever value.\n\
            \n## Intended use\n\n\
            Research on how values are talked about: features, rewards, comparisons of many texts. One utility of one text is weak\n\
            evidence; look at the scores of the value in question before relying on it.\n\n## Ethics\n\n\
            The labels are the judgements of crowd workers in one place and time about short texts, and so are the utilities. They\n\
            say nothing about what is right, and nothing about a person; do not use them to judge, rank or profile people. A model\n\
            that is trained towards values inherits the biases of those who wrote the labels.\n"
}

fn scores(evaluation: &Evaluation) -> Table {
    let mut table = Table::new("test split", ["", "rows", "accuracy", "macro F1", "MSE"]);
    for slice in &evaluation.slices {
        let cell = |figure: Figure, number: f64| match slice.intervals.get(&figure.name()) {
            Some(Interval { low, high }) => {
                format!("{} ({} to {})", score(number), score(*low), score(*high))
            }
            None => score(number),
        };
        table.push([
            slice.name.clone(),
            count(slice.rows as u64),
            cell(Figure::Accuracy, slice.accuracy),
            cell(Figure::MacroF1, slice.macro_f1),
            cell(Figure::Mse, slice.mse),
        ]);
    }
    table
}
