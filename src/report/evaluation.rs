//! An evaluation, with what it was made of.

use serde::Serialize;
use serde_json::Value as Json;

use super::table::{Table, count, interval, number, score};
use super::{Records, Report};
use crate::eval::calibration::{Bin, Thresholded};
use crate::eval::discrimination::Discrimination;
use crate::eval::{Bootstrap, Evaluation, Figure, Slice};
use crate::value::Label;

/// An evaluation with what it was made of.
#[derive(Debug, Serialize)]
pub struct EvaluationReport {
    /// The model's folder.
    pub model: String,
    /// The data file.
    pub data: String,
    /// The name of the split, or of the file.
    pub split: String,
    /// In which precision the model computed: `f32` or `bf16`.
    pub dtype: &'static str,
    /// How utilities became classes.
    pub class_rule: &'static str,
    /// How the intervals were made, if they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,
    /// The mean label of rows of like utility.
    pub reliability: Vec<Bin>,
    /// Classes by thresholds that were fitted elsewhere, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Thresholded>,
    /// How often two rows of one text are ordered rightly, if there are such pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discrimination: Option<Discrimination>,
    /// The numbers.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

impl Report for EvaluationReport {
    fn tables(&self) -> Vec<Table> {
        let tables = [
            Some(self.scores()),
            self.bootstrap.map(|bootstrap| self.intervals(bootstrap)),
            Some(self.classes()),
            self.thresholds.as_ref().map(|fitted| self.thresholds(fitted)),
            Some(self.order()),
            self.discrimination.as_ref().map(discrimination),
            Some(self.reliability()),
            Some(self.confusion()),
        ];
        tables.into_iter().flatten().collect()
    }

    fn records(&self) -> Records {
        Records::new(HEADER, self.evaluation.slices.iter().map(record))
    }

    fn json(&self) -> serde_json::Result<Json> {
        serde_json::to_value(self)
    }
}

impl EvaluationReport {
    /// Whether utilities mean what they say.
    fn reliability(&self) -> Table {
        let header = ["utility from", "to", "rows", "mean utility", "mean label"];
        let mut table = Table::new("reliability of utilities, all rows", header);
        for bin in &self.reliability {
            let utility = |number: f64| format!("{number:.1}");
            let means = [score(bin.mean_utility), score(bin.mean_label)];
            let place = [utility(bin.from), utility(bin.to), count(bin.rows as u64)];
            table.push(place.into_iter().chain(means));
        }
        table
    }

    /// Rounding beside thresholds.
    fn thresholds(&self, fitted: &Thresholded) -> Table {
        let (low, high) = (score(fitted.thresholds.low), score(fitted.thresholds.high));
        let title =
            format!("classes by thresholds {low} and {high}, fitted on {}", fitted.fitted_on);
        let header = ["", "accuracy", "by thresholds", "macro F1", "by thresholds"];
        let mut table = Table::new(title, header);
        for (slice, cut) in self.evaluation.slices.iter().zip(&fitted.evaluation.slices) {
            let scores = [slice.accuracy, cut.accuracy, slice.macro_f1, cut.macro_f1].map(score);
            table.push(std::iter::once(title_of(slice)).chain(scores));
        }
        table
    }

    /// How sure the most important scores are.
    fn intervals(&self, bootstrap: Bootstrap) -> Table {
        const SHOWN: [(&str, Figure); 4] = [
            ("accuracy", Figure::Accuracy),
            ("macro F1", Figure::MacroF1),
            ("MSE", Figure::Mse),
            ("r", Figure::Pearson),
        ];
        let replicates = count(bootstrap.replicates.into());
        let title = format!("95% intervals, bootstrap over texts, {replicates} replicates");
        let mut table = Table::new(title, std::iter::once("").chain(SHOWN.map(|(name, _)| name)));
        for slice in &self.evaluation.slices {
            let cell = |(_, figure): (&str, Figure)| {
                interval(slice.intervals.get(&figure.name()).copied())
            };
            table.push(std::iter::once(title_of(slice)).chain(SHOWN.map(cell)));
        }
        table
    }

    /// The classes as an order from -1 to +1.
    fn order(&self) -> Table {
        let header = ["", "quadratic kappa", "-1 and +1 confused", "AUC of the sign", "rho"];
        let mut table = Table::new("the order of the classes", header);
        for slice in &self.evaluation.slices {
            let figures =
                [slice.quadratic_kappa, Some(slice.opposed), slice.sign_auc, slice.spearman];
            table.push(std::iter::once(title_of(slice)).chain(figures.map(score)));
        }
        table
    }

    fn scores(&self) -> Table {
        let title = format!(
            "{} · {} rows · {}",
            self.split,
            count(self.evaluation.all().rows as u64),
            self.model
        );
        let header =
            ["", "rows", "accuracy", "macro F1", "MSE", "MAE", "r", "base acc.", "base MSE"];
        let mut table = Table::new(title, header);
        for slice in &self.evaluation.slices {
            table.push([
                title_of(slice),
                count(slice.rows as u64),
                score(slice.accuracy),
                score(slice.macro_f1),
                score(slice.mse),
                score(slice.mae),
                score(slice.pearson),
                score(slice.baseline.map(|baseline| baseline.accuracy)),
                score(slice.baseline.map(|baseline| baseline.mse)),
            ]);
        }
        table
    }

    fn classes(&self) -> Table {
        let header =
            ["", "rows -1/0/+1", "P-1", "R-1", "F-1", "P0", "R0", "F0", "P+1", "R+1", "F+1"];
        let mut table = Table::new("precision, recall and F1 of each class", header).narrow();
        for slice in &self.evaluation.slices {
            let support = slice.classes.map(|class| class.scores.support.to_string()).join("/");
            let scores = slice
                .classes
                .iter()
                .map(|class| class.scores)
                .flat_map(|class| [class.precision, class.recall, class.f1].map(score));
            table.push([title_of(slice), support].into_iter().chain(scores));
        }
        table
    }

    fn confusion(&self) -> Table {
        let header = Label::ALL.map(|label| format!("predicted {label}"));
        let mut table = Table::new(
            "confusion, all rows",
            std::iter::once("label").chain(header.iter().map(String::as_str)),
        );
        for (label, counts) in Label::ALL.iter().zip(self.evaluation.all().confusion.counts()) {
            table.push(std::iter::once(label.to_string()).chain(counts.map(count)));
        }
        table
    }
}

/// Whether the model knows which value is meant.
fn discrimination(found: &Discrimination) -> Table {
    let title = "which value? pairs of rows of one text with different labels (chance .500)";
    let mut table = Table::new(title, ["", "pairs", "texts", "ordered rightly", "95%"]);
    let [pairs, texts] = [found.pairs, found.texts].map(|number| count(number as u64));
    table.push(["all".into(), pairs, texts, score(found.share), interval(found.interval)]);
    table
}

fn title_of(slice: &Slice) -> String {
    match slice.name.as_str() {
        "unseen" => "unseen texts".into(),
        name => name.into(),
    }
}

const HEADER: [&str; 36] = [
    "slice",
    "rows",
    "accuracy",
    "macro_f1",
    "weighted_f1",
    "mse",
    "class_mse",
    "mae",
    "pearson",
    "spearman",
    "quadratic_kappa",
    "opposed",
    "sign_auc",
    "precision_no",
    "recall_no",
    "f1_no",
    "support_no",
    "precision_unrelated",
    "recall_unrelated",
    "f1_unrelated",
    "support_unrelated",
    "precision_yes",
    "recall_yes",
    "f1_yes",
    "support_yes",
    "confusion_no_no",
    "confusion_no_unrelated",
    "confusion_no_yes",
    "confusion_unrelated_no",
    "confusion_unrelated_unrelated",
    "confusion_unrelated_yes",
    "confusion_yes_no",
    "confusion_yes_unrelated",
    "confusion_yes_yes",
    "baseline_accuracy",
    "baseline_mse",
];

/// The cells of a slice below [`HEADER`].
fn record(slice: &Slice) -> Vec<String> {
    let mut row = vec![slice.name.clone(), slice.rows.to_string()];
    row.extend(
        [slice.accuracy, slice.macro_f1, slice.weighted_f1, slice.mse, slice.class_mse, slice.mae]
            .map(number),
    );
    let opposed = Some(slice.opposed);
    row.extend(
        [slice.pearson, slice.spearman, slice.quadratic_kappa, opposed, slice.sign_auc].map(number),
    );
    for class in slice.classes.map(|class| class.scores) {
        row.extend([class.precision, class.recall, class.f1].map(number));
        row.push(class.support.to_string());
    }
    row.extend(slice.confusion.counts().iter().flatten().map(u64::to_string));
    row.extend([slice.baseline.map(|b| b.accuracy), slice.baseline.map(|b| b.mse)].map(number));
    row
}
