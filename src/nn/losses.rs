//! Losses: one number for a batch, to be made smaller.

use candle_core::{D, Result, Tensor};

use super::tape::{Node, Op, Tape};

/// The squared error of predictions, (items), each weighted alike: `weight * Σ (prediction -
/// target)²`.
///
/// With `weight` one over the number of items in an optimiser step, the sum over its batches is the
/// mean squared error, however unequal the batches are.
///
/// # Errors
/// If there are not as many targets as predictions.
pub fn squared_error(
    tape: &Tape,
    predictions: &Node,
    targets: &[f32],
    weight: f64,
) -> Result<Node> {
    tape.apply(SquaredError { targets: targets.to_vec(), weight }, &[predictions])
}

/// `weight * Σ (x - target)²`.
#[derive(Debug)]
pub struct SquaredError {
    /// One target for each prediction.
    pub targets: Vec<f32>,
    /// A factor for the sum.
    pub weight: f64,
}

impl Op for SquaredError {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = inputs[0].flatten_all()?;
        let targets = Tensor::new(self.targets.as_slice(), x.device())?.to_dtype(x.dtype())?;
        (x - targets)?.sqr()?.sum_all()? * self.weight
    }
}

/// The squared error of differences: `weight * Σ ((x_a - x_b) - d)²` over pairs of items `(a, b)` with
/// the difference `d` that they should have.
///
/// # Errors
/// If a pair is beyond the items.
pub fn squared_difference_error(
    tape: &Tape,
    predictions: &Node,
    pairs: Vec<(u32, u32)>,
    differences: Vec<f32>,
    weight: f64,
) -> Result<Node> {
    tape.apply(SquaredDifferenceError { pairs, differences, weight }, &[predictions])
}

/// `weight * Σ ((x_a - x_b) - d)²`.
#[derive(Debug)]
pub struct SquaredDifferenceError {
    /// The items of each pair.
    pub pairs: Vec<(u32, u32)>,
    /// The difference that each should have.
    pub differences: Vec<f32>,
    /// A factor for the sum.
    pub weight: f64,
}

impl Op for SquaredDifferenceError {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = inputs[0].flatten_all()?;
        let items = |of: fn(&(u32, u32)) -> u32| {
            let items: Vec<u32> = self.pairs.iter().map(of).collect();
            x.index_select(&Tensor::new(items, x.device())?, 0)
        };
        let expected = Tensor::new(self.differences.as_slice(), x.device())?.to_dtype(x.dtype())?;
        let found = (items(|pair| pair.0)? - items(|pair| pair.1)?)?;
        (found - expected)?.sqr()?.sum_all()? * self.weight
    }
}

/// The cross-entropy of logits, (items, classes), each item weighted alike: `-weight * Σ log
/// softmax(logits)[class]`.
///
/// # Errors
/// If there are not as many classes as items, or a class is beyond the logits.
pub fn cross_entropy(tape: &Tape, logits: &Node, classes: &[u32], weight: f64) -> Result<Node> {
    tape.apply(CrossEntropy { classes: classes.to_vec(), weight }, &[logits])
}

/// `-weight * Σ log softmax(x)[class]`.
#[derive(Debug)]
pub struct CrossEntropy {
    /// The right class of each item.
    pub classes: Vec<u32>,
    /// A factor for the sum.
    pub weight: f64,
}

impl Op for CrossEntropy {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        let (items, width) = x.dims2()?;
        if self.classes.len() != items || self.classes.iter().any(|&class| class as usize >= width)
        {
            candle_core::bail!("{:?} are no classes of ({items}, {width}) logits", self.classes);
        }
        let classes = Tensor::new(self.classes.as_slice(), x.device())?.unsqueeze(1)?;
        let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?;
        let total = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?; // (items, 1)
        (total - shifted.gather(&classes, 1)?)?.sum_all()? * self.weight
    }
}

/// The cross-entropy of logits, (items, classes), with shares of classes in place of one right class
/// each: `-weight * Σ q · log softmax(logits)`.
///
/// # Errors
/// If there are not as many rows of shares as items.
pub fn soft_cross_entropy<const CLASSES: usize>(
    tape: &Tape,
    logits: &Node,
    shares: &[[f32; CLASSES]],
    weight: f64,
) -> Result<Node> {
    tape.apply(SoftCrossEntropy { shares: shares.as_flattened().to_vec(), weight }, &[logits])
}

/// `-weight * Σ q · log softmax(x)`.
#[derive(Debug)]
pub struct SoftCrossEntropy {
    /// The share of each class in each item, item by item.
    pub shares: Vec<f32>,
    /// A factor for the sum.
    pub weight: f64,
}

impl Op for SoftCrossEntropy {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        let shares = Tensor::from_slice(&self.shares, x.shape(), x.device())?;
        let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?;
        let total = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?; // (items, 1)
        (total.broadcast_sub(&shifted)? * shares.to_dtype(x.dtype())?)?.sum_all()? * self.weight
    }
}

/// `p(+1) - p(-1)` of logits of the classes -1, 0 and +1: (items, 3) to (items).
///
/// # Errors
/// If there are not three.
pub fn expected_utility(tape: &Tape, logits: &Node) -> Result<Node> {
    tape.apply(ExpectedUtility, &[logits])
}

/// `p(+1) - p(-1)`, with `p` the softmax of `x`.
#[derive(Debug)]
pub struct ExpectedUtility;

impl Op for ExpectedUtility {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        let utilities = Tensor::new(&[-1f32, 0.0, 1.0], x.device())?.to_dtype(x.dtype())?;
        let shares = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
        let weighted = shares.broadcast_mul(&utilities)?.sum(D::Minus1)?;
        weighted / shares.sum(D::Minus1)?
    }
}

/// From the logits of "at least 0" and of "+1 if at least 0", (items, 2), to those of the classes -1,
/// 0 and +1, (items, 3): the logarithms of their probabilities.
///
/// # Errors
/// If there are not two.
pub fn continuation_ratio(tape: &Tape, logits: &Node) -> Result<Node> {
    tape.apply(ContinuationRatio, &[logits])
}

/// `log (1 - σ(a)), log σ(a) (1 - σ(b)), log σ(a) σ(b)` of `x = (a, b)`.
#[derive(Debug)]
pub struct ContinuationRatio;

impl Op for ContinuationRatio {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let (_, 2) = inputs[0].dims2()? else { candle_core::bail!("two logits were expected") };
        // log σ(x) = min(x, 0) - log (1 + exp -|x|)
        let log_sigmoid = |x: &Tensor| {
            let negative = x.relu()?.sub(x)?.neg()?;
            negative - (x.abs()?.neg()?.exp()? + 1.0)?.log()?
        };
        let (a, b) = (inputs[0].narrow(1, 0, 1)?, inputs[0].narrow(1, 1, 1)?);
        let at_least = log_sigmoid(&a)?;
        Tensor::cat(
            &[
                log_sigmoid(&a.neg()?)?,
                (&at_least + log_sigmoid(&b.neg()?)?)?,
                (&at_least + log_sigmoid(&b)?)?,
            ],
            1,
        )
    }
}

/// From one logit an item, (items, 1), that its label is not 0, those of the labels -1, 0 and +1,
/// (items, 3), where +1 stands for either and -1 has no probability.
///
/// # Errors
/// If there is not one.
pub fn either(tape: &Tape, logits: &Node) -> Result<Node> {
    tape.apply(Either, &[logits])
}

/// `-1e9, 0, x` of `x`.
#[derive(Debug)]
pub struct Either;

impl Op for Either {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let (_, 1) = inputs[0].dims2()? else { candle_core::bail!("one logit was expected") };
        let zero = inputs[0].zeros_like()?;
        Tensor::cat(&[&(&zero - 1e9)?, &zero, &inputs[0]], 1)
    }
}

/// How far two rows of logits, (items, classes), are from saying the same: `weight * Σ ½ (KL(p ‖ q) +
/// KL(q ‖ p))`, with `p` and `q` their softmax.
///
/// # Errors
/// If they have other shapes.
pub fn divergence(tape: &Tape, a: &Node, b: &Node, weight: f64) -> Result<Node> {
    tape.apply(Divergence { weight }, &[a, b])
}

/// `weight * Σ ½ (p - q) (log p - log q)`.
#[derive(Debug)]
pub struct Divergence {
    /// A factor for the sum.
    pub weight: f64,
}

impl Op for Divergence {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let logarithms = |x: &Tensor| {
            let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?;
            shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
        };
        let (p, q) = (logarithms(&inputs[0])?, logarithms(&inputs[1])?);
        ((p.exp()? - q.exp()?)? * (&p - &q)?)?.sum_all()? * (0.5 * self.weight)
    }
}

/// The squared error of two tensors of one shape: `weight * Σ (a - b)²`.
///
/// # Errors
/// If they have other shapes.
pub fn squared_distance(tape: &Tape, a: &Node, b: &Node, weight: f64) -> Result<Node> {
    tape.apply(SquaredDistance { weight }, &[a, b])
}

/// `weight * Σ (a - b)²`.
#[derive(Debug)]
pub struct SquaredDistance {
    /// A factor for the sum.
    pub weight: f64,
}

impl Op for SquaredDistance {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        (&inputs[0] - &inputs[1])?.sqr()?.sum_all()? * self.weight
    }
}
