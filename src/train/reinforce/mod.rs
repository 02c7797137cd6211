//! Training a dialogue model by what its own replies are worth, between steps of likelihood
//! (REINFORCE; Williams, 1992; the paper's Table 4).
//!
//! For each own turn of some dialogues k replies are drawn from the model's own distribution, the
//! j-th ones make dialogue j, and a [`Rewarder`] says what it is worth. The loss is `-Σ A log p`
//! over the tokens of each reply, the mean over the dialogues so made, with the advantage A as
//! [`advantage`] says. What is drawn depends on seed, step, dialogue, turn and sample alone.

pub mod advantage;
mod figures;
mod memory;
mod passes;
mod rewarder;
mod rollout;
mod settings;

pub use rewarder::{Rewarder, Spoken};
pub use rollout::RolloutDialogue;
pub use settings::{Baseline, Credit, ReinforceSettings, Rollout};

use std::path::Path;
use std::sync::Arc;

pub use advantage::Worth;

use advantage::{Estimator, Sampled, k3};
use figures::{Weights, distinct_2, figures, mean};
use memory::Memory;
use passes::{answered, ids, passes};
use rollout::{Drawn, Rolled, Roller};

use super::TrainSettings;
use super::dialogue::DialogueTask;
use super::event::SpokenSample;
use super::learner::{GradientLearner, Learner, StepOutcome};
use super::policy::Score;
use super::task::Task;
use crate::disk;
use crate::error::{Error, Result};
use crate::generate::Search;
use crate::generate::sampling::Sampling;
use crate::model::DialogueModel;
use crate::nn::gradients::Gradients;
use crate::nn::tape::Tape;
use crate::seed::{Purpose, Stream};

/// The scores by which checkpoints can be compared, as `train.select` calls them, for a reward that
/// knows personas.
pub const SCORES: [&str; 3] = ["own-minus-other", "reward", "perplexity"];

/// The same for any other.
pub const SCORES_OF_PROGRAM: [&str; 2] = ["reward", "perplexity"];

/// What the training of a dialogue model by rewards works with.
pub struct Rollouts {
    /// The model at the start.
    pub start: DialogueModel,
    /// The dialogues whose turns are replied to.
    pub train: Arc<[RolloutDialogue]>,
    /// Those that checkpoints are judged by.
    pub eval: Arc<[RolloutDialogue]>,
    /// What rewards dialogues.
    pub rewarder: Box<dyn Rewarder>,
}

/// A dialogue model that learns by likelihood and by rewards.
pub struct ReinforceLearner<'a> {
    inner: GradientLearner<'a, DialogueTask>,
    rollouts: Rollouts,
    settings: &'a ReinforceSettings,
    memory: Memory,
    samples: Vec<SpokenSample>,
}

const MEMORY: &str = "reinforce.json";

/// How many replies of an evaluation are shown.
const SHOWN: usize = 8;

impl<'a> ReinforceLearner<'a> {
    /// A model that has learned nothing from rewards yet.
    ///
    /// # Errors
    /// If a prompt leaves no room for a reply, or there is no memory for the optimiser's state.
    pub fn new(
        task: DialogueTask,
        rollouts: Rollouts,
        settings: &'a ReinforceSettings,
        train: &'a TrainSettings,
    ) -> Result<Self> {
        let inner = GradientLearner::new(task, train)?;
        let learner =
            Self { inner, rollouts, settings, memory: Memory::default(), samples: Vec::new() };
        let roller = learner.roller(0);
        let all = learner.rollouts.train.iter().chain(learner.rollouts.eval.iter());
        all.map(|one| roller.prompts(one)).try_for_each(|prompts| prompts.map(|_| ()))?;
        Ok(learner)
    }

    fn model(&self) -> &DialogueModel {
        self.inner.task.model()
    }

    fn roller(&self, time: u64) -> Roller<'_> {
        let max_new_tokens = self.settings.max_new_tokens;
        Roller { model: self.model(), max_new_tokens, seed: self.inner.settings.seed, time }
    }

    /// The numbers of the dialogues of one step, of which so many came before: all dialogues in
    /// turn, in an order of their own each time.
    fn chosen(&self, before: u64) -> Vec<usize> {
        let (count, all) = (self.settings.dialogues as u64, self.rollouts.train.len() as u64);
        let number = |place: u64| {
            let mut order: Vec<usize> = (0..all as usize).collect();
            Stream::new(self.inner.settings.seed, Purpose::Rollout, place / all)
                .shuffle(&mut order);
            order[(place % all) as usize]
        };
        (before * count..(before + 1) * count).map(number).collect()
    }

    /// The rewards of dialogues: for each of `rolled` that of every sample.
    fn worth(
        &mut self,
        dialogues: &[&RolloutDialogue],
        rolled: &[Rolled],
        samples: usize,
        persona: fn(&RolloutDialogue) -> &[String],
    ) -> Result<Vec<Vec<Worth>>> {
        let spoken = dialogues.iter().zip(rolled).flat_map(|(dialogue, rolled)| {
            let spoken = |sample| Spoken {
                persona: persona(dialogue),
                utterances: rolled.utterances(sample),
            };
            (0..samples).map(spoken)
        });
        let worth = self.rollouts.rewarder.worth(&spoken.collect::<Vec<_>>())?;
        Ok(worth.chunks(samples).map(<[Worth]>::to_vec).collect())
    }

    /// The log-probability of each token of the replies by the model at the start.
    fn reference(&self, rolled: &[Rolled]) -> Result<Vec<Vec<f64>>> {
        let model = self.rollouts.start.model();
        let tape = Tape::inference().with_precision(self.inner.settings.dtype);
        let mut found = Vec::new();
        for part in passes(rolled) {
            let replies = ids(part);
            let answered = answered(part, &replies);
            let tokens = model.answer_log_probabilities(&tape, &answered)?;
            let mut tokens = tokens.into_iter().map(f64::from);
            let of_reply = |drawn: &Drawn| tokens.by_ref().take(drawn.ids.len()).collect();
            found.extend(part.iter().flat_map(Rolled::drawn).map(of_reply).collect::<Vec<_>>());
        }
        Ok(found)
    }

    /// One step that learns from replies of the model's own.
    fn reinforce(&mut self, number: u64, learning_rate: f64) -> Result<StepOutcome> {
        let settings = self.settings;
        let numbers = self.chosen((number + 1) / (settings.mle_per_rl + 1) - 1);
        let all = self.rollouts.train.clone();
        let chosen: Vec<(usize, &RolloutDialogue)> =
            numbers.iter().map(|&number| (number, &all[number])).collect();
        self.learn_from(number, learning_rate, &chosen)
    }

    /// Draws replies to the turns of these dialogues, each with its number, and learns from what
    /// they are worth.
    fn learn_from(
        &mut self,
        number: u64,
        learning_rate: f64,
        chosen: &[(usize, &RolloutDialogue)],
    ) -> Result<StepOutcome> {
        let settings = self.settings;
        let dialogues: Vec<&RolloutDialogue> = chosen.iter().map(|(_, one)| *one).collect();
        let roller = self.roller(number);
        let rolled = match settings.rollout {
            Rollout::History => {
                let search = Search::Sample(Sampling::default(), settings.k);
                roller.after_history(chosen, search)?
            }
            Rollout::Selfplay => roller.in_selfplay(&self.rollouts.start, chosen, settings.k)?,
        };
        let greedy = match settings.baseline {
            Baseline::Greedy => Some(roller.after_history(chosen, Search::Greedy)?),
            _ => None,
        };
        let reference = self.reference(&rolled)?;
        let worth = self.worth(&dialogues, &rolled, settings.k, own)?;
        let greedy = greedy.map(|greedy| self.worth(&dialogues, &greedy, 1, own)).transpose()?;
        let weights = self.weights(&rolled, &worth, greedy.as_deref(), &reference);

        let mut gradients = Gradients::default();
        let mut loss = 0.0;
        let scale = 1.0 / (chosen.len() * settings.k) as f64;
        let mut rest = &weights.advantages[..];
        for part in passes(&rolled) {
            let replies = ids(part);
            let (own, others) = rest.split_at(replies.iter().flatten().count());
            rest = others;
            let tokens = replies.iter().flatten().zip(own).flat_map(|(ids, advantage)| {
                std::iter::repeat_n((advantage * scale) as f32, ids.len())
            });
            let tokens: Vec<f32> = tokens.collect();
            if tokens.iter().all(|weight| *weight == 0.0) {
                continue;
            }
            let tape = Tape::training(None).with_precision(self.inner.settings.dtype);
            let answered = answered(part, &replies);
            let node = self.model().model().weighted_loss(&tape, &answered, &tokens)?;
            tape.backward(&node, &mut gradients)?;
            loss += f64::from(node.tensor().to_scalar::<f32>()?);
        }
        let other = match self.rollouts.rewarder.compares_personas() {
            true => Some(self.worth(&dialogues, &rolled, settings.k, others)?),
            false => None,
        };
        let figures = figures(&rolled, &worth, other.as_deref(), &weights);
        let max_norm = self.inner.settings.max_grad_norm;
        let params = self.inner.task.params();
        let norm = self.inner.optimiser.step(params, &gradients, learning_rate, max_norm)?;
        self.memory.count(&weights);
        Ok(StepOutcome {
            loss,
            weight: 0,
            gradient_norm: Some(norm),
            samples: chosen.len(),
            rollout: Some(figures),
        })
    }

    /// What the replies are multiplied by, one after the other, and what that was made of.
    fn weights(
        &self,
        rolled: &[Rolled],
        worth: &[Vec<Worth>],
        greedy: Option<&[Vec<Worth>]>,
        reference: &[Vec<f64>],
    ) -> Weights {
        let ReinforceSettings { credit, baseline, kl, .. } = *self.settings;
        let estimator = Estimator { credit, baseline, kl, mean: self.memory.returns.0 };
        let mut weights = Weights::default();
        let mut reference = reference.iter();
        for (place, (rolled, worth)) in rolled.iter().zip(worth).enumerate() {
            let turns = rolled.drawn().map(|drawn| drawn.turn + 1).max().unwrap_or(0);
            let mut divergence = vec![vec![0.0; worth.len()]; turns];
            for (drawn, start) in rolled.drawn().zip(reference.by_ref()) {
                let own = &drawn.log_probabilities;
                divergence[drawn.turn][drawn.sample] =
                    own.iter().sum::<f64>() - start.iter().sum::<f64>();
                weights.k3.push(k3(own, start));
            }
            let greedy = greedy.and_then(|greedy| greedy[place].first());
            let sampled = Sampled { worth, greedy, divergence: &divergence };
            let (returns, advantages) =
                (estimator.returns(&sampled), estimator.advantages(&sampled));
            for drawn in rolled.drawn() {
                weights.returns.push(returns[drawn.turn][drawn.sample]);
                weights.advantages.push(advantages[drawn.turn][drawn.sample]);
            }
        }
        weights
    }

    /// The scores of the eval dialogues, of which some are replied to greedily.
    fn take_stock(&mut self) -> Result<(Vec<Score>, [f64; 2])> {
        let perplexity = self.inner.task.perplexity()?;
        let count = self.settings.eval_dialogues.min(self.rollouts.eval.len());
        let all = self.rollouts.eval.clone();
        let (mut scores, distinct_2) = self.replied(&all[..count])?;
        scores.push(Score::lower_is_better("perplexity", perplexity));
        scores.push(Score::higher_is_better("distinct_2", distinct_2));
        Ok((scores, [perplexity, distinct_2]))
    }

    /// What greedy replies to these dialogues are worth, and their distinct-2; some are kept to be
    /// looked at.
    fn replied(&mut self, eval: &[RolloutDialogue]) -> Result<(Vec<Score>, f64)> {
        let chosen: Vec<(usize, &RolloutDialogue)> = eval.iter().enumerate().collect();
        let dialogues: Vec<&RolloutDialogue> = eval.iter().collect();
        let rolled = self.roller(0).after_history(&chosen, Search::Greedy)?;
        let mean = |worth: &[Vec<Worth>]| mean(worth.iter().flatten().map(|worth| worth.total));
        let reward = mean(&self.worth(&dialogues, &rolled, 1, own)?);
        let mut scores = Vec::new();
        if self.rollouts.rewarder.compares_personas() {
            let other = mean(&self.worth(&dialogues, &rolled, 1, others)?);
            scores.push(Score::higher_is_better("own_minus_other", reward - other));
        }
        scores.push(Score::higher_is_better("reward", reward));
        let shown = dialogues.iter().zip(&rolled).enumerate().filter_map(|(number, pair)| {
            let (dialogue, rolled) = pair;
            let (_, [drawn, ..]) =
                rolled.answered.first().map(|(prompt, all)| (prompt, &all[..]))?
            else {
                return None;
            };
            let example = dialogue.conversation.examples().nth(drawn.turn)?;
            let before = example.history().last().map_or(String::new(), |turn| turn.text.clone());
            let text = drawn.text.clone().unwrap_or_default();
            Some(SpokenSample { dialogue: number + 1, before, text })
        });
        self.samples = shown.take(SHOWN).collect();
        Ok((scores, distinct_2(&rolled)))
    }
}

impl Learner for ReinforceLearner<'_> {
    fn lengths(&self) -> Vec<usize> {
        self.inner.lengths()
    }

    fn other_every(&self) -> Option<u64> {
        Some(self.settings.mle_per_rl + 1)
    }

    /// What the limits are measured from.
    fn begin(&mut self) -> Result<Option<Vec<Score>>> {
        let (scores, start) = self.take_stock()?;
        self.memory.start = Some(start);
        Ok(Some(scores))
    }

    fn step(
        &mut self,
        number: u64,
        batches: &[Vec<usize>],
        learning_rate: f64,
    ) -> Result<StepOutcome> {
        match batches {
            [] => self.reinforce(number, learning_rate),
            _ => self.inner.step(number, batches, learning_rate),
        }
    }

    fn evaluate(&mut self) -> Result<Vec<Score>> {
        let (scores, now) = self.take_stock()?;
        self.memory.look(self.settings, now);
        Ok(scores)
    }

    fn samples(&self) -> &[SpokenSample] {
        &self.samples
    }

    fn crossed_limit(&self) -> Option<&str> {
        self.memory.crossed.as_deref()
    }

    fn write(&self, folder: &Path) -> Result<()> {
        self.inner.write(folder)
    }

    fn write_state(&self, folder: &Path) -> Result<()> {
        disk::write_json(&folder.join(MEMORY), &self.memory)?;
        self.inner.write_state(folder)
    }

    fn read_state(&mut self, folder: &Path, steps: u64) -> Result<()> {
        let path = folder.join(MEMORY);
        self.memory = serde_json::from_value(disk::read_json(&path)?)
            .map_err(|error| Error::file(&path, format!("not a training state: {error}")))?;
        self.inner.read_state(folder, steps)
    }
}

fn own(dialogue: &RolloutDialogue) -> &[String] {
    &dialogue.conversation.persona
}

fn others(dialogue: &RolloutDialogue) -> &[String] {
    &dialogue.other
}
