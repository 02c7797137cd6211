//! Rewards of dialogues, and their means with the speakers' own personas and with others', as
//! tables, JSON or CSV.

use serde_json::{Value as Json, json};

use super::table::{Table, count, csv, ends, number, score, shortened};
use crate::data::dialogue::Dialogue;
use crate::error::{Error, Result};
use crate::reward::{DialogueMean, Form, PersonaComparison, Reward, RewardSettings};

/// How rewards are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewardsFormat {
    /// Two tables for each dialogue: its utterances, its persona.
    Table,
    /// One object a dialogue, or one for a comparison.
    Jsonl,
    /// A row for each utterance, or for each figure of a comparison.
    Csv,
}

fn is_literal(settings: RewardSettings) -> bool {
    settings.form == Form::Literal
}

/// How the rewards came to be, in words.
fn words(settings: RewardSettings) -> String {
    let form = if is_literal(settings) { "literal" } else { "bounded" };
    format!("{form}{}", if settings.center { ", centred" } else { "" })
}

/// The longest text in a table, in columns.
const TEXT: usize = 44;

/// What is written of an utterance. A sentence is a text, or the vector that stands for it.
struct Said {
    utterance: Json,
    /// The persona sentence that it matches, counted from 1.
    matched: Option<usize>,
    persona: Option<Json>,
    r: f64,
    gamma: Option<usize>,
    term: f64,
}

fn said<T: Clone + Into<Json>>(
    persona: &[T],
    utterances: &[T],
    reward: &Reward,
) -> impl Iterator<Item = Said> {
    utterances.iter().zip(&reward.turns).map(|(utterance, turn)| Said {
        utterance: utterance.clone().into(),
        matched: turn.matched.map(|place| place + 1),
        persona: turn
            .matched
            .and_then(|place| persona.get(place))
            .map(|sentence| sentence.clone().into()),
        r: turn.r,
        gamma: turn.gamma,
        term: turn.term,
    })
}

/// A text as it is, a vector as JSON.
fn text(sentence: Json) -> String {
    match sentence {
        Json::String(text) => text,
        vector => vector.to_string(),
    }
}

/// The reward of one dialogue as JSON. What exceeds a double is null.
pub fn json<T: Clone + Into<Json>>(
    persona: &[T],
    utterances: &[T],
    reward: &Reward,
    settings: RewardSettings,
) -> Json {
    let turn = |said: Said| {
        json!({
            "utterance": said.utterance,
            "matched": said.matched,
            "persona": said.persona,
            "r": said.r,
            "gamma": said.gamma,
            "term": said.term,
        })
    };
    json!({
        "reward": reward.total(),
        "per_turn": reward.per_turn(),
        "mean_r": reward.mean_r(),
        "matches": reward.matches,
        "literal": is_literal(settings),
        "center": settings.center,
        "turns": said(persona, utterances, reward).map(turn).collect::<Vec<Json>>(),
    })
}

/// The rewards of dialogues, utterance by utterance.
///
/// # Errors
/// If they cannot be written.
pub fn rewards<T: Clone + Into<Json>>(
    dialogues: &[Dialogue<T>],
    rewards: &[Reward],
    settings: RewardSettings,
    format: RewardsFormat,
) -> Result<String> {
    let all = || (1usize..).zip(dialogues.iter().zip(rewards));
    match format {
        RewardsFormat::Table => {
            let tables = all()
                .map(|(number, (dialogue, reward))| tables(number, dialogue, reward, settings));
            Ok(tables.collect::<Vec<_>>().join("\n"))
        }
        RewardsFormat::Jsonl => {
            let lines = all().map(|(number, (dialogue, reward))| {
                let mut line = json!({"dialogue": number, "line": dialogue.line});
                let rest = json(&dialogue.persona, &dialogue.utterances, reward, settings);
                if let (Some(line), Json::Object(rest)) = (line.as_object_mut(), rest) {
                    line.extend(rest);
                }
                line.to_string() + "\n"
            });
            Ok(lines.collect())
        }
        RewardsFormat::Csv => {
            let rows = all().flat_map(|(number, (dialogue, reward))| {
                let matches: Vec<String> = reward.matches.iter().map(usize::to_string).collect();
                let turns = said(&dialogue.persona, &dialogue.utterances, reward).zip(1..);
                turns.map(move |(said, turn)| {
                    let place = |place: Option<usize>| {
                        place.map(|place| place.to_string()).unwrap_or_default()
                    };
                    vec![
                        number.to_string(),
                        turn.to_string(),
                        text(said.utterance),
                        place(said.matched),
                        said.persona.map(text).unwrap_or_default(),
                        said.r.to_string(),
                        place(said.gamma),
                        said.term.to_string(),
                        reward.total().to_string(),
                        reward.per_turn().to_string(),
                        reward.mean_r().to_string(),
                        matches.join(" "),
                    ]
                })
            });
            let header = [
                "dialogue",
                "turn",
                "utterance",
                "matched",
                "persona",
                "r",
                "gamma",
                "term",
                "reward",
                "per_turn",
                "mean_r",
                "matches",
            ];
            csv(&header, rows)
        }
    }
}

/// A dialogue's utterances, and how often each sentence of its persona is matched.
fn tables<T: Clone + Into<Json>>(
    number: usize,
    dialogue: &Dialogue<T>,
    reward: &Reward,
    settings: RewardSettings,
) -> String {
    let [total, per_turn, mean_r] =
        [reward.total(), reward.per_turn(), reward.mean_r()].map(figure);
    let title = format!(
        "dialogue {number} ({}): R/N {total}, R/T {per_turn}, mean r {mean_r}",
        words(settings)
    );
    let short = |sentence: Json| shortened(&text(sentence), TEXT);
    let mut turns =
        Table::new(title, ["utterance", "nearest persona sentence", "r", "γ", "term"]).left(1);
    for said in said(&dialogue.persona, &dialogue.utterances, reward) {
        turns.push([
            short(said.utterance),
            said.persona.map_or("-".into(), short),
            figure(said.r),
            said.gamma.map_or("-".into(), |gamma| gamma.to_string()),
            figure(said.term),
        ]);
    }
    let mut persona = Table::new("", ["persona sentence", "matched"]);
    for (sentence, matches) in dialogue.persona.iter().zip(&reward.matches) {
        persona.push([short(sentence.clone().into()), matches.to_string()]);
    }
    turns.text() + &persona.text()
}

/// The comparison.
///
/// # Errors
/// If it cannot be written.
pub fn comparison(
    comparison: &PersonaComparison,
    settings: RewardSettings,
    format: RewardsFormat,
) -> Result<String> {
    let figures = [
        ("R/N", "reward", comparison.reward),
        ("R/T", "per_turn", comparison.per_turn),
        ("mean r", "mean_r", comparison.mean_r),
    ];
    match format {
        RewardsFormat::Table => {
            let dialogues = count(comparison.dialogues as u64);
            let title = format!(
                "{dialogues} dialogues with their own persona and another's ({}, seed {})",
                words(settings),
                comparison.seed
            );
            let header = [
                "",
                "own",
                "95% interval",
                "shuffled",
                "95% interval",
                "difference",
                "95% interval",
                "won",
            ];
            let mut table = Table::new(title, header);
            for (name, _, figure) in figures {
                let levels =
                    [figure.own, figure.shuffled, figure.difference].into_iter().flat_map(cells);
                let row =
                    std::iter::once(name.to_string()).chain(levels).chain([score(figure.won)]);
                table.push(row);
            }
            Ok(table.text())
        }
        RewardsFormat::Jsonl => {
            let mut line = json!({
                "dialogues": comparison.dialogues,
                "seed": comparison.seed,
                "literal": is_literal(settings),
                "center": settings.center,
            });
            for (_, key, figure) in figures {
                line[key] = serde_json::to_value(figure)
                    .map_err(Error::failure_because("cannot write JSON"))?;
            }
            Ok(line.to_string() + "\n")
        }
        RewardsFormat::Csv => {
            let rows = figures.into_iter().flat_map(|(_, key, figure)| {
                let won = DialogueMean { mean: figure.won, interval: None };
                let parts = [
                    ("own", figure.own),
                    ("shuffled", figure.shuffled),
                    ("difference", figure.difference),
                    ("won", won),
                ];
                parts.map(|(persona, level)| {
                    let cells = [key.to_string(), persona.into(), number(level.mean)];
                    cells.into_iter().chain(ends(level.interval)).collect()
                })
            });
            csv(&["figure", "persona", "mean", "low", "high"], rows)
        }
    }
}

fn cells(level: DialogueMean) -> [String; 2] {
    let interval =
        level.interval.map(|ends| format!("{} to {}", figure(ends.low), figure(ends.high)));
    [figure(level.mean), interval.unwrap_or("-".into())]
}

/// A score, or the power of ten that the literal form comes to.
fn figure(number: f64) -> String {
    if number.is_finite() && number.abs() >= 1e5 { format!("{number:.2e}") } else { score(number) }
}
