//! Long short-term memory (Hochreiter and Schmidhuber, *Neural Computation* 1997) on packed rows,
//! as `torch.nn.LSTM`.
//!
//! One product projects the inputs of all tokens. The recurrence then goes step by step through
//! all sequences at once, from long to short, so that those which go on are always the first ones:
//! the order of PyTorch's `PackedSequence`.

use std::cmp::Reverse;
use std::ops::Range;

use candle_core::{DType, Device, Result, Tensor};

use super::activation::reference_sigmoid;
use super::attention::Offsets;
use super::cpu;
use super::dropout::dropout;
use super::embedding::select_rows;
use super::packed_weights::{self, PackedWeights};
use super::params::{Init, Scope};
use super::precision::Precision;
use super::tape::{CpuOp, Node, Op, Tape};

mod kernel;

/// Layers on top of each other.
#[derive(Debug, Clone)]
pub struct Lstm {
    layers: Vec<Layer>,
}

#[derive(Debug, Clone)]
struct Layer {
    weight_ih: Node, // (4 hidden, inputs): input, forget, cell and output gate
    weight_hh: Node, // (4 hidden, hidden)
    bias_ih: Node,   // (4 hidden)
    bias_hh: Node,   // (4 hidden)
}

/// The state of one layer, a row for each sequence.
#[derive(Debug, Clone)]
pub struct LstmState {
    /// The hidden states: (sequences, hidden).
    pub hidden: Node,
    /// The cells: (sequences, hidden).
    pub cell: Node,
}

impl LstmState {
    /// The state before the first token.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn zeros(sequences: usize, hidden: usize, device: &Device) -> Result<Self> {
        let zeros = Node::constant(&Tensor::zeros((sequences, hidden), DType::F32, device)?);
        Ok(Self { hidden: zeros.clone(), cell: zeros })
    }

    /// The state of some of the sequences, in this order and each any number of times.
    ///
    /// # Errors
    /// If there is no such sequence.
    pub fn select(&self, tape: &Tape, sequences: &[u32]) -> Result<Self> {
        let rows = |x: &Node| select_rows(tape, x, sequences);
        Ok(Self { hidden: rows(&self.hidden)?, cell: rows(&self.cell)? })
    }
}

impl Lstm {
    /// Takes `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, `weight_ih_l1`, … from the
    /// scope.
    ///
    /// # Errors
    /// If one is missing or has another shape.
    pub fn load(scope: &Scope, inputs: usize, hidden: usize, layers: usize) -> Result<Self> {
        let layer = |number: usize| {
            let inputs = if number == 0 { inputs } else { hidden };
            let name = |kind: &str| format!("{kind}_l{number}");
            Ok(Layer {
                weight_ih: scope.param(&name("weight_ih"), (4 * hidden, inputs), Init::Normal)?,
                weight_hh: scope.param(&name("weight_hh"), (4 * hidden, hidden), Init::Normal)?,
                bias_ih: scope.param(&name("bias_ih"), 4 * hidden, Init::Zeros)?,
                bias_hh: scope.param(&name("bias_hh"), 4 * hidden, Init::Zeros)?,
            })
        };
        Ok(Self { layers: (0..layers).map(layer).collect::<Result<_>>()? })
    }

    /// The last layer's hidden states of all tokens, (tokens, hidden), and the state of each layer
    /// behind the last token of each sequence. `x`, (tokens, inputs), holds the `sequences`; `from`
    /// is the state of each layer before their first tokens. A sequence may be empty. Between
    /// layers neurons are dropped with the probability `drop`.
    ///
    /// # Errors
    /// If `x` or a state does not fit the layers or the sequences.
    pub fn forward(
        &self,
        tape: &Tape,
        x: &Node,
        sequences: &Offsets,
        from: &[LstmState],
        drop: f32,
    ) -> Result<(Node, Vec<LstmState>)> {
        if from.len() != self.layers.len() {
            candle_core::bail!("{} states for {} LSTM layers", from.len(), self.layers.len());
        }
        let (mut x, mut states) = (x.clone(), Vec::with_capacity(from.len()));
        for (number, (layer, from)) in self.layers.iter().zip(from).enumerate() {
            if number > 0 {
                x = dropout(tape, &x, drop)?;
            }
            let (hidden, state) = layer.forward(tape, &x, sequences, from)?;
            states.push(state);
            x = hidden;
        }
        Ok((x, states))
    }
}

impl Layer {
    fn forward(
        &self,
        tape: &Tape,
        x: &Node,
        sequences: &Offsets,
        from: &LstmState,
    ) -> Result<(Node, LstmState)> {
        let op = LstmOp {
            sequences: sequences.clone(),
            precision: tape.precision(),
            packed_weights: [
                packed_weights::transposed(tape, &self.weight_ih)?,
                packed_weights::transposed(tape, &self.weight_hh)?,
            ],
        };
        let parameters = [&self.weight_ih, &self.weight_hh, &self.bias_ih, &self.bias_hh];
        let inputs = [[x, &from.hidden, &from.cell].as_slice(), &parameters].concat();
        let rows = tape.apply(op, &inputs)?;
        let (tokens, count) = (x.tensor().dim(0)? as u32, sequences.len() as u32 - 1);
        let part = |first: u32, count: u32| {
            select_rows(tape, &rows, &(first..first + count).collect::<Vec<_>>())
        };
        let last = LstmState { hidden: part(tokens, count)?, cell: part(tokens + count, count)? };
        Ok((part(0, tokens)?, last))
    }
}

/// One layer. The inputs are x, (tokens, inputs), the hidden states and the cells before the first
/// token of each sequence, both (sequences, hidden), and `weight_ih`, `weight_hh`, `bias_ih` and
/// `bias_hh`, whose rows belong to the input, forget, cell and output gates.
///
/// The result has a row for the hidden state of each token, then one for the last hidden state of
/// each sequence, then one for its last cell: (tokens + 2 sequences, hidden). It has no GPU form
/// of its own: there it runs on candle's operations.
#[derive(Debug)]
pub struct LstmOp {
    /// Where sequences begin among the tokens.
    pub sequences: Offsets,
    /// To what the factors of its products are rounded, there and back.
    pub precision: Precision,
    /// `weight_ih` and `weight_hh` as the kernel reads them, if they are at hand.
    pub packed_weights: [Option<PackedWeights>; 2],
}

/// The tokens of all sequences step by step.
#[derive(Debug)]
struct Steps {
    /// The sequences from the longest to the shortest, and the place of each among them.
    sequences: Vec<u32>,
    ranks: Vec<u32>,
    /// The row of each token in step order, and the place of each row's token in that order.
    rows: Vec<u32>,
    places: Vec<u32>,
    /// Step `t` has the places `starts[t] .. starts[t + 1]`: one for each of the first sequences.
    starts: Vec<usize>,
    /// The place of each sequence's last token, if it has one.
    last: Vec<Option<u32>>,
}

impl Steps {
    fn of(offsets: &[usize]) -> Self {
        let length = |sequence: u32| offsets[sequence as usize + 1] - offsets[sequence as usize];
        let mut sequences: Vec<u32> = (0..offsets.len() as u32 - 1).collect();
        sequences.sort_by_key(|&sequence| Reverse(length(sequence)));
        let (mut rows, mut starts, mut going_on) = (Vec::new(), vec![0], sequences.as_slice());
        for step in 0.. {
            going_on = &going_on[..going_on.partition_point(|&sequence| length(sequence) > step)];
            if going_on.is_empty() {
                break;
            }
            rows.extend(going_on.iter().map(|&s| (offsets[s as usize] + step) as u32));
            starts.push(rows.len());
        }
        let places = inverse(&rows);
        let last = offsets.windows(2).map(|bounds| {
            let is_empty = bounds[0] == bounds[1];
            (!is_empty).then(|| places[bounds[1] - 1])
        });
        let last = last.collect();
        Self { ranks: inverse(&sequences), sequences, rows, places, starts, last }
    }

    /// The places of each step.
    fn each(&self) -> impl DoubleEndedIterator<Item = Range<usize>> {
        self.starts.windows(2).map(|bounds| bounds[0]..bounds[1])
    }
}

/// Where each number stands in a permutation.
fn inverse(permutation: &[u32]) -> Vec<u32> {
    let mut inverse = vec![0; permutation.len()];
    (0..).zip(permutation).for_each(|(place, &number)| inverse[number as usize] = place);
    inverse
}

impl LstmOp {
    /// The width of a hidden state, if the inputs have the right shapes.
    fn check(&self, inputs: &[&[usize]]) -> Result<usize> {
        let offsets = &self.sequences;
        let in_order = offsets.first() == Some(&0) && offsets.is_sorted();
        match inputs {
            [[tokens, inputs], [count, width], cells, weight_ih, weight_hh, bias_ih, bias_hh]
                if in_order
                    && offsets.last() == Some(tokens)
                    && offsets.len() == count + 1
                    && *inputs > 0
                    && *width > 0
                    && *cells == [*count, *width]
                    && *weight_ih == [4 * width, *inputs]
                    && *weight_hh == [4 * width, *width]
                    && *bias_ih == [4 * width]
                    && *bias_hh == [4 * width] =>
            {
                Ok(*width)
            }
            _ => candle_core::bail!("inputs {inputs:?} do not fit an LSTM layer's sequences"),
        }
    }
}

impl Op for LstmOp {
    fn reference(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let width = self.check(&inputs.iter().map(Tensor::dims).collect::<Vec<_>>())?;
        let steps = Steps::of(&self.sequences);
        let rows =
            |x: &Tensor, numbers: &[u32]| x.index_select(&Tensor::new(numbers, x.device())?, 0);
        let weight = |weight: &Tensor| self.precision.rounded(weight)?.t()?.contiguous();
        let x = self.precision.rounded(&rows(&inputs[0], &steps.rows)?)?;
        let bias = (&inputs[5] + &inputs[6])?;
        let projected = x.matmul(&weight(&inputs[3])?)?.broadcast_add(&bias)?;
        let weight_hh = weight(&inputs[4])?;
        let mut hidden = vec![rows(&inputs[1], &steps.sequences)?];
        let mut cells = vec![rows(&inputs[2], &steps.sequences)?];
        for step in steps.each() {
            let before = |all: &[Tensor]| all[all.len() - 1].narrow(0, 0, step.len())?.contiguous();
            let recurrent = self.precision.rounded(&before(&hidden)?)?.matmul(&weight_hh)?;
            let gates = (projected.narrow(0, step.start, step.len())? + recurrent)?;
            let gate = |number: usize| gates.narrow(1, number * width, width)?.contiguous();
            let [input, forget, output] = [0, 1, 3].map(|number| reference_sigmoid(&gate(number)?));
            let cell = ((forget? * before(&cells)?)? + (input? * gate(2)?.tanh()?)?)?;
            hidden.push((output? * cell.tanh()?)?);
            cells.push(cell);
        }
        // The state before the first token of each sequence, then the tokens step by step.
        let count = steps.sequences.len() as u32;
        let last = steps.last.iter().zip(&steps.ranks);
        let last: Vec<u32> =
            last.map(|(last, rank)| last.map_or(*rank, |place| count + place)).collect();
        let all: Vec<u32> =
            steps.places.iter().map(|place| count + place).chain(last.clone()).collect();
        let hidden = rows(&Tensor::cat(&hidden, 0)?, &all)?;
        Tensor::cat(&[hidden, rows(&Tensor::cat(&cells, 0)?, &last)?], 0)
    }

    fn cpu(&self) -> Option<&dyn CpuOp> {
        Some(self)
    }
}

/// Rows of a matrix of this width, in the order of their numbers.
fn rows_of(x: &[f32], width: usize, numbers: &[u32]) -> Vec<f32> {
    cpu::build(numbers.len() * width, 64 * width, |start, to| {
        for (to, &number) in to.chunks_exact_mut(width).zip(&numbers[start / width..]) {
            to.copy_from_slice(&x[number as usize * width..][..width]);
        }
    })
}
