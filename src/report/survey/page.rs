//! A survey as one page that needs nothing else: no network, no file beside it.

use maud::{DOCTYPE, PreEscaped, html};
use serde_json::{Value as Json, json};

use super::{OPTIONS, QUESTION, answer, title};
use crate::data::survey::Survey;
use crate::error::{Error, Result};
use crate::value::Label;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      base-uri 'none'; form-action 'none'";

/// The page.
///
/// # Errors
/// If its data cannot be written.
pub(super) fn page(survey: &Survey) -> Result<String> {
    let data = harmless(&data(survey)?)?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { "What would you do or say?" }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                main id="main" {
                    noscript {
                        h1 { "This page needs JavaScript" }
                        p {
                            "Allow it in your browser's settings. The page sends nothing anywhere."
                        }
                    }
                }
                footer id="footer" {}
                script type="application/json" id="survey" { (PreEscaped(data)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(page.into_string() + "\n")
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
