//! Weighted sums of rows: products of a few rows of weights with a matrix that is read once and as it
//! lies.

use pulp::{Simd, WithSimd};

use super::MACHINE;
use super::matrix::{Matrix, MatrixMut};

/// The most rows of weights for which the matrix is read once.
const MOST_ROWS: usize = 4;

/// `to += weights rows`, on the calling thread. Each number is one chain of fused multiply-adds along
/// the rows, whatever the machine.
///
/// # Panics
/// If the shapes do not fit, a view reaches beyond its slice, or a row does not lie in one piece.
pub fn add_weighted(to: MatrixMut, weights: Matrix, rows: Matrix) {
    assert!(to.rows == weights.rows && to.columns == rows.columns && weights.columns == rows.rows);
    assert!(weights.column_stride == 1 && rows.column_stride == 1);
    MACHINE.dispatch(WeightedSums { to, weights, rows });
}

struct WeightedSums<'a> {
    to: MatrixMut<'a>,
    weights: Matrix<'a>,
    rows: Matrix<'a>,
}

impl WithSimd for WeightedSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for first in (0..self.to.rows).step_by(MOST_ROWS) {
            match self.to.rows - first {
                1 => self.sums_of::<S, 1>(simd, first),
                2 => self.sums_of::<S, 2>(simd, first),
                3 => self.sums_of::<S, 3>(simd, first),
                _ => self.sums_of::<S, MOST_ROWS>(simd, first),
            }
        }
    }
}

impl WeightedSums<'_> {
    /// The sums by some rows of weights, from row `first` on.
    #[inline(always)]
    fn sums_of<S: Simd, const ROWS: usize>(&mut self, simd: S, first: usize) {
        // As many vectors as keep the sums in registers, and the units busy.
        const VECTORS: usize = 4;
        let (columns, lanes) = (self.to.columns, S::F32_LANES);
        let mut column = 0;
        while column + VECTORS * lanes <= columns {
            self.block::<S, ROWS, VECTORS>(simd, first, column);
            column += VECTORS * lanes;
        }
        while column + lanes <= columns {
            self.block::<S, ROWS, 1>(simd, first, column);
            column += lanes;
        }
        let Self { to, weights, rows } = self;
        for row in first..first + ROWS {
            for column in column..columns {
                let sum = &mut to.data[row * to.row_stride + column];
                for place in 0..rows.rows {
                    let weight = weights.data[row * weights.row_stride + place];
                    *sum = weight.mul_add(rows.data[place * rows.row_stride + column], *sum);
                }
            }
        }
    }

    /// Some vectors of some sums.
    #[inline(always)]
    fn block<S: Simd, const ROWS: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        first: usize,
        column: usize,
    ) {
        let Self { to, weights, rows } = self;
        let length = VECTORS * S::F32_LANES;
        // In loops: vectors in closures that go to other functions are calls, as `dispatch` says.
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        for (row, sums) in sums.iter_mut().enumerate() {
            let from = &to.data[(first + row) * to.row_stride + column..][..length];
            sums.copy_from_slice(S::as_simd_f32s(from).0);
        }
        for place in 0..rows.rows {
            let right = &rows.data[place * rows.row_stride + column..][..length];
            let right = S::as_simd_f32s(right).0;
            for (row, sums) in sums.iter_mut().enumerate() {
                let weight = weights.data[(first + row) * weights.row_stride + place];
                let weight = simd.splat_f32s(weight);
                for vector in 0..VECTORS {
                    sums[vector] = simd.mul_add_f32s(weight, right[vector], sums[vector]);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            let to = &mut to.data[(first + row) * to.row_stride + column..][..length];
            S::as_mut_simd_f32s(to).0.copy_from_slice(sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::product::tests::{SIZES, both_ways, exact, number};
    use super::*;

    #[test]
    fn products_are_added() {
        for &(rows, depth, columns) in SIZES {
            let ([a, _], [b, _]) = (both_ways(rows, depth, 1), both_ways(depth, columns, 53));
            let exact = exact(&a, &b, depth, columns);
            let before: Vec<f32> = (0..exact.len()).map(|place| number(place * 7)).collect();
            let mut found = before.clone();
            let to = MatrixMut::new(&mut found, columns);
            add_weighted(to, Matrix::new(&a, depth), Matrix::new(&b, columns));
            let expected: Vec<f32> = before.iter().zip(&exact).map(|(a, b)| a + b).collect();
            assert!(found == expected, "{rows}x{depth}x{columns}");
        }
    }

    #[test]
    fn the_width_of_the_vectors_changes_no_bit() {
        let irrational = |place: usize| ((place * 7919 % 1000) as f32).sqrt() - 15.0;
        for (rows, depth, columns) in [(1, 9, 64), (3, 5, 37), (6, 8, 131)] {
            let a: Vec<f32> = (0..rows * depth).map(irrational).collect();
            let b: Vec<f32> = (0..depth * columns).map(|place| irrational(place + 17)).collect();
            let with = |run: &dyn Fn(WeightedSums)| {
                let mut c = vec![0.5f32; rows * columns];
                let (weights, rows) = (Matrix::new(&a, depth), Matrix::new(&b, columns));
                run(WeightedSums { to: MatrixMut::new(&mut c, columns), weights, rows });
                c
            };
            let here = with(&|sums| MACHINE.dispatch(sums));
            assert!(here == with(&|sums| pulp::Simd::vectorize(pulp::Scalar::new(), sums)));
            #[cfg(target_arch = "x86_64")]
            if let Some(narrow) = pulp::x86::V3::try_new() {
                assert!(here == with(&|sums| pulp::Simd::vectorize(narrow, sums)));
            }
        }
    }
}
