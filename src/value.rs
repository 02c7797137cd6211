//! The ten Schwartz values, the three labels, and the utility that a model predicts.
//!
//! Owns names, order and rounding, and nothing that needs a file or a tensor.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of the ten basic human values, in the paper's order, which is also their order around
/// Schwartz's motivational circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
#[allow(missing_docs)]
pub enum Value {
    Security,
    Power,
    Achievement,
    Hedonism,
    Stimulation,
    SelfDirection,
    Universalism,
    Benevolence,
    Conformity,
    Tradition,
}

impl Value {
    /// How many values there are: the length of a value vector.
    pub const COUNT: usize = 10;

    /// All values in the paper's order.
    pub const ALL: [Value; Value::COUNT] = [
        Value::Security,
        Value::Power,
        Value::Achievement,
        Value::Hedonism,
        Value::Stimulation,
        Value::SelfDirection,
        Value::Universalism,
        Value::Benevolence,
        Value::Conformity,
        Value::Tradition,
    ];

    /// The position in [`Value::ALL`], and in every value vector.
    pub fn index(self) -> usize {
        self as usize
    }

    /// How many places apart two values are on the circle: 0 to 5.
    pub fn distance(self, other: Value) -> usize {
        places_apart(self.index(), other.index())
    }

    /// The name as ValueNet writes it: `SELF-DIRECTION`.
    pub fn name(self) -> &'static str {
        match self {
            Value::Security => "SECURITY",
            Value::Power => "POWER",
            Value::Achievement => "ACHIEVEMENT",
            Value::Hedonism => "HEDONISM",
            Value::Stimulation => "STIMULATION",
            Value::SelfDirection => "SELF-DIRECTION",
            Value::Universalism => "UNIVERSALISM",
            Value::Benevolence => "BENEVOLENCE",
            Value::Conformity => "CONFORMITY",
            Value::Tradition => "TRADITION",
        }
    }

    /// What it is about: its defining goal, after Schwartz (2012), *An overview of the Schwartz theory of
    /// basic values*.
    pub fn definition(self) -> &'static str {
        match self {
            Value::Security => {
                "safety, harmony and stability of society, of relationships and of self"
            }
            Value::Power => {
                "social status and prestige, control or dominance over people and resources"
            }
            Value::Achievement => {
                "personal success through competence according to social standards"
            }
            Value::Hedonism => "pleasure and sensuous gratification for oneself",
            Value::Stimulation => "excitement, novelty and challenge in life",
            Value::SelfDirection => "independent thought and action: choosing, creating, exploring",
            Value::Universalism => {
                "understanding, appreciation, tolerance and protection of all people and of nature"
            }
            Value::Benevolence => "the welfare of the people with whom one is often in contact",
            Value::Conformity => {
                "restraint of what is likely to upset or harm others or violate social norms"
            }
            Value::Tradition => "respect for the customs and ideas of one's culture or religion",
        }
    }

    /// The special token that asks a model for this value: `[SELF-DIRECTION]`.
    pub fn token(self) -> String {
        format!("[{}]", self.name())
    }
}

/// How far two places around the circle of ten are apart.
pub fn places_apart(a: usize, b: usize) -> usize {
    let apart = a.abs_diff(b);
    apart.min(Value::COUNT - apart)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Value {
    type Err = ();

    /// Reads a name in any case, with `-`, `_` or a blank between words.
    fn from_str(text: &str) -> Result<Self, ()> {
        let name = text.trim().to_ascii_uppercase().replace(['_', ' '], "-");
        Value::ALL.into_iter().find(|value| value.name() == name).ok_or(())
    }
}

/// The four higher-order groups of values, two pairs of opposites around the circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Group {
    OpennessToChange,
    SelfEnhancement,
    Conservation,
    SelfTranscendence,
}

impl Group {
    /// All groups; the first and the third are opposites, and so are the second and the fourth.
    pub const ALL: [Group; 4] = [
        Group::OpennessToChange,
        Group::SelfEnhancement,
        Group::Conservation,
        Group::SelfTranscendence,
    ];

    /// The group of a value. The paper counts hedonism with self-enhancement.
    pub fn of(value: Value) -> Self {
        match value {
            Value::SelfDirection | Value::Stimulation => Group::OpennessToChange,
            Value::Hedonism | Value::Achievement | Value::Power => Group::SelfEnhancement,
            Value::Security | Value::Conformity | Value::Tradition => Group::Conservation,
            Value::Benevolence | Value::Universalism => Group::SelfTranscendence,
        }
    }

    /// The name in words.
    pub fn name(self) -> &'static str {
        match self {
            Group::OpennessToChange => "openness to change",
            Group::SelfEnhancement => "self-enhancement",
            Group::Conservation => "conservation",
            Group::SelfTranscendence => "self-transcendence",
        }
    }

    /// The mean of the group's values in a vector.
    pub fn mean(self, utilities: &[f64; Value::COUNT]) -> f64 {
        self.mean_by(utilities, Group::of)
    }

    /// The mean of the values that are the group's by another key.
    pub fn mean_by(self, utilities: &[f64; Value::COUNT], of: impl Fn(Value) -> Group) -> f64 {
        let own = || Value::ALL.into_iter().filter(|value| of(*value) == self);
        own().map(|value| utilities[value.index()]).sum::<f64>() / own().count() as f64
    }
}

/// The utilities of a text under all ten values, in the order of [`Value::ALL`].
pub type Profile = [f32; Value::COUNT];

/// The probabilities of the classes -1, 0 and +1 under all ten values, in the order of
/// [`Value::ALL`].
pub type ProfileProbabilities = [[f32; Label::COUNT]; Value::COUNT];

/// A text with its ten utilities, or without any if it is blank.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredText {
    /// The text as it was read.
    pub text: String,
    /// Its utilities.
    pub profile: Option<Profile>,
    /// The probabilities of the classes, if the model gives any.
    pub probabilities: Option<ProfileProbabilities>,
}

/// An annotator's answer: does the scenario serve the value?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// -1: it goes against the value.
    No,
    /// 0: it has nothing to do with the value.
    Unrelated,
    /// +1: it serves the value.
    Yes,
}

impl Label {
    /// How many labels there are.
    pub const COUNT: usize = 3;

    /// All labels, in the order -1, 0, +1.
    pub const ALL: [Label; Label::COUNT] = [Label::No, Label::Unrelated, Label::Yes];

    /// The class index 0, 1 or 2. This is the only place where a label becomes an index: a label of
    /// -1 cast to an unsigned number would be skipped by a cross-entropy loss without a word.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The utility -1, 0 or +1.
    pub fn utility(self) -> f32 {
        f32::from(self.number())
    }

    /// The label as ValueNet writes it: -1, 0 or 1.
    pub fn number(self) -> i8 {
        match self {
            Label::No => -1,
            Label::Unrelated => 0,
            Label::Yes => 1,
        }
    }

    /// The class of a predicted utility: rounded to the nearest integer, ties to even, clamped to
    /// [-1, 1].
    ///
    /// A utility that is NaN has no class.
    pub fn of_utility(utility: f64) -> Option<Label> {
        match utility.round_ties_even() {
            rounded if rounded.is_nan() => None,
            rounded if rounded < 0.0 => Some(Label::No),
            rounded if rounded > 0.0 => Some(Label::Yes),
            _ => Some(Label::Unrelated),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Label::No => "-1",
            Label::Unrelated => "0",
            Label::Yes => "+1",
        })
    }
}

impl FromStr for Label {
    type Err = ();

    /// Reads `-1`, `0`, `1`, `+1` and the same as floats (`1.0`), as spreadsheets write them.
    fn from_str(text: &str) -> Result<Self, ()> {
        let number: f64 = text.trim().parse().map_err(|_| ())?;
        Label::ALL.into_iter().find(|label| f64::from(label.number()) == number).ok_or(())
    }
}

/// How many samples of each value have each label: what a model without text could know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LabelCounts([[u64; Label::COUNT]; Value::COUNT]);

impl LabelCounts {
    /// Counts samples.
    pub fn of(samples: impl IntoIterator<Item = (Value, Label)>) -> Self {
        let mut counts = Self::default();
        for (value, label) in samples {
            counts.0[value.index()][label.index()] += 1;
        }
        counts
    }

    /// The counts of the labels -1, 0 and +1 of one value.
    pub fn of_value(&self, value: Value) -> [u64; Label::COUNT] {
        self.0[value.index()]
    }

    /// The counts over all values.
    pub fn total(&self) -> [u64; Label::COUNT] {
        let column = |label: usize| self.0.iter().map(|counts| counts[label]).sum();
        [column(0), column(1), column(2)]
    }
}
