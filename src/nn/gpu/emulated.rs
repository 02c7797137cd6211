//! The CPU in place of a GPU, for tests: `emulator/` runs the kernels, and plain loops multiply.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_uint, c_void};
use std::sync::{Mutex, OnceLock, PoisonError};

use candle_core::{CpuStorage, DType, Device, Result, Shape, Storage, Tensor};

use super::launch::{BLOCK, Factor, Product};
use super::sums::COUNTERS;
use crate::nn::cpu::{Matrix, MatrixMut, multiply as multiply_matrices};

// SAFETY: `emulator/emulator.cpp` defines it so.
unsafe extern "C" {
    fn valuenet_emulate(
        name: *const c_char,
        blocks: c_uint,
        threads: c_uint,
        arguments: *mut *mut c_void,
    ) -> bool;
}

/// NaNs, so that a test sees what no kernel wrote: a piece of more, as on a GPU.
pub(super) fn uninit(shape: Shape, dtype: DType) -> Result<Tensor> {
    const BEFORE: usize = 256;
    let count = shape.elem_count();
    let whole = Tensor::full(f32::NAN, BEFORE + count, &Device::Cpu)?.to_dtype(dtype)?;
    whole.narrow(0, BEFORE, count)?.reshape(shape)
}

/// The address of a contiguous tensor's first number.
pub(super) fn address(tensor: &Tensor) -> Result<u64> {
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cpu(storage), Some((start, _))) = (&*storage, layout.contiguous_offsets()) else {
        candle_core::bail!("a contiguous tensor on the CPU was expected, not {tensor:?}");
    };
    let first: *const c_void = match storage {
        CpuStorage::F32(values) => values.as_ptr().cast(),
        CpuStorage::BF16(values) => values.as_ptr().cast(),
        CpuStorage::U32(values) => values.as_ptr().cast(),
        CpuStorage::I64(values) => values.as_ptr().cast(),
        _ => candle_core::bail!("no kernel takes {:?}", tensor.dtype()),
    };
    Ok(first as u64 + (start * tensor.dtype().size_in_bytes()) as u64)
}

pub(super) fn counters() -> Result<Tensor> {
    static ZEROS: OnceLock<Tensor> = OnceLock::new();
    if let Some(zeros) = ZEROS.get() {
        return Ok(zeros.clone());
    }
    let zeros = Tensor::zeros(COUNTERS, DType::U32, &Device::Cpu)?;
    Ok(ZEROS.get_or_init(|| zeros).clone())
}

pub(super) fn launch(name: &str, blocks: usize, mut values: Vec<u64>) -> Result<()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let mut arguments: Vec<*mut c_void> =
        values.iter_mut().map(|value| (value as *mut u64).cast()).collect();
    let name = CString::new(name).map_err(candle_core::Error::wrap)?;
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: as for CUDA, callers give the arguments that the kernel's head asks for, and memory
    // of the sizes that it speaks of, which the tensors among the arguments keep alive. Results
    // are written through addresses behind candle's back: nothing else reads or writes a tensor
    // that was just made, or a parameter during the optimiser's step.
    match unsafe {
        valuenet_emulate(name.as_ptr(), blocks as u32, BLOCK as u32, arguments.as_mut_ptr())
    } {
        true => Ok(()),
        false => candle_core::bail!("there is no kernel {}", name.to_string_lossy()),
    }
}

pub(super) fn multiply(product: &Product) -> Result<()> {
    let values =
        |factor: &Factor| factor.matrix.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>();
    let (a, b) = (values(&product.a)?, values(&product.b)?);
    fn matrix<'a>(values: &'a [f32], factor: &Factor) -> Result<Matrix<'a>> {
        let matrix = Matrix::new(values, factor.matrix.dim(1)?);
        Ok(if factor.is_transposed { matrix.t() } else { matrix })
    }
    let mut sums = vec![0.0; product.m * product.n];
    multiply_matrices(
        MatrixMut::new(&mut sums, product.n),
        matrix(&a, &product.a)?,
        matrix(&b, &product.b)?,
    );
    let sums =
        Tensor::from_vec(sums, product.to.shape(), &Device::Cpu)?.to_dtype(product.to.dtype())?;
    let bytes = product.to.elem_count() * product.to.dtype().size_in_bytes();
    let (from, to) = (address(&sums)? as *const u8, address(product.to)? as *mut u8);
    // SAFETY: both tensors have that many bytes, and `to` was just made for this.
    unsafe { std::ptr::copy_nonoverlapping(from, to, bytes) };
    Ok(())
}
