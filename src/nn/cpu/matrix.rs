//! Views of f32 matrices.

use std::hint::black_box;

use super::{build, sum, vectorised};

/// A matrix inside a slice of numbers: row-major, transposed, or a block of a wider one.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The row-major matrix of `columns` columns that fills `data`.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        Self { data, rows: data.len() / columns, columns, row_stride: columns, column_stride: 1 }
    }

    /// The columns `start .. start + columns`.
    pub fn columns(self, start: usize, columns: usize) -> Self {
        assert!(start + columns <= self.columns);
        let start = (start * self.column_stride).min(self.data.len());
        Self { data: &self.data[start..], columns, ..self }
    }

    /// The rows `start .. start + rows`.
    pub fn rows(self, start: usize, rows: usize) -> Self {
        assert!(start + rows <= self.rows);
        let start = (start * self.row_stride).min(self.data.len());
        Self { data: &self.data[start..], rows, ..self }
    }

    /// The number of rows.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn column_count(&self) -> usize {
        self.columns
    }

    /// Blocks of `width` columns below each other, for row-major matrices.
    pub fn blocks_below(&self, width: usize) -> Vec<f32> {
        let mut below = Vec::with_capacity(self.rows * self.columns);
        for column in (0..self.columns).step_by(width) {
            for row in 0..self.rows {
                let start = row * self.row_stride + column;
                below.extend_from_slice(&self.data[start..start + width]);
            }
        }
        below
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

    /// The sum of each column, for row-major matrices: row by row, whatever the number of threads.
    pub fn column_sums(&self) -> Vec<f32> {
        const BLOCK: usize = 64;
        build(self.columns, BLOCK, |first, sums| {
            vectorised!({
                for row in 0..self.rows {
                    let from = &self.data[row * self.row_stride + first..][..sums.len()];
                    sums.iter_mut().zip(from).for_each(|(sum, value)| *sum += value);
                }
            });
        })
    }

    /// Reads a row-major matrix from its first number to its last, which memory gives fastest. What reads
    /// it next in another order finds it in the cache.
    pub fn read_through(&self) {
        vectorised!({
            for row in 0..self.rows {
                let row = &self.data[row * self.row_stride..][..self.columns];
                black_box(sum(row.len(), |i| row[i]));
            }
        });
    }

    /// Whether every number of the view lies within its slice.
    pub(super) fn is_whole(&self) -> bool {
        let last = self.rows.saturating_sub(1) * self.row_stride
            + self.columns.saturating_sub(1) * self.column_stride;
        self.rows == 0 || self.columns == 0 || last < self.data.len()
    }
}

/// A matrix to write to: row-major, or a block of columns of a wider one.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
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

    /// The rows `start .. start + rows`.
    pub fn rows(self, start: usize, rows: usize) -> Self {
        assert!(start + rows <= self.rows);
        let start = (start * self.row_stride).min(self.data.len());
        Self { data: &mut self.data[start..], rows, ..self }
    }

    /// Writes rows that lie without gaps in `from`.
    pub fn copy_rows(self, from: &[f32]) {
        let rows = self.data.chunks_mut(self.row_stride).zip(from.chunks_exact(self.columns));
        rows.for_each(|(to, from)| to[..self.columns].copy_from_slice(from));
    }
}
