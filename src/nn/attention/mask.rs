//! The attention mask.

use std::ops::Range;

/// Which keys of its own sequence a query may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// All of them.
    All,
    /// Those at most so many places away. Query `i` stands at place `i` of its sequence.
    Window(usize),
    /// Those up to its own place. The queries stand at the last places of their sequence.
    Causal,
}

impl Mask {
    /// The keys that query number `query` of `queries` may see of `keys`.
    pub(super) fn keys(self, query: usize, queries: usize, keys: usize) -> Range<usize> {
        match self {
            Self::All => 0..keys,
            Self::Window(reach) => query.saturating_sub(reach)..keys.min(query + reach + 1),
            Self::Causal => 0..query + 1 + keys - queries,
        }
    }

    /// Whether each of `queries` sees something of `keys`.
    pub(super) fn fits(self, queries: usize, keys: usize) -> bool {
        match self {
            Self::All => queries == 0 || keys > 0,
            Self::Window(reach) => queries <= keys + reach,
            Self::Causal => queries <= keys,
        }
    }
}
