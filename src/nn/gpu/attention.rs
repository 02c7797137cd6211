//! Attention on a GPU: a warp for each query, or key, of each head.

use std::cell::RefCell;
use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};

use super::backend::{launch, uninit};
use super::launch::{Arg, mask_args, of_rows};
use super::{GpuContext, GpuOp, GpuOutput};
use crate::nn::attention::{Attention, Mask, Offsets};
use crate::nn::gradients::GradientSum;
use crate::nn::noise::CHUNK;

/// The widest head that the kernels know.
const WIDEST: usize = 256;

/// Where sequences begin, on the GPU: that of the last batches, whose layers all ask for the same.
#[derive(Debug, Default)]
pub struct Uploads(RefCell<Vec<Upload>>);

#[derive(Debug)]
struct Upload {
    queries: Offsets,
    keys: Offsets,
    heads: usize,
    sequences: Tensor,
}

impl Uploads {
    /// Where the sequences of `attention` and their masks begin, as the kernels read it.
    fn sequences(&self, attention: &Attention, device: &Device) -> Result<Tensor> {
        const KEPT: usize = 4;
        let Attention { heads, queries, keys, .. } = attention;
        let mut known = self.0.borrow_mut();
        let is_same = |one: &&Upload| {
            Arc::ptr_eq(&one.queries, queries)
                && Arc::ptr_eq(&one.keys, keys)
                && one.heads == *heads
        };
        if let Some(found) = known.iter().find(is_same) {
            return Ok(found.sequences.clone());
        }
        let masks = attention.mask_starts().into_iter().map(|start| start / CHUNK);
        let sequence_of_each = |offsets: &Offsets| -> Vec<usize> {
            let lengths = offsets.windows(2).map(|ends| ends[1] - ends[0]).enumerate();
            lengths.flat_map(|(sequence, length)| std::iter::repeat_n(sequence, length)).collect()
        };
        let of_each = [queries, keys].into_iter().flat_map(sequence_of_each);
        let numbers = queries.iter().chain(keys.iter()).copied().chain(masks).chain(of_each);
        let numbers: Vec<u32> = numbers
            .map(u32::try_from)
            .collect::<std::result::Result<_, _>>()
            .map_err(candle_core::Error::wrap)?;
        let sequences = Tensor::new(numbers, device)?;
        if known.len() == KEPT {
            known.remove(0);
        }
        let (queries, keys) = (queries.clone(), keys.clone());
        known.push(Upload { queries, keys, heads: *heads, sequences: sequences.clone() });
        Ok(sequences)
    }
}

/// Queries, keys and values in the inputs.
struct Shapes<'a> {
    q: &'a Tensor,
    kv: &'a Tensor,
    hidden: usize,
    /// The column of the first key.
    keys: usize,
}

impl<'a> Shapes<'a> {
    fn of(attention: &Attention, inputs: &'a [Tensor]) -> Result<Self> {
        let widths = attention.check(&inputs.iter().map(Tensor::dims).collect::<Vec<_>>())?;
        let hidden = widths.queries;
        if widths.head > WIDEST {
            candle_core::bail!("heads of more than {WIDEST} numbers do not run on a GPU");
        }
        let (q, kv) = (&inputs[0], &inputs[inputs.len() - 1]);
        Ok(Self { q, kv, hidden, keys: kv.dim(1)? - 2 * hidden })
    }

    /// Queries, keys and values in such tensors.
    fn places<'t>(&self, q: &'t Tensor, kv: &'t Tensor) -> [Arg<'t>; 3] {
        [Arg::At(q, 0), Arg::At(kv, self.keys), Arg::At(kv, self.keys + self.hidden)]
    }

    /// The arguments of a kernel over `rows` rows, which share all but the first ones.
    fn args(
        &self,
        attention: &Attention,
        first: &[Arg<'a>],
        rows: usize,
        sequences: &'a Tensor,
    ) -> Result<Vec<Arg<'a>>> {
        let (mask, reach) = match attention.mask {
            Mask::All => (0u32, 0),
            Mask::Window(reach) => (1, reach),
            Mask::Causal => (2, 0),
            Mask::Pairs(pairs) => (3, pairs),
        };
        let width = self.hidden / attention.heads;
        let mut args = [first, &self.places(self.q, self.kv)].concat();
        args.extend([rows.into(), sequences.into(), Arg::from(attention.queries.len() - 1)]);
        args.extend([mask.into(), reach.into(), attention.heads.into(), Arg::from(width)]);
        args.extend([
            self.q.dim(1)?.into(),
            self.kv.dim(1)?.into(),
            Arg::from(attention.scale(width)),
        ]);
        args.extend(mask_args(attention.dropout.as_ref()));
        Ok(args)
    }
}

impl GpuOp for Attention {
    fn forward(&self, context: &GpuContext, inputs: &[Tensor]) -> Result<GpuOutput> {
        let shapes = Shapes::of(self, inputs)?;
        let (rows, device, dtype) = (shapes.q.dim(0)?, shapes.q.device(), shapes.q.dtype());
        let sequences = context.uploads.sequences(self, device)?;
        let y = uninit((rows, shapes.hidden), dtype, device)?;
        let log_sums = uninit((rows, self.heads), DType::F32, device)?;
        let args = shapes.args(self, &[(&y).into(), (&log_sums).into()], rows, &sequences)?;
        launch(
            "attention",
            of_rows(dtype, shapes.hidden / self.heads)?,
            32 * rows * self.heads,
            &args,
        )?;
        Ok(GpuOutput { result: y.clone(), saved: vec![y, log_sums, sequences] })
    }

    fn backward(
        &self,
        inputs: &[Tensor],
        saved: &[Tensor],
        gradient: &Tensor,
        _wanted: &[bool],
    ) -> Result<Vec<Option<GradientSum>>> {
        let [y, log_sums, sequences] = saved else {
            candle_core::bail!("attention saved too little")
        };
        let shapes = Shapes::of(self, inputs)?;
        let Shapes { q, kv, .. } = shapes;
        let (rows, types) = (q.dim(0)?, of_rows(q.dtype(), shapes.hidden / self.heads)?);
        let gradients = inputs
            .iter()
            .map(|input| uninit(input.shape(), input.dtype(), input.device()))
            .collect::<Result<Vec<_>>>()?;
        let [of_q, of_k, of_v] = shapes.places(&gradients[0], &gradients[gradients.len() - 1]);
        let products = uninit((rows, self.heads), DType::F32, q.device())?;
        let first = [of_q, (&products).into(), gradient.into(), y.into(), log_sums.into()];
        let args = shapes.args(self, &first, rows, sequences)?;
        launch("attention_backward_queries", types, 32 * rows * self.heads, &args)?;
        let rows = kv.dim(0)?;
        let first = [of_k, of_v, (&products).into(), gradient.into(), log_sums.into()];
        let args = shapes.args(self, &first, rows, sequences)?;
        launch("attention_backward_keys", types, 32 * rows * self.heads, &args)?;
        Ok(gradients.into_iter().map(|gradient| Some(GradientSum::Dense(gradient))).collect())
    }
}
