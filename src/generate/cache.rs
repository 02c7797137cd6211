//! What a model has read of several texts of unequal lengths, so that each of them can go on
//! without being read again.

use crate::error::{Error, Result};
use crate::model::LanguageModel;
use crate::nn::attention::{KeyValues, Offsets};
use crate::nn::embedding::select_rows;
use crate::nn::tape::Tape;
use crate::text::Packed;

/// Tokens that follow what was read of a text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Next<'a> {
    /// Their ids; none if the text is not to go on.
    pub ids: &'a [u32],
    /// The segment of each, for models that know segments.
    pub segments: Option<&'a [u32]>,
}

/// Several texts as far as they have been read.
#[derive(Debug)]
pub struct Cache<'m> {
    model: &'m LanguageModel,
    layers: Vec<KeyValues>,
    lengths: Vec<usize>,
}

impl<'m> Cache<'m> {
    /// Texts of which nothing has been read yet, with room for so many tokens each.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(model: &'m LanguageModel, room: &[usize]) -> Result<Self> {
        let layers = model.network().decoder().nothing_kept(&offsets(room))?;
        Ok(Self { model, layers, lengths: vec![0; room.len()] })
    }

    /// How many tokens have been read of each text.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Reads what follows in each text, and returns the logits of what may follow then, one row for
    /// each text that went on, in their order.
    ///
    /// # Errors
    /// If a text is too long for its room or for the model.
    pub fn read(&mut self, tape: &Tape, next: &[Next]) -> Result<Vec<Vec<f32>>> {
        if next.len() != self.lengths.len() {
            return Err(Error::failure("there are not as many texts as were begun"));
        }
        let has_segments = next.iter().any(|next| next.segments.is_some());
        let mut tokens = Packed {
            ids: Vec::new(),
            positions: Vec::new(),
            offsets: offsets(&next.iter().map(|next| next.ids.len()).collect::<Vec<_>>()),
            segments: has_segments.then(Vec::new),
        };
        for (next, length) in next.iter().zip(&mut self.lengths) {
            tokens.ids.extend_from_slice(next.ids);
            tokens.positions.extend((*length..).map(|place| place as u32).take(next.ids.len()));
            *length += next.ids.len();
            if *length > self.model.max_length() {
                let (length, most) = (*length, self.model.max_length());
                let what = format!("a text of {length} tokens; the model reads {most} at most");
                return Err(Error::failure(what));
            }
            if let Some(all) = &mut tokens.segments {
                all.extend_from_slice(next.segments.unwrap_or_default());
            }
        }
        if tokens.segments.as_ref().is_some_and(|all| all.len() != tokens.ids.len()) {
            return Err(Error::failure("every token of a batch has a segment, or none has"));
        }
        if tokens.ids.is_empty() {
            return Ok(Vec::new());
        }
        let network = self.model.network();
        let states = network.decoder().step(tape, &tokens, &mut self.layers)?;
        let went_on = tokens.offsets.windows(2).filter(|bounds| bounds[0] < bounds[1]);
        let last: Vec<u32> = went_on.map(|bounds| bounds[1] as u32 - 1).collect();
        let logits = network.logits(tape, &select_rows(tape, &states, &last)?)?;
        Ok(logits.tensor().to_vec2()?)
    }

    /// Some of the texts, in this order and each any number of times, with other room.
    ///
    /// # Errors
    /// If a text does not fit into its room, or there is no memory.
    pub fn select(&self, texts: &[usize], room: &[usize]) -> Result<Self> {
        let room = offsets(room);
        let layers = self.layers.iter().map(|layer| Ok(layer.select(texts, &room)?));
        Ok(Self {
            model: self.model,
            layers: layers.collect::<Result<_>>()?,
            lengths: texts.iter().map(|&text| self.lengths[text]).collect(),
        })
    }
}

/// Where parts of these sizes begin, and where the last one ends.
fn offsets(sizes: &[usize]) -> Offsets {
    let ends = sizes.iter().scan(0, |end, size| {
        *end += size;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}
