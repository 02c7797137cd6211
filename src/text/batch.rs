//! Which prompts go together: packed batches, length buckets for training, token budgets for
//! scoring.

use std::sync::Arc;

use crate::seed::{Purpose, Stream};

/// Token sequences behind each other, without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedBatch {
    /// The token ids of all sequences.
    pub ids: Vec<u32>,
    /// The position of each token in its own sequence.
    pub positions: Vec<u32>,
    /// Sequence `i` is `ids[offsets[i] .. offsets[i + 1]]`.
    pub offsets: Arc<[usize]>,
    /// For each token the row of the word embeddings that says in which segment it stands, for
    /// models that know segments.
    pub segments: Option<Vec<u32>>,
    /// For each sequence what it goes on from, if sequences go on from one another.
    pub prefixes: Option<Arc<[Option<Prefix>]>>,
    /// The pairs of tokens behind each sequence's text, which they share: each sees the text and itself,
    /// and the text only itself. None if sequences are plain ones.
    pub pairs: Option<Pairs>,
}

/// Pairs of tokens that share a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pairs {
    /// How many there are behind each text.
    pub count: usize,
    /// How many layers read the text before there are any; they enter the next as they are embedded.
    pub shared_layers: usize,
}

/// The first tokens of another sequence of a batch, from which a sequence goes on: it sees them as
/// if they were its own. That one goes on from nothing itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// The number of the other sequence.
    pub sequence: usize,
    /// How many of its tokens.
    pub length: usize,
}

impl PackedBatch {
    /// Packs sequences in their order.
    pub fn new<'a>(sequences: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let (mut ids, mut positions, mut offsets) = (Vec::new(), Vec::new(), vec![0]);
        for sequence in sequences {
            ids.extend_from_slice(sequence);
            positions.extend(0..sequence.len() as u32);
            offsets.push(ids.len());
        }
        let offsets = offsets.into();
        Self { ids, positions, offsets, segments: None, prefixes: None, pairs: None }
    }

    /// Packs sequences of a text and so many pairs of tokens that share it. A pair has the first two
    /// positions, and the text those behind them.
    pub fn shared<'a>(sequences: impl IntoIterator<Item = &'a [u32]>, pairs: Pairs) -> Self {
        let mut batch = Self { pairs: Some(pairs), ..Self::new(sequences) };
        for bounds in batch.offsets.windows(2) {
            let own = &mut batch.positions[bounds[0]..bounds[1]];
            let (text, pairs) = own.split_at_mut(own.len().saturating_sub(2 * pairs.count));
            text.iter_mut().for_each(|position| *position += 2);
            pairs.iter_mut().enumerate().for_each(|(place, it)| *it = place as u32 % 2);
        }
        batch
    }

    /// The same with positions counted from `first`.
    pub fn with_positions_from(mut self, first: u32) -> Self {
        self.positions.iter_mut().for_each(|position| *position += first);
        self
    }

    /// The same with sequences that go on from others: positions are counted on from theirs.
    pub fn with_prefixes(mut self, prefixes: Arc<[Option<Prefix>]>) -> Self {
        for (bounds, prefix) in self.offsets.windows(2).zip(prefixes.iter()) {
            let before = prefix.map_or(0, |prefix| prefix.length as u32);
            let own = &mut self.positions[bounds[0]..bounds[1]];
            own.iter_mut().for_each(|position| *position += before);
        }
        self.prefixes = Some(prefixes);
        self
    }

    /// The row of the token before this one in its sequence, or in what that goes on from. None if
    /// there is none.
    pub fn row_before(&self, row: usize) -> Option<usize> {
        match self.offsets.binary_search(&row) {
            Err(_) => row.checked_sub(1),
            Ok(sequence) => {
                let prefix = (*self.prefixes.as_ref()?.get(sequence)?)?;
                (self.offsets[prefix.sequence] + prefix.length).checked_sub(1)
            }
        }
    }

    /// The number of sequences.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row of each sequence's last token.
    pub fn last_rows(&self) -> Vec<u32> {
        self.offsets[1..].iter().map(|&end| end as u32 - 1).collect()
    }

    /// Where sequences begin among rows of which each has one.
    pub fn single_rows(&self) -> Arc<[usize]> {
        (0..=self.len()).collect()
    }

    /// The row of the first token of each sequence, or of each of its pairs.
    pub fn summary_rows(&self) -> Vec<u32> {
        let Some(Pairs { count: pairs, .. }) = self.pairs else { return self.first_rows() };
        let firsts = |&end: &usize| (0..pairs).map(move |pair| (end - 2 * (pairs - pair)) as u32);
        self.offsets[1..].iter().flat_map(firsts).collect()
    }

    /// Where sequences begin among those rows.
    pub fn summary_offsets(&self) -> Arc<[usize]> {
        let count = self.pairs.map_or(1, |pairs| pairs.count);
        (0..=self.len()).map(|sequence| sequence * count).collect()
    }

    /// The texts without their pairs.
    pub fn texts(&self) -> Self {
        let rows = self.text_rows();
        let pick = |numbers: &[u32]| rows.iter().map(|&row| numbers[row as usize]).collect();
        let behind = 2 * self.pairs.map_or(0, |pairs| pairs.count);
        let offsets = self.offsets.iter().enumerate();
        Self {
            ids: pick(&self.ids),
            positions: pick(&self.positions),
            offsets: offsets.map(|(before, &offset)| offset - before * behind).collect(),
            segments: self.segments.as_deref().map(pick),
            prefixes: None,
            pairs: None,
        }
    }

    /// The rows of the texts, without those of their pairs.
    pub fn text_rows(&self) -> Vec<u32> {
        let behind = 2 * self.pairs.map_or(0, |pairs| pairs.count);
        let own = |bounds: &[usize]| bounds[0] as u32..(bounds[1] - behind) as u32;
        self.offsets.windows(2).flat_map(own).collect()
    }

    /// The rows of the pairs.
    pub fn pair_rows(&self) -> Vec<u32> {
        let behind = 2 * self.pairs.map_or(0, |pairs| pairs.count);
        let own = |bounds: &[usize]| (bounds[1] - behind) as u32..bounds[1] as u32;
        self.offsets.windows(2).flat_map(own).collect()
    }

    /// The row of each sequence's first token.
    pub fn first_rows(&self) -> Vec<u32> {
        self.offsets[..self.len()].iter().map(|&start| start as u32).collect()
    }
}

/// The batches of one epoch: every item once, items of like length together, in an order that the
/// seed decides.
///
/// Items are shuffled, cut into pools of fifty batches, sorted by length within each pool, cut into
/// batches, and the batches are shuffled: nearly all the speed of sorting, and nearly all the
/// randomness of shuffling.
pub fn epoch_batches(
    lengths: &[usize],
    batch_size: usize,
    seed: u64,
    epoch: u64,
) -> Vec<Vec<usize>> {
    const POOL: usize = 50;
    let mut stream = Stream::new(seed, Purpose::Shuffle, epoch);
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    stream.shuffle(&mut order);
    let batch_size = batch_size.max(1);
    for pool in order.chunks_mut(batch_size * POOL) {
        pool.sort_by_key(|&item| lengths[item]);
    }
    let mut batches: Vec<Vec<usize>> = order.chunks(batch_size).map(<[usize]>::to_vec).collect();
    stream.shuffle(&mut batches);
    batches
}

/// Items from short to long, cut so that no batch has more than `budget` tokens unless a single
/// item has.
pub fn budget_batches(lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&item| lengths[item]);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut tokens = usize::MAX;
    for item in order {
        tokens = tokens.saturating_add(lengths[item]);
        match batches.last_mut() {
            Some(batch) if tokens <= budget => batch.push(item),
            _ => {
                tokens = lengths[item];
                batches.push(vec![item]);
            }
        }
    }
    batches
}
