//! How far annotators agree: published worked examples, and what must not matter.

use proptest::prelude::*;
use valuenet::eval::Bootstrap;
use valuenet::eval::agreement::{Counts, Scale, fleiss_kappa, krippendorff_alpha, pairwise};
use valuenet::eval::annotators::{Agreement, Rated};
use valuenet::value::{Label, Value};

/// The counts of each item of a matrix of raters by items, the answers counted from 1.
fn counts<const K: usize>(raters: &[&[Option<usize>]]) -> Vec<Counts<K>> {
    let item = |place: usize| {
        let mut counts = [0; K];
        raters
            .iter()
            .filter_map(|answers| answers[place])
            .for_each(|answer| counts[answer - 1] += 1);
        counts
    };
    (0..raters[0].len()).map(item).collect()
}

/// A matrix of raters by items in letters, a dot for what is missing.
fn matrix<const K: usize>(text: &str) -> Vec<Counts<K>> {
    let rater = |line: &str| -> Vec<Option<usize>> {
        line.split(' ').map(|cell| cell.parse().ok()).collect()
    };
    let raters: Vec<Vec<Option<usize>>> = text.lines().map(|line| rater(line.trim())).collect();
    counts(&raters.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn rounded(figure: Option<f64>) -> f64 {
    (figure.unwrap() * 1000.0).round() / 1000.0
}

#[test]
fn fleiss_kappa_is_that_of_the_textbook_table() {
    // 14 raters, 10 subjects, 5 categories: the worked example of the encyclopedia's article on
    // Fleiss' kappa.
    let items: [Counts<5>; 10] = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ];
    assert_eq!(rounded(pairwise(&items, &[1; 10])), 0.378);
    assert_eq!(rounded(fleiss_kappa(&items, &[1; 10])), 0.21);
}

#[test]
fn krippendorffs_alpha_is_that_of_his_worked_examples() {
    // Computing Krippendorff's Alpha-Reliability (2011): two observers and binary data.
    let binary: Vec<Counts<2>> = matrix("1 2 1 1 1 1 1 1 2 1\n2 2 2 1 1 2 1 1 1 1");
    assert_eq!(rounded(krippendorff_alpha(&binary, &[1; 10], Scale::Nominal)), 0.095);
    // Four observers of twelve units with missing data.
    let units: Vec<Counts<5>> = matrix(
        "1 2 3 3 2 1 4 1 2 . . .\n1 2 3 3 2 2 4 1 2 5 . 3\n. 3 3 3 2 3 4 2 2 5 1 .\n1 2 3 3 2 4 4 1 2 5 1 .",
    );
    assert_eq!(rounded(krippendorff_alpha(&units, &[1; 12], Scale::Nominal)), 0.743);
    assert_eq!(rounded(krippendorff_alpha(&units, &[1; 12], Scale::Ordinal)), 0.815);
}

#[test]
fn raters_who_always_say_the_same_have_agreement_and_no_kappa() {
    let items: [Counts<3>; 2] = [[0, 4, 0], [0, 3, 0]];
    assert_eq!(pairwise(&items, &[1, 1]), Some(1.0));
    assert_eq!(fleiss_kappa(&items, &[1, 1]), None);
    assert_eq!(krippendorff_alpha(&items, &[1, 1], Scale::Ordinal), None);
    let alone: [Counts<3>; 1] = [[0, 1, 0]];
    assert_eq!(pairwise(&alone, &[1]), None);
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-12,
        (a, b) => a == b,
    }
}

/// Answers of so many workers to so many items; some are missing.
fn answers() -> impl Strategy<Value = Vec<Vec<Option<usize>>>> {
    (2usize..6, 1usize..12).prop_flat_map(|(workers, items)| {
        prop::collection::vec(
            prop::collection::vec(prop::option::weighted(0.8, 0usize..3), items),
            workers,
        )
    })
}

fn rated(workers: &[Vec<Option<usize>>]) -> Vec<Rated> {
    let item = |place: usize| Rated {
        value: Value::ALL[place % 2],
        text: place,
        answers: workers
            .iter()
            .enumerate()
            .filter_map(|(worker, answers)| Some((worker, Label::ALL[answers[place]?])))
            .collect(),
    };
    (0..workers[0].len()).map(item).collect()
}

proptest! {
    #[test]
    fn the_order_of_workers_and_items_changes_nothing(workers in answers(), turn in 0usize..12) {
        let figures = |workers: &[Vec<Option<usize>>]| {
            let found = Agreement::of(&rated(workers), Bootstrap { replicates: 0, seed: 1 });
            let all = &found.slices[0];
            [all.pairwise.estimate, all.kappa.estimate, all.alpha.estimate]
        };
        let mut turned = workers.clone();
        turned.reverse();
        turned.iter_mut().for_each(|answers| {
            let by = turn % answers.len();
            answers.rotate_left(by);
        });
        for (a, b) in figures(&workers).into_iter().zip(figures(&turned)) {
            prop_assert!(close(a, b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn perfect_agreement_is_one(said in prop::collection::vec(0usize..3, 2..12), workers in 2usize..6) {
        let found = Agreement::of(
            &rated(&vec![said.iter().copied().map(Some).collect(); workers]),
            Bootstrap { replicates: 0, seed: 1 },
        );
        let several = said.iter().any(|answer| *answer != said[0]);
        let all = &found.slices[0];
        prop_assert!(close(all.pairwise.estimate, Some(1.0)));
        prop_assert!(close(all.kappa.estimate, several.then_some(1.0)));
        prop_assert!(close(all.alpha.estimate, several.then_some(1.0)));
        prop_assert!(found.workers.iter().all(|worker| close(worker.agreement.estimate, Some(1.0))));
    }

    #[test]
    fn pairwise_agreement_is_what_counting_pairs_gives(workers in answers()) {
        let items = rated(&workers);
        let shares: Vec<f64> = items
            .iter()
            .filter(|item| item.answers.len() > 1)
            .map(|item| {
                let pairs = item.answers.iter().flat_map(|a| item.answers.iter().map(move |b| (a, b)));
                let pairs: Vec<bool> = pairs.filter(|(a, b)| a.0 < b.0).map(|(a, b)| a.1 == b.1).collect();
                pairs.iter().filter(|agrees| **agrees).count() as f64 / pairs.len() as f64
            })
            .collect();
        let found = Agreement::of(&items, Bootstrap { replicates: 0, seed: 1 });
        let mean = (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64);
        prop_assert!(close(found.slices[0].pairwise.estimate, mean));
    }
}

#[test]
fn a_replicate_that_draws_an_item_twice_counts_it_twice() {
    let items: [Counts<3>; 3] = [[4, 0, 0], [1, 2, 1], [0, 1, 3]];
    let drawn = [items[0], items[0], items[2]];
    for (a, b) in [
        (pairwise(&items, &[2, 0, 1]), pairwise(&drawn, &[1; 3])),
        (fleiss_kappa(&items, &[2, 0, 1]), fleiss_kappa(&drawn, &[1; 3])),
        (
            krippendorff_alpha(&items, &[2, 0, 1], Scale::Ordinal),
            krippendorff_alpha(&drawn, &[1; 3], Scale::Ordinal),
        ),
    ] {
        assert!(close(a, b), "{a:?} {b:?}");
    }
}

#[test]
fn intervals_hold_the_figures_and_workers_who_agree_least_come_first() {
    // Three workers who see the first word, and one who guesses.
    let item = |number: usize| {
        let right = Label::ALL[number % 3];
        let guess = Label::ALL[number * number % 7 % 3];
        let odd = if number.is_multiple_of(5) { guess } else { right };
        Rated {
            value: Value::ALL[number % 2],
            text: number,
            answers: vec![(0, right), (1, right), (2, odd), (3, guess)],
        }
    };
    let found = Agreement::of(
        &(0..120).map(item).collect::<Vec<_>>(),
        Bootstrap { replicates: 200, seed: 1 },
    );
    assert_eq!(found.slices.iter().map(|slice| slice.items).collect::<Vec<_>>(), [120, 60, 60]);
    for slice in &found.slices {
        for estimate in [slice.pairwise, slice.kappa, slice.alpha] {
            let (figure, interval) = (estimate.estimate.unwrap(), estimate.interval.unwrap());
            assert!(interval.low < figure && figure < interval.high, "{figure} {interval:?}");
            assert!(interval.high - interval.low < 0.4);
        }
    }
    assert_eq!(found.workers[0].worker, 3);
    assert!(
        found.workers[0].agreement.interval.unwrap().high
            < found.workers[3].agreement.estimate.unwrap()
    );
}
