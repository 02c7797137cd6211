//! Simulated workers of known reliability answer a survey: what becomes of the labels.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use valuenet::data::Part;
use valuenet::data::aggregate::{Aggregation, aggregate, screen};
use valuenet::data::annotations::{Annotation, Answers, Qualification};
use valuenet::data::survey::{
    Assignment, Gold, Qualifying, Scenario, Scenarios, Survey, SurveyTexts, survey,
};
use valuenet::report;
use valuenet::seed::{Purpose, Stream};
use valuenet::value::{Label, Value};

use crate::support::{folder, stderr, stdout, valuenet, write};

/// What is true of each scenario, under its value.
pub type Truth = HashMap<(Value, String), Label>;

/// Scenarios and hidden items for each value whose labels are known; the first word decides, so
/// that a model can learn them.
pub fn sources(scenarios: usize, hidden: usize) -> (Scenarios, Gold, Truth) {
    let doings = [("hurting", Label::No), ("painting", Label::Unrelated), ("helping", Label::Yes)];
    let (mut rows, mut items, mut truth) = (Vec::new(), Vec::new(), Truth::new());
    for value in Value::ALL {
        for number in 0..scenarios + hidden {
            let (doing, right) = doings[number % 3];
            let scenario =
                format!("{doing} {} number {number}", ["my sister", "a stranger"][number % 2]);
            truth.insert((value, scenario.clone()), right);
            match number < scenarios {
                true => rows.push(Scenario { value, scenario }),
                false => items.push(Qualifying { value, scenario, right }),
            }
        }
    }
    let path = PathBuf::from("simulated.csv");
    (Scenarios { path: path.clone(), rows }, Gold { path, items }, truth)
}

/// A worker who answers rightly this often, and otherwise gives one of the two wrong answers.
#[derive(Clone, Copy)]
pub struct Worker {
    pub reliability: f64,
}

/// Workers by their numbers. Of 20, eight are right in 90% of their answers, six in 80%, three in
/// 60%, and three do not read the question.
pub fn pool(size: usize) -> Vec<(usize, Worker)> {
    let reliability = |number: usize| match number % 20 {
        0..8 => 0.9,
        8..14 => 0.8,
        14..17 => 0.6,
        _ => 1.0 / 3.0,
    };
    (0..size).map(|number| (number, Worker { reliability: reliability(number) })).collect()
}

/// What a worker gives for a right answer.
fn given(worker: Worker, right: Label, stream: &mut Stream) -> Label {
    let others: Vec<Label> = Label::ALL.into_iter().filter(|label| *label != right).collect();
    match f64::from(stream.below(1 << 24)) < worker.reliability * f64::from(1 << 24) {
        true => right,
        false => others[stream.below(2) as usize],
    }
}

/// All answers to a survey: each assignment goes to `workers` different ones, drawn from the pool.
pub fn answers(
    made: &Survey,
    truth: &Truth,
    pool: &[(usize, Worker)],
    seed: u64,
) -> Vec<(Assignment, Vec<Annotation>)> {
    let mut all = Vec::new();
    for (number, assignment) in (0u64..).zip(&made.assignments) {
        let mut stream = Stream::new(seed, Purpose::Bootstrap, number);
        let mut order = pool.to_vec();
        stream.shuffle(&mut order);
        for (name, worker) in order.into_iter().take(made.workers.into()) {
            let rows = assignment.questions.iter().map(|question| {
                let right = truth[&(assignment.value, question.scenario.clone())];
                Annotation {
                    worker: format!("w{name}"),
                    item: question.item.clone(),
                    scenario: question.scenario.clone(),
                    value: assignment.value,
                    answer: Some(given(worker, right, &mut stream)),
                }
            });
            all.push((assignment.clone(), rows.collect()));
        }
    }
    all
}

/// The share of samples that are right.
pub fn accuracy(made: &Aggregation, truth: &Truth) -> f64 {
    let right =
        made.samples.iter().filter(|s| truth[&(s.value, s.scenario.clone())] == s.label).count();
    right as f64 / made.samples.len() as f64
}

/// The key as the survey's folder has it.
pub fn key(made: &Survey, folder: &Path) -> Qualification {
    let files = report::survey::files(made).unwrap();
    let (_, text) = files.iter().find(|(name, _)| *name == "gold.csv").unwrap();
    Qualification::read(&write(folder, "gold.csv", text)).unwrap()
}

/// How many workers answer an assignment, and how many of them must agree; the paper's are 4 and 3.
const ASKED: [(u16, usize); 7] = [(3, 2), (3, 3), (4, 3), (5, 3), (5, 4), (7, 4), (9, 5)];

/// What this test prints is the table of docs/annotation.md.
#[test]
fn hidden_items_and_more_workers_give_better_labels() {
    let (scenarios, gold, truth) = sources(160, 20);
    let folder = folder();
    let docs = std::fs::read_to_string("docs/annotation.md").unwrap();
    let careless = |number: usize| number % 20 >= 17;
    let mut accuracies = Vec::new();
    for (workers, agree) in ASKED {
        let made = survey(&scenarios, &gold, SurveyTexts::built_in().unwrap(), workers, 1).unwrap();
        // Each worker answers ten assignments on average, and so twenty hidden items.
        let pool = pool(usize::from(workers) * made.assignments.len() / 10);
        let key = key(&made, folder.path());
        let asked = |pool: &[(usize, Worker)]| Answers {
            annotations: answers(&made, &truth, pool, 1)
                .into_iter()
                .flat_map(|(_, rows)| rows)
                .collect(),
            ..Answers::default()
        };
        let of = |answers: &Answers, pass: f64| {
            aggregate(answers, screen(&answers.annotations, &key, pass).unwrap(), agree, false)
        };
        let first = asked(&pool);
        let (all, screened) = (of(&first, 0.0), of(&first, 0.7));
        let failed: Vec<usize> =
            screened.failed.iter().map(|worker| worker.worker[1..].parse().unwrap()).collect();
        let passed: Vec<_> =
            pool.iter().copied().filter(|(name, _)| !failed.contains(name)).collect();
        let replaced = of(&asked(&passed), 0.0);
        let told = |made: &Aggregation| {
            let kept = made.samples.len() as f64 / scenarios.rows.len() as f64;
            format!("{:.1}% | {:.1}%", 100.0 * kept, 100.0 * accuracy(made, &truth))
        };
        let of_careless = pool.iter().filter(|(name, _)| careless(*name)).count();
        let caught = failed.iter().filter(|name| careless(**name)).count();
        let row = format!(
            "| {workers} | {agree} | {} | {} | {} | {caught} of {of_careless} | {} of {} |",
            told(&all),
            told(&screened),
            told(&replaced),
            failed.len() - caught,
            pool.len() - of_careless,
        );
        println!("{row}");
        assert!(docs.contains(&row), "docs/annotation.md has another row than\n{row}");
        let [before, after] = [&all, &replaced].map(|made| accuracy(made, &truth));
        assert!(after > before && replaced.samples.len() > screened.samples.len(), "{row}");
        accuracies.push(after);
    }
    let nine = accuracies[ASKED.len() - 1];
    assert!(nine > accuracies[0] && nine > accuracies[2] && nine > 0.99, "{accuracies:?}");
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// Runs the program, which must succeed.
fn run(arguments: &[&str]) -> String {
    let output = valuenet(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

#[test]
fn a_survey_leads_to_a_dataset_and_a_trained_model() {
    let (scenarios, gold, truth) = sources(90, 10);
    let folder = folder();
    let at = |name: &str| path(folder.path(), name);
    let rows = scenarios.rows.iter().map(|row| format!("{},{}\n", row.scenario, row.value));
    write(folder.path(), "scenarios.csv", format!("scenario,value\n{}", rows.collect::<String>()));
    let items =
        gold.items.iter().map(|item| format!("{},{},{}\n", item.scenario, item.value, item.right));
    write(
        folder.path(),
        "gold.csv",
        format!("scenario,value,answer\n{}", items.collect::<String>()),
    );
    let told = run(&[
        "data",
        "survey",
        &at("scenarios.csv"),
        "--gold",
        &at("gold.csv"),
        "-o",
        &at("survey"),
    ]);
    assert!(told.contains("4 workers"), "{told}");

    // What the page would save: a file for each worker and assignment.
    let made = survey(&scenarios, &gold, SurveyTexts::built_in().unwrap(), 4, 1).unwrap();
    let mut files = Vec::new();
    for (number, (assignment, rows)) in answers(&made, &truth, &pool(20), 1).into_iter().enumerate()
    {
        let says = |label: Label| ["no", "unrelated", "yes"][label.index()];
        let rows = rows.iter().map(|row| {
            let (worker, answer) = (&row.worker, says(row.answer.unwrap()));
            format!(
                "{worker},{},{},{},{answer},{}\r\n",
                row.item, row.scenario, row.value, assignment.name
            )
        });
        let text =
            format!("worker,item,scenario,value,answer,assignment\r\n{}", rows.collect::<String>());
        files.push(
            write(folder.path(), &format!("answers/{number}.csv"), text).display().to_string(),
        );
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let key = at("survey/gold.csv");
    let told =
        run(&[&["data", "aggregate"], &files[..], &["--qualification", &key, "-o", &at("made")]]
            .concat());
    assert!(told.contains("workers who failed the qualification"), "{told}");
    let found =
        run(&[&["data", "agreement", "--bootstrap", "0", "--qualification", &key], &files[..]]
            .concat());
    assert!(found.contains("BENEVOLENCE"), "{found}");
    let samples: Vec<_> =
        Part::read_all(&folder.path().join("made")).unwrap()[0].samples().cloned().collect();
    let right = samples.iter().filter(|s| truth[&(s.value, s.scenario.clone())] == s.label).count();
    assert!(
        samples.len() > 250 && right as f64 > 0.95 * samples.len() as f64,
        "{right} of {}",
        samples.len()
    );

    run(&["data", "split", &at("made"), "-o", &at("data")]);
    let set = format!("data.dir={}", at("data"));
    run(&["train", "configs/linear.toml", "--set", &set, "-o", &at("run")]);
    let report = valuenet::disk::read_json(&folder.path().join("run/eval/test.json")).unwrap();
    let accuracy = report["slices"][0]["accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.9, "the first word tells the label, and the model has {accuracy}");
}
