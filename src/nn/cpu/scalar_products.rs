//! Products of a few rows with columns that are each in one piece: scalar products, for which the
//! columns are read once and as they lie.

use std::array;

use pulp::{Simd, WithSimd};

use super::MACHINE;
use super::matrix::{Matrix, MatrixMut};
use super::multiply::multiply;

/// The most rows for which the columns are read once.
const MOST_ROWS: usize = 4;

/// The partial sums of a scalar product. They do not depend on the machine.
const PARTIAL: usize = 16;

/// `to = a b`, on the calling thread, as [`multiply`] computes it but for the order of its sums: few
/// rows meet columns that are each in one piece as these lie, and are not packed for them.
///
/// # Panics
/// If the shapes do not fit, or a view reaches beyond its slice.
pub fn multiply_few(to: MatrixMut, a: Matrix, b: Matrix) {
    if a.column_stride != 1 || b.row_stride != 1 || a.columns == 0 {
        return multiply(to, a, b);
    }
    assert!(to.rows == a.rows && to.columns == b.columns && a.columns == b.rows);
    MACHINE.dispatch(ScalarProducts { to, a, b });
}

/// A product of rows, each in one piece, with columns that are so too.
struct ScalarProducts<'a> {
    to: MatrixMut<'a>,
    a: Matrix<'a>,
    b: Matrix<'a>,
}

impl WithSimd for ScalarProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.run::<S, 1>(simd),
            8 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            _ => self.run::<S, PARTIAL>(simd),
        }
    }
}

impl ScalarProducts<'_> {
    /// With partial sums in `VECTORS` vectors.
    #[inline(always)]
    fn run<S: Simd, const VECTORS: usize>(mut self, simd: S) {
        // As many columns at once as keep the sums in registers, and the units busy.
        for first in (0..self.a.rows).step_by(MOST_ROWS) {
            match self.a.rows - first {
                1 => self.rows::<S, VECTORS, 1, 4>(simd, first),
                2 => self.rows::<S, VECTORS, 2, 2>(simd, first),
                3 => self.rows::<S, VECTORS, 3, 2>(simd, first),
                _ => self.rows::<S, VECTORS, MOST_ROWS, 2>(simd, first),
            }
        }
    }

    /// Some rows of the product, from row `first_row` on.
    #[inline(always)]
    fn rows<S: Simd, const VECTORS: usize, const ROWS: usize, const COLUMNS: usize>(
        &mut self,
        simd: S,
        first_row: usize,
    ) {
        let Self { to, a, b } = self;
        let rows = pieces::<ROWS>(a.data, first_row, a.row_stride, a.columns);
        let whole = b.columns - b.columns % COLUMNS;
        for first in (0..whole).step_by(COLUMNS) {
            let columns = pieces(b.data, first, b.column_stride, b.rows);
            to.put((first_row, first), products::<S, VECTORS, ROWS, COLUMNS>(simd, rows, columns));
        }
        for first in whole..b.columns {
            let column = pieces(b.data, first, b.column_stride, b.rows);
            to.put((first_row, first), products::<S, VECTORS, ROWS, 1>(simd, rows, column));
        }
    }
}

/// Pieces of `data` of this length that begin `stride` numbers apart, from piece `first` on.
#[inline(always)]
fn pieces<const COUNT: usize>(
    data: &[f32],
    first: usize,
    stride: usize,
    length: usize,
) -> [&[f32]; COUNT] {
    array::from_fn(|number| &data[(first + number) * stride..][..length])
}

/// The first `length` numbers of each piece, as vectors.
#[inline(always)]
fn vectors<S: Simd, const COUNT: usize>(
    pieces: [&[f32]; COUNT],
    length: usize,
) -> [&[S::f32s]; COUNT] {
    let mut all: [&[S::f32s]; COUNT] = [&[]; COUNT];
    for (vectors, piece) in all.iter_mut().zip(pieces) {
        *vectors = S::as_simd_f32s(&piece[..length]).0;
    }
    all
}

/// The scalar products of rows and columns of the same length.
#[inline(always)]
fn products<S: Simd, const VECTORS: usize, const ROWS: usize, const COLUMNS: usize>(
    simd: S,
    rows: [&[f32]; ROWS],
    columns: [&[f32]; COLUMNS],
) -> [[f32; COLUMNS]; ROWS] {
    let whole = rows[0].len() - rows[0].len() % PARTIAL;
    let (left, right) = (vectors::<S, ROWS>(rows, whole), vectors::<S, COLUMNS>(columns, whole));
    // In loops: vectors in closures that go to other functions are calls, as `dispatch` says.
    let mut sums = [[[simd.splat_f32s(0.0); VECTORS]; COLUMNS]; ROWS];
    for start in (0..whole / S::F32_LANES).step_by(VECTORS) {
        for vector in 0..VECTORS {
            for column in 0..COLUMNS {
                let right = right[column][start + vector];
                for row in 0..ROWS {
                    let sum = &mut sums[row][column][vector];
                    *sum = simd.mul_add_f32s(left[row][start + vector], right, *sum);
                }
            }
        }
    }
    let mut found = [[0.0; COLUMNS]; ROWS];
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let mut sum = simd.reduce_sum_f32s(folded(simd, sums[row][column]));
            for (left, right) in rows[row][whole..].iter().zip(&columns[column][whole..]) {
                sum = left.mul_add(*right, sum);
            }
            found[row][column] = sum;
        }
    }
    found
}

/// The sum of vectors, halves added to halves, as a vector's numbers are then.
#[inline(always)]
fn folded<S: Simd, const VECTORS: usize>(simd: S, mut sums: [S::f32s; VECTORS]) -> S::f32s {
    let mut half = VECTORS / 2;
    while half > 0 {
        for vector in 0..half {
            sums[vector] = simd.add_f32s(sums[vector], sums[vector + half]);
        }
        half /= 2;
    }
    sums[0]
}

impl MatrixMut<'_> {
    /// Writes some rows of some columns, from this row and column on.
    #[inline(always)]
    fn put<const ROWS: usize, const COLUMNS: usize>(
        &mut self,
        (first_row, first): (usize, usize),
        numbers: [[f32; COLUMNS]; ROWS],
    ) {
        for (row, numbers) in (first_row..).zip(&numbers) {
            self.data[row * self.row_stride + first..][..COLUMNS].copy_from_slice(numbers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::product::tests::number;
    use super::*;

    #[test]
    fn any_rows_and_columns_give_the_product() {
        for (rows, depth, columns) in
            [(1, 40, 147), (2, 16, 49), (3, 67, 83), (4, 32, 64), (5, 9, 7), (8, 16, 3)]
        {
            let a: Vec<f32> = (0..rows * depth).map(number).collect();
            let b: Vec<f32> = (0..columns * depth).map(|place| number(place * 53)).collect();
            for b in [Matrix::new(&b, depth).t(), Matrix::new(&b, columns)] {
                let (mut few, mut many) = (vec![0f32; rows * columns], vec![0f32; rows * columns]);
                multiply_few(MatrixMut::new(&mut few, columns), Matrix::new(&a, depth), b);
                multiply(MatrixMut::new(&mut many, columns), Matrix::new(&a, depth), b);
                assert!(few == many && few.iter().any(|x| *x != 0.0), "{rows}x{depth}x{columns}");
            }
        }
    }

    #[test]
    fn the_width_of_the_vectors_changes_no_bit() {
        let irrational = |place: usize| ((place * 7919 % 1000) as f32).sqrt() - 15.0;
        for (rows, depth, columns) in [(1, 64, 9), (2, 5, 3), (3, 100, 8), (4, 31, 5), (7, 33, 4)] {
            let a: Vec<f32> = (0..rows * depth).map(irrational).collect();
            let b: Vec<f32> = (0..depth * columns).map(|place| irrational(place + 17)).collect();
            let with = |run: &dyn Fn(ScalarProducts)| {
                let mut c = vec![0f32; rows * columns];
                let (a, b) = (Matrix::new(&a, depth), Matrix::new(&b, depth).t());
                run(ScalarProducts { to: MatrixMut::new(&mut c, columns), a, b });
                c
            };
            let here = with(&|products| MACHINE.dispatch(products));
            assert!(here == with(&|products| pulp::Simd::vectorize(pulp::Scalar::new(), products)));
            #[cfg(target_arch = "x86_64")]
            if let Some(narrow) = pulp::x86::V3::try_new() {
                assert!(here == with(&|products| pulp::Simd::vectorize(narrow, products)));
            }
        }
    }
}
