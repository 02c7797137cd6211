//! A survey as Label Studio tasks: one for each item, hidden ones among them once.

use serde_json::{Value as Json, json};

use super::{OPTIONS, QUESTION, title};
use crate::data::survey::Survey;
use crate::error::Result;
use crate::report::pretty;

/// The labelling configuration of the project.
pub(super) const CONFIG: &str = include_str!("label_studio.xml");

/// The tasks.
///
/// # Errors
/// If they cannot be written.
pub(super) fn tasks(survey: &Survey) -> Result<String> {
    let mut tasks: Vec<Json> = Vec::new();
    for (value, question) in survey.items() {
        let texts = survey.texts.of(value)?;
        let name = title(value);
        let of_value = |text: &str| text.replace("{value}", &name);
        let answers = OPTIONS.map(|[_, shown, says]| format!("{shown} ({})", of_value(says)));
        let examples = [
            ("Yes", &texts.examples.yes),
            ("No", &texts.examples.no),
            ("Unrelated", &texts.examples.unrelated),
        ];
        let examples = examples.map(|(right, text)| format!("{text} Correct answer: {right}"));
        tasks.push(json!({"data": {
            "item": question.item,
            "value": value.name(),
            "definition": format!("{name}: {}", texts.definition),
            "examples": examples.join("\n"),
            "question": of_value(QUESTION),
            "scenario": question.scenario,
            "answers": answers.join("\n"),
        }}));
    }
    pretty(&Json::Array(tasks))
}
