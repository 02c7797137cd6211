//! Rotary position embedding (Su et al., *RoFormer*, 2021).

use candle_core::{Result, Tensor};

use super::cpu;
use super::gpu::GpuOp;
use super::gradients::Gradient;
use super::tape::{CpuOp, CpuOutput, Node, Op, Tape, TensorView};

/// Turns the numbers of each head by angles that grow with the token's position. The first
/// `columns` columns are heads of `head_width` each; the columns behind them stay: (tokens, width)
/// to (tokens, width).
///
/// Number `i` of a head's first half and number `i` of its second are turned by `position *
/// theta^(-2i / head_width)`.
#[derive(Debug)]
pub struct Rotary {
    /// The position of each token.
    pub positions: Vec<u32>,
    /// The number of columns that are turned.
    pub columns: usize,
    /// The width of a head, an even number.
    pub head_width: usize,
    /// The base of the angles.
    pub theta: f64,
}

impl Rotary {
    /// [`Rotary`] on a tape.
    ///
    /// # Errors
    /// If the sizes do not fit each other.
    pub fn forward(self, tape: &Tape, x: &Node) -> Result<Node> {
        tape.apply(self, &[x])
    }

    /// Cosines and sines of each position up to the largest: (positions, head width / 2).
    pub(super) fn angles(&self) -> (Vec<f32>, Vec<f32>) {
        let positions = self.positions.iter().max().map_or(0, |largest| largest + 1);
        let half = self.head_width / 2;
        let angle = |position: u32, i: usize| {
            f64::from(position) * self.theta.powf(-2.0 * i as f64 / self.head_width as f64)
        };
        let all = (0..positions).flat_map(|position| (0..half).map(move |i| angle(position, i)));
        all.map(|angle| (angle.cos() as f32, angle.sin() as f32)).unzip()
    }

    pub(super) fn check(&self, rows: usize, width: usize) -> Result<()> {
        let fits = rows == self.positions.len() && self.columns <= width;
        match fits
            && self.head_width.is_multiple_of(2)
            && self.columns.is_multiple_of(self.head_width.max(1))
        {
            true => Ok(()),
            false => candle_core::bail!(
                "heads of {} in ({rows}, {width}) cannot be turned",
                self.head_width
            ),
        }
    }

    /// Turns each head forth or, with `direction` -1, back.
    fn rotate(&self, x: TensorView<'_>, direction: f32) -> Vec<f32> {
        const BLOCK: usize = 16;
        let (width, half) = (x.width(), self.head_width / 2);
        let (cosines, sines) = self.angles();
        cpu::build(x.data.len(), BLOCK * width, |start, y| {
            let rows = y.chunks_exact_mut(width).zip(x.data[start..].chunks_exact(width));
            for ((y, x), position) in rows.zip(&self.positions[start / width..]) {
                let at = *position as usize * half;
                let (cosines, sines) = (&cosines[at..at + half], &sines[at..at + half]);
                y.copy_from_slice(x);
                cpu::vectorised!({
                    for head in y[..self.columns].chunks_exact_mut(self.head_width) {
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
        let (heads, half) = (self.columns / self.head_width, self.head_width / 2);
        let (cosines, sines) = self.angles();
        let positions = Tensor::new(self.positions.as_slice(), x.device())?;
        let table = |values: Vec<f32>| {
            let table = Tensor::from_vec(values, ((), half), x.device())?.to_dtype(x.dtype())?;
            table.index_select(&positions, 0)?.unsqueeze(1)?.contiguous() // (tokens, 1, half)
        };
        let (cosines, sines) = (table(cosines)?, table(sines)?);
        let turned =
            x.narrow(1, 0, self.columns)?.contiguous()?.reshape((rows, heads, self.head_width))?;
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
