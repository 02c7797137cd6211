//! The randomness of a pass: dropout masks, drawn from counter-based streams.

use candle_core::{Device, Result, Shape, Tensor};

use crate::seed::{Purpose, Stream};

/// Numbers that share one draw of random blocks: a mask can be computed from any multiple of this on.
pub const CHUNK: usize = 512;

/// The randomness of one pass through a network.
#[derive(Debug, Clone, Copy)]
pub struct Noise {
    seed: u64,
    pass: u64,
}

impl Noise {
    /// The noise of pass number `pass` of the run with this `seed`.
    pub fn new(seed: u64, pass: u64) -> Self {
        Self { seed, pass }
    }

    /// The mask at a place of the network: at most 65,536 places a pass.
    pub(super) fn mask(self, place: u64, probability: f32) -> Mask {
        let dropped = (f64::from(probability) * 65_536.0).round().clamp(0.0, 65_535.0) as u32;
        Mask {
            stream: Stream::new(self.seed, Purpose::Dropout, (self.pass << 16) | (place & 0xffff)),
            first: 0,
            dropped,
            scale: (65_536.0 / f64::from(65_536 - dropped)) as f32,
        }
    }
}

/// Which numbers of a tensor are dropped; the others are scaled so that their expectation stays.
///
/// The probability is a whole number of 1/65,536, and the scale is exact for that number.
#[derive(Debug, Clone, Copy)]
pub struct Mask {
    stream: Stream,
    first: usize,
    dropped: u32,
    scale: f32,
}

impl Mask {
    /// Multiplies `values`, the numbers of a tensor from position `start` on, by the mask.
    /// `start` is a multiple of [`CHUNK`].
    #[inline(always)]
    pub fn apply(&self, start: usize, values: &mut [f32]) {
        let mut words = [0u32; CHUNK / 2];
        let first = (self.first + start) / CHUNK;
        for (number, chunk) in values.chunks_mut(CHUNK).enumerate() {
            self.stream.blocks(((first + number) * (CHUNK / 8)) as u32, &mut words);
            let keep = |bits: u32| {
                if bits >= self.dropped { self.scale } else { 0.0 }
            };
            let (low, high) = chunk.split_at_mut(chunk.len().min(CHUNK / 2));
            low.iter_mut().zip(&words).for_each(|(value, word)| *value *= keep(word & 0xffff));
            high.iter_mut().zip(&words).for_each(|(value, word)| *value *= keep(word >> 16));
        }
    }

    /// The mask from position `start` on, a multiple of [`CHUNK`].
    pub fn starting_at(self, start: usize) -> Self {
        Self { first: self.first + start, ..self }
    }

    /// The mask as a tensor of factors.
    pub fn tensor(&self, shape: &Shape, device: &Device) -> Result<Tensor> {
        let mut factors = vec![1f32; shape.elem_count()];
        self.apply(0, &mut factors);
        Tensor::from_vec(factors, shape, device)
    }
}
