//! The right-hand side of products, and how it lies in memory.

use rayon::prelude::*;

use super::bf16;
use super::buffer::{Scratch, as_pairs};
use super::matrix::Matrix;
use super::pair_product::DEPTH_STEP;
use super::tile::PANEL;
use super::vectorised;
use crate::nn::precision::Precision;

/// The right-hand side of products, packed so that it is read in one direction: panels of 32
/// columns.
#[derive(Debug)]
pub struct Rhs {
    pub(super) data: Scratch,
    pub(super) depth: usize,
    pub(super) columns: usize,
    pub(super) layout: Layout,
}

/// Some whole panels of a right-hand side, as a matrix of their own.
#[derive(Debug, Clone, Copy)]
pub struct Panels<'a> {
    pub(super) data: &'a [f32],
    pub(super) depth: usize,
    pub(super) columns: usize,
    pub(super) layout: Layout,
}

impl<'a> From<&'a Rhs> for Panels<'a> {
    fn from(rhs: &'a Rhs) -> Self {
        let Rhs { data, depth, columns, layout } = rhs;
        Self { data, depth: *depth, columns: *columns, layout: *layout }
    }
}

impl Panels<'_> {
    /// The columns `start .. start + columns`, of which the first begins a panel.
    ///
    /// # Panics
    /// If it begins none, or there are not as many columns.
    pub fn columns(self, start: usize, columns: usize) -> Self {
        assert!(start.is_multiple_of(PANEL) && start + columns <= self.columns);
        let size = self.layout.panel_size(self.depth);
        let data = &self.data[start / PANEL * size..][..columns.div_ceil(PANEL) * size];
        Self { data, columns, ..self }
    }
}

/// How the numbers of a panel lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// f32, row by row.
    Rows,
    /// f32 numbers that are rounded to bfloat16, row by row: for machines without a unit for them.
    RoundedRows,
    /// bfloat16, two rows at a time: both numbers of a column side by side.
    Pairs(bf16::Unit),
}

impl Layout {
    fn of(precision: Precision) -> Self {
        match (precision, bf16::unit()) {
            (Precision::F32, _) => Self::Rows,
            (Precision::Bf16, None) => Self::RoundedRows,
            (Precision::Bf16, Some(unit)) => Self::Pairs(unit),
        }
    }

    /// Numbers of f32's size that a panel takes.
    fn panel_size(self, depth: usize) -> usize {
        match self {
            Self::Rows | Self::RoundedRows => PANEL * depth,
            Self::Pairs(_) => PANEL * depth.next_multiple_of(DEPTH_STEP) / 2,
        }
    }
}

impl Rhs {
    /// Some matrices beside each other.
    ///
    /// # Panics
    /// If they have not as many rows, or a view reaches beyond its slice.
    pub fn beside(parts: &[Matrix], precision: Precision) -> Self {
        let depth = parts.first().map_or(0, |part| part.rows);
        assert!(parts.iter().all(|part| part.rows == depth));
        let starts = parts.iter().scan(0, |end, part| {
            *end += part.columns;
            Some((0, *end - part.columns))
        });
        let columns = parts.iter().map(|part| part.columns).sum();
        Self::pack(
            depth,
            columns,
            &starts.zip(parts.iter().copied()).collect::<Vec<_>>(),
            Layout::of(precision),
        )
    }

    /// Some matrices below each other.
    ///
    /// # Panics
    /// If they have not as many columns, or a view reaches beyond its slice.
    pub fn below(parts: &[Matrix], precision: Precision) -> Self {
        let columns = parts.first().map_or(0, |part| part.columns);
        assert!(parts.iter().all(|part| part.columns == columns));
        let starts = parts.iter().scan(0, |end, part| {
            *end += part.rows;
            Some((*end - part.rows, 0))
        });
        let depth = parts.iter().map(|part| part.rows).sum();
        Self::pack(
            depth,
            columns,
            &starts.zip(parts.iter().copied()).collect::<Vec<_>>(),
            Layout::of(precision),
        )
    }

    /// Matrices that fill the whole, each from its (row, column) on.
    pub(super) fn pack(
        depth: usize,
        columns: usize,
        parts: &[((usize, usize), Matrix)],
        layout: Layout,
    ) -> Self {
        assert!(parts.iter().all(|(_, part)| part.is_whole()));
        let panel_size = layout.panel_size(depth);
        let mut data = Scratch::new(columns.div_ceil(PANEL) * panel_size);
        if depth > 0 {
            data.par_chunks_mut(panel_size).enumerate().for_each(|(number, panel)| {
                let first = number * PANEL;
                match layout {
                    Layout::Rows => vectorised!(fill_panel(panel, first, columns, parts)),
                    Layout::RoundedRows => vectorised!({
                        fill_panel(panel, first, columns, parts);
                        panel.iter_mut().for_each(|x| *x = bf16::rounded(*x));
                    }),
                    Layout::Pairs(_) => {
                        vectorised!(fill_paired_panel(as_pairs(panel), first, columns, parts))
                    }
                }
            });
        }
        Self { data, depth, columns, layout }
    }
}

/// Fills the panel that begins at column `first`.
#[inline(always)]
pub(super) fn fill_panel(
    panel: &mut [f32],
    first: usize,
    columns: usize,
    parts: &[((usize, usize), Matrix)],
) {
    if columns - first < PANEL {
        panel.chunks_exact_mut(PANEL).for_each(|row| row[columns - first..].fill(0.0));
    }
    for &((row, column), part) in parts {
        let (from, to) = (first.max(column), (first + PANEL).min(column + part.columns));
        if from < to {
            let panel = &mut panel[row * PANEL..][..part.rows * PANEL];
            copy_columns(panel, from - first, part.columns(from - column, to - from));
        }
    }
}

/// Writes `part` into a panel from its column `place` on.
#[inline(always)]
fn copy_columns(panel: &mut [f32], place: usize, part: Matrix) {
    const BLOCK: usize = 16;
    if part.column_stride == 1 {
        for (row, to) in panel.chunks_exact_mut(PANEL).enumerate() {
            to[place..][..part.columns]
                .copy_from_slice(&part.data[row * part.row_stride..][..part.columns]);
        }
        return;
    }
    for (block, panel) in panel.chunks_mut(BLOCK * PANEL).enumerate() {
        for column in 0..part.columns {
            let start = column * part.column_stride + block * BLOCK * part.row_stride;
            let from = &part.data[start..];
            for (row, to) in panel.chunks_exact_mut(PANEL).enumerate() {
                to[place + column] = from[row * part.row_stride];
            }
        }
    }
}

/// Fills a panel of bfloat16 pairs.
#[inline(always)]
fn fill_paired_panel(
    panel: &mut [u32],
    first: usize,
    columns: usize,
    parts: &[((usize, usize), Matrix)],
) {
    let depth = parts.iter().map(|((row, _), part)| row + part.rows).max().unwrap_or(0);
    if columns - first < PANEL || parts.iter().any(|((row, _), _)| row % 2 == 1) {
        panel.fill(0);
    } else {
        panel[depth / 2 * PANEL..].fill(0);
    }
    for &((row, column), part) in parts {
        let (from, to) = (first.max(column), (first + PANEL).min(column + part.columns));
        if from < to {
            copy_paired_columns(panel, row, from - first, part.columns(from - column, to - from));
        }
    }
}

/// Writes `part` into a panel of pairs from its row `start` and column `place` on.
#[inline(always)]
fn copy_paired_columns(panel: &mut [u32], start: usize, place: usize, part: Matrix) {
    const BLOCK: usize = 16;
    let row = |row: usize| &part.data[row * part.row_stride..][..part.columns];
    if start % 2 == 1 || (part.column_stride != 1 && part.row_stride != 1) {
        for row in 0..part.rows {
            for column in 0..part.columns {
                let number = part.data[row * part.row_stride + column * part.column_stride];
                let half = u32::from(bf16::round(number)) << (16 * ((start + row) % 2));
                panel[(start + row) / 2 * PANEL + place + column] |= half;
            }
        }
    } else if part.column_stride == 1 {
        let pairs = panel[start / 2 * PANEL..].chunks_exact_mut(PANEL);
        for (pair, to) in pairs.take(part.rows.div_ceil(2)).enumerate() {
            let to = &mut to[place..][..part.columns];
            if 2 * pair + 1 < part.rows {
                for ((to, upper), lower) in to.iter_mut().zip(row(2 * pair)).zip(row(2 * pair + 1))
                {
                    *to = bf16::pair(*upper, *lower);
                }
            } else {
                for (to, upper) in to.iter_mut().zip(row(2 * pair)) {
                    *to = bf16::pair(*upper, 0.0);
                }
            }
        }
    } else {
        let pairs = &mut panel[start / 2 * PANEL..][..part.rows.div_ceil(2) * PANEL];
        for (block, to) in pairs.chunks_mut(BLOCK * PANEL).enumerate() {
            let rows = 2 * BLOCK * block..part.rows.min(2 * BLOCK * (block + 1));
            for column in 0..part.columns {
                let from = &part.data[column * part.column_stride..][rows.clone()];
                let (pairs, last) = (from.chunks_exact(2), from.len() / 2);
                if let [first] = pairs.remainder() {
                    to[last * PANEL + place + column] = bf16::pair(*first, 0.0);
                }
                for (to, from) in to.chunks_exact_mut(PANEL).zip(pairs) {
                    to[place + column] = bf16::pair(from[0], from[1]);
                }
            }
        }
    }
}
