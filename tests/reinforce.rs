//! Learning from rewards: the estimator against enumeration, what is drawn against what is likely,
//! a reward that is learned, and runs that stop and go on.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value as Json;
use valuenet::data::conversation::{self, Conversation};
use valuenet::disk::read_json;
use valuenet::error::Result;
use valuenet::generate::sampling::{Sampling, log_sum};
use valuenet::generate::{Prompt, Search, Settings as Generation, generate};
use valuenet::model::scratch::ScratchSettings;
use valuenet::model::{DialogueModel, LanguageModel};
use valuenet::nn::tape::Tape;
use valuenet::text::prompt::Layout;
use valuenet::text::prompt::dialogue::{Sequence, Settings};
use valuenet::train::dialogue::{DialogueTask, sequences};
use valuenet::train::reinforce::advantage::{Estimator, Sampled, k3};
use valuenet::train::reinforce::{
    Baseline, Credit, ReinforceLearner, ReinforceSettings, Rewarder, Rollout, RolloutDialogue,
    Rollouts, Spoken, Worth,
};
use valuenet::train::{GradientLearner, Learner, RolloutFigures, TrainSettings};

use crate::golden::{numbers, pack};
use crate::language::Golden;
use crate::support::{assert_fails, device, folder, program, stderr, valuenet, write};

const REPLIES: usize = 3;
const TURNS: usize = 2;
const SAMPLES: usize = 2;

/// A policy of two turns, each a choice of three replies by their logits; and where it started.
type Policy = [[f64; REPLIES]; TURNS];
const POLICY: Policy = [[0.3, -0.7, 0.1], [-0.2, 0.4, 0.9]];
const START: Policy = [[0.0, 0.5, -0.4], [0.6, 0.1, 0.0]];
/// What is subtracted of the divergence.
const KL: f64 = 0.3;

fn log_p(logits: &[f64; REPLIES], reply: usize) -> f64 {
    logits[reply] - logits.iter().map(|logit| logit.exp()).sum::<f64>().ln()
}

/// What a dialogue is worth, by its two replies. The parts are what each adds; with both in the
/// first turn's second reply it is worth more than its parts are.
fn worth(replies: [usize; TURNS], joint: f64) -> Worth {
    let parts = [[0.2, 1.0, -0.5][replies[0]], [-0.3, 0.4, 0.8][replies[1]]];
    let together = if replies == [1, 2] { joint } else { 0.0 };
    Worth { total: parts.iter().sum::<f64>() + together, parts: parts.to_vec() }
}

/// All lists of replies of this length.
fn all(length: usize) -> Vec<Vec<usize>> {
    (0..length).fold(vec![Vec::new()], |lists, _| {
        let longer = |list: &Vec<usize>| {
            (0..REPLIES).map(|reply| [&list[..], &[reply]].concat()).collect::<Vec<_>>()
        };
        lists.iter().flat_map(longer).collect()
    })
}

/// E[R] less the divergence.
fn objective(policy: &Policy, joint: f64) -> f64 {
    let of_dialogue = |replies: Vec<usize>| {
        let log = |logits: &Policy| {
            (0..TURNS).map(|turn| log_p(&logits[turn], replies[turn])).sum::<f64>()
        };
        let divergence = log(policy) - log(&START);
        let worth = worth([replies[0], replies[1]], joint).total;
        log(policy).exp() * (worth - KL * divergence)
    };
    all(TURNS).into_iter().map(of_dialogue).sum()
}

#[test]
fn the_mean_of_sampled_gradients_is_that_of_the_expected_reward() {
    let greedy = worth([0, 2], 0.7);
    for (baseline, credit) in [
        (Baseline::Loo, Credit::Dialogue),
        (Baseline::None, Credit::Dialogue),
        (Baseline::Mean, Credit::Dialogue),
        (Baseline::Greedy, Credit::Dialogue),
        (Baseline::Loo, Credit::Turn),
        (Baseline::Greedy, Credit::Turn),
    ] {
        // A turn's own part is all that it adds only where rewards are sums of parts.
        let joint = if credit == Credit::Dialogue { 0.7 } else { 0.0 };
        let estimator = Estimator { credit, baseline, kl: KL, mean: 0.4 };
        let mut mean = [[0.0; REPLIES]; TURNS];
        for drawn in all(TURNS * SAMPLES) {
            let reply = |turn: usize, sample: usize| drawn[turn * SAMPLES + sample];
            let worths: Vec<Worth> =
                (0..SAMPLES).map(|sample| worth([0, 1].map(|t| reply(t, sample)), joint)).collect();
            let log = |logits: &Policy, turn: usize, sample: usize| {
                log_p(&logits[turn], reply(turn, sample))
            };
            let divergence: Vec<Vec<f64>> = (0..TURNS)
                .map(|t| (0..SAMPLES).map(|s| log(&POLICY, t, s) - log(&START, t, s)).collect())
                .collect();
            let sampled =
                Sampled { worth: &worths, greedy: Some(&greedy), divergence: &divergence };
            let advantages = estimator.advantages(&sampled);
            let places = || (0..TURNS).flat_map(|t| (0..SAMPLES).map(move |s| (t, s)));
            let probability = places().map(|(t, s)| log(&POLICY, t, s)).sum::<f64>().exp();
            for (turn, sample) in places() {
                let weight = probability * advantages[turn][sample] / SAMPLES as f64;
                for (logit, sum) in mean[turn].iter_mut().enumerate() {
                    let one = f64::from(u8::from(logit == reply(turn, sample)));
                    *sum += weight * (one - log_p(&POLICY[turn], logit).exp());
                }
            }
        }
        for turn in 0..TURNS {
            for logit in 0..REPLIES {
                let moved = |by: f64| {
                    let mut policy = POLICY;
                    policy[turn][logit] += by;
                    objective(&policy, joint)
                };
                let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let far = (mean[turn][logit] - expected).abs();
                assert!(far < 1e-9, "{baseline:?} {credit:?} {turn} {logit}: {far:e}");
            }
        }
    }
}

#[test]
fn a_model_does_not_diverge_from_itself() {
    assert_eq!(k3(&[-1.0, -2.0], &[-1.0, -2.0]), 0.0);
    // The mean over what one draws is the divergence.
    let (own, other) = (POLICY[0], START[0]);
    let pairs = (0..REPLIES).map(|reply| (log_p(&own, reply), log_p(&other, reply)));
    let pairs: Vec<(f64, f64)> = pairs.collect();
    let exact: f64 = pairs.iter().map(|(own, other)| own.exp() * (own - other)).sum();
    let estimated: f64 = pairs.iter().map(|(own, other)| own.exp() * k3(&[*own], &[*other])).sum();
    assert!((exact - estimated).abs() < 1e-12 && exact > 0.0);
    assert!(pairs.iter().all(|(own, other)| k3(&[*own], &[*other]) >= 0.0));
}

#[test]
fn tokens_are_drawn_as_often_as_softmax_says() {
    for golden in Golden::all() {
        let ids = golden.sequences()[0][..4].to_vec();
        let states =
            golden.model.network().states(&Tape::inference(), &pack(std::slice::from_ref(&ids)));
        let states = states.unwrap();
        let logits = golden.model.network().logits(&Tape::inference(), &states).unwrap();
        let logits = &numbers(&logits)[3 * golden.model.network().vocabulary_size()..];
        let settings = Generation {
            search: Search::Sample(Sampling::default(), 20_000),
            max_tokens: 1,
            ends: Vec::new(),
            no_repeat_ngram: 0,
            seed: 5,
        };
        let prompt = Prompt { ids, segments: None, stream: 9 };
        let replies = generate(&golden.model, &[prompt], &settings).unwrap().swap_remove(0);
        let mut counts = vec![0.0; logits.len()];
        replies.iter().for_each(|reply| counts[reply.ids[0] as usize] += 1.0);
        let total = log_sum(logits);
        let (mut squares, mut cells, mut rest) = (0.0, 0.0, [0.0; 2]);
        for (logit, count) in logits.iter().zip(&counts) {
            let expected = 20_000.0 * (f64::from(*logit) - total).exp();
            if expected < 10.0 {
                rest = [rest[0] + expected, rest[1] + count];
                continue;
            }
            squares += (count - expected).powi(2) / expected;
            cells += 1.0;
        }
        if rest[0] >= 10.0 {
            squares += (rest[1] - rest[0]).powi(2) / rest[0];
            cells += 1.0;
        }
        // Four standard deviations of chi-square above its mean.
        let freedom = cells - 1.0;
        let most = freedom + 4.0 * f64::sqrt(2.0 * freedom);
        assert!(cells >= 2.0 && squares < most, "{}: {squares} of {most}", golden.name);
    }
}

fn dialogues(count: usize) -> Vec<Conversation> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/dialogues/train.txt");
    let mut found = conversation::read(&path, std::fs::File::open(&path).unwrap()).unwrap();
    found.truncate(count);
    found
}

/// The folder of a model that has learned a few dialogues.
fn learned() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(learn).path()
}

fn learn() -> tempfile::TempDir {
    let size = ScratchSettings {
        vocabulary_size: 400,
        hidden_size: 32,
        layers: 2,
        heads: 2,
        intermediate_size: 64,
    };
    let dialogues = dialogues(8);
    let turns = dialogues.iter().flat_map(|one| &one.turns);
    let texts = turns.map(|turn| turn.text.as_str());
    let model = LanguageModel::from_scratch(&size, texts, 256, 1, device()).unwrap();
    let settings = Settings { layout: Layout::ChatMl, history: 0, max_length: 256 };
    let model = DialogueModel::new(model, settings).unwrap();
    let samples = samples(&model, &dialogues);
    let settings = TrainSettings::default();
    let mut learner =
        GradientLearner::new(DialogueTask::new(model, samples.clone(), samples), &settings)
            .unwrap();
    let all: Vec<usize> = (0..learner.lengths().len()).collect();
    for step in 0..60 {
        learner.step(step, std::slice::from_ref(&all), 5e-3).unwrap();
    }
    let folder = folder();
    learner.write(folder.path()).unwrap();
    folder
}

fn samples(model: &DialogueModel, dialogues: &[Conversation]) -> Vec<Sequence> {
    let of = |one| sequences(model, Path::new("none"), one).unwrap();
    Sequence::joined(dialogues.iter().flat_map(of))
}

/// The share of utterances that ask something.
struct Questions;

impl Rewarder for Questions {
    fn worth(&mut self, dialogues: &[Spoken]) -> Result<Vec<Worth>> {
        let worth = |spoken: &Spoken| {
            let asks =
                |said: &Option<&str>| f64::from(u8::from(said.is_some_and(|it| it.contains('?'))));
            let count = spoken.utterances.len() as f64;
            let parts: Vec<f64> = spoken.utterances.iter().map(|said| asks(said) / count).collect();
            Worth { total: parts.iter().sum(), parts }
        };
        Ok(dialogues.iter().map(worth).collect())
    }

    fn compares_personas(&self) -> bool {
        false
    }
}

/// The figures of so many steps of rewards.
fn taught(settings: &ReinforceSettings, steps: u64) -> Vec<RolloutFigures> {
    let open = || DialogueModel::open(learned(), device(), Default::default()).unwrap();
    let dialogues = dialogues(8);
    let rollouts = |one: &Conversation| RolloutDialogue {
        path: PathBuf::from("none"),
        conversation: one.clone(),
        other: one.persona.clone(),
    };
    let all: Vec<RolloutDialogue> = dialogues.iter().map(rollouts).collect();
    let model = open();
    let samples = samples(&model, &dialogues);
    let train = TrainSettings::default();
    let rollouts = Rollouts {
        start: open(),
        train: all.clone().into(),
        eval: all.into(),
        rewarder: Box::new(Questions),
    };
    let task = DialogueTask::new(model, samples.clone(), samples);
    let mut learner = ReinforceLearner::new(task, rollouts, settings, &train).unwrap();
    let step = |step| learner.step(step, &[], 2e-3).unwrap().rollout.unwrap();
    (0..steps).map(step).collect()
}

fn level(figures: &[RolloutFigures], of: fn(&RolloutFigures) -> f64) -> f64 {
    figures.iter().map(of).sum::<f64>() / figures.len() as f64
}

#[test]
fn a_reward_is_learned_and_the_divergence_holds_it_back() {
    let base = ReinforceSettings {
        mle_per_rl: 0,
        dialogues: 4,
        max_new_tokens: 12,
        ..ReinforceSettings::default()
    };
    let with = |kl: f64| taught(&ReinforceSettings { kl, ..base.clone() }, 30);
    let ends: Vec<[f64; 2]> = [0.0, 0.02, 0.3]
        .map(|kl| {
            let figures = with(kl);
            assert!(
                figures[0].kl.abs() < 1e-5,
                "a model diverges from itself by {}",
                figures[0].kl
            );
            let (first, last) = (&figures[..5], &figures[25..]);
            if kl == 0.0 {
                let (first, last) = (level(first, |it| it.reward), level(last, |it| it.reward));
                assert!(last > first + 0.3, "the reward went from {first} to {last}");
            }
            [level(last, |it| it.reward), level(last, |it| it.kl)]
        })
        .into();
    assert!(ends.windows(2).all(|two| two[0][0] > two[1][0]), "rewards {ends:?}");
    assert!(ends.windows(2).all(|two| two[0][1] > two[1][1]), "divergences {ends:?}");
}

#[test]
fn every_baseline_credit_and_rollout_learns() {
    let base = ReinforceSettings {
        mle_per_rl: 0,
        dialogues: 4,
        max_new_tokens: 12,
        kl: 0.0,
        ..ReinforceSettings::default()
    };
    for (baseline, credit, rollout) in [
        (Baseline::Mean, Credit::Dialogue, Rollout::History),
        (Baseline::Greedy, Credit::Dialogue, Rollout::History),
        (Baseline::Loo, Credit::Turn, Rollout::History),
        (Baseline::Loo, Credit::Turn, Rollout::Selfplay),
    ] {
        let settings = ReinforceSettings { baseline, credit, rollout, ..base.clone() };
        let figures = taught(&settings, 20);
        let (first, last) =
            (level(&figures[..5], |it| it.reward), level(&figures[15..], |it| it.reward));
        assert!(last > first + 0.05, "{baseline:?} {credit:?} {rollout:?}: {first} to {last}");
    }
}

/// A configuration that learns from the rewards of a program, from a run by likelihood.
fn config(folder: &Path, command: &str, more: &str) -> PathBuf {
    let text = format!(
        "[task]\nkind = \"dialogue\"\n[data]\ndir = \"data/dialogues\"\ntrain = \
         [\"train.txt\"]\neval_dialogues = 4\n[model]\nbase = \"{}\"\nmax_length = \
         256\n[dialogue]\nlayout = \"chatml\"\nhistory = 0\nsample = \"dialogue\"\n[reward]\ncommand = \
         '''{command}'''\nk = 2\ndialogues = 2\nmax_new_tokens = 8\neval_dialogues = \
         2\nmax_kl = 1e3\nmax_perplexity_rise = 1e3\nmax_distinct_fall = 1e3\n{more}[train]\nepochs = \
         9\nmax_steps = 12\nbatch_size = 4\nlearning_rate = 1e-3\nschedule = \
         \"constant\"\nlog_every = 2\neval_every = 6\n",
        learned().display()
    );
    write(folder, "config.toml", text)
}

/// A program that answers every line by the number of its letters, after so many by something else.
fn program_that(after: usize, then: &str) -> String {
    format!(
        "n=0; while read -r line; do n=$((n + 1)); if [ $n -gt {after} ]; then {then}; else echo \
         ${{#line}}e-3; fi; done"
    )
}

const NEVER: usize = 1 << 30;

fn train(config: &Path, run: &Path, arguments: &[&str]) -> Output {
    let [config, run] = [config, run].map(|path| path.display().to_string());
    let fixed = ["train", &config, "--limit", "12", "--no-test", "-o", &run];
    valuenet(fixed.iter().chain(arguments))
}

/// All that a run says of itself at its end, but for times.
fn ends(run: &Path) -> (Vec<Vec<u8>>, Vec<Json>) {
    let last = run.join("checkpoints/last");
    let files = ["model.safetensors", "optimizer.safetensors", "reinforce.json"];
    let bytes = files.map(|name| std::fs::read(last.join(name)).unwrap());
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let row = |line: &str| {
        let mut row: Json = serde_json::from_str(line).unwrap();
        for key in ["seconds", "samples_per_second"] {
            row.as_object_mut().unwrap().remove(key);
        }
        row
    };
    (bytes.into(), text.lines().map(row).collect())
}

#[cfg(unix)]
#[test]
fn a_run_that_stopped_in_either_phase_goes_on_to_the_same_bytes() {
    let folder = folder();
    let command = program_that(NEVER, "true");
    for rollout in ["history", "selfplay"] {
        let more = format!("rollout = \"{rollout}\"\nbaseline = \"mean\"\n");
        let config = config(folder.path(), &command, &more);
        let run = |name: &str| folder.path().join(format!("{rollout}-{name}"));
        let whole = train(&config, &run("whole"), &["--threads", "1"]);
        assert!(whole.status.success(), "{}", stderr(&whole));
        let (whole_bytes, rows) = ends(&run("whole"));
        let events = |name: &str| rows.iter().filter(|row| row["event"] == name).count();
        assert_eq!((events("rollout"), events("train"), events("eval")), (6, 6, 3), "{rows:?}");
        assert!(rows[0]["samples"].as_array().is_some_and(|samples| samples.len() == 2));
        // In a step of likelihood or of rewards.
        for stop in if rollout == "history" { ["3", "4"] } else { ["4", "5"] } {
            let run = run(stop);
            for more in
                [&["--stop-after", stop][..], &["--resume", "--stop-after", "7"], &["--resume"]]
            {
                let part = train(&config, &run, more);
                assert!(part.status.success(), "{}", stderr(&part));
            }
            let (bytes, resumed) = ends(&run);
            assert_eq!(resumed, rows, "{rollout} stopped after {stop}");
            assert!(bytes == whole_bytes, "{rollout} {stop}: weights");
        }
    }
}

#[cfg(unix)]
fn wait_for(path: &Path) {
    let begun = std::time::Instant::now();
    while !path.exists() {
        let shown = path.display();
        assert!(begun.elapsed() < Duration::from_secs(60), "{shown} does not appear");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(unix)]
#[test]
fn a_kill_in_either_phase_leaves_a_checkpoint_that_goes_on_to_the_same_bytes() {
    let folder = folder();
    let command = program_that(NEVER, "true");
    let config = config(folder.path(), &command, "");
    let run = |name: &str| folder.path().join(name);
    let whole = train(&config, &run("whole"), &[]);
    assert!(whole.status.success(), "{}", stderr(&whole));
    for round in 0..4 {
        let killed = run("killed");
        let [shown, to] = [&config, &killed].map(|path| path.display().to_string());
        let mut command = program();
        command.args(["train", &shown, "--limit", "12", "--no-test", "-q", "-o", &to]);
        if round > 0 {
            command.arg("--resume");
        }
        let mut child = command.spawn().unwrap();
        wait_for(&killed.join("checkpoints/last"));
        std::thread::sleep(Duration::from_millis(40 + 90 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(read_json(&killed.join("checkpoints/last/reinforce.json")).is_ok());
    }
    let resumed = train(&config, &run("killed"), &["--resume"]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    assert_eq!(ends(&run("killed")).1, ends(&run("whole")).1);
    assert!(ends(&run("killed")).0 == ends(&run("whole")).0, "weights");
}

#[cfg(unix)]
#[test]
fn a_program_that_fails_ends_the_training_with_its_checkpoint_kept() {
    let folder = folder();
    // The start is judged by 2 dialogues, each step by 4.
    for (name, then, says) in [
        ("word", "echo many", &["answered \"many\" to dialogue 1 of 4", "no finite number"][..]),
        ("nan", "echo nan", &["no finite number"]),
        ("exit", "exit 3", &["ended before it answered dialogue 1 of 4", "exit status: 3"]),
        ("slow", "exec sleep 60", &["no answer to dialogue 1 of 4 within 0.5 s", "reward.timeout"]),
    ] {
        let command = program_that(6, then);
        let config = config(folder.path(), &command, "timeout = 0.5\n");
        let run = folder.path().join(name);
        let output = train(&config, &run, &[]);
        assert_fails(&output, 1, &[&["has stopped"], says].concat());
        let state = read_json(&run.join("checkpoints/last/trainer_state.json")).unwrap();
        assert_eq!(state["step"], 3, "{name}: a step of rewards and two of likelihood");
        let whole = self::config(folder.path(), &program_that(NEVER, "true"), "timeout = 0.5\n");
        let other = train(&whole, &run, &["--resume"]);
        assert_fails(&other, 2, &["reward.command was"]);
    }
}

#[cfg(unix)]
#[test]
fn a_line_that_was_not_asked_for_is_no_answer_to_the_next_dialogue() {
    let folder = folder();
    let config = config(folder.path(), &program_that(0, "echo 1; echo 2"), "");
    let output = train(&config, &folder.path().join("run"), &[]);
    assert_fails(&output, 1, &["said \"1\" without being asked"]);
}

#[cfg(unix)]
#[test]
fn what_interrupts_a_training_does_not_interrupt_its_program() {
    use std::os::unix::process::CommandExt;
    let folder = folder();
    let config = config(folder.path(), &program_that(NEVER, "true"), "").display().to_string();
    let run = folder.path().join("run");
    let mut command = program();
    command.args([
        "train",
        &config,
        "--limit",
        "12",
        "--no-test",
        "-o",
        &run.display().to_string(),
    ]);
    command.args(["--set", "train.max_steps=4000", "--set", "train.epochs=4000"]);
    let child = command.stderr(Stdio::piped()).process_group(0).spawn().unwrap();
    wait_for(&run.join("checkpoints/last"));
    // As a terminal does: to all that stand in the group.
    let group = format!("-{}", child.id());
    let sent = std::process::Command::new("kill").args(["-INT", "--", &group]).status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("--resume goes on"), "{}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn a_run_goes_on_from_the_models_that_it_began_with() {
    let folder = folder();
    let base = folder.path().join("base");
    std::fs::create_dir(&base).unwrap();
    for entry in std::fs::read_dir(learned()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, base.join(path.file_name().unwrap())).unwrap();
    }
    let config = config(folder.path(), &program_that(NEVER, "true"), "");
    let set = ["--set".to_string(), format!("model.base={:?}", base.display().to_string())];
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    let run = folder.path().join("run");
    let begun = train(&config, &run, &[&set[..], &["--stop-after", "3"]].concat());
    assert!(begun.status.success(), "{}", stderr(&begun));
    let weights = base.join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let resumed = train(&config, &run, &[&set[..], &["--resume"]].concat());
    assert_fails(&resumed, 2, &["base/model.safetensors is not the file it was"]);
}

#[cfg(unix)]
#[test]
fn a_limit_that_is_crossed_ends_the_training() {
    let folder = folder();
    let config = config(folder.path(), &program_that(NEVER, "true"), "");
    let sets = ["--set", "reward.max_kl=1e-9"];
    let output = train(&config, &folder.path().join("run"), &sets);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("stopped after step 6: the replies diverge by"), "{said}");
    // Its first evaluation crossed the limit: there is nothing to judge, and that is said.
    assert!(said.contains("no checkpoint is the best, --checkpoint last"), "{said}");
    let [file, run] =
        [config.clone(), folder.path().join("judged")].map(|it| it.display().to_string());
    let test = ["--set", "data.test.original=\"original.jsonl\""];
    let fixed = ["train", &file, "--limit", "12", "-o", &run];
    let judged = valuenet(fixed.iter().chain(&sets).chain(&test));
    assert!(judged.status.success(), "{}", stderr(&judged));
    let resumed = train(&config, &folder.path().join("run"), &[&sets[..], &["--resume"]].concat());
    assert!(stderr(&resumed).contains("stopped after step 6"), "{}", stderr(&resumed));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let folder = folder();
    let config = config(folder.path(), "true", "");
    for (sets, says) in [
        (&["reward.k=1"][..], &["reward.k", "2 or more"][..]),
        (&["reward.kl=-1"], &["reward.kl"]),
        (&["reward.credit=turn"], &["reward.credit", "whole dialogues"]),
        (&["reward.run=runs/minilm"], &["reward.command", "either"]),
        (&["reward.command="], &["reward.run", "missing"]),
        (&["reward.baseline=best"], &["unknown variant", "loo"]),
        (&["reward.dialogues=0"], &["reward.dialogues"]),
        (&["reward.max_new_tokens=0"], &["reward.max_new_tokens"]),
        (&["reward.timeout=0"], &["reward.timeout"]),
        (&["train.select=own-minus-other"], &["train.select", "reward"]),
        (&["dialogue.layout=gpt2"], &["dialogue.layout", "has learned the layout chatml"]),
        (&["model.base=none/none"], &["none/none"]),
        (&["reward.command=", "reward.run=none/none"], &["none/none"]),
        (&["reward.max_new_tokens=250"], &["train.txt:1", "tokens without any history"]),
        (&["reward.command=exit 4"], &["ended before it answered", "exit status: 4"]),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let output =
            train(&config, &folder.path().join("run"), &[&sets[..], &["--overwrite"]].concat());
        assert!(!output.status.success(), "{sets:?}");
        let said = stderr(&output);
        assert!(says.iter().all(|part| said.contains(part)), "{sets:?}: {said}");
    }
}
