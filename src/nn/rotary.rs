//! Rotary position embedding (Su et al., *RoFormer*, 2021).

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::cpu;
use super::gpu::GpuOp;
use super::gradients::Gradient;
use super::tape::{CpuOp, CpuOutput, Node, Op, Tape, TensorView};

/// Turns the numbers of each head by angles that grow with the token's position. The first
/// `columns` columns are heads; the columns behind them stay: (tokens, width) to (tokens, width).
///
/// Number `i` of a head's first half and number `i` of its second are turned together.
#[derive(Debug)]
pub struct Rotary {
    /// The position of each token.
    pub positions: Vec<u32>,
    /// The number of columns that are turned.
    pub columns: usize,
    /// By how much, which layers share.
    pub angles: Arc<Angles>,
}

/// The cosines and sines of the angles at all positions of a batch.
#[derive(Debug)]
pub struct Angles {
    pub(super) cosines: Vec<f32>, // (positions, head width / 2)
    pub(super) sines: Vec<f32>,   // (positions, head width / 2)
    pub(super) half: usize,
}

impl Angles {
    /// The angles at these positions: number `i` of each half is turned by `position *
    /// frequencies[i]`.
    pub fn new(frequencies: &[f64], positions: &[u32]) -> Arc<Self> {
        let count = positions.iter().max().map_or(0, |largest| largest + 1);
        let all = (0..count).flat_map(|position| {
            frequencies.iter().map(move |frequency| f64::from(position) * frequency)
        });
        let (cosines, sines) = all.map(|angle| (angle.cos() as f32, angle.sin() as f32)).unzip();
        Arc::new(Self { cosines, sines, half: frequencies.len() })
    }

    /// The width of a head.
    pub(super) fn head_width(&self) -> usize {
        2 * self.half
    }
}

/// The angles of a step from one position to the next: `theta^(-2i / head_width)` for each number
/// of half a head.
pub fn frequencies(theta: f64, head_width: usize) -> Vec<f64> {
    (0..head_width / 2).map(|i| theta.powf(-2.0 * i as f64 / head_width as f64)).collect()
}

/// How a model that was trained on short texts turns heads in longer ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scaling {
    /// All angles are divided by a factor: `linear`.
    Linear(f64),
    /// Slow angles are divided by a factor, fast ones stay: `llama3`, as transformers'
    /// `_compute_llama3_parameters`.
    Llama3 {
        /// The divisor of slow angles.
        factor: f64,
        /// Angles that turn less often than this in `original_positions` are slow.
        low: f64,
        /// Those that turn more often than this are fast.
        high: f64,
        /// The length of the texts that the model was trained on first.
        original_positions: f64,
    },
}

impl Scaling {
    /// The scaled frequency.
    pub fn of(self, frequency: f64) -> f64 {
        match self {
            Self::Linear(factor) => frequency / factor,
            Self::Llama3 { factor, low, high, original_positions } => {
                let turns = original_positions * frequency / std::f64::consts::TAU;
                let share = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                (1.0 - share) * frequency / factor + share * frequency
            }
        }
    }
}

impl Rotary {
    /// [`Rotary`] on a tape.
    ///
    /// # Errors
    /// If the sizes do not fit each other.
    pub fn forward(self, tape: &Tape, x: &Node) -> Result<Node> {
        tape.apply(self, &[x])
    }

    pub(super) fn check(&self, rows: usize, width: usize) -> Result<()> {
        let head_width = self.angles.head_width();
        let known = self.angles.cosines.len() / self.angles.half.max(1);
        match rows == self.positions.len()
            && self.columns <= width
            && self.columns.is_multiple_of(head_width.max(1))
            && self.positions.iter().all(|&position| (position as usize) < known)
        {
            true => Ok(()),
            false => {
                candle_core::bail!("heads of {head_width} in ({rows}, {width}) cannot be turned")
            }
        }
    }

    /// Turns each head forth or, with `direction` -1, back.
    fn rotate(&self, x: TensorView<'_>, direction: f32) -> Vec<f32> {
        const BLOCK: usize = 16;
        let (width, half) = (x.width(), self.angles.half);
        let Angles { cosines, sines, .. } = &*self.angles;
        cpu::build(x.data.len(), BLOCK * width, |start, y| {
            let rows = y.chunks_exact_mut(width).zip(x.data[start..].chunks_exact(width));
            for ((y, x), position) in rows.zip(&self.positions[start / width..]) {
                let at = *position as usize * half;
                let (cosines, sines) = (&cosines[at..at + half], &sines[at..at + half]);
                y.copy_from_slice(x);
                cpu::vectorised!({
                    for head in y[..self.columns].chunks_exact_mut(2 * half) {
                        let (first, second) = head.split_at_mut(half);
                        let pairs = first.iter_mut().zip(second);
                        for ((a, b), (cosine, sine)) in pairs.zip(cosines.iter().zip(sines)) {
                            let (x, y, sine) = (*a, *b, direction * sine);
                            *a = x * cosine - y * sine;
                            *b = y * cosine + x * sine;
                        }
                    }
                });
            }
        })
    }
}

impl Op for Rotary {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        let (rows, width) = x.dims2()?;
        self.check(rows, width)?;
        let half = self.angles.half;
        let positions = Tensor::new(self.positions.as_slice(), x.device())?;
        let table = |values: &[f32]| {
            let table = Tensor::from_slice(values, ((), half), x.device())?.to_dtype(x.dtype())?;
            table.index_select(&positions, 0)?.unsqueeze(1)?.contiguous() // (tokens, 1, half)
        };
        let (cosines, sines) = (table(&self.angles.cosines)?, table(&self.angles.sines)?);
        let turned = x.narrow(1, 0, self.columns)?.contiguous()?.reshape((rows, (), 2 * half))?;
        let (a, b) =
            (turned.narrow(2, 0, half)?.contiguous()?, turned.narrow(2, half, half)?.contiguous()?);
        let first = (a.broadcast_mul(&cosines)? - b.broadcast_mul(&sines)?)?;
        let second = (b.broadcast_mul(&cosines)? + a.broadcast_mul(&sines)?)?;
        let turned = Tensor::cat(&[first, second], 2)?.reshape((rows, self.columns))?;
        match width - self.columns {
            0 => Ok(turned),
            rest => Tensor::cat(&[turned, x.narrow(1, self.columns, rest)?], 1),
        }
    }

    fn cpu(&self) -> Option<&dyn CpuOp> {
        Some(self)
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl CpuOp for Rotary {
    fn forward(&self, inputs: &[TensorView<'_>], _save: bool) -> Result<CpuOutput> {
        let x = inputs[0];
        self.check(x.rows(), x.width())?;
        Ok(CpuOutput::new(self.rotate(x, 1.0), x.dims))
    }

    fn backward(
        &self,
        inputs: &[TensorView<'_>],
        _kept: &[f32],
        gradient: &[f32],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let dy = TensorView { data: gradient, ..inputs[0] };
        Ok(vec![Some(Gradient::Dense(self.rotate(dy, -1.0)))])
    }
}
