//! Metrics against scikit-learn and scipy, and against what must always hold.

use crate::support::scored;
use proptest::prelude::*;
use serde_json::Value as Json;
use valuenet::eval::regression::{mean_absolute_error, mean_squared_error, pearson, spearman};
use valuenet::eval::{Confusion, Evaluation, Scored};
use valuenet::value::{Label, LabelCounts, Value};

fn golden() -> Json {
    let folder = std::env::var("VALUENET_GOLDEN").unwrap_or("tests/fixtures/golden".into());
    serde_json::from_slice(&std::fs::read(format!("{folder}/metrics.json")).unwrap()).unwrap()
}

fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn label(number: f64) -> Label {
    Label::ALL.into_iter().find(|label| f64::from(label.number()) == number).unwrap()
}

fn assert_close(found: f64, expected: &Json, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-12, "{what}: {found}, not {expected}");
}

#[test]
fn metrics_are_those_of_scikit_learn() {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 13);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let (predicted, labels) = (numbers(&case["pred"]), numbers(&case["label"]));
        let rows: Vec<Scored> = predicted
            .iter()
            .zip(&labels)
            .map(|(&utility, &number)| scored(Value::Power, label(number), utility, None))
            .collect();
        let evaluation = Evaluation::of(&rows, None).unwrap();
        let all = evaluation.all();
        assert_close(all.mse, &case["mse"], name);
        assert_close(all.mae, &case["mae"], name);
        for (found, key) in [(all.pearson, "pearson"), (all.spearman, "spearman")] {
            match found {
                Some(found) => assert_close(found, &case[key], &format!("{name} {key}")),
                None => assert!(case[key].is_null(), "{name}: {key} should be {}", case[key]),
            }
        }
        let classes = &case["half_even"];
        let rounded: Vec<f64> =
            predicted.iter().map(|&x| f64::from(Label::of_utility(x).unwrap().number())).collect();
        assert_eq!(rounded, numbers(&classes["rounded"]), "{name}");
        assert_close(all.accuracy, &classes["accuracy"], name);
        assert_close(all.macro_f1, &classes["macro_f1_three_classes"], name);
        assert_close(all.weighted_f1, &classes["weighted_f1"], name);
        assert_eq!(serde_json::to_value(all.confusion).unwrap(), classes["confusion_rows_true"], "{name}");
        for (place, class) in all.classes.iter().enumerate() {
            assert_close(class.precision, &classes["precision"][place], name);
            assert_close(class.recall, &classes["recall"][place], name);
            assert_close(class.f1, &classes["f1"][place], name);
            assert_eq!(Json::from(class.support), classes["support"][place], "{name}");
        }
    }
}

#[test]
fn utilities_round_to_the_nearest_class_with_ties_to_even() {
    let table = [
        (-3.4, Label::No),
        (-0.500_000_1, Label::No),
        (-0.5, Label::Unrelated),
        (-0.0, Label::Unrelated),
        (0.5, Label::Unrelated),
        (0.500_000_1, Label::Yes),
        (1.5, Label::Yes),
        (f64::INFINITY, Label::Yes),
    ];
    for (utility, class) in table {
        assert_eq!(Label::of_utility(utility), Some(class), "{utility}");
    }
    assert_eq!(Label::of_utility(f64::NAN), None);
}

#[test]
fn no_rows_are_an_error() {
    assert!(Evaluation::of(&[], None).is_err());
}

#[test]
fn classes_have_a_squared_error_of_their_own() {
    let row = |label, class, utility| Scored { class, ..scored(Value::Power, label, utility, None) };
    let rows = [
        row(Label::No, Label::Yes, 0.0),
        row(Label::Yes, Label::Yes, 0.0),
        row(Label::No, Label::Unrelated, 1.0),
    ];
    let evaluation = Evaluation::of(&rows, None).unwrap();
    assert_eq!(evaluation.all().class_mse, 5.0 / 3.0);
    assert_eq!(evaluation.all().mse, 2.0);
    assert_eq!(evaluation.all().accuracy, 1.0 / 3.0);
}

#[test]
fn slices_are_all_rows_unseen_texts_and_each_value_that_occurs() {
    let row = |value, seen| scored(value, Label::Yes, 1.0, seen);
    let rows =
        [row(Value::Power, Some(true)), row(Value::Tradition, Some(false)), row(Value::Power, Some(false))];
    let evaluation = Evaluation::of(&rows, None).unwrap();
    let slices: Vec<(&str, usize)> =
        evaluation.slices.iter().map(|slice| (slice.name.as_str(), slice.rows)).collect();
    assert_eq!(slices, [("all", 3), ("unseen", 2), ("POWER", 2), ("TRADITION", 1)]);
}

#[test]
fn baselines_are_each_values_own_majority_and_mean() {
    let row = |value, label| scored(value, label, 0.0, None);
    let train = LabelCounts::of([
        (Value::Power, Label::Yes),
        (Value::Power, Label::Yes),
        (Value::Power, Label::No),
        (Value::Security, Label::No),
        (Value::Security, Label::Unrelated),
    ]);
    let rows = [row(Value::Power, Label::Yes), row(Value::Power, Label::No), row(Value::Security, Label::No)];
    let baseline = Evaluation::of(&rows, Some(&train)).unwrap().all().baseline.unwrap();
    assert_eq!(baseline.accuracy, 2.0 / 3.0); // a tie goes to the lower label
    let third = 1.0f64 / 3.0;
    let expected = ((third - 1.0).powi(2) + (third + 1.0).powi(2) + (-0.5f64 + 1.0).powi(2)) / 3.0;
    assert!((baseline.mse - expected).abs() < 1e-15);
}

fn any_label() -> impl Strategy<Value = Label> {
    prop::sample::select(Label::ALL.to_vec())
}

proptest! {
    #[test]
    fn confusion_counts_every_pair_once(pairs in prop::collection::vec((any_label(), any_label()), 0..200)) {
        let confusion = Confusion::of(pairs.iter().copied());
        prop_assert_eq!(confusion.total(), pairs.len() as u64);
        for label in Label::ALL {
            let class = confusion.class(label);
            prop_assert_eq!(class.support, pairs.iter().filter(|pair| pair.0 == label).count() as u64);
            for score in [class.precision, class.recall, class.f1] {
                prop_assert!((0.0..=1.0).contains(&score));
            }
        }
        let hits = pairs.iter().filter(|pair| pair.0 == pair.1).count();
        prop_assert!((confusion.accuracy() - hits as f64 / pairs.len().max(1) as f64).abs() < 1e-12);
    }

    #[test]
    fn metrics_do_not_depend_on_the_order_of_rows(
        pairs in prop::collection::vec((-1.0f64..1.0, any_label().prop_map(|label| f64::from(label.number()))), 1..60)
    ) {
        let mut turned = pairs.clone();
        turned.reverse();
        prop_assert!((mean_squared_error(&pairs) - mean_squared_error(&turned)).abs() < 1e-12);
        prop_assert!((mean_absolute_error(&pairs) - mean_absolute_error(&turned)).abs() < 1e-12);
        for correlation in [pearson, spearman] {
            match (correlation(&pairs), correlation(&turned)) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-9 && (-1.0..=1.0).contains(&a)),
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }
}
