//! A survey as a Mechanical Turk batch: a form whose variables a row of the batch fills in.
//!
//! The service puts variables into the form as they are, and takes neither line breaks nor
//! characters beyond the basic plane in a batch, so such characters stand in it as entities;
//! [`crate::data::annotations`] reads them back.

use super::{OPTIONS, QUESTION, answer, title};
use crate::data::survey::{QUESTIONS, Survey};
use crate::error::Result;
use crate::report::table::csv;

const FORM: &str = include_str!("turk.html");

/// The layout of the project.
pub(super) fn form() -> String {
    let questions: String = (1..=QUESTIONS)
        .map(|number| {
            let legend =
                format!("{QUESTION} <strong class=\"scenario\">${{scenario_{number}}}</strong>");
            fieldset(&format!("q{number}"), &format!("{number}. {legend}"))
        })
        .collect();
    let prerequisite = fieldset(
        "prerequisite",
        &format!("{QUESTION} <strong class=\"scenario\">${{prerequisite}}</strong>"),
    );
    let says: String = OPTIONS
        .iter()
        .map(|[_, name, says]| format!("<li>{name} <span>({says})</span></li>\n"))
        .collect();
    FORM.replace("<!-- options -->\n", &says)
        .replace("<!-- prerequisite -->\n", &prerequisite)
        .replace("<!-- questions -->\n", &questions)
        .replace("{question}", QUESTION)
        .replace("{value}", "<b>${name}</b>")
}

/// A question with its four answers.
fn fieldset(name: &str, legend: &str) -> String {
    let radios: String = OPTIONS
        .iter()
        .map(|[value, shown, says]| {
            format!(
                "  <label><input type=\"radio\" name=\"{name}\" value=\"{value}\"> {shown} <span>({says})</span></label>\n"
            )
        })
        .collect();
    format!("<fieldset id=\"{name}\">\n  <legend>{legend}</legend>\n{radios}</fieldset>\n")
}

/// The batch: a row for each assignment.
///
/// # Errors
/// If it cannot be written.
pub(super) fn batch(survey: &Survey) -> Result<String> {
    let fixed = [
        "assignment",
        "value",
        "name",
        "definition",
        "example_yes",
        "example_no",
        "example_unrelated",
        "prerequisite",
        "prerequisite_answer",
    ];
    let numbered =
        (1..=QUESTIONS).flat_map(|number| [format!("item_{number}"), format!("scenario_{number}")]);
    let header: Vec<String> = fixed.map(String::from).into_iter().chain(numbered).collect();
    let mut rows = Vec::new();
    for assignment in &survey.assignments {
        let texts = survey.texts.of(assignment.value)?;
        let name = title(assignment.value);
        let told = [
            &assignment.name,
            assignment.value.name(),
            &name,
            &texts.definition,
            &texts.examples.yes,
            &texts.examples.no,
            &texts.examples.unrelated,
            &texts.prerequisite.scenario,
            answer(texts.prerequisite.answer),
        ];
        let mut cells: Vec<String> = told.into_iter().map(escaped).collect();
        for question in &assignment.questions {
            cells.extend([question.item.clone(), escaped(&question.scenario)]);
        }
        cells.resize(header.len(), String::new());
        rows.push(cells);
    }
    csv(&header, rows)
}

/// A text as HTML on one line that no variable's name is found in.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '$' | '\n' | '\r' | '\t' | '\u{10000}'.. => {
                escaped += &format!("&#{};", u32::from(letter))
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}
