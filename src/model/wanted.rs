//! What is asked of an encoder.

/// Which hidden states of the last layer are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Those of every token: (tokens, hidden).
    AllTokens,
    /// Those of each sequence's first token, which costs less: (sequences, hidden).
    FirstTokens,
}
