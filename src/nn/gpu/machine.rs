//! What runs the kernels and products: CUDA, or the CPU in its place.

use candle_core::{DType, Device, Result, Shape, Tensor};

#[cfg(feature = "cuda")]
use super::cuda;
#[cfg(feature = "cuda-emulation")]
use super::emulated;

/// The threads of a block: four warps.
#[cfg(any(feature = "cuda", feature = "cuda-emulation"))]
pub(super) const BLOCK: usize = 128;

/// What a kernel is given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg<'a> {
    /// The address of a contiguous tensor's number `.1`.
    At(&'a Tensor, usize),
    /// A number, or an address, in the lowest bits.
    Bits(u64),
}

impl Arg<'_> {
    /// The address of nothing.
    pub(super) const NULL: Self = Self::Bits(0);

    fn value(&self) -> Result<u64> {
        match self {
            Self::At(tensor, place) => Ok(address(tensor)? + (place * tensor.dtype().size_in_bytes()) as u64),
            Self::Bits(bits) => Ok(*bits),
        }
    }
}

impl<'a> From<&'a Tensor> for Arg<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Self::At(tensor, 0)
    }
}

impl From<usize> for Arg<'_> {
    fn from(number: usize) -> Self {
        Self::Bits(number as u64)
    }
}

impl From<u32> for Arg<'_> {
    fn from(number: u32) -> Self {
        Self::Bits(number.into())
    }
}

impl From<f32> for Arg<'_> {
    fn from(number: f32) -> Self {
        Self::Bits(number.to_bits().into())
    }
}

/// A factor of a product: a contiguous matrix, or that matrix transposed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factor<'a> {
    pub(super) matrix: &'a Tensor,
    pub(super) is_transposed: bool,
}

impl<'a> Factor<'a> {
    /// The matrix as it is.
    pub(super) fn plain(matrix: &'a Tensor) -> Self {
        Self { matrix, is_transposed: false }
    }

    /// The matrix transposed.
    pub(super) fn transposed(matrix: &'a Tensor) -> Self {
        Self { matrix, is_transposed: true }
    }

    fn dims(self) -> Result<(usize, usize)> {
        let (rows, columns) = self.matrix.dims2()?;
        Ok(if self.is_transposed { (columns, rows) } else { (rows, columns) })
    }
}

/// `to = a b`, of which all sizes are known to fit: (m, k) and (k, n) to (m, n).
#[derive(Debug)]
pub(super) struct Product<'a> {
    pub(super) a: Factor<'a>,
    pub(super) b: Factor<'a>,
    pub(super) to: &'a Tensor,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
}

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
pub(super) fn fresh(shape: impl Into<Shape>, dtype: DType, device: &Device) -> Result<Tensor> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(_) => cuda::fresh(shape.into(), dtype, device),
        #[cfg(feature = "cuda-emulation")]
        Device::Cpu => emulated::fresh(shape.into(), dtype),
        _ => Tensor::zeros(shape, dtype, device),
    }
}

/// Runs the kernel `name` for tensors of these `types` with so many threads, rounded up to whole blocks.
pub(super) fn launch(name: &'static str, types: &'static str, threads: usize, args: &[Arg]) -> Result<()> {
    let device = args.iter().find_map(|arg| match arg {
        Arg::At(tensor, _) => Some(tensor.device()),
        Arg::Bits(_) => None,
    });
    let values = args.iter().map(Arg::value).collect::<Result<Vec<u64>>>()?;
    match device {
        _ if threads == 0 => Ok(()),
        #[cfg(feature = "cuda")]
        Some(Device::Cuda(device)) => cuda::launch(device, (name, types), threads.div_ceil(BLOCK), &values),
        #[cfg(feature = "cuda-emulation")]
        Some(Device::Cpu) => emulated::launch(&format!("{name}_{types}"), threads.div_ceil(BLOCK), values),
        _ => candle_core::bail!("nothing here runs the kernel {name}_{types} on {values:?}"),
    }
}

/// `a b` as f32 or bfloat16, with sums in f32: (m, k) and (k, n) to (m, n). Both factors are of one type.
pub(super) fn product(a: Factor, b: Factor, dtype: DType) -> Result<Tensor> {
    let ((m, k), (b_rows, n)) = (a.dims()?, b.dims()?);
    if k != b_rows || a.matrix.dtype() != b.matrix.dtype() {
        candle_core::bail!("{:?} times {:?}", a.matrix, b.matrix);
    }
    let to = fresh((m, n), dtype, a.matrix.device())?;
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
            candle_core::bail!("nothing here computes {to:?}, ({m}, {k}) by ({k}, {n}): {a:?} {b:?}")
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
