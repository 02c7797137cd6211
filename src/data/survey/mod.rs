//! A survey as the paper's Figure 3 and its section on annotation describe it: scenarios dealt out
//! to assignments of ten questions about one value, two of which are hidden qualification items.
//!
//! It knows who is asked what and in which order. How that looks on a page, [`crate::report`]
//! knows.

mod sources;
mod texts;

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::seed::{Purpose, Stream, name_index};
use crate::value::{Label, Value};

pub use sources::{Gold, Qualifying, Scenario, Scenarios};
pub use texts::{Examples, Prerequisite, SurveyTexts, ValueTexts};

/// How many questions an assignment has.
pub const QUESTIONS: usize = 10;

/// How many of them are hidden qualification items.
pub const HIDDEN: usize = 2;

/// A scenario to answer under its assignment's value. It does not say whether it is a hidden item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The item's name, which is the same in every survey.
    pub item: String,
    /// What happens.
    pub scenario: String,
}

impl Question {
    fn of(value: Value, scenario: &str) -> Self {
        let item = format!("{:016x}", name_index(&format!("{value}\n{scenario}")));
        Self { item, scenario: scenario.into() }
    }
}

/// Questions that a worker answers in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Its name, as `benevolence-3`.
    pub name: String,
    /// The value that all its questions ask about.
    pub value: Value,
    /// Ten questions in the order in which they are asked; fewer in a value's last assignment.
    pub questions: Vec<Question>,
}

/// A hidden item with its right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The value.
    pub value: Value,
    /// What is asked.
    pub question: Question,
    /// The right answer.
    pub right: Label,
}

/// All that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// By value, and in each in their order.
    pub assignments: Vec<Assignment>,
    /// The hidden items among their questions, by value.
    pub keys: Vec<Key>,
    /// What workers read before they answer.
    pub texts: SurveyTexts,
    /// How many workers are to answer each assignment.
    pub workers: u16,
    /// What its order was drawn with.
    pub seed: u64,
    /// Rows that repeat an earlier one's value and scenario; they are asked once.
    pub repeated: usize,
    /// Scenarios that are qualification items, and asked as such only.
    pub qualifying: usize,
}

impl Survey {
    /// The different items with their values, in the order of their names, which tells nothing of
    /// them.
    pub fn items(&self) -> Vec<(Value, &Question)> {
        let asked = self.assignments.iter().flat_map(|assignment| {
            assignment.questions.iter().map(|question| (assignment.value, question))
        });
        let mut items: Vec<_> = asked.collect();
        items.sort_by(|(_, a), (_, b)| a.item.cmp(&b.item));
        items.dedup_by(|(_, a), (_, b)| a.item == b.item);
        items
    }

    /// A name that another survey does not have: answers are kept in browsers under it.
    pub fn id(&self) -> String {
        let questions = |assignment: &Assignment| {
            let items = assignment.questions.iter().map(|question| question.item.as_str());
            std::iter::once(assignment.name.as_str()).chain(items).collect::<Vec<_>>().join(" ")
        };
        let all: Vec<String> = self.assignments.iter().map(questions).collect();
        format!("{:016x}", name_index(&all.join("\n")))
    }

    /// The values that are asked about, in their order.
    pub fn values(&self) -> Vec<Value> {
        let asked =
            |value: &Value| self.assignments.iter().any(|assignment| assignment.value == *value);
        Value::ALL.into_iter().filter(asked).collect()
    }
}

/// Deals out scenarios. The seed decides which share an assignment, which hidden items join them,
/// and the order; a value's last assignment is shorter if its scenarios do not fill it. Hidden
/// items are drawn in turns, so that each is asked equally often.
///
/// # Errors
/// If there is nothing to ask, a value has fewer hidden items than an assignment needs or lacks its
/// texts, or one of these texts is a question too, which would give its answer away.
pub fn survey(
    scenarios: &Scenarios,
    gold: &Gold,
    texts: SurveyTexts,
    workers: u16,
    seed: u64,
) -> Result<Survey> {
    let mut made = Survey {
        assignments: Vec::new(),
        keys: Vec::new(),
        texts,
        workers,
        seed,
        repeated: 0,
        qualifying: 0,
    };
    let mut lacking = Vec::new();
    for value in Value::ALL {
        let hidden: Vec<&Qualifying> =
            gold.items.iter().filter(|item| item.value == value).collect();
        let known: HashSet<&str> = hidden.iter().map(|item| item.scenario.as_str()).collect();
        let own = scenarios.rows.iter().filter(|row| row.value == value);
        let mut seen = HashSet::new();
        let mut asked: Vec<&str> = Vec::new();
        for Scenario { scenario, .. } in own {
            match seen.insert(scenario.as_str()) {
                false => made.repeated += 1,
                true if known.contains(scenario.as_str()) => made.qualifying += 1,
                true => asked.push(scenario),
            }
        }
        match hidden.len() {
            _ if asked.is_empty() => {}
            few if few < HIDDEN => lacking.push(format!("{value} has {few}")),
            _ => made.add(value, asked, hidden)?,
        }
    }
    if !lacking.is_empty() {
        let what =
            format!("an assignment hides {HIDDEN} qualification items, and {}", lacking.join(", "));
        return Err(Error::data(&gold.path, what).help(
            "add rows with item, scenario, value and answer, or ask no scenarios of these values",
        ));
    }
    if made.assignments.is_empty() {
        return Err(Error::data(&scenarios.path, "there is no scenario to ask")
            .help("all of its scenarios are qualification items"));
    }
    Ok(made)
}

impl Survey {
    /// Adds a value's assignments.
    fn add(
        &mut self,
        value: Value,
        mut asked: Vec<&str>,
        mut hidden: Vec<&Qualifying>,
    ) -> Result<()> {
        let all = asked.iter().copied().chain(hidden.iter().map(|item| item.scenario.as_str()));
        self.texts.of(value)?.tells_no_answer(value, all)?;
        let mut stream = Stream::new(self.seed, Purpose::Survey, value.index() as u64);
        stream.shuffle(&mut asked);
        stream.shuffle(&mut hidden);
        let mut turns = hidden.iter().cycle();
        for (number, scenarios) in asked.chunks(QUESTIONS - HIDDEN).enumerate() {
            let drawn = turns.by_ref().take(HIDDEN).map(|item| item.scenario.as_str());
            let mut questions: Vec<Question> = scenarios
                .iter()
                .copied()
                .chain(drawn)
                .map(|text| Question::of(value, text))
                .collect();
            stream.shuffle(&mut questions);
            let name = format!("{}-{}", value.name().to_lowercase(), number + 1);
            self.assignments.push(Assignment { name, value, questions });
        }
        let drawn = HIDDEN * asked.len().div_ceil(QUESTIONS - HIDDEN);
        let key = |item: &&Qualifying| Key {
            value,
            question: Question::of(value, &item.scenario),
            right: item.right,
        };
        self.keys.extend(hidden.iter().take(drawn).map(key));
        Ok(())
    }
}
