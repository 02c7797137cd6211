//! Products of small matrices, each on the calling thread: for work that is shared already.

use super::buffer::Scratch;
use super::matrix::{Matrix, MatrixMut};
use super::rhs::fill_panel;
use super::tile::{PANEL, TileProduct};
use super::{MACHINE, vectorised};

/// The right-hand side of several small products, packed once for all of them.
#[derive(Debug)]
pub struct Packed {
    panels: Scratch,
    depth: usize,
    columns: usize,
}

impl Packed {
    /// The whole of `b`.
    ///
    /// # Panics
    /// If the view reaches beyond its slice.
    pub fn new(b: Matrix) -> Self {
        assert!(b.is_whole());
        let Matrix { rows: depth, columns, .. } = b;
        let mut panels = Scratch::new(columns.div_ceil(PANEL) * PANEL * depth);
        for (number, panel) in panels.chunks_exact_mut((PANEL * depth).max(1)).enumerate() {
            vectorised!(fill_panel(panel, number * PANEL, columns, &[((0, 0), b)]));
        }
        Self { panels, depth, columns }
    }
}

/// `to = a b`.
///
/// # Panics
/// If the shapes do not fit, or a view reaches beyond its slice.
pub fn multiply(to: MatrixMut, a: Matrix, b: Matrix) {
    if b.column_stride != 1 || !b.columns.is_multiple_of(PANEL) {
        assert!(b.columns == to.columns);
        return multiply_packed(to, a, &Packed::new(b));
    }
    assert!(b.columns == to.columns && b.rows == a.columns && b.is_whole());
    run(to, a, Right { data: b.data, row_stride: b.row_stride, panel_stride: PANEL });
}

/// `to = a b`, with as many of the columns of `b`, from its first on, as `to` has.
///
/// # Panics
/// If the shapes do not fit, or a view reaches beyond its slice.
pub fn multiply_packed(to: MatrixMut, a: Matrix, b: &Packed) {
    assert!(b.columns >= to.columns && b.depth == a.columns);
    run(to, a, Right { data: &b.panels, row_stride: PANEL, panel_stride: PANEL * b.depth });
}

/// Whole panels of a right-hand side.
struct Right<'a> {
    data: &'a [f32],
    row_stride: usize,
    panel_stride: usize,
}

/// The product, where `b` has as many rows as `a` columns, and panels for all columns of `to`.
fn run(to: MatrixMut, a: Matrix, b: Right) {
    let (rows, columns, depth) = (to.rows, to.columns, a.columns);
    assert!(a.rows == rows && a.is_whole());
    if rows == 0 || columns == 0 {
        return;
    }
    assert!((rows - 1) * to.row_stride + columns <= to.data.len());
    if depth == 0 {
        to.data.chunks_mut(to.row_stride).take(rows).for_each(|row| row[..columns].fill(0.0));
        return;
    }
    MACHINE.dispatch(TileProduct {
        depth,
        rows,
        columns,
        a: a.data.as_ptr(),
        a_row_stride: a.row_stride,
        a_column_stride: a.column_stride,
        b: b.data.as_ptr(),
        b_row_stride: b.row_stride,
        b_panel_stride: b.panel_stride,
        c: to.data.as_mut_ptr(),
        c_row_stride: to.row_stride,
    });
}

#[cfg(test)]
mod tests {
    use super::super::product::tests::{SIZES, both_ways, exact};
    use super::*;

    #[test]
    fn small_products_take_any_views_and_write_nothing_beside_theirs() {
        const BESIDE: f32 = 123.0;
        for &(rows, depth, columns) in SIZES {
            let ([a, a_turned], [b, b_turned]) =
                (both_ways(rows, depth, 1), both_ways(depth, columns, 53));
            let exact = exact(&a, &b, depth, columns);
            for a in [Matrix::new(&a, depth), Matrix::new(&a_turned, rows).t()] {
                for b in [Matrix::new(&b, columns), Matrix::new(&b_turned, depth).t()] {
                    let mut wide = vec![BESIDE; rows * (columns + 5)];
                    multiply(MatrixMut::new(&mut wide, columns + 5).columns(2, columns), a, b);
                    for (found, exact) in wide.chunks(columns + 5).zip(exact.chunks(columns)) {
                        assert!(found[2..][..columns] == *exact, "{rows}x{depth}x{columns}");
                        let beside = found[..2].iter().chain(&found[2 + columns..]);
                        assert!(beside.copied().all(|x| x == BESIDE));
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_packed_once_serves_several_products() {
        for &(rows, depth, columns) in SIZES {
            let ([a, _], [b, _]) = (both_ways(rows, depth, 1), both_ways(depth, columns, 53));
            let exact = exact(&a, &b, depth, columns);
            let packed = Packed::new(Matrix::new(&b, columns));
            for first in [0, rows / 2] {
                for count in [0, 1, columns / 2, columns] {
                    let mut c = vec![0.0; rows * columns];
                    let to = MatrixMut::new(&mut c, columns).rows(first, rows - first);
                    let a = Matrix::new(&a, depth).rows(first, rows - first);
                    multiply_packed(to.columns(0, count), a, &packed);
                    for (row, (found, exact)) in
                        c.chunks(columns).zip(exact.chunks(columns)).enumerate()
                    {
                        let count = if row < first { 0 } else { count };
                        assert!(found[..count] == exact[..count], "{rows}x{depth}x{count}");
                        assert!(found[count..].iter().all(|x| *x == 0.0));
                    }
                }
            }
        }
    }
}
