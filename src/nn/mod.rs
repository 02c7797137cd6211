//! What candle lacks for training: operations with a correct and fast backward pass, parameters in
//! order, an optimiser.
//!
//! Every operation works on packed rows, (all tokens of a batch, hidden), without padding, and
//! has three forms: a reference of candle's own operations ([`tape::Op::reference`]), for any
//! device and for tests, one for f32 in CPU memory ([`tape::Op::cpu`]), and one for a GPU
//! ([`tape::Op::gpu`]). This room knows nothing of BERT, texts or values.
//!
//! The crate denies `unsafe` code except in these files, each of which says why at every block;
//! `tests/arrows.rs` checks that.
//!
//! * `cpu/buffer.rs`: memory that tasks write before anything reads it, and memory used again.
//! * `cpu/tile.rs`, `cpu/pair_product.rs`, `cpu/amx.rs`: the innermost loops of products, through
//!   pointers, with vector instructions and assembly.
//! * `cpu/product.rs`: calls those loops. It and `cpu/multiply.rs` are what checks their bounds.
//! * `cpu/emulated_amx.rs`: AMX on machines without it, for tests.
//! * `gpu/cuda.rs`, `gpu/emulated.rs`, `gpu/products.rs`: kernels and libraries of another language,
//!   and memory that they write.

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod average;
pub mod clip;
pub mod cpu;
pub mod device;
pub mod dropout;
pub mod embedding;
pub mod gated;
pub mod gpu;
pub mod gradients;
pub mod language_loss;
pub mod layer_norm;
pub mod linear;
pub mod losses;
pub mod lstm;
pub(crate) mod math;
pub mod noise;
pub mod packed_weights;
pub mod params;
pub mod precision;
mod reference;
pub mod rms_norm;
pub mod rotary;
pub mod schedule;
pub mod sum;
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
