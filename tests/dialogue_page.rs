//! The page of a dialogue model's run: the course of its learning from rewards.

use valuenet::report::chart::Curve;
use valuenet::report::dialogue_evaluation::DialogueReport;
use valuenet::report::dialogue_page::{DialoguePage, page};
use valuenet::report::reward_course::{Replied, RewardCourse, Sample};

#[cfg(unix)]
use crate::support::{folder, stderr, stdout, valuenet, write};

fn page_of(rewards: RewardCourse) -> String {
    let report = DialogueReport {
        model: "runs/a".into(),
        dtype: "f32".into(),
        layout: "gpt2".into(),
        history: 5,
        decoding: "greedy".into(),
        bootstrap: None,
        sets: Vec::new(),
    };
    page(&[DialoguePage {
        report,
        facts: Vec::new(),
        losses: Vec::new(),
        scores: Vec::new(),
        rewards: Some(rewards),
        replies: Vec::new(),
    }])
}

/// A figure at every second step.
fn curve(name: &str, figures: impl IntoIterator<Item = f64>) -> Curve {
    let points = figures.into_iter().zip(1..).map(|(figure, step)| (f64::from(2 * step), figure));
    Curve { name: name.into(), points: points.collect() }
}

fn page_of_rollouts(rollouts: Vec<Curve>) -> String {
    page_of(RewardCourse { rollouts, ..RewardCourse::default() })
}

/// The places of a line's points in a drawing.
fn places(line: &str) -> Vec<[f64; 2]> {
    let place = |point: &str| {
        let (x, y) = point.split_once(',').unwrap();
        [x.parse().unwrap(), y.parse().unwrap()]
    };
    line.split(' ').map(place).collect()
}

/// What stands between two texts, each time.
fn between<'a>(page: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    page.split(before).skip(1).map(|rest| rest.split(after).next().unwrap()).collect()
}

#[test]
fn figures_below_zero_are_drawn_below_the_line_at_zero() {
    let page = page_of_rollouts(vec![curve("reward", [-1.5, 0.0, 0.5])]);
    let line = places(between(&page, "class=\"curve c0\" points=\"", "\"")[0]);
    let ys: Vec<f64> = line.iter().map(|place| place[1]).collect();
    assert!(ys[0] > ys[1] && ys[1] > ys[2], "{ys:?}");
    assert!(ys.iter().all(|y| (10.0..=196.0).contains(y)), "{ys:?}");
    assert!((ys[0] - ys[1] - 3.0 * (ys[1] - ys[2])).abs() < 0.5, "{ys:?}");
    let nought = between(&page, "class=\"nought\"", "}")[0];
    assert!(nought.contains(&format!("y1=\"{:.1}\"", ys[1])), "{nought}");

    // All below it, or all above it: no line at 0, which is then outside or at the edge.
    for figures in [[-3.0, -2.0, -2.5], [3.0, 2.0, 2.5]] {
        let page = page_of_rollouts(vec![curve("reward", figures)]);
        assert!(!page.contains("class=\"nought\""), "{page}");
        let line = places(between(&page, "class=\"curve c0\" points=\"", "\"")[0]);
        assert!(line.iter().all(|place| (10.0..=196.0).contains(&place[1])), "{line:?}");
        assert!(line[0][1] != line[1][1]);
    }
}

#[test]
fn curves_of_different_units_have_scales_of_their_own_and_long_ones_a_running_mean() {
    let sawtooth = |level: f64| (0..70).map(move |step| level + f64::from(step % 7));
    let page = page_of_rollouts(vec![
        curve("reward", sawtooth(0.0)),
        curve("advantage_sd", [0.1, 0.2]),
        curve("gradient_norm", [100.0, 900.0]),
    ]);
    assert!(page.contains("the running mean of 7 steps") && page.contains("curve faint c0"));
    // A window of whole teeth levels them, but for the ends.
    let lines = between(&page, "class=\"curve c0\" points=\"", "\"");
    let ys: Vec<f64> = places(lines[0]).iter().map(|place| place[1]).collect();
    assert!(ys[3..67].iter().all(|y| (y - ys[3]).abs() < 0.11), "{ys:?}");
    // Both rise from the bottom to the top of a plot.
    let rises = |line: &&str| places(line)[0][1] - places(line)[1][1];
    let rises: Vec<f64> = lines[1..].iter().map(rises).collect();
    assert_eq!(rises.len(), 2);
    assert!((rises[0] - rises[1]).abs() < 0.2 && rises[0] > 80.0, "{rises:?}");
}

/// Rewards that go up by so much over a hundred steps, and vary.
fn rewards(name: &str, rise: f64, phase: usize) -> Curve {
    let figure = |step: usize| rise * step as f64 / 99.0 + 0.2 * ((step * 7 + phase) as f64).sin();
    curve(name, (0..100).map(figure))
}

#[test]
fn the_page_says_whether_the_reward_rose_and_whether_with_anothers_persona_alike() {
    let told = |own: f64, other: f64| {
        let page =
            page_of_rollouts(vec![rewards("reward", own, 0), rewards("reward_other", other, 3)]);
        between(&page, "<p>", "</p>")[0].to_string()
    };
    let alike = told(2.0, 2.0);
    assert!(alike.contains("10 each, the reward with the own persona rose by 1."), "{alike}");
    assert!(alike.contains("with another's it rose by 1."), "{alike}");
    assert!(alike.contains("own minus other did not change beyond chance"), "{alike}");
    assert!(alike.ends_with("please the value model, not to be itself."), "{alike}");
    assert!(told(2.0, 3.5).ends_with("not to be itself."), "the other rose by more");
    let itself = told(2.0, 0.0);
    assert!(itself.contains("more like their own speakers"), "{itself}");
    assert!(itself.contains("with another's it did not change beyond chance"), "{itself}");
    assert!(told(0.0, -2.0).contains("is not told to have risen"));
    assert!(told(-2.0, 0.0).ends_with("from fell."));
    assert!(told(0.0, 0.0).ends_with("cannot be told."));

    // A reward that knows no personas, and a training that is too short.
    let own = page_of_rollouts(vec![rewards("reward", 2.0, 0)]);
    let own = between(&own, "<p>", "</p>")[0];
    assert!(own.contains("rose by") && !own.contains("another"), "{own}");
    let short = page_of_rollouts(vec![curve("reward", (0..49).map(f64::from))]);
    assert!(short.contains("cannot be told of 49 steps of rewards"), "{short}");
}

#[test]
fn replies_of_the_first_the_middle_and_the_last_evaluation_stand_beside_each_other() {
    let at = |step: u64| {
        let sample = |(dialogue, before): (usize, &str)| Sample {
            dialogue,
            before: before.into(),
            text: format!("reply {dialogue} at {step}"),
        };
        let mut samples: Vec<Sample> = [(1, "a < b ?"), (2, "hello")].map(sample).into();
        samples.reverse();
        samples.truncate(if step == 40 { 1 } else { 2 });
        Replied { step, samples }
    };
    let evaluations: Vec<Replied> = [0, 10, 20, 30, 40].map(at).into();
    let course = |count: usize| RewardCourse {
        rollouts: vec![curve("reward", [0.5])],
        evaluations: evaluations[..count].to_vec(),
        ..RewardCourse::default()
    };
    let page = page_of(course(5));
    let header = "<th>before</th><th>step 0</th><th>step 20</th><th>step 40</th>";
    assert!(page.contains(header), "{page}");
    let row = "<td>hello</td><td>reply 2 at 0</td><td>reply 2 at 20</td><td>reply 2 at 40</td>";
    assert!(page.contains(row), "{page}");
    let row = "<td>a &lt; b ?</td><td>reply 1 at 0</td><td>reply 1 at 20</td><td>-</td>";
    assert!(page.contains(row), "{page}");
    assert!(page_of(course(2)).contains("<th>step 0</th><th>step 10</th></tr>"));
    assert!(page_of(course(1)).contains("<th>step 0</th></tr>"));
    assert!(!page_of(course(0)).contains("Replies on the way"));
}

#[cfg(unix)]
#[test]
fn a_run_that_learned_from_rewards_shows_their_course() {
    let folder = folder();
    let text = "[task]\nkind = \"dialogue\"\n[data]\ndir = \"data/dialogues\"\ntrain = \
                [\"train.txt\"]\neval_dialogues = 4\n[data.test]\noriginal = \
                \"original.jsonl\"\n[model]\nmax_length = 256\n[model.scratch]\nvocabulary_size = \
                400\nhidden_size = 32\nlayers = 1\nheads = 2\nintermediate_size = \
                64\n[dialogue]\nmax_new_tokens = 6\n[reward]\ncommand = \"while read -r line; do \
                echo ${#line}; done\"\nk = 2\ndialogues = 1\neval_dialogues = 2\nmax_new_tokens = \
                6\nmax_perplexity_rise = 100\nmax_distinct_fall = 100\nmax_kl = \
                1e6\n[train]\nmax_steps = 4\neval_every = 1\nselect = \"reward\"\n";
    let config = write(folder.path(), "config.toml", text).display().to_string();
    let run = folder.path().join("run").display().to_string();
    let trained = valuenet(["train", &config, "--limit", "12", "-o", &run]);
    assert!(trained.status.success(), "{}", stderr(&trained));
    let report = |quoted: &str| {
        let output = valuenet(["report", &run, "--misses", quoted]);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let page = report("1");
    for told in [
        "<dt>rewarded by</dt><dd>while read -r line; do echo ${#line}; done</dd>",
        "cannot be told of 2 steps of rewards",
        ">with the own persona</text>",
        ">KL, nats a reply</text>",
        ">4 steps</text>",
        "<th>step 0</th><th>step 2</th><th>step 4</th>",
        ">perplexity</text>",
    ] {
        assert!(page.contains(told), "{told} is missing:\n{page}");
    }
    for no in ["another's</text>", "eval reward", "own minus other</text>", "NaN", "<dt>form"] {
        assert!(!page.contains(no), "{no}:\n{page}");
    }
    assert!(!report("0").contains("Replies on the way"));
}
