//! One measurement of language models, in a process of its own, which prints JSON.
//! `scripts/bench_language.sh` starts it in turns with its peers, and makes the folder: a model with
//! `batches.json` (batches of sequences of token ids) and `prompts.json` (prompts of token ids).
//!
//! ```text
//! language train f32|bf16 STEPS FOLDER
//! language generate f32|bf16 BATCH FOLDER
//! ```

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use candle_core::Device;
use serde::de::DeserializeOwned;
use serde_json::json;
use valuenet::error;
use valuenet::generate::{Generator, Prompt, Reply, Search, Settings};
use valuenet::model::LanguageModel;
use valuenet::nn::cpu;
use valuenet::nn::params::Params;
use valuenet::nn::precision::Precision;
use valuenet::nn::tape::Node;
use valuenet::text::PackedBatch;
use valuenet::train::{GradientLearner, Learner, Pass, Score, Task, TrainSettings};

/// Steps before the clock starts.
const WARM: usize = 2;
/// The loss is taken on so many tokens at the end of each sequence.
const TARGETS: usize = 15;
/// So many tokens follow each prompt.
const NEW: usize = 32;

fn main() -> Result<()> {
    cpu::keep_memory();
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [what, dtype, count, folder] = args.as_slice() else {
        bail!("usage: language train|generate f32|bf16 STEPS|BATCH FOLDER");
    };
    let precision = match dtype.as_str() {
        "f32" => Precision::F32,
        "bf16" => Precision::Bf16,
        _ => bail!("the precision is f32 or bf16"),
    };
    let (count, folder) = (count.parse()?, Path::new(folder));
    // As the program does: work is handed out from a thread of the pool.
    let pool = rayon::ThreadPoolBuilder::new().build()?;
    let found = pool.install(|| match what.as_str() {
        "train" => train(folder, precision, count),
        "generate" => continue_prompts(folder, precision, count),
        _ => bail!("it measures train or generate"),
    })?;
    println!("{found}");
    Ok(())
}

fn open(folder: &Path, precision: Precision) -> Result<LanguageModel> {
    Ok(LanguageModel::open(folder, &Device::Cpu)?.with_precision(precision))
}

fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T> {
    let path = folder.join(name);
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(serde_json::from_slice(&text)?)
}

/// Learns the last tokens of sequences.
struct Endings {
    model: LanguageModel,
    sequences: Vec<Vec<u32>>,
}

impl Task for Endings {
    fn params(&self) -> &Params {
        self.model.network().params()
    }

    fn lengths(&self) -> Vec<usize> {
        self.sequences.iter().map(Vec::len).collect()
    }

    fn weight(&self, samples: &[usize]) -> u64 {
        (samples.len() * TARGETS) as u64
    }

    fn loss(&self, pass: &Pass, samples: &[usize]) -> error::Result<Node> {
        let chosen = samples.iter().map(|&sample| self.sequences[sample].as_slice());
        let weights = chosen.clone().flat_map(|sequence| {
            let is_target = move |at| at + TARGETS >= sequence.len();
            (0..sequence.len()).map(move |at| if is_target(at) { pass.scale as f32 } else { 0.0 })
        });
        let weights: Vec<f32> = weights.collect();
        Ok(self.model.network().loss(pass.tape, &PackedBatch::new(chosen), &weights)?)
    }

    fn evaluate(&self) -> error::Result<Vec<Score>> {
        Ok(Vec::new())
    }

    fn write(&self, _folder: &Path) -> error::Result<()> {
        Ok(())
    }
}

/// Real tokens a second, and the loss of the first step, by which a peer shows that it does the
/// same.
fn train(folder: &Path, precision: Precision, steps: usize) -> Result<serde_json::Value> {
    let batches: Vec<Vec<Vec<u32>>> = read(folder, "batches.json")?;
    ensure!(batches.len() >= WARM + steps, "batches.json has no {} batches", WARM + steps);
    let task = Endings { model: open(folder, precision)?, sequences: batches.concat() };
    let settings = TrainSettings { dtype: precision, ..TrainSettings::default() };
    let mut learner = GradientLearner::new(task, &settings)?;
    let (mut losses, mut tokens, mut sample) = (Vec::new(), 0, 0);
    let mut begun = Instant::now();
    for (step, batch) in batches.iter().take(WARM + steps).enumerate() {
        if step == WARM {
            (begun, tokens) = (Instant::now(), 0);
        }
        let samples = (sample..sample + batch.len()).collect();
        let outcome = learner.step(step as u64, &[samples], settings.learning_rate)?;
        losses.push(outcome.loss);
        tokens += batch.iter().map(Vec::len).sum::<usize>();
        sample += batch.len();
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (rate, step) = (tokens as f64 / seconds, seconds / steps as f64);
    Ok(json!({ "rate": rate, "step": step, "loss": losses[0] }))
}

/// The time in which prompts are read and the first token is chosen, and that of all tokens.
fn continue_prompts(
    folder: &Path,
    precision: Precision,
    batch: usize,
) -> Result<serde_json::Value> {
    let prompts: Vec<Vec<u32>> = read(folder, "prompts.json")?;
    ensure!(prompts.len() >= batch, "prompts.json has no {batch} prompts");
    let prompt = |ids: &Vec<u32>| Prompt { ids: ids.clone(), ..Prompt::default() };
    let prompts: Vec<Prompt> = prompts.iter().take(batch).map(prompt).collect();
    let model = open(folder, precision)?;
    let generator = Generator::new(&model);
    timed(&generator, &prompts, 2)?;
    let (first, _) = timed(&generator, &prompts, 1)?;
    let (all, replies) = timed(&generator, &prompts, NEW)?;
    let ids: Vec<Vec<u32>> = replies.into_iter().flatten().map(|reply| reply.ids).collect();
    Ok(json!({ "first": first.as_secs_f64(), "all": all.as_secs_f64(), "ids": ids }))
}

fn timed(
    generator: &Generator,
    prompts: &[Prompt],
    max_tokens: usize,
) -> Result<(Duration, Vec<Vec<Reply>>)> {
    let settings = Settings {
        search: Search::Greedy,
        max_tokens,
        ends: Vec::new(),
        no_repeat_ngram: 0,
        seed: 1,
    };
    let begun = Instant::now();
    let replies = generator.generate(prompts, &settings)?;
    Ok((begun.elapsed(), replies))
}
