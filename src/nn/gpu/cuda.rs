//! CUDA through cudarc: memory, launches, and cuBLAS.
//!
//! All work goes to one stream, in order: what a launch reads may be freed, in that stream, as soon
//! as the launch stands.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::c_void;
use std::sync::{LazyLock, Mutex, PoisonError, RwLock};

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::cublas::{result::gemm_ex, sys as blas};
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, DevicePtr, LaunchConfig, PushKernelArg, result, sys,
};
use candle_core::cuda_backend::{CudaDevice, CudaStorageSlice, DeviceId};
use candle_core::{DType, Device, Result, Shape, Storage, Tensor};

use super::launch::{BLOCK, Factor, Product};
use super::products;
use super::sums::COUNTERS;

mod kernels {
    include!(concat!(env!("OUT_DIR"), "/kernels.rs"));
}

/// Opens the GPU with this number, for one stream of work.
///
/// # Errors
/// If there is none, or its driver fails.
pub fn open(number: usize) -> Result<Device> {
    let device = Device::new_cuda_with_stream(number)?;
    let cuda = device.as_cuda_device()?;
    // SAFETY: all work goes to the device's one stream, so no event has to keep uses of a tensor in
    // order.
    unsafe { cuda.disable_event_tracking() };
    keep_memory(number)?;
    Ok(device)
}

/// Lets the driver keep freed memory for the next step, in place of giving it back whenever the
/// stream is waited for.
fn keep_memory(number: usize) -> Result<()> {
    let mut all = u64::MAX;
    let device = result::device::get(number as i32).w()?;
    // SAFETY: the device is there, its pool lives as long as the driver, and the attribute is one
    // u64.
    unsafe {
        let pool = result::device::get_default_mem_pool(device).w()?;
        let threshold = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        result::mem_pool::set_attribute(pool, threshold, (&raw mut all).cast::<c_void>()).w()
    }
}

/// The largest result that is a piece of a larger one, in bytes.
const LARGEST_PIECE: usize = 4 << 20;
/// What is asked for at once for such results, in bytes.
const SLAB: usize = 64 << 20;
/// Where they begin, in bytes.
const ALIGNMENT: usize = 256;

/// Memory of which results take pieces, one after the other. The driver has it back once all of them
/// are gone.
struct Slab {
    whole: Tensor,
    used: usize,
}

/// Memory for a result. To ask the driver for it, and to give it back, takes longer than to launch a
/// kernel, so small results share what is asked for.
pub(super) fn uninit(shape: Shape, dtype: DType, device: &Device) -> Result<Tensor> {
    static SLABS: LazyLock<Mutex<HashMap<(DeviceId, DType), Slab>>> = LazyLock::new(Mutex::default);
    // SAFETY: every caller has a kernel or a product write all of it before anything reads it.
    let empty = |shape: Shape| unsafe { Tensor::empty(shape, dtype, device) };
    let (count, size) = (shape.elem_count(), dtype.size_in_bytes());
    if count == 0 || count * size > LARGEST_PIECE {
        return empty(shape);
    }
    let mut slabs = SLABS.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (device.as_cuda_device()?.id(), dtype);
    let slab = match slabs.entry(key) {
        Entry::Occupied(slab) if slab.get().used + count <= SLAB / size => slab.into_mut(),
        full => full.insert_entry(Slab { whole: empty((SLAB / size).into())?, used: 0 }).into_mut(),
    };
    let piece = slab.whole.narrow(0, slab.used, count)?.reshape(shape)?;
    slab.used += count.next_multiple_of(ALIGNMENT / size);
    Ok(piece)
}

/// Every device has its own, for its stream.
pub(super) fn counters(cuda: &CudaDevice, device: &Device) -> Result<Tensor> {
    static ZEROS: LazyLock<Mutex<HashMap<DeviceId, Tensor>>> = LazyLock::new(Mutex::default);
    let mut all = ZEROS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(zeros) = all.get(&cuda.id()) {
        return Ok(zeros.clone());
    }
    let zeros = Tensor::zeros(COUNTERS, DType::U32, device)?;
    all.insert(cuda.id(), zeros.clone());
    Ok(zeros)
}

/// The address of a contiguous tensor's first number in the GPU's memory.
pub(super) fn address(device: &CudaDevice, tensor: &Tensor) -> Result<u64> {
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cuda(storage), Some((start, _))) = (&*storage, layout.contiguous_offsets())
    else {
        candle_core::bail!("a contiguous tensor on the GPU was expected, not {tensor:?}");
    };
    let stream = device.cuda_stream();
    let first = match &storage.slice {
        CudaStorageSlice::F32(numbers) => numbers.device_ptr(&stream).0,
        CudaStorageSlice::BF16(numbers) => numbers.device_ptr(&stream).0,
        CudaStorageSlice::U32(numbers) => numbers.device_ptr(&stream).0,
        CudaStorageSlice::I64(numbers) => numbers.device_ptr(&stream).0,
        _ => candle_core::bail!("no kernel takes {:?}", tensor.dtype()),
    };
    Ok(first + (start * tensor.dtype().size_in_bytes()) as u64)
}

/// A kernel, by its name and the types it is for.
type Name = (&'static str, &'static str);

fn function(device: &CudaDevice, name: Name) -> Result<CudaFunction> {
    static LOADED: LazyLock<RwLock<HashMap<(DeviceId, Name), CudaFunction>>> =
        LazyLock::new(RwLock::default);
    let poisoned =
        |_| candle_core::Error::Msg("another thread failed while it loaded a kernel".into());
    if let Some(known) = LOADED.read().map_err(|_| poisoned(()))?.get(&(device.id(), name)) {
        return Ok(known.clone());
    }
    // Held while the driver compiles them, so that it does so once.
    let mut all = LOADED.write().map_err(|_| poisoned(()))?;
    if let Some(known) = all.get(&(device.id(), name)) {
        return Ok(known.clone());
    }
    let full = format!("{}_{}", name.0, name.1);
    let (module, code) = match name.1.ends_with("_any") {
        true => ("valuenet_any", kernels::ANY),
        false => ("valuenet", kernels::ALL),
    };
    let loaded = device.get_or_load_custom_func(&full, module, code)?.into_cuda_function();
    all.insert((device.id(), name), loaded.clone());
    Ok(loaded)
}

pub(super) fn launch(device: &CudaDevice, name: Name, blocks: usize, values: &[u64]) -> Result<()> {
    let (function, stream) = (function(device, name)?, device.cuda_stream());
    let mut builder = stream.launch_builder(&function);
    for value in values {
        builder.arg(value);
    }
    let grid_dim = (u32::try_from(blocks).map_err(candle_core::Error::wrap)?, 1, 1);
    let config = LaunchConfig { grid_dim, block_dim: (BLOCK as u32, 1, 1), shared_mem_bytes: 0 };
    // SAFETY: callers give the arguments that the kernel's head asks for, and memory of the sizes
    // that it speaks of. A parameter of 32 bits reads the lower half of its value.
    unsafe { builder.launch(config) }.w()?;
    Ok(())
}

/// By cuBLASLt, or cuBLAS where that is not for it. Both count columns first: a row-major product
/// `a b` is their `bᵀ aᵀ`.
pub(super) fn multiply(device: &CudaDevice, product: &Product) -> Result<()> {
    if products::multiply(device, product)? {
        return Ok(());
    }
    let Product { a, b, to, m, n, k } = product;
    let kind = |dtype| match dtype {
        DType::BF16 => blas::cudaDataType::CUDA_R_16BF,
        _ => blas::cudaDataType::CUDA_R_32F,
    };
    let order = |factor: &Factor| match factor.is_transposed {
        true => blas::cublasOperation_t::CUBLAS_OP_T,
        false => blas::cublasOperation_t::CUBLAS_OP_N,
    };
    let stride = |factor: &Factor| factor.matrix.dim(1).map(|columns| columns as i32);
    let pointer = |tensor: &Tensor| address(device, tensor).map(|address| address as *mut c_void);
    let (one, zero) = (1f32, 0f32);
    // SAFETY: the sizes fit each other and the matrices' memory, which Product promises; alpha and
    // beta are f32 as the type of the sums asks.
    unsafe {
        gemm_ex(
            *device.cublas_handle().handle(),
            order(b),
            order(a),
            *n as i32,
            *m as i32,
            *k as i32,
            (&raw const one).cast(),
            pointer(b.matrix)?,
            kind(b.matrix.dtype()),
            stride(b)?,
            pointer(a.matrix)?,
            kind(a.matrix.dtype()),
            stride(a)?,
            (&raw const zero).cast(),
            pointer(to)?,
            kind(to.dtype()),
            *n as i32,
            blas::cublasComputeType_t::CUBLAS_COMPUTE_32F,
            blas::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
        )
    }
    .w()
}
