//! A speaker's profile, and the circle of values in a model's vectors, as a table, JSON, CSV, Markdown or LaTeX.

use serde::Serialize;

use super::Format;
use super::dataset::pretty;
use super::radar::shortened;
use super::table::{Table, csv, score};
use crate::error::{Error, Result};
use crate::eval::Interval;
use crate::eval::circle::Circle;
use crate::eval::speaker::{Level, Speaker};
use crate::value::{Group, Value};

/// The longest example in a table, in letters.
const EXAMPLE: usize = 44;

/// The profile of a speaker with what they said.
///
/// # Errors
/// If it cannot be written.
pub fn speaker(speaker: &Speaker, texts: &[String], format: Format) -> Result<String> {
    match format {
        Format::Table => Ok(speaker_tables(speaker, texts).map(|table| table.text()).join("\n")),
        Format::Markdown => Ok(speaker_tables(speaker, texts).map(|table| table.markdown()).join("\n")),
        Format::Latex => Ok(speaker_tables(speaker, texts).map(|table| table.latex()).join("\n")),
        Format::Csv => {
            let end = |interval: Option<Interval>, of: fn(Interval) -> f64| {
                interval.map(|interval| of(interval).to_string()).unwrap_or_default()
            };
            let row = |name: &str, level: Level| {
                let ends = [
                    end(level.interval, |interval| interval.low),
                    end(level.interval, |interval| interval.high),
                ];
                [name.to_string(), level.mean.to_string()].into_iter().chain(ends).collect::<Vec<_>>()
            };
            let values = speaker.values.iter().map(|value| row(value.value.name(), value.level));
            let groups = speaker.groups.iter().map(|group| row(group.group.name(), group.level));
            csv(&["value", "mean", "low", "high"], values.chain(groups))
        }
        Format::Json => {
            #[derive(Serialize)]
            struct Said<'a> {
                #[serde(flatten)]
                speaker: &'a Speaker,
                said: &'a [String],
            }
            let json = serde_json::to_value(Said { speaker, said: texts });
            pretty(&json.map_err(Error::failure_because("cannot write JSON"))?)
        }
    }
}

fn level_cells(level: Level) -> [String; 2] {
    let interval =
        level.interval.map(|interval| format!("{} to {}", score(interval.low), score(interval.high)));
    [score(level.mean), interval.unwrap_or("-".into())]
}

fn speaker_tables(speaker: &Speaker, texts: &[String]) -> [Table; 3] {
    let title = format!("value profile of {} texts", speaker.texts);
    let mut values = Table::new(title, ["", "mean", "95% interval"]);
    let mut examples = Table::new("what stands out", ["", "utility", "text"]).left(2);
    for level in &speaker.values {
        values.push([level.value.name().to_string()].into_iter().chain(level_cells(level.level)));
        for example in level.strongest.iter().chain(&level.weakest) {
            let text = texts.get(example.text).map_or("", |text| text.trim());
            let utility = score(f64::from(example.utility));
            examples.push([level.value.name().into(), utility, shortened(text, EXAMPLE)]);
        }
    }
    let mut groups = Table::new("higher-order groups", ["", "mean", "95% interval"]);
    for level in &speaker.groups {
        groups.push([level.group.name().to_string()].into_iter().chain(level_cells(level.level)));
    }
    [values, groups, examples]
}

const SHORT: [&str; Value::COUNT] = ["SEC", "POW", "ACH", "HED", "STI", "SD", "UNI", "BEN", "CON", "TRA"];

/// The circle of values.
///
/// # Errors
/// If it cannot be written.
pub fn circle(circle: &Circle, format: Format) -> Result<String> {
    let tables = || circle_tables(circle);
    match format {
        Format::Table => {
            Ok(format!("{}\n{}", tables().map(|table| table.text()).join("\n"), verdict(circle)))
        }
        Format::Markdown => {
            Ok(format!("{}\n{}", tables().map(|table| table.markdown()).join("\n"), verdict(circle)))
        }
        Format::Latex => Ok(tables().map(|table| table.latex()).join("\n")),
        Format::Csv => {
            let header: Vec<&str> = std::iter::once("value").chain(Value::ALL.map(Value::name)).collect();
            let rows = Value::ALL.iter().zip(&circle.correlations).map(|(value, row)| {
                std::iter::once(value.to_string()).chain(row.iter().map(f64::to_string)).collect::<Vec<_>>()
            });
            csv(&header, rows)
        }
        Format::Json => {
            pretty(&serde_json::to_value(circle).map_err(Error::failure_because("cannot write JSON"))?)
        }
    }
}

fn circle_tables(circle: &Circle) -> [Table; 3] {
    let title = format!("correlations over {} texts, in the order of the circle", circle.texts);
    let mut matrix = Table::new(title, std::iter::once("").chain(SHORT));
    for (value, row) in Value::ALL.iter().zip(&circle.correlations) {
        matrix.push(
            std::iter::once(value.to_string()).chain(row.iter().map(|&correlation| score(correlation))),
        );
    }
    let mut distances = Table::new("by distance around the circle", ["places apart", "mean correlation"]);
    for (apart, &correlation) in (1..).zip(&circle.by_distance) {
        distances.push([apart.to_string(), score(correlation)]);
    }
    let header = ["", "mean", "openness", "enhancement", "conservation", "transcendence"];
    let mut groups = Table::new("higher-order groups, and their correlations", header);
    for ((group, mean), row) in Group::ALL.iter().zip(circle.groups).zip(circle.group_correlations) {
        groups.push([group.name().to_string(), score(mean)].into_iter().chain(row.map(score)));
    }
    [matrix, distances, groups]
}

fn verdict(circle: &Circle) -> String {
    let (Some(fit), Some(p)) = (circle.fit, circle.p) else {
        return "the values do not vary enough to look for a circle\n".into();
    };
    let told = format!("rank correlation of nearness with correlation {}, p {}", score(fit), score(p));
    match p < 0.05 {
        true => format!("near values go together as around Schwartz's circle ({told})\n"),
        false => format!("no circle beyond chance ({told})\n"),
    }
}
