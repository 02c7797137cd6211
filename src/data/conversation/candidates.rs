//! Candidates to choose a reply from, for files that have none.
//!
//! Hits@1 asks which of twenty utterances was said. ConvAI2 gives 19 others with each reply; where
//! a file gives none, they are drawn here: utterances of both speakers of other dialogues (of the
//! same split, if the file says of which), no two of them alike and none like the reply after
//! [`normalized`]. What is said more often is drawn more often.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::normalize::normalized;
use super::{Conversation, Speaker};
use crate::error::{Error, Result};
use crate::seed::{Purpose, Stream};

/// How many others stand beside a reply, as in ConvAI2.
pub const OTHERS: usize = 19;

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The replies.
    pub replies: usize,
    /// Those whose candidates were drawn; the others had some.
    pub drawn: usize,
    /// The [`hash`] of all candidates.
    pub hash: String,
}

/// An utterance that can be drawn.
struct Said {
    conversation: usize,
    text: String,
    /// Which utterances say the same.
    kind: usize,
}

/// Gives each reply that has no candidates `others` of them, and itself as the last. The same
/// conversations and the same seed give the same candidates, whatever is done in between.
///
/// # Errors
/// If there are fewer different utterances than `others` to draw from.
pub fn draw(conversations: &mut [Conversation], others: usize, seed: u64) -> Result<Choice> {
    let mut kinds: HashMap<String, usize> = HashMap::new();
    let mut pools: HashMap<Option<String>, Vec<Said>> = HashMap::new();
    for (number, conversation) in conversations.iter().enumerate() {
        let pool = pools.entry(conversation.split.clone()).or_default();
        for turn in &conversation.turns {
            let next = kinds.len();
            let kind = *kinds.entry(normalized(&turn.text)).or_insert(next);
            pool.push(Said { conversation: number, text: turn.text.clone(), kind });
        }
    }
    let (mut replies, mut drawn) = (0, 0);
    for (number, conversation) in conversations.iter_mut().enumerate() {
        let pool = pools.get(&conversation.split).map_or(&[][..], Vec::as_slice);
        let own =
            (0..).zip(&mut conversation.turns).filter(|(_, turn)| turn.speaker == Speaker::Own);
        for (place, reply) in own {
            replies += 1;
            if reply.candidates.is_empty() {
                let index = (number as u64) << 32 | place;
                let stream = Stream::new(seed, Purpose::Candidates, index);
                let gold = kinds.get(&normalized(&reply.text)).copied();
                reply.candidates = strangers(pool, number, gold, others, stream)?;
                reply.candidates.push(reply.text.clone());
                drawn += 1;
            }
        }
    }
    Ok(Choice { replies, drawn, hash: hash(conversations) })
}

/// Different utterances of other conversations than this one, unlike the reply.
fn strangers(
    pool: &[Said],
    conversation: usize,
    gold: Option<usize>,
    others: usize,
    mut stream: Stream,
) -> Result<Vec<String>> {
    let mut seen: HashSet<usize> = gold.into_iter().collect();
    let mut found = Vec::with_capacity(others + 1);
    // Fisher and Yates' shuffle as far as it is needed; what was moved is remembered.
    let mut moved: HashMap<usize, usize> = HashMap::new();
    for place in 0..pool.len() {
        if found.len() == others {
            break;
        }
        let other = place + stream.below((pool.len() - place) as u32) as usize;
        let here = moved.get(&place).copied().unwrap_or(place);
        let taken = moved.insert(other, here).unwrap_or(other);
        let said = &pool[taken];
        if said.conversation != conversation && seen.insert(said.kind) {
            found.push(said.text.clone());
        }
    }
    if found.len() < others {
        let what = format!(
            "{others} candidates beside each reply are asked for, and the other dialogues have \
             only {} different utterances",
            found.len()
        );
        return Err(Error::usage(what).help("ask for fewer with --count, or give a larger file"));
    }
    Ok(found)
}

/// The SHA-256 of all candidates, those of each reply as a JSON array of strings on a line of its
/// own, in hexadecimal digits.
pub fn hash(conversations: &[Conversation]) -> String {
    let mut hasher = Sha256::new();
    let turns = conversations.iter().flat_map(|conversation| &conversation.turns);
    for turn in turns.filter(|turn| !turn.candidates.is_empty()) {
        let candidates = turn.candidates.iter().map(String::as_str);
        let line = serde_json::Value::from_iter(candidates).to_string();
        hasher.update(line.as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
