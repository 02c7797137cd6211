//! How near a model's replies are to the speakers' personas: texts to value vectors, by a value
//! model, and these to figures.

use std::path::{Path, PathBuf};

use candle_core::Device;

use super::files::DialogueFile;
use crate::data::dialogue::Vector;
use crate::error::{Error, Result};
use crate::eval::Bootstrap;
use crate::nn::precision::Precision;
use crate::recipe::vectors::ValueVectors;
use crate::recipe::{Observer, ProgressEvent, open_model};
use crate::report::dialogue_evaluation::ReplyRow;
use crate::report::persona_alignment::PersonaEvaluation;
use crate::reward::alignment::{Aligned, Opponents, PERSONAS, PersonaAlignment};
use crate::train::Checkpoint;

/// Decides which other personas each one is held against.
const SEED: u64 = 1;

/// By what replies are held against personas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonaRequest {
    /// A run of a value model, of which the best checkpoint is taken, or the folder of one.
    pub values: PathBuf,
    /// Whether the mean vector of a file's persona sentences is subtracted from all vectors.
    pub center: bool,
}

/// A value model, and the vectors of all that it has read.
pub(super) struct ValueSpace {
    name: String,
    center: bool,
    vectors: ValueVectors,
}

impl ValueSpace {
    /// Opens the model, which computes in f32, so that figures of models in other precisions can be
    /// compared.
    pub(super) fn open(request: &PersonaRequest, device: &Device) -> Result<Self> {
        let PersonaRequest { values, center } = request;
        let model = open_model(values, Checkpoint::Best, device, Precision::F32)?;
        let name = values.display().to_string();
        Ok(Self { name, center: *center, vectors: ValueVectors::new(model) })
    }

    /// Measures replies to the dialogues of a file, of which `rows` are all, and tells of each.
    pub(super) fn align(
        &mut self,
        file: &DialogueFile,
        rows: &mut [ReplyRow],
        bootstrap: Option<Bootstrap>,
        observer: &dyn Observer,
    ) -> Result<PersonaEvaluation> {
        let opponents = opponents(file)?;
        let sentences = || {
            let all = file.dialogues.iter().flat_map(|dialogue| &dialogue.persona);
            all.map(String::as_str)
        };
        let replies = rows.iter().flat_map(|row| std::iter::once(&row.gold).chain(&row.text));
        let texts = sentences().chain(replies.map(String::as_str));
        self.vectors.read(texts, &mut |done, total| {
            observer.tell(ProgressEvent::Done { what: "value vectors", done, total });
        })?;
        let center = if self.center { self.vectors.center(sentences()) } else { None };
        let vector = |text: &str| self.vectors.of(text, center.as_ref());
        let vectors = |texts: &[String]| texts.iter().map(|text| vector(text)).collect();
        let personas: Vec<Vec<Vector>> =
            file.dialogues.iter().map(|dialogue| vectors(&dialogue.persona)).collect();
        let (mut said, mut model) = (Vec::new(), Vec::new());
        for own in rows.chunk_by_mut(|a, b| a.dialogue == b.dialogue) {
            let dialogue = own.first().map_or(0, |row| row.dialogue - 1);
            let aligned = |text: fn(&ReplyRow) -> &str| {
                let vectors: Vec<Vector> = own.iter().map(|row| vector(text(row))).collect();
                Aligned::of(&personas, dialogue, &vectors, &opponents)
            };
            said.push(aligned(|row| &row.gold));
            let replies = aligned(|row| row.text.as_deref().unwrap_or_default());
            let turns = replies.own.turns.iter().zip(&replies.other.turns);
            for (row, (with_own, with_other)) in own.iter_mut().zip(turns) {
                (row.r, row.r_other) = (Some(with_own.r), Some(with_other.r));
            }
            model.push(replies);
        }
        Ok(PersonaEvaluation {
            values: self.name.clone(),
            center: self.center,
            alignment: PersonaAlignment::of(&said, &model, &opponents, bootstrap),
        })
    }
}

/// The personas that each dialogue's own one is held against.
///
/// # Errors
/// If a dialogue has no persona, or all have the same.
pub(super) fn opponents(file: &DialogueFile) -> Result<Opponents> {
    const HELP: &str = "`--measure perplexity,hits,f1` does without personas";
    let bare = file.dialogues.iter().find(|dialogue| dialogue.persona.is_empty());
    if let Some(dialogue) = bare {
        let what = "no sentence tells of this dialogue's own speaker, and its replies cannot be \
                    held against a persona";
        return Err(dialogue.place.error(&file.path, what).help(HELP));
    }
    let personas: Vec<Vec<String>> =
        file.dialogues.iter().map(|dialogue| dialogue.persona.clone()).collect();
    Opponents::draw(&personas, PERSONAS - 1, SEED).ok_or_else(|| {
        let what = "there is only one persona, and none to compare it with";
        Error::data(&file.path, what).help(HELP)
    })
}

/// Keeps what an earlier report says of personas, if the replies are still the same.
pub(super) fn kept(
    earlier: Option<PersonaEvaluation>,
    old: &[ReplyRow],
    rows: &mut [ReplyRow],
) -> Option<PersonaEvaluation> {
    let is_same = |(old, new): (&ReplyRow, &ReplyRow)| {
        old.dialogue == new.dialogue && old.gold == new.gold && old.text == new.text
    };
    let earlier = earlier?;
    if old.len() != rows.len() || !old.iter().zip(rows.iter()).all(is_same) {
        return None;
    }
    for (old, new) in old.iter().zip(rows) {
        (new.r, new.r_other) = (old.r, old.r_other);
    }
    Some(earlier)
}

/// Whether two models were judged in the same value space: then the gold replies, which are the
/// same, are as near to the personas by one as by the other.
///
/// # Errors
/// If they were not.
pub(super) fn check_same_space(
    a: (&Path, Option<&PersonaEvaluation>),
    b: (&Path, Option<&PersonaEvaluation>),
) -> Result<()> {
    /// More than rounding makes of a mean cosine.
    const ROUNDING: f64 = 1e-5;
    let ((a, Some(first)), (b, Some(second))) = (a, b) else { return Ok(()) };
    let gold = |it: &PersonaEvaluation| {
        let r = it.alignment.said.r;
        [r.own.value, r.other.value]
    };
    let is_near = |(a, b): (f64, f64)| (a - b).abs() <= ROUNDING;
    if gold(first).into_iter().zip(gold(second)).all(is_near) {
        return Ok(());
    }
    let values = |it: &PersonaEvaluation| {
        format!("{}{}", it.values, if it.center { ", centred" } else { "" })
    };
    let what = format!(
        "its replies were held against personas by other values ({}) than those of {} ({})",
        values(second),
        a.display(),
        values(first)
    );
    Err(Error::data(b, what).help("judge both with `valuenet eval` and the same --values"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_of_other_replies_is_not_kept() {
        let row = |text: &str, r: Option<f64>| ReplyRow {
            dialogue: 1,
            gold: "i sail .".into(),
            text: Some(text.into()),
            r,
            ..ReplyRow::default()
        };
        let personas: [Vec<String>; 2] = [vec!["i sail .".into()], vec!["i knit .".into()]];
        let earlier = Opponents::draw(&personas, 1, SEED).map(|opponents| {
            let said = [Aligned::of(&[vec![[1.0]], vec![[-1.0]]], 0, &[[1.0]], &opponents)];
            let alignment = PersonaAlignment::of(&said, &said, &opponents, None);
            PersonaEvaluation { values: "runs/minilm".into(), center: false, alignment }
        });
        assert!(earlier.is_some());
        let old = [row("the sea !", Some(0.5))];
        let mut same = [row("the sea !", None)];
        assert_eq!(kept(earlier.clone(), &old, &mut same), earlier);
        assert_eq!(same, old);
        let mut other = [row("wool .", None)];
        assert_eq!(kept(earlier.clone(), &old, &mut other), None);
        assert_eq!(other[0].r, None);
        assert_eq!(kept(earlier, &[], &mut other), None);
        assert_eq!(kept(None, &old, &mut same), None);
    }
}
