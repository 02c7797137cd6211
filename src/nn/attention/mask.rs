//! The attention mask.

use std::ops::Range;

/// The keys that a query may see.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Those behind each other.
    keys: Range<usize>,
    /// Its own pair, behind them; empty without pairs.
    own: Range<usize>,
}

impl Seen {
    /// Whether it sees this key.
    pub(super) fn contains(&self, key: usize) -> bool {
        self.keys.contains(&key) || self.own.contains(&key)
    }

    /// Brings the scores of what is seen behind each other; where they stand then.
    #[inline(always)]
    pub(super) fn gather(&self, scores: &mut [f32]) -> Range<usize> {
        scores.copy_within(self.own.clone(), self.keys.end);
        self.keys.start..self.keys.end + self.own.len()
    }

    /// Puts what [`Seen::gather`] brought together back to its places, and makes all others zero.
    #[inline(always)]
    pub(super) fn scatter(&self, scores: &mut [f32]) {
        let Self { keys, own } = self;
        scores[..keys.start].fill(0.0);
        scores.copy_within(keys.end..keys.end + own.len(), own.start);
        scores[keys.end..own.start].fill(0.0);
        scores[own.end..].fill(0.0);
    }
}

/// Which keys of its own sequence a query may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// All of them.
    All,
    /// Those at most so many places away. Query `i` stands at place `i` of its sequence.
    Window(usize),
    /// Those up to its own place. The queries stand at the last places of their sequence.
    Causal,
    /// The last `2 n` keys are `n` pairs, and the ones before a text: the text sees itself, and a
    /// pair the text and itself. The queries are all rows of their sequence, or the first of each
    /// pair.
    Pairs(usize),
}

impl Mask {
    /// The keys that query number `query` of `queries` may see of `keys`.
    pub(super) fn keys(self, query: usize, queries: usize, keys: usize) -> Seen {
        let without_pair = |keys: Range<usize>| Seen { own: keys.end..keys.end, keys };
        match self {
            Self::All => without_pair(0..keys),
            Self::Window(reach) => {
                without_pair(query.saturating_sub(reach)..keys.min(query + reach + 1))
            }
            Self::Causal => without_pair(0..query + 1 + keys - queries),
            Self::Pairs(pairs) => {
                let text = keys - 2 * pairs;
                let first = match queries == keys {
                    true if query < text => return without_pair(0..text),
                    true => text + (query - text) / 2 * 2,
                    false => text + 2 * query,
                };
                Seen { keys: 0..text, own: first..first + 2 }
            }
        }
    }

    /// Blocks of `queries` behind each other, each with a number of keys, from the first on, that
    /// holds all that its queries see of `keys`.
    pub(super) fn blocks(self, queries: usize, keys: usize) -> Vec<(Range<usize>, usize)> {
        // Whole tiles of a product, and few more keys than are seen.
        const QUERIES: usize = 28;
        const KEYS: usize = 32;
        match self {
            Self::Causal => (0..queries)
                .step_by(QUERIES)
                .map(|first| {
                    let end = queries.min(first + QUERIES);
                    let seen = self.keys(end - 1, queries, keys).keys.end;
                    (first..end, seen.next_multiple_of(KEYS).min(keys))
                })
                .collect(),
            Self::All | Self::Window(_) | Self::Pairs(_) => vec![(0..queries, keys)],
        }
    }

    /// Whether each of `queries` sees something of `keys`.
    pub(super) fn fits(self, queries: usize, keys: usize) -> bool {
        match self {
            Self::All => queries == 0 || keys > 0,
            Self::Window(reach) => queries <= keys + reach,
            Self::Causal => queries <= keys,
            Self::Pairs(pairs) => 2 * pairs <= keys && (queries == keys || queries == pairs),
        }
    }
}
