//! What a model has read of several texts of unequal lengths, so that each of them can go on
//! without being read again.

use crate::error::{Error, Result};
use crate::model::LanguageModel;
use crate::nn::attention::{KeyValues, Offsets};
use crate::nn::embedding::select_rows;
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

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
    room: Vec<usize>,
}

impl<'m> Cache<'m> {
    /// Texts of which nothing has been read yet, with room for so many tokens each.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(model: &'m LanguageModel, room: &[usize]) -> Result<Self> {
        let layers = model.network().decoder().nothing_kept(&offsets(room))?;
        Ok(Self { model, layers, lengths: vec![0; room.len()], room: room.into() })
    }

    /// How many tokens have been read of each text.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Reads what follows in each text, and returns the logits of what may follow then, one row for
    /// each text that went on, in their order.
    ///
    /// # Errors
    /// If a text is too long for its room or for the model; then nothing has been read.
    pub fn read(&mut self, tape: &Tape, next: &[Next]) -> Result<Vec<Vec<f32>>> {
        let Some((states, tokens)) = self.states(tape, next)? else { return Ok(Vec::new()) };
        let went_on = tokens.offsets.windows(2).filter(|bounds| bounds[0] < bounds[1]);
        let last: Vec<u32> = went_on.map(|bounds| bounds[1] as u32 - 1).collect();
        let network = self.model.network();
        let logits = network.logits(tape, &select_rows(tape, &states, &last)?)?;
        Ok(logits.tensor().to_vec2()?)
    }

    /// Reads what follows in each text but its last token, and returns the log-probability of each
    /// of its tokens but the first after all those before it.
    ///
    /// # Errors
    /// As [`Cache::read`].
    pub fn log_probabilities(&mut self, tape: &Tape, next: &[Next]) -> Result<Vec<Vec<f64>>> {
        let count = |next: &Next| next.ids.len().saturating_sub(1);
        let but_last = next.iter().map(|next| Next {
            ids: &next.ids[..count(next)],
            segments: next.segments.map(|segments| &segments[..count(next)]),
        });
        let Some((states, _)) = self.states(tape, &but_last.collect::<Vec<_>>())? else {
            return Ok(vec![Vec::new(); next.len()]);
        };
        let targets: Vec<u32> =
            next.iter().flat_map(|next| next.ids.iter().skip(1).copied()).collect();
        let network = self.model.network();
        let found = network.log_probabilities_after(tape, &states, &targets)?;
        let mut found = found.tensor().to_vec1::<f32>()?.into_iter().map(f64::from);
        Ok(next.iter().map(|next| found.by_ref().take(count(next)).collect()).collect())
    }

    /// Reads what follows in each text without asking what may follow then.
    ///
    /// # Errors
    /// As [`Cache::read`].
    pub fn skip(&mut self, tape: &Tape, next: &[Next]) -> Result<()> {
        // Of more tokens the states do not fit into memory that the allocator keeps, and each piece of it is to be had anew.
        const AT_ONCE: usize = 2048;
        self.check(next)?;
        let mut first = 0;
        while first < next.len() {
            let mut tokens = 0;
            let fit = next[first..].iter().take_while(|next| {
                tokens += next.ids.len();
                tokens <= AT_ONCE
            });
            let end = first + fit.count().max(1);
            let mut some = vec![Next::default(); next.len()];
            some[first..end].copy_from_slice(&next[first..end]);
            if let Some(tokens) = self.tokens(&some)? {
                self.model.network().decoder().read(tape, &tokens, &mut self.layers)?;
                self.went_on(&some);
            }
            first = end;
        }
        Ok(())
    }

    /// Refuses what has no room.
    fn check(&self, next: &[Next]) -> Result<()> {
        if next.len() != self.lengths.len() {
            return Err(Error::failure("there are not as many texts as were begun"));
        }
        for (next, (&length, &room)) in next.iter().zip(self.lengths.iter().zip(&self.room)) {
            let (longer, most) = (length + next.ids.len(), room.min(self.model.max_length()));
            if longer > most {
                let what = format!("a text of {longer} tokens; there is room for {most} at most");
                return Err(Error::failure(what));
            }
        }
        Ok(())
    }

    /// Forgets all but so many tokens of each text.
    pub fn truncate(&mut self, lengths: &[usize]) {
        self.layers.iter_mut().for_each(|layer| layer.truncate(lengths));
        self.lengths.iter_mut().zip(lengths).for_each(|(length, most)| *length = *most.min(length));
    }

    /// The states of all tokens that follow, and these as a batch; none if no text goes on.
    fn states(&mut self, tape: &Tape, next: &[Next]) -> Result<Option<(Node, PackedBatch)>> {
        let Some(tokens) = self.tokens(next)? else { return Ok(None) };
        let states = self.model.network().decoder().step(tape, &tokens, &mut self.layers)?;
        self.went_on(next);
        Ok(Some((states, tokens)))
    }

    /// So many more tokens have been read.
    fn went_on(&mut self, next: &[Next]) {
        self.lengths.iter_mut().zip(next).for_each(|(length, next)| *length += next.ids.len());
    }

    /// All tokens that follow as a batch; none if no text goes on.
    fn tokens(&self, next: &[Next]) -> Result<Option<PackedBatch>> {
        self.check(next)?;
        let has_segments = next.iter().any(|next| next.segments.is_some());
        let mut tokens = PackedBatch {
            ids: Vec::new(),
            positions: Vec::new(),
            offsets: offsets(&next.iter().map(|next| next.ids.len()).collect::<Vec<_>>()),
            segments: has_segments.then(Vec::new),
            prefixes: None,
            pairs: None,
        };
        for (next, &length) in next.iter().zip(&self.lengths) {
            tokens.ids.extend_from_slice(next.ids);
            tokens.positions.extend(length as u32..(length + next.ids.len()) as u32);
            if let Some(all) = &mut tokens.segments {
                all.extend_from_slice(next.segments.unwrap_or_default());
            }
        }
        if tokens.segments.as_ref().is_some_and(|all| all.len() != tokens.ids.len()) {
            return Err(Error::failure("every token of a batch has a segment, or none has"));
        }
        Ok(Some(tokens).filter(|tokens| !tokens.ids.is_empty()))
    }

    /// Some of the texts, in this order and each any number of times, with other room.
    ///
    /// # Errors
    /// If a text does not fit into its room, or there is no memory.
    pub fn select(&self, texts: &[usize], room: &[usize]) -> Result<Self> {
        let starts = offsets(room);
        let layers = self.layers.iter().map(|layer| Ok(layer.select(texts, &starts)?));
        Ok(Self {
            model: self.model,
            layers: layers.collect::<Result<_>>()?,
            lengths: texts.iter().map(|&text| self.lengths[text]).collect(),
            room: room.into(),
        })
    }

    /// Several caches of one model as one, their texts behind each other.
    ///
    /// # Errors
    /// If there are none, or there is no memory.
    pub fn joined(parts: Vec<Self>) -> Result<Self> {
        let Some(first) = parts.first() else {
            return Err(Error::failure("there is nothing to go on from"));
        };
        let of_layer = |number: usize| {
            let all: Vec<&KeyValues> = parts.iter().map(|part| &part.layers[number]).collect();
            Ok(KeyValues::joined(&all)?)
        };
        Ok(Self {
            model: first.model,
            layers: (0..first.layers.len()).map(of_layer).collect::<Result<_>>()?,
            lengths: parts.iter().flat_map(|part| part.lengths.clone()).collect(),
            room: parts.iter().flat_map(|part| part.room.clone()).collect(),
        })
    }

    /// How many tokens of a model are kept at once.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn budget(model: &'m LanguageModel) -> Result<usize> {
        const BYTES: usize = 1 << 30;
        const MOST: usize = 1 << 16;
        let layers = Cache::new(model, &[1])?.layers;
        let bytes =
            layers.iter().map(|layer| Ok(layer.bytes_of_token()?)).sum::<Result<usize>>()?;
        Ok((BYTES / bytes.max(1)).min(MOST))
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
