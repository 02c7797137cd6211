//! From texts to token ids, without tensors: prompts, tokenizers, vocabularies and batches.

pub mod batch;
pub mod byte_level;
mod sentencepiece;
mod template;
pub mod tokenizer;
pub mod vocabulary;

pub use batch::Packed;
pub use tokenizer::TextEncoder;
