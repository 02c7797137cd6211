//! What scores have beside `q · k`: terms that depend on how far apart a query and a key are, from
//! tables that are further inputs.

use std::ops::Range;

use candle_core::{Device, Result, Tensor};

use super::distance_bias::Biases;
use super::projections::Projections;
use super::relative::Tables;
use super::{Attention, Sequence};
use crate::nn::cpu::Matrix;

/// The row of a table for each query and key of one sequence, as their distance says.
pub(super) struct Distances {
    /// One row for each distance, from the last query and the first key to the first query and the
    /// last key.
    rows: Vec<usize>,
    queries: usize,
    keys: usize,
}

impl Distances {
    /// Those of sequence `s`, where `row` is that for a query and a key.
    pub(super) fn of_sequence(s: &Sequence, row: impl Fn(usize, usize) -> usize) -> Self {
        let (queries, keys) = (s.query_rows, s.key_rows);
        let before = (1..queries).rev().map(|query| row(query, 0));
        Self { rows: before.chain((0..keys).map(|key| row(0, key))).collect(), queries, keys }
    }

    /// The rows of all distances.
    pub(super) fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// How many keys there are.
    pub(super) fn keys(&self) -> usize {
        self.keys
    }

    /// Where the distances of query `i` from all keys stand among all of them.
    pub(super) fn of_query(&self, query: usize) -> Range<usize> {
        let first = self.queries - 1 - query;
        first..first + self.keys
    }

    /// The row for each query and key: (queries, keys).
    pub(super) fn index(&self, device: &Device) -> Result<Tensor> {
        let rows = (0..self.queries).flat_map(|query| &self.rows[self.of_query(query)]);
        Tensor::from_iter(rows.map(|&row| row as u32), device)?.reshape((self.queries, self.keys))
    }
}

/// The further terms of one sequence's scores.
pub(super) struct Terms<'a> {
    pub(super) relative: Option<Tables<'a>>,
    pub(super) bias: Option<Biases<'a>>,
}

impl<'a> Terms<'a> {
    /// Those of sequence `s`; `tables` are the attention's further inputs.
    pub(super) fn of_sequence(attention: &Attention, s: &Sequence, tables: &[Matrix<'a>]) -> Self {
        let (biases, vectors) = match (attention.bias, tables) {
            (Some(bias), [vectors @ .., table]) => {
                (Some(Biases::of_sequence(bias, s, *table)), vectors)
            }
            _ => (None, tables),
        };
        let relative = attention.relative.as_ref();
        Self {
            relative: relative.map(|relative| Tables::of_sequence(relative, s, vectors)),
            bias: biases,
        }
    }

    /// Adds them to one head's scores, (queries, keys), which are to be multiplied by `scale`.
    pub(super) fn add(&self, head: usize, part: &Projections, scale: f32, scores: &mut [f32]) {
        if let Some(tables) = &self.relative {
            tables.add_terms(head, part, scores);
        }
        if let Some(biases) = &self.bias {
            biases.add(head, scale, scores);
        }
    }

    /// Fresh gradients of the tables' rows that the sequence uses.
    pub(super) fn gradients(&self, hidden: usize) -> TermGradients {
        let relative = self.relative.as_ref();
        TermGradients {
            first: relative.map_or(0, |tables| tables.first() * hidden),
            vectors: relative.map_or_else(Vec::new, |tables| tables.gradients(hidden)),
            biases: self.bias.as_ref().map(Biases::gradient),
        }
    }
}

/// What one sequence adds to the gradients of the tables.
#[derive(Default)]
pub(super) struct TermGradients {
    /// Where the numbers of `vectors` begin in their tables.
    first: usize,
    /// Of relative attention's tables.
    pub(super) vectors: Vec<Vec<f32>>,
    /// Of the table of biases.
    pub(super) biases: Option<Vec<f32>>,
}

impl TermGradients {
    /// Adds them to the gradients of all tables, in the order of the inputs.
    pub(super) fn add_to(&self, tables: &mut [Vec<f32>]) {
        let vectors = self.vectors.iter().map(|vectors| (self.first, vectors));
        let parts = vectors.chain(self.biases.iter().map(|biases| (0, biases)));
        for (table, (first, part)) in tables.iter_mut().zip(parts) {
            table[first..].iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
    }
}
