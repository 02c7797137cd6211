//! Errors and correlations of predicted utilities with labels, in double precision.

/// The mean of `(predicted - label)²`. Not a number if there are no pairs.
pub fn mean_squared_error(pairs: &[(f64, f64)]) -> f64 {
    mean(pairs.iter().map(|(predicted, label)| (predicted - label).powi(2)))
}

/// The mean of `|predicted - label|`. Not a number if there are no pairs.
pub fn mean_absolute_error(pairs: &[(f64, f64)]) -> f64 {
    mean(pairs.iter().map(|(predicted, label)| (predicted - label).abs()))
}

/// Pearson's correlation; none if one side does not vary.
pub fn pearson(pairs: &[(f64, f64)]) -> Option<f64> {
    let varies = |side: fn(&(f64, f64)) -> f64| pairs.iter().any(|pair| side(pair) != side(&pairs[0]));
    if !(varies(|pair| pair.0) && varies(|pair| pair.1)) {
        return None;
    }
    let (mean_a, mean_b) = (mean(pairs.iter().map(|pair| pair.0)), mean(pairs.iter().map(|pair| pair.1)));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        ab += (a - mean_a) * (b - mean_b);
        aa += (a - mean_a).powi(2);
        bb += (b - mean_b).powi(2);
    }
    Some((ab / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0))
}

/// Spearman's rank correlation, ties at their mean rank; none if one side does not vary.
pub fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let a = ranks(pairs.iter().map(|pair| pair.0).collect());
    let b = ranks(pairs.iter().map(|pair| pair.1).collect());
    pearson(&a.into_iter().zip(b).collect::<Vec<_>>())
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// The rank of each value among all, counted from 1; equal values share the mean of their ranks.
fn ranks(values: Vec<f64>) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = first as f64 + (ties.len() + 1) as f64 / 2.0;
        ties.iter().for_each(|&place| ranks[place] = rank);
        first += ties.len();
    }
    ranks
}
