//! `[reward]`: how a dialogue model learns from what its own replies are worth.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reward::Form;

/// `[reward]`. The paper names REINFORCE and the reward and no more; the rest is ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReinforceSettings {
    /// The run of the value model whose reward it is, or its model folder; it is not trained.
    pub run: PathBuf,
    /// A program that rewards dialogues instead: it reads a dialogue a line and answers a number
    /// a line.
    pub command: String,
    /// The seconds that the program has for an answer.
    pub timeout: f64,
    /// What an utterance adds to the reward of a dialogue.
    pub form: Form,
    /// Whether the mean vector of the train personas is subtracted from all value vectors.
    pub center: bool,
    /// What a reply is held to: the reward of its whole dialogue, or its own part of it.
    pub credit: Credit,
    /// What is subtracted from rewards.
    pub baseline: Baseline,
    /// How many replies are drawn for each turn.
    pub k: usize,
    /// How much of the divergence from the model at the start is subtracted from the reward.
    pub kl: f64,
    /// The number of steps of likelihood before each step of rewards.
    pub mle_per_rl: u64,
    /// What a reply is drawn after.
    pub rollout: Rollout,
    /// The number of dialogues whose turns are replied to in a step.
    pub dialogues: usize,
    /// How many tokens a reply has at most.
    pub max_new_tokens: usize,
    /// How many of the eval dialogues are replied to in each evaluation.
    pub eval_dialogues: usize,
    /// Training stops beyond this divergence from the model at the start, in nats a reply.
    pub max_kl: f64,
    /// Training stops when the perplexity on the eval dialogues has risen by this share.
    pub max_perplexity_rise: f64,
    /// Training stops when distinct-2 of the replies has fallen by this share.
    pub max_distinct_fall: f64,
}

/// What a reply is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Credit {
    /// The reward of the dialogue that it is in.
    Dialogue,
    /// Its own part of that reward.
    Turn,
}

/// What is subtracted from rewards, so that the gradient varies less; none changes its mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// The mean of the other samples of the same turn (leave one out; Kool et al., 2019).
    Loo,
    /// Nothing.
    None,
    /// The running mean of the steps before.
    Mean,
    /// What greedy replies are worth (Rennie et al., 2017).
    Greedy,
}

/// What a reply is drawn after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rollout {
    /// What was said in the dialogue.
    History,
    /// What the model has said, and what the model at the start says for the partner.
    Selfplay,
}

impl Default for ReinforceSettings {
    fn default() -> Self {
        Self {
            run: PathBuf::new(),
            command: String::new(),
            timeout: 60.0,
            form: Form::Bounded,
            center: false,
            credit: Credit::Dialogue,
            baseline: Baseline::Loo,
            k: 4,
            kl: 0.05,
            mle_per_rl: 1,
            rollout: Rollout::History,
            dialogues: 4,
            max_new_tokens: 32,
            eval_dialogues: 20,
            max_kl: 10.0,
            max_perplexity_rise: 0.2,
            max_distinct_fall: 0.3,
        }
    }
}

impl ReinforceSettings {
    /// Whether a program rewards the dialogues.
    pub fn is_of_program(&self) -> bool {
        !self.command.is_empty()
    }
}
