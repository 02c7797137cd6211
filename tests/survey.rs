//! Surveys: who is asked what, what is given out, and what comes back.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use valuenet::data::annotations::{self, Annotation, LeftOut, Qualification};
use valuenet::data::survey::{
    Gold, HIDDEN, QUESTIONS, Qualifying, Scenario, Scenarios, Survey, SurveyTexts, survey,
};
use valuenet::error::Kind;
use valuenet::report;
use valuenet::value::{Label, Value};

use crate::simulation::{answers, pool, sources};
use crate::support::{assert_fails, folder, stderr, stdout, valuenet, write};

fn built_in() -> SurveyTexts {
    SurveyTexts::built_in().unwrap()
}

fn scenarios(rows: &[(Value, &str)]) -> Scenarios {
    let row =
        |(value, text): &(Value, &str)| Scenario { value: *value, scenario: text.to_string() };
    Scenarios { path: "scenarios.csv".into(), rows: rows.iter().map(row).collect() }
}

fn gold(rows: &[(Value, &str, Label)]) -> Gold {
    let item = |(value, text, right): &(Value, &str, Label)| Qualifying {
        value: *value,
        scenario: text.to_string(),
        right: *right,
    };
    Gold { path: "gold.csv".into(), items: rows.iter().map(item).collect() }
}

/// The files of a survey by their names.
fn files(made: &Survey) -> HashMap<&'static str, String> {
    report::survey::files(made).unwrap().into_iter().collect()
}

proptest! {
    #[test]
    fn every_scenario_is_asked_once_among_two_hidden_items(count in 1usize..60, hidden in 2usize..9, seed in 0u64..4) {
        let (all, gold, _) = sources(count, hidden);
        let made = survey(&all, &gold, built_in(), 4, seed).unwrap();
        prop_assert_eq!(&made, &survey(&all, &gold, built_in(), 4, seed).unwrap());
        for value in Value::ALL {
            let own = || made.assignments.iter().filter(|assignment| assignment.value == value);
            let known: HashSet<&str> =
                gold.items.iter().filter(|item| item.value == value).map(|item| item.scenario.as_str()).collect();
            let mut asked = Vec::new();
            let mut times: HashMap<&str, usize> = HashMap::new();
            for assignment in own() {
                let (of_gold, others): (Vec<&str>, Vec<&str>) =
                    assignment.questions.iter().map(|question| question.scenario.as_str()).partition(|text| known.contains(text));
                prop_assert_eq!(of_gold.iter().collect::<HashSet<_>>().len(), HIDDEN, "two different ones");
                of_gold.into_iter().for_each(|text| *times.entry(text).or_default() += 1);
                asked.extend(others);
            }
            asked.sort_unstable();
            let mut wanted: Vec<&str> =
                all.rows.iter().filter(|row| row.value == value).map(|row| row.scenario.as_str()).collect();
            wanted.sort_unstable();
            prop_assert_eq!(asked, wanted);
            let sizes: Vec<usize> = own().map(|assignment| assignment.questions.len()).collect();
            let (last, full) = sizes.split_last().unwrap();
            prop_assert!(full.iter().all(|size| *size == QUESTIONS), "{sizes:?}");
            prop_assert_eq!(*last, (count - 1) % (QUESTIONS - HIDDEN) + 1 + HIDDEN);
            if times.len() == hidden {
                let (most, least) = (times.values().max().unwrap(), times.values().min().unwrap());
                prop_assert!(most - least <= 1, "hidden items take turns: {times:?}");
            }
        }
    }
}

#[test]
fn another_seed_asks_in_another_order_and_hidden_items_stand_anywhere() {
    let (all, gold, _) = sources(80, 10);
    let made = survey(&all, &gold, built_in(), 4, 1).unwrap();
    assert_ne!(made.assignments, survey(&all, &gold, built_in(), 4, 2).unwrap().assignments);
    let hidden: HashSet<&str> = made.keys.iter().map(|key| key.question.item.as_str()).collect();
    let mut places = [0; QUESTIONS];
    for assignment in &made.assignments {
        for (place, question) in assignment.questions.iter().enumerate() {
            places[place] += usize::from(hidden.contains(question.item.as_str()));
        }
    }
    assert!(
        places.iter().all(|times| (5..=35).contains(times)),
        "of 200 in ten places: {places:?}"
    );
}

#[test]
fn nothing_that_is_given_out_depends_on_the_right_answers() {
    let (all, gold, _) = sources(30, 5);
    let made = files(&survey(&all, &gold, built_in(), 4, 1).unwrap());
    let turned = |item: &Qualifying| Qualifying {
        right: Label::ALL[(item.right.index() + 1) % Label::COUNT],
        ..item.clone()
    };
    let other = Gold { path: gold.path.clone(), items: gold.items.iter().map(turned).collect() };
    let other = files(&survey(&all, &other, built_in(), 4, 1).unwrap());
    for (name, text) in &made {
        assert_eq!(*text == other[name], *name != "gold.csv", "{name}");
    }
}

#[test]
fn hidden_items_are_named_and_shaped_as_the_others() {
    let (all, gold, _) = sources(30, 5);
    let made = survey(&all, &gold, built_in(), 4, 1).unwrap();
    let data = page_data(&files(&made)["survey.html"]);
    for assignment in data["assignments"].as_array().unwrap() {
        let keys: Vec<&String> = assignment.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["name", "value", "questions"]);
        for question in assignment["questions"].as_array().unwrap() {
            let [item, _] = question.as_array().unwrap().as_slice() else { panic!("{question}") };
            let item = item.as_str().unwrap();
            assert!(
                item.len() == 16 && item.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{item}"
            );
        }
    }
    let keys: Vec<&String> = data.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "question", "options", "values", "assignments"]);
    let tasks: Json = serde_json::from_str(&files(&made)["label-studio.json"]).unwrap();
    let shape = |task: &Json| task["data"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert!(tasks.as_array().unwrap().iter().all(|task| shape(task) == shape(&tasks[0])));
    let names: Vec<&str> = tasks
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["data"]["item"].as_str().unwrap())
        .collect();
    assert!(names.is_sorted(), "their order tells nothing of them");
}

/// The data in a page.
fn page_data(page: &str) -> Json {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"survey\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// Texts that mean something to HTML, scripts, CSV or Mechanical Turk.
const STRANGE: [&str; 9] = [
    "Saying </script><script>alert(1)</script> out loud.",
    "Writing <!-- and <script in my diary.",
    "Quoting \"him\", and 'her', again.",
    "Reading one line\nand the next.",
    "Sending my friend a \u{1f600} at night.",
    "Paying ${scenario_1} or $5 for tea.",
    "Explaining that &lt; is not <, &amp; so on & on; &unknown; &#9999999; too.",
    "Pasting a line\u{2028}separator.",
    "/* data */ and {value} and /* script */",
];

fn strange() -> Survey {
    let rows: Vec<(Value, &str)> = STRANGE.iter().map(|text| (Value::Benevolence, *text)).collect();
    let hidden = [
        (Value::Benevolence, "Bringing soup to a friend who is ill.", Label::Yes),
        (Value::Benevolence, "Stealing from my own mother.", Label::No),
    ];
    survey(&scenarios(&rows), &gold(&hidden), built_in(), 4, 1).unwrap()
}

#[test]
fn a_page_needs_nothing_else_and_no_scenario_breaks_out_of_its_data() {
    let page = &files(&strange())["survey.html"];
    assert_eq!(page.matches("<script").count(), 2, "the data and the program");
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<!--") && !page.contains('\u{2028}'));
    for beyond in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(beyond), "{beyond}");
    }
    let data = page_data(page);
    let asked: HashSet<String> = data["assignments"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|assignment| assignment["questions"].as_array().unwrap())
        .map(|question| question[1].as_str().unwrap().to_string())
        .collect();
    assert!(STRANGE.iter().all(|text| asked.contains(*text)), "{asked:?}");
    let benevolence = &data["values"]["BENEVOLENCE"];
    assert_eq!(
        benevolence["definition"],
        "Helpful, honest, forgiving, responsible, loyal, true friendship, mature love"
    );
    assert_eq!(data["question"], "If you are someone who values {value}, will you do or say:");
}

#[test]
fn the_texts_built_in_are_ours_complete_and_each_another() {
    let texts = built_in();
    let mut seen = HashSet::new();
    for value in Value::ALL {
        let own = texts.of(value).unwrap();
        assert!(seen.insert(own.definition.clone()));
        let examples = [&own.examples.yes, &own.examples.no, &own.examples.unrelated];
        for text in examples.into_iter().chain([&own.prerequisite.scenario]) {
            assert!(seen.insert(text.clone()), "{text}");
        }
    }
}

/// The batch, answered as its results have it: each row by each worker, the answers in columns of
/// their own, in a column for each option, or as JSON in one of two ways.
fn turk_results(batch: &str, answered: &[Vec<Annotation>], way: usize) -> String {
    let mut reader = csv::Reader::from_reader(batch.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(String::from).collect();
    let options = ["unrelated", "yes", "no", "not sure"];
    let questions: Vec<String> = (1..=QUESTIONS).map(|number| format!("q{number}")).collect();
    let mut header = vec!["HITId".to_string(), "WorkerId".into(), "AssignmentStatus".into()];
    header.extend(names.iter().map(|name| format!("Input.{name}")));
    header.extend(match way {
        0 => questions.iter().map(|name| format!("Answer.{name}")).collect(),
        1 => questions
            .iter()
            .flat_map(|q| options.map(|option| format!("Answer.{q}.{option}")))
            .collect(),
        _ => vec!["Answer.taskAnswers".to_string()],
    });
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header).unwrap();
    for record in reader.records() {
        let record = record.unwrap();
        for rows in answered.iter().filter(|rows| rows[0].item == record[9]) {
            let says: Vec<&str> = rows.iter().map(|row| says(row.answer)).collect();
            let mut cells = vec!["H1".to_string(), rows[0].worker.clone(), "Submitted".into()];
            cells.extend(record.iter().map(String::from));
            let asked = |place: usize| says.get(place).copied();
            let object = |place: usize| {
                let of = |option: &&str| (option.to_string(), json!(asked(place) == Some(*option)));
                Json::Object(options.iter().map(of).collect())
            };
            cells.extend(match way {
                0 => (0..QUESTIONS)
                    .map(|place| asked(place).unwrap_or_default().to_string())
                    .collect(),
                1 => (0..QUESTIONS)
                    .flat_map(|place| {
                        options.map(|option| (asked(place) == Some(option)).to_string())
                    })
                    .collect(),
                2 => {
                    let all = questions
                        .iter()
                        .enumerate()
                        .map(|(place, name)| (name.clone(), object(place)));
                    vec![Json::Array(vec![Json::Object(all.collect())]).to_string()]
                }
                _ => {
                    let all = questions
                        .iter()
                        .enumerate()
                        .map(|(place, name)| (name.clone(), json!(asked(place))));
                    vec![Json::Array(vec![Json::Object(all.collect())]).to_string()]
                }
            });
            writer.write_record(&cells).unwrap();
        }
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn says(answer: Option<Label>) -> &'static str {
    answer.map_or("not sure", |label| ["no", "unrelated", "yes"][label.index()])
}

/// What the page saves of these answers.
fn page_rows(answered: &[Vec<Annotation>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["worker", "item", "scenario", "value", "answer"]).unwrap();
    for row in answered.iter().flatten() {
        let cells = [&row.worker, &row.item, &row.scenario, row.value.name(), says(row.answer)];
        writer.write_record(cells).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

/// The tasks with the answers as annotations; the first worker is an account, others are numbers.
fn label_studio_export(
    tasks: &str,
    answered: &[Vec<Annotation>],
    by: impl Fn(&str) -> Json,
) -> String {
    let mut tasks: Vec<Json> = serde_json::from_str(tasks).unwrap();
    for (number, task) in tasks.iter_mut().enumerate() {
        let own = answered.iter().flatten().filter(|row| task["data"]["item"] == row.item);
        let annotations = own.map(|row| {
            let result = json!([
                {"from_name": "answer", "to_name": "scenario", "type": "choices", "value": {"choices": [says(row.answer)]}},
                {"from_name": "note", "to_name": "scenario", "type": "textarea", "value": {"text": ["hm"]}}
            ]);
            json!({"id": 1, "completed_by": by(&row.worker), "was_cancelled": false, "result": result})
        });
        let annotations: Vec<Json> = annotations.collect();
        task["id"] = json!(number + 100);
        task["annotations"] = json!(annotations);
    }
    serde_json::to_string_pretty(&tasks).unwrap()
}

fn sorted(mut rows: Vec<Annotation>) -> Vec<String> {
    rows.sort_by(|a, b| (&a.worker, &a.item).cmp(&(&b.worker, &b.item)));
    rows.into_iter().map(|row| format!("{row:?}")).collect()
}

fn read_text(name: &str, text: &str) -> Result<annotations::Answers, valuenet::error::Error> {
    let folder = folder();
    annotations::read(&[write(folder.path(), name, text)], None)
}

#[test]
fn all_kinds_of_files_tell_the_same_answers() {
    let made = strange();
    let truth = made
        .items()
        .into_iter()
        .map(|(value, q)| ((value, q.scenario.clone()), Label::Yes))
        .collect();
    let mut answered: Vec<Vec<Annotation>> =
        answers(&made, &truth, &pool(6), 1).into_iter().map(|(_, rows)| rows).collect();
    answered.iter_mut().for_each(|rows| rows[0].answer = None);
    let given = sorted(answered.concat());
    let files = files(&made);
    // Names say nothing: only the contents do.
    let read = |text: &str| read_text("answers.txt", text).unwrap();
    assert_eq!(sorted(read(&page_rows(&answered)).annotations), given);
    for way in 0..4 {
        let results = turk_results(&files["mturk.csv"], &answered, way);
        let read = read(&results);
        assert_eq!(sorted(read.annotations), given, "in way {way}");
        assert_eq!(read.left_out, LeftOut::default());
    }
    let by_email = |name: &str| json!({"id": 7, "email": name, "first_name": ""});
    let export = label_studio_export(&files["label-studio.json"], &answered, by_email);
    assert_eq!(sorted(read(&export).annotations), given);
    let by_number = |name: &str| json!(name[1..].parse::<u64>().unwrap());
    let export = label_studio_export(&files["label-studio.json"], &answered, by_number);
    let numbers: HashSet<String> =
        read(&export).annotations.into_iter().map(|row| row.worker).collect();
    assert!(numbers.iter().all(|name| name.parse::<u64>().is_ok()), "{numbers:?}");
    let lines: String = answered.concat().iter().map(|row| {
        let line = json!({"worker": row.worker, "item": row.item, "scenario": row.scenario, "value": row.value, "answer": says(row.answer)});
        format!("{line}\n")
    }).collect();
    assert_eq!(sorted(read(&lines).annotations), given);
}

#[test]
fn a_batch_has_neither_line_breaks_in_cells_nor_letters_beyond_the_basic_plane() {
    let batch = &files(&strange())["mturk.csv"];
    assert_eq!(batch.lines().count(), 3, "a header and two assignments");
    assert!(batch.chars().all(|letter| letter < '\u{10000}') && !batch.contains("${"));
    let form = &files(&strange())["mturk.html"];
    let header = batch.lines().next().unwrap();
    for variable in form.split("${").skip(1).map(|rest| rest.split_once('}').unwrap().0) {
        assert!(header.split(',').any(|name| name == variable), "{variable} is no column");
    }
    for number in 1..=QUESTIONS {
        assert_eq!(form.matches(&format!("name=\"q{number}\"")).count(), 4);
    }
}

const TURK: &str = "HITId,WorkerId,AssignmentStatus,Input.value,Input.item_1,Input.scenario_1,Input.item_2,Input.scenario_2,Answer.q1,Answer.q2\n";

#[test]
fn what_is_no_answer_is_left_out_and_counted() {
    let rows = "H1,A,Approved,POWER,1,x,2,y,yes,\nH1,B,Rejected,POWER,1,x,2,y,no,no\nH1,C,Submitted,POWER,1,x,,,no,\n";
    let read = read_text("a.csv", &format!("{TURK}{rows}")).unwrap();
    let told: Vec<_> =
        read.annotations.iter().map(|row| (row.worker.as_str(), row.item.as_str())).collect();
    assert_eq!(told, [("A", "1"), ("C", "1")]);
    assert_eq!(read.left_out, LeftOut { rejected: 1, unanswered: 1, cancelled: 0 });
    let export = r#"[{"data": {"scenario": "x", "value": "power"}, "annotations": [
        {"completed_by": 1, "was_cancelled": true, "result": []},
        {"completed_by": 2, "result": []},
        {"completed_by": 3, "result": [{"value": {"choices": ["Not sure"]}}]}]}]"#;
    let read = read_text("a.json", export).unwrap();
    assert_eq!(read.annotations.len(), 1);
    assert_eq!((read.annotations[0].item.as_str(), read.annotations[0].answer), ("x", None));
    assert_eq!(read.left_out, LeftOut { rejected: 0, unanswered: 1, cancelled: 1 });
}

#[test]
fn wrong_results_and_exports_are_named_by_line_or_task() {
    let task = |data: &str, annotations: &str| {
        format!("[{{\"id\": 12, \"data\": {data}, \"annotations\": {annotations}}}]")
    };
    let data = r#"{"scenario": "x", "value": "POWER"}"#;
    let by = |choices: &str| {
        format!(r#"[{{"completed_by": 3, "result": [{{"value": {{"choices": {choices}}}}}]}}]"#)
    };
    let json_way =
        "HITId,WorkerId,Input.value,Input.scenario_1,Answer.taskAnswers\nH,A,POWER,x,".to_string();
    for (text, says) in [
        (
            format!("{TURK}H,A,Approved,POWER,1,x,2,y,yes,perhaps\n"),
            "a:2: q2: the answer \"perhaps\"",
        ),
        (
            format!("{TURK}H,A,Approved,POWR,1,x,2,y,yes,no\n"),
            "a:2: \"POWR\" is none of the ten values",
        ),
        (format!("{TURK}H,,Approved,POWER,1,x,2,y,yes,no\n"), "a:2: column WorkerId is empty"),
        (
            format!("{TURK}H,A,Approved,POWER,1,x,2,y,yes,no\nH,B,Approved,POWER,1,z,2,y,yes,no\n"),
            "a:3: item \"1\" has another text than at line 2",
        ),
        (
            TURK.replace("Answer.", "Result."),
            "a:1: there is no column \"Answer.taskAnswers\" or \"Answer.q1\"",
        ),
        (TURK.replace("Input.value", "Input.v"), "a:1: there is no column \"Input.value\""),
        (
            "HITId,WorkerId,Input.value,Answer.q1\n".into(),
            "a:1: there is no column \"Input.scenario_1\" or \"Input.item_1\"",
        ),
        (json_way.clone() + "maybe\n", "a:2: Answer.taskAnswers is not JSON with one object"),
        (
            json_way + "\"[{\"\"q1\"\":{\"\"yes\"\":true,\"\"no\"\":true}}]\"\n",
            "a:2: q1: there are two answers",
        ),
        ("[{\"id\": 1".into(), "a: not a JSON array"),
        ("[{\"id\": 3, \"annotations\": []}]".into(), "a: task 3: there is no \"data\""),
        ("[{\"scenario\": \"x\"}]".into(), "a: task 1 of the file: there is no \"data\""),
        (task(r#"{"scenario": "x"}"#, "[]"), "a: task 12: its data has no \"value\""),
        (
            task(r#"{"value": "POWER"}"#, &by("[\"yes\"]")),
            "a: task 12: annotation 1: there is neither",
        ),
        (task(r#"{"scenario": "x", "value": "FUN"}"#, "[]"), "a: task 12: \"FUN\" is none"),
        (task(data, "null"), "a: task 12: there are no \"annotations\""),
        (task(data, &by("[\"maybe\"]")), "a: task 12: annotation 1: the answer \"maybe\""),
        (task(data, &by("[\"yes\", \"no\"]")), "a: task 12: annotation 1: 2 answers are chosen"),
        (
            task(data, r#"[{"result": []}]"#),
            "a: task 12: annotation 1: \"completed_by\" names nobody",
        ),
    ] {
        let error = read_text("a", &text).unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains(says), "{shown} is not {says}");
        assert!(error.kind() == Kind::Data && error.advice().is_some(), "{shown}");
    }
}

#[test]
fn several_files_are_one_and_an_item_has_one_text_in_all() {
    let folder = folder();
    let head = "worker,item,scenario,value,answer\n";
    let one = write(folder.path(), "one.csv", format!("{head}ann,1,a cat,POWER,yes\n"));
    let two = write(
        folder.path(),
        "two.csv",
        format!("{head}bob,1,a cat,POWER,no\nbob,2,a dog,POWER,no\n"),
    );
    let other = write(folder.path(), "other.csv", format!("{head}cem,2,a fox,POWER,no\n"));
    let read = annotations::read(&[one.clone(), two.clone()], None).unwrap();
    assert_eq!(read.annotations.len(), 3);
    let error = annotations::read(&[one.clone(), two, other], None).unwrap_err().to_string();
    let says = format!(
        "item \"2\" has another text than at {}:3",
        folder.path().join("two.csv").display()
    );
    assert!(error.contains("other.csv:2") && error.contains(&says), "{error}");
    let empty = write(folder.path(), "empty.csv", head);
    let output = valuenet(["data", "agreement", empty.to_str().unwrap(), empty.to_str().unwrap()]);
    assert_fails(&output, 3, &["empty.csv and 1 more: there are no answers"]);
}

/// Runs `data survey` on these files.
fn made(folder: &Path, scenarios: &str, gold: &str, more: &[&str]) -> std::process::Output {
    let scenarios = write(folder, "s.csv", scenarios).display().to_string();
    let gold = write(folder, "g.csv", gold).display().to_string();
    let out = folder.join("out").display().to_string();
    valuenet([&["data", "survey", &scenarios, "--gold", &gold, "-o", &out][..], more].concat())
}

const GOLD: &str = "scenario,value,answer\na gold pen,POWER,yes\na tin pen,POWER,no\na gold pen,HEDONISM,unrelated\n";

#[test]
fn a_survey_that_cannot_be_made_leaves_nothing_and_says_why() {
    let folder = folder();
    let fails = |scenarios: &str, gold: &str, code: i32, says: &[&str]| {
        assert_fails(&made(folder.path(), scenarios, gold, &[]), code, says);
        assert!(!folder.path().join("out").exists());
    };
    fails(
        "scenario,label\na cat,1\n",
        GOLD,
        3,
        &["s.csv:2: the scenario does not begin with a [VALUE] tag", "data curate"],
    );
    fails("text,value\na cat,POWER\n", GOLD, 3, &["s.csv:1: there is no column \"scenario\""]);
    fails(
        "scenario,value\na cat,POWR\n",
        GOLD,
        3,
        &["s.csv:2: \"POWR\" is none of the ten values"],
    );
    fails("scenario,value\n ,POWER\n", GOLD, 3, &["s.csv:2: the scenario is empty"]);
    fails("scenario,value\n", GOLD, 3, &["s.csv: there are no scenarios"]);
    let rows = "scenario,value\na cat,POWER\na dog,HEDONISM\na fox,TRADITION\n";
    fails(
        rows,
        GOLD,
        3,
        &[
            "g.csv: an assignment hides 2 qualification items, and HEDONISM has 1, TRADITION has 0",
            "help: add rows",
        ],
    );
    fails(rows, "scenario,answer\na,yes\n", 3, &["g.csv:1: there is no column \"value\""]);
    fails(
        rows,
        "item,value,answer\n1,POWER,yes\n",
        3,
        &["g.csv:1: there is no column \"scenario\""],
    );
    fails(
        rows,
        "scenario,value,answer\na,POWER,not sure\n",
        3,
        &["g.csv:2: \"not sure\" is no right answer"],
    );
    fails(
        rows,
        "scenario,value,answer\na,POWER,yes\na,POWER,no\n",
        3,
        &["g.csv:3: \"a\" has two right answers"],
    );
    fails("scenario,value\na gold pen,POWER\n", GOLD, 3, &["s.csv: there is no scenario to ask"]);
    let example = "scenario,value\nWatering the basil on the window sill.,POWER\n";
    fails(example, GOLD, 2, &["power.examples.unrelated: \"Watering the basil", "--texts"]);
}

#[test]
fn a_survey_is_written_whole_into_an_empty_folder_only() {
    let folder = folder();
    let rows = "scenario,value,keyword,source,line\na cat,POWER,boss,original,2\na cat,POWER,rule,original,2\na gold pen,POWER,rich,original,3\n";
    let output = made(folder.path(), rows, GOLD, &["--workers", "3", "--seed", "7"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let (told, noted) = (stdout(&output), stderr(&output));
    assert!(told.contains("survey, 3 workers an assignment") && told.contains("POWER"), "{told}");
    for says in [
        "1 rows repeat",
        "1 scenarios are qualification items",
        "gold.csv to yourself",
        "data aggregate ANSWERS",
    ] {
        assert!(noted.contains(says), "{says}: {noted}");
    }
    let mut names: Vec<String> = std::fs::read_dir(folder.path().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "README.md",
            "gold.csv",
            "items.csv",
            "label-studio.json",
            "label-studio.xml",
            "mturk.csv",
            "mturk.html",
            "survey.html"
        ]
    );
    let key = Qualification::read(&folder.path().join("out/gold.csv")).unwrap();
    assert_eq!(key.len(), 2);
    assert_fails(&made(folder.path(), rows, GOLD, &[]), 2, &["is not empty", "-o"]);
}

#[test]
fn tagged_files_are_asked_too_and_other_texts_may_be_shown() {
    let folder = folder();
    let texts = "[power]\ndefinition = \"Being in charge\"\nprerequisite = { scenario = \"p\", answer = \"yes\" }\n\
        examples = { yes = \"y\", no = \"n\", unrelated = \"u\" }\n";
    let at = |text: &str| write(folder.path(), "texts.toml", text).display().to_string();
    let rows = "scenario,label\n[POWER] a cat,1\n";
    let output = made(folder.path(), rows, GOLD, &["--texts", &at(texts)]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = std::fs::read_to_string(folder.path().join("out/survey.html")).unwrap();
    assert!(page.contains("Being in charge"));
    std::fs::remove_dir_all(folder.path().join("out")).unwrap();
    for (text, says) in [
        (texts.replace("power", "force"), "force: this is none of the ten values"),
        (
            texts.replace("power", "tradition"),
            "power: scenarios of this value are asked, and it has no texts",
        ),
        (texts.replace("\"Being in charge\"", "\" \""), "power.definition: the text is blank"),
        (texts.replace("no = \"n\", ", ""), "texts.toml:4: missing field `no`"),
        (texts.replace("\"yes\"", "\"not sure\""), "\"not sure\" is no right answer"),
        (texts.replace("definition", "meaning"), "unknown field `meaning`"),
    ] {
        assert_fails(
            &made(folder.path(), rows, GOLD, &["--texts", &at(&text)]),
            2,
            &[says, "help: "],
        );
    }
    let missing = PathBuf::from("no-such.toml").display().to_string();
    assert_fails(&made(folder.path(), rows, GOLD, &["--texts", &missing]), 1, &["no-such.toml"]);
}
