//! A persona, what was said so far and a reply as token ids, for language models.
//!
//! A prompt is everything up to where the reply begins: what is known of the speakers, which is
//! never cut, then the last utterances, of which whole ones go, oldest first, where there is no
//! room, then what begins the reply. The loss is on the reply and the token that ends it.
//!
//! Each text is tokenized by itself and without a blank before it, as the references do.

use std::ops::Range;

use super::layout::{Layout, Vocabulary};
use crate::error::{Error, Result};

/// How much goes into a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The order and the tokens between.
    pub layout: Layout,
    /// How many utterances of the history are given at most, the last ones; 0 for all.
    pub history: usize,
    /// How many tokens a prompt and its reply have at most.
    pub max_length: usize,
}

/// An utterance of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// Whether the own speaker says it, who is to reply.
    pub own: bool,
    /// What is said.
    pub text: &'a str,
}

/// What a reply is given after. The default is nothing at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context<'a> {
    /// Sentences about the own speaker.
    pub persona: &'a [String],
    /// What happened to the partner, if it is to be told.
    pub situation: Option<&'a str>,
    /// How the partner feels, as a plain word before the history (the paper's Table 6).
    pub emotion: Option<&'a str>,
    /// What was said before, in order.
    pub history: &'a [Said<'a>],
}

/// Everything before a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The token ids.
    pub ids: Vec<u32>,
    /// The segment id of each token, if the layout has segments, and that of the reply's tokens.
    pub segments: Option<(Vec<u32>, u32)>,
    /// How many utterances went for lack of room.
    pub cut: usize,
}

/// A prompt and a reply, or a dialogue with several replies that are to be predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// The token ids.
    pub ids: Vec<u32>,
    /// The segment id of each token, if the layout has segments.
    pub segments: Option<Vec<u32>>,
    /// Where each reply stands, with the token that ends it, in order.
    pub replies: Vec<Range<usize>>,
    /// How many utterances went for lack of room.
    pub cut: usize,
}

impl Sequence {
    /// For each token, whether it is to be predicted from those before it.
    pub fn loss_mask(&self) -> Vec<bool> {
        let is_in = |place: usize| self.replies.iter().any(|reply| reply.contains(&place));
        (0..self.ids.len()).map(is_in).collect()
    }

    /// How many tokens are to be predicted.
    pub fn targets(&self) -> usize {
        self.replies.iter().map(ExactSizeIterator::len).sum()
    }

    /// Sequences in their order, of which each that begins with all of the one before it has taken
    /// that one's replies over. Every reply is predicted from the same tokens as before, and what
    /// they have in common is read once.
    pub fn joined(sequences: impl IntoIterator<Item = Sequence>) -> Vec<Sequence> {
        let mut joined: Vec<Sequence> = Vec::new();
        for mut sequence in sequences {
            match joined.last_mut() {
                Some(last) if sequence.begins_with(last) => {
                    sequence.replies.splice(0..0, std::mem::take(&mut last.replies));
                    sequence.cut += last.cut;
                    *last = sequence;
                }
                _ => joined.push(sequence),
            }
        }
        joined
    }

    fn begins_with(&self, other: &Sequence) -> bool {
        let segments = match (&self.segments, &other.segments) {
            (Some(own), Some(others)) => own.starts_with(others),
            (own, others) => own.is_none() && others.is_none(),
        };
        segments && self.ids.starts_with(&other.ids)
    }
}

impl Prompt {
    /// The prompt with a reply as [`DialogueEncoder::reply`] gives it behind it.
    pub fn with_reply(&self, reply: &[u32]) -> Sequence {
        let segments = self.segments.as_ref().map(|(segments, own)| {
            let mut segments = segments.clone();
            segments.resize(self.ids.len() + reply.len(), *own);
            segments
        });
        let ids = [&self.ids, reply].concat();
        let replies = std::iter::once(self.ids.len()..ids.len()).collect();
        Sequence { ids, segments, replies, cut: self.cut }
    }
}

/// Lays out dialogues for a model.
#[derive(Debug, Clone)]
pub struct DialogueEncoder<V> {
    vocabulary: V,
    settings: Settings,
    /// The ids of the layout's tokens, in their order.
    tokens: Vec<u32>,
}

/// Tokens of one speaker, which are kept or cut together.
struct Block {
    own: bool,
    ids: Vec<u32>,
}

impl<V: Vocabulary> DialogueEncoder<V> {
    /// Lays out with the ids of a vocabulary.
    ///
    /// # Errors
    /// If it lacks a token of the layout, which [`Layout::prepare`] adds.
    pub fn new(vocabulary: V, settings: Settings) -> Result<Self> {
        let id = |token: &&str| {
            vocabulary.id(token).ok_or_else(|| {
                let what = format!("the tokenizer has no token {token}");
                let layout = settings.layout.name();
                Error::failure(what).help(format!("the layout {layout} needs a model that has it"))
            })
        };
        let tokens = settings.layout.tokens().iter().map(id).collect::<Result<_>>()?;
        Ok(Self { vocabulary, settings, tokens })
    }

    /// What turns texts into ids.
    pub fn vocabulary(&self) -> &V {
        &self.vocabulary
    }

    /// The token that ends a reply.
    pub fn end(&self) -> u32 {
        match (self.settings.layout, &self.tokens[..]) {
            (Layout::DialoGpt, tokens) => tokens[0],
            (Layout::Gpt2 | Layout::ChatMl, tokens) => tokens[1],
        }
    }

    /// The token ids of a reply, and the token that ends it.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn reply(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.vocabulary.ids(text.trim())?;
        ids.push(self.end());
        Ok(ids)
    }

    /// Everything up to where a reply begins, with `room` tokens to spare for it.
    ///
    /// # Errors
    /// If the tokenizer fails, or there is no room even without a history.
    pub fn prompt(&self, context: &Context, room: usize) -> Result<Prompt> {
        let (head, start) = (self.head(context)?, self.start()?);
        let history = context.history;
        let first = match self.settings.history {
            0 => 0,
            most => history.len().saturating_sub(most),
        };
        let mut blocks =
            history[first..].iter().map(|said| self.utterance(said)).collect::<Result<Vec<_>>>()?;
        let fixed = head.len() + start.len() + room;
        // A reply needs at least one token to be predicted from.
        let least = fixed.max(1 + room);
        if least > self.settings.max_length {
            let most = self.settings.max_length;
            let what =
                format!("{least} tokens without any history, and at most {most} are allowed");
            let help = "shorten the persona or the reply, or raise max_length";
            return Err(Error::failure(what).help(help));
        }
        let mut left = self.settings.max_length - fixed;
        let fits = |block: &&Block| {
            let fits = block.ids.len() <= left;
            left = left.saturating_sub(block.ids.len());
            fits
        };
        let cut = blocks.len() - blocks.iter().rev().take_while(fits).count();
        blocks.drain(..cut);
        blocks.insert(0, Block { own: true, ids: head });
        blocks.push(Block { own: true, ids: start });
        let segments = match (self.settings.layout, &self.tokens[..]) {
            (Layout::Gpt2, &[_, _, own, other, _]) => {
                let speaker = |block: &Block| if block.own { own } else { other };
                let of_block = |block: &Block| std::iter::repeat_n(speaker(block), block.ids.len());
                Some((blocks.iter().flat_map(of_block).collect(), own))
            }
            _ => None,
        };
        let mut ids: Vec<u32> = blocks.into_iter().flat_map(|block| block.ids).collect();
        if ids.is_empty() {
            ids.push(self.end()); // what DialoGPT begins with where nothing was said
        }
        Ok(Prompt { ids, segments, cut })
    }

    /// A prompt and its reply.
    ///
    /// # Errors
    /// As [`DialogueEncoder::prompt`].
    pub fn sequence(&self, context: &Context, reply: &str) -> Result<Sequence> {
        let reply = self.reply(reply)?;
        Ok(self.prompt(context, reply.len())?.with_reply(&reply))
    }

    /// One prompt with room for the longest of several replies, and the replies, so that all are
    /// judged after the same.
    ///
    /// # Errors
    /// As [`DialogueEncoder::prompt`].
    pub fn candidates<S: AsRef<str>>(
        &self,
        context: &Context,
        replies: &[S],
    ) -> Result<(Prompt, Vec<Vec<u32>>)> {
        let replies =
            replies.iter().map(|reply| self.reply(reply.as_ref())).collect::<Result<Vec<_>>>()?;
        let longest = replies.iter().map(Vec::len).max().unwrap_or(0);
        Ok((self.prompt(context, longest)?, replies))
    }

    /// What is known of the speakers, which is never cut.
    fn head(&self, context: &Context) -> Result<Vec<u32>> {
        let known = || {
            let sentences = context.persona.iter().map(String::as_str);
            sentences.chain(context.situation).chain(context.emotion).map(str::trim)
        };
        let mut ids = Vec::new();
        match self.settings.layout {
            Layout::Gpt2 => {
                ids.push(self.tokens[0]);
                for text in known() {
                    ids.extend(self.vocabulary.ids(text)?);
                }
            }
            Layout::DialoGpt => {
                for text in known() {
                    ids.extend(self.reply(text)?);
                }
            }
            Layout::ChatMl => {
                let persona: Vec<&str> = context.persona.iter().map(|text| text.trim()).collect();
                let persona =
                    (!persona.is_empty()).then(|| format!("Your persona: {}", persona.join(" ")));
                let lines = persona.as_deref().into_iter();
                let lines = lines.chain(context.situation).chain(context.emotion).map(str::trim);
                let lines: Vec<&str> = lines.collect();
                if !lines.is_empty() {
                    ids = self.chat_turn("system", &lines.join("\n"))?;
                }
            }
        }
        Ok(ids)
    }

    /// An utterance of the history.
    fn utterance(&self, said: &Said) -> Result<Block> {
        let Said { own, text } = *said;
        let ids = match self.settings.layout {
            Layout::Gpt2 => {
                let mut ids = vec![self.tokens[if own { 2 } else { 3 }]];
                ids.extend(self.vocabulary.ids(text.trim())?);
                ids
            }
            Layout::DialoGpt => self.reply(text)?,
            Layout::ChatMl => self.chat_turn(if own { "assistant" } else { "user" }, text)?,
        };
        Ok(Block { own, ids })
    }

    /// What begins a reply.
    fn start(&self) -> Result<Vec<u32>> {
        match self.settings.layout {
            Layout::Gpt2 => Ok(vec![self.tokens[2]]),
            Layout::DialoGpt => Ok(Vec::new()),
            Layout::ChatMl => self.chat_start("assistant"),
        }
    }

    fn chat_start(&self, role: &str) -> Result<Vec<u32>> {
        let mut ids = vec![self.tokens[0]];
        ids.extend(self.vocabulary.ids(&format!("{role}\n"))?);
        Ok(ids)
    }

    fn chat_turn(&self, role: &str, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.chat_start(role)?;
        ids.extend(self.reply(text)?);
        ids.extend(self.vocabulary.ids("\n")?);
        Ok(ids)
    }
}
