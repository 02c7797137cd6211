//! What candle lacks for training: operations with a right and fast backward pass, parameters in order, an optimiser.
//!
//! Every operation works on packed rows, (all tokens of a batch, hidden), without padding, and exists twice: from
//! candle's own operations ([`tape::Op::portable`]), for any device and as the reference in tests, and as a kernel
//! for f32 in CPU memory ([`tape::Op::kernel`]). This room knows nothing of BERT, texts or values.

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod clip;
pub mod cpu;
pub mod device;
pub mod dropout;
pub mod embedding;
pub mod gated;
pub mod gradients;
pub mod layer_norm;
pub mod linear;
pub mod losses;
mod math;
pub mod noise;
pub mod params;
pub mod precision;
pub mod rotary;
pub mod schedule;
pub mod tape;

impl From<candle_core::Error> for crate::error::Error {
    fn from(error: candle_core::Error) -> Self {
        crate::error::Error::failure(error.to_string())
    }
}
