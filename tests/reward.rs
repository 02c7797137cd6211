//! Rewards of dialogues: both forms of the algorithm, who is given whose persona, formats, readers.

use std::path::Path;

use proptest::prelude::*;
use valuenet::data::dialogue::{self, Dialogue};
use valuenet::error::{Kind, Result};
use valuenet::eval::Bootstrap;
use valuenet::model::Predictor;
use valuenet::report::rewards::{self, Comparison, Format, Settings};
use valuenet::reward::{Difference, Form, GAMMA, Reward, strangers};
use valuenet::value::{Profile, Value};

use crate::support::{assert_fails, folder, saved_model, stdout, tiny_model, valuenet, write};

/// A vector along one axis.
fn axis(index: usize, length: f32) -> Profile {
    std::array::from_fn(|other| if other == index { length } else { 0.0 })
}

fn profile() -> impl Strategy<Value = Profile> {
    prop::array::uniform10(-1f32..=1.0)
}

fn profiles(most: usize) -> impl Strategy<Value = Vec<Profile>> {
    prop::collection::vec(profile(), 1..=most)
}

fn cosine(a: &Profile, b: &Profile) -> f64 {
    let dot = |a: &Profile, b: &Profile| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

proptest! {
    #[test]
    fn the_bounded_reward_is_the_largest_cosine(persona in profiles(6), said in profiles(6), gamma in 0f64..=1.0) {
        let reward = Reward::of(&persona, &said, gamma, Form::Bounded);
        prop_assert_eq!(reward.turns.len(), said.len());
        for (turn, utterance) in reward.turns.iter().zip(&said) {
            let largest = persona.iter().map(|sentence| cosine(sentence, utterance)).fold(-1.0, f64::max);
            prop_assert!((turn.reward - largest).abs() < 1e-5 && turn.reward.abs() <= 1.0);
            prop_assert_eq!(turn.reward, turn.similarity);
            let matched = turn.matched.expect("a persona always has a nearest sentence");
            prop_assert!((cosine(&persona[matched], utterance) - largest).abs() < 1e-5);
        }
        let most: f64 = (0..said.len()).map(|turn| gamma.powi(turn as i32)).sum();
        prop_assert!(reward.total.abs() <= most + 1e-9);
    }

    #[test]
    fn the_total_is_the_discounted_sum(persona in profiles(4), said in profiles(8), gamma in 0f64..=1.0) {
        for form in [Form::Bounded, Form::Literal] {
            let reward = Reward::of(&persona, &said, gamma, form);
            let sum: f64 =
                reward.turns.iter().zip(0..).map(|(turn, t)| gamma.powi(t) * turn.reward).sum();
            prop_assert!((reward.total - sum).abs() <= 1e-9 * sum.abs().max(1.0));
        }
    }

    #[test]
    fn more_persona_never_costs_and_its_order_and_lengths_do_not_matter(
        persona in profiles(5), more in profile(), utterance in profile(), scale in 0.25f32..4.0
    ) {
        let of = |persona: &[Profile], utterance: Profile| {
            Reward::of(persona, &[utterance], 1.0, Form::Bounded).total
        };
        let alone = of(&persona, utterance);
        let with_more: Vec<Profile> = persona.iter().copied().chain([more]).collect();
        prop_assert!(of(&with_more, utterance) >= alone);
        let backwards: Vec<Profile> = persona.iter().rev().copied().collect();
        prop_assert_eq!(of(&backwards, utterance), alone);
        let longer: Vec<Profile> = persona.iter().map(|sentence| sentence.map(|x| x * scale)).collect();
        prop_assert!((of(&longer, utterance.map(|x| x / scale)) - alone).abs() < 1e-6);
    }

    #[test]
    fn the_literal_form_differs_only_below_zero_where_it_is_at_most_minus_one(
        persona in profiles(3), said in profiles(6)
    ) {
        let bounded = Reward::of(&persona, &said, 0.9, Form::Bounded);
        let literal = Reward::of(&persona, &said, 0.9, Form::Literal);
        for (bounded, literal) in bounded.turns.iter().zip(&literal.turns) {
            prop_assert_eq!(bounded.similarity, literal.similarity);
            if bounded.similarity >= 0.0 {
                prop_assert_eq!(bounded, literal);
            } else {
                prop_assert_eq!(literal.reward, 1.0 / literal.similarity);
                prop_assert!(literal.reward <= -1.0);
            }
        }
    }

    #[test]
    fn everybody_is_given_another_persona(kinds in prop::collection::vec(0u8..4, 0..30), seed: u64) {
        let sentence = |kind: &u8| vec![format!("I have {kind} cats."), "I like tea.".into()];
        let personas: Vec<Vec<String>> = kinds.iter().map(sentence).collect();
        let several = kinds.iter().any(|kind| kind != &kinds[0]);
        match strangers(&personas, seed) {
            None => prop_assert!(!several),
            Some(others) => {
                prop_assert!(several || kinds.is_empty());
                for (own, other) in others.into_iter().enumerate() {
                    prop_assert_ne!(&personas[own], &personas[other]);
                }
            }
        }
    }

    #[test]
    fn a_difference_is_that_of_the_means_and_lies_in_its_interval(
        pairs in prop::collection::vec((-3f64..3.0, -3f64..3.0), 2..40)
    ) {
        let (own, shuffled): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let found = Difference::of(&own, &shuffled, Bootstrap { replicates: 500, seed: 3 });
        prop_assert!((found.difference.mean - (found.own.mean - found.shuffled.mean)).abs() < 1e-9);
        let interval = found.difference.interval.unwrap();
        prop_assert!(interval.low <= interval.high);
        let won = own.iter().zip(&shuffled).filter(|(own, other)| own > other).count();
        prop_assert!((found.won - won as f64 / own.len() as f64).abs() < 1e-9);
    }
}

#[test]
fn the_literal_search_begins_at_minus_one_and_can_find_nothing() {
    let (persona, against) = ([axis(2, 0.5)], [axis(2, -0.25)]);
    let literal = Reward::of(&persona, &against, 0.5, Form::Literal).turns[0];
    assert_eq!((literal.matched, literal.similarity, literal.reward), (None, -1.0, -1.0));
    let bounded = Reward::of(&persona, &against, 0.5, Form::Bounded).turns[0];
    assert_eq!((bounded.matched, bounded.similarity, bounded.reward), (Some(0), -1.0, -1.0));
}

#[test]
fn the_literal_reward_has_no_bound_and_punishes_the_smaller_fault_more() {
    let reward = |share: f32, form| {
        let mut utterance = axis(1, 1.0);
        utterance[0] = -share;
        Reward::of(&[axis(0, 1.0)], &[utterance], 1.0, form).total
    };
    assert!(reward(1e-6, Form::Literal) < -9e5);
    assert!(reward(0.01, Form::Literal) < reward(1.0, Form::Literal));
    assert!(reward(0.01, Form::Bounded) > reward(1.0, Form::Bounded));
    assert_eq!(reward(0.0, Form::Literal), 0.0);
}

#[test]
fn vectors_of_zeros_are_worth_nothing_and_the_first_of_equals_is_matched() {
    let zero = [0.0; Value::COUNT];
    let reward = Reward::of(&[axis(0, 1.0), axis(0, 0.5)], &[zero, axis(0, 0.1)], 1.0, Form::Bounded);
    assert_eq!((reward.turns[0].reward, reward.turns[1].matched, reward.total), (0.0, Some(0), 1.0));
    let literal = Reward::of(&[zero], &[zero], 1.0, Form::Literal);
    assert_eq!((literal.turns[0].matched, literal.total), (Some(0), 0.0));
    assert_eq!(Reward::of(&[], &[zero], 1.0, Form::Bounded).turns[0].matched, None);
}

fn read(text: &str) -> Result<Vec<Dialogue>> {
    dialogue::read(Path::new("d"), text.lines().map(|line| Ok(line.to_string())))
}

fn dialogue(line: u64, persona: &[&str], utterances: &[&str]) -> Dialogue {
    let owned = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
    Dialogue { line, persona: owned(persona), utterances: owned(utterances) }
}

#[test]
fn dialogues_are_read_from_json_lines_and_from_convai2() {
    let json = "{\"persona\": [\"I sail.\"], \"utterances\": [\"hello\", \"the sea!\"], \"id\": 7}\n\n\
                {\"utterances\": [\"hi\"], \"persona\": [\"I knit.\", \"I cook.\"]}\n";
    let expected =
        [dialogue(1, &["I sail."], &["hello", "the sea!"]), dialogue(3, &["I knit.", "I cook."], &["hi"])];
    assert_eq!(read(json).unwrap(), expected);
    let convai = "1 your persona: I sail.\n2 partner's persona: I am left out.\n3 who are you?\thello\n\
                  4 and?\tthe sea!\t\tno|yes\n1 your persona: I knit.\n2 your persona: I cook.\n3 hello\thi\n";
    let mut expected = expected;
    expected[1].line = 5;
    assert_eq!(read(convai).unwrap(), expected);
}

#[test]
fn a_bad_dialogue_is_named_by_its_line() {
    let cases = [
        ("", "d: there is no dialogue in this file"),
        ("hello", "d:1: this is no dialogue"),
        ("{\"persona\": [\"a\"]}", "d:1: missing field `utterances` (column 18)"),
        ("{\"persona\": \"a\", \"utterances\": []}", "d:1: invalid type: string \"a\", expected a sequence"),
        ("{\"persona\": [\"a\"], \"utterances\": [1]}", "d:1: invalid type: integer `1`, expected a string"),
        ("\n{\"persona\": [\"a\"", "d:2: EOF while parsing a list"),
        ("{\"persona\": [], \"utterances\": [\"b\"]}", "d:1: the dialogue that begins here has no persona"),
        ("{\"persona\": [\"a\"], \"utterances\": []}", "d:1: the dialogue that begins here has no utterance"),
        ("{\"persona\": [\"a\"], \"utterances\": [\"b\", \" \"]}", "d:1: utterance 2 of the dialogue"),
        ("1 your persona: a\n2 only one column", "d:2: neither a persona sentence nor two utterances"),
        ("1 your persona: a\n2 b\tc\n1 d\te", "d:3: the dialogue that begins here has no persona"),
        ("1 your persona: a\n2 b\t", "d:1: utterance 1 of the dialogue that begins here is blank"),
    ];
    for (text, says) in cases {
        let error = read(text).unwrap_err();
        assert!(error.to_string().starts_with(says), "{text:?}: {error}");
        assert_eq!(error.kind(), Kind::Data);
    }
}

/// Two dialogues and their rewards, with vectors that are easy to follow.
fn example() -> (Vec<Dialogue>, Vec<Reward>) {
    let dialogues = vec![
        dialogue(
            1,
            &["I sail every summer.", "I hate crowds."],
            &["The sea calls me, so I go.", "No, thanks."],
        ),
        dialogue(2, &["I knit."], &["What a day!"]),
    ];
    let mut leaning = axis(0, 0.6);
    leaning[1] = -0.8;
    let first = Reward::of(&[axis(0, 1.0), axis(1, 0.5)], &[leaning, axis(1, 1.0)], 0.5, Form::Bounded);
    let second = Reward::of(&[axis(3, 1.0)], &[axis(3, -0.1)], 0.5, Form::Bounded);
    (dialogues, vec![first, second])
}

#[test]
fn rewards_are_written_in_three_formats() {
    let (dialogues, rewards) = example();
    let settings = Settings { gamma: 0.5, form: Form::Bounded };
    for (name, format) in [("table", Format::Table), ("jsonl", Format::Jsonl), ("csv", Format::Csv)] {
        let text = rewards::rewards(&dialogues, &rewards, settings, format).unwrap();
        insta::assert_snapshot!(format!("rewards_{name}"), text);
    }
}

#[test]
fn comparisons_are_written_in_three_formats() {
    let bootstrap = Bootstrap { replicates: 200, seed: 1 };
    let comparison = Comparison {
        dialogues: 4,
        seed: 7,
        reward: Difference::of(&[3.0, 2.5, 2.75, 3.5], &[2.0, 2.5, 2.25, 3.75], bootstrap),
        mean: Difference::of(&[0.75, 0.5, 0.5, 0.875], &[0.5, 0.5, 0.25, 1.0], bootstrap),
    };
    let settings = Settings { gamma: 0.95, form: Form::Bounded };
    for (name, format) in [("table", Format::Table), ("jsonl", Format::Jsonl), ("csv", Format::Csv)] {
        let text = rewards::comparison(&comparison, settings, format).unwrap();
        insta::assert_snapshot!(format!("reward_comparison_{name}"), text);
    }
}

#[test]
fn the_program_rewards_files_as_the_library_rewards_vectors() {
    let folder = folder();
    let model = tiny_model();
    saved_model(folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (persona, said) = (["helping a friend", "my sister Ann"], ["hurting somebody", "helping a friend"]);
    write(folder.path(), "persona.txt", persona.join("\n"));
    write(folder.path(), "said.txt", format!("{}\n\n", said.join("\n")));
    let line = serde_json::json!({"persona": persona, "utterances": said}).to_string();
    write(folder.path(), "d.jsonl", format!("{line}\n"));

    let json = |arguments: &[&str]| -> serde_json::Value {
        let output = valuenet(["reward", &at("model"), "--format", "jsonl"].iter().chain(arguments));
        serde_json::from_str(&stdout(&output)).unwrap()
    };
    let of_file = json(&[&at("d.jsonl")]);
    assert_eq!(of_file, json(&["--persona", &at("persona.txt"), "--utterances", &at("said.txt")]));
    let [persona, said] = [persona, said].map(|texts| model.profiles(&texts).unwrap());
    let expected = Reward::of(&persona, &said, GAMMA, Form::Bounded);
    assert!((of_file["reward"].as_f64().unwrap() - expected.total).abs() < 1e-6, "{of_file}");
    assert_eq!(of_file["turns"][1]["matched"], 1);
    assert!((of_file["turns"][1]["r"].as_f64().unwrap() - 1.0).abs() < 1e-6);
}

#[test]
fn every_sentence_of_many_dialogues_has_its_own_vector() {
    let folder = folder();
    let model = tiny_model();
    saved_model(folder.path());
    let words =
        |number: usize| format!("number {} {}", number * 7919 % 1009, ["Ann", "painting"][number % 2]);
    let line = |number: usize| {
        let (persona, said) = ([words(number), "my sister".into()], [words(number + 500), "a friend".into()]);
        serde_json::json!({"persona": persona, "utterances": said}).to_string() + "\n"
    };
    let file = write(folder.path(), "many.jsonl", (0..800).map(line).collect::<String>());
    let output = valuenet([
        "reward".as_ref(),
        folder.path().join("model").as_os_str(),
        file.as_os_str(),
        "--format=jsonl".as_ref(),
    ]);
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 800);
    for (line, number) in text.lines().zip(0..).step_by(37) {
        let found: serde_json::Value = serde_json::from_str(line).unwrap();
        let vectors = |texts: [&str; 2]| model.profiles(&texts).unwrap();
        let persona = vectors([&words(number), "my sister"]);
        let expected =
            Reward::of(&persona, &vectors([&words(number + 500), "a friend"]), GAMMA, Form::Bounded);
        assert!((found["reward"].as_f64().unwrap() - expected.total).abs() < 1e-5, "{found}");
    }
}

#[test]
fn the_program_refuses_what_it_cannot_reward() {
    let folder = folder();
    saved_model(folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let model = at("model");
    let one =
        write(folder.path(), "one.jsonl", "{\"persona\": [\"a\"], \"utterances\": [\"b\"]}\n\n{\"x\": 1}\n");
    let one = one.display().to_string();
    assert_fails(&valuenet(["reward", &model, &one]), 3, &["one.jsonl:3: missing field `persona`", "help: "]);
    assert_fails(&valuenet(["reward", &model, &at("none")]), 1, &["none: cannot read it"]);
    assert_fails(&valuenet(["reward", &model, &one, "--gamma", "2"]), 2, &["a number from 0 to 1"]);
    assert_fails(&valuenet(["reward", &model, "--persona", &one]), 2, &["--utterances"]);
    let same =
        write(folder.path(), "same.jsonl", "{\"persona\": [\"a\"], \"utterances\": [\"b\"]}\n".repeat(2));
    let same = same.display().to_string();
    assert_fails(
        &valuenet(["reward", &model, &same, "--against-shuffled", "1"]),
        3,
        &["there is only one persona"],
    );
}
