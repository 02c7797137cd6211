//! What a user reads, as snapshots.

use valuenet::data::check::check;
use valuenet::data::stats::{stats, tokens, words};
use valuenet::data::{self, Part, Sample};
use valuenet::eval::calibration::{Thresholded, reliability};
use valuenet::eval::discrimination::Discrimination;
use valuenet::eval::speaker::Speaker;
use valuenet::eval::{Bootstrap, Evaluation, Mean, Scored};
use valuenet::model::value_head::Objective;
use valuenet::report::chart::Curve;
use valuenet::report::dataset::StatsReport;
use valuenet::report::evaluation::EvaluationReport;
use valuenet::report::html::{self, RunPage, largest_misses};
use valuenet::report::paper::Paper;
use valuenet::report::predictions::{self, SavedPrediction};
use valuenet::report::radar::{self, Series};
use valuenet::report::reproduction::{Entry, ReproductionReport};
use valuenet::report::seeds::Seeds;
use valuenet::report::speaker::SpeakerReport;
use valuenet::report::table::{Table, count, hundredths, paragraph, score, shortened};
use valuenet::report::{self, Format, Records, Report};
use valuenet::value::{Label, LabelCounts, Value};

use crate::support::{folder, scored, write};

const FORMATS: [(&str, Format); 5] = [
    ("table", Format::Table),
    ("json", Format::Json),
    ("csv", Format::Csv),
    ("markdown", Format::Markdown),
    ("latex", Format::Latex),
];

/// Rows of two values, one of which has a single row and no correlation.
fn rows() -> Vec<Scored> {
    let row = |value, label, utility, seen| scored(value, label, utility, Some(seen));
    vec![
        row(Value::Power, Label::Yes, 0.875, false),
        row(Value::Power, Label::No, -0.25, true),
        row(Value::Power, Label::Unrelated, 0.5, false),
        row(Value::SelfDirection, Label::No, -1.0, false),
    ]
}

#[test]
fn an_evaluation_in_every_format() {
    let train = LabelCounts::of([(Value::Power, Label::Yes), (Value::SelfDirection, Label::No)]);
    let bootstrap = Bootstrap { replicates: 100, seed: 1 };
    let rows: Vec<Scored> =
        rows().into_iter().zip(0..).map(|(row, text)| Scored { text, ..row }).collect();
    let evaluation = Evaluation::of(&rows, Some(&train)).unwrap().with_intervals(&rows, bootstrap);
    let report = EvaluationReport {
        model: "runs/mine".into(),
        data: "data/test.csv".into(),
        split: "test".into(),
        dtype: "f32",
        class_rule: Objective::Regression.rule(),
        bootstrap: Some(bootstrap),
        reliability: reliability(&rows),
        thresholds: Some(Thresholded::of(&rows, &rows, Some(&train)).unwrap()),
        discrimination: Some(Discrimination { pairs: 4, texts: 2, share: 0.625, interval: None }),
        evaluation,
    };
    for (name, format) in FORMATS {
        insta::assert_snapshot!(
            format!("evaluation_{name}"),
            report::render(&report, format).unwrap()
        );
    }
}

fn reproduction() -> (Vec<Entry>, Paper) {
    let report = |shift: f64| {
        let moved = rows()
            .into_iter()
            .map(|row| scored(row.value, row.label, row.utility - shift, row.seen));
        Evaluation::of(&moved.collect::<Vec<_>>(), None).unwrap()
    };
    let entry = |version: &str, title: &str, classifier, reports| {
        let (version, row) = (version.to_string(), title.to_lowercase());
        Entry { version, row, title: title.into(), classifier, reports }
    };
    let entries = vec![
        entry("original", "fastText", true, vec![(1, report(1.0)), (2, report(0.6))]),
        entry("original", "BERT", false, vec![(1, report(0.0))]),
        entry("balanced", "BERT", false, vec![(1, report(0.3))]),
    ];
    let paper = r#"{"source": "a test", "table3": {"original": {"BERT": {"POWER": 0.5}}},
                    "table2": {"original": {"BERT": {"accuracy": 0.61, "mse": 0.39}, "BART": {"accuracy": 0.67}}},
                    "notes": [{"table": 2, "rows": ["BART"], "text": "That 0.67 is a copy of another table, and a remark of more than eighty letters."},
                              {"table": 2, "rows": ["RoBERTa"], "text": "Not shown."}]}"#;
    (entries, Paper::parse(paper).unwrap())
}

#[test]
fn a_reproduction_in_every_format() {
    let (entries, paper) = reproduction();
    for (name, format) in FORMATS {
        let report = ReproductionReport { entries: &entries, paper: &paper };
        insta::assert_snapshot!(
            format!("reproduction_{name}"),
            report::render(&report, format).unwrap()
        );
    }
}

#[test]
fn the_papers_rows_and_what_is_wrong_with_them_stand_below_ours() {
    let (mut entries, _) = reproduction();
    entries.retain(|entry| entry.version == "original");
    entries[0].title = "BART".into();
    let paper = &Paper::built_in().unwrap();
    let shown =
        report::render(&ReproductionReport { entries: &entries, paper }, Format::Table).unwrap();
    let below = shown.lines().skip_while(|line| !line.starts_with("BART"));
    let row = |name: &str| -> Vec<&str> {
        below.clone().find_map(|line| line.strip_prefix(name)).unwrap().split_whitespace().collect()
    };
    let bart = [".00", ".76", ".54", ".00", ".70", ".60", ".00", ".83", ".49", ".67", "-", ".52"];
    assert_eq!(row("  paper"), bart);
    let best = [".73", ".76", ".54", ".74", ".70", ".71", ".76", ".83", ".49", ".67", ".37", ".52"];
    assert_eq!(row("best of paper"), best);
    assert!(shown.contains("BART's rows cannot be of this test split."), "{shown}");
    assert!(!shown.contains("RoBERTa"), "only what is shown is remarked on: {shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
}

#[test]
fn latex_keeps_what_it_would_take_for_commands() {
    let mut table = Table::new("50% of a_b & {c}", ["", "x"]);
    table.push(["a ×2".into(), "-.5".into()]);
    table.mark_best(1);
    let latex = table.latex();
    assert!(latex.contains("\\caption{50\\% of a\\_b \\& \\{c\\}}"), "{latex}");
    assert!(latex.contains("a $\\times$2 & \\textbf{$-$.5} \\\\"), "{latex}");
}

#[test]
fn columns_are_aligned_by_what_letters_take_on_a_terminal() {
    let mut table = Table::new("names", ["name", "count", "note", "x"]).left(2);
    table.push(["東京", "1", "猫", "7"].map(String::from));
    table.push(["cafe\u{301}", "22", "a\u{308}b", "8"].map(String::from));
    table.push(["👩\u{200d}👧", "333", "🎉", "9"].map(String::from));
    table.mark_best(1);
    table.push(["plain", "4444", "note", "10"].map(String::from));
    let expected = [
        "names",
        "name   count  note   x",
        "──────────────────────",
        "東京       1  猫     7",
        "cafe\u{301}      22  a\u{308}b     8",
        "👩\u{200d}👧      *333  🎉     9",
        "plain   4444  note  10",
        "",
    ];
    assert_eq!(table.text(), expected.join("\n"));
    assert_eq!(shortened("東京 plain", 5), "東京…");
    assert_eq!(shortened("cafe\u{301} au lait", 4), "cafe\u{301}…");
    assert_eq!(shortened("cafe\u{301}", 4), "cafe\u{301}");
}

#[test]
fn tables_fit_into_eighty_columns() {
    let (entries, paper) = reproduction();
    let report = ReproductionReport { entries: &entries, paper: &paper };
    for line in report::render(&report, Format::Table).unwrap().lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }

    let counts = |label, number: usize| std::iter::repeat_n((Value::SelfDirection, label), number);
    let rows: Vec<Scored> = counts(Label::No, 1065)
        .chain(counts(Label::Unrelated, 685))
        .chain(counts(Label::Yes, 388))
        .map(|(value, label)| scored(value, label, -0.7, Some(false)))
        .collect();
    let train = LabelCounts::of(rows.iter().map(|row| (row.value, row.label)));
    let evaluation = Evaluation::of(&rows, Some(&train)).unwrap();
    let (model, data, split) = ("runs/minilm".into(), "test.csv".into(), "test".into());
    let class_rule = Objective::Regression.rule();
    let bootstrap = Bootstrap { replicates: 2000, seed: 1 };
    let evaluation = evaluation.with_intervals(&rows, Bootstrap { replicates: 20, ..bootstrap });
    let bootstrap = Some(bootstrap);
    let report = EvaluationReport {
        model,
        data,
        split,
        dtype: "f32",
        class_rule,
        bootstrap,
        reliability: reliability(&rows),
        thresholds: Some(Thresholded::of(&rows, &rows, Some(&train)).unwrap()),
        discrimination: Some(Discrimination { pairs: 4, texts: 2, share: 0.625, interval: None }),
        evaluation,
    };
    for line in report::render(&report, Format::Table).unwrap().lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

/// A report that the library does not know.
struct Apples(u64);

impl Report for Apples {
    fn tables(&self) -> Vec<Table> {
        let mut table = Table::new("apples", ["", "count"]).note("all of them red\n");
        table.push(["here".into(), count(self.0)]);
        vec![table.clone(), table]
    }

    fn records(&self) -> Records {
        Records::new(["place", "count"], [["here".to_string(), self.0.to_string()]])
    }

    fn json(&self) -> serde_json::Result<serde_json::Value> {
        Ok(serde_json::json!({"here": self.0}))
    }
}

#[test]
fn a_report_of_ones_own_is_written_in_every_format_with_its_notes_where_there_is_room_for_words() {
    let text = |format| report::render(&Apples(1000), format).unwrap();
    let table = "apples\n      count\n───────────\nhere  1,000\n\nall of them red\n";
    assert_eq!(text(Format::Table), format!("{table}\n{table}"));
    let markdown =
        "**apples**\n\n|  | count |\n| --- | ---: |\n| here | 1,000 |\n\nall of them red\n";
    assert_eq!(text(Format::Markdown), format!("{markdown}\n{markdown}"));
    assert_eq!(text(Format::Latex).matches("here & 1,000").count(), 2);
    assert!(!text(Format::Latex).contains("red"));
    assert_eq!(text(Format::Csv), "place,count\nhere,1000\n");
    assert_eq!(text(Format::Json), "{\n  \"here\": 1000\n}\n");
}

#[test]
fn predictions_have_a_row_each() {
    let rows = rows();
    let lines = rows.iter().zip(2..).map(|(row, line)| (line, "a \"text\", quoted", row));
    insta::assert_snapshot!(predictions::write(lines).unwrap());
}

/// A dataset with something of everything in it.
fn parts(folder: &std::path::Path) -> Vec<Part> {
    let train = "scenario,label\n[POWER] one two,1\n[POWER] one two,1\n[POWER] one two,0\n[TRADITION] two,7\n";
    write(folder, "train.csv", train);
    write(folder, "test.csv", "scenario,label\n[POWER] one two,1\n[HEDONISM] three!,-1\n");
    Part::read_all(folder).unwrap()
}

#[test]
fn statistics_in_every_format() {
    let folder = folder();
    let stats = stats(&parts(folder.path()));
    let size = |samples: usize| {
        format!(r#"{{"samples": {samples}, "average_tokens": 2.5, "unique_tokens": 9}}"#)
    };
    let paper = |train: usize| {
        let (train, test, total) = (size(train), size(2), size(5));
        Paper::parse(&format!(
            r#"{{"table1": {{"train": {train}, "test": {test}, "total": {total}}}}}"#
        ))
        .unwrap()
    };
    for (name, format) in FORMATS {
        let shown =
            report::render(&StatsReport { stats: &stats, paper: &paper(3) }, format).unwrap();
        insta::assert_snapshot!(format!("stats_{name}"), shown);
    }
    // Of a dataset of another size the paper says nothing.
    let other =
        report::render(&StatsReport { stats: &stats, paper: &paper(4) }, Format::Table).unwrap();
    assert!(!other.contains("  paper") && other.contains("average words"), "{other}");
}

#[test]
fn words_stand_between_white_space_without_marks_and_tokens_are_words_and_marks() {
    let text = "I'm my brother-in-law's 2nd-best *FRIEND*  — he said…";
    let sample = Sample { value: Value::SelfDirection, scenario: text.into(), label: Label::Yes };
    let found: Vec<String> = words(&sample).collect();
    assert_eq!(
        found,
        ["SELFDIRECTION", "Im", "my", "brotherinlaws", "2ndbest", "FRIEND", "he", "said"]
    );
    let found = tokens("I'm *GLAD*…");
    assert_eq!(found, ["i", "'", "m", "*", "glad", "*", "…"]);
}

#[test]
fn paragraphs_are_broken_at_eighty_columns() {
    let text = paragraph(&"word ".repeat(40));
    let lines: Vec<usize> = text.lines().map(str::len).collect();
    assert_eq!(lines, [79, 79, 39]);
    assert_eq!(paragraph(&"é".repeat(90)), "é".repeat(90) + "\n");
    assert_eq!(paragraph(&"東京都庁前 ".repeat(8)).lines().count(), 2, "ten columns a word");
}

#[test]
fn findings_in_every_format() {
    let folder = folder();
    let findings = check(&parts(folder.path()));
    for (name, format) in FORMATS {
        let text = report::render(&findings, format).unwrap();
        let text = text.replace(&folder.path().display().to_string(), "DIR");
        insta::assert_snapshot!(format!("findings_{name}"), text);
    }
}

#[test]
fn many_findings_of_a_kind_are_counted_and_not_listed() {
    let folder = folder();
    let rows = "[POWER] again,1\n".repeat(40);
    write(folder.path(), "train.csv", format!("scenario,label\n{rows}"));
    let findings = check(&Part::read_all(folder.path()).unwrap());
    let text = report::render(&findings, Format::Table).unwrap();
    assert_eq!(text.matches("repeats line 2").count(), 10);
    assert!(text.contains("… 29 more rows of this kind"), "{text}");
}

#[test]
fn numbers_are_short() {
    let table = [
        (0.6264, ".626"),
        (-0.0312, "-.031"),
        (1.0, "1.00"),
        (0.9996, "1.00"),
        (0.0, ".000"),
        (-1.5, "-1.50"),
    ];
    for (number, text) in table {
        assert_eq!(score(number), text);
    }
    assert_eq!(score(None), "-");
    for (number, text) in
        [(0.0, ".00"), (-0.004, ".00"), (-0.093, "-.09"), (1.0, "1.00"), (0.61, ".61")]
    {
        assert_eq!(hundredths(number), text);
    }
    for (number, text) in
        [(0, "0"), (999, "999"), (1000, "1,000"), (21_374, "21,374"), (1_234_567, "1,234,567")]
    {
        assert_eq!(count(number), text);
    }
}

#[test]
fn reading_a_table_keeps_its_path() {
    let folder = folder();
    let path = write(folder.path(), "x.csv", "scenario,label\n[POWER] a,1\n");
    assert_eq!(data::SampleTable::read(&path).unwrap().path, path);
}

#[test]
fn a_radar_has_an_axis_for_each_value_a_zero_ring_and_a_line_for_each_text() {
    let line =
        |name: &str, utility: f32| Series { name: name.into(), profile: [utility; 10], band: None };
    let band = Some([[-0.2; 10], [0.4; 10]]);
    let svg = radar::svg(&[
        line("a < b & \"c\"", -1.0),
        Series { band, ..line(&"long ".repeat(40), 0.25) },
    ]);
    for value in Value::ALL {
        assert!(svg.contains(&format!(">{value}</text>")), "{value}");
    }
    assert_eq!(svg.matches("class=\"zero\"").count(), 1);
    assert!(svg.contains("a &lt; b &amp; &quot;c&quot;") && svg.contains("…</text>"), "{svg}");
    assert_eq!(svg.matches("stroke-linejoin").count(), 2);
    assert_eq!(svg.matches("fill-rule=\"evenodd\"").count(), 1);
    assert!(!svg.contains("NaN"));
}

#[test]
fn a_page_needs_nothing_else_and_shows_text_as_text() {
    let rows: Vec<Scored> =
        rows().into_iter().zip(0..).map(|(row, text)| Scored { text, ..row }).collect();
    let evaluation = Evaluation::of(&rows, None).unwrap();
    let read = |scenario: &str, scored| SavedPrediction { scenario: scenario.into(), scored };
    let misses = vec![read("small", rows[0]), read("<script>alert(1)</script>", rows[2])];
    let misses = largest_misses(misses, 1);
    assert_eq!(misses[0].scored.utility, 0.5, "the largest miss comes first");
    let curve = Curve { name: "eval mse".into(), points: vec![(1.0, 0.5), (2.0, f64::NAN)] };
    let run = RunPage {
        name: "runs/a & b".into(),
        facts: vec![("seed".into(), "1".into())],
        losses: vec![(0.5, 1.0), (1.0, 0.5)],
        scores: vec![curve],
        means: Some([[0.5; 10], [-0.25; 10]]),
        evaluation: evaluation.clone(),
        misses,
    };
    let reports = [(1, evaluation.clone()), (2, evaluation)];
    let seeds = Seeds { folder: "runs/<b>".into(), split: "test".into(), reports: reports.into() };
    let page = html::page(std::slice::from_ref(&run), &[seeds]);
    assert!(page.contains("runs/&lt;b&gt; · mean ± sd over seeds 1, 2"));
    assert!(page.contains("mean predicted utility"));
    assert!(page.contains("runs/a &amp; b") && page.contains("&lt;script&gt;"), "{page}");
    for outside in ["<script", "http:", "https:", "url(", "@import", "NaN"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for tag in ["table", "svg", "section", "div", "dl", "main"] {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn a_speaker_in_every_format() {
    let texts = [
        "I shared my lunch.".to_string(),
        "I shouted at the bus driver until he wept.".to_string(),
    ];
    let profile =
        |shift: f32| std::array::from_fn(|index| (index as f32 / 10.0 - shift).clamp(-1.0, 1.0));
    let speaker = Speaker::of(&[profile(0.0), profile(0.9)], 1).unwrap();
    let speaker = SpeakerReport { speaker: &speaker, said: &texts };
    for (name, format) in FORMATS {
        insta::assert_snapshot!(
            format!("speaker_{name}"),
            report::render(&speaker, format).unwrap()
        );
    }
}

#[test]
fn seeds_are_averaged_with_their_deviation() {
    let report = |shift: f64| {
        let moved = rows()
            .into_iter()
            .map(|row| scored(row.value, row.label, row.utility - shift, row.seen));
        Evaluation::of(&moved.collect::<Vec<_>>(), None).unwrap()
    };
    let reports = [(1, report(0.0)), (2, report(0.2)), (3, report(0.1))];
    let seeds = Seeds { folder: "runs/mine".into(), split: "test".into(), reports: reports.into() };
    for (name, format) in FORMATS {
        insta::assert_snapshot!(format!("seeds_{name}"), report::render(&seeds, format).unwrap());
    }
    let Mean { mean, sd } = Mean::of(&[1.0, 2.0, 4.0]);
    assert!((mean - 7.0 / 3.0).abs() < 1e-12 && (sd.unwrap() - 1.527_525_231_652).abs() < 1e-9);
}
