//! The floor of the CPU kernels: views of f32 matrices, one matrix product, and access to a tensor's memory.
//!
//! All `unsafe` code of the crate stands here, behind functions that check their bounds.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::LazyLock;

use candle_core::{CpuStorage, DType, InplaceOp1, Layout, Result, Storage, Tensor};
use gemm::Parallelism;

/// A matrix inside a slice of numbers: row-major, transposed, or a block of a wider one.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The row-major matrix of `columns` columns that fills `data`.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        Self { data, rows: data.len() / columns, columns, row_stride: columns, column_stride: 1 }
    }

    /// The columns `start .. start + columns`.
    pub fn columns(self, start: usize, columns: usize) -> Self {
        assert!(self.column_stride == 1 && start + columns <= self.columns);
        Self { data: &self.data[start.min(self.data.len())..], columns, ..self }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn last_index(&self) -> usize {
        self.rows.saturating_sub(1) * self.row_stride + self.columns.saturating_sub(1) * self.column_stride
    }
}

/// A matrix to write to: row-major, or the left part of a wider one.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// The row-major matrix of `columns` columns that fills `data`.
    pub fn new(data: &'a mut [f32], columns: usize) -> Self {
        Self { rows: data.len() / columns, columns, row_stride: columns, data }
    }

    /// The columns `start .. start + columns`.
    pub fn columns(self, start: usize, columns: usize) -> Self {
        assert!(start + columns <= self.columns);
        let start = start.min(self.data.len());
        Self { data: &mut self.data[start..], columns, ..self }
    }
}

/// What [`matmul`] does with the numbers that stand in its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// It writes over them.
    Over,
    /// It adds to them.
    Add,
}

/// Whether [`matmul`] may share its work among the threads of the current pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// On the calling thread only: for small products inside work that is shared already.
    One,
    /// On all of them.
    All,
}

/// `to = scale * a b`, or `to += scale * a b`.
///
/// # Panics
/// If the shapes do not fit, or a view reaches beyond its slice.
pub fn matmul(to: MatrixMut, write: Write, a: Matrix, b: Matrix, scale: f32, threads: Threads) {
    let (m, n, k) = (to.rows, to.columns, a.columns);
    assert!(
        a.rows == m && b.columns == n && b.rows == k,
        "{m}x{n} = {}x{k} * {}x{}",
        a.rows,
        b.rows,
        b.columns
    );
    if m == 0 || n == 0 || k == 0 {
        if write == Write::Over {
            to.data.chunks_mut(to.row_stride.max(1)).take(m).for_each(|row| row[..n].fill(0.0));
        }
        return;
    }
    assert!((m - 1) * to.row_stride + n <= to.data.len());
    assert!(a.last_index() < a.data.len() && b.last_index() < b.data.len());
    let parallelism = match threads {
        Threads::All if rayon::current_num_threads() > 1 => Parallelism::Rayon(rayon::current_num_threads()),
        _ => Parallelism::None,
    };
    // SAFETY: the three views lie within their slices (asserted above), and `to` is borrowed mutably, so it
    // overlaps neither of the others.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            to.data.as_mut_ptr(),
            1,
            to.row_stride as isize,
            write == Write::Add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Runs `work` compiled for the widest vector instructions that this machine has.
///
/// `work` must be a closure whose body is inlined, or its loops stay as narrow as the build's baseline.
#[inline(always)]
pub fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    static MACHINE: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);
    MACHINE.dispatch(work)
}

/// The sum of `term(0) + ... + term(count - 1)`, in sixteen partial sums that do not depend on the machine.
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

/// Whether the kernels can work on this tensor: f32 in CPU memory.
pub fn holds(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32
}

/// The numbers of a contiguous f32 tensor in CPU memory.
///
/// # Errors
/// If the tensor is none.
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
        (Storage::Cpu(CpuStorage::F32(_)), Some((start, end))) => Ok(Values { storage, start, end }),
        _ => candle_core::bail!("a contiguous f32 tensor on the CPU was expected, not {tensor:?}"),
    }
}

/// Changes the numbers of a contiguous f32 tensor in CPU memory where they stand.
///
/// # Errors
/// If the tensor is none, or `change` fails.
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
