//! How near replies are to personas: figures by hand, chance, and what is said in words.

use proptest::prelude::*;
use valuenet::eval::Bootstrap;
use valuenet::eval::dialogue::Estimate;
use valuenet::eval::dialogue::compare::{DialogueComparison, Measured, Pair};
use valuenet::report::dialogue_comparison::DialogueComparisonReport;
use valuenet::report::dialogue_evaluation::{DialogueEvaluation, DialogueReport, ReplyRow};
use valuenet::report::persona_alignment::PersonaEvaluation;
use valuenet::report::{Format, render};
use valuenet::reward::alignment::{Aligned, Alignment, Opponents, OwnAndOther, PersonaAlignment};

const BOOTSTRAP: Bootstrap = Bootstrap { replicates: 200, seed: 3 };

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9
}

fn texts(personas: &[&[&str]]) -> Vec<Vec<String>> {
    personas.iter().map(|own| own.iter().map(|text| text.to_string()).collect()).collect()
}

/// Two dialogues, whose speakers are along the two axes, with these utterances.
fn aligned(utterances: [&[[f64; 2]]; 2]) -> Vec<Aligned> {
    let personas = [vec![[1.0, 0.0]], vec![[0.0, 1.0]]];
    let opponents = two();
    let of = |dialogue: usize| Aligned::of(&personas, dialogue, utterances[dialogue], &opponents);
    vec![of(0), of(1)]
}

fn two() -> Opponents {
    Opponents::draw(&texts(&[&["i sail ."], &["i knit ."]]), 19, 1).unwrap()
}

fn example() -> PersonaAlignment {
    let said = aligned([&[[0.6, 0.8], [0.8, 0.6]], &[[0.0, 2.0]]]);
    let model = aligned([&[[0.0, 0.0], [0.0, 0.0]], &[[1.0, 0.0]]]);
    PersonaAlignment::of(&said, &model, &two(), Some(BOOTSTRAP))
}

#[test]
fn alignment_is_what_a_hand_finds() {
    let PersonaAlignment { dialogues, personas, seed, said, model, change } = example();
    assert_eq!((dialogues, personas, seed), (2, 2, 1));
    let all = |it: OwnAndOther| [it.own.value, it.other.value, it.difference.value];
    for (found, expected) in [
        // Means of .7 and .7, 1 and 0.
        (all(said.r), [0.85, 0.35, 0.5]),
        // A sentence matched twice has the exponent 3: .216 + .512; and 1 and 0.
        (all(said.reward), [0.864, 0.364, 0.5]),
        (all(said.per_turn), [0.682, 0.182, 0.5]),
        // Nothing is said, and what the other would say.
        (all(model.r), [0.0, 0.5, -0.5]),
        (all(model.reward), [0.0, 0.5, -0.5]),
        (all(change), [-0.85, 0.15, -1.0]),
        ([said.won, said.rank, said.first].map(|it| it.value), [0.75, 1.25, 0.75]),
        ([model.won, model.rank, model.first].map(|it| it.value), [0.25, 1.75, 0.25]),
    ] {
        assert!(
            found.iter().zip(expected).all(|(found, it)| near(*found, it)),
            "{found:?} {expected:?}"
        );
    }
    // Either dialogue twice: 0 and -2.
    let [low, high] = change.difference.interval.unwrap().into();
    assert!(near(low, -2.0) && near(high, 0.0), "{low} {high}");
    let without = PersonaAlignment::of(&aligned([&[[1.0, 0.0]]; 2]), &[], &two(), None);
    assert_eq!(without.said.r.own.interval, None);
}

/// So many speakers, each along an axis of its own.
fn axes(count: usize) -> (Vec<Vec<String>>, Vec<Vec<Vec<f64>>>) {
    let axis = |place: usize| (0..count).map(|at| f64::from(u8::from(at == place))).collect();
    let sentences = (0..count).map(|number| vec![format!("i have {number} cats .")]).collect();
    (sentences, (0..count).map(|place| vec![axis(place)]).collect())
}

#[test]
fn the_own_persona_is_ranked_among_twenty_different_ones() {
    let (sentences, vectors) = axes(30);
    let opponents = Opponents::draw(&sentences, 19, 1).unwrap();
    assert_eq!(opponents.personas(), 20);
    for dialogue in 0..30 {
        let of = |said: &[Vec<f64>]| Aligned::of(&vectors, dialogue, said, &opponents);
        let own = of(&vectors[dialogue]);
        assert_eq!((own.rank, own.first, own.own.mean_r()), (1.0, 1.0, 1.0));
        // A model that says nothing is as good as chance.
        let none = of(&[vec![0.0; 30]]);
        assert_eq!((none.rank, none.first, none.other.mean_r()), (10.5, 0.05, 0.0));
        // All others are nearer.
        let against: Vec<f64> = vectors[dialogue][0].iter().map(|it| -it).collect();
        let against = of(&[against]);
        assert_eq!((against.rank, against.first), (20.0, 0.0));
    }
    assert_ne!(opponents, Opponents::draw(&sentences, 19, 2).unwrap());
}

#[test]
fn the_same_persona_is_no_opponent_whatever_its_order() {
    let personas = texts(&[&["a", "b"], &["b", "a"], &["c"], &["a", "b"], &["d"], &["c"]]);
    let opponents = Opponents::draw(&personas, 19, 1).unwrap();
    assert_eq!(opponents.personas(), 3);
    let vectors: Vec<Vec<[f64; 3]>> = personas
        .iter()
        .map(|own| match own[0].as_str() {
            "c" => vec![[0.0, 1.0, 0.0]],
            "d" => vec![[0.0, 0.0, 1.0]],
            _ => vec![[1.0, 0.0, 0.0]],
        })
        .collect();
    for (dialogue, own) in vectors.iter().enumerate() {
        let found = Aligned::of(&vectors, dialogue, own, &opponents);
        assert_eq!((found.rank, found.first, found.other.mean_r()), (1.0, 1.0, 0.0));
    }
    assert_eq!(Opponents::draw(&personas[..2], 19, 1), None);
    assert_eq!(Opponents::draw(&[], 19, 1).map(|it| it.personas()), Some(1));
}

fn estimate([value, low, high]: [f64; 3]) -> Estimate {
    Estimate { value, interval: Some([low, high].into()) }
}

const ABOVE: [f64; 3] = [0.02, 0.01, 0.03];
const BELOW: [f64; 3] = [-0.02, -0.03, -0.01];
const UNTOLD: [f64; 3] = [0.02, -0.01, 0.05];

/// A report whose model's replies are nearer to their own personas by so much, and differ from what
/// was said by so much, with the own, with another's, and in the difference.
fn report(nearer: [f64; 3], [own, other, difference]: [[f64; 3]; 3]) -> DialogueReport {
    let mut alignment = example();
    alignment.model.r.difference = estimate(nearer);
    let [own, other, difference] = [own, other, difference].map(estimate);
    alignment.change = OwnAndOther { own, other, difference };
    report_of(alignment)
}

fn report_of(alignment: PersonaAlignment) -> DialogueReport {
    let persona = PersonaEvaluation { values: "runs/minilm".into(), center: true, alignment };
    let set = DialogueEvaluation {
        name: "test.original".into(),
        persona: Some(persona),
        ..DialogueEvaluation::default()
    };
    DialogueReport {
        model: "runs/mle".into(),
        dtype: "f32".into(),
        layout: "gpt2".into(),
        history: 5,
        decoding: "greedy".into(),
        bootstrap: Some(BOOTSTRAP),
        sets: vec![set],
    }
}

fn words(report: &DialogueReport) -> String {
    render(report, Format::Table).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_report_says_in_words_what_can_be_told() {
    let says = |report: DialogueReport, parts: &[&str]| {
        let text = words(&report);
        parts.iter().for_each(|part| assert!(text.contains(part), "{part} is missing:\n{text}"));
    };
    says(
        report(ABOVE, [ABOVE, UNTOLD, ABOVE]),
        &[
            "the model's replies are nearer to their own persona than to another's by 0.0200 \
             [0.0100, 0.0300]; whether the gold ones are nearer",
            "r of the replies with their own persona is higher by 0.0200 [0.0100, 0.0300], and \
             with another's no different beyond chance (0.0200 [-0.0100, 0.0500])",
            "The replies are more like their own speakers than what was said is.",
            "values by runs/minilm, centred; among 2 personas, seed 1",
        ],
    );
    says(
        report(BELOW, [BELOW, ABOVE, BELOW]),
        &[
            "are farther from their own persona than from another's by 0.0200 [0.0100, 0.0300]",
            "with their own persona is lower by 0.0200 [0.0100, 0.0300]",
            "The replies are less like",
        ],
    );
    says(
        report(UNTOLD, [ABOVE, ABOVE, UNTOLD]),
        &[
            "whether the model's replies are nearer to their own persona than to another's cannot \
             be told (0.0200 [-0.0100, 0.0500])",
            "Own and other are raised alike: the replies please the value model",
        ],
    );
    says(report(ABOVE, [UNTOLD, ABOVE, UNTOLD]), &["more or less like", "cannot be told."]);
    let none = PersonaAlignment::of(
        &aligned([&[[1.0, 0.0]]; 2]),
        &aligned([&[[0.0, 1.0]]; 2]),
        &two(),
        None,
    );
    says(report_of(none), &["without intervals nothing can be told"]);
}

#[test]
fn alignment_is_written_in_every_format() {
    let report = report_of(example());
    let table = render(&report, Format::Table).unwrap();
    for row in [
        "test.original, said   0.8500   0.3500    0.5000 [0.0000, 1.0000]  75.0   1.2   75.0",
        "test.original, model  0.0000   0.5000  -0.5000 [-1.0000, 0.0000]  25.0   1.8   25.0",
        "test.original, said    0.8640  0.3640       0.5000   0.6820  0.1820       0.5000",
    ] {
        assert!(table.contains(row), "{row} is missing:\n{table}");
    }
    let csv = render(&report, Format::Csv).unwrap();
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let header = rows.headers().unwrap().clone();
    let row = rows.records().next().unwrap().unwrap();
    let cell = |name: &str| {
        let place = header.iter().position(|found| found == name);
        row[place.unwrap_or_else(|| panic!("{name}: {header:?}"))].parse::<f64>().unwrap()
    };
    for (name, expected) in [
        ("persona_said_r_own", 0.85),
        ("persona_said_reward_other", 0.364),
        ("persona_said_per_turn_own", 0.682),
        ("persona_model_won", 25.0),
        ("persona_model_rank", 1.75),
        ("persona_change_difference", -1.0),
        ("persona_change_difference_low", -2.0),
    ] {
        assert!(near(cell(name), expected), "{name}: {}", cell(name));
    }
    let json = render(&report, Format::Json).unwrap();
    let read: DialogueReport = serde_json::from_str(&json).unwrap();
    assert_eq!(read, report);
}

#[test]
fn what_was_written_before_there_were_personas_is_still_read() {
    let report = report_of(example());
    let mut json = serde_json::to_value(&report).unwrap();
    json["sets"][0].as_object_mut().unwrap().remove("persona").unwrap();
    let old: DialogueReport = serde_json::from_value(json).unwrap();
    assert_eq!(old.sets[0].persona, None);
    assert!(!words(&old).contains("persona"), "{}", words(&old));
    let row = r#"{"dialogue": 1, "line": 3, "reply": 2, "gold": "hi", "text": null, "nll": 2.5,
                  "tokens": 3, "hit": true, "f1": null}"#;
    let row: ReplyRow = serde_json::from_str(row).unwrap();
    assert_eq!((row.r, row.r_other, row.nll), (None, None, Some(2.5)));
}

/// A reply with r of two models with the own persona, and with another's.
fn pair(dialogue: usize, own: [f64; 2], other: [f64; 2]) -> Pair {
    let measured = |place: usize| Measured {
        nll: None,
        tokens: None,
        hit: None,
        f1: None,
        r: Some(own[place]),
        r_other: Some(other[place]),
    };
    Pair { dialogue, words: 1, models: [measured(0), measured(1)] }
}

#[test]
fn two_models_are_compared_dialogue_by_dialogue() {
    // The first dialogue's means are .3 and .7, with another's .1 and .2.
    let mut pairs = vec![
        pair(4, [0.2, 0.6], [0.1, 0.2]),
        pair(9, [0.5, 0.5], [0.3, 0.4]),
        pair(4, [0.4, 0.8], [0.1, 0.2]),
    ];
    let found = DialogueComparison::of(&pairs, BOOTSTRAP);
    let figures = |it: Option<valuenet::eval::compare::Difference>| {
        let it = it.unwrap();
        [it.a, it.b, it.difference]
    };
    for (found, expected) in [
        (figures(found.r), [0.4, 0.6, 0.2]),
        (figures(found.r_other), [0.2, 0.3, 0.1]),
        (figures(found.r_difference), [0.2, 0.3, 0.1]),
    ] {
        assert!(found.iter().zip(expected).all(|(a, b)| near(*a, b)), "{found:?} {expected:?}");
    }
    let [low, high] = found.r.unwrap().interval.unwrap().into();
    assert!(near(low, 0.0) && near(high, 0.4), "{low} {high}");
    pairs[1].models[1].r = None;
    let found = DialogueComparison::of(&pairs, BOOTSTRAP);
    assert!(found.r.is_none() && found.r_difference.is_none() && found.r_other.is_some());
}

#[test]
fn a_comparison_says_when_own_and_other_are_raised_alike() {
    let compared = |own: [f64; 2], other: [f64; 2]| {
        let pairs: Vec<Pair> = (0..20)
            .map(|number| {
                // Something that differs between dialogues, alike for own and other.
                let more = f64::from(number % 4) / 1000.0;
                let sway = f64::from(number % 2) / 100.0 - 0.005;
                pair(number as usize, [own[0], own[1] + more + sway], [other[0], other[1] + more])
            })
            .collect();
        let report = DialogueComparisonReport {
            a: "mle".into(),
            b: "rl".into(),
            set: "test.original".into(),
            bootstrap: BOOTSTRAP,
            comparison: DialogueComparison::of(&pairs, BOOTSTRAP),
        };
        render(&report, Format::Table).unwrap()
    };
    let alike = compared([0.5, 0.7], [0.4, 0.6]);
    assert!(alike.contains("r, own persona: B is higher"), "{alike}");
    assert!(alike.contains("r, own - other: no difference beyond chance"), "{alike}");
    assert!(alike.contains("raised alike: B pleases the value model more"), "{alike}");
    let itself = compared([0.5, 0.7], [0.4, 0.4]);
    assert!(itself.contains("r, own - other: B is higher"), "{itself}");
    assert!(!itself.contains("alike"), "{itself}");
}

/// Some vectors of three numbers.
fn vectors(most: usize) -> impl Strategy<Value = Vec<[f64; 3]>> {
    prop::collection::vec(prop::array::uniform3(-1.0..1.0), 1..most)
}

proptest! {
    #[test]
    fn figures_stay_within_their_bounds(
        dialogues in prop::collection::vec((vectors(4), vectors(5), vectors(5)), 2..8)
    ) {
        let (sentences, _) = axes(dialogues.len());
        let opponents = Opponents::draw(&sentences, 19, 7).unwrap();
        let personas: Vec<Vec<[f64; 3]>> = dialogues.iter().map(|(own, ..)| own.clone()).collect();
        let of = |number: usize, said: &[[f64; 3]]| Aligned::of(&personas, number, said, &opponents);
        let numbered = || dialogues.iter().enumerate();
        let said: Vec<Aligned> = numbered().map(|(number, (_, said, _))| of(number, said)).collect();
        let model: Vec<Aligned> = numbered().map(|(number, (.., model))| of(number, model)).collect();
        let found = PersonaAlignment::of(&said, &model, &opponents, Some(BOOTSTRAP));
        prop_assert_eq!(found.personas, dialogues.len());
        for Alignment { r, won, rank, first, .. } in [found.said, found.model] {
            prop_assert!(near(r.difference.value, r.own.value - r.other.value));
            prop_assert!((-1.0..=1.0).contains(&r.own.value) && (0.0..=1.0).contains(&won.value));
            prop_assert!((1.0..=found.personas as f64).contains(&rank.value));
            prop_assert!((0.0..=1.0).contains(&first.value));
        }
        let change = found.change;
        prop_assert!(near(change.own.value, found.model.r.own.value - found.said.r.own.value));
        prop_assert!(near(change.difference.value, change.own.value - change.other.value));
    }
}
