//! Metrics against scikit-learn and scipy, and against what must always hold.

use proptest::prelude::*;
use serde_json::Value as Json;
use valuenet::eval::calibration::{Thresholded, Thresholds, reliability};
use valuenet::eval::circle::Circle;
use valuenet::eval::compare::{Comparison, McNemar, holm};
use valuenet::eval::figures::Measured;
use valuenet::eval::speaker::Speaker;
use valuenet::eval::{Bootstrap, Confusion, Evaluation, Figure, Interval, Scored};
use valuenet::seed::{Purpose, Stream};
use valuenet::value::{Group, Label, LabelCounts, Value};

use crate::support::scored;

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
        assert_eq!(
            serde_json::to_value(all.confusion).unwrap(),
            classes["confusion_rows_true"],
            "{name}"
        );
        for (place, class) in all.classes.iter().enumerate() {
            assert_close(class.scores.precision, &classes["precision"][place], name);
            assert_close(class.scores.recall, &classes["recall"][place], name);
            assert_close(class.scores.f1, &classes["f1"][place], name);
            assert_eq!(Json::from(class.scores.support), classes["support"][place], "{name}");
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
    let row =
        |label, class, utility| Scored { class, ..scored(Value::Power, label, utility, None) };
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
    let rows = [
        row(Value::Power, Some(true)),
        row(Value::Tradition, Some(false)),
        row(Value::Power, Some(false)),
    ];
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
    let rows = [
        row(Value::Power, Label::Yes),
        row(Value::Power, Label::No),
        row(Value::Security, Label::No),
    ];
    let baseline = Evaluation::of(&rows, Some(&train)).unwrap().all().baseline.unwrap();
    assert_eq!(baseline.accuracy, 2.0 / 3.0); // a tie goes to the lower label
    let third = 1.0f64 / 3.0;
    let expected = ((third - 1.0).powi(2) + (third + 1.0).powi(2) + (-0.5f64 + 1.0).powi(2)) / 3.0;
    assert!((baseline.mse - expected).abs() < 1e-15);
}

fn any_label() -> impl Strategy<Value = Label> {
    prop::sample::select(Label::ALL.to_vec())
}

/// What holds of rows whose label and class are those of `pairs` modulo `N`; `order` shuffles the
/// classes.
fn check_confusion<const N: usize>(
    pairs: &[(usize, usize, u32)],
    order: &[usize],
) -> Result<(), TestCaseError> {
    let rows = || pairs.iter().map(|&(label, class, weight)| (label % N, class % N, weight));
    let count = |is_in: &dyn Fn(usize, usize) -> bool| -> u64 {
        let inside = rows().filter(|&(label, class, _)| is_in(label, class));
        inside.map(|(.., weight)| u64::from(weight)).sum()
    };
    let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    let confusion = Confusion::<N>::of(rows());
    let (total, classes) = (count(&|_, _| true), confusion.classes());
    prop_assert_eq!(confusion.total(), total);
    for (class, scores) in classes.iter().enumerate() {
        let of_label = count(&|label, _| label == class);
        let of_class = count(&|_, predicted| predicted == class);
        let hits = count(&|label, predicted| label == class && predicted == class);
        prop_assert_eq!(confusion.counts()[class].iter().sum::<u64>(), of_label);
        prop_assert_eq!(confusion.labels()[class], of_label);
        prop_assert_eq!(confusion.predictions()[class], of_class);
        prop_assert_eq!(scores.support, of_label);
        prop_assert_eq!(scores.precision, share(hits, of_class));
        prop_assert_eq!(scores.recall, share(hits, of_label));
        let mean = 2.0 * scores.precision * scores.recall;
        let mean = if hits == 0 { 0.0 } else { mean / (scores.precision + scores.recall) };
        prop_assert!((scores.f1 - mean).abs() < 1e-12);
    }
    let trace: u64 = (0..N).map(|class| confusion.counts()[class][class]).sum();
    prop_assert_eq!(confusion.accuracy(), share(trace, total));

    let place: Vec<usize> = order.iter().copied().filter(|&class| class < N).collect();
    let moved = Confusion::<N>::of(
        rows().map(|(label, class, weight)| (place[label], place[class], weight)),
    );
    for (class, scores) in classes.iter().enumerate() {
        prop_assert_eq!(&moved.classes()[place[class]], scores);
    }
    prop_assert_eq!(moved.accuracy(), confusion.accuracy());
    prop_assert_eq!(moved.majority(), confusion.majority());
    prop_assert!((moved.macro_f1() - confusion.macro_f1()).abs() < 1e-12);
    prop_assert!((moved.weighted_f1() - confusion.weighted_f1()).abs() < 1e-12);
    Ok(())
}

/// The cells of a matrix as rows: label, predicted class, how often.
fn cells<const N: usize>(counts: &[[u32; N]; N]) -> impl Iterator<Item = (usize, usize, u32)> {
    (0..N).flat_map(move |i| (0..N).map(move |j| (i, j, counts[i][j])))
}

#[test]
fn a_worked_example_of_four_classes() {
    let counts = [[5, 1, 0, 2], [0, 3, 1, 0], [2, 0, 4, 0], [0, 0, 0, 2]];
    let confusion = Confusion::<4>::of(cells(&counts));
    assert_eq!(confusion.labels(), [8, 4, 6, 2]);
    assert_eq!(confusion.predictions(), [7, 4, 5, 4]);
    let found = confusion.classes().map(|class| [class.precision, class.recall, class.f1]);
    let expected = [
        [5.0 / 7.0, 5.0 / 8.0, 2.0 / 3.0],
        [3.0 / 4.0, 3.0 / 4.0, 3.0 / 4.0],
        [4.0 / 5.0, 4.0 / 6.0, 8.0 / 11.0],
        [2.0 / 4.0, 2.0 / 2.0, 2.0 / 3.0],
    ];
    assert_eq!(found, expected);
    assert_eq!(confusion.accuracy(), 14.0 / 20.0);
    assert_eq!(confusion.majority(), 8.0 / 20.0);
    assert!((confusion.macro_f1() - 371.0 / 528.0).abs() < 1e-12);
    assert!((confusion.weighted_f1() - 463.0 / 660.0).abs() < 1e-12);
    assert_eq!(confusion.mean_squared_error(), f64::from(1 + 2 * 9 + 1 + 2 * 4) / 20.0);
    assert_eq!(confusion.opposed(), 2.0 / 20.0);
    let json = serde_json::to_value(confusion).unwrap();
    assert_eq!(json, serde_json::json!(counts));
    assert_eq!(serde_json::from_value::<Confusion<4>>(json.clone()).unwrap(), confusion);
    let error = serde_json::from_value::<Confusion<3>>(json).unwrap_err();
    assert!(error.to_string().contains("3 rows of 3 counts"), "{error}");
}

proptest! {
    #[test]
    fn confusions_of_any_number_of_classes_count_every_row_and_do_not_depend_on_the_classes_order(
        pairs in prop::collection::vec((0usize..32, 0usize..32, 0u32..4), 0..300),
        order in Just((0..32).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        check_confusion::<1>(&pairs, &order)?;
        check_confusion::<2>(&pairs, &order)?;
        check_confusion::<3>(&pairs, &order)?;
        check_confusion::<7>(&pairs, &order)?;
        check_confusion::<32>(&pairs, &order)?;
    }

    #[test]
    fn figures_depend_on_neither_the_order_of_rows_nor_on_how_equal_ones_are_written(
        rows in prop::collection::vec((-1.0f64..1.0, any_label(), 0u32..4), 1..60)
    ) {
        let row = |&(utility, label, _): &(f64, Label, u32)| scored(Value::Power, label, utility, None);
        let all: Vec<Scored> = rows.iter().map(row).collect();
        let weights: Vec<u32> = rows.iter().map(|(.., weight)| *weight).collect();
        let weighted = Measured::new(&all.iter().collect::<Vec<_>>()).figures(&weights);
        let times = |row: &(f64, Label, u32)| std::iter::repeat_n(scored(Value::Power, row.1, row.0, None), row.2 as usize);
        let copies: Vec<Scored> = rows.iter().rev().flat_map(times).collect();
        let written_out = Measured::new(&copies.iter().collect::<Vec<_>>()).figures(&vec![1; copies.len()]);
        for ((a, b), figure) in weighted.into_iter().zip(written_out).zip(Figure::ALL) {
            prop_assert!((a - b).abs() < 1e-9 || (a.is_nan() && b.is_nan()), "{:?}: {} {}", figure, a, b);
        }
    }
}

#[test]
fn kappa_auc_and_percentiles_are_those_of_scikit_learn_and_numpy() {
    let file = std::fs::read("tests/fixtures/golden/metrics_order.json").unwrap();
    let expected: Json = serde_json::from_slice(&file).unwrap();
    for case in golden()["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let predicted = numbers(&case["pred"]);
        let rows = predicted.iter().zip(numbers(&case["label"]));
        let rows: Vec<Scored> = rows
            .map(|(&utility, number)| scored(Value::Power, label(number), utility, None))
            .collect();
        let evaluation = Evaluation::of(&rows, None).unwrap();
        let all = evaluation.all();
        for (found, key) in [(all.quadratic_kappa, "quadratic_kappa"), (all.sign_auc, "sign_auc")] {
            match found {
                Some(found) => assert_close(found, &expected[name][key], &format!("{name} {key}")),
                None => assert!(expected[name][key].is_null(), "{name}: {key}"),
            }
        }
        let interval: [f64; 2] = Interval::of(predicted).unwrap().into();
        for (place, end) in interval.into_iter().enumerate() {
            assert_close(end, &expected[name]["interval_of_predictions"][place], name);
        }
    }
}

#[test]
fn a_worked_example_of_kappa() {
    // Labels by classes; the margins are 16/14/10 and 17/15/8. Disagreement counts by its squared
    // distance.
    let counts = [[12u32, 3, 1], [3, 9, 2], [2, 3, 5]];
    let confusion = Confusion::<3>::of(cells(&counts));
    let observed = f64::from(3 + 4 + 3 + 2 + 4 * 2 + 3);
    let (labels, classes) = ([16.0, 14.0, 10.0], [17.0, 15.0, 8.0]);
    let expected = (labels[0] * (classes[1] + 4.0 * classes[2])
        + labels[1] * (classes[0] + classes[2])
        + labels[2] * (4.0 * classes[0] + classes[1]))
        / 40.0;
    assert!((confusion.quadratic_kappa().unwrap() - (1.0 - observed / expected)).abs() < 1e-12);
    assert_eq!(confusion.opposed(), 3.0 / 40.0);
}

#[test]
fn intervals_depend_on_the_seed_alone_and_hold_the_figure() {
    let labels = [Label::No, Label::Unrelated, Label::Yes];
    let row = |i: usize| Scored {
        text: i / 2,
        ..scored(
            Value::ALL[i % 10],
            labels[i * 7 % 3],
            (i as f64 * i as f64 * 0.7).sin(),
            Some(i.is_multiple_of(4)),
        )
    };
    let rows: Vec<Scored> = (0..300).map(row).collect();
    let with = |seed: u64, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let bootstrap = Bootstrap { replicates: 200, seed };
        pool.install(|| Evaluation::of(&rows, None).unwrap().with_intervals(&rows, bootstrap))
    };
    let one = with(1, 1);
    assert_eq!(one, with(1, 3));
    assert_ne!(one, with(2, 1));
    for slice in &one.slices {
        let Interval { low, high } = slice.intervals["accuracy"];
        assert!(low <= slice.accuracy && slice.accuracy <= high && low < high, "{}", slice.name);
    }
    assert_eq!(one.all().intervals.len(), Figure::COUNT);
    let read: Evaluation = serde_json::from_value(serde_json::to_value(&one).unwrap()).unwrap();
    assert_eq!(read, one);
}

/// Rows of which those of a text are right or wrong together, and their true accuracy and squared
/// error.
fn simulated(number: u64) -> (Vec<Scored>, [f64; 2]) {
    let mut stream = Stream::new(number, Purpose::Shuffle, 0);
    let mut uniform = move || f64::from(stream.next_u32()) / f64::from(u32::MAX);
    let mut rows = Vec::new();
    for text in 0..250 {
        let (easy, values) = (uniform() < 0.5, 1 + (uniform() * 3.0) as usize);
        for value in 0..values.min(3) {
            let right = uniform() < if easy { 0.9 } else { 0.4 };
            let utility = if right { 0.75 } else { -0.75 };
            rows.push(Scored { text, ..scored(Value::ALL[value], Label::Yes, utility, None) });
        }
    }
    (rows, [0.65, 0.65 * 0.0625 + 0.35 * 3.0625])
}

#[test]
#[ignore = "a simulation that takes half a minute"]
fn intervals_cover_the_truth_nineteen_times_of_twenty() {
    const SIMULATIONS: u64 = 2000;
    let mut covered = [0; 2];
    for number in 0..SIMULATIONS {
        let (rows, truth) = simulated(number);
        let bootstrap = Bootstrap { replicates: 400, seed: number };
        let evaluation = Evaluation::of(&rows, None).unwrap().with_intervals(&rows, bootstrap);
        for (place, name) in ["accuracy", "mse"].into_iter().enumerate() {
            let Interval { low, high } = evaluation.all().intervals[name];
            covered[place] += u64::from(low <= truth[place] && truth[place] <= high);
        }
    }
    for count in covered {
        let share = count as f64 / SIMULATIONS as f64;
        assert!((0.93..=0.97).contains(&share), "the intervals cover {share}");
    }
}

#[test]
fn mcnemars_test_and_holms_method_give_published_values() {
    // Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13:91 (2013): 6 and 16
    // discordant pairs.
    assert!((McNemar::of(6, 16).p - 0.0525).abs() < 5e-5, "{}", McNemar::of(6, 16).p);
    assert_eq!(McNemar::of(0, 0).p, 1.0);
    assert_eq!(McNemar::of(7, 7).p, 1.0);
    assert!((McNemar::of(0, 5).p - 2.0 / 32.0).abs() < 1e-12);
    let of_scipy = 0.030_720_707_864_2; // binomtest(1000, 2100)
    assert!((McNemar::of(1000, 1100).p - of_scipy).abs() < 1e-12);
    let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
    let expected = [0.03, 0.06, 0.06, 0.02];
    assert!(adjusted.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{adjusted:?}");
    assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
}

#[test]
fn a_model_differs_from_a_worse_one_and_not_from_itself() {
    let labels = [Label::No, Label::Unrelated, Label::Yes];
    let rows = |shift: f64| -> Vec<Scored> {
        let row = |i: usize| {
            let label = labels[i * 7 % 3];
            let utility =
                0.8 * f64::from(label.number()) + shift * (i as f64 * i as f64 * 0.7).sin();
            Scored { text: i / 2, ..scored(Value::ALL[i % 10], label, utility, None) }
        };
        (0..600).map(row).collect()
    };
    let bootstrap = Bootstrap { replicates: 300, seed: 1 };
    let (good, bad) = (rows(0.5), rows(1.2));
    let same = Comparison::of(&good, &good, bootstrap);
    for slice in &same.slices {
        assert!(
            slice.figures.values().all(|figure| figure.difference == 0.0 && figure.p == Some(1.0))
        );
        assert_eq!(slice.mcnemar.p, 1.0);
    }
    let worse = Comparison::of(&good, &bad, bootstrap);
    let accuracy = &worse.slices[0].figures["accuracy"];
    assert!(accuracy.difference < -0.1 && accuracy.p < Some(0.01), "{accuracy:?}");
    assert!(accuracy.interval.unwrap().high < 0.0);
    assert!(worse.slices[0].mcnemar.p < 1e-6);
    let values = worse.slices.iter().filter(|slice| slice.name.parse::<Value>().is_ok());
    for slice in values {
        let found = &slice.figures["accuracy"];
        assert!(found.adjusted_p >= found.p, "{}", slice.name);
    }
}

#[test]
fn reliability_bins_rows_of_like_utility() {
    let rows: Vec<Scored> =
        [(-1.0, Label::No), (-0.95, Label::Unrelated), (0.05, Label::Yes), (1.0, Label::Yes)]
            .map(|(utility, label)| scored(Value::Power, label, utility, None))
            .into();
    let bins = reliability(&rows);
    let found: Vec<(usize, f64)> = bins.iter().map(|bin| (bin.rows, bin.mean_label)).collect();
    assert_eq!(found, [(2, -0.5), (1, 1.0), (1, 1.0)]);
    assert!((bins[0].mean_utility + 0.975).abs() < 1e-12);
}

#[test]
fn thresholds_are_fitted_where_classes_part_and_stay_at_roundings_where_that_is_as_good() {
    let row = |utility: f64, label| scored(Value::Power, label, utility, None);
    let parted: Vec<Scored> = (0..90)
        .map(|i| match i % 3 {
            0 => row(-0.3 - 0.005 * f64::from(i), Label::No),
            1 => row(-0.2 + 0.001 * f64::from(i), Label::Unrelated),
            _ => row(0.1 + 0.005 * f64::from(i), Label::Yes),
        })
        .collect();
    let fitted = Thresholds::fit(&parted);
    assert!(
        (-0.3..=-0.2).contains(&fitted.low) && (-0.11..=0.11).contains(&fitted.high),
        "{fitted:?}"
    );
    let judged = Thresholded::of(&parted, &parted, None).unwrap();
    assert_eq!(judged.evaluation.all().accuracy, 1.0);
    let clear = [row(-1.0, Label::No), row(0.0, Label::Unrelated), row(1.0, Label::Yes)];
    let Thresholds { low, high } = Thresholds::fit(&clear);
    assert!((low + 0.5).abs() < 1e-9 && (high - 0.5).abs() < 1e-9, "{low} {high}");
}

#[test]
fn a_circle_is_found_where_there_is_one_and_nowhere_else() {
    let mut stream = Stream::new(5, Purpose::Init, 1);
    let mut vectors = |of: &dyn Fn(usize, [f32; 3]) -> f32| -> Vec<[f32; 10]> {
        (0..400)
            .map(|_| {
                let drawn = [stream.normal(), stream.normal(), stream.normal()];
                std::array::from_fn(|index| of(index, drawn) + 0.3 * stream.normal())
            })
            .collect()
    };
    let angle = |index: usize| std::f32::consts::TAU * index as f32 / 10.0;
    let round =
        Circle::of(&vectors(&|index, [a, b, _]| a * angle(index).cos() + b * angle(index).sin()));
    assert!(round.fit > Some(0.95) && round.p < Some(0.01), "{:?} {:?}", round.fit, round.p);
    assert!(round.by_distance.is_sorted_by(|a, b| a > b), "{:?}", round.by_distance);
    assert!(round.by_distance[4] < -0.5);
    let alike = Circle::of(&vectors(&|_, [a, ..]| a));
    assert!(alike.fit.unwrap().abs() < 0.5, "{:?}", alike.fit);
    assert_eq!(Circle::of(&[[0.5; 10]; 3]).fit, None);
}

#[test]
fn a_speakers_profile_is_the_mean_with_an_interval_and_groups() {
    let profile = |value: Value, utility: f32| {
        let mut profile = [0.0; 10];
        profile[value.index()] = utility;
        profile
    };
    let texts = [
        profile(Value::Stimulation, 0.8),
        profile(Value::Stimulation, 0.4),
        profile(Value::Security, -0.6),
    ];
    let speaker = Speaker::of(&texts, 1).unwrap();
    let level = |value: Value| &speaker.values[value.index()];
    assert!((level(Value::Stimulation).level.mean - 0.4).abs() < 1e-6);
    assert_eq!(level(Value::Stimulation).strongest[0].text, 0);
    assert_eq!(level(Value::Security).weakest[0].text, 2);
    let Interval { low, high } = level(Value::Stimulation).level.interval.unwrap();
    assert!((0.0..0.4).contains(&low) && high > 0.4);
    let group = |wanted: Group| {
        speaker.groups.iter().find(|level| level.group == wanted).unwrap().level.mean
    };
    assert!((group(Group::OpennessToChange) - 0.2).abs() < 1e-6);
    assert!((group(Group::Conservation) + 0.2 / 3.0).abs() < 1e-6);
    assert!(Speaker::of(&[], 1).is_none());
    let sizes = Group::ALL
        .map(|group| Value::ALL.into_iter().filter(|value| Group::of(*value) == group).count());
    assert_eq!(sizes, [2, 3, 3, 2]);
}
