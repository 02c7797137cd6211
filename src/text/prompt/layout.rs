//! The layouts that dialogues are given to language models in, and what a tokenizer needs for them.
//!
//! A token that a layout puts between texts is never found inside one, whatever the text says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokenizers::{AddedToken, Tokenizer};

use crate::error::{Error, Result};
use crate::text::tokenizer::encode;

/// The order of the parts and what stands between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// TransferTransfo's (`build_input_from_segments` in huggingface/transfer-learning-conv-ai):
    /// `<bos> persona <speaker2> utterance <speaker1> reply <eos>`, the own speaker under
    /// `<speaker1>`, with the speaker's token as segment id of each token; the persona is in the
    /// own one's.
    ///
    /// There the segments alternate from the front, which is the same wherever the history begins
    /// with the partner and the speakers take turns.
    Gpt2,
    /// DialoGPT's (`prepro.py` in microsoft/DialoGPT): `<|endoftext|>` after each utterance. The
    /// sentences of the persona are utterances before the first, which is ours.
    DialoGpt,
    /// ChatML, as SmolLM2's chat template has it: the persona as the system's turn, which is ours,
    /// the partner as `user`, the own speaker as `assistant`. No system turn without a persona;
    /// the template's own would be another persona.
    ChatMl,
}

impl Layout {
    /// All of them.
    pub const ALL: [Layout; 3] = [Layout::Gpt2, Layout::DialoGpt, Layout::ChatMl];

    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Gpt2 => "gpt2",
            Layout::DialoGpt => "dialogpt",
            Layout::ChatMl => "chatml",
        }
    }

    /// The tokens that it puts between texts, in the order in which they are added to a tokenizer
    /// that does not know them.
    pub fn tokens(self) -> &'static [&'static str] {
        match self {
            Layout::Gpt2 => &["<bos>", "<eos>", "<speaker1>", "<speaker2>", "<pad>"],
            Layout::DialoGpt => &["<|endoftext|>"],
            Layout::ChatMl => &["<|im_start|>", "<|im_end|>"],
        }
    }

    /// The token that ends a reply.
    pub fn end(self) -> &'static str {
        match self {
            Layout::DialoGpt => self.tokens()[0],
            Layout::Gpt2 | Layout::ChatMl => self.tokens()[1],
        }
    }

    /// Makes a tokenizer fit: adds the tokens that it lacks, and takes away its length limit, its
    /// padding, and its finding special tokens inside texts. Returns the tokens that were added,
    /// which need new rows of an embedding.
    ///
    /// # Errors
    /// If a token cannot be added.
    pub fn prepare(self, tokenizer: &mut Tokenizer) -> Result<Vec<&'static str>> {
        let lacking = |token: &&str| tokenizer.token_to_id(token).is_none();
        let added: Vec<&str> = self.tokens().iter().copied().filter(lacking).collect();
        let tokens = self.tokens().iter().map(|token| AddedToken::from(*token, true));
        tokenizer
            .add_special_tokens(tokens.map(|token| token.normalized(false)))
            .map_err(Error::failure_because("cannot add the tokens of a dialogue"))?;
        tokenizer
            .with_padding(None)
            .with_truncation(None)
            .map_err(Error::failure_because("cannot take away the length limit"))?;
        tokenizer.set_encode_special_tokens(true);
        Ok(added)
    }
}

/// What turns texts into token ids.
pub trait Vocabulary {
    /// The ids of a text, without any before or behind it.
    ///
    /// # Errors
    /// If the tokenizer fails.
    fn ids(&self, text: &str) -> Result<Vec<u32>>;

    /// The id of one token.
    fn id(&self, token: &str) -> Option<u32>;
}

impl Vocabulary for Tokenizer {
    fn ids(&self, text: &str) -> Result<Vec<u32>> {
        Ok(encode(self, text, false)?.get_ids().to_vec())
    }

    fn id(&self, token: &str) -> Option<u32> {
        self.token_to_id(token)
    }
}
