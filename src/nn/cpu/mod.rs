//! The floor of the CPU kernels: matrices in slices, their products, fresh memory, and access to a
//! tensor's numbers.
//!
//! What other rooms can call checks its bounds; the `unsafe` code behind it stands in the modules
//! that [`crate::nn`] names.

#[cfg(target_arch = "x86_64")]
mod amx;
mod bf16;
mod buffer;
#[cfg(all(test, target_arch = "x86_64", target_os = "linux", not(miri)))]
mod emulated_amx;
mod lhs;
mod matrix;
mod multiply;
mod pair_product;
mod product;
mod rhs;
mod scalar_products;
mod tile;
mod weighted_sums;

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::LazyLock;

use candle_core::{CpuStorage, DType, InplaceOp1, Layout, Result, Storage, Tensor};
use rayon::prelude::*;

pub use buffer::{UninitBuffer, UninitSlice, build, keep_memory};
pub use matrix::{Matrix, MatrixMut};
pub use multiply::{Packed, multiply, multiply_packed};
pub use product::{product, product_into};
pub use rhs::{Panels, Rhs};
pub use scalar_products::multiply_few;
pub use weighted_sums::add_weighted;

/// What this machine multiplies bfloat16 with, if it has something for it.
pub fn bf16_unit() -> Option<&'static str> {
    bf16::unit().map(|unit| match unit {
        bf16::Unit::Amx => "AMX",
        bf16::Unit::Avx512 => "AVX512-BF16",
    })
}

/// The vector instructions of this machine.
static MACHINE: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);

/// Evaluates an expression, compiled for the widest vector instructions that this machine has.
macro_rules! vectorised {
    ($work:expr) => {
        $crate::nn::cpu::dispatch(
            #[inline(always)]
            || $work,
        )
    };
}
pub(crate) use vectorised;

/// Calls `work` with this machine's vector instructions switched on, which reach what is inlined
/// into it: [`vectorised`] sees to that. A closure that `work` hands on to another function may not be,
/// and then each of its `mul_add`s is a call.
#[inline(always)]
pub(crate) fn dispatch<R>(work: impl FnOnce() -> R) -> R {
    MACHINE.dispatch(work)
}

/// The sum of `term(0) + ... + term(count - 1)`, in sixteen partial sums that do not depend on the
/// machine.
#[inline(always)]
pub fn sum(count: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut partial = [0f32; 16];
    let whole = count - count % 16;
    for start in (0..whole).step_by(16) {
        for (lane, sum) in partial.iter_mut().enumerate() {
            *sum += term(start + lane);
        }
    }
    let rest: f32 = (whole..count).map(&term).sum();
    partial.iter().sum::<f32>() + rest
}

/// The largest of some numbers, or -∞; NaN is passed over.
#[inline(always)]
pub fn largest(numbers: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut partial = [f32::NEG_INFINITY; 16];
    let sixteens = numbers.chunks_exact(16);
    let rest = sixteens.remainder();
    for sixteen in sixteens {
        for (largest, number) in partial.iter_mut().zip(sixteen) {
            *largest = larger(*largest, *number);
        }
    }
    partial.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, larger)
}

/// `sum + more`, in the memory of `sum`.
pub fn add(sum: &mut [f32], more: &[f32]) {
    const BLOCK: usize = 1 << 14;
    sum.par_chunks_mut(BLOCK).zip(more.par_chunks(BLOCK)).for_each(|(sum, more)| {
        vectorised!(sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more));
    });
}

/// Whether the kernels can work on this tensor: f32 in CPU memory.
pub fn holds(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32
}

/// The numbers of a contiguous f32 tensor in CPU memory.
///
/// # Errors
/// If it is not contiguous f32 on the CPU.
pub fn values(tensor: &Tensor) -> Result<impl Deref<Target = [f32]> + '_> {
    struct Values<G> {
        storage: G,
        start: usize,
        end: usize,
    }
    impl<G: Deref<Target = Storage>> Deref for Values<G> {
        type Target = [f32];
        fn deref(&self) -> &[f32] {
            match &*self.storage {
                Storage::Cpu(CpuStorage::F32(values)) => &values[self.start..self.end],
                _ => &[],
            }
        }
    }
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(_)), Some((start, end))) => {
            Ok(Values { storage, start, end })
        }
        _ => candle_core::bail!("a contiguous f32 tensor on the CPU was expected, not {tensor:?}"),
    }
}

/// Changes the numbers of a contiguous f32 tensor in CPU memory where they stand.
///
/// # Errors
/// If it is not contiguous f32 on the CPU, or `change` fails.
pub fn update(tensor: &Tensor, change: impl FnOnce(&mut [f32]) -> Result<()>) -> Result<()> {
    struct Update<F>(RefCell<Option<F>>);
    impl<F: FnOnce(&mut [f32]) -> Result<()>> InplaceOp1 for Update<F> {
        fn name(&self) -> &'static str {
            "update"
        }
        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
            match (storage, layout.contiguous_offsets(), self.0.take()) {
                (CpuStorage::F32(values), Some((start, end)), Some(change)) => {
                    change(&mut values[start..end])
                }
                _ => candle_core::bail!("a contiguous f32 tensor on the CPU was expected"),
            }
        }
    }
    tensor.inplace_op1(&Update(RefCell::new(Some(change))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_found_at_every_place_and_nan_is_passed_over() {
        for length in [1, 15, 16, 17, 50] {
            for place in 0..length {
                let mut numbers = vec![-2.5; length];
                numbers[(place + 1) % length] = f32::NAN;
                numbers[place] = -1.5;
                assert_eq!(largest(&numbers), -1.5, "{place} of {length}");
            }
        }
        assert_eq!(largest(&[]), f32::NEG_INFINITY);
    }
}
