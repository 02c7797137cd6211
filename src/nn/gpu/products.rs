//! Matrix products by cuBLASLt.
//!
//! cuBLAS chooses an algorithm anew for every size, and packed batches hardly ever have a number of
//! rows twice: on an H200 that took longer than the products themselves. Here an algorithm is chosen
//! once for all sizes that are near each other, by the largest of them, so which came first changes
//! no result.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::c_void;
use std::sync::{LazyLock, Mutex, PoisonError};

use candle_core::cuda_backend::cudarc::cublaslt::{result as lt, sys};
use candle_core::cuda_backend::{CudaDevice, DeviceId};
use candle_core::{DType, Result, Tensor};

use super::backend::uninit;
use super::cuda::address;
use super::launch::{Factor, Product};

use sys::cublasLtMatmulDescAttributes_t as Description;
use sys::cublasLtMatmulPreferenceAttributes_t as Preference;

/// What an algorithm may use for itself; NVIDIA's advice for Hopper.
const WORKSPACE: usize = 32 << 20;

/// Where every matrix and every one of its rows begins, as algorithms may rely on.
const ALIGNMENT: usize = 16;

/// Sizes that share an algorithm: (m, n, k), whether the factors are transposed, and the types of
/// factors and result.
type Kind = ([usize; 3], [bool; 2], [DType; 2]);

/// What has been chosen on one GPU.
struct Library {
    handle: sys::cublasLtHandle_t,
    workspace: Tensor,
    /// None where cuBLASLt knows no algorithm.
    chosen: HashMap<Kind, Option<sys::cublasLtMatmulAlgo_t>>,
}

// SAFETY: a handle may be used by any thread, one at a time.
unsafe impl Send for Library {}

/// Multiplies, unless the product is none for cuBLASLt; then nothing was done.
pub(super) fn multiply(device: &CudaDevice, product: &Product) -> Result<bool> {
    static LIBRARIES: LazyLock<Mutex<HashMap<DeviceId, Library>>> = LazyLock::new(Mutex::default);
    let Product { a, b, to, m, n, k } = product;
    let (of_a, of_b) = (Matrix::of(device, a.matrix)?, Matrix::of(device, b.matrix)?);
    let of_result = Matrix::of(device, to)?;
    if [&of_a, &of_b, &of_result].iter().any(|matrix| !matrix.is_aligned()) {
        return Ok(false);
    }
    let mut libraries = LIBRARIES.lock().unwrap_or_else(PoisonError::into_inner);
    let library = match libraries.entry(device.id()) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => new.insert(Library {
            handle: lt::create_handle().map_err(candle_core::Error::wrap)?,
            workspace: uninit(WORKSPACE / 4, DType::F32, to.device())?,
            chosen: HashMap::new(),
        }),
    };
    let sizes = [*m, *n, *k].map(nearby);
    let transposed = [a.is_transposed, b.is_transposed];
    let kind = (sizes, transposed, [a.matrix.dtype(), to.dtype()]);
    let description = Operation::new(b.is_transposed, a.is_transposed)?;
    let algorithm = match library.chosen.get(&kind) {
        Some(known) => *known,
        None => {
            let largest = |factor: &Factor, rows: usize, columns: usize| {
                let (rows, columns) =
                    if factor.is_transposed { (columns, rows) } else { (rows, columns) };
                Layout::new(factor.matrix.dtype(), rows, columns)
            };
            let [m, n, k] = sizes;
            let (a, b) = (largest(a, m, k)?, largest(b, k, n)?);
            let found =
                choose(library.handle, &description, &b, &a, &Layout::new(to.dtype(), m, n)?)?;
            library.chosen.insert(kind, found);
            found
        }
    };
    let Some(algorithm) = algorithm else { return Ok(false) };
    let [layout_a, layout_b, layout] = [&of_a, &of_b, &of_result].map(Matrix::layout);
    let (layout_a, layout_b, layout) = (layout_a?, layout_b?, layout?);
    let (one, zero) = (1f32, 0f32);
    // SAFETY: the sizes fit each other and the matrices' memory, which Product promises; alpha and
    // beta are f32 as the type of the sums asks; all work goes to one stream, which the workspace is
    // used by in turn.
    let done = unsafe {
        lt::matmul(
            library.handle,
            description.0,
            (&raw const one).cast(),
            (&raw const zero).cast(),
            of_b.pointer(),
            layout_b.0,
            of_a.pointer(),
            layout_a.0,
            of_result.pointer(),
            layout.0,
            of_result.pointer(),
            layout.0,
            &raw const algorithm,
            address(device, &library.workspace)? as *mut c_void,
            WORKSPACE,
            device.cuda_stream().cu_stream().cast(),
        )
    };
    Ok(done.is_ok()) // not where an algorithm is for the largest size only
}

/// The largest of the sizes near this one: there are eight from a power of two to the next.
fn nearby(size: usize) -> usize {
    size.next_multiple_of((size.next_power_of_two() / 8).max(1))
}

fn choose(
    handle: sys::cublasLtHandle_t,
    description: &Operation,
    a: &Layout,
    b: &Layout,
    to: &Layout,
) -> Result<Option<sys::cublasLtMatmulAlgo_t>> {
    let preference = Limits::new()?;
    // SAFETY: handle, description and layouts are alive.
    let found = unsafe {
        lt::get_matmul_algo_heuristic(handle, description.0, a.0, b.0, to.0, to.0, preference.0)
    };
    Ok(found.ok().map(|found| found.algo))
}

/// A contiguous matrix in the GPU's memory.
struct Matrix {
    address: u64,
    dtype: DType,
    rows: usize,
    columns: usize,
}

impl Matrix {
    fn of(device: &CudaDevice, tensor: &Tensor) -> Result<Self> {
        let (rows, columns) = tensor.dims2()?;
        Ok(Self { address: address(device, tensor)?, dtype: tensor.dtype(), rows, columns })
    }

    fn is_aligned(&self) -> bool {
        let width = self.columns * self.dtype.size_in_bytes();
        self.rows > 0
            && self.address.is_multiple_of(ALIGNMENT as u64)
            && width.is_multiple_of(ALIGNMENT)
    }

    fn layout(&self) -> Result<Layout> {
        Layout::new(self.dtype, self.rows, self.columns)
    }

    fn pointer(&self) -> *mut c_void {
        self.address as *mut c_void
    }
}

/// How a row-major matrix lies: for cuBLASLt, which counts columns first, it is its transpose.
struct Layout(sys::cublasLtMatrixLayout_t);

impl Layout {
    fn new(dtype: DType, rows: usize, columns: usize) -> Result<Self> {
        let kind = match dtype {
            DType::BF16 => sys::cudaDataType::CUDA_R_16BF,
            _ => sys::cudaDataType::CUDA_R_32F,
        };
        lt::create_matrix_layout(kind, columns as u64, rows as u64, columns as i64)
            .map(Self)
            .map_err(candle_core::Error::wrap)
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        // SAFETY: it was made above and is destroyed once.
        let _ = unsafe { lt::destroy_matrix_layout(self.0) };
    }
}

/// A product of two matrices as they are or transposed, with sums in f32.
struct Operation(sys::cublasLtMatmulDesc_t);

impl Operation {
    fn new(first: bool, second: bool) -> Result<Self> {
        let (sums, scale) =
            (sys::cublasComputeType_t::CUBLAS_COMPUTE_32F, sys::cudaDataType::CUDA_R_32F);
        let new = Self(lt::create_matmul_desc(sums, scale).map_err(candle_core::Error::wrap)?);
        for (attribute, is_transposed) in [
            (Description::CUBLASLT_MATMUL_DESC_TRANSA, first),
            (Description::CUBLASLT_MATMUL_DESC_TRANSB, second),
        ] {
            let order = i32::from(is_transposed); // CUBLAS_OP_N and CUBLAS_OP_T
            // SAFETY: the attribute is one i32.
            unsafe {
                lt::set_matmul_desc_attribute(new.0, attribute, (&raw const order).cast(), 4)
            }
            .map_err(candle_core::Error::wrap)?;
        }
        Ok(new)
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // SAFETY: it was made above and is destroyed once.
        let _ = unsafe { lt::destroy_matmul_desc(self.0) };
    }
}

/// What an algorithm may ask for.
struct Limits(sys::cublasLtMatmulPreference_t);

impl Limits {
    fn new() -> Result<Self> {
        let new = Self(lt::create_matmul_pref().map_err(candle_core::Error::wrap)?);
        let (workspace, alignment) = (WORKSPACE, ALIGNMENT as u32);
        let set = |attribute, value: *const c_void, size| {
            // SAFETY: the attributes have these sizes.
            unsafe { lt::set_matmul_pref_attribute(new.0, attribute, value, size) }
                .map_err(candle_core::Error::wrap)
        };
        set(
            Preference::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
            (&raw const workspace).cast(),
            8,
        )?;
        for attribute in [
            Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
            Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
            Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
            Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
        ] {
            set(attribute, (&raw const alignment).cast(), 4)?;
        }
        Ok(new)
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        // SAFETY: it was made above and is destroyed once.
        let _ = unsafe { lt::destroy_matmul_pref(self.0) };
    }
}
