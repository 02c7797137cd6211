//! The results of a Mechanical Turk batch: a row for each assignment of a worker, with a column for
//! each variable of the batch (`Input.…`) and each answer (`Answer.…`).
//!
//! Answers stand in three ways in such files, which depend on the form and on how it was published:
//! a column `Answer.q1`; a column for each option, `Answer.q1.yes`, with `true` in one of them; or
//! all of them as JSON in `Answer.taskAnswers`.

use serde_json::{Map, Value as Json};

use super::files::{Given, ItemTexts};
use super::{Answers, answer_of};
use crate::data::rows::{Cells, Rows};
use crate::error::Result;

/// Where a file keeps what.
pub(super) struct Columns {
    worker: usize,
    value: usize,
    status: Option<usize>,
    questions: Vec<Question>,
    all_answers: Option<usize>,
}

/// The columns of a question.
struct Question {
    /// `q1`.
    name: String,
    item: Option<usize>,
    scenario: Option<usize>,
    answer: Option<usize>,
    /// The columns of its options, and the options.
    options: Vec<(usize, String)>,
}

impl Columns {
    /// The columns of a file of results; none if it is another file.
    ///
    /// # Errors
    /// If a column is missing.
    pub(super) fn find(rows: &Rows) -> Result<Option<Self>> {
        let (Some(worker), Some(_)) = (rows.place("WorkerId"), rows.place("HITId")) else {
            return Ok(None);
        };
        let questions: Vec<Question> = (1..)
            .map(|number| Question::find(rows, number))
            .take_while(Question::is_asked)
            .collect();
        if questions.is_empty() {
            rows.require(&["Input.scenario_1", "Input.item_1"])?;
        }
        let all_answers = rows.place("Answer.taskAnswers");
        if all_answers.is_none() && !questions.iter().any(Question::is_answered) {
            rows.require(&["Answer.taskAnswers", "Answer.q1"])?;
        }
        let value = rows.require(&["Input.value"])?;
        Ok(Some(Self {
            worker,
            value,
            status: rows.place("AssignmentStatus"),
            questions,
            all_answers,
        }))
    }

    /// Adds a file's answers.
    ///
    /// # Errors
    /// At the first row that is wrong.
    pub(super) fn read(
        &self,
        rows: &Rows,
        texts: &mut ItemTexts,
        answers: &mut Answers,
    ) -> Result<()> {
        rows.map(|line, cells| {
            if let Some(status) = self.status
                && cells.text(status)?.eq_ignore_ascii_case("rejected")
            {
                answers.left_out.rejected += 1;
                return Ok(());
            }
            let (worker, value) = (cells.filled(self.worker)?, cells.value(self.value)?);
            let all_answers = match self.all_answers {
                Some(place) => Some(parsed(cells.text(place)?)?),
                None => None,
            };
            for question in &self.questions {
                let [item, scenario] =
                    [question.item, question.scenario].map(|place| filled(cells, place));
                let (item, scenario) = (item?, scenario?);
                if item.is_none() && scenario.is_none() {
                    continue;
                }
                let answer = match question.answer(cells)? {
                    Some(answer) => Some(answer),
                    None => {
                        match all_answers.as_ref().and_then(|answers| answers.get(&question.name)) {
                            Some(json) => {
                                chosen(json).map_err(|what| format!("{}: {what}", question.name))?
                            }
                            None => None,
                        }
                    }
                };
                let Some(answer) = answer else {
                    answers.left_out.unanswered += 1;
                    continue;
                };
                let answer =
                    answer_of(&answer).map_err(|what| format!("{}: {what}", question.name))?;
                let scenario = scenario.as_deref();
                let given = Given { worker, item: item.as_deref(), scenario, value, answer };
                answers.annotations.push(texts.annotation(given, line)?);
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Question {
    fn find(rows: &Rows, number: usize) -> Self {
        let name = format!("q{number}");
        let prefix = format!("answer.{name}.");
        let option = |(place, column): (usize, &String)| {
            let option = column.to_lowercase().strip_prefix(&prefix)?.to_string();
            Some((place, option))
        };
        Self {
            item: rows.place(&format!("Input.item_{number}")),
            scenario: rows.place(&format!("Input.scenario_{number}")),
            answer: rows.place(&format!("Answer.{name}")),
            options: rows.names().iter().enumerate().filter_map(option).collect(),
            name,
        }
    }

    fn is_asked(&self) -> bool {
        self.item.is_some() || self.scenario.is_some()
    }

    fn is_answered(&self) -> bool {
        self.answer.is_some() || !self.options.is_empty()
    }

    /// The answer in the question's own columns.
    fn answer(&self, cells: &Cells) -> Result<Option<String>, String> {
        if let Some(answer) = filled(cells, self.answer)? {
            return Ok(Some(answer));
        }
        let mut chosen = Vec::new();
        for (place, option) in &self.options {
            match cells.text(*place)?.to_lowercase().as_str() {
                "true" => chosen.push(option.clone()),
                "" | "false" => {}
                text if option == "label" => chosen.push(text.into()),
                other => {
                    return Err(format!(
                        "{}.{option} is \"{other}\", neither true nor false",
                        self.name
                    ));
                }
            }
        }
        one(chosen).map_err(|what| format!("{}: {what}", self.name))
    }
}

/// What a cell holds, with its characters in place of their entities; none if it is blank or there
/// is no such column.
fn filled(cells: &Cells, place: Option<usize>) -> Result<Option<String>, String> {
    let text = place.map(|place| cells.text(place)).transpose()?;
    Ok(text.filter(|text| !text.is_empty()).map(unescaped))
}

/// The one object of `Answer.taskAnswers`.
fn parsed(cell: &str) -> Result<Map<String, Json>, String> {
    let wrong = || "Answer.taskAnswers is not JSON with one object of answers".to_string();
    if cell.is_empty() {
        return Ok(Map::new());
    }
    let mut list = match serde_json::from_str(cell) {
        Ok(Json::Array(list)) => list,
        Ok(object) => vec![object],
        Err(_) => return Err(wrong()),
    };
    match (list.pop(), list.is_empty()) {
        (Some(Json::Object(answers)), true) => Ok(answers),
        _ => Err(wrong()),
    }
}

/// The answer in JSON: a text, `{"yes": true, "no": false}` or `{"label": "yes"}`; none if there is
/// none.
fn chosen(json: &Json) -> Result<Option<String>, String> {
    match json {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text.trim().to_string()).filter(|text| !text.is_empty())),
        Json::Number(number) => Ok(Some(number.to_string())),
        Json::Object(options) => match options.get("label") {
            Some(Json::String(label)) => Ok(Some(label.clone())),
            _ => one(options
                .iter()
                .filter(|(_, on)| **on == true)
                .map(|(name, _)| name.clone())
                .collect()),
        },
        other => Err(format!("{other} is no answer")),
    }
}

fn one(mut chosen: Vec<String>) -> Result<Option<String>, String> {
    match chosen.len() {
        0 | 1 => Ok(chosen.pop()),
        _ => Err(format!("there are two answers, {} and {}", chosen[0], chosen[1])),
    }
}

/// A text with its characters in place of the entities that a batch file has instead.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        plain += &rest[..start];
        rest = &rest[start..];
        let entity = rest.find(';').and_then(|end| Some((end, character(&rest[1..end])?)));
        let (length, character) = entity.map_or((1, '&'), |(end, character)| (end + 1, character));
        plain.push(character);
        rest = &rest[length..];
    }
    plain + rest
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "dollar" => Some('$'),
        _ => char::from_u32(entity.strip_prefix('#')?.parse().ok()?),
    }
}
