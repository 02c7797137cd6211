//! Dataset statistics and findings as a table, JSON, CSV or Markdown.

use serde_json::{Map, Value as Json, json};

use super::paper::{Paper, Size};
use super::table::{Table, count};
use super::{Records, Report, joined};
use crate::data::Split;
use crate::data::check::{Findings, RepeatedRow, RowLocation};
use crate::data::stats::Stats;
use crate::value::{Label, Value};

/// The paper's Table 1, and the label counts of each value (its Figures 4 and 8 to 10). If the
/// dataset has the sizes of the paper's, its counts of tokens stand beside ours.
#[derive(Debug, Clone, Copy)]
pub struct StatsReport<'a> {
    /// The parts, and all of them together.
    pub stats: &'a [Stats],
    /// The paper's figures.
    pub paper: &'a Paper,
}

impl Report for StatsReport<'_> {
    fn tables(&self) -> Vec<Table> {
        let [sizes, labels] = stats_tables(self.stats, sizes(self.stats, self.paper).as_deref());
        vec![sizes.note(COUNTED), labels]
    }

    fn records(&self) -> Records {
        stats_records(self.stats)
    }

    fn json(&self) -> serde_json::Result<Json> {
        let sizes = sizes(self.stats, self.paper);
        let size = |part: usize| sizes.as_ref().map(|sizes| sizes[part]);
        Ok((0..self.stats.len()).map(|part| stats_json(&self.stats[part], size(part))).collect())
    }
}

const COUNTED: &str = "\
Tokens are lower-cased words and single marks, without the tag. Words stand\n\
between white space, in their own case and without marks; the tag is one. The\n\
paper does not say how it counts; words come closest to its Table 1.\n";

/// The sizes in the paper's Table 1, if those of all parts are the same.
fn sizes<'a>(stats: &[Stats], paper: &'a Paper) -> Option<Vec<&'a Size>> {
    let size = |part: &Stats| {
        let name = if part.name == Split::Eval.name() { "valid" } else { &part.name };
        paper.table1.get(name).filter(|size| size.samples == part.samples)
    };
    stats.iter().map(size).collect()
}

fn stats_tables(stats: &[Stats], paper: Option<&[&Size]>) -> [Table; 2] {
    let header: Vec<&str> =
        std::iter::once("").chain(stats.iter().map(|part| part.name.as_str())).collect();
    let mut sizes = Table::new("dataset statistics", header.clone());
    let row = |name: &str, cell: &dyn Fn(&Stats) -> String| {
        std::iter::once(name.to_string()).chain(stats.iter().map(cell)).collect::<Vec<_>>()
    };
    let theirs = |cell: &dyn Fn(&Size) -> String| {
        paper.map(|sizes| {
            std::iter::once("  paper".into()).chain(sizes.iter().map(|size| cell(size))).collect()
        })
    };
    let two = |number: f64| format!("{number:.2}");
    let rows: [Option<Vec<String>>; 7] = [
        Some(row("samples", &|part| count(part.samples as u64))),
        Some(row("average tokens", &|part| two(part.average_tokens))),
        Some(row("average words", &|part| two(part.average_words))),
        theirs(&|size| two(size.average_tokens)),
        Some(row("unique tokens", &|part| count(part.unique_tokens as u64))),
        Some(row("unique words", &|part| count(part.unique_words as u64))),
        theirs(&|size| count(size.unique_tokens as u64)),
    ];
    rows.into_iter().flatten().for_each(|row| sizes.push(row));

    let mut labels = Table::new("labels of each value: -1/0/+1", header).narrow();
    let three = |counts: [u64; Label::COUNT]| counts.map(count).join("/");
    for value in Value::ALL {
        labels.push(row(value.name(), &|part| three(part.labels.of_value(value))));
    }
    labels.push(row("all", &|part| three(part.labels.total())));
    [sizes, labels]
}

fn stats_json(part: &Stats, paper: Option<&Size>) -> Json {
    let labels =
        |counts: [u64; Label::COUNT]| json!({"-1": counts[0], "0": counts[1], "1": counts[2]});
    let values: Map<String, Json> = Value::ALL
        .into_iter()
        .map(|value| (value.name().to_string(), labels(part.labels.of_value(value))))
        .collect();
    json!({
        "part": part.name,
        "samples": part.samples,
        "average_tokens": part.average_tokens,
        "unique_tokens": part.unique_tokens,
        "average_words": part.average_words,
        "unique_words": part.unique_words,
        "paper": paper,
        "labels": labels(part.labels.total()),
        "values": values,
    })
}

/// A row for each value of each part, and one for the whole part.
fn stats_records(stats: &[Stats]) -> Records {
    let header = [
        "part",
        "value",
        "samples",
        "no",
        "unrelated",
        "yes",
        "average_tokens",
        "unique_tokens",
        "average_words",
        "unique_words",
    ];
    let rows = stats.iter().flat_map(|part| {
        let row = |value: &str, counts: [u64; Label::COUNT], rest: [String; 4]| {
            let numbers = [counts.iter().sum(), counts[0], counts[1], counts[2]]
                .map(|number: u64| number.to_string());
            [part.name.clone(), value.to_string()]
                .into_iter()
                .chain(numbers)
                .chain(rest)
                .collect::<Vec<_>>()
        };
        let counts = [
            part.average_tokens.to_string(),
            part.unique_tokens.to_string(),
            part.average_words.to_string(),
            part.unique_words.to_string(),
        ];
        let whole = row("all", part.labels.total(), counts);
        let each = Value::ALL
            .map(|value| row(value.name(), part.labels.of_value(value), Default::default()));
        std::iter::once(whole).chain(each)
    });
    Records::new(header, rows)
}

/// How many repeats of a kind a table names one by one.
const NAMED: usize = 10;

impl Report for Findings {
    fn tables(&self) -> Vec<Table> {
        findings_tables(self).into()
    }

    /// On a terminal the bad rows are named first.
    fn text(&self) -> String {
        findings_lists(self) + &joined(&self.tables(), Table::text)
    }

    fn records(&self) -> Records {
        findings_records(self)
    }

    fn json(&self) -> serde_json::Result<Json> {
        Ok(findings_json(self))
    }
}

fn at(place: &RowLocation) -> String {
    format!("{}:{}", place.path.display(), place.line)
}

/// The bad rows, all of them, and the first repeats.
fn findings_lists(findings: &Findings) -> String {
    let mut lines: Vec<String> =
        findings.bad.iter().map(|(place, what)| format!("{}: {what}", at(place))).collect();
    for (kind, repeats) in
        [("conflicts with", &findings.conflicts), ("repeats", &findings.duplicates)]
    {
        lines.extend(
            repeats
                .iter()
                .take(NAMED)
                .map(|repeat| format!("{}: {kind} line {}", at(&repeat.row), repeat.earlier.line)),
        );
        if repeats.len() > NAMED {
            let more = count((repeats.len() - NAMED) as u64);
            lines.push(format!("… {more} more rows of this kind (--format json or csv lists all)"));
        }
    }
    if !lines.is_empty() {
        lines.push("\n".into());
    }
    lines.join("\n")
}

fn findings_tables(findings: &Findings) -> [Table; 2] {
    let mut rows = Table::new("findings", ["", "rows"]);
    rows.push(["good".into(), count(findings.rows as u64)]);
    rows.push(["bad".into(), count(findings.bad.len() as u64)]);
    rows.push([
        "conflicting (same value and text, other label)".into(),
        count(findings.conflicts.len() as u64),
    ]);
    rows.push([
        "duplicate (same value, text and label)".into(),
        count(findings.duplicates.len() as u64),
    ]);
    let mut overlaps = Table::new(
        "what stands in train too",
        ["", "rows", "text in train", "under the same value"],
    );
    for overlap in &findings.overlaps {
        overlaps.push([
            overlap.part.clone(),
            count(overlap.rows as u64),
            count(overlap.texts as u64),
            count(overlap.pairs as u64),
        ]);
    }
    [rows, overlaps]
}

fn findings_json(findings: &Findings) -> Json {
    let place =
        |place: &RowLocation| json!({"path": place.path.display().to_string(), "line": place.line});
    let repeat = |repeat: &RepeatedRow| json!({"row": place(&repeat.row), "earlier": place(&repeat.earlier)});
    json!({
        "rows": findings.rows,
        "bad": findings.bad.iter()
            .map(|(at, what)| json!({"path": at.path.display().to_string(), "line": at.line, "what": what}))
            .collect::<Vec<_>>(),
        "conflicts": findings.conflicts.iter().map(repeat).collect::<Vec<_>>(),
        "duplicates": findings.duplicates.iter().map(repeat).collect::<Vec<_>>(),
        "overlaps": findings.overlaps.iter()
            .map(|overlap| json!({
                "part": overlap.part,
                "rows": overlap.rows,
                "text_in_train": overlap.texts,
                "text_in_train_under_the_same_value": overlap.pairs,
            }))
            .collect::<Vec<_>>(),
    })
}

/// A row for each finding that has a line.
fn findings_records(findings: &Findings) -> Records {
    let row = |kind: &str, place: &RowLocation, what: String| {
        vec![kind.into(), place.path.display().to_string(), place.line.to_string(), what]
    };
    let bad = findings.bad.iter().map(|(place, what)| row("bad", place, what.clone()));
    let repeat = |kind: &'static str| {
        move |repeat: &RepeatedRow| {
            row(kind, &repeat.row, format!("line {} says it first", repeat.earlier.line))
        }
    };
    let conflicts = findings.conflicts.iter().map(repeat("conflict"));
    let duplicates = findings.duplicates.iter().map(repeat("duplicate"));
    Records::new(["kind", "path", "line", "what"], bad.chain(conflicts).chain(duplicates))
}
