//! The lines of ConvAI2's text format (ParlAI's dialogue format with personas).
//!
//! Each is `N text`, and an N that is not above the one before begins a dialogue, which is the
//! caller's business. The text is `your persona: S`, `partner's persona: S`, or
//! `partner<TAB>own[<TAB>reward][<TAB>c1|...|c20]`; `__SILENCE__` stands for a partner who says
//! nothing.

use super::{Conversation, Speaker, Turn, filled, with_gold};

const OWN: &str = "your persona:";
const PARTNER: &str = "partner's persona:";

/// Whether a text stands for an utterance that there was not; transfer-learning-conv-ai writes it
/// with blanks.
pub(super) fn is_silence(text: &str) -> bool {
    ["__SILENCE__", "__ SILENCE __"].contains(&text.trim())
}

/// The number that a line begins with, and the rest.
pub(super) fn numbered(line: &str) -> Option<(u64, &str)> {
    let (number, rest) = line.split_once(' ')?;
    Some((number.parse().ok()?, rest))
}

/// Whether the rest of a numbered line is a persona sentence.
pub(super) fn is_persona(rest: &str) -> bool {
    rest.starts_with(OWN) || rest.starts_with(PARTNER)
}

/// Adds what a numbered line says.
///
/// # Errors
/// If it is neither a persona sentence nor two utterances, a text is blank, the reward is no
/// number, or the last candidate is not the reply.
pub(super) fn add(conversation: &mut Conversation, rest: &str) -> Result<(), String> {
    if let Some(sentence) = rest.strip_prefix(OWN) {
        conversation.persona.push(filled(sentence, "the persona sentence")?);
        return Ok(());
    }
    if let Some(sentence) = rest.strip_prefix(PARTNER) {
        conversation.partner_persona.push(filled(sentence, "the partner's persona sentence")?);
        return Ok(());
    }
    let columns: Vec<&str> = rest.split('\t').collect();
    let (partner, own, reward, candidates) = match columns[..] {
        [partner, own] => (partner, own, "", ""),
        [partner, own, candidates] if candidates.contains('|') => (partner, own, "", candidates),
        [partner, own, reward] => (partner, own, reward, ""),
        [partner, own, reward, candidates] => (partner, own, reward, candidates),
        [_] => {
            return Err("neither a persona sentence nor two utterances with a tab between".into());
        }
        _ => return Err(format!("{} columns, and there are four at most", columns.len())),
    };
    let reward = reward.trim();
    if !reward.is_empty() && reward.parse::<f64>().is_err() {
        return Err(format!("the reward \"{reward}\" is not a number"));
    }
    if !is_silence(partner) {
        let text = filled(partner, "the partner's utterance")?;
        conversation.turns.push(Turn { speaker: Speaker::Other, text, candidates: Vec::new() });
    }
    let text = filled(own, "the own utterance")?;
    let candidates = match candidates.trim() {
        "" => Vec::new(),
        candidates => with_gold(candidates.split('|'), &text)?,
    };
    conversation.turns.push(Turn { speaker: Speaker::Own, text, candidates });
    Ok(())
}
