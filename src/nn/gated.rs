//! The gated linear unit of feed-forward networks (Shazeer, *GLU variants improve Transformer*,
//! 2020).

use candle_core::{Result, Tensor};

use super::activation::Activation;
use super::cpu;
use super::gpu::GpuOp;
use super::gradients::Gradient;
use super::tape::{CpuOp, CpuOutput, Node, Op, Tape, TensorView};

/// `activation(a) * b` for each row `[a | b]`: (rows, 2 width) to (rows, width).
#[derive(Debug)]
pub struct Gated {
    /// The function of the first half.
    pub activation: Activation,
}

/// [`Gated`] on a tape.
///
/// # Errors
/// If the rows have an odd width.
pub fn gated(tape: &Tape, x: &Node, activation: Activation) -> Result<Node> {
    tape.apply(Gated { activation }, &[x])
}

impl Op for Gated {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let halves = inputs[0].chunk(2, 1)?;
        let [a, b] = halves.as_slice() else { candle_core::bail!("a gate needs two halves") };
        self.activation.reference(&[a.contiguous()?])? * b.contiguous()?
    }

    fn cpu(&self) -> Option<&dyn CpuOp> {
        Some(self)
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

/// Rows that one task works on: few, which stay in the first cache from zeros to the result.
const BLOCK: usize = 2;

impl CpuOp for Gated {
    fn forward(&self, inputs: &[TensorView<'_>], _save: bool) -> Result<CpuOutput> {
        let x = inputs[0];
        if x.width() % 2 == 1 {
            candle_core::bail!("rows of {} have no two halves", x.width());
        }
        let width = x.width() / 2;
        let y = cpu::build(x.rows() * width, BLOCK * width, |start, y| {
            for (y, x) in y.chunks_exact_mut(width).zip(x.data[2 * start..].chunks_exact(2 * width))
            {
                let (a, b) = x.split_at(width);
                y.copy_from_slice(a);
                self.activation.apply(y, &mut []);
                cpu::vectorised!(y.iter_mut().zip(b).for_each(|(y, b)| *y *= b));
            }
        });
        Ok(CpuOutput::new(y, (x.rows(), width)))
    }

    fn backward(
        &self,
        inputs: &[TensorView<'_>],
        _kept: &[f32],
        gradient: &[f32],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let x = inputs[0];
        let width = x.width() / 2;
        let dx = cpu::build(x.data.len(), 2 * BLOCK * width, |start, dx| {
            let rows = dx.chunks_exact_mut(2 * width).zip(x.data[start..].chunks_exact(2 * width));
            for ((dx, x), dy) in rows.zip(gradient[start / 2..].chunks_exact(width)) {
                let ((a, b), (da, db)) = (x.split_at(width), dx.split_at_mut(width));
                db.copy_from_slice(a);
                self.activation.apply(db, da);
                cpu::vectorised!({
                    for ((da, db), (b, dy)) in da.iter_mut().zip(db).zip(b.iter().zip(dy)) {
                        *da *= b * dy;
                        *db *= dy;
                    }
                });
            }
        });
        Ok(vec![Some(Gradient::Dense(dx))])
    }
}
