//! Byte-level BPE tokenizers (Radford et al., 2019): from their parts, as a GGUF file holds them,
//! or learned from texts.

use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{
    AddedToken, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    SplitDelimiterBehavior, Tokenizer, Trainer,
};

use crate::error::{Error, Result};

/// What is merged stays within the pieces that this gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pieces {
    /// GPT-2's own pattern.
    Gpt2,
    /// The same, and every digit by itself, as SmolLM2 has it.
    SingleDigits,
    /// Llama 3's pattern: digits by threes.
    Llama3,
}

/// Llama 3's pattern, as its `tokenizer.json` has it.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl Pieces {
    /// The pattern that llama.cpp calls by this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "gpt-2" | "gpt2" => Some(Self::Gpt2),
            "smollm" => Some(Self::SingleDigits),
            "llama-bpe" | "llama3" | "llama-v3" => Some(Self::Llama3),
            _ => None,
        }
    }

    fn pre_tokenizer(self) -> tokenizers::Result<PreTokenizerWrapper> {
        let bytes = |use_regex| ByteLevel::new(false, true, use_regex);
        Ok(match self {
            Self::Gpt2 => bytes(true).into(),
            Self::SingleDigits => {
                Sequence::new(vec![Digits::new(true).into(), bytes(true).into()]).into()
            }
            Self::Llama3 => {
                let pattern = SplitPattern::Regex(LLAMA3.into());
                let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)?;
                Sequence::new(vec![split.into(), bytes(false).into()]).into()
            }
        })
    }
}

/// The parts of a byte-level BPE tokenizer.
#[derive(Debug, Clone)]
pub struct BytePairs {
    /// The tokens with their ids, in the letters that stand for bytes.
    pub tokens: Vec<(String, u32)>,
    /// The pairs that are merged, with a blank between, the first ones first.
    pub merges: Vec<String>,
    /// The tokens that stand for no text.
    pub special: Vec<String>,
    /// The special token that is put before each text, if one is.
    pub start: Option<String>,
    /// Within what pairs are merged.
    pub pieces: Pieces,
}

impl BytePairs {
    /// The tokenizer that is made of these parts.
    ///
    /// # Errors
    /// If they do not fit each other.
    pub fn tokenizer(self) -> Result<Tokenizer> {
        let build = || -> tokenizers::Result<Tokenizer> {
            let pair = |merge: String| {
                let pair = merge.split_once(' ').map(|(a, b)| (a.to_string(), b.to_string()));
                pair.ok_or_else(|| format!("\"{merge}\" is no pair of tokens"))
            };
            let merges = self.merges.into_iter().map(pair).collect::<Result<Vec<_>, _>>()?;
            let model = BPE::builder()
                .vocab_and_merges(self.tokens.into_iter().collect::<Vocab>(), merges)
                .ignore_merges(self.pieces == Pieces::Llama3)
                .build()?;
            let mut tokenizer = Tokenizer::new(model);
            tokenizer.with_pre_tokenizer(Some(self.pieces.pre_tokenizer()?));
            tokenizer.with_decoder(Some(ByteLevel::default()));
            let special = self.special.into_iter().map(|token| AddedToken::from(token, true));
            tokenizer.add_special_tokens(special.map(|token| token.normalized(false)))?;
            if let Some(start) = self.start {
                let id = tokenizer.token_to_id(&start);
                let id = id.ok_or_else(|| format!("the vocabulary has no {start}"))?;
                let template = TemplateProcessing::builder()
                    .try_single(format!("{start} $A"))?
                    .try_pair(format!("{start} $A {start} $B:1"))?
                    .special_tokens(vec![(start, id)])
                    .build()?;
                tokenizer.with_post_processor(Some(template));
            }
            Ok(tokenizer)
        };
        build().map_err(Error::failure_because("no tokenizer can be made of the vocabulary"))
    }
}

/// Learns a vocabulary of at most `size` tokens from texts (256 bytes at least), with GPT-2's
/// pieces. The same texts give the same vocabulary.
///
/// # Errors
/// If the trainer fails.
pub fn learn_byte_pairs<'a>(
    texts: impl Iterator<Item = &'a str>,
    size: usize,
) -> Result<Tokenizer> {
    let failed = || Error::failure_because("cannot learn a vocabulary");
    let bytes = ByteLevel::new(false, true, true);
    let words = |text: &str| -> tokenizers::Result<Vec<String>> {
        let mut split = PreTokenizedString::from(text);
        bytes.pre_tokenize(&mut split)?;
        let words = split.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
        Ok(words.into_iter().map(|(word, _, _)| word.to_string()).collect())
    };
    let words = texts.map(words).collect::<tokenizers::Result<Vec<_>>>().map_err(failed())?;
    let trainer = BpeTrainer::builder()
        .vocab_size(size)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut trainer = TrainerWrapper::BpeTrainer(trainer);
    let all = words.concat();
    trainer.feed(all.iter(), |word| Ok(vec![word.to_string()])).map_err(failed())?;
    let mut model = BPE::default().into();
    trainer.train(&mut model).map_err(failed())?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(bytes));
    tokenizer.with_decoder(Some(bytes));
    Ok(tokenizer)
}
