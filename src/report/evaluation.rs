//! An evaluation as a table, JSON, CSV, Markdown or LaTeX.

use serde::Serialize;

use super::Format;
use super::table::{Table, count, csv, score};
use crate::error::{Error, Result};
use crate::eval::calibration::{Bin, Thresholded};
use crate::eval::{Bootstrap, Evaluation, Figure, Interval, Slice};
use crate::value::Label;

/// An evaluation with what it was made of.
#[derive(Debug, Serialize)]
pub struct Report {
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
    /// The numbers.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

impl Report {
    /// The report in one of the formats.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn render(&self, format: Format) -> Result<String> {
        match format {
            Format::Table => Ok(self.tables().iter().map(Table::text).collect::<Vec<_>>().join("\n")),
            Format::Markdown => Ok(self.tables().iter().map(Table::markdown).collect::<Vec<_>>().join("\n")),
            Format::Latex => Ok(self.tables().iter().map(Table::latex).collect::<Vec<_>>().join("\n")),
            Format::Csv => csv(&CSV_HEADER, self.evaluation.slices.iter().map(csv_row)),
            Format::Json => serde_json::to_string_pretty(self)
                .map(|json| json + "\n")
                .map_err(Error::failure_because("cannot write JSON")),
        }
    }

    fn tables(&self) -> Vec<Table> {
        let tables = [
            Some(self.scores()),
            self.bootstrap.map(|bootstrap| self.intervals(bootstrap)),
            Some(self.classes()),
            self.thresholds.as_ref().map(|fitted| self.thresholds(fitted)),
            Some(self.order()),
            Some(self.reliability()),
            Some(self.confusion()),
        ];
        tables.into_iter().flatten().collect()
    }

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
        let title = format!("classes by thresholds {low} and {high}, fitted on {}", fitted.fitted_on);
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
            let cell = |(_, figure): (&str, Figure)| match slice.intervals.get(&figure.name()) {
                Some(Interval { low, high }) => format!("{} to {}", score(*low), score(*high)),
                None => "-".into(),
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
            let figures = [slice.quadratic_kappa, Some(slice.opposed), slice.sign_auc, slice.spearman];
            table.push(std::iter::once(title_of(slice)).chain(figures.map(score)));
        }
        table
    }

    fn scores(&self) -> Table {
        let title =
            format!("{} · {} rows · {}", self.split, count(self.evaluation.all().rows as u64), self.model);
        let header = ["", "rows", "accuracy", "macro F1", "MSE", "MAE", "r", "base acc.", "base MSE"];
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
        let header = ["", "rows -1/0/+1", "P-1", "R-1", "F-1", "P0", "R0", "F0", "P+1", "R+1", "F+1"];
        let mut table = Table::new("precision, recall and F1 of each class", header).narrow();
        for slice in &self.evaluation.slices {
            let support = slice.classes.map(|class| class.support.to_string()).join("/");
            let scores =
                slice.classes.iter().flat_map(|class| [class.precision, class.recall, class.f1].map(score));
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

fn title_of(slice: &Slice) -> String {
    match slice.name.as_str() {
        "unseen" => "unseen texts".into(),
        name => name.into(),
    }
}

const CSV_HEADER: [&str; 36] = [
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

fn csv_row(slice: &Slice) -> Vec<String> {
    let optional = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
    let mut row = vec![slice.name.clone(), slice.rows.to_string()];
    row.extend(
        [slice.accuracy, slice.macro_f1, slice.weighted_f1, slice.mse, slice.class_mse, slice.mae]
            .map(|x| x.to_string()),
    );
    let opposed = Some(slice.opposed);
    row.extend([slice.pearson, slice.spearman, slice.quadratic_kappa, opposed, slice.sign_auc].map(optional));
    for class in &slice.classes {
        row.extend([class.precision, class.recall, class.f1].map(|x| x.to_string()));
        row.push(class.support.to_string());
    }
    row.extend(slice.confusion.counts().iter().flatten().map(u64::to_string));
    row.extend([slice.baseline.map(|b| b.accuracy), slice.baseline.map(|b| b.mse)].map(optional));
    row
}
