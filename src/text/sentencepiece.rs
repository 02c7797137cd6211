//! A `spm.model`, SentencePiece's own file (Kudo and Richardson, EMNLP 2018), as a tokenizer:
//! DeBERTa v2 and v3 come with no other. Reads the parts of its protocol buffer that make a unigram
//! model, and no other kind.

use std::path::Path;

use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::{Precompiled, Replace, Sequence, Strip};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::{AddedToken, NormalizerWrapper, Tokenizer};

use super::template::classifier_template;
use crate::error::{Error, Result};

/// Where a space was.
const SPACE: char = '\u{2581}';

/// The values of `SentencePiece.Type` that matter, and of `TrainerSpec.ModelType`.
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const UNIGRAM: u64 = 1;

/// What is read of a model.
#[derive(Debug, Default)]
struct Model {
    pieces: Vec<(String, f64)>,
    /// The pieces that stand for no text.
    control: Vec<String>,
    unknown: Option<usize>,
    kind: Option<u64>,
    normalizer: Vec<u8>,
}

/// Reads a DeBERTa's `spm.model`.
///
/// # Errors
/// If the file cannot be read, or is no unigram model with `[CLS]` and `[SEP]`.
pub(super) fn read(path: &Path) -> Result<Tokenizer> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
    let damaged = || {
        Error::file(path, "not a SentencePiece model that can be read")
            .help("copy or download it again")
    };
    let model = parse(&bytes).filter(|model| !model.pieces.is_empty()).ok_or_else(damaged)?;
    if model.kind.is_some_and(|kind| kind != UNIGRAM) {
        return Err(Error::file(path, "a SentencePiece model of another kind than unigram"));
    }
    tokenizer(model)
        .map_err(|error| Error::file(path, format!("no tokenizer can be made of it: {error}")))
}

/// The tokenizer that transformers makes of a DeBERTa's model.
fn tokenizer(model: Model) -> tokenizers::Result<Tokenizer> {
    let mut normalizers: Vec<NormalizerWrapper> = vec![Strip::new(true, true).into()];
    if !model.normalizer.is_empty() {
        normalizers.push(Precompiled::from(&model.normalizer)?.into());
    }
    normalizers.push(
        Replace::new(tokenizers::normalizers::replace::ReplacePattern::Regex(" {2,}".into()), " ")?
            .into(),
    );
    let unigram = Unigram::from(model.pieces, model.unknown, false)?;
    let mut tokenizer = Tokenizer::new(unigram);
    tokenizer.with_normalizer(Some(Sequence::new(normalizers)))?;
    tokenizer.with_pre_tokenizer(Some(Metaspace::new(SPACE, PrependScheme::Always, true)));
    tokenizer.with_decoder(Some(Metaspace::new(SPACE, PrependScheme::Always, true)));
    let special = model.control.into_iter().chain(["[MASK]".to_string()]);
    tokenizer.add_special_tokens(special.map(|token| AddedToken::from(token, true)))?;
    let template = classifier_template(&tokenizer)?;
    tokenizer.with_post_processor(Some(template));
    Ok(tokenizer)
}

/// The model in its protocol buffer, if that is one.
fn parse(bytes: &[u8]) -> Option<Model> {
    let mut model = Model::default();
    for field in Fields(bytes) {
        match field? {
            (1, Field::Bytes(piece)) => {
                let (mut text, mut score, mut kind) = ("", 0.0, 1);
                for field in Fields(piece) {
                    match field? {
                        (1, Field::Bytes(bytes)) => text = std::str::from_utf8(bytes).ok()?,
                        (2, Field::Fixed32(bits)) => score = f64::from(f32::from_bits(bits)),
                        (3, Field::Number(number)) => kind = number,
                        _ => {}
                    }
                }
                match kind {
                    UNKNOWN => model.unknown = Some(model.pieces.len()),
                    CONTROL => model.control.push(text.into()),
                    _ => {}
                }
                model.pieces.push((text.into(), score));
            }
            (2, Field::Bytes(trainer)) => {
                for field in Fields(trainer) {
                    if let (3, Field::Number(kind)) = field? {
                        model.kind = Some(kind);
                    }
                }
            }
            (3, Field::Bytes(normalizer)) => {
                for field in Fields(normalizer) {
                    if let (2, Field::Bytes(map)) = field? {
                        model.normalizer = map.into();
                    }
                }
            }
            _ => {}
        }
    }
    Some(model)
}

/// The fields of a message of a protocol buffer; `None` where it is damaged, which ends it.
struct Fields<'a>(&'a [u8]);

/// A field's contents.
enum Field<'a> {
    Number(u64),
    Fixed64,
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.take(8).map(|_| Field::Fixed64)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((key >> 3, field))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}
