//! What candle lacks for training: operations with a right and fast backward pass, parameters in
//! order, an optimiser.
//!
//! Every operation works on packed rows, (all tokens of a batch, hidden), without padding, and
//! exists three times: from candle's own operations ([`tape::Op::portable`]), for any device and as
//! the reference in tests, as a kernel for f32 in CPU memory ([`tape::Op::kernel`]), and as kernels
//! for a GPU ([`tape::Op::fused`]). This room knows nothing of BERT, texts or values.

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod clip;
pub mod cpu;
pub mod device;
pub mod dropout;
pub mod embedding;
pub mod gated;
pub mod gpu;
pub mod gradients;
pub mod laid_out;
pub mod language_loss;
pub mod layer_norm;
pub mod linear;
pub mod losses;
mod math;
pub mod noise;
pub mod params;
pub mod precision;
pub mod rms_norm;
pub mod rotary;
pub mod schedule;
pub mod tape;

impl From<candle_core::Error> for crate::error::Error {
    fn from(error: candle_core::Error) -> Self {
        match device::is_out_of_memory(&error) {
            true => crate::error::Error::failure("the device has too little memory for this batch")
                .because(error)
                .help("smaller batches need less: --set train.batch_size=N, with train.gradient_accumulation for the same step"),
            false => crate::error::Error::failure(error.to_string()),
        }
    }
}
