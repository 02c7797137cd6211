//! The model card of a checkpoint: what it is, how it was made, what it scores, what it is for.

use std::fmt::Write;

use serde_json::json;

use super::table::{Table, count, score};
use crate::eval::{Evaluation, Figure, Interval};

/// What a card says of the making; everything else comes from the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Provenance {
    /// The name of the model.
    pub name: String,
    /// How the utilities of a batch come from its `logits`, in Python; none if transformers cannot
    /// load the model.
    pub from_logits: Option<String>,
    /// What the tokenizer is given of a text, for an example.
    pub prompt: String,
    /// The model that it started from.
    pub base: String,
    /// Whether it started from one, and not from random weights.
    pub has_base: bool,
    /// Whether that is a name on the model hub.
    pub is_on_hub: bool,
    /// The name of the data's folder.
    pub dataset: String,
    /// The number of trained parameters.
    pub parameters: usize,
    /// How a class comes to be.
    pub class_rule: String,
    /// Names and values of the training's settings.
    pub settings: Vec<(String, String)>,
    /// The splits and their rows.
    pub data: Vec<(String, usize)>,
}

/// What the model hub reads of a card: the base, and the scores on the test split as a `model-index`.
fn front_matter(provenance: &Provenance, evaluation: &Evaluation) -> String {
    let all = evaluation.all();
    let metric = |(kind, name, number): (&str, &str, f64)| {
        format!("    - type: {kind}\n      name: {name}\n      value: {number:.4}\n")
    };
    let metrics = [
        ("accuracy", "accuracy", all.accuracy),
        ("f1", "macro F1", all.macro_f1),
        ("mse", "MSE", all.mse),
    ];
    let base = match provenance.is_on_hub {
        true => format!("base_model: {}\n", json!(provenance.base)),
        false => String::new(),
    };
    format!(
        "---\nlibrary_name: transformers\npipeline_tag: text-classification\n{base}tags:\n- human-values\n\
         - schwartz-values\n- valuenet\nmodel-index:\n- name: {}\n  results:\n  - task:\n      type: text-classification\n    \
         dataset:\n      name: {}\n      type: valuenet\n      split: test\n    metrics:\n{}---\n\n",
        json!(provenance.name),
        json!(provenance.dataset),
        metrics.map(metric).concat()
    )
}

/// The card as Markdown.
pub fn card(provenance: &Provenance, evaluation: &Evaluation) -> String {
    let mut card = front_matter(provenance, evaluation);
    card.push_str(
        "# A model of human values in text\n\n\
         It predicts how far a scenario serves one of Schwartz's ten basic values, as a utility from -1 (against it) over 0\n\
         (unrelated) to +1 (for it). The value is asked for by a token before the text: `[BENEVOLENCE] I helped my neighbour.`\n\
         It was trained by valuenet on data in the form of ValueNet (Qiu et al., AAAI 2022).\n\n",
    );
    if provenance.has_base {
        card.push_str("It is a work derived from its base model, and the licence of that one holds for it too.\n\n");
    }
    if let Some(from_logits) = &provenance.from_logits {
        let prompt = &provenance.prompt;
        let _ = write!(
            card,
            "## In transformers\n\n```python\n\
             import torch\n\
             from transformers import AutoModelForSequenceClassification, AutoTokenizer\n\
             tokenizer, model = AutoTokenizer.from_pretrained(\".\"), AutoModelForSequenceClassification.from_pretrained(\".\").eval()\n\
             inputs = tokenizer([\"{prompt}\"], return_tensors=\"pt\", padding=True, truncation=True)\n\
             logits = model(inputs[\"input_ids\"], inputs[\"attention_mask\"]).logits\n\
             print({from_logits})\n```\n\n",
        );
    }
    card.push_str("## How it was made\n\n");
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
