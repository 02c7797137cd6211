//! One measurement of training by rewards, in a process of its own, which prints JSON.
//! `scripts/bench_reward.sh` starts it in turns with TRL, and makes the folder: a model, and
//! `dialogues.jsonl` with the dialogues of a step.
//!
//! ```text
//! reward train f32|bf16 STEPS FOLDER
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use candle_core::Device;
use serde_json::{Value, json};
use valuenet::data::conversation::{Conversation, read};
use valuenet::error;
use valuenet::model::{DialogueModel, LanguageModel};
use valuenet::nn::cpu;
use valuenet::nn::precision::Precision;
use valuenet::text::prompt::Layout;
use valuenet::text::prompt::dialogue::Settings;
use valuenet::train::dialogue::{DialogueTask, context, said, sequences};
use valuenet::train::reinforce::{
    ReinforceLearner, ReinforceSettings, Rewarder, RolloutDialogue, Rollouts, Spoken, Worth,
};
use valuenet::train::{Learner, RolloutFigures, TrainSettings};

/// Steps before the clock starts.
const WARM: usize = 1;
/// The replies to each prompt.
const K: usize = 4;
/// So many tokens follow each prompt at most.
const NEW: usize = 32;
const KL: f64 = 0.05;
const LEARNING_RATE: f64 = 1e-5;

fn main() -> Result<()> {
    cpu::keep_memory();
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let ["train", dtype, steps, folder] = args.iter().map(String::as_str).collect::<Vec<_>>()[..]
    else {
        bail!("usage: reward train f32|bf16 STEPS FOLDER");
    };
    let precision = match dtype {
        "f32" => Precision::F32,
        "bf16" => Precision::Bf16,
        _ => bail!("the precision is f32 or bf16"),
    };
    let (steps, folder) = (steps.parse()?, Path::new(folder));
    ensure!(steps > 0, "it measures one step or more");
    // As the program does: work is handed out from a thread of the pool.
    let pool = rayon::ThreadPoolBuilder::new().build()?;
    println!("{}", pool.install(|| learn(folder, precision, steps))?);
    Ok(())
}

fn open(folder: &Path, precision: Precision) -> Result<DialogueModel> {
    let model = LanguageModel::open(folder, &Device::Cpu)?.with_precision(precision);
    let settings = Settings { layout: Layout::ChatMl, history: 0, max_length: 768 };
    Ok(DialogueModel::new(model, settings)?)
}

/// The j-th reply to each prompt is worth j / k, whatever it says: that costs nothing, and each step
/// has the same to learn as that of the peer.
struct ByPlace;

impl Rewarder for ByPlace {
    fn worth(&mut self, dialogues: &[Spoken]) -> error::Result<Vec<Worth>> {
        let worth = |place| Worth { total: (place % K) as f64 / K as f64, parts: Vec::new() };
        Ok((0..dialogues.len()).map(worth).collect())
    }

    fn compares_personas(&self) -> bool {
        false
    }
}

/// The token ids of the prompts of a step.
fn prompts(model: &DialogueModel, dialogues: &[Conversation]) -> Result<Vec<Vec<u32>>> {
    let all = dialogues.iter().flat_map(|one| one.examples().map(move |example| (one, example)));
    let ids = |(one, example)| {
        let history = said(&example);
        Ok(model.encoder().prompt(&context(model, one, &history), NEW)?.ids)
    };
    all.map(ids).collect()
}

/// The seconds of a step, and by which a peer shows that it does the same: the prompts, the number
/// of replies, their mean number of tokens and mean reward, and the entropy of the first step, in
/// nats a token.
fn learn(folder: &Path, precision: Precision, steps: usize) -> Result<Value> {
    let path = folder.join("dialogues.jsonl");
    let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let dialogues = read(&path, file)?;
    let model = open(folder, precision)?;
    let prompts = prompts(&model, &dialogues)?;
    let likelihood = sequences(&model, &path, &dialogues[0])?;

    let train = TrainSettings {
        dtype: precision,
        learning_rate: LEARNING_RATE,
        ..TrainSettings::default()
    };
    let settings = ReinforceSettings {
        k: K,
        kl: KL,
        max_new_tokens: NEW,
        mle_per_rl: 0,
        dialogues: dialogues.len(),
        ..ReinforceSettings::default()
    };
    let rollout =
        |conversation| RolloutDialogue { path: PathBuf::new(), conversation, other: Vec::new() };
    let rollouts = Rollouts {
        start: open(folder, precision)?,
        train: dialogues.into_iter().map(rollout).collect(),
        eval: Vec::new().into(),
        rewarder: Box::new(ByPlace),
    };
    let task = DialogueTask::new(model, likelihood, Vec::new());
    let mut learner = ReinforceLearner::new(task, rollouts, &settings, &train)?;

    let mut found: Vec<RolloutFigures> = Vec::new();
    let mut begun = Instant::now();
    for step in 0..WARM + steps {
        if step == WARM {
            begun = Instant::now();
        }
        let outcome = learner.step(step as u64, &[], LEARNING_RATE)?;
        found.push(outcome.rollout.context("a step without replies")?);
    }
    let seconds = begun.elapsed().as_secs_f64() / steps as f64;
    let mean = |figure: fn(&RolloutFigures) -> f64| {
        found.iter().map(figure).sum::<f64>() / found.len() as f64
    };
    Ok(json!({
        "step": seconds,
        "prompts": prompts,
        "replies": K * prompts.len(),
        "tokens": mean(|figures| figures.tokens),
        "reward": mean(|figures| figures.reward),
        "entropy": found[0].entropy,
    }))
}
