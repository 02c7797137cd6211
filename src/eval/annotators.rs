//! How far annotators agree: over all items, for each value, and each worker with the others.

use serde::Serialize;

use super::agreement::{Counts, Scale, fleiss_kappa, krippendorff_alpha, pairwise};
use super::bootstrap::{Bootstrap, Interval};
use crate::value::{Label, Value};

/// A scenario under a value with the answers that say something: "not sure" is a missing answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rated {
    /// The value.
    pub value: Value,
    /// The scenario's number, counted from 0: the same one under several values is drawn together.
    pub text: usize,
    /// Workers, by number counted from 0, and their answers; a worker answers an item once.
    pub answers: Vec<(usize, Label)>,
}

impl Rated {
    fn counts(&self) -> Counts<{ Label::COUNT }> {
        let mut counts = [0; Label::COUNT];
        self.answers.iter().for_each(|(_, label)| counts[label.index()] += 1);
        counts
    }
}

/// A figure with its 95% interval, if it has meaning.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure.
    pub estimate: Option<f64>,
    /// The interval over replicates that draw scenarios.
    pub interval: Option<Interval>,
}

/// The agreement on some items.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgreedSlice {
    /// `all`, or the name of a value.
    pub name: String,
    /// The items that two workers or more answered.
    pub items: usize,
    /// The answers to them.
    pub answers: usize,
    /// The share of pairs of workers who agree, on average over items.
    pub pairwise: Estimate,
    /// Fleiss' kappa.
    pub kappa: Estimate,
    /// Krippendorff's alpha on the order no, unrelated, yes.
    pub alpha: Estimate,
}

/// A worker's agreement with the others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgreedWorker {
    /// The worker's number.
    pub worker: usize,
    /// The items that they answered and somebody else did.
    pub items: usize,
    /// The share of the others' answers that are the worker's own, on average over items.
    pub agreement: Estimate,
}

/// The agreement of annotators.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// All items first, then those of each value that has any.
    pub slices: Vec<AgreedSlice>,
    /// Workers who share items with others, those who agree least first.
    pub workers: Vec<AgreedWorker>,
}

/// Items whose figures are told together.
struct Part {
    name: &'static str,
    places: Vec<usize>,
    counts: Vec<Counts<{ Label::COUNT }>>,
}

/// How many figures a part has.
const FIGURES: usize = 3;

impl Part {
    fn new(name: &'static str, items: &[Rated], of: impl Fn(&Rated) -> bool) -> Self {
        let is_told = |place: &usize| items[*place].answers.len() > 1 && of(&items[*place]);
        let places: Vec<usize> = (0..items.len()).filter(is_told).collect();
        Self { name, counts: places.iter().map(|&place| items[place].counts()).collect(), places }
    }

    /// The figures with a weight for each of all items.
    fn figures(&self, weights: &[u32]) -> [Option<f64>; FIGURES] {
        let weights: Vec<u32> = self.places.iter().map(|&place| weights[place]).collect();
        [
            pairwise(&self.counts, &weights),
            fleiss_kappa(&self.counts, &weights),
            krippendorff_alpha(&self.counts, &weights, Scale::Ordinal),
        ]
    }
}

impl Agreement {
    /// The agreement on `items`, with intervals if the bootstrap has replicates.
    pub fn of(items: &[Rated], bootstrap: Bootstrap) -> Self {
        let of_value =
            |value: Value| Part::new(value.name(), items, move |item| item.value == value);
        let mut parts = vec![Part::new("all", items, |_| true)];
        parts.extend(Value::ALL.map(of_value).into_iter().filter(|part| !part.places.is_empty()));
        let workers =
            items.iter().flat_map(|item| &item.answers).map(|(worker, _)| worker + 1).max();
        let workers = workers.unwrap_or(0);

        let figures = |weights: &[u32]| -> Vec<Option<f64>> {
            let of_parts = parts.iter().flat_map(|part| part.figures(weights));
            of_parts.chain(with_others(items, weights, workers)).collect()
        };
        let texts = items.iter().map(|item| item.text + 1).max().unwrap_or(0);
        let replicates = bootstrap.draw(texts, |drawn| {
            figures(&items.iter().map(|item| drawn[item.text]).collect::<Vec<u32>>())
        });
        let whole = figures(&vec![1; items.len()]);
        let estimate = |place: usize| {
            let drawn =
                replicates.iter().map(|figures| figures[place].unwrap_or(f64::NAN)).collect();
            let interval = whole[place].and_then(|_| Interval::of(drawn));
            Estimate { estimate: whole[place], interval }
        };

        let slice = |(number, part): (usize, &Part)| AgreedSlice {
            name: part.name.into(),
            items: part.places.len(),
            answers: part.places.iter().map(|&place| items[place].answers.len()).sum(),
            pairwise: estimate(number * FIGURES),
            kappa: estimate(number * FIGURES + 1),
            alpha: estimate(number * FIGURES + 2),
        };
        let mut shared = vec![0; workers];
        let told = items.iter().filter(|item| item.answers.len() > 1);
        told.flat_map(|item| &item.answers).for_each(|(worker, _)| shared[*worker] += 1);
        let worker = |worker: usize| AgreedWorker {
            worker,
            items: shared[worker],
            agreement: estimate(parts.len() * FIGURES + worker),
        };
        let mut agreed: Vec<AgreedWorker> =
            (0..workers).filter(|&number| shared[number] > 0).map(worker).collect();
        agreed.sort_by(|a, b| {
            let of = |worker: &AgreedWorker| worker.agreement.estimate.unwrap_or(f64::NAN);
            of(a).total_cmp(&of(b))
        });
        Self { slices: parts.iter().enumerate().map(slice).collect(), workers: agreed }
    }
}

/// The share of the others' answers that are a worker's own, on average over the items that they
/// share, for each worker.
fn with_others(items: &[Rated], weights: &[u32], workers: usize) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0.0); workers];
    let told =
        items.iter().zip(weights).filter(|(item, weight)| **weight > 0 && item.answers.len() > 1);
    for (item, &weight) in told {
        let (counts, others) = (item.counts(), (item.answers.len() - 1) as f64);
        for &(worker, label) in &item.answers {
            let (sum, all) = &mut sums[worker];
            *sum += f64::from(weight) * f64::from(counts[label.index()] - 1) / others;
            *all += f64::from(weight);
        }
    }
    sums.into_iter().map(|(sum, all)| (all > 0.0).then(|| sum / all)).collect()
}
