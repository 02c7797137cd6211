//! The keys and values of earlier tokens, saved so that a text can go on without being read again.

use candle_core::{DType, Device, Result, Tensor};

use super::{Attention, Offsets};
use crate::nn::cpu;
use crate::nn::tape::{Node, Tape};

/// The keys and values that one layer has computed: for each sequence those of its tokens so far,
/// in rows of its own, with room for more.
#[derive(Debug)]
pub struct KeyValues {
    rows: Tensor, // (all room, 2 width)
    room: Offsets,
    filled: Vec<usize>,
}

impl KeyValues {
    /// Nothing yet, and room for keys and values of this `width`: for sequence `i` in the rows
    /// `room[i] .. room[i + 1]`.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(room: &Offsets, width: usize, device: &Device) -> Result<Self> {
        let all = room.last().copied().unwrap_or(0);
        Ok(Self {
            rows: Tensor::zeros((all, 2 * width), DType::F32, device)?,
            room: room.clone(),
            filled: vec![0; room.len().saturating_sub(1)],
        })
    }

    /// How many tokens it holds of each sequence.
    pub fn filled(&self) -> &[usize] {
        &self.filled
    }

    /// Forgets all but so many tokens of each sequence.
    pub fn truncate(&mut self, lengths: &[usize]) {
        self.filled.iter_mut().zip(lengths).for_each(|(filled, most)| *filled = *most.min(filled));
    }

    /// Adds the keys and values of more tokens, (tokens, 2 width), which are as many of each
    /// sequence as `tokens` says.
    ///
    /// # Errors
    /// If there is no room for them, or they have another shape; then nothing is added.
    pub fn extend(&mut self, new: &Tensor, tokens: &Offsets) -> Result<()> {
        if tokens.len() != self.room.len() {
            candle_core::bail!("{} sequences, but {} are saved", tokens.len(), self.room.len());
        }
        let new = new.to_dtype(DType::F32)?.contiguous()?;
        let width = self.rows.dim(1)?;
        if new.dims() != [tokens.last().copied().unwrap_or(0), width] {
            candle_core::bail!("{:?} are no keys and values of those tokens", new.dims());
        }
        let mut places = Vec::with_capacity(self.filled.len()); // from, to, count
        for (number, bounds) in tokens.windows(2).enumerate() {
            let (count, first) = (bounds[1] - bounds[0], self.room[number] + self.filled[number]);
            if first + count > self.room[number + 1] {
                let room = self.room[number + 1] - self.room[number];
                candle_core::bail!("sequence {number} has room for {room} tokens");
            }
            places.extend((count > 0).then_some((bounds[0], first, count)));
        }
        if cpu::holds(&self.rows) {
            let new = cpu::values(&new)?;
            cpu::update(&self.rows, |rows| {
                for &(from, to, count) in &places {
                    rows[to * width..][..count * width]
                        .copy_from_slice(&new[from * width..][..count * width]);
                }
                Ok(())
            })?;
        } else {
            for &(from, to, count) in &places {
                self.rows.slice_set(&new.narrow(0, from, count)?, 0, to)?;
            }
        }
        let counts = tokens.windows(2).map(|bounds| bounds[1] - bounds[0]);
        self.filled.iter_mut().zip(counts).for_each(|(filled, count)| *filled += count);
        Ok(())
    }

    /// Attention of more tokens, whose queries, keys and values stand side by side in `qkv`, to
    /// themselves and to those that are saved; after that they are saved too. `attention` is theirs
    /// without what is saved.
    ///
    /// # Errors
    /// If the rows do not fit, or the tape records: nothing is learned through what is saved.
    pub fn attend(&mut self, tape: &Tape, qkv: &Node, attention: Attention) -> Result<Node> {
        if tape.is_recording() {
            candle_core::bail!("nothing is learned through keys and values that are saved");
        }
        let (width, saved) = (qkv.tensor().dim(1)?, self.rows.dim(1)?);
        let queries = width.saturating_sub(saved);
        self.extend(&qkv.tensor().narrow(1, queries, saved)?, &attention.queries)?;
        let q = Node::constant(&qkv.tensor().narrow(1, 0, queries)?);
        let filled = Some(self.filled.as_slice().into());
        let attention = Attention { keys: self.room.clone(), filled, ..attention };
        tape.apply(attention, &[&q, &Node::constant(&self.rows)])
    }

    /// What is saved of some sequences, in this order and any number of times, with other room.
    ///
    /// # Errors
    /// If a sequence does not fit into its room, or there is no memory.
    pub fn select(&self, sequences: &[usize], room: &Offsets) -> Result<Self> {
        let mut selected = Self::new(room, self.rows.dim(1)? / 2, self.rows.device())?;
        for (to, &from) in sequences.iter().enumerate() {
            let count = self.filled[from];
            if count > 0 {
                let rows = self.rows.narrow(0, self.room[from], count)?;
                selected.rows.slice_set(&rows, 0, room[to])?;
            }
            selected.filled[to] = count;
        }
        Ok(selected)
    }

    /// What is saved of several lists of sequences behind each other, which are as wide.
    ///
    /// # Errors
    /// If there are none, or there is no memory.
    pub fn joined(parts: &[&Self]) -> Result<Self> {
        let rows: Vec<&Tensor> = parts.iter().map(|part| &part.rows).collect();
        let mut room = vec![0];
        for part in parts {
            let start = room.last().copied().unwrap_or(0);
            room.extend(part.room.iter().skip(1).map(|end| start + end));
        }
        let filled = parts.iter().flat_map(|part| part.filled.iter().copied()).collect();
        Ok(Self { rows: Tensor::cat(&rows, 0)?, room: room.into(), filled })
    }

    /// The memory that a token takes, in bytes.
    ///
    /// # Errors
    /// If the tensor has another number of dimensions.
    pub fn bytes_of_token(&self) -> Result<usize> {
        Ok(self.rows.dim(1)? * self.rows.dtype().size_in_bytes())
    }
}
