//! What a language model says of tokens, and its loss: log-probabilities fused with the output
//! projection, so that no logits of all rows and the whole vocabulary are ever saved.
//!
//! The vocabulary is gone through in chunks. A backward pass computes the logits of a chunk again,
//! which costs a third more work at the output layer and saves (rows × vocabulary) numbers.

use std::ops::Range;

use candle_core::{D, Result, Tensor};

use super::cpu::{self, Matrix, Panels, Rhs, UninitBuffer, product, product_into};
use super::gradients::Gradient;
use super::math::exp;
use super::packed_weights::{self, PackedWeights};
use super::precision::Precision;
use super::tape::{CpuOp, CpuOutput, Node, Op, Tape, TensorView};

/// How many logits of a row are computed at once.
const CHUNK: usize = 2048;

/// The log-probability of one token at each row: `log softmax(states tableᵀ)[target]`, from states,
/// (rows, hidden), and the output table, (vocabulary, hidden): (rows).
///
/// # Errors
/// If there are not as many targets as rows, or one is beyond the table.
pub fn log_probabilities(
    tape: &Tape,
    states: &Node,
    table: &Node,
    targets: &[u32],
) -> Result<Node> {
    let precision = tape.precision();
    let packed_weights = packed_weights::transposed(tape, table)?;
    let op =
        LogProbabilities { targets: targets.to_vec(), precision, chunk: CHUNK, packed_weights };
    tape.apply(op, &[states, table])
}

/// The cross-entropy of one token at each row, each row with a weight of its own: `-Σ weight * log
/// softmax(states tableᵀ)[target]`.
///
/// With weights of one over the number of tokens it is the mean loss of a step; with advantages for
/// weights it is REINFORCE's.
///
/// # Errors
/// As [`log_probabilities`], and if there are not as many weights as rows.
pub fn language_loss(
    tape: &Tape,
    states: &Node,
    table: &Node,
    targets: &[u32],
    weights: &[f32],
) -> Result<Node> {
    let found = log_probabilities(tape, states, table, targets)?;
    let weights = weights.iter().map(|weight| -weight).collect();
    tape.apply(WeightedSum { weights }, &[&found])
}

/// `Σ weight * x`, for a vector x.
#[derive(Debug)]
pub struct WeightedSum {
    /// One weight for each number.
    pub weights: Vec<f32>,
}

impl Op for WeightedSum {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        let weights = Tensor::new(self.weights.as_slice(), x.device())?.to_dtype(x.dtype())?;
        (x * weights)?.sum_all()
    }
}

/// `log softmax(x tableᵀ)[target]` for each row; the inputs are x and the table. It has no GPU form
/// of its own: there it runs on candle's operations, which keep all logits.
#[derive(Debug)]
pub struct LogProbabilities {
    /// The token of each row.
    pub targets: Vec<u32>,
    /// To what the factors of its products are rounded, there and back.
    pub precision: Precision,
    /// How many logits of a row are computed at once, some whole panels of 32.
    pub chunk: usize,
    /// The table as the kernel reads it, if it is at hand.
    pub packed_weights: Option<PackedWeights>,
}

impl LogProbabilities {
    fn check(&self, x: &[usize], table: &[usize]) -> Result<()> {
        match (x, table) {
            ([rows, width], [entries, same])
                if width == same
                    && *rows == self.targets.len()
                    && self.targets.iter().all(|&target| (target as usize) < *entries) =>
            {
                Ok(())
            }
            _ => candle_core::bail!(
                "{} tokens do not fit {x:?} rows and a table of {table:?}",
                self.targets.len()
            ),
        }
    }

    /// The tokens of each chunk.
    fn chunks(&self, entries: usize) -> impl Iterator<Item = Range<usize>> {
        let chunk = self.chunk;
        (0..entries).step_by(chunk).map(move |first| first..entries.min(first + chunk))
    }

    /// Computes the logits of one chunk after the other, (rows, chunk), and hands them to `finish`
    /// in blocks of rows: the chunk's tokens, the block's first row, the logits, and some `extra`
    /// numbers for each row, which `take` gets with the logits.
    fn each_chunk(
        &self,
        [x, table]: [Matrix; 2],
        extra: usize,
        finish: impl Fn(&Range<usize>, usize, &mut [f32], &mut [f32]) + Sync,
        mut take: impl FnMut(Range<usize>, Vec<f32>, Vec<f32>),
    ) {
        for tokens in self.chunks(table.row_count()) {
            let (first, count) = (tokens.start, tokens.len());
            let fresh;
            let panels = match &self.packed_weights {
                Some(PackedWeights::Cpu(all)) => Panels::from(&**all).columns(first, count),
                _ => {
                    fresh = Rhs::beside(&[table.rows(first, count).t()], self.precision);
                    Panels::from(&fresh)
                }
            };
            let finish = |row: usize, logits: &mut [f32], extra: &mut [f32]| {
                finish(&tokens, row, logits, extra);
            };
            let (logits, extras) = product(x, panels, extra, finish);
            take(tokens, logits, extras);
        }
    }

    /// Where among these tokens that of a row is, if it is there.
    fn place(&self, row: usize, tokens: &Range<usize>) -> Option<usize> {
        let target = self.targets[row] as usize;
        tokens.contains(&target).then(|| target - tokens.start)
    }
}

impl Op for LogProbabilities {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let [x, table] = inputs else { candle_core::bail!("states and a table are needed") };
        self.check(x.dims(), table.dims())?;
        let rounded = |x: &Tensor| self.precision.rounded(x);
        let logits = rounded(x)?.matmul(&rounded(table)?.t()?.contiguous()?)?;
        let targets = Tensor::new(self.targets.as_slice(), x.device())?.unsqueeze(1)?;
        let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
        let total = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?; // (rows, 1)
        (shifted.gather(&targets, 1)? - total)?.squeeze(1)
    }

    fn widens(&self) -> bool {
        true
    }

    fn cpu(&self) -> Option<&dyn CpuOp> {
        Some(self)
    }
}

/// What is known of a row's logits after some chunks.
#[derive(Debug, Clone, Copy)]
struct Seen {
    largest: f32,
    /// `Σ exp(logit - largest)`.
    sum: f32,
    /// The logit of the row's token.
    target: f32,
}

impl Seen {
    const NOTHING: Self = Self { largest: f32::NEG_INFINITY, sum: 0.0, target: 0.0 };

    /// Inlined, so that it is compiled for the vectors of its caller.
    #[inline(always)]
    fn of(logits: &[f32], target: Option<usize>) -> Self {
        let largest = cpu::largest(logits);
        let sum = cpu::sum(logits.len(), |i| exp(logits[i] - largest));
        Self { largest, sum, target: target.map_or(0.0, |place| logits[place]) }
    }

    /// What is known after more chunks.
    fn with(self, more: Self) -> Self {
        let largest = self.largest.max(more.largest);
        let scaled = |part: Self| match part.largest == f32::NEG_INFINITY {
            true => 0.0,
            false => part.sum * (part.largest - largest).exp(),
        };
        Self { largest, sum: scaled(self) + scaled(more), target: self.target + more.target }
    }

    fn log_sum(self) -> f32 {
        self.largest + self.sum.ln()
    }
}

impl CpuOp for LogProbabilities {
    /// Keeps the logarithm of each row's `Σ exp(logit)`.
    fn forward(&self, inputs: &[TensorView<'_>], save: bool) -> Result<CpuOutput> {
        let [x, table] = inputs else { candle_core::bail!("states and a table are needed") };
        self.check(x.dims, table.dims)?;
        let mut seen = vec![Seen::NOTHING; x.rows()];
        let look = |tokens: &Range<usize>, row: usize, logits: &mut [f32], found: &mut [f32]| {
            let rows = (row..).zip(logits.chunks_exact(tokens.len()));
            for ((row, logits), found) in rows.zip(found.chunks_exact_mut(3)) {
                let target = self.place(row, tokens);
                let one = cpu::vectorised!(Seen::of(logits, target));
                found.copy_from_slice(&[one.largest, one.sum, one.target]);
            }
        };
        self.each_chunk([matrix(x), matrix(table)], 3, look, |_, _, found| {
            for (seen, found) in seen.iter_mut().zip(found.chunks_exact(3)) {
                let [largest, sum, target] = [found[0], found[1], found[2]];
                *seen = seen.with(Seen { largest, sum, target });
            }
        });
        let data = seen.iter().map(|seen| seen.target - seen.log_sum()).collect();
        let saved = if save { seen.into_iter().map(Seen::log_sum).collect() } else { Vec::new() };
        Ok(CpuOutput { data, shape: x.rows().into(), saved })
    }

    fn backward(
        &self,
        inputs: &[TensorView<'_>],
        log_sums: &[f32],
        gradient: &[f32],
        needed: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let (x, table) = (matrix(&inputs[0]), matrix(&inputs[1]));
        let width = inputs[0].width();
        // The gradient of a logit is that of its row times (1 if it is the row's token, else 0) - p.
        let undo = |tokens: &Range<usize>, row: usize, logits: &mut [f32], _: &mut [f32]| {
            for (row, logits) in (row..).zip(logits.chunks_exact_mut(tokens.len())) {
                let (of_row, log_sum) = (gradient[row], log_sums[row]);
                cpu::vectorised!({
                    logits.iter_mut().for_each(|x| *x = -of_row * exp(*x - log_sum));
                });
                if let Some(place) = self.place(row, tokens) {
                    logits[place] += of_row;
                }
            }
        };
        let mut dx = vec![0.0; if needed[0] { inputs[0].data.len() } else { 0 }];
        let mut dtable = UninitBuffer::new(if needed[1] { inputs[1].data.len() } else { 0 });
        let sizes = self.chunks(table.row_count()).map(|tokens| tokens.len() * width);
        let mut pieces = dtable.pieces(sizes.filter(|_| needed[1])).into_iter();
        let states = needed[1].then(|| Rhs::beside(&[x], self.precision));
        self.each_chunk([x, table], 0, undo, |tokens, dlogits, _| {
            let dlogits = Matrix::new(&dlogits, tokens.len()); // (rows, chunk)
            if needed[0] {
                let rhs = Rhs::beside(&[table.rows(tokens.start, tokens.len())], self.precision);
                cpu::add(&mut dx, &product(dlogits, &rhs, 0, |_, _, _| {}).0);
            }
            if let (Some(states), Some(piece)) = (&states, pieces.next()) {
                let mut nothing = UninitBuffer::new(0);
                product_into((piece, nothing.rest()), dlogits.t(), states, |_, _, _| {});
            }
        });
        let dx = needed[0].then_some(Gradient::Dense(dx));
        Ok(vec![dx, needed[1].then(|| Gradient::Dense(dtable.finish()))])
    }
}

fn matrix<'a>(view: &TensorView<'a>) -> Matrix<'a> {
    Matrix::new(view.data, view.width())
}
