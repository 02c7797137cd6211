//! Prompts with several replies each, as one batch in which what they share stands once.

use super::dialogue::Prompt;
use crate::text::{PackedBatch, Prefix};

/// A prompt, and replies to it.
pub type Answered<'a> = (&'a Prompt, &'a [Vec<u32>]);

/// Prompts and replies in a batch. A prompt that begins with all of the one before it, as in a
/// dialogue that goes on, shares its sequence; every reply is a sequence that goes on from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branches {
    /// The batch.
    pub batch: PackedBatch,
    /// The row of each token of all replies, in the order of prompts and replies.
    pub targets: Vec<u32>,
}

impl Branches {
    /// Brings prompts and their replies, each of at least one token, into a batch.
    pub fn new(answered: &[Answered]) -> Self {
        let mut sequences: Vec<&[u32]> = Vec::new();
        let mut segments: Vec<Vec<u32>> = Vec::new();
        let mut prefixes = Vec::new();
        let mut first = 0;
        while let Some((prompt, _)) = answered.get(first) {
            let follow =
                answered[first..].windows(2).take_while(|two| is_begun(two[0].0, two[1].0));
            let sharing = &answered[first..=first + follow.count()];
            let trunk = sharing.last().map_or(*prompt, |(longest, _)| *longest);
            let sequence = sequences.len();
            sequences.push(&trunk.ids);
            segments.extend(trunk.segments.iter().map(|(segments, _)| segments.clone()));
            prefixes.push(None);
            for (prompt, replies) in sharing {
                for reply in *replies {
                    sequences.push(reply);
                    let own = prompt.segments.iter().map(|(_, own)| vec![*own; reply.len()]);
                    segments.extend(own);
                    prefixes.push(Some(Prefix { sequence, length: prompt.ids.len() }));
                }
            }
            first += sharing.len();
        }
        let mut batch = PackedBatch::new(sequences).with_prefixes(prefixes.into());
        batch.segments = (!segments.is_empty()).then(|| segments.concat());
        let of_replies = batch.prefixes.iter().flat_map(|prefixes| prefixes.iter());
        let rows = batch.offsets.windows(2).zip(of_replies).filter(|(_, prefix)| prefix.is_some());
        let targets = rows.flat_map(|(bounds, _)| bounds[0] as u32..bounds[1] as u32).collect();
        Self { batch, targets }
    }
}

/// Whether `longer` begins with all of `prompt`.
fn is_begun(prompt: &Prompt, longer: &Prompt) -> bool {
    let segments = match (&prompt.segments, &longer.segments) {
        (Some((own, speaker)), Some((others, other))) => {
            others.starts_with(own) && speaker == other
        }
        (own, others) => own.is_none() && others.is_none(),
    };
    segments && longer.ids.starts_with(&prompt.ids)
}
