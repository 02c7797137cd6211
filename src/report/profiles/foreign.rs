//! Value vectors as the files of others: those of pyvalues, and the runs of Touché's shared tasks.

use serde_json::Value as Json;

use super::bare;
use crate::data::refined::{IN_2024, REFINED};
use crate::value::{ScoredText, Value};

/// Somebody else's file, with tabs between its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// For pyvalues: attained and constrained, value by value. What is kept first is the document's id, and
    /// second its language.
    Pyvalues,
    /// For Touché 2023: 0 or 1 for each of twenty.
    Touche23,
    /// For Touché 2024: attained and constrained for each of nineteen.
    Touche24,
}

/// pyvalues' order of the ten, and its names.
const NAMES: [(Value, &str); Value::COUNT] = [
    (Value::SelfDirection, "Self-direction"),
    (Value::Stimulation, "Stimulation"),
    (Value::Hedonism, "Hedonism"),
    (Value::Achievement, "Achievement"),
    (Value::Power, "Power"),
    (Value::Security, "Security"),
    (Value::Tradition, "Tradition"),
    (Value::Conformity, "Conformity"),
    (Value::Benevolence, "Benevolence"),
    (Value::Universalism, "Universalism"),
];

/// From this share on, an argument draws on a value.
const PRESENT: f64 = 0.5;

/// How far a value is attained and constrained, both from 0 to 1, and not more than 1 together: the
/// probabilities of +1 and -1, or the utility and what is below 0 of it; 0 of a blank text.
pub fn attainment(row: &ScoredText, value: Value) -> (f64, f64) {
    let place = value.index();
    let (attained, constrained) = match (&row.probabilities, &row.profile) {
        (Some(shares), _) => (shares[place][2], shares[place][0]),
        (None, Some(profile)) => (profile[place].max(0.0), (-profile[place]).max(0.0)),
        (None, None) => (0.0, 0.0),
    };
    let attained = f64::from(attained).clamp(0.0, 1.0);
    // Shares of f32 may be more than 1 together; 1 less an f32 is exact.
    (attained, f64::from(constrained).clamp(0.0, 1.0 - attained))
}

/// What pyvalues calls a text's values, in its order.
pub fn named(row: &ScoredText) -> impl Iterator<Item = (&'static str, (f64, f64))> {
    NAMES.iter().map(|&(value, name)| (name, attainment(row, value)))
}

impl Foreign {
    /// The columns of a table that a row begins with; none if anyone's will do.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Pyvalues => &[],
            Self::Touche23 => &["Argument ID"],
            Self::Touche24 => &["Text-ID", "Sentence-ID"],
        }
    }

    /// The names of the columns.
    pub(super) fn header(self) -> Vec<String> {
        let both = |name: &str| ["attained", "constrained"].map(|what| format!("{name} {what}"));
        let keys = self.keys().iter().map(|key| key.to_string());
        match self {
            Self::Pyvalues => {
                let own = ["ID", "Text", "Language"].map(String::from);
                own.into_iter().chain(NAMES.iter().flat_map(|(_, name)| both(name))).collect()
            }
            Self::Touche23 => keys.chain(REFINED.iter().map(|it| it.name.into())).collect(),
            Self::Touche24 => {
                keys.chain(REFINED[..IN_2024].iter().flat_map(|it| both(it.name))).collect()
            }
        }
    }

    /// The cells of the row with this number, counted from 1.
    pub(super) fn cells(self, number: u64, kept: &[Json], row: &ScoredText) -> Vec<String> {
        let of_parent = |parent: Option<Value>| parent.map_or((0.0, 0.0), |it| attainment(row, it));
        let both =
            |(attained, constrained): (f64, f64)| [attained, constrained].map(|it| it.to_string());
        let keys = kept.iter().map(bare);
        match self {
            Self::Pyvalues => {
                let id = kept.first().map_or_else(|| number.to_string(), bare);
                let language = kept.get(1).map_or_else(|| "en".into(), bare);
                let values = named(row).flat_map(|(_, scores)| both(scores));
                [id, row.text.clone(), language].into_iter().chain(values).collect()
            }
            Self::Touche23 => {
                let is_there = |parent| {
                    let (attained, constrained) = of_parent(parent);
                    u8::from(attained + constrained >= PRESENT).to_string()
                };
                keys.chain(REFINED.iter().map(|it| is_there(it.parent))).collect()
            }
            Self::Touche24 => {
                let all = REFINED[..IN_2024].iter().flat_map(|it| both(of_parent(it.parent)));
                keys.chain(all).collect()
            }
        }
    }
}
