//! Rewards of dialogues: both forms of the algorithm, who is given whose persona, formats, readers.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use valuenet::data::dialogue::{self, Dialogue};
use valuenet::error::{Kind, Result};
use valuenet::eval::Bootstrap;
use valuenet::model::Predictor;
use valuenet::report::rewards::{self, RewardsFormat};
use valuenet::reward::{
    Center, Form, PersonaComparison, PersonaDifference, Reward, RewardSettings, shuffled_personas,
};

use crate::support::{assert_fails, folder, saved_model, stdout, tiny_model, valuenet, write};

type Vector = Vec<f64>;

/// A dialogue whose reward is known: its persona, its utterances, R in the bounded and in the
/// literal form.
pub struct Worked {
    pub persona: Vec<[f64; 2]>,
    pub utterances: Vec<[f64; 2]>,
    pub bounded: f64,
    pub literal: f64,
}

impl Worked {
    /// The dialogue as the program and the service take it.
    pub fn json(&self) -> Json {
        json!({"persona_vectors": self.persona, "utterance_vectors": self.utterances})
    }
}

/// Dialogues that were worked by hand.
pub fn worked() -> Vec<Worked> {
    let (east, north) = ([1.0, 0.0], [0.0, 1.0]);
    let of = |persona: &[[f64; 2]], utterances: &[[f64; 2]], bounded: f64, literal: f64| Worked {
        persona: persona.to_vec(),
        utterances: utterances.to_vec(),
        bounded,
        literal,
    };
    vec![
        of(&[east, north], &[[0.6, 0.8], [0.8, 0.6]], 0.64, 0.64),
        of(&[east, north], &[[0.6, 0.8], north], 0.756, 0.756),
        of(&[east], &[[0.6, 0.8]], 0.36, 0.36),
        of(&[east], &[[0.6, 0.8], [0.6, 0.8]], 0.432, 0.432),
        // Below zero γ is 2 too: -(.6)^(1/2) and -(.6)^(-2).
        of(&[east], &[[-0.6, 0.8]], -0.774_596_669_241_483_4, -2.777_777_777_777_777_7),
        of(
            &[east],
            &[[-0.6, 0.8], [0.6, 0.8]],
            -0.843_432_665_301_749_3 + 0.216,
            -1.0 / 0.216 + 0.216,
        ),
        // No match in the literal form, and a right angle.
        of(&[east], &[[-2.0, 0.0], [0.0, 3.0]], -1.0, -1.0),
    ]
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-12
}

fn vector() -> impl Strategy<Value = Vector> {
    prop::collection::vec(-1f64..=1.0, 10)
}

fn vectors(most: usize) -> impl Strategy<Value = Vec<Vector>> {
    prop::collection::vec(vector(), 1..=most)
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Algorithm 1 once more, line by line as it is printed, for vectors of length 1 of which none is
/// opposite to all others.
fn listing(persona: &[Vector], utterances: &[Vector]) -> f64 {
    let mut found = Vec::new();
    for x in utterances {
        let (mut r, mut m) = (-1.0, 0);
        for (i, p) in persona.iter().enumerate() {
            if cosine(p, x) > r {
                r = cosine(p, x);
                m = i;
            }
        }
        found.push((r, m));
    }
    let mut gamma = vec![1.0; persona.len()];
    for (_, m) in &found {
        gamma[*m] += 1.0;
    }
    let mut sum = 0.0;
    for (r, m) in found {
        let sign = if r == 0.0 { 0.0 } else { r.signum() };
        sum += sign * r.abs().powf(sign * gamma[m]);
    }
    sum / persona.len() as f64
}

proptest! {
    #[test]
    fn the_literal_form_is_the_listing(persona in vectors(6), said in vectors(8)) {
        let (found, expected) = (Reward::of(&persona, &said, Form::Literal).total(), listing(&persona, &said));
        // A tiny cosine to a negative power is as uncertain as the cosine is.
        prop_assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{found} {expected}");
    }

    #[test]
    fn r_is_the_largest_cosine_and_gamma_counts_its_sentence(persona in vectors(6), said in vectors(8)) {
        for form in [Form::Bounded, Form::Literal] {
            let reward = Reward::of(&persona, &said, form);
            prop_assert_eq!(reward.matches.iter().sum::<usize>(), said.len());
            for (turn, utterance) in reward.turns.iter().zip(&said) {
                let largest = persona.iter().map(|sentence| cosine(sentence, utterance)).fold(-1.0, f64::max);
                let matched = turn.matched.expect("a persona has a nearest sentence");
                prop_assert!(close(turn.r, largest) && close(cosine(&persona[matched], utterance), largest));
                prop_assert_eq!(turn.gamma, Some(reward.matches[matched] + 1));
                prop_assert_eq!(turn.term, form.term(turn.r, reward.matches[matched] + 1));
            }
            let (n, t) = (persona.len() as f64, said.len() as f64);
            let sum: f64 = reward.turns.iter().map(|turn| turn.term).sum();
            prop_assert!(reward.total() == sum / n && reward.per_turn() == sum / t);
            let mean = reward.turns.iter().map(|turn| turn.r).sum::<f64>() / t;
            prop_assert!(close(reward.mean_r(), mean));
        }
    }

    #[test]
    fn a_bounded_term_is_bounded_rises_with_r_and_falls_with_gamma(
        mut rs in prop::array::uniform2(-1f64..=1.0), gamma in 1usize..40, more in 0usize..40
    ) {
        rs.sort_by(f64::total_cmp);
        let [low, high] = rs.map(|r| Form::Bounded.term(r, gamma));
        prop_assert!(-1.0 <= low && low <= high && high <= 1.0);
        for r in rs {
            prop_assert!(Form::Bounded.term(r, gamma + more) <= Form::Bounded.term(r, gamma));
        }
        prop_assert!(low == 0.0 || low.signum() == rs[0].signum());
    }

    #[test]
    fn both_forms_agree_where_nothing_is_against_the_persona(persona in vectors(4), said in vectors(6)) {
        let [bounded, literal] = [Form::Bounded, Form::Literal].map(|form| Reward::of(&persona, &said, form));
        for (bounded, literal) in bounded.turns.iter().zip(&literal.turns) {
            prop_assert_eq!((bounded.matched, bounded.r, bounded.gamma), (literal.matched, literal.r, literal.gamma));
            let as_expected = if bounded.r >= 0.0 { bounded.term == literal.term } else { literal.term <= -1.0 };
            prop_assert!(as_expected);
        }
    }

    /// The last utterance is as near to one sentence as it would be to another, of which nothing was said yet.
    #[test]
    fn a_second_match_of_a_sentence_never_pays_more_than_a_match_of_another(
        before in prop::collection::vec(((-1f64..1.0), (0f64..1.0)), 1..6), last in ((-1f64..1.0), (0f64..1.0))
    ) {
        // Cosines with two sentences at a right angle: `near` with the one, and what is farther with the other.
        let cosines = |(near, share): (f64, f64)| {
            let room = (1.0 - near * near).sqrt();
            [near, -room + share * (near.min(room) + room)]
        };
        let utterance = |[first, second]: [f64; 2]| {
            vec![first, second, (1.0 - first * first - second * second).max(0.0).sqrt()]
        };
        let persona = [vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.0]];
        let said: Vec<Vector> =
            before.into_iter().map(cosines).filter(|[near, far]| *near > far + 1e-9).map(utterance).collect();
        let [near, far] = cosines(last);
        prop_assume!(near > far + 1e-9 && !said.is_empty());
        for form in [Form::Bounded, Form::Literal] {
            let of = |last: [f64; 2]| {
                let said: Vec<Vector> = said.iter().cloned().chain([utterance(last)]).collect();
                Reward::of(&persona, &said, form)
            };
            let (same, other) = (of([near, far]), of([far, near]));
            prop_assert_eq!(&other.matches, &[said.len(), 1]);
            prop_assert_eq!(&same.matches, &[said.len() + 1, 0]);
            let slack = 1e-9 * other.total().abs().max(1.0);
            prop_assert!(same.total() <= other.total() + slack, "{form:?} {} {}", same.total(), other.total());
        }
    }

    #[test]
    fn the_order_of_the_persona_and_the_lengths_do_not_matter(
        persona in vectors(5), said in vectors(6), scale in 0.25f64..4.0
    ) {
        let of = |persona: &[Vector], said: &[Vector]| Reward::of(persona, said, Form::Bounded);
        let reward = of(&persona, &said);
        let mut backwards: Vec<Vector> = persona.clone();
        backwards.reverse();
        let turned = of(&backwards, &said);
        prop_assert_eq!(turned.total(), reward.total());
        prop_assert_eq!(turned.matches.into_iter().rev().collect::<Vec<usize>>(), reward.matches.clone());
        let times = |vectors: &[Vector], scale: f64| -> Vec<Vector> {
            vectors.iter().map(|vector| vector.iter().map(|x| x * scale).collect()).collect()
        };
        prop_assert!(close(of(&times(&persona, scale), &times(&said, 1.0 / scale)).total(), reward.total()));
    }

    #[test]
    fn a_center_leaves_vectors_whose_mean_is_zero(vectors in vectors(8), shift in vector()) {
        let center = Center::of(&vectors).unwrap();
        let centred: Vec<Vector> = vectors.iter().map(|vector| center.subtract_from(vector)).collect();
        let mean = |column: usize| centred.iter().map(|vector| vector[column]).sum::<f64>();
        prop_assert!((0..10).all(|column| close(mean(column), 0.0)));
        // What all have in common makes no difference.
        let add = |vector: &Vector| -> Vector { vector.iter().zip(&shift).map(|(x, y)| x + y).collect() };
        let shifted: Vec<Vector> = vectors.iter().map(add).collect();
        let center = Center::of(&shifted).unwrap();
        for (shifted, centred) in shifted.iter().zip(&centred) {
            prop_assert!(center.subtract_from(shifted).iter().zip(centred).all(|(a, b)| close(*a, *b)));
        }
    }

    #[test]
    fn everybody_is_given_another_persona(kinds in prop::collection::vec(0u8..4, 0..30), seed: u64) {
        let sentence = |kind: &u8| vec![format!("I have {kind} cats."), "I like tea.".into()];
        let personas: Vec<Vec<String>> = kinds.iter().map(sentence).collect();
        let several = kinds.iter().any(|kind| kind != &kinds[0]);
        match shuffled_personas(&personas, seed) {
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
        let found = PersonaDifference::of(&own, &shuffled, Bootstrap { replicates: 500, seed: 3 });
        prop_assert!((found.difference.mean - (found.own.mean - found.shuffled.mean)).abs() < 1e-9);
        let interval = found.difference.interval.unwrap();
        prop_assert!(interval.low <= interval.high);
        let won = own.iter().zip(&shuffled).filter(|(own, other)| own > other).count();
        prop_assert!((found.won - won as f64 / own.len() as f64).abs() < 1e-9);
    }
}

#[test]
fn dialogues_worked_by_hand_have_their_rewards() {
    for Worked { persona, utterances, bounded, literal } in worked() {
        for (form, expected) in [(Form::Bounded, bounded), (Form::Literal, literal)] {
            let found = Reward::of(&persona, &utterances, form).total();
            assert!(close(found, expected), "{persona:?} {utterances:?} {form:?}: {found}");
        }
    }
}

#[test]
fn the_literal_search_begins_at_minus_one_and_can_find_nothing() {
    let (persona, said) = ([[0.0, 0.5], [0.0, 2.0]], [[0.0, -0.25], [0.0, 1.0]]);
    let literal = Reward::of(&persona, &said, Form::Literal);
    let turn = literal.turns[0];
    assert_eq!((turn.matched, turn.r, turn.gamma, turn.term), (None, -1.0, None, -1.0));
    assert_eq!((literal.matches, literal.turns[1].gamma), (vec![1, 0], Some(2)));
    let bounded = Reward::of(&persona, &said, Form::Bounded);
    let turn = bounded.turns[0];
    assert_eq!((turn.matched, turn.r, turn.gamma, turn.term), (Some(0), -1.0, Some(3), -1.0));
    assert_eq!(bounded.matches, [2, 0]);
}

#[test]
fn the_literal_reward_has_no_bound_and_punishes_the_smaller_fault_more() {
    let reward = |share: f64, form| Reward::of(&[[1.0, 0.0]], &[[-share, 1.0]], form).total();
    assert!(reward(1e-6, Form::Literal) < -9e11);
    assert!(reward(0.01, Form::Literal) < reward(1.0, Form::Literal));
    assert!(reward(0.01, Form::Bounded) > reward(1.0, Form::Bounded));
    assert_eq!(reward(0.0, Form::Literal), 0.0);
    assert_eq!(reward(1e-200, Form::Literal), f64::NEG_INFINITY);
}

#[test]
fn vectors_of_zeros_are_worth_nothing_and_the_first_of_equals_is_matched() {
    let reward = Reward::of(&[[1.0, 0.0], [0.5, 0.0]], &[[0.0, 0.0], [0.1, 0.0]], Form::Bounded);
    assert_eq!(
        (reward.turns[0].term, reward.turns[1].matched, reward.total()),
        (0.0, Some(0), 0.5)
    );
    let literal = Reward::of(&[[0.0, 0.0]], &[[0.0, 0.0]], Form::Literal);
    assert_eq!((literal.turns[0].matched, literal.total()), (Some(0), 0.0));
    let nobody: [[f64; 2]; 0] = [];
    assert_eq!(Reward::of(&nobody, &[[1.0, 0.0]], Form::Bounded).turns[0].matched, None);
}

#[test]
fn the_center_itself_has_no_direction() {
    let same = vec![[0.1, 0.7, 0.3]; 3];
    let center = Center::of(&same).unwrap();
    assert_eq!(center.subtract_from(&same[0]), [0.0; 3]);
    assert_eq!(Center::of(Vec::<Vector>::new()), None);
}

#[test]
fn rewards_without_a_bound_are_compared_by_which_is_less() {
    let infinite = f64::NEG_INFINITY;
    let found = PersonaDifference::of(
        &[infinite, 0.0, 1.0],
        &[infinite, infinite, 2.0],
        Bootstrap { replicates: 200, seed: 1 },
    );
    assert_eq!((found.won, found.own.mean), (0.5, infinite));
}

fn read(text: &str) -> Result<Vec<Dialogue>> {
    dialogue::read(Path::new("d"), text.as_bytes())
}

fn dialogue(line: u64, persona: &[&str], utterances: &[&str]) -> Dialogue {
    let owned = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
    Dialogue { line, persona: owned(persona), utterances: owned(utterances) }
}

#[test]
fn dialogues_are_read_from_json_lines_and_from_convai2() {
    let json = "{\"persona\": [\"I sail.\"], \"utterances\": [\"hello\", \"the sea!\"], \"id\": 7}\n\n\
                {\"utterances\": [\"hi\"], \"persona\": [\"I knit.\", \"I cook.\"]}\n";
    let expected = [
        dialogue(1, &["I sail."], &["hello", "the sea!"]),
        dialogue(3, &["I knit.", "I cook."], &["hi"]),
    ];
    assert_eq!(read(json).unwrap(), expected);
    let convai = "1 your persona: I sail.\n2 partner's persona: I am left out.\n3 who are you?\thello\n\
                  4 and?\tthe sea!\t\tno|the sea!\n1 your persona: I knit.\n2 your persona: I cook.\n3 hello\thi\n";
    let mut expected = expected;
    expected[1].line = 5;
    assert_eq!(read(convai).unwrap(), expected);
}

#[test]
fn a_bad_dialogue_is_named_by_its_line() {
    let cases = [
        ("", "d: there is no dialogue in this file"),
        ("hello", "d:1: this is no dialogue"),
        ("{\"persona\": [\"a\"]}", "d:1: missing field `turns` or `utterances`"),
        (
            "{\"persona\": \"a\", \"utterances\": []}",
            "d:1: invalid type: string \"a\", expected a sequence",
        ),
        (
            "{\"persona\": [\"a\"], \"utterances\": [1]}",
            "d:1: invalid type: integer `1`, expected a string",
        ),
        ("\n{\"persona\": [\"a\"", "d:2: EOF while parsing a list"),
        (
            "{\"persona\": [], \"utterances\": [\"b\"]}",
            "d:1: the dialogue that begins here has no persona",
        ),
        (
            "{\"persona\": [\"a\"], \"utterances\": []}",
            "d:1: the dialogue that begins here has no utterance",
        ),
        ("{\"persona\": [\"a\"], \"utterances\": [\"b\", \" \"]}", "d:1: utterance 2 is blank"),
        (
            "1 your persona: a\n2 only one column",
            "d:2: neither a persona sentence nor two utterances",
        ),
        ("1 your persona: a\n2 b\tc\n1 d\te", "d:3: the dialogue that begins here has no persona"),
        ("1 your persona: a\n2 b\t", "d:2: the own utterance is blank"),
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
    let first = Reward::of(&[[1.0, 0.0], [0.0, 0.5]], &[[0.6, -0.8], [0.0, 1.0]], Form::Bounded);
    let second = Reward::of(&[[1.0]], &[[-0.1]], Form::Literal);
    (dialogues, vec![first, second])
}

#[test]
fn rewards_are_written_in_three_formats() {
    let (dialogues, rewards) = example();
    let settings = RewardSettings { form: Form::Literal, center: true };
    for (name, format) in [
        ("table", RewardsFormat::Table),
        ("jsonl", RewardsFormat::Jsonl),
        ("csv", RewardsFormat::Csv),
    ] {
        let text = rewards::rewards(&dialogues, &rewards, settings, format).unwrap();
        insta::assert_snapshot!(format!("rewards_{name}"), text);
    }
}

#[test]
fn tables_stay_narrow_where_the_literal_form_has_no_bound() {
    let dialogues = [dialogue(1, &["I knit."], &["What a day!", "Again!"])];
    let reward = Reward::of(&[[1.0, 0.0]], &[[-1e-7, 1.0], [-1e-200, 1.0]], Form::Literal);
    let settings = RewardSettings { form: Form::Literal, center: false };
    let text = rewards::rewards(&dialogues, &[reward], settings, RewardsFormat::Table).unwrap();
    assert!(text.contains("R/N -inf") && text.contains("-1.00e21"), "{text}");
}

#[test]
fn comparisons_are_written_in_three_formats() {
    let bootstrap = Bootstrap { replicates: 200, seed: 1 };
    let rewards = |cosines: [f64; 4]| {
        cosines.map(|r| {
            Reward::of(&[[1.0, 0.0]], &[[r, (1.0 - r * r).sqrt()], [1.0, 0.0]], Form::Bounded)
        })
    };
    let (own, shuffled) = (rewards([0.75, 0.5, 0.5, 0.875]), rewards([0.5, 0.5, 0.25, 1.0]));
    let comparison = PersonaComparison::of(&own, &shuffled, 7, bootstrap);
    let settings = RewardSettings::default();
    for (name, format) in [
        ("table", RewardsFormat::Table),
        ("jsonl", RewardsFormat::Jsonl),
        ("csv", RewardsFormat::Csv),
    ] {
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
    let (persona, said) =
        (["helping a friend", "my sister Ann"], ["hurting somebody", "helping a friend"]);
    write(folder.path(), "persona.txt", persona.join("\n"));
    write(folder.path(), "said.txt", format!("{}\n\n", said.join("\n")));
    let line = json!({"persona": persona, "utterances": said}).to_string();
    write(folder.path(), "d.jsonl", format!("{line}\n"));

    let json = |arguments: &[&str]| -> Json {
        let output =
            valuenet(["reward", &at("model"), "--format", "jsonl"].iter().chain(arguments));
        serde_json::from_str(&stdout(&output)).unwrap()
    };
    let of_file = json(&[&at("d.jsonl")]);
    assert_eq!(of_file, json(&["--persona", &at("persona.txt"), "--utterances", &at("said.txt")]));
    let wide = |texts: [&str; 2]| {
        model.profiles(&texts).unwrap().iter().map(|ten| ten.map(f64::from).to_vec()).collect()
    };
    let [persona, said]: [Vec<Vector>; 2] = [persona, said].map(wide);
    let expected = Reward::of(&persona, &said, Form::Bounded);
    let is_near = |found: &Json, expected: f64| (found.as_f64().unwrap() - expected).abs() < 1e-6;
    assert!(is_near(&of_file["reward"], expected.total()), "{of_file}");
    assert!(is_near(&of_file["per_turn"], expected.per_turn()), "{of_file}");
    assert!(is_near(&of_file["mean_r"], expected.mean_r()), "{of_file}");
    assert_eq!(of_file["turns"][1]["matched"], 1);
    assert!(is_near(&of_file["turns"][1]["r"], 1.0));

    // Centred on its own persona, on the same sentences in a file, on those of a dialogue.
    let centred = json(&[&at("d.jsonl"), "--center"]);
    let center = Center::of(&persona).unwrap();
    let [persona, said] = [persona, said].map(|vectors| {
        vectors.iter().map(|vector| center.subtract_from(vector)).collect::<Vec<Vector>>()
    });
    let expected = Reward::of(&persona, &said, Form::Bounded).total();
    assert!((centred["reward"].as_f64().unwrap() - expected).abs() < 1e-4, "{centred} {expected}");
    assert!(centred["center"] == true && of_file["center"] == false);
    for file in ["persona.txt", "d.jsonl"] {
        assert_eq!(centred, json(&[&at("d.jsonl"), "--center-on", &at(file)]));
    }
    assert_ne!(
        centred["reward"],
        json(&[&at("d.jsonl"), "--center-on", &at("said.txt")])["reward"]
    );
}

#[test]
fn every_sentence_of_many_dialogues_has_its_own_vector() {
    let folder = folder();
    let model = tiny_model();
    saved_model(folder.path());
    let words = |number: usize| {
        format!("number {} {}", number * 7919 % 1009, ["Ann", "painting"][number % 2])
    };
    let line = |number: usize| {
        let (persona, said) =
            ([words(number), "my sister".into()], [words(number + 500), "a friend".into()]);
        json!({"persona": persona, "utterances": said}).to_string() + "\n"
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
        let found: Json = serde_json::from_str(line).unwrap();
        let vectors = |texts: [&str; 2]| {
            model.profiles(&texts).unwrap().into_iter().map(|ten| ten.map(f64::from)).collect()
        };
        let persona: Vec<[f64; 10]> = vectors([&words(number), "my sister"]);
        let said: Vec<[f64; 10]> = vectors([&words(number + 500), "a friend"]);
        let expected = Reward::of(&persona, &said, Form::Bounded).total();
        assert!((found["reward"].as_f64().unwrap() - expected).abs() < 1e-5, "{found}");
    }
}

#[test]
fn the_program_refuses_what_it_cannot_reward() {
    let folder = folder();
    saved_model(folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let model = at("model");
    let one = write(
        folder.path(),
        "one.jsonl",
        "{\"persona\": [\"a\"], \"utterances\": [\"b\"]}\n\n{\"x\": 1}\n",
    );
    let one = one.display().to_string();
    assert_fails(
        &valuenet(["reward", &model, &one]),
        3,
        &["one.jsonl:3: missing field `turns` or `utterances`", "help: "],
    );
    assert_fails(&valuenet(["reward", &model, &at("none")]), 1, &["none: cannot read it"]);
    assert_fails(
        &valuenet(["reward", &model, &one, "--gamma", ".9"]),
        2,
        &["unexpected argument '--gamma'"],
    );
    assert_fails(&valuenet(["reward"]), 2, &["<RUN>"]);
    assert_fails(&valuenet(["reward", &model, "--persona", &one]), 2, &["--utterances"]);
    let same = write(
        folder.path(),
        "same.jsonl",
        "{\"persona\": [\"a\"], \"utterances\": [\"b\"]}\n".repeat(2),
    );
    let same = same.display().to_string();
    assert_fails(
        &valuenet(["reward", &model, &same, "--against-shuffled", "1"]),
        3,
        &["there is only one persona"],
    );
}

#[test]
fn the_program_rewards_vectors_without_a_model() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let lines: String = worked().iter().map(|worked| format!("{}\n", worked.json())).collect();
    write(folder.path(), "v.jsonl", lines);
    let rewards = |arguments: &[&str]| -> Vec<Json> {
        let output = valuenet(
            ["reward", "--vectors", &at("v.jsonl"), "--format=jsonl"].iter().chain(arguments),
        );
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    for (found, worked) in rewards(&[]).iter().zip(worked()) {
        assert!(close(found["reward"].as_f64().unwrap(), worked.bounded), "{found}");
    }
    let literal = rewards(&["--literal"]);
    assert_eq!(literal.len(), worked().len());
    for (found, worked) in literal.iter().zip(worked()) {
        assert!(close(found["reward"].as_f64().unwrap(), worked.literal), "{found}");
    }
    let second = &literal[1];
    assert_eq!((&second["matches"], &second["turns"][0]["gamma"]), (&json!([0, 2]), &json!(3)));
    assert_eq!(second["turns"][0]["persona"], json!([0.0, 1.0]));
    assert!(close(second["turns"][0]["term"].as_f64().unwrap(), 0.512));

    let centred = rewards(&["--center", "--limit", "1"]);
    let expected =
        Reward::of(&[[0.5, -0.5], [-0.5, 0.5]], &[[0.1, 0.3], [0.3, 0.1]], Form::Bounded).total();
    assert!(close(centred[0]["reward"].as_f64().unwrap(), expected), "{centred:?}");
    assert_eq!(
        centred,
        rewards(&["--limit", "1", "--center-on", &{
            write(folder.path(), "on.jsonl", worked()[1].json().to_string());
            at("on.jsonl")
        }])
    );
    let compared = &rewards(&["--against-shuffled", "2"])[0];
    assert_eq!((&compared["dialogues"], &compared["literal"]), (&json!(7), &json!(false)));
    for figure in ["reward", "per_turn", "mean_r"] {
        assert!(compared[figure]["difference"]["interval"].is_array(), "{compared}");
    }
}

#[test]
fn vectors_that_cannot_be_meant_are_named_by_their_line() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let line = |persona: &str, said: &str| {
        format!("\n{{\"persona_vectors\": {persona}, \"utterance_vectors\": {said}}}\n")
    };
    let cases = [
        (line("[]", "[[1]]"), "v.jsonl:2: \"persona_vectors\" is empty"),
        (line("[[1]]", "[]"), "v.jsonl:2: \"utterance_vectors\" is empty"),
        (line("[[1], []]", "[[1]]"), "v.jsonl:2: vector 2 of \"persona_vectors\" is empty"),
        (
            line("[[1]]", "[[1]]") + &line("[[2]]", "[[1], [1, 2]]"),
            "v.jsonl:4: vector 2 of \"utterance_vectors\" has 2 numbers, and those before 1",
        ),
        (line("[[1]]", "[[1e999]]"), "v.jsonl:2: number out of range"),
        (line("[[null]]", "[[1]]"), "v.jsonl:2: invalid type: null, expected f64"),
        (
            line("[\"I sail.\"]", "[[1]]"),
            "v.jsonl:2: invalid type: string \"I sail.\", expected a sequence",
        ),
        ("{\"persona\": [\"a\"]}".into(), "v.jsonl:1: missing field `persona_vectors`"),
        (" \n".into(), "v.jsonl: there is no dialogue in this file"),
    ];
    for (text, says) in cases {
        write(folder.path(), "v.jsonl", text);
        assert_fails(
            &valuenet(["reward", "--vectors", &at("v.jsonl")]),
            3,
            &[says, "help: a line is"],
        );
    }
    write(folder.path(), "v.jsonl", line("[[1, 0]]", "[[1, 1]]"));
    write(folder.path(), "on.jsonl", line("[[1]]", "[[1]]"));
    let output = valuenet(["reward", "--vectors", &at("v.jsonl"), "--center-on", &at("on.jsonl")]);
    assert_fails(&output, 3, &["on.jsonl: its vectors have 1 numbers", "v.jsonl 2"]);
    for more in ["some/run", "--device=cpu"] {
        assert_fails(
            &valuenet(["reward", "--vectors", &at("v.jsonl"), more]),
            2,
            &["cannot be used with"],
        );
    }
}

#[test]
fn sentences_to_center_on_are_those_of_dialogues_or_lines() {
    let read = |text: &str| dialogue::sentences(Path::new("s"), text.as_bytes());
    let own = ["I sail.", "I have 2 cats."];
    assert_eq!(read("I sail.\n\nI have 2 cats.\n").unwrap(), own);
    assert_eq!(
        read("{\"persona\": [\"I sail.\", \"I have 2 cats.\"], \"utterances\": [\"a\"]}").unwrap(),
        own
    );
    let convai = "1 your persona: I sail.\n2 your persona: I have 2 cats.\n3 hello\thi\n";
    assert_eq!(read(convai).unwrap(), own);
    assert_eq!(read("3 cats live with me.").unwrap(), ["3 cats live with me."]);
    assert_eq!(read("\n \n").unwrap_err().to_string(), "s: there is no sentence in this file");
    assert!(
        read("1 your persona: I sail.\n").unwrap_err().to_string().contains("has no utterance")
    );
}
