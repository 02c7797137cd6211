//! A survey as a Mechanical Turk batch: a form whose variables a row of the batch fills in.
//!
//! The service puts variables into the form as they are, and takes neither line breaks nor
//! characters beyond the basic plane in a batch, so such characters stand in it as entities;
//! [`crate::data::annotations`] reads them back.

use maud::{Markup, PreEscaped, html};

use super::{OPTIONS, QUESTION, answer, title};
use crate::data::survey::{QUESTIONS, Survey};
use crate::error::Result;
use crate::report::table::csv;

const STYLE: &str = include_str!("turk.css");
const SCRIPT: &str = include_str!("turk.js");

/// The layout of the project.
pub(super) fn form() -> String {
    let examples =
        [("${example_yes}", "Yes"), ("${example_no}", "No"), ("${example_unrelated}", "Unrelated")];
    let form = html! {
        (PreEscaped(
            "<!-- A Mechanical Turk project's layout. Each row of mturk.csv fills in its \
             variables. -->\n"
        ))
        script src="https://assets.crowd.aws/crowd-html-elements.js" {}
        style { (PreEscaped(STYLE)) }
        crowd-form id="form" {
            div.survey {
                div.definition { h1 { "${name}" } p { "${definition}" } }
                h2 { "Three examples" }
                p { (named(QUESTION)) }
                ul {
                    @for (scenario, right) in examples {
                        li { strong { (scenario) } br; "Correct answer: " (right) }
                    }
                }
                p { "The answers are:" }
                ul {
                    @for [_, name, says] in OPTIONS {
                        li { (name) " " span { "(" (named(says)) ")" } }
                    }
                }
                h2 { "Before you begin" }
                p { "Answer this question rightly, and the survey opens below." }
                (fieldset("prerequisite", "", "${prerequisite}"))
                p.notice #notice role="alert" {}
                div #questions data-right="${prerequisite_answer}" hidden {
                    h2 { "The survey" }
                    @for number in 1..=QUESTIONS {
                        (fieldset(
                            &format!("q{number}"),
                            &format!("{number}. "),
                            &format!("${{scenario_{number}}}"),
                        ))
                    }
                }
                crowd-button id="submit" form-action="submit" variant="primary" { "Submit" }
            }
        }
        script { (PreEscaped(SCRIPT)) }
    };
    form.into_string() + "\n"
}

/// A question with its four answers, on lines of their own for whoever changes the layout.
fn fieldset(name: &str, number: &str, scenario: &str) -> Markup {
    html! {
        "\n"
        fieldset id=(name) {
            legend { (number) (named(QUESTION)) " " strong.scenario { (scenario) } }
            @for [value, shown, says] in OPTIONS {
                "\n"
                label {
                    input type="radio" name=(name) value=(value);
                    " " (shown) " " span { "(" (named(says)) ")" }
                }
            }
        }
        "\n"
    }
}

/// A text with the variable of the value's name in it.
fn named(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split("{value}").enumerate() {
            @if number > 0 { b { "${name}" } }
            (part)
        }
    }
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
    for letter in html! { (text) }.into_string().chars() {
        match letter {
            '$' | '\n' | '\r' | '\t' | '\u{10000}'.. => {
                escaped += &format!("&#{};", u32::from(letter))
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}
