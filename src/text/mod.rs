//! From texts to token ids, without tensors: prompts, tokenizers, vocabularies and batches.

pub mod batch;
pub mod byte_level;
mod byte_pairs;
pub mod prompt;
mod sentencepiece;
mod template;
pub mod tokenizer;
pub mod vocabulary;

pub use batch::{PackedBatch, Pairs, Prefix};
pub use prompt::plain::PlainEncoder;
pub use prompt::value::TextEncoder;
