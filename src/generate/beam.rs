//! Beam search, as transformers does it: the likeliest reply of several that are looked at side by
//! side, with scores that make up for length.

use rayon::prelude::*;

use super::sampling::forbid_repetition;
use super::state::State;
use super::{Reply, Session, checked_log_sum};
use crate::error::Result;

/// The replies to one prompt that are looked at.
#[derive(Debug, Clone, Default)]
struct Beams {
    /// Those that go on, the likeliest first.
    live: Vec<Reply>,
    /// Those that have ended, with their scores.
    ended: Vec<(f64, Reply)>,
}

/// One more token behind a reply.
#[derive(Debug, Clone, Copy)]
struct Step {
    beam: usize,
    id: u32,
    log_probability: f64,
    sum: f64,
}

fn sum(reply: &Reply) -> f64 {
    reply.log_probabilities.iter().sum()
}

fn score(reply: &Reply, length_penalty: f64) -> f64 {
    sum(reply) / (reply.ids.len() as f64).powf(length_penalty)
}

impl Beams {
    /// Keeps the best replies among those that have ended.
    fn end(&mut self, reply: Reply, beams: usize, length_penalty: f64) {
        self.ended.push((score(&reply, length_penalty), reply));
        self.ended.sort_by(|a, b| b.0.total_cmp(&a.0)); // stable: the earlier of equals stays first
        self.ended.truncate(beams);
    }

    /// Whether no reply that goes on is better than all that have ended, as far as its score so far
    /// tells.
    fn is_done(&self, beams: usize, length_penalty: f64) -> bool {
        let best = self.live.first().map(|reply| score(reply, length_penalty));
        let worst = self.ended.last().map(|(score, _)| *score);
        self.ended.len() >= beams && best <= worst
    }
}

impl<'a> Session<'a> {
    /// The likeliest reply to each prompt.
    pub(super) fn beam(
        &self,
        start: State<'a>,
        beams: usize,
        length_penalty: f64,
    ) -> Result<Vec<Vec<Reply>>> {
        let (mut state, mut logits) = self.begin(start, beams)?;
        let room: Vec<usize> = (0..beams * self.prompts.len())
            .map(|number| self.prompts[number / beams])
            .map(|prompt| prompt.ids.len() + self.most(prompt))
            .collect();
        let first = Beams { live: vec![Reply::default()], ended: Vec::new() };
        let mut all = vec![first; self.prompts.len()];
        // The row of the logits for each beam of each prompt.
        let mut rows: Vec<Vec<usize>> = (0..all.len()).map(|number| vec![number * beams]).collect();
        loop {
            let no_repeat = self.settings.no_repeat_ngram; // a tape stays on its thread
            let found = all
                .par_iter()
                .zip(&rows)
                .map(|(own, rows)| steps(&own.live, rows, &logits, no_repeat, 2 * beams))
                .collect::<Result<Vec<_>>>()?;
            let mut texts: Vec<usize> = (0..room.len()).collect();
            let mut last = vec![None; room.len()];
            for (number, (own, steps)) in all.iter_mut().zip(found).enumerate() {
                let before = std::mem::take(&mut own.live);
                for (rank, step) in steps.into_iter().enumerate() {
                    let mut reply = before[step.beam].clone();
                    reply.ids.push(step.id);
                    reply.log_probabilities.push(step.log_probability);
                    reply.is_finished = self.settings.ends.contains(&step.id);
                    if reply.is_finished && rank < beams {
                        own.end(reply, beams, length_penalty);
                    } else if !reply.is_finished && own.live.len() < beams {
                        let to = number * beams + own.live.len();
                        texts[to] = number * beams + step.beam;
                        last[to] = Some(step.id);
                        own.live.push(reply);
                    }
                }
                let most = self.most(self.prompts[number]);
                let is_full = own.live.first().is_some_and(|reply| reply.ids.len() >= most);
                let is_done = own.is_done(beams, length_penalty);
                if is_full && !is_done {
                    for reply in std::mem::take(&mut own.live) {
                        own.end(reply, beams, length_penalty);
                    }
                }
                if is_full || is_done {
                    own.live.clear();
                    last[number * beams..][..beams].fill(None);
                }
            }
            if all.iter().all(|own| own.live.is_empty()) {
                let best = all
                    .into_iter()
                    .map(|own| own.ended.into_iter().map(|(_, reply)| reply).take(1).collect());
                return Ok(best.collect());
            }
            if texts.iter().enumerate().any(|(to, &from)| to != from) {
                state = state.select(self.tape, &texts, &room)?;
            }
            logits = self.go_on(&mut state, beams, &last)?;
            let mut row = 0..;
            rows = all.iter().map(|own| row.by_ref().take(own.live.len()).collect()).collect();
        }
    }
}

/// The likeliest ways to go on with these replies, the best first.
fn steps(
    replies: &[Reply],
    rows: &[usize],
    logits: &[Vec<f32>],
    no_repeat: usize,
    most: usize,
) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let order = |a: &Step, b: &Step| {
        b.sum.total_cmp(&a.sum).then(a.beam.cmp(&b.beam)).then(a.id.cmp(&b.id))
    };
    for (beam, (reply, &row)) in replies.iter().zip(rows).enumerate() {
        let total = checked_log_sum(&logits[row])?;
        let mut allowed = logits[row].clone();
        forbid_repetition(&mut allowed, &reply.ids, no_repeat);
        let so_far = sum(reply);
        steps.extend(allowed.iter().zip(0..).map(|(&logit, id)| {
            let log_probability = f64::from(logit) - total;
            Step { beam, id, log_probability, sum: so_far + log_probability }
        }));
        if steps.len() > most {
            steps.select_nth_unstable_by(most - 1, order);
            steps.truncate(most);
        }
    }
    steps.sort_unstable_by(order);
    Ok(steps)
}
