//! The figures that rows are judged by, by name.

use super::confusion::Confusion;
use super::regression::Pairs;
use crate::value::{Label, Value};

/// A row with the model's prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The value that was asked about.
    pub value: Value,
    /// The annotators' answer.
    pub label: Label,
    /// The predicted utility.
    pub utility: f64,
    /// The predicted class.
    pub class: Label,
    /// The probabilities of the classes -1, 0 and +1, if the model gives any.
    pub probabilities: Option<[f32; Label::COUNT]>,
    /// The number of its text among the texts that are judged, counted from 0: rows with the same
    /// one share their text.
    pub text: usize,
    /// Whether the text stood in the train split, under whatever value, if that is known.
    pub seen: Option<bool>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Figure {
    Accuracy,
    MacroF1,
    WeightedF1,
    Mse,
    ClassMse,
    Mae,
    Pearson,
    Spearman,
    QuadraticKappa,
    Opposed,
    SignAuc,
    Precision(Label),
    Recall(Label),
    F1(Label),
}

impl Figure {
    /// How many there are.
    pub const COUNT: usize = 20;

    /// All of them.
    pub const ALL: [Figure; Figure::COUNT] = [
        Figure::Accuracy,
        Figure::MacroF1,
        Figure::WeightedF1,
        Figure::Mse,
        Figure::ClassMse,
        Figure::Mae,
        Figure::Pearson,
        Figure::Spearman,
        Figure::QuadraticKappa,
        Figure::Opposed,
        Figure::SignAuc,
        Figure::Precision(Label::No),
        Figure::Recall(Label::No),
        Figure::F1(Label::No),
        Figure::Precision(Label::Unrelated),
        Figure::Recall(Label::Unrelated),
        Figure::F1(Label::Unrelated),
        Figure::Precision(Label::Yes),
        Figure::Recall(Label::Yes),
        Figure::F1(Label::Yes),
    ];

    /// Its name in reports.
    pub fn name(self) -> String {
        let of = |figure: &str, label: Label| {
            format!("{figure}_{}", ["no", "unrelated", "yes"][label.index()])
        };
        match self {
            Figure::Accuracy => "accuracy".into(),
            Figure::MacroF1 => "macro_f1".into(),
            Figure::WeightedF1 => "weighted_f1".into(),
            Figure::Mse => "mse".into(),
            Figure::ClassMse => "class_mse".into(),
            Figure::Mae => "mae".into(),
            Figure::Pearson => "pearson".into(),
            Figure::Spearman => "spearman".into(),
            Figure::QuadraticKappa => "quadratic_kappa".into(),
            Figure::Opposed => "opposed".into(),
            Figure::SignAuc => "sign_auc".into(),
            Figure::Precision(label) => of("precision", label),
            Figure::Recall(label) => of("recall", label),
            Figure::F1(label) => of("f1", label),
        }
    }

    /// Whether less of it is better.
    pub fn is_error(self) -> bool {
        matches!(self, Figure::Mse | Figure::ClassMse | Figure::Mae | Figure::Opposed)
    }
}

/// Rows that are measured again and again with other weights. Macro F1 is over the classes that the
/// model tells apart: those without any probability, as -1 is to one that learned relevance, do not
/// count.
#[derive(Debug, Clone)]
pub struct Measured {
    classes: Vec<(Label, Label)>,
    /// Whether -1 can occur at all.
    has_no: bool,
    pairs: Pairs,
}

impl Measured {
    /// Prepares rows.
    pub fn new(rows: &[&Scored]) -> Self {
        let pair = |row: &&Scored| (row.utility, f64::from(row.label.number()));
        let is_no = |row: &&Scored| match row.probabilities {
            Some([no, ..]) => no > 0.0 || row.label == Label::No,
            None => true,
        };
        Self {
            has_no: rows.iter().any(is_no),
            classes: rows.iter().map(|row| (row.label, row.class)).collect(),
            pairs: Pairs::new(rows.iter().map(pair).collect()),
        }
    }

    /// The confusion of labels with classes.
    pub fn confusion(&self, weights: &[u32]) -> Confusion<{ Label::COUNT }> {
        Confusion::of(
            self.classes
                .iter()
                .zip(weights)
                .map(|(&(label, class), &weight)| (label.index(), class.index(), weight)),
        )
    }

    /// All figures in the order of [`Figure::ALL`]; NaN where one is undefined.
    pub fn figures(&self, weights: &[u32]) -> [f64; Figure::COUNT] {
        if weights.iter().all(|&weight| weight == 0) {
            return [f64::NAN; Figure::COUNT];
        }
        let (confusion, pairs) = (self.confusion(weights), &self.pairs);
        let classes = confusion.classes();
        Figure::ALL.map(|figure| match figure {
            Figure::Accuracy => confusion.accuracy(),
            Figure::MacroF1 if !self.has_no => {
                [Label::Unrelated, Label::Yes]
                    .map(|label| classes[label.index()].f1)
                    .iter()
                    .sum::<f64>()
                    / 2.0
            }
            Figure::MacroF1 => confusion.macro_f1(),
            Figure::WeightedF1 => confusion.weighted_f1(),
            Figure::Mse => pairs.mean_squared_error(weights),
            Figure::ClassMse => confusion.mean_squared_error(),
            Figure::Mae => pairs.mean_absolute_error(weights),
            Figure::Pearson => pairs.pearson(weights).unwrap_or(f64::NAN),
            Figure::Spearman => pairs.spearman(weights).unwrap_or(f64::NAN),
            Figure::QuadraticKappa => confusion.quadratic_kappa().unwrap_or(f64::NAN),
            Figure::Opposed => confusion.opposed(),
            Figure::SignAuc => pairs.sign_auc(weights).unwrap_or(f64::NAN),
            Figure::Precision(label) => classes[label.index()].precision,
            Figure::Recall(label) => classes[label.index()].recall,
            Figure::F1(label) => classes[label.index()].f1,
        })
    }
}
