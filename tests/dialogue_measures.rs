//! Measures of dialogues: perplexity, Hits@1, F1, diversity, and their intervals.

use proptest::prelude::*;
use valuenet::eval::Bootstrap;
use valuenet::eval::dialogue::{
    Candidate, Choice, Estimate, Hits, Likelihood, Perplexity, Replies, Reply, f1,
};

const BOOTSTRAP: Option<Bootstrap> = Some(Bootstrap { replicates: 200, seed: 3 });

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)
}

#[test]
fn f1_is_parlais() {
    for (guess, gold, expected) in [
        ("I'm a big fan of the Beatles!", "i am the beatles fan .", 0.6),
        ("i like like dogs", "i like dogs and i like cats", 8.0 / 11.0),
        ("the the the", "the", 0.0),
        ("A-Team", "team", 1.0),
        ("it’s mine", "it's mine", 0.4),
        ("", "", 0.0),
        ("no", "yes", 0.0),
        ("yes yes", "yes", 2.0 / 3.0),
    ] {
        assert!(near(f1(guess, gold), expected), "{guess} {gold}: {}", f1(guess, gold));
    }
}

#[test]
fn perplexity_has_four_units() {
    let rows = [
        Likelihood::of(0, "a sailor", 6.0, 3),
        Likelihood::of(0, "über", 4.0, 2),
        Likelihood::of(1, "yes , very much", 1.0, 5),
    ];
    let found = Perplexity::of(&rows, None);
    let counts = (found.dialogues, found.replies, found.tokens, found.words, found.bytes);
    assert_eq!(counts, (2, 3, 10, 7, 8 + 5 + 15));
    assert!(near(found.per_token.value, 1.1f64.exp()));
    assert!(near(found.per_word.value, (11.0f64 / 10.0).exp()));
    assert!(near(found.bits_per_byte.value, 11.0 / std::f64::consts::LN_2 / 28.0));
    assert!(near(found.per_reply.value, ((2.0 + 2.0 + 0.2) / 3.0f64).exp()));
    assert_eq!(found.per_token.interval, None);
    let [low, high] = Perplexity::of(&rows, BOOTSTRAP).per_token.interval.unwrap().into();
    // Either dialogue twice: exp(1/5) and exp(2).
    assert!(near(low, 0.2f64.exp()) && near(high, 2f64.exp()), "{low} {high}");
    let one = Perplexity::of(&rows[..2], BOOTSTRAP);
    assert_eq!(one.per_token.interval, None);
    let none = Perplexity::of(&[], BOOTSTRAP);
    assert!(none.per_token.value.is_nan() && none.replies == 0);
}

/// A candidate with a log-probability of its tokens and of its end.
fn candidate(text: &str, tokens: usize, log_probability: f64, end: f64) -> Candidate {
    Candidate { text: text.into(), tokens, log_probability, end, unconditional: None }
}

fn hits(candidates: &[Candidate]) -> [f64; 2] {
    let found = Hits::of(&[Choice { dialogue: 0, candidates: candidates.to_vec() }], None);
    assert_eq!(found.sum_minus_unconditional, None);
    [found.mean.value, found.sum.value]
}

#[test]
fn a_reply_is_found_by_its_mean_or_by_its_sum() {
    let gold = candidate("i sail and i knit", 4, -4.0, -1.0);
    assert_eq!(hits(&[candidate("no", 1, -2.0, -1.0), gold.clone()]), [1.0, 0.0]);
    assert_eq!(
        hits(&[candidate("no no no no no no no no", 8, -6.0, -1.0), gold.clone()]),
        [0.0, 1.0]
    );
    // Only the sum knows the end.
    assert_eq!(hits(&[candidate("i sail and i cook", 4, -4.5, -0.1), gold.clone()]), [1.0, 0.0]);
    assert_eq!(hits(&[gold]), [1.0, 1.0]);
}

#[test]
fn ties_are_lost_unless_the_other_says_the_same() {
    let (gold, tie) = (candidate("A sailor.", 2, -2.0, 0.0), candidate("a cook", 2, -2.0, 0.0));
    assert_eq!(hits(&[tie.clone(), gold.clone()]), [0.0, 0.0]);
    // The same but for case, marks and articles counts as the reply, whichever is likelier.
    let same = candidate("the sailor !", 2, -1.0, 0.0);
    assert_eq!(hits(&[tie.clone(), same.clone(), gold.clone()]), [1.0, 1.0]);
    assert_eq!(hits(&[tie, Candidate { log_probability: -2.0, ..same }, gold.clone()]), [0.0, 0.0]);
    for nan in [f64::NAN, f64::NEG_INFINITY] {
        let lost = Candidate { log_probability: nan, ..gold.clone() };
        assert_eq!(hits(&[candidate("a cook", 2, -9.0, 0.0), lost.clone()]), [0.0, 0.0]);
        let expected = if nan.is_nan() { 0.0 } else { 1.0 };
        assert_eq!(
            hits(&[Candidate { text: "a cook".into(), ..lost }, gold.clone()]),
            [expected; 2]
        );
    }
}

#[test]
fn what_is_likely_anyway_counts_less_in_the_third_variant() {
    let with = |candidate: Candidate, unconditional: f64| Candidate {
        unconditional: Some(unconditional),
        ..candidate
    };
    let row = |dialogue| Choice {
        dialogue,
        candidates: vec![
            with(candidate("hi", 1, -1.0, 0.0), -1.0),
            with(candidate("i sail", 2, -4.0, -1.0), -9.0),
        ],
    };
    let found = Hits::of(&[row(0), row(1)], BOOTSTRAP);
    assert_eq!((found.mean.value, found.sum.value), (0.0, 0.0));
    let gained = found.sum_minus_unconditional.unwrap();
    assert_eq!(gained.value, 1.0);
    assert_eq!(gained.interval.map(<[f64; 2]>::from), Some([1.0, 1.0]));
    assert_eq!((found.dialogues, found.replies, found.candidates, found.chance), (2, 2, 4, 0.5));
}

fn replies<'a>(texts: &[(usize, &'a str)], persona: &'a [String]) -> Vec<Reply<'a>> {
    texts
        .iter()
        .map(|&(dialogue, text)| Reply { dialogue, text, gold: "i sail", persona })
        .collect()
}

#[test]
fn diversity_counts_runs_of_words() {
    let persona = ["i like to sail the sea .".to_string()];
    let texts = [
        (0, "I like to sail!"),
        (0, "no , i like to sail and i like to sail and cook"),
        (1, "i like to sail"),
        (1, ""),
    ];
    let found = Replies::of(&replies(&texts, &persona), None);
    assert_eq!((found.dialogues, found.replies, found.words), (2, 4, 20));
    // no i like to sail and cook
    assert!(near(found.distinct_1.value, 7.0 / 20.0));
    // i-like like-to to-sail | no-i sail-and and-i and-cook, of 3 + 11 + 3
    assert!(near(found.distinct_2.value, 7.0 / 17.0));
    assert!(near(found.length.value, 5.0));
    assert!(near(found.commonest.value, 0.5));
    // "i like to sail" and "like to sail and" a second time, of 1 + 9 + 1.
    assert!(near(found.repeated_4_grams.value, 2.0 / 11.0));
    // Of 2 + 10 + 2 runs of three; articles are no words.
    assert!(near(found.persona_3_grams.value, 8.0 / 14.0));
    assert!(near(
        found.f1.value,
        [2.0 / 3.0, 4.0 / 14.0, 2.0 / 3.0, 0.0].iter().sum::<f64>() / 4.0
    ));
}

#[test]
fn the_interval_of_distinct_words_holds_the_figure() {
    let texts: Vec<(usize, String)> = (0..60)
        .map(|number| (number / 2, format!("i have {} cats and {number}", number % 7)))
        .collect();
    let texts: Vec<(usize, &str)> =
        texts.iter().map(|(dialogue, text)| (*dialogue, text.as_str())).collect();
    let found = Replies::of(&replies(&texts, &[]), BOOTSTRAP);
    for Estimate { value, interval } in [found.distinct_1, found.distinct_2] {
        let [low, high] = interval.unwrap().into();
        assert!(low < value && value < high, "{low} {value} {high}");
    }
    // Each dialogue's different words are its own: leaving one out says how sure the share is.
    let own = Replies::of(&replies(&[(0, "x y"), (1, "z z"), (2, "v v")], &[]), BOOTSTRAP);
    let without: [f64; 3] = [2.0 / 4.0, 3.0 / 4.0, 3.0 / 4.0];
    let mean = without.iter().sum::<f64>() / 3.0;
    let se = (2.0 / 3.0 * without.iter().map(|x| (x - mean).powi(2)).sum::<f64>()).sqrt();
    let [low, high] = own.distinct_1.interval.unwrap().into();
    assert!(near(low, 4.0 / 6.0 - 1.96 * se) && near(high, 4.0 / 6.0 + 1.96 * se));
}

#[test]
fn measures_are_written_as_numbers_with_intervals() {
    let rows = [Likelihood::of(4, "a b", 2.0, 4), Likelihood::of(9, "c", 1.0, 2)];
    let json = serde_json::to_value(Perplexity::of(&rows, BOOTSTRAP)).unwrap();
    assert_eq!(json["tokens"], 6);
    assert!(json["per_token"]["interval"].is_array());
    let json = serde_json::to_value(Perplexity::of(&rows, None)).unwrap();
    assert!(json["per_token"]["value"].is_f64() && json["per_token"]["interval"].is_null());
    let json = serde_json::to_value(Replies::of(&[], None)).unwrap();
    assert!(json["f1"]["value"].is_null() && json["replies"] == 0);
}

fn text() -> impl Strategy<Value = String> {
    "([a-e ]|the | a |[.,’!]){0,12}"
}

fn texts() -> impl Strategy<Value = Vec<(usize, String)>> {
    prop::collection::vec((0usize..5, text()), 1..20)
}

proptest! {
    #[test]
    fn f1_is_symmetric_and_one_for_the_same_words(a in text(), b in text()) {
        prop_assert_eq!(f1(&a, &b), f1(&b, &a));
        prop_assert!((0.0..=1.0).contains(&f1(&a, &b)));
        let same = f1(&a, &a.to_uppercase());
        prop_assert!(same == 1.0 || (same == 0.0 && f1(&a, &a) == 0.0));
    }

    #[test]
    fn a_constant_loss_is_its_own_perplexity(
        nll in 0.01f64..8.0, tokens in prop::collection::vec((0usize..6, 1usize..30), 1..30)
    ) {
        let rows: Vec<Likelihood> =
            tokens.iter().map(|&(dialogue, tokens)| Likelihood::of(dialogue, "a b", nll * tokens as f64, tokens)).collect();
        let found = Perplexity::of(&rows, BOOTSTRAP);
        for Estimate { value, interval } in [found.per_token, found.per_reply] {
            prop_assert!(near(value, nll.exp()));
            if let Some([low, high]) = interval.map(<[f64; 2]>::from) {
                prop_assert!(near(low, nll.exp()) && near(high, nll.exp()));
            }
        }
    }

    /// Dialogues renumbered and in another order; the replies of each stay in theirs.
    #[test]
    fn the_order_of_dialogues_changes_nothing(rows in texts(), nll in prop::collection::vec(0.1f64..30.0, 20)) {
        let persona = ["a b c d".to_string()];
        let moved = |dialogue: usize| [30, 2, 17, 1, 9][dialogue];
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&place| moved(rows[place].0));

        let likelihood = |place: usize, dialogue: usize| {
            Likelihood::of(dialogue, &rows[place].1, nll[place], place % 4 + 1)
        };
        let straight: Vec<Likelihood> = (0..rows.len()).map(|place| likelihood(place, rows[place].0)).collect();
        let other: Vec<Likelihood> = order.iter().map(|&place| likelihood(place, moved(rows[place].0))).collect();
        let json = |found: Perplexity| serde_json::to_string(&found).unwrap();
        prop_assert_eq!(json(Perplexity::of(&straight, BOOTSTRAP)), json(Perplexity::of(&other, BOOTSTRAP)));

        let reply = |place: usize, dialogue: usize| {
            Reply { dialogue, text: &rows[place].1, gold: "a c e", persona: &persona }
        };
        let straight: Vec<Reply> = (0..rows.len()).map(|place| reply(place, rows[place].0)).collect();
        let other: Vec<Reply> = order.iter().map(|&place| reply(place, moved(rows[place].0))).collect();
        let json = |found: Replies| serde_json::to_string(&found).unwrap();
        prop_assert_eq!(json(Replies::of(&straight, BOOTSTRAP)), json(Replies::of(&other, BOOTSTRAP)));

        let choice = |place: usize, dialogue: usize| {
            let tokens = |text: &str| text.len();
            let one = |text: &str, score: f64| candidate(text, tokens(text), -score, -0.5);
            Choice { dialogue, candidates: vec![one("b d", 9.0), one(&rows[place].1, nll[place])] }
        };
        let straight: Vec<Choice> = (0..rows.len()).map(|place| choice(place, rows[place].0)).collect();
        let other: Vec<Choice> = order.iter().map(|&place| choice(place, moved(rows[place].0))).collect();
        let json = |found: Hits| serde_json::to_string(&found).unwrap();
        prop_assert_eq!(json(Hits::of(&straight, BOOTSTRAP)), json(Hits::of(&other, BOOTSTRAP)));
    }

    #[test]
    fn a_share_lies_between_nothing_and_all(rows in texts()) {
        let persona = ["a b c d".to_string()];
        let rows: Vec<Reply> = rows
            .iter()
            .map(|(dialogue, text)| Reply { dialogue: *dialogue, text, gold: "a c", persona: &persona })
            .collect();
        let found = Replies::of(&rows, None);
        let shares =
            [found.f1, found.distinct_1, found.distinct_2, found.commonest, found.repeated_4_grams, found.persona_3_grams];
        for Estimate { value, .. } in shares {
            prop_assert!(value.is_nan() || (0.0..=1.0).contains(&value), "{value}");
        }
    }
}
