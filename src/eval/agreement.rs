//! How far raters agree beyond chance, from how many of them gave each item each answer.
//!
//! An item says something if two raters or more answered it; others are passed over. Each function
//! takes a weight for each item, how often it counts, so that a bootstrap can draw items.

/// How many raters gave an item each of the answers, in the order of the scale.
pub type Counts<const K: usize> = [u32; K];

/// How far two answers are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Answers are the same or not.
    Nominal,
    /// Answers have an order, and are as far apart as there are answers between them.
    Ordinal,
}

/// The items that say something, with their weight and their number of raters.
fn told<'a, const K: usize>(
    items: &'a [Counts<K>],
    weights: &'a [u32],
) -> impl Iterator<Item = (&'a Counts<K>, f64, f64)> {
    let with_raters = items.iter().zip(weights).map(|(counts, weight)| {
        (counts, f64::from(*weight), f64::from(counts.iter().sum::<u32>()))
    });
    with_raters.filter(|(_, weight, raters)| *weight > 0.0 && *raters > 1.0)
}

/// The share of pairs of raters of an item who agree, on average over items. None without items.
pub fn pairwise<const K: usize>(items: &[Counts<K>], weights: &[u32]) -> Option<f64> {
    let (mut sum, mut all) = (0.0, 0.0);
    for (counts, weight, raters) in told(items, weights) {
        let agreeing: f64 =
            counts.iter().map(|&count| f64::from(count) * (f64::from(count) - 1.0)).sum();
        sum += weight * agreeing / (raters * (raters - 1.0));
        all += weight;
    }
    (all > 0.0).then(|| sum / all)
}

/// Fleiss' kappa (Fleiss, 1971, equations 1 to 10). Where items have different numbers of raters
/// each item counts the same: the answers' shares, like the agreement, are means over items (Gwet,
/// 2014). None if there is nothing but one answer.
pub fn fleiss_kappa<const K: usize>(items: &[Counts<K>], weights: &[u32]) -> Option<f64> {
    let observed = pairwise(items, weights)?;
    let (mut shares, mut all) = ([0.0; K], 0.0);
    for (counts, weight, raters) in told(items, weights) {
        shares
            .iter_mut()
            .zip(counts)
            .for_each(|(share, &count)| *share += weight * f64::from(count) / raters);
        all += weight;
    }
    let expected: f64 = shares.iter().map(|share| (share / all).powi(2)).sum();
    beyond_chance(1.0 - observed, 1.0 - expected)
}

/// Krippendorff's alpha (*Computing Krippendorff's Alpha-Reliability*, 2011). None if there is
/// nothing but one answer.
pub fn krippendorff_alpha<const K: usize>(
    items: &[Counts<K>],
    weights: &[u32],
    scale: Scale,
) -> Option<f64> {
    // How often the answers c and k stand together in an item, each item's pairs weighing as its
    // raters do.
    let mut coincidences = [[0.0; K]; K];
    for (counts, weight, raters) in told(items, weights) {
        for (c, row) in coincidences.iter_mut().enumerate() {
            for (k, cell) in row.iter_mut().enumerate() {
                let pairs =
                    counts[c] * if c == k { counts[c].saturating_sub(1) } else { counts[k] };
                *cell += weight * f64::from(pairs) / (raters - 1.0);
            }
        }
    }
    let totals: [f64; K] = coincidences.map(|row| row.iter().sum());
    let all: f64 = totals.iter().sum();
    let distance = |c: usize, k: usize| match scale {
        Scale::Nominal => f64::from(u8::from(c != k)),
        Scale::Ordinal => {
            let (low, high) = (c.min(k), c.max(k));
            let between: f64 = totals[low..=high].iter().sum();
            (between - (totals[c] + totals[k]) / 2.0).powi(2)
        }
    };
    let (mut observed, mut expected) = (0.0, 0.0);
    for c in 0..K {
        for k in 0..K {
            observed += coincidences[c][k] * distance(c, k);
            expected += totals[c] * totals[k] * distance(c, k);
        }
    }
    beyond_chance((all - 1.0) * observed, expected)
}

/// One less the observed disagreement in parts of the expected one; without any to expect there is
/// nothing to say.
fn beyond_chance(observed: f64, expected: f64) -> Option<f64> {
    (expected > 1e-12).then(|| 1.0 - observed / expected)
}
