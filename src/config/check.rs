//! Whether the settings of a configuration are such as can be used.

use super::{Config, FamilyKind, TaskKind, described, dialogue, emotion, reward};
use crate::error::{Error, Result};
use crate::model::value_head::Objective;
use crate::model::value_prompts::PromptKind;
use crate::text::tokenizer::SHORTEST;
use crate::train::{TeacherValues, TrainSettings};

/// The most parameters that a model from scratch may have.
const LARGEST_SCRATCH: u64 = 2_000_000_000;

/// Refuses numbers out of their range, and settings that do not go together.
///
/// # Errors
/// If there is one; it names the key.
pub(super) fn check(config: &Config) -> Result<()> {
    let (model, train) = (&config.model, &config.train);
    let positive = |number: f64| number > 0.0 && number.is_finite();
    let not_negative = |number: f64| number >= 0.0 && number.is_finite();
    let below_one = |number: f64| (0.0..1.0).contains(&number);
    let scratch = &model.scratch;
    let rules = [
        (model.max_length >= SHORTEST, "model.max_length", "a length of 8 tokens or more"),
        (model.dropout.is_none_or(below_one), "model.dropout", "a number from 0 to below 1"),
        (
            scratch.vocabulary_size >= 100,
            "model.scratch.vocabulary_size",
            "a number of 100 or more",
        ),
        (scratch.heads >= 1, "model.scratch.heads", "a number of 1 or more"),
        (scratch.hidden_size >= 1, "model.scratch.hidden_size", "a number of 1 or more"),
        (
            scratch.intermediate_size >= 1,
            "model.scratch.intermediate_size",
            "a number of 1 or more",
        ),
        (
            scratch.parameters(model.max_length) <= LARGEST_SCRATCH,
            "model.scratch",
            "a model of at most two billion parameters",
        ),
        (model.linear.dimension >= 1, "model.linear.dimension", "a number of 1 or more"),
        (model.linear.word_ngrams >= 1, "model.linear.word_ngrams", "a number of 1 or more"),
        (model.linear.buckets >= 1, "model.linear.buckets", "a number of 1 or more"),
        (train.epochs >= 1, "train.epochs", "a number of 1 or more"),
        (train.batch_size >= 1, "train.batch_size", "a number of 1 or more"),
        (train.gradient_accumulation >= 1, "train.gradient_accumulation", "a number of 1 or more"),
        (positive(train.learning_rate), "train.learning_rate", "a number above 0"),
        ((0.0..=1.0).contains(&train.warmup), "train.warmup", "a share from 0 to 1"),
        (not_negative(train.weight_decay), "train.weight_decay", "a number of 0 or more"),
        (below_one(train.beta1), "train.beta1", "a number from 0 to below 1"),
        (below_one(train.beta2), "train.beta2", "a number from 0 to below 1"),
        (positive(train.epsilon), "train.epsilon", "a number above 0"),
        (not_negative(train.max_grad_norm), "train.max_grad_norm", "a number of 0 (off) or more"),
        (
            (0.0..=1.0).contains(&train.teacher_weight),
            "train.teacher_weight",
            "a share from 0 to 1",
        ),
        (below_one(train.label_smoothing), "train.label_smoothing", "a share from 0 to below 1"),
        (
            train.layer_decay > 0.0 && train.layer_decay <= 1.0,
            "train.layer_decay",
            "a number above 0, up to 1 (off)",
        ),
        (below_one(train.average), "train.average", "a number from 0 (off) to below 1"),
        (
            (0.0..=9.0).contains(&train.unrelated),
            "train.unrelated",
            "a number from 0 (off) to 9, the number of other values,",
        ),
        (
            (0.0..=9.0).contains(&train.circle),
            "train.circle",
            "a number from 0 (off) to 9, the number of other values,",
        ),
        (not_negative(train.contrast), "train.contrast", "a number of 0 (off) or more"),
        (not_negative(train.r_drop), "train.r_drop", "a number of 0 (off) or more"),
        (train.log_every >= 1, "train.log_every", "a number of 1 or more"),
        (config.dialogue.max_new_tokens >= 1, "dialogue.max_new_tokens", "a number of 1 or more"),
        (config.dialogue.num_beams >= 1, "dialogue.num_beams", "a number of 1 or more"),
    ];
    if let Some((_, key, wanted)) = rules.into_iter().find(|(holds, _, _)| !holds) {
        return Err(Error::key(key, format!("{wanted} was expected")));
    }
    match (config.task.kind, model.family) {
        (TaskKind::Value | TaskKind::Emotion, FamilyKind::Seq2seq) => {
            let what = "`seq2seq` is for `task.kind = \"dialogue\"`";
            return Err(Error::key("model.family", what));
        }
        (TaskKind::Dialogue, FamilyKind::Linear) => {
            let what = "`linear` is for `task.kind = \"value\"` and `\"emotion\"`";
            return Err(Error::key("model.family", what));
        }
        (TaskKind::Dialogue, FamilyKind::Seq2seq) if model.base != "scratch" => {
            return Err(Error::key("model.base", "`seq2seq` starts from `scratch`"));
        }
        _ => {}
    }
    let is_value_encoder =
        config.task.kind == TaskKind::Value && model.family == FamilyKind::Encoder;
    let of_value_models = [
        ("model.prompt", model.prompt != PromptKind::Each),
        ("train.teacher", train.teacher.is_some()),
        ("train.contrast", train.contrast > 0.0),
        ("train.r_drop", train.r_drop > 0.0),
        ("train.label_smoothing", train.label_smoothing > 0.0),
        ("train.unrelated", train.unrelated > 0.0),
        ("train.circle", train.circle > 0.0),
        ("model.objective", model.objective == Objective::Relevance),
    ];
    if let Some((key, _)) = of_value_models.iter().find(|(_, is_set)| *is_set && !is_value_encoder)
    {
        return Err(Error::key(*key, "this is for value models with an encoder"));
    }
    let is_odd = [
        (
            "model.shared_layers",
            model.shared_layers > 0 && model.prompt != PromptKind::Shared,
            "this is for `model.prompt = \"shared\"`",
        ),
        (
            "train.layer_decay",
            train.layer_decay < 1.0 && model.family != FamilyKind::Encoder,
            "this is for models with layers, of the family `encoder`",
        ),
        (
            "train.average",
            train.average > 0.0 && (model.family == FamilyKind::Linear || config.reward.is_some()),
            "this is for encoders, and for dialogue models that learn by likelihood",
        ),
        (
            "train.circle",
            train.circle > 0.0 && train.unrelated > 0.0,
            "the same texts cannot be unrelated too: train.unrelated is set",
        ),
        (
            "train.circle",
            train.circle > 0.0 && train.teacher_values == TeacherValues::All,
            "a teacher of all values leaves none that nobody labelled",
        ),
        (
            "train.unrelated",
            train.unrelated > 0.0 && train.teacher_values == TeacherValues::All,
            "a teacher of all values leaves none that nobody labelled",
        ),
        (
            "train.teacher_values",
            train.teacher.is_none() && train.teacher_values == TeacherValues::All,
            "there is no train.teacher to ask",
        ),
        (
            "train.teacher_weight",
            train.teacher.is_none()
                && train.teacher_weight != TrainSettings::default().teacher_weight,
            "there is no train.teacher to weigh",
        ),
        (
            "train.teacher",
            train.teacher.is_some() && config.data.folds > 0,
            "a teacher may have learned from the texts that a fold leaves out",
        ),
        (
            "train.contrast",
            train.contrast > 0.0 && train.teacher_values == TeacherValues::All,
            "a teacher of all values leaves no pairs of rows to learn from",
        ),
        (
            "train.r_drop",
            train.r_drop > 0.0 && model.dropout == Some(0.0),
            "without dropout two passes say the same",
        ),
        (
            "train.label_smoothing",
            train.label_smoothing > 0.0 && !model.objective.has_probabilities(),
            "a regression has no classes to smooth",
        ),
    ];
    if let Some((key, _, what)) = is_odd.iter().find(|(_, is_odd, _)| *is_odd) {
        return Err(Error::key(*key, *what));
    }
    let (folds, fold) = (config.data.folds, config.data.fold);
    if (folds, fold) != (0, 0) {
        if folds < 2 || !(1..=folds).contains(&fold) {
            return Err(Error::key("data.fold", "one of 2 folds or more, from 1, was expected"));
        }
        if config.task.kind != TaskKind::Value {
            return Err(Error::key("data.folds", "these are for `task.kind = \"value\"`"));
        }
    }
    // A report's file has this name.
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let is_odd = |name: &&String| name.is_empty() || !name.chars().all(is_plain);
    if let Some(name) = config.data.test.keys().find(is_odd) {
        let what = format!("\"{name}\" is no name of letters, digits, - and _");
        return Err(Error::key("data.test", what));
    }
    reward::check(config)?;
    emotion::check(config)?;
    dialogue::check(config)?;
    let scores = config.scores();
    if scores.contains(&train.select.as_str()) {
        return Ok(());
    }
    let known = scores.join("`, `");
    let what = format!("unknown score `{}`, expected `{known}`", train.select);
    Err(described(&what, |what| Error::key("train.select", what)))
}
