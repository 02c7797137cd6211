//! How near a dialogue model's replies are to the speakers' personas, beside what was said: tables,
//! cells for programs, and what they tell in words.

use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::dialogue_evaluation::DialogueEvaluation;
use super::html::{cell, table};
use super::table::{Table, paragraph, ten_thousandths};
use crate::eval::Interval;
use crate::eval::dialogue::Estimate;
use crate::reward::alignment::{Alignment, OwnAndOther, PersonaAlignment};

/// The alignment of a file's dialogues, and whose vectors it is by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonaEvaluation {
    /// The value model.
    pub values: String,
    /// Whether the mean vector of the file's persona sentences was subtracted.
    pub center: bool,
    /// The figures.
    #[serde(flatten)]
    pub alignment: PersonaAlignment,
}

/// A figure: its key, and where it is.
type Column<T> = (&'static str, fn(&T) -> Estimate);

const FIGURES: [Column<Alignment>; 12] = [
    ("r_own", |it| it.r.own),
    ("r_other", |it| it.r.other),
    ("r_difference", |it| it.r.difference),
    ("reward_own", |it| it.reward.own),
    ("reward_other", |it| it.reward.other),
    ("reward_difference", |it| it.reward.difference),
    ("per_turn_own", |it| it.per_turn.own),
    ("per_turn_other", |it| it.per_turn.other),
    ("per_turn_difference", |it| it.per_turn.difference),
    ("won", |it| it.won.times(100.0)),
    ("rank", |it| it.rank),
    ("first", |it| it.first.times(100.0)),
];

/// What a model's change against what was said consists of.
const CHANGE: [Column<OwnAndOther>; 3] = [
    ("change_own", |it| it.own),
    ("change_other", |it| it.other),
    ("change_difference", |it| it.difference),
];

/// The keys of the figures, in the order of [`cells`].
pub(super) fn keys() -> impl Iterator<Item = String> {
    let of = |who: &'static str| FIGURES.iter().map(move |(key, _)| format!("persona_{who}_{key}"));
    of("said").chain(of("model")).chain(CHANGE.iter().map(|(key, _)| format!("persona_{key}")))
}

/// The figures of a file, each if it was measured.
pub(super) fn cells(set: &DialogueEvaluation) -> Vec<Option<Estimate>> {
    let found = set.persona.as_ref().map(|it| it.alignment);
    let of = |who: fn(&PersonaAlignment) -> &Alignment| {
        FIGURES.iter().map(move |(_, figure)| found.as_ref().map(|it| figure(who(it))))
    };
    let change = CHANGE.iter().map(|(_, figure)| found.as_ref().map(|it| figure(&it.change)));
    of(|it| &it.said).chain(of(|it| &it.model)).chain(change).collect()
}

/// A file by its name, with its alignment.
type Named<'a> = (String, &'a PersonaEvaluation);

/// The files that the alignment was measured by.
fn measured(sets: &[DialogueEvaluation]) -> Vec<Named<'_>> {
    sets.iter().filter_map(|set| Some((set.name.clone(), set.persona.as_ref()?))).collect()
}

/// The tables of some files; none if nothing was measured.
pub(super) fn tables(sets: &[DialogueEvaluation]) -> Vec<Table> {
    let sets = measured(sets);
    if sets.is_empty() {
        return Vec::new();
    }
    let mut nearness = Table::new("persona alignment", NEARNESS);
    let mut rewards = Table::new(
        "persona reward",
        ["", "R/N own", "other", "own - other", "R/T own", "other", "own - other"],
    );
    for (name, who, it) in rows(&sets) {
        nearness.push([format!("{name}, {who}")].into_iter().chain(nearness_of(it)));
        let all = [it.reward, it.per_turn];
        let all = all.iter().flat_map(|it| [it.own, it.other, it.difference]).map(alone);
        rewards.push([format!("{name}, {who}")].into_iter().chain(all));
    }
    let note = EXPLAINED.to_string() + &of_all(&sets) + "\n" + &words(&sets).concat();
    let note_on_rewards = "R is the paper's Algorithm 1 in its bounded form, by the number of \
                           persona sentences (R/N)\nand of utterances (R/T).\n";
    vec![nearness.note(note), rewards.note(note_on_rewards)]
}

/// What a page says of some files; nothing if nothing was measured.
pub(super) fn section(sets: &[DialogueEvaluation]) -> Markup {
    let sets = measured(sets);
    let row = |(name, who, it): (&str, &str, &Alignment)| {
        let cells = nearness_of(it).into_iter().map(|text| html! { span.figure { (text) } });
        std::iter::once(cell(format!("{}, {who}", name.trim_start_matches("test."))))
            .chain(cells)
            .collect::<Vec<_>>()
    };
    html! {
        @if !sets.is_empty() {
            h3 { "Persona alignment" }
            (table(&NEARNESS, rows(&sets).map(row)))
            p.note { (EXPLAINED) }
            @for line in of_all(&sets).lines() { p.note { (line) } }
            @for text in words(&sets) { p { (text) } }
        }
    }
}

const NEARNESS: [&str; 7] = ["", "r own", "r other", "own - other", "won", "rank", "first"];

const EXPLAINED: &str = "r: the mean cosine of an utterance and the nearest sentence of a persona, \
                         the speaker's\nown or another's; won: dialogues nearer to their own, in \
                         percent; rank: of the own\namong several; first: how often it is the \
                         nearest, in percent.\n";

fn rows<'a>(sets: &'a [Named<'_>]) -> impl Iterator<Item = (&'a str, &'static str, &'a Alignment)> {
    sets.iter().flat_map(|(name, it)| {
        [("said", &it.alignment.said), ("model", &it.alignment.model)]
            .map(|(who, alignment)| (name.as_str(), who, alignment))
    })
}

fn nearness_of(it: &Alignment) -> [String; 6] {
    let rounded = |estimate: Estimate| format!("{:.1}", estimate.value);
    [
        alone(it.r.own),
        alone(it.r.other),
        with_interval(it.r.difference),
        rounded(it.won.times(100.0)),
        rounded(it.rank),
        rounded(it.first.times(100.0)),
    ]
}

/// By what each file was measured, and what chance would give.
fn of_all(sets: &[Named]) -> String {
    let line = |(name, it): &Named| {
        let PersonaAlignment { personas, seed, dialogues, .. } = it.alignment;
        let centred = if it.center { ", centred" } else { "" };
        let middle = (personas as f64 + 1.0) / 2.0;
        let first = 100.0 / personas as f64;
        format!(
            "{name}: {dialogues} dialogues, values by {}{centred}; among {personas} personas, seed \
             {seed} (chance: won 50, rank {middle:.1}, first {first:.1}).\n",
            it.values
        )
    };
    sets.iter().map(line).collect()
}

/// A cosine, or what is made of cosines.
fn alone(estimate: Estimate) -> String {
    ten_thousandths(estimate.value)
}

/// The same with its interval.
pub(super) fn with_interval(estimate: Estimate) -> String {
    match estimate.interval {
        Some(Interval { low, high }) => {
            format!("{} [{}, {}]", alone(estimate), ten_thousandths(low), ten_thousandths(high))
        }
        None => alone(estimate),
    }
}

/// Whether an interval tells which side of 0 a figure is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Above,
    Below,
    /// The interval holds 0, or there is none.
    Untold,
}

impl Side {
    pub(super) fn of(estimate: Estimate) -> Self {
        match estimate.interval {
            Some(ends) if ends.low > 0.0 => Self::Above,
            Some(ends) if ends.high < 0.0 => Self::Below,
            _ => Self::Untold,
        }
    }
}

/// The figure with the other sign.
pub(super) fn negative(it: Estimate) -> Estimate {
    let ends = |it: Interval| Interval { low: -it.high, high: -it.low };
    Estimate { value: -it.value, interval: it.interval.map(ends) }
}

/// What the figures tell, a paragraph for each file.
fn words(sets: &[Named]) -> Vec<String> {
    sets.iter().map(|(name, it)| paragraph(&format!("{name}: {}", told(&it.alignment)))).collect()
}

fn told(found: &PersonaAlignment) -> String {
    if found.change.difference.interval.is_none() {
        return "without intervals nothing can be told of differences.".into();
    }
    let nearness = |who: &str, it: Estimate| match Side::of(it) {
        Side::Above => format!(
            "{who} are nearer to their own persona than to another's by {}",
            with_interval(it)
        ),
        Side::Below => format!(
            "{who} are farther from their own persona than from another's by {}",
            with_interval(negative(it))
        ),
        Side::Untold => format!(
            "whether {who} are nearer to their own persona than to another's cannot be told ({})",
            with_interval(it)
        ),
    };
    let change = |it: Estimate| match Side::of(it) {
        Side::Above => format!("higher by {}", with_interval(it)),
        Side::Below => format!("lower by {}", with_interval(negative(it))),
        Side::Untold => format!("no different beyond chance ({})", with_interval(it)),
    };
    let verdict = |it: &OwnAndOther| match [it.difference, it.own, it.other].map(Side::of) {
        [Side::Above, ..] => "The replies are more like their own speakers than what was said is.",
        [Side::Below, ..] => "The replies are less like their own speakers than what was said is.",
        [Side::Untold, Side::Above, Side::Above] => {
            "Own and other are raised alike: the replies please the value model, and are not told \
             to be more like their own speakers for it."
        }
        [Side::Untold, ..] => {
            "Whether the replies are more or less like their own speakers than what was said is \
             cannot be told."
        }
    };
    format!(
        "{}; {}. Against what was said, r of the replies with their own persona is {}, and with \
         another's {}; own minus other is {}. {}",
        nearness("the model's replies", found.model.r.difference),
        nearness("the gold ones", found.said.r.difference),
        change(found.change.own),
        change(found.change.other),
        change(found.change.difference),
        verdict(&found.change)
    )
}
