//! Texts as far as a model has come with them, whichever kind of model it is.

use super::cache::{Cache, Next};
use super::{Prompt, Source};
use crate::error::Result;
use crate::model::seq2seq::Decoding;
use crate::nn::tape::Tape;
use crate::text::PackedBatch;

/// Several texts as far as a model has come with them.
pub(super) enum State<'m> {
    /// A decoder has read all of each prompt but its last token.
    Cache(Cache<'m>),
    /// An encoder has read each prompt; each reply begins with this token.
    Decoding(Decoding<'m>, u32),
}

impl<'m> State<'m> {
    /// Prompts that were read, with room for so many tokens each.
    pub(super) fn new(
        model: Source<'m>,
        tape: &Tape,
        prompts: &[&Prompt],
        room: &[usize],
    ) -> Result<Self> {
        match model {
            Source::Decoder(model) => {
                let mut cache = Cache::new(model, room)?;
                let next: Vec<Next> = prompts.iter().map(|prompt| prompt.but_last(0)).collect();
                cache.skip(tape, &next)?;
                Ok(Self::Cache(cache))
            }
            Source::Seq2Seq(model) => {
                let batch = PackedBatch::new(prompts.iter().map(|prompt| prompt.ids.as_slice()));
                let begin = model.network().config().bos_token_id;
                Ok(Self::Decoding(model.network().begin(tape, &batch)?, begin))
            }
        }
    }

    /// The logits of the first token of each reply.
    pub(super) fn begin(&mut self, tape: &Tape, prompts: &[&Prompt]) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Cache(cache) => {
                let last: Vec<Next> = prompts.iter().map(|prompt| prompt.last()).collect();
                cache.read(tape, &last)
            }
            Self::Decoding(decoding, begin) => {
                Ok(decoding.step(tape, &vec![Some(*begin); decoding.len()])?)
            }
        }
    }

    /// Reads the last token of each text that goes on, and returns the logits of what may follow.
    /// `segments` are those of all texts' replies, for models that know segments.
    pub(super) fn go_on(
        &mut self,
        tape: &Tape,
        last: &[Option<u32>],
        segments: &[Option<u32>],
    ) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Cache(cache) => {
                let next = last.iter().zip(segments).map(|(last, segment)| Next {
                    ids: last.as_slice(),
                    segments: segment.as_ref().map(|own| match last {
                        Some(_) => std::slice::from_ref(own),
                        None => &[],
                    }),
                });
                cache.read(tape, &next.collect::<Vec<_>>())
            }
            Self::Decoding(decoding, _) => Ok(decoding.step(tape, last)?),
        }
    }

    /// Some of the texts, in this order and each any number of times, with other room.
    pub(super) fn select(&self, tape: &Tape, texts: &[usize], room: &[usize]) -> Result<Self> {
        Ok(match self {
            Self::Cache(cache) => Self::Cache(cache.select(texts, room)?),
            Self::Decoding(decoding, begin) => {
                Self::Decoding(decoding.select(tape, texts)?, *begin)
            }
        })
    }
}
