//! Which hidden states an encoder is asked for.

/// Which hidden states of the last layer an encoder computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenStates {
    /// Those of every token: (tokens, hidden).
    AllTokens,
    /// That of the token which stands for its whole sequence, which costs less: (sequences,
    /// hidden). It is the first one, or in BART the decoder's last.
    Summary,
}
