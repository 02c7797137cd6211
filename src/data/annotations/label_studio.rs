//! Label Studio's JSON export: an array of tasks, each with its data and the annotations of those
//! who answered.

use std::path::Path;

use serde_json::Value as Json;

use super::files::{Given, ItemTexts};
use super::{Answers, answer_of};
use crate::data::rows::named_value;
use crate::error::{Error, Result};

const HELP: &str = "export the project as JSON (not JSON-MIN); the data of its tasks has scenario, value and perhaps item, and the \
                    answers are choices named yes, no, unrelated and not sure";

/// Adds a file's answers.
///
/// # Errors
/// If the file cannot be read, or at the first task that is wrong.
pub(super) fn read(path: &Path, texts: &mut ItemTexts, answers: &mut Answers) -> Result<()> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let tasks: Vec<Json> = serde_json::from_slice(bytes)
        .map_err(|error| Error::data(path, format!("not a JSON array: {error}")).help(HELP))?;
    for (task, number) in tasks.iter().zip(1u64..) {
        let id = task["id"]
            .as_u64()
            .map_or(format!("task {number} of the file"), |id| format!("task {id}"));
        one_task(task, number, texts, answers)
            .map_err(|what| Error::data(path, format!("{id}: {what}")).help(HELP))?;
    }
    Ok(())
}

fn one_task(
    task: &Json,
    number: u64,
    texts: &mut ItemTexts,
    answers: &mut Answers,
) -> Result<(), String> {
    let data = task["data"].as_object().ok_or("there is no \"data\"")?;
    let cell = |key: &str| data.get(key).and_then(named).filter(|text| !text.is_empty());
    let value = named_value(&cell("value").ok_or("its data has no \"value\"")?)?;
    let (item, scenario) = (cell("item"), cell("scenario"));
    let annotations = task["annotations"].as_array().ok_or("there are no \"annotations\"")?;
    for (annotation, at) in annotations.iter().zip(1..) {
        if annotation["was_cancelled"] == true {
            answers.left_out.cancelled += 1;
            continue;
        }
        let wrong = |what: String| format!("annotation {at}: {what}");
        let worker = match &annotation["completed_by"] {
            Json::Object(person) => {
                person.get("email").and_then(named).or(person.get("id").and_then(named))
            }
            other => named(other),
        };
        let worker = worker.filter(|worker| !worker.is_empty());
        let worker = worker.ok_or_else(|| wrong("\"completed_by\" names nobody".into()))?;
        let Some(choice) = choice(annotation).map_err(wrong)? else {
            answers.left_out.unanswered += 1;
            continue;
        };
        let answer = answer_of(choice.trim()).map_err(wrong)?;
        let (item, scenario) = (item.as_deref(), scenario.as_deref());
        let given = Given { worker: &worker, item, scenario, value, answer };
        answers.annotations.push(texts.annotation(given, number).map_err(wrong)?);
    }
    Ok(())
}

/// A text or a number as a text.
fn named(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.trim().into()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What was chosen: under the name `answer` if there is such a field, else in the only field of
/// choices.
fn choice(annotation: &Json) -> Result<Option<&str>, String> {
    let result = annotation["result"].as_array().ok_or("there is no \"result\"")?;
    let fields: Vec<_> =
        result.iter().filter(|field| field["value"]["choices"].is_array()).collect();
    let field = match fields.as_slice() {
        [] => return Ok(None),
        [only] => only,
        several => {
            let named = several.iter().find(|field| field["from_name"] == "answer");
            named.ok_or("there are several choices, and none is named \"answer\"")?
        }
    };
    let choices = field["value"]["choices"].as_array().map_or(&[][..], Vec::as_slice);
    match choices {
        [] => Ok(None),
        [Json::String(choice)] => Ok(Some(choice)),
        [other] => Err(format!("the choice {other} is no text")),
        _ => Err(format!("{} answers are chosen", choices.len())),
    }
}
