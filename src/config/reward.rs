//! `[reward]`: what of it can be meant.

use super::{Config, TaskKind};
use crate::error::{Error, Result};
use crate::train::reinforce::{Baseline, Credit, ReinforceSettings};

/// Refuses what cannot be meant.
pub(super) fn check(config: &Config) -> Result<()> {
    let Some(reward) = &config.reward else { return Ok(()) };
    let ReinforceSettings { k, kl, timeout, dialogues, max_new_tokens, .. } = *reward;
    let refuse = |key: &str, what: &str| Err(Error::key(key, what));
    let not_negative = |number: f64| number >= 0.0 && number.is_finite();
    if config.task.kind != TaskKind::Dialogue {
        return refuse("reward", "only `task.kind = \"dialogue\"` learns from rewards");
    }
    match (reward.run.as_os_str().is_empty(), reward.is_of_program()) {
        (true, false) => {
            return Err(Error::key("reward.run", "what rewards dialogues is missing").help(
                "name the run of a value model, or a program of your own in reward.command",
            ));
        }
        (false, true) => {
            return refuse("reward.command", "either `reward.run` or `reward.command` rewards");
        }
        _ => {}
    }
    let rules = [
        (k >= 1, "reward.k", "a number of 1 or more"),
        (
            k >= 2 || reward.baseline != Baseline::Loo,
            "reward.k",
            "2 or more for the baseline `loo`",
        ),
        (not_negative(kl), "reward.kl", "a number of 0 or more"),
        (timeout > 0.0 && timeout.is_finite(), "reward.timeout", "a number of seconds above 0"),
        (dialogues >= 1, "reward.dialogues", "a number of 1 or more"),
        (max_new_tokens >= 1, "reward.max_new_tokens", "a number of 1 or more"),
        (reward.eval_dialogues >= 1, "reward.eval_dialogues", "a number of 1 or more"),
        (reward.max_kl > 0.0, "reward.max_kl", "a number above 0"),
        (reward.max_perplexity_rise > 0.0, "reward.max_perplexity_rise", "a share above 0"),
        (reward.max_distinct_fall > 0.0, "reward.max_distinct_fall", "a share above 0"),
    ];
    if let Some((_, key, wanted)) = rules.into_iter().find(|(holds, ..)| !holds) {
        return Err(Error::key(key, format!("{wanted} was expected")));
    }
    match reward.credit {
        Credit::Turn if reward.is_of_program() => {
            refuse("reward.credit", "a program rewards whole dialogues: `dialogue` was expected")
        }
        _ => Ok(()),
    }
}
