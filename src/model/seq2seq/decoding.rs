//! Replies that are written token by token.

use candle_core::Result;

use super::{Seq2SeqNetwork, Texts};
use crate::nn::attention::Offsets;
use crate::nn::embedding::select_rows;
use crate::nn::tape::Tape;
use crate::text::PackedBatch;

/// Several replies as far as they have been written.
#[derive(Debug, Clone)]
pub struct Decoding<'n> {
    network: &'n Seq2SeqNetwork,
    texts: Texts,
}

impl Seq2SeqNetwork {
    /// Reads prompts. The first token that each reply is then to be gone on from is the begin
    /// token.
    ///
    /// # Errors
    /// If a prompt has no token, an id is beyond the vocabulary, or the tape records: nothing is
    /// learned from what is written token by token.
    pub fn begin(&self, tape: &Tape, prompts: &PackedBatch) -> Result<Decoding<'_>> {
        check(tape)?;
        Ok(Decoding { network: self, texts: self.read(tape, prompts)? })
    }
}

impl Decoding<'_> {
    /// How many replies there are.
    pub fn len(&self) -> usize {
        self.texts.prompts.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the last token of each reply that is to go on, and returns the logits of what may
    /// follow: one row, (vocabulary), for each reply that went on, in their order.
    ///
    /// # Errors
    /// If there is not an entry for each reply, an id is beyond the vocabulary, or the tape
    /// records.
    pub fn step(&mut self, tape: &Tape, last: &[Option<u32>]) -> Result<Vec<Vec<f32>>> {
        check(tape)?;
        if last.len() != self.len() {
            candle_core::bail!("{} last tokens of {} replies", last.len(), self.len());
        }
        let ids: Vec<u32> = last.iter().flatten().copied().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let tokens = offsets(last.iter().map(|last| usize::from(last.is_some())));
        let states = self.network.decode(tape, &mut self.texts, &ids, &tokens)?;
        self.network.output.layer.widened(tape, &states)?.tensor().to_vec2()
    }

    /// Some of the replies, in this order and each any number of times.
    ///
    /// # Errors
    /// If there is no such reply, or there is no memory.
    pub fn select(&self, tape: &Tape, replies: &[usize]) -> Result<Self> {
        check(tape)?;
        let from = &self.texts;
        if let Some(reply) = replies.iter().find(|&&reply| reply >= self.len()) {
            candle_core::bail!("reply {reply} was asked of {}", self.len());
        }
        let bounds = |&reply: &usize| from.prompts[reply]..from.prompts[reply + 1];
        let rows: Vec<u32> = replies.iter().flat_map(bounds).map(|row| row as u32).collect();
        let numbers: Vec<u32> = replies.iter().map(|&reply| reply as u32).collect();
        let texts = Texts {
            keys: select_rows(tape, &from.keys, &rows)?,
            values: select_rows(tape, &from.values, &rows)?,
            prompts: offsets(replies.iter().map(|reply| bounds(reply).len())),
            states: from
                .states
                .iter()
                .map(|state| state.select(tape, &numbers))
                .collect::<Result<_>>()?,
        };
        Ok(Self { network: self.network, texts })
    }
}

/// What is kept from step to step belongs to no tape.
fn check(tape: &Tape) -> Result<()> {
    if tape.is_recording() {
        candle_core::bail!("nothing is learned from replies that are written token by token");
    }
    Ok(())
}

/// Where parts of these sizes begin, and where the last one ends.
fn offsets(sizes: impl Iterator<Item = usize>) -> Offsets {
    let ends = sizes.scan(0, |end, size| {
        *end += size;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}
