//! A speaker's profile, and the circle of values in a model's vectors.

use serde::Serialize;
use serde_json::Value as Json;

use super::table::{Table, ends, interval, number, score, shortened};
use super::{Records, Report};
use crate::eval::circle::Circle;
use crate::eval::speaker::{Level, Speaker};
use crate::value::{Group, Value};

/// The longest example in a table, in columns.
const EXAMPLE: usize = 44;

/// The profile of a speaker with what they said.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SpeakerReport<'a> {
    /// The profile.
    #[serde(flatten)]
    pub speaker: &'a Speaker,
    /// The texts that it is made of.
    pub said: &'a [String],
}

impl Report for SpeakerReport<'_> {
    fn tables(&self) -> Vec<Table> {
        let Self { speaker, said } = self;
        let header = ["", "mean", "95% interval"];
        let row = |name: &str, Level { mean, interval: ends }: Level| {
            [name.to_string(), score(mean), interval(ends)]
        };
        let mut values = Table::new(format!("value profile of {} texts", speaker.texts), header);
        let mut examples = Table::new("what stands out", ["", "utility", "text"]).left(2);
        for level in &speaker.values {
            values.push(row(level.value.name(), level.level));
            for example in level.strongest.iter().chain(&level.weakest) {
                let text = said.get(example.text).map_or("", |text| text.trim());
                let utility = score(f64::from(example.utility));
                examples.push([level.value.name().into(), utility, shortened(text, EXAMPLE)]);
            }
        }
        let mut groups = Table::new("higher-order groups", header);
        for level in &speaker.groups {
            groups.push(row(level.group.name(), level.level));
        }
        vec![values, groups, examples]
    }

    fn records(&self) -> Records {
        let row = |name: &str, Level { mean, interval }: Level| {
            [name.to_string(), number(mean)].into_iter().chain(ends(interval))
        };
        let values = self.speaker.values.iter().map(|value| row(value.value.name(), value.level));
        let groups = self.speaker.groups.iter().map(|group| row(group.group.name(), group.level));
        Records::new(["value", "mean", "low", "high"], values.chain(groups))
    }

    fn json(&self) -> serde_json::Result<Json> {
        serde_json::to_value(self)
    }
}

/// The values in short.
pub(super) const SHORT: [&str; Value::COUNT] =
    ["SEC", "POW", "ACH", "HED", "STI", "SD", "UNI", "BEN", "CON", "TRA"];

/// The circle of values in a model's vectors.
impl Report for Circle {
    fn tables(&self) -> Vec<Table> {
        let title = format!("correlations over {} texts, in the order of the circle", self.texts);
        let mut matrix = Table::new(title, std::iter::once("").chain(SHORT));
        for (value, row) in Value::ALL.iter().zip(&self.correlations) {
            matrix.push(std::iter::once(value.to_string()).chain(row.map(score)));
        }
        let header = ["places apart", "mean correlation"];
        let mut distances = Table::new("by distance around the circle", header);
        for (apart, &correlation) in (1..).zip(&self.by_distance) {
            distances.push([apart.to_string(), score(correlation)]);
        }
        let header = ["", "mean", "openness", "enhancement", "conservation", "transcendence"];
        let mut groups =
            Table::new("higher-order groups, and their correlations", header).note(verdict(self));
        for ((group, mean), row) in Group::ALL.iter().zip(self.groups).zip(self.group_correlations)
        {
            groups.push([group.name().to_string(), score(mean)].into_iter().chain(row.map(score)));
        }
        vec![matrix, distances, groups]
    }

    fn records(&self) -> Records {
        let rows = Value::ALL.iter().zip(&self.correlations);
        let rows =
            rows.map(|(value, row)| std::iter::once(value.to_string()).chain(row.map(number)));
        Records::new(std::iter::once("value").chain(Value::ALL.map(Value::name)), rows)
    }

    fn json(&self) -> serde_json::Result<Json> {
        serde_json::to_value(self)
    }
}

fn verdict(circle: &Circle) -> String {
    let (Some(fit), Some(p)) = (circle.fit, circle.p) else {
        return "the values do not vary enough to look for a circle\n".into();
    };
    let told =
        format!("rank correlation of nearness with correlation {}, p {}", score(fit), score(p));
    match p < 0.05 {
        true => format!("near values go together as around Schwartz's circle ({told})\n"),
        false => format!("no circle beyond chance ({told})\n"),
    }
}
