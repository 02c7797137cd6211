//! The randomness of a pass: dropout masks, drawn from counter-based streams.

use candle_core::{Device, Result, Shape, Tensor};

use crate::seed::{Purpose, Stream};

/// Numbers that share one draw of random blocks: a mask is computed fastest from a multiple of this
/// on.
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
    pub(super) fn mask(self, place: u64, probability: f32) -> DropoutMask {
        let dropped = (f64::from(probability) * 65_536.0).round().clamp(0.0, 65_535.0) as u32;
        DropoutMask {
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
pub struct DropoutMask {
    stream: Stream,
    first: usize,
    dropped: u32,
    scale: f32,
}

impl DropoutMask {
    /// Multiplies `values`, the numbers of a tensor from position `start` on, by the mask.
    #[inline(always)]
    pub fn apply(&self, start: usize, mut values: &mut [f32]) {
        let mut words = [0u32; CHUNK / 2];
        let mut position = self.first + start;
        while !values.is_empty() {
            let (chunk, skip) = (position / CHUNK, position % CHUNK);
            self.stream.blocks((chunk * (CHUNK / 8)) as u32, &mut words);
            let (now, rest) = values.split_at_mut(values.len().min(CHUNK - skip));
            position += now.len();
            values = rest;
            let keep = |bits: u32| {
                if bits >= self.dropped { self.scale } else { 0.0 }
            };
            let low_words = &words[skip.min(CHUNK / 2)..];
            let high_words = &words[skip.saturating_sub(CHUNK / 2)..];
            let (low, high) = now.split_at_mut(now.len().min(low_words.len()));
            low.iter_mut().zip(low_words).for_each(|(value, word)| *value *= keep(word & 0xffff));
            high.iter_mut().zip(high_words).for_each(|(value, word)| *value *= keep(word >> 16));
        }
    }

    /// The words of its stream, how many of 65,536 numbers are dropped, and the factor of the
    /// others.
    pub(super) fn words(&self) -> ([u32; 5], u32, f32) {
        (self.stream.words(), self.dropped, self.scale)
    }

    /// The mask from position `start` on.
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
