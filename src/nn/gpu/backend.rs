//! What runs the kernels and products: CUDA, or the CPU in its place.

use candle_core::{DType, Device, Result, Shape, Tensor};

#[cfg(feature = "cuda")]
use super::cuda;
#[cfg(feature = "cuda-emulation")]
use super::emulated;
use super::launch::{Arg, BLOCK, Factor, Product};

/// Whether the kernels can work on this tensor.
pub fn holds(tensor: &Tensor) -> bool {
    let is_on_gpu = match tensor.device() {
        Device::Cuda(_) => cfg!(feature = "cuda"),
        Device::Cpu => cfg!(feature = "cuda-emulation"),
        Device::Metal(_) => false,
    };
    is_on_gpu && matches!(tensor.dtype(), DType::F32 | DType::BF16)
}

/// Memory for a result that is about to be written.
pub(super) fn uninit(shape: impl Into<Shape>, dtype: DType, device: &Device) -> Result<Tensor> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(_) => cuda::uninit(shape.into(), dtype, device),
        #[cfg(feature = "cuda-emulation")]
        Device::Cpu => emulated::uninit(shape.into(), dtype),
        _ => Tensor::zeros(shape, dtype, device),
    }
}

/// Zeros that kernels count with, and leave as zeros: u32.
pub(super) fn counters(device: &Device) -> Result<Tensor> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(cuda) => cuda::counters(cuda, device),
        #[cfg(feature = "cuda-emulation")]
        Device::Cpu => emulated::counters(),
        _ => candle_core::bail!("nothing here counts on {device:?}"),
    }
}

/// Runs the kernel `name` for tensors of these `types` with so many threads, rounded up to whole
/// blocks.
pub(super) fn launch(
    name: &'static str,
    types: &'static str,
    threads: usize,
    args: &[Arg],
) -> Result<()> {
    let device = args.iter().find_map(|arg| match arg {
        Arg::At(tensor, _) => Some(tensor.device()),
        Arg::Bits(_) => None,
    });
    let blocks = threads.div_ceil(BLOCK);
    let values = args.iter().map(value).collect::<Result<Vec<u64>>>()?;
    match device {
        _ if threads == 0 => Ok(()),
        #[cfg(feature = "cuda")]
        Some(Device::Cuda(device)) => cuda::launch(device, (name, types), blocks, &values),
        #[cfg(feature = "cuda-emulation")]
        Some(Device::Cpu) => emulated::launch(&format!("{name}_{types}"), blocks, values),
        _ => {
            candle_core::bail!("nothing here runs {blocks} blocks of {name}_{types} on {values:?}")
        }
    }
}

/// An argument as the lowest bits of a number.
fn value(arg: &Arg) -> Result<u64> {
    match arg {
        Arg::At(tensor, place) => {
            Ok(address(tensor)? + (place * tensor.dtype().size_in_bytes()) as u64)
        }
        Arg::Bits(bits) => Ok(*bits),
    }
}

/// `a b` as f32 or bfloat16, with sums in f32: (m, k) and (k, n) to (m, n). Both factors are of one
/// type.
pub(super) fn product(a: Factor, b: Factor, dtype: DType) -> Result<Tensor> {
    let ((m, k), (b_rows, n)) = (a.dims()?, b.dims()?);
    if k != b_rows || a.matrix.dtype() != b.matrix.dtype() {
        candle_core::bail!("{:?} times {:?}", a.matrix, b.matrix);
    }
    let to = uninit((m, n), dtype, a.matrix.device())?;
    multiply(&Product { a, b, to: &to, m, n, k })?;
    Ok(to)
}

fn multiply(product: &Product) -> Result<()> {
    match product.to.device() {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => cuda::multiply(device, product),
        #[cfg(feature = "cuda-emulation")]
        Device::Cpu => emulated::multiply(product),
        _ => {
            let Product { a, b, to, m, n, k } = product;
            candle_core::bail!(
                "nothing here computes {to:?}, ({m}, {k}) by ({k}, {n}): {a:?} {b:?}"
            )
        }
    }
}

/// The address of a contiguous tensor's first number, for kernels.
pub(super) fn address(tensor: &Tensor) -> Result<u64> {
    match tensor.device() {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => cuda::address(device, tensor),
        #[cfg(feature = "cuda-emulation")]
        Device::Cpu => emulated::address(tensor),
        _ => candle_core::bail!("{tensor:?} has no address for a kernel"),
    }
}
