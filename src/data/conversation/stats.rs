//! How much is said in conversations, and of whom.

use std::collections::HashSet;

use serde::Serialize;

use super::{Conversation, Speaker};

/// The counts of some conversations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// The split, or `total`.
    pub name: String,
    /// The conversations.
    pub dialogues: usize,
    /// The utterances of both speakers.
    pub turns: usize,
    /// The own utterances.
    pub replies: usize,
    /// Replies with candidates.
    pub with_candidates: usize,
    /// The mean number of words of a reply, as white space parts them; not a number without any.
    pub reply_words: f64,
    /// Different own personas; the order of their sentences makes none.
    pub personas: usize,
    /// The own persona sentences, each as often as it stands there.
    pub persona_sentences: usize,
    /// The sentences of partners' personas, likewise.
    pub partner_sentences: usize,
    /// Different emotions.
    pub emotions: usize,
}

/// The counts of each split, in the order in which they begin, and of all conversations.
pub fn stats(conversations: &[Conversation]) -> Vec<Stats> {
    let mut splits: Vec<&str> = Vec::new();
    for split in conversations.iter().filter_map(|conversation| conversation.split.as_deref()) {
        if !splits.contains(&split) {
            splits.push(split);
        }
    }
    let of_split = |split: &str| {
        let found = conversations.iter().filter(|one| one.split.as_deref() == Some(split));
        count(split, &found.collect::<Vec<_>>())
    };
    let each = splits.iter().map(|split| of_split(split));
    each.chain([count("total", &conversations.iter().collect::<Vec<_>>())]).collect()
}

fn count(name: &str, conversations: &[&Conversation]) -> Stats {
    let turns = || conversations.iter().flat_map(|conversation| &conversation.turns);
    let replies = || turns().filter(|turn| turn.speaker == Speaker::Own);
    let words: usize = replies().map(|reply| reply.text.split_whitespace().count()).sum();
    let personas: HashSet<Vec<&String>> = conversations
        .iter()
        .filter(|conversation| !conversation.persona.is_empty())
        .map(|conversation| {
            let mut sentences: Vec<&String> = conversation.persona.iter().collect();
            sentences.sort();
            sentences
        })
        .collect();
    let emotions: HashSet<&String> =
        conversations.iter().filter_map(|conversation| conversation.emotion.as_ref()).collect();
    Stats {
        name: name.into(),
        dialogues: conversations.len(),
        turns: turns().count(),
        replies: replies().count(),
        with_candidates: replies().filter(|reply| !reply.candidates.is_empty()).count(),
        reply_words: words as f64 / replies().count() as f64,
        personas: personas.len(),
        persona_sentences: conversations.iter().map(|one| one.persona.len()).sum(),
        partner_sentences: conversations.iter().map(|one| one.partner_persona.len()).sum(),
        emotions: emotions.len(),
    }
}
