//! A survey as what annotators see: one page that runs offline, a Mechanical Turk batch, and Label
//! Studio tasks; and the keys to their answers.

mod label_studio;
mod page;
mod turk;

use std::path::Path;

use super::table::{Table, count, csv};
use crate::data::survey::Survey;
use crate::error::Result;
use crate::value::{Label, Value};

/// The question of every scenario, as Figure 3 prints it.
const QUESTION: &str = "If you are someone who values {value}, will you do or say:";

/// The answers as files have them, as Figure 3 prints them, and what it says of them.
const OPTIONS: [[&str; 3]; 4] = [
    ["unrelated", "Unrelated", "My choice is not related to whether I value {value} or not."],
    ["yes", "Yes", "I would prefer doing/saying this because I value {value}."],
    ["no", "No", "I would not do/say this because I value {value}."],
    ["not sure", "Not sure", "I am not sure."],
];

/// The answer that a label stands for, as files have it.
fn answer(label: Label) -> &'static str {
    match label {
        Label::No => "no",
        Label::Unrelated => "unrelated",
        Label::Yes => "yes",
    }
}

/// A value's name in a sentence: `Self-direction`.
fn title(value: Value) -> String {
    let (first, rest) = value.name().split_at(1);
    first.to_string() + &rest.to_lowercase()
}

/// All files of a survey, the keys last. None but `gold.csv` knows which items are hidden ones.
///
/// # Errors
/// If one cannot be written.
pub fn files(survey: &Survey) -> Result<Vec<(&'static str, String)>> {
    let items = survey.items().into_iter().map(|(value, question)| {
        vec![question.item.clone(), question.scenario.clone(), value.name().to_string()]
    });
    let gold = survey.keys.iter().map(|key| {
        let cells =
            [&key.question.item, &key.question.scenario, key.value.name(), answer(key.right)];
        cells.map(String::from).to_vec()
    });
    Ok(vec![
        ("survey.html", page::page(survey)?),
        ("mturk.html", turk::form()),
        ("mturk.csv", turk::batch(survey)?),
        ("label-studio.xml", label_studio::CONFIG.to_string()),
        ("label-studio.json", label_studio::tasks(survey)?),
        ("README.md", read_me(survey)),
        ("items.csv", csv(&["item", "scenario", "value"], items)?),
        ("gold.csv", csv(&["item", "scenario", "value", "answer"], gold)?),
    ])
}

/// How many scenarios and assignments there are, and how many answers that makes.
pub fn summary(survey: &Survey) -> String {
    let header = ["", "scenarios", "hidden items", "assignments", "questions", "answers"];
    let title = format!("survey, {} workers an assignment", survey.workers);
    let mut table = Table::new(&title, header);
    let mut all = [0; 5];
    for value in survey.values() {
        let own = || survey.assignments.iter().filter(|assignment| assignment.value == value);
        let questions: usize = own().map(|assignment| assignment.questions.len()).sum();
        let hidden = survey.keys.iter().filter(|key| key.value == value).count();
        let scenarios = questions - own().count() * crate::data::survey::HIDDEN;
        let answers = questions * usize::from(survey.workers);
        let row = [scenarios, hidden, own().count(), questions, answers];
        all.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
        let cells = row.map(|number| count(number as u64));
        table.push(std::iter::once(value.name().to_string()).chain(cells));
    }
    let cells = all.map(|number| count(number as u64));
    table.push(std::iter::once("all".to_string()).chain(cells));
    table.text()
}

/// The commands that lead on from a survey in `folder` whose answers are in `answers`.
pub fn commands(folder: &Path, answers: &str) -> [String; 3] {
    let gold = folder.join("gold.csv");
    let gold = gold.display();
    [
        format!("valuenet data agreement {answers} --qualification {gold}"),
        format!("valuenet data aggregate {answers} --qualification {gold} -o labelled"),
        "valuenet data split labelled -o data/mine".into(),
    ]
}

fn read_me(survey: &Survey) -> String {
    let commands = commands(Path::new(""), "answers/*").join("\n");
    format!(
        "# A survey about values\n\n\
         Made with `valuenet data survey --workers {workers} --seed {seed}`: {assignments} assignments, each to be answered by {workers} \
         workers.\n\n\
         Give out **one** of these, and nothing else. `gold.csv` has the answers to the hidden items, and must not leave your hands.\n\n\
         * `survey.html`: the whole survey, to be opened in a browser, without a network. `survey.html#assignment={first}` leads to \
         an assignment. Each worker sends back the CSV file that the page saves.\n\
         * `mturk.html` and `mturk.csv`: a Mechanical Turk project's layout and its batch; {workers} assignments a task. Download the \
         results as CSV.\n\
         * `label-studio.xml` and `label-studio.json`: a Label Studio project's labelling configuration and its tasks, to be annotated \
         by {workers} people each. Export as JSON.\n\n\
         Put what comes back into a folder `answers` beside this file, and run here:\n\n\
         ```sh\n{commands}\n```\n\n\
         `items.csv` has the text of each item, for answers that hold its name only (`--items items.csv`).\n",
        workers = survey.workers,
        seed = survey.seed,
        assignments = survey.assignments.len(),
        first = survey.assignments.first().map_or("", |assignment| &assignment.name),
    )
}
