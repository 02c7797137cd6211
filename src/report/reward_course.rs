//! How a dialogue model learned from the rewards of its own replies, for the page of its run:
//! curves over steps, what they tell in words, and what the model said on the way.

use maud::{Markup, html};
use serde::Deserialize;

use super::chart::{Axis, Chart, Curve};
use super::html::{cell, table};
use super::persona_alignment::{Side, negative, with_interval};
use crate::eval::Bootstrap;
use crate::eval::dialogue::Estimate;
use crate::eval::rise::Rise;

/// The course of a training by rewards.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RewardCourse {
    /// What rewarded, and how: names and values.
    pub facts: Vec<(String, String)>,
    /// What was found of the replies of each step, over steps, under the keys of `metrics.jsonl`.
    pub rollouts: Vec<Curve>,
    /// The scores on the eval dialogues, over steps, under the same.
    pub scores: Vec<Curve>,
    /// What the model said at each evaluation.
    pub evaluations: Vec<Replied>,
}

/// What a model said at an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Replied {
    /// How many steps were done.
    pub step: u64,
    /// The replies.
    pub samples: Vec<Sample>,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sample {
    /// The number of its dialogue, from 1.
    pub dialogue: usize,
    /// What was said before it last.
    pub before: String,
    /// What the model says.
    pub text: String,
}

/// The curves of a chart, by key and name, and what is said below it. `together`: on one scale.
struct Drawn {
    curves: &'static [(&'static str, &'static str)],
    together: bool,
    caption: &'static str,
}

const OF_ROLLOUTS: [Drawn; 4] = [
    Drawn {
        curves: &[("reward", "with the own persona"), ("reward_other", "with another's")],
        together: true,
        caption: "The mean reward of a dialogue with the replies that were drawn, by whose persona \
                  they are held against.",
    },
    Drawn {
        curves: &[("kl", "KL, nats a reply"), ("entropy", "entropy, nats a token")],
        together: false,
        caption: "The divergence from the model at the start, and the mean of -log p of a token.",
    },
    Drawn {
        curves: &[("unfinished", "unfinished"), ("distinct_2", "distinct-2")],
        together: true,
        caption: "The share of replies that were not ended or say nothing, and different pairs of \
                  words by all of them.",
    },
    Drawn {
        curves: &[("advantage_sd", "spread of advantages"), ("gradient_norm", "gradient norm")],
        together: false,
        caption: "The standard deviation of the advantages, and the norm of the gradients before \
                  clipping.",
    },
];

const OF_SCORES: Drawn = Drawn {
    curves: &[
        ("own_minus_other", "own minus other"),
        ("reward", "reward"),
        ("perplexity", "perplexity"),
        ("distinct_2", "distinct-2"),
    ],
    together: false,
    caption: "Scores on the eval dialogues at each evaluation, from before the first step on.",
};

impl Drawn {
    fn draw(&self, curves: &[Curve]) -> Markup {
        let named = |(key, name): &(&str, &str)| {
            let curve = curves.iter().find(|it| it.name == *key && !it.points.is_empty())?;
            Some(Curve { name: (*name).into(), points: curve.points.clone() })
        };
        let curves: Vec<Curve> = self.curves.iter().filter_map(named).collect();
        let most = curves.iter().map(|curve| curve.points.len()).max().unwrap_or(0);
        let window = if most > 60 { (most / 10) | 1 } else { 1 };
        let charts: Vec<&[Curve]> = match self.together {
            true => vec![&curves],
            false => curves.chunks(1).collect(),
        };
        let height = if self.together { 186.0 } else { 110.0 };
        html! {
            @for curves in charts {
                (Chart { axis: Axis::Steps, curves, window, height }.draw())
            }
            p.note {
                (self.caption)
                @if window > 1 {
                    " Thin: each step; thick: the running mean of " (window) " steps, at the ends \
                    of fewer."
                }
            }
        }
    }
}

/// What the page says of it.
pub(super) fn section(course: &RewardCourse) -> Markup {
    html! {
        h3 { "Learning from rewards" }
        dl { @for (name, value) in &course.facts { div { dt { (name) } dd { (value) } } } }
        p { (words(&course.rollouts)) }
        @for drawn in &OF_ROLLOUTS { (drawn.draw(&course.rollouts)) }
        @if !course.scores.is_empty() {
            h3 { "Evaluations on the way" }
            (OF_SCORES.draw(&course.scores))
        }
        @if course.evaluations.iter().any(|it| !it.samples.is_empty()) {
            h3 { "Replies on the way" }
            div.texts { (replies(&course.evaluations)) }
            p.note { "What was said last before the reply, and what the model said, greedily." }
        }
    }
}

/// A row for each prompt: what the model said at the first, the middle and the last evaluation.
fn replies(evaluations: &[Replied]) -> Markup {
    let mut places = vec![0, (evaluations.len() - 1) / 2, evaluations.len() - 1];
    places.dedup();
    let shown: Vec<&Replied> = places.into_iter().map(|place| &evaluations[place]).collect();
    let steps: Vec<String> = shown.iter().map(|it| format!("step {}", it.step)).collect();
    let header: Vec<&str> =
        std::iter::once("before").chain(steps.iter().map(String::as_str)).collect();
    let said = |prompt: &Sample, at: &Replied| {
        let same = |it: &&Sample| it.dialogue == prompt.dialogue && it.before == prompt.before;
        cell(at.samples.iter().find(same).map_or("-", |it| it.text.as_str()))
    };
    let row = |prompt: &Sample| {
        let said = shown.iter().map(|at| said(prompt, at));
        std::iter::once(cell(&prompt.before)).chain(said).collect::<Vec<_>>()
    };
    table(&header, shown[0].samples.iter().map(row))
}

/// Whether the rewards rose, and with whose persona.
fn words(rollouts: &[Curve]) -> String {
    let points = |key: &str| {
        let found = rollouts.iter().find(|curve| curve.name == key);
        found.map_or(&[][..], |curve| &curve.points)
    };
    let figures = |points: &[(f64, f64)]| points.iter().map(|point| point.1).collect::<Vec<_>>();
    let bootstrap = Bootstrap { replicates: 2000, seed: 1 };
    let (own, other) = (points("reward"), points("reward_other"));
    let Some(rise) = Rise::of(&figures(own), bootstrap) else {
        let count = own.len();
        return format!("Whether the reward rose cannot be told of {count} steps of rewards.");
    };
    let Rise { difference: own_rise, steps } = rise;
    let begin = format!(
        "From the first to the last tenth of the steps of rewards, {steps} each, the reward with \
         the own persona {}",
        moved(own_rise)
    );
    let both: Option<Vec<f64>> =
        (own.len() == other.len()).then(|| own.iter().zip(other).map(|(a, b)| a.1 - b.1).collect());
    let rises = both.and_then(|both| {
        Some([Rise::of(&figures(other), bootstrap)?, Rise::of(&both, bootstrap)?])
    });
    let Some([other, both]) = rises.map(|both| both.map(|rise| rise.difference)) else {
        return begin + ".";
    };
    format!(
        "{begin}, and with another's it {}; own minus other {}. {}",
        moved(other),
        moved(both),
        verdict([own_rise, other, both].map(Side::of))
    )
}

fn moved(rise: Estimate) -> String {
    match Side::of(rise) {
        Side::Above => format!("rose by {}", with_interval(rise)),
        Side::Below => format!("fell by {}", with_interval(negative(rise))),
        Side::Untold => format!("did not change beyond chance ({})", with_interval(rise)),
    }
}

/// What the rises with the own persona, with another's, and of their difference come to.
fn verdict(rises: [Side; 3]) -> &'static str {
    match rises {
        [Side::Above, _, Side::Above] => {
            "It rose more with the own persona: the replies became more like their own speakers, \
             as the reward has it."
        }
        [Side::Above, Side::Above, _] => {
            "Both rose alike: the policy learned to please the value model, not to be itself."
        }
        [Side::Above, ..] => {
            "Whether it rose more with the own persona than with another's cannot be told."
        }
        [Side::Below, ..] => "The reward that the policy learned from fell.",
        [Side::Untold, _, Side::Above] => {
            "The replies became more like their own speakers than like others, though the reward \
             itself is not told to have risen."
        }
        [Side::Untold, ..] => "That the policy learned from the reward cannot be told.",
    }
}
