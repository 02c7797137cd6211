//! Rewards of dialogues, and their means with the speakers' own personas and with others', as tables, JSON or CSV.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::radar::shortened;
use super::table::{Table, count, csv, score};
use crate::data::dialogue::Dialogue;
use crate::error::{Error, Result};
use crate::eval::Interval;
use crate::reward::{Difference, Form, Level, Reward};

/// How rewards are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table for each dialogue.
    Table,
    /// One object a dialogue, or one for a comparison.
    Jsonl,
    /// A row for each utterance, or for each figure of a comparison.
    Csv,
}

/// How the rewards came to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The discount.
    pub gamma: f64,
    /// The form of r_t.
    pub form: Form,
}

/// The longest text in a table, in letters.
const TEXT: usize = 44;

#[derive(Serialize)]
struct Said<'a> {
    utterance: &'a str,
    matched: Option<usize>,
    persona: Option<&'a str>,
    similarity: f64,
    r: f64,
}

/// The utterances of a dialogue with the persona sentences that they match, which are counted from 1.
fn said<'a>(
    persona: &'a [String],
    utterances: &'a [String],
    reward: &Reward,
) -> impl Iterator<Item = Said<'a>> {
    utterances.iter().zip(&reward.turns).map(|(utterance, turn)| Said {
        utterance,
        matched: turn.matched.map(|place| place + 1),
        persona: turn.matched.and_then(|place| persona.get(place)).map(String::as_str),
        similarity: turn.similarity,
        r: turn.reward,
    })
}

/// The reward of one dialogue as JSON.
///
/// # Errors
/// If it cannot be written.
pub fn json(persona: &[String], utterances: &[String], reward: &Reward, settings: Settings) -> Result<Json> {
    let turns: Vec<Said> = said(persona, utterances, reward).collect();
    let turns = serde_json::to_value(turns).map_err(Error::failure_because("cannot write JSON"))?;
    let mut json = json!({"reward": reward.total, "mean": reward.mean(), "gamma": settings.gamma});
    if settings.form == Form::Literal {
        json["literal"] = true.into();
    }
    json["turns"] = turns;
    Ok(json)
}

/// The rewards of dialogues, utterance by utterance.
///
/// # Errors
/// If they cannot be written.
pub fn rewards(
    dialogues: &[Dialogue],
    rewards: &[Reward],
    settings: Settings,
    format: Format,
) -> Result<String> {
    let all = || (1usize..).zip(dialogues.iter().zip(rewards));
    match format {
        Format::Table => {
            let tables = all().map(|(number, (dialogue, reward))| table(number, dialogue, reward).text());
            Ok(tables.collect::<Vec<_>>().join("\n"))
        }
        Format::Jsonl => all()
            .map(|(number, (dialogue, reward))| {
                let mut line = json!({"dialogue": number, "line": dialogue.line});
                let rest = json(&dialogue.persona, &dialogue.utterances, reward, settings)?;
                if let (Some(line), Json::Object(rest)) = (line.as_object_mut(), rest) {
                    line.extend(rest);
                }
                Ok(line.to_string() + "\n")
            })
            .collect(),
        Format::Csv => {
            let rows = all().flat_map(|(number, (dialogue, reward))| {
                let turns = said(&dialogue.persona, &dialogue.utterances, reward).zip(1..);
                turns.map(move |(said, turn)| {
                    vec![
                        number.to_string(),
                        turn.to_string(),
                        said.utterance.into(),
                        said.matched.map(|place| place.to_string()).unwrap_or_default(),
                        said.persona.unwrap_or_default().into(),
                        said.similarity.to_string(),
                        said.r.to_string(),
                        reward.total.to_string(),
                    ]
                })
            });
            csv(&["dialogue", "turn", "utterance", "matched", "persona", "similarity", "r", "reward"], rows)
        }
    }
}

fn table(number: usize, dialogue: &Dialogue, reward: &Reward) -> Table {
    let title = format!("dialogue {number}: reward {}, mean r {}", score(reward.total), score(reward.mean()));
    let mut table = Table::new(title, ["utterance", "nearest persona sentence", "r"]).left(1);
    for said in said(&dialogue.persona, &dialogue.utterances, reward) {
        let persona = said.persona.map_or("-".into(), |text| shortened(text, TEXT));
        table.push([shortened(said.utterance, TEXT), persona, score(said.r)]);
    }
    table
}

/// Dialogues with their own personas and with others'.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// How many dialogues.
    pub dialogues: usize,
    /// What decided whose persona each is given.
    pub seed: u64,
    /// The discounted sums.
    pub reward: Difference,
    /// The means of r_t.
    pub mean: Difference,
}

/// The comparison.
///
/// # Errors
/// If it cannot be written.
pub fn comparison(comparison: &Comparison, settings: Settings, format: Format) -> Result<String> {
    let figures = [("reward", comparison.reward), ("mean r", comparison.mean)];
    match format {
        Format::Table => {
            let dialogues = count(comparison.dialogues as u64);
            let title = format!(
                "{dialogues} dialogues with their own persona and another's (γ {}, seed {})",
                settings.gamma, comparison.seed
            );
            let header =
                ["", "own", "95% interval", "shuffled", "95% interval", "difference", "95% interval", "won"];
            let mut table = Table::new(title, header);
            for (name, figure) in figures {
                let levels = [figure.own, figure.shuffled, figure.difference].into_iter().flat_map(cells);
                let row = std::iter::once(name.to_string()).chain(levels).chain([score(figure.won)]);
                table.push(row);
            }
            Ok(table.text())
        }
        Format::Jsonl => {
            let json =
                |figure| serde_json::to_value(figure).map_err(Error::failure_because("cannot write JSON"));
            let line = json!({
                "dialogues": comparison.dialogues,
                "gamma": settings.gamma,
                "literal": settings.form == Form::Literal,
                "seed": comparison.seed,
                "reward": json(comparison.reward)?,
                "mean": json(comparison.mean)?,
            });
            Ok(line.to_string() + "\n")
        }
        Format::Csv => {
            let rows = figures.into_iter().flat_map(|(name, figure)| {
                let parts =
                    [("own", figure.own), ("shuffled", figure.shuffled), ("difference", figure.difference)];
                parts.map(|(persona, level)| {
                    let end = |of: fn(Interval) -> f64| {
                        level.interval.map(|interval| of(interval).to_string()).unwrap_or_default()
                    };
                    let ends = [end(|interval| interval.low), end(|interval| interval.high)];
                    let cells = [name.to_string(), persona.into(), level.mean.to_string()];
                    cells.into_iter().chain(ends).collect()
                })
            });
            csv(&["figure", "persona", "mean", "low", "high"], rows)
        }
    }
}

fn cells(level: Level) -> [String; 2] {
    let interval = level.interval.map(|ends| format!("{} to {}", score(ends.low), score(ends.high)));
    [score(level.mean), interval.unwrap_or("-".into())]
}
