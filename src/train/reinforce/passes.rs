//! Drawn replies as batches for the network.

use super::rollout::{Drawn, Rolled};
use crate::text::prompt::branches::Answered;
use crate::text::prompt::dialogue::Prompt;

/// How many tokens go through the network in a pass.
const BUDGET: usize = 2048;

/// Replies cut into passes through the network, each of whole dialogues.
pub(super) fn passes(mut rolled: &[Rolled]) -> impl Iterator<Item = &[Rolled]> {
    let tokens = |rolled: &Rolled| {
        let prompt = rolled.answered.iter().map(|(prompt, _)| prompt.ids.len()).max();
        prompt.unwrap_or(0) + rolled.drawn().map(|drawn| drawn.ids.len()).sum::<usize>()
    };
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fits = |one: &&Rolled| {
            sum += tokens(one);
            sum <= BUDGET
        };
        let count = rolled.iter().take_while(fits).count().max(1);
        let (pass, rest) = rolled.split_at_checked(count)?;
        rolled = rest;
        Some(pass)
    })
}

/// The token ids of the replies to each prompt.
pub(super) fn ids(rolled: &[Rolled]) -> Vec<Vec<Vec<u32>>> {
    let of_prompt =
        |(_, drawn): &(Prompt, Vec<Drawn>)| drawn.iter().map(|drawn| drawn.ids.clone()).collect();
    rolled.iter().flat_map(|rolled| &rolled.answered).map(of_prompt).collect()
}

/// The prompts with these replies.
pub(super) fn answered<'r>(
    rolled: &'r [Rolled],
    replies: &'r [Vec<Vec<u32>>],
) -> Vec<Answered<'r>> {
    let prompts = rolled.iter().flat_map(|rolled| &rolled.answered).map(|(prompt, _)| prompt);
    prompts.zip(replies.iter().map(Vec::as_slice)).collect()
}
