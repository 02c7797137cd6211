//! An LSTM layer for f32 in CPU memory: one product for each step, and what follows it while its
//! rows are in the cache.

use candle_core::Result;
use rayon::prelude::*;

use super::{LstmOp, Steps, rows_of};
use crate::nn::cpu::{self, Matrix, Panels, Rhs, product};
use crate::nn::gradients::Gradient;
use crate::nn::math::{sigmoid, tanh};
use crate::nn::packed_weights::PackedWeights;
use crate::nn::tape::{CpuOp, CpuOutput, TensorView};

/// Rows that one task works on.
const BLOCK: usize = 8;

impl CpuOp for LstmOp {
    /// Saves the gates of all tokens, (tokens, 4 hidden), and their hidden states beside their
    /// cells, (tokens, 2 hidden), both step by step.
    fn forward(&self, inputs: &[TensorView<'_>], save: bool) -> Result<CpuOutput> {
        let width = self.check(&dims(inputs))?;
        let steps = Steps::of(&self.sequences);
        let [x, bias_ih, bias_hh] = [0, 5, 6].map(|number| inputs[number]);
        let [mut fresh_ih, mut fresh_hh] = [None, None];
        let weight_ih = self.packed(0, &inputs[3], &mut fresh_ih);
        let weight_hh = self.packed(1, &inputs[4], &mut fresh_hh);

        let in_steps = rows_of(x.data, x.width(), &steps.rows);
        let add_bias = |_: usize, rows: &mut [f32], _: &mut [f32]| {
            cpu::vectorised!(for row in rows.chunks_exact_mut(4 * width) {
                for (gate, (a, b)) in row.iter_mut().zip(bias_ih.data.iter().zip(bias_hh.data)) {
                    *gate += a + b;
                }
            });
        };
        let in_steps = Matrix::new(&in_steps, x.width());
        let (mut gates, _) = product(in_steps, weight_ih, 0, add_bias);
        let mut states = Vec::with_capacity(steps.rows.len() * 2 * width);
        let mut before = initial(&steps, inputs, width);
        for step in steps.each() {
            let projected = &gates[step.start * 4 * width..][..step.len() * 4 * width];
            let finish = |first: usize, rows: &mut [f32], states: &mut [f32]| {
                cpu::vectorised!({
                    let rows = rows.chunks_exact_mut(4 * width);
                    let states = states.chunks_exact_mut(2 * width);
                    for (row, (gates, state)) in (first..).zip(rows.zip(states)) {
                        let projected = &projected[row * 4 * width..][..4 * width];
                        let cell = &before[row * 2 * width..][width..2 * width];
                        forward_row(gates, projected, cell, state);
                    }
                });
            };
            let hidden = Matrix::new(&before, 2 * width).columns(0, width).rows(0, step.len());
            let (own, after) = product(hidden, weight_hh, 2 * width, finish);
            gates[step.start * 4 * width..][..own.len()].copy_from_slice(&own);
            states.extend_from_slice(&after);
            before = after;
        }

        let (tokens, count) = (x.rows(), steps.last.len());
        let data = cpu::build((tokens + 2 * count) * width, 64 * width, |start, rows| {
            for (row, to) in (start / width..).zip(rows.chunks_exact_mut(width)) {
                let state = |place: u32, part: usize| {
                    &states[(place as usize * 2 + part) * width..][..width]
                };
                to.copy_from_slice(match row.checked_sub(tokens) {
                    None => state(steps.places[row], 0),
                    Some(row) => {
                        let (part, sequence) = (row / count, row % count);
                        let initial = &inputs[1 + part].data[sequence * width..][..width];
                        steps.last[sequence].map_or(initial, |place| state(place, part))
                    }
                });
            }
        });
        let saved = if save { [gates, states].concat() } else { Vec::new() };
        Ok(CpuOutput { data, shape: (tokens + 2 * count, width).into(), saved })
    }

    fn backward(
        &self,
        inputs: &[TensorView<'_>],
        saved: &[f32],
        gradient: &[f32],
        needed: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let width = self.check(&dims(inputs))?;
        let steps = Steps::of(&self.sequences);
        let (x, tokens) = (&inputs[0], inputs[0].rows());
        let (gates, states) = saved.split_at(tokens * 4 * width);
        let before = before_each(&steps, &initial(&steps, inputs, width), states, width);
        let gradient = OfResult { rows: gradient, tokens, count: steps.last.len(), width };

        // A row for each token: the gradients of its gates, then that of the cell before it.
        let mut found = vec![0.0; tokens * 5 * width];
        let mut hidden = Vec::new(); // (sequences that go on, hidden), from the step behind
        let weight_hh = Rhs::beside(&[Matrix::new(inputs[4].data, width)], self.precision);
        for step in steps.each().rev() {
            let (now, behind) =
                found[step.start * 5 * width..].split_at_mut(step.len() * 5 * width);
            let of_block = |(block, rows): (usize, &mut [f32])| {
                cpu::vectorised!({
                    for (rank, to) in (block * BLOCK..).zip(rows.chunks_exact_mut(5 * width)) {
                        let place = step.start + rank;
                        let sequence = steps.sequences[rank] as usize;
                        let (hidden, cell) = match hidden.get(rank * width..(rank + 1) * width) {
                            Some(hidden) => {
                                (hidden, &behind[rank * 5 * width..][4 * width..5 * width])
                            }
                            None => (gradient.last_hidden(sequence), gradient.last_cell(sequence)),
                        };
                        let own = gradient.token(steps.rows[place] as usize);
                        let gates = &gates[place * 4 * width..][..4 * width];
                        let cells = [&before, states]
                            .map(|rows: &[f32]| &rows[place * 2 * width..][width..2 * width]);
                        backward_row(to, gates, cells, [own, hidden, cell]);
                    }
                });
            };
            now.par_chunks_mut(BLOCK * 5 * width).enumerate().for_each(of_block);
            let of_gates = Matrix::new(now, 5 * width).columns(0, 4 * width);
            hidden = product(of_gates, &weight_hh, 0, |_, _, _| {}).0;
        }

        let of_gates = Matrix::new(&found, 5 * width).columns(0, 4 * width);
        let of_x = || {
            let weight_ih = Rhs::beside(&[Matrix::new(inputs[3].data, x.width())], self.precision);
            let in_steps = product(of_gates, &weight_ih, 0, |_, _, _| {}).0;
            rows_of(&in_steps, x.width(), &steps.places)
        };
        // What the first step found for those that have a token, and what came from behind for
        // the others.
        let of_initial = |part: usize| {
            let mut to = Vec::with_capacity(steps.last.len() * width);
            for (sequence, &rank) in steps.ranks.iter().enumerate() {
                let rank = rank as usize;
                to.extend_from_slice(match (steps.last[sequence], part) {
                    (Some(_), 0) => &hidden[rank * width..][..width],
                    (Some(_), _) => &found[rank * 5 * width..][4 * width..5 * width],
                    (None, 0) => gradient.last_hidden(sequence),
                    (None, _) => gradient.last_cell(sequence),
                });
            }
            to
        };
        let of_weight = |input: Matrix| {
            let input = Rhs::beside(&[input], self.precision);
            product(of_gates.t(), &input, 0, |_, _, _| {}).0
        };
        let of_weight_ih =
            || of_weight(Matrix::new(&rows_of(x.data, x.width(), &steps.rows), x.width()));
        let of_weight_hh = || of_weight(Matrix::new(&before, 2 * width).columns(0, width));
        let of_bias = of_gates.column_sums();
        Ok(vec![
            needed[0].then(|| Gradient::Dense(of_x())),
            needed[1].then(|| Gradient::Dense(of_initial(0))),
            needed[2].then(|| Gradient::Dense(of_initial(1))),
            needed[3].then(|| Gradient::Dense(of_weight_ih())),
            needed[4].then(|| Gradient::Dense(of_weight_hh())),
            needed[5].then(|| Gradient::Dense(of_bias.clone())),
            needed[6].then_some(Gradient::Dense(of_bias)),
        ])
    }
}

impl LstmOp {
    /// `weight_ih` or `weight_hh` as products read it: what is at hand, or what is made here.
    fn packed<'a>(
        &'a self,
        number: usize,
        weight: &TensorView,
        fresh: &'a mut Option<Rhs>,
    ) -> Panels<'a> {
        match &self.packed_weights[number] {
            Some(PackedWeights::Cpu(rhs)) => Panels::from(&**rhs),
            _ => {
                let weight = Matrix::new(weight.data, weight.width());
                Panels::from(&*fresh.insert(Rhs::beside(&[weight.t()], self.precision)))
            }
        }
    }
}

/// The gradient of the result.
#[derive(Clone, Copy)]
struct OfResult<'a> {
    rows: &'a [f32],
    tokens: usize,
    count: usize,
    width: usize,
}

impl<'a> OfResult<'a> {
    /// That of a token's hidden state.
    fn token(self, number: usize) -> &'a [f32] {
        &self.rows[number * self.width..][..self.width]
    }

    fn last_hidden(self, sequence: usize) -> &'a [f32] {
        self.token(self.tokens + sequence)
    }

    fn last_cell(self, sequence: usize) -> &'a [f32] {
        self.token(self.tokens + self.count + sequence)
    }
}

fn dims<'a>(inputs: &[TensorView<'a>]) -> Vec<&'a [usize]> {
    inputs.iter().map(|input| input.dims).collect()
}

/// The states before the first tokens, hidden states beside cells, of the sequences from long to
/// short: (sequences, 2 hidden).
fn initial(steps: &Steps, inputs: &[TensorView], width: usize) -> Vec<f32> {
    let mut rows = Vec::with_capacity(steps.sequences.len() * 2 * width);
    for &sequence in &steps.sequences {
        for state in &inputs[1..3] {
            rows.extend_from_slice(&state.data[sequence as usize * width..][..width]);
        }
    }
    rows
}

/// The state before each token, step by step: (tokens, 2 hidden).
fn before_each(steps: &Steps, initial: &[f32], states: &[f32], width: usize) -> Vec<f32> {
    let mut rows = Vec::with_capacity(states.len());
    let mut before = initial;
    for step in steps.each() {
        rows.extend_from_slice(&before[..step.len() * 2 * width]);
        before = &states[step.start * 2 * width..];
    }
    rows
}

/// Adds what is projected to a row of four gates, applies their functions, and writes the new
/// hidden state beside the new cell.
#[inline(always)]
fn forward_row(gates: &mut [f32], projected: &[f32], before: &[f32], state: &mut [f32]) {
    let width = before.len();
    gates.iter_mut().zip(projected).for_each(|(gate, more)| *gate += more);
    let (input, rest) = gates.split_at_mut(width);
    let (forget, rest) = rest.split_at_mut(width);
    let (cell, output) = rest.split_at_mut(width);
    let (hidden, after) = state.split_at_mut(width);
    let (output, after) = (&mut output[..width], &mut after[..width]);
    for i in 0..width {
        (input[i], forget[i]) = (sigmoid(input[i]), sigmoid(forget[i]));
        (cell[i], output[i]) = (tanh(cell[i]), sigmoid(output[i]));
        after[i] = forget[i].mul_add(before[i], input[i] * cell[i]);
        hidden[i] = output[i] * tanh(after[i]);
    }
}

/// Writes the gradients of a token's gates before their functions, and that of the cell before it,
/// from those of its hidden state, which come from two sides, and of its cell.
#[inline(always)]
fn backward_row(
    to: &mut [f32],
    gates: &[f32],
    [before, after]: [&[f32]; 2],
    [own, hidden, cell]: [&[f32]; 3],
) {
    let width = before.len();
    let gate = |number: usize| &gates[number * width..][..width];
    let [input, forget, new, output] = [gate(0), gate(1), gate(2), gate(3)];
    let (of_input, rest) = to.split_at_mut(width);
    let (of_forget, rest) = rest.split_at_mut(width);
    let (of_new, rest) = rest.split_at_mut(width);
    let (of_output, of_before) = rest.split_at_mut(width);
    let of_before = &mut of_before[..width];
    let [after, own, hidden, cell] = [after, own, hidden, cell].map(|row| &row[..width]);
    for i in 0..width {
        let (of_hidden, seen) = (own[i] + hidden[i], tanh(after[i]));
        let of_cell = (of_hidden * output[i]).mul_add((-seen).mul_add(seen, 1.0), cell[i]);
        of_input[i] = of_cell * new[i] * input[i] * (1.0 - input[i]);
        of_forget[i] = of_cell * before[i] * forget[i] * (1.0 - forget[i]);
        of_new[i] = of_cell * input[i] * (-new[i]).mul_add(new[i], 1.0);
        of_output[i] = of_hidden * seen * output[i] * (1.0 - output[i]);
        of_before[i] = of_cell * forget[i];
    }
}
