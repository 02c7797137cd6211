//! What finished runs of dialogue models keep, gathered.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::judge::{read_report, saved_report};
use super::persona::check_same_space;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::eval::Bootstrap;
use crate::eval::dialogue::compare::{DialogueComparison, Measured, Pair};
use crate::recipe::gather::{Course, Gathered, add_point, course, facts, metrics, runs_of};
use crate::report::Report;
use crate::report::chart::Curve;
use crate::report::dialogue_comparison::DialogueComparisonReport;
use crate::report::dialogue_evaluation::{
    DialogueEvaluation, DialogueReport, ReplyRow, read_reply_rows,
};
use crate::report::dialogue_page::{DialoguePage, DialogueRuns, page};
use crate::report::persona_alignment::PersonaEvaluation;
use crate::report::reward_course::{Replied, RewardCourse};
use crate::run::SavedRun;
use crate::train::Stop;
use crate::train::reinforce::ReinforceSettings;

/// Gathers the reports of runs on a split; the page quotes so many replies of each.
pub(in crate::recipe) fn gather(
    folders: &[PathBuf],
    split: Split,
    quoted: usize,
) -> Result<Gathered> {
    let of_run = |folder: PathBuf| {
        let saved = SavedRun::open(&folder)?;
        let report = report_on(&saved, &folder, split)?;
        let rows = metrics(&saved)?;
        let Course { losses, scores } = course(&rows);
        let mut scores: Vec<Curve> = scores.into_iter().map(as_loss).collect();
        let rewards = reward_course(&saved, &rows, quoted);
        if rewards.is_some() {
            scores.retain(|curve| curve.name == EVAL_LOSS); // the others have charts of their own
        }
        let mut replies = match report.sets.first() {
            Some(set) => rows_of(&saved, &folder, &set.name)?,
            None => Vec::new(),
        };
        replies.retain(|row| row.text.is_some());
        let step = replies.len().checked_div(quoted).unwrap_or(0).max(1);
        let replies = replies.into_iter().step_by(step).take(quoted).collect();
        Ok(DialoguePage { report, facts: facts(&saved), losses, scores, rewards, replies })
    };
    let runs = folders.iter().flat_map(|folder| runs_of(folder));
    let pages: Vec<DialoguePage> = runs.map(of_run).collect::<Result<_>>()?;
    Ok(Gathered {
        runs: pages.len(),
        page: page(&pages),
        table: Box::new(DialogueRuns(pages.into_iter().map(|page| page.report).collect())),
    })
}

/// What was measured by one file of dialogues, reply by reply.
struct Judged {
    name: String,
    persona: Option<PersonaEvaluation>,
    rows: Vec<ReplyRow>,
}

/// Whether a path names replies that `eval` has kept.
pub(in crate::recipe) fn is_replies(path: &Path) -> bool {
    path.is_file() && path.to_string_lossy().ends_with(REPLIES)
}

/// How the names of such files end, and that of the report beside one.
const REPLIES: &str = ".replies.jsonl";

/// What a run was judged by on a split, or what a file of replies is of.
fn judged(path: &Path, split: Split) -> Result<Vec<Judged>> {
    if is_replies(path) {
        let shown = path.to_string_lossy();
        let whole = shown.strip_suffix(REPLIES).unwrap_or(&shown);
        let report = PathBuf::from(format!("{whole}.json"));
        let set = match report.is_file() {
            true => read_report(&report)?.sets.into_iter().next(),
            false => None,
        };
        let name = Path::new(whole).file_name().unwrap_or_default().to_string_lossy().into();
        let persona = set.and_then(|set| set.persona);
        return Ok(vec![Judged { name, persona, rows: read_reply_rows(path)? }]);
    }
    let saved = SavedRun::open(path)?;
    let of_set = |set: DialogueEvaluation| {
        let rows = rows_of(&saved, path, &set.name)?;
        Ok(Judged { name: set.name, persona: set.persona, rows })
    };
    report_on(&saved, path, split)?.sets.into_iter().map(of_set).collect()
}

/// Compares two recipes by their runs, the first with the first and so on, by the first file of a
/// split: the replies of a dialogue are drawn together, under whatever seed.
pub(in crate::recipe) fn compare_seeds(
    a: &[PathBuf],
    b: &[PathBuf],
    split: Split,
    bootstrap: Bootstrap,
) -> Result<DialogueComparison> {
    let rows = |run: &PathBuf| -> Result<Vec<ReplyRow>> {
        let first = judged(run, split)?.into_iter().next();
        Ok(first.map_or(Vec::new(), |judged| judged.rows))
    };
    let mut pairs = Vec::new();
    for (a, b) in a.iter().zip(b) {
        pairs.extend(paired(a, &rows(a)?, b, &rows(b)?)?);
    }
    Ok(DialogueComparison::of(&pairs, bootstrap))
}

/// Compares each run with the first, by each of its files of a split; or files of replies.
pub(in crate::recipe) fn compare(
    runs: &[PathBuf],
    split: Split,
    bootstrap: Bootstrap,
) -> Result<Vec<Box<dyn Report>>> {
    let [a, others @ ..] = runs else { return Ok(Vec::new()) };
    let first = judged(a, split)?;
    let mut reports: Vec<Box<dyn Report>> = Vec::new();
    for b in others {
        let second = judged(b, split)?;
        for set in &first {
            let same = |other: &&Judged| is_replies(b) || other.name == set.name;
            let other = second.iter().find(same).ok_or_else(|| {
                Error::file(b, format!("it has not been judged by {}", set.name))
                    .help("`valuenet eval` judges it by all files of its split")
            })?;
            let pairs = paired(a, &set.rows, b, &other.rows)?;
            check_same_space((a, set.persona.as_ref()), (b, other.persona.as_ref()))?;
            reports.push(Box::new(DialogueComparisonReport {
                a: a.display().to_string(),
                b: b.display().to_string(),
                set: set.name.clone(),
                bootstrap,
                comparison: DialogueComparison::of(&pairs, bootstrap),
            }));
        }
    }
    Ok(reports)
}

const EVAL_LOSS: &str = "eval loss";

/// How a run learned from rewards, with so many replies of each evaluation; none if it did not.
fn reward_course(saved: &SavedRun, rows: &[Json], quoted: usize) -> Option<RewardCourse> {
    let settings = saved.info.config.reward.as_ref()?;
    let mut course = RewardCourse { facts: reward_facts(saved, settings), ..Default::default() };
    for row in rows {
        let Some(step) = row["step"].as_u64() else { continue };
        let figures = row.as_object().into_iter().flatten();
        let scores = row["scores"].as_object().into_iter().flatten();
        match row["event"].as_str() {
            Some("rollout") => {
                figures.for_each(|(key, it)| add_point(&mut course.rollouts, key, step as f64, it))
            }
            Some("eval") => {
                scores.for_each(|(key, it)| add_point(&mut course.scores, key, step as f64, it));
                let samples = row["samples"].as_array().into_iter().flatten().take(quoted);
                let samples = samples.filter_map(|it| serde_json::from_value(it.clone()).ok());
                course.evaluations.push(Replied { step, samples: samples.collect() });
            }
            _ => (),
        }
    }
    (!course.rollouts.is_empty()).then_some(course)
}

fn reward_facts(saved: &SavedRun, settings: &ReinforceSettings) -> Vec<(String, String)> {
    let named = |it: Json| it.as_str().unwrap_or_default().to_string();
    let centred = if settings.center { ", centred" } else { "" };
    let mut facts = match settings.is_of_program() {
        true => vec![("rewarded by", settings.command.clone())],
        false => vec![
            ("rewarded by", settings.run.display().to_string()),
            ("form", named(json!(settings.form)) + centred),
        ],
    };
    facts.extend([
        ("credit", named(json!(settings.credit))),
        ("baseline", named(json!(settings.baseline))),
        ("replies a turn", settings.k.to_string()),
        ("KL factor", settings.kl.to_string()),
        ("likelihood", format!("{} × steps of rewards", settings.mle_per_rl)),
        ("drawn after", named(json!(settings.rollout))),
    ]);
    if saved.info.outcome == Some(Stop::Limit) {
        facts.push(("ended", "by one of the limits of [reward]".into()));
    }
    facts.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// A perplexity over epochs as the loss that it is the exponential of, to stand beside that of
/// training.
fn as_loss(curve: Curve) -> Curve {
    match curve.name.as_str() {
        "eval perplexity" => Curve {
            name: EVAL_LOSS.into(),
            points: curve.points.into_iter().map(|(epoch, score)| (epoch, score.ln())).collect(),
        },
        _ => curve,
    }
}

/// The report on a split that a run keeps.
fn report_on(saved: &SavedRun, folder: &Path, split: Split) -> Result<DialogueReport> {
    saved_report(saved, split)?.ok_or_else(|| {
        Error::file(folder, format!("this run has not been judged on the {split} split"))
            .help(format!("`valuenet eval {} --split {split}` does it", folder.display()))
    })
}

/// The replies to a file that a run keeps.
fn rows_of(saved: &SavedRun, folder: &Path, name: &str) -> Result<Vec<ReplyRow>> {
    let path = saved.replies(name);
    match path.is_file() {
        true => read_reply_rows(&path),
        false => Err(Error::file(&path, "there are no such replies")
            .help(format!("`valuenet eval {}` makes them", folder.display()))),
    }
}

/// The same replies as two models were judged by them.
fn paired(a: &Path, first: &[ReplyRow], b: &Path, second: &[ReplyRow]) -> Result<Vec<Pair>> {
    let measured = |row: &ReplyRow| Measured {
        nll: row.nll,
        tokens: row.tokens,
        hit: row.hit,
        f1: row.f1,
        r: row.r,
        r_other: row.r_other,
    };
    let same = |(a, b): &(&ReplyRow, &ReplyRow)| a.gold == b.gold && a.dialogue == b.dialogue;
    if first.len() != second.len() || !first.iter().zip(second).all(|pair| same(&pair)) {
        let what = format!("these are not replies to the dialogues of {}", a.display());
        return Err(Error::data(b, what).help("judge both with `valuenet eval` on the same data"));
    }
    let pair = |(a, b): (&ReplyRow, &ReplyRow)| Pair {
        dialogue: a.dialogue,
        words: a.gold.split_whitespace().count(),
        models: [measured(a), measured(b)],
    };
    Ok(first.iter().zip(second).map(pair).collect())
}
