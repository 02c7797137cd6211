//! A survey as one page that needs nothing else: no network, no file beside it.

use serde_json::{Value as Json, json};

use super::{OPTIONS, QUESTION, answer, title};
use crate::data::survey::Survey;
use crate::error::{Error, Result};
use crate::value::Label;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page.
///
/// # Errors
/// If its data cannot be written.
pub(super) fn page(survey: &Survey) -> Result<String> {
    // The data come last: what they hold is never searched.
    let page = PAGE.replace("/* style */", STYLE).replace("/* script */", SCRIPT);
    Ok(page.replacen("/* data */", &harmless(&data(survey)?)?, 1))
}

fn data(survey: &Survey) -> Result<Json> {
    let mut values = serde_json::Map::new();
    for value in survey.values() {
        let texts = survey.texts.of(value)?;
        let examples = [
            (Label::Yes, &texts.examples.yes),
            (Label::No, &texts.examples.no),
            (Label::Unrelated, &texts.examples.unrelated),
        ];
        let shown = |scenario: &str, label| json!({"scenario": scenario, "answer": answer(label)});
        let told = json!({
            "name": title(value),
            "definition": texts.definition,
            "examples": examples.map(|(label, scenario)| shown(scenario, label)),
            "prerequisite": shown(&texts.prerequisite.scenario, texts.prerequisite.answer),
        });
        values.insert(value.name().into(), told);
    }
    let assignments = survey.assignments.iter().map(|assignment| {
        let questions = assignment.questions.iter();
        let questions = questions.map(|question| json!([question.item, question.scenario]));
        json!({
            "name": assignment.name,
            "value": assignment.value.name(),
            "questions": questions.collect::<Vec<_>>(),
        })
    });
    let assignments = Json::Array(assignments.collect());
    let options =
        OPTIONS.map(|[answer, shown, says]| json!({"answer": answer, "name": shown, "says": says}));
    Ok(
        json!({"id": survey.id(), "question": QUESTION, "options": options, "values": values, "assignments": assignments}),
    )
}

/// JSON in which no letter means anything to HTML, nor ends a line of a script.
fn harmless(json: &Json) -> Result<String> {
    let text = serde_json::to_string(json).map_err(Error::failure_because("cannot write JSON"))?;
    let mut harmless = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                harmless += &format!("\\u{:04x}", u32::from(letter))
            }
            letter => harmless.push(letter),
        }
    }
    Ok(harmless)
}
