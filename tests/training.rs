//! The training loop: it learns, it repeats itself, it goes on where it stopped.

use std::collections::BTreeMap;
use std::path::Path;

use valuenet::error::Result;
use valuenet::model::head::Pooling;
use valuenet::model::linear::{LinearModel, LinearSettings};
use valuenet::model::value_head::{HeadSettings, Objective, Range};
use valuenet::model::value_model::NewModel;
use valuenet::model::{Model, Predictor, ValueModel};
use valuenet::nn::gradients::Gradients;
use valuenet::nn::precision::Precision;
use valuenet::nn::schedule::Schedule;
use valuenet::nn::tape::Tape;
use valuenet::train::linear::LinearLearner;
use valuenet::train::value::ValueTask;
use valuenet::train::{
    Answer, Checkpoint, Event, GradientLearner, Learner, Pass, Plan, Score, State, Stop, Task,
    TrainSettings, fit,
};
use valuenet::value::Value;

use crate::support::{device, folder, head, new_model, samples, tiny_model};

fn settings() -> TrainSettings {
    TrainSettings {
        epochs: 2,
        batch_size: 4,
        gradient_accumulation: 2,
        learning_rate: 1e-3,
        seed: 3,
        ..TrainSettings::default()
    }
}

fn task(model: ValueModel) -> ValueTask {
    let all = samples(40);
    ValueTask::new(model, &all[..30], all[30..].to_vec()).unwrap()
}

/// The files of each checkpoint that a training kept last.
type Kept = BTreeMap<&'static str, BTreeMap<String, Vec<u8>>>;

fn read_all(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into(), std::fs::read(&path).unwrap())
        })
        .collect()
}

/// Trains until the end or until `stop_after` steps, and returns what was kept.
fn train(
    task: &impl Task,
    settings: &TrainSettings,
    resume: Option<&Path>,
    stop_after: Option<u64>,
) -> (Stop, Kept, Vec<String>) {
    train_learner(&mut GradientLearner::new(task, settings).unwrap(), settings, resume, stop_after)
}

fn train_learner(
    learner: &mut dyn Learner,
    settings: &TrainSettings,
    resume: Option<&Path>,
    stop_after: Option<u64>,
) -> (Stop, Kept, Vec<String>) {
    let mut state = State::default();
    if let Some(folder) = resume {
        state = State::read(folder).unwrap();
        learner.read_state(folder, state.step).unwrap();
    }
    let (mut kept, mut rows) = (Kept::new(), Vec::new());
    let stop = fit(learner, settings, &mut state, &mut |event| {
        let mut answer = Answer::Continue;
        match event {
            Event::Step(done) if Some(done.step) == stop_after => answer = Answer::Pause,
            Event::Step(_) => {}
            Event::Loss(row) => {
                rows.push(format!("{} {:.6} {}", row.step, row.loss, row.learning_rate))
            }
            Event::Rollout(_) => {}
            Event::Evaluated(row) => rows.push(format!("{} {:?}", row.step, row.scores)),
            Event::Save(checkpoint, write) => {
                let folder = folder();
                write(folder.path())?;
                let name = if checkpoint == Checkpoint::Best { "best" } else { "last" };
                kept.insert(name, read_all(folder.path()));
            }
        }
        Ok(answer)
    });
    (stop.unwrap(), kept, rows)
}

fn without_seconds(mut files: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let state = files.get_mut("trainer_state.json").unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(state).unwrap();
    json["seconds"] = 0.into();
    *state = json.to_string().into_bytes();
    files
}

#[test]
fn sixteen_examples_are_learned_by_heart() {
    let few = samples(16);
    let new = NewModel { dropout: Some(0.0), ..new_model() };
    let size = valuenet::model::scratch::ScratchSettings {
        vocabulary_size: 200,
        hidden_size: 64,
        layers: 2,
        heads: 4,
        intermediate_size: 128,
    };
    let texts = few.iter().map(|sample| sample.scenario.as_str());
    let model = ValueModel::from_scratch(&size, texts, &new, device()).unwrap();
    let task = ValueTask::new(model, &few, few.clone()).unwrap();
    let settings = TrainSettings {
        epochs: 120,
        batch_size: 16,
        learning_rate: 3e-3,
        weight_decay: 0.0,
        schedule: Schedule::Cosine,
        eval_every: 120,
        ..TrainSettings::default()
    };
    let (_, kept, rows) = train(&task, &settings, None, None);
    assert!(task.evaluate().unwrap()[0].value < 1e-3, "{rows:?}");
    assert!(kept.contains_key("best"));
}

#[test]
fn the_same_seed_gives_the_same_model_and_another_seed_another() {
    let weights = |seed: u64| {
        let settings = TrainSettings { seed, ..settings() };
        train(&task(tiny_model()), &settings, None, None).1["last"]["model.safetensors"].clone()
    };
    assert_eq!(weights(3), weights(3));
    assert_ne!(weights(3), weights(4));
}

#[test]
fn a_resumed_training_ends_in_the_same_bytes_wherever_it_stopped() {
    resumes_wherever_it_stopped(&settings());
    resumes_wherever_it_stopped(&TrainSettings { average: 0.8, layer_decay: 0.5, ..settings() });
}

fn resumes_wherever_it_stopped(settings: &TrainSettings) {
    let (stop, whole, rows) = train(&task(tiny_model()), settings, None, None);
    assert_eq!(stop, Stop::Finished);
    let steps = Plan::new(&task(tiny_model()).lengths(), settings, None).total_steps();
    assert_eq!(steps, 8);
    for stop_after in 1..steps {
        let (stop, half, before) = train(&task(tiny_model()), settings, None, Some(stop_after));
        assert_eq!(stop, Stop::Paused);
        let folder = unpack(&half["last"]);
        let model = ValueModel::open(folder.path(), device()).unwrap();
        let (stop, rest, after) = train(&task(model), settings, Some(folder.path()), None);
        assert_eq!(stop, Stop::Finished);
        assert!(
            without_seconds(rest["last"].clone()) == without_seconds(whole["last"].clone()),
            "{stop_after}"
        );
        let best = rest.get("best").or(half.get("best")).unwrap();
        assert!(best == &whole["best"], "{stop_after}");
        assert_eq!([before, after].concat(), rows, "{stop_after}");
    }
}

#[test]
fn a_disk_that_takes_long_is_asked_less_often_and_a_kill_costs_the_work_since() {
    let settings = TrainSettings { eval_every: 1, ..settings() };
    let whole = train(&task(tiny_model()), &settings, None, None).1;
    let on_slow_disk = |killed_at: u64| {
        let task = task(tiny_model());
        let mut learner = GradientLearner::new(&task, &settings).unwrap();
        let (mut step, mut saved) = (0, Vec::new());
        let mut tell = |event: Event<'_>| {
            match event {
                Event::Step(done) => step = done.step,
                Event::Save(Checkpoint::Last, write) => {
                    let folder = folder();
                    write(folder.path())?;
                    saved.push((step, read_all(folder.path())));
                    std::thread::sleep(std::time::Duration::from_millis(600));
                }
                _ => {}
            }
            match step == killed_at {
                true => Err(valuenet::error::Error::failure("killed")),
                false => Ok(Answer::Continue),
            }
        };
        let stop = fit(&mut learner, &settings, &mut State::default(), &mut tell);
        (stop.is_ok(), saved)
    };
    let steps = |saved: &[(u64, BTreeMap<String, Vec<u8>>)]| {
        saved.iter().map(|(step, _)| *step).collect::<Vec<_>>()
    };
    let (is_done, saved) = on_slow_disk(0);
    assert!(is_done && steps(&saved) == [1, 8], "the first, and the end: {:?}", steps(&saved));
    let (is_done, saved) = on_slow_disk(7);
    assert!(!is_done && steps(&saved) == [1], "{:?}", steps(&saved));
    let folder = unpack(&saved[0].1);
    let model = ValueModel::open(folder.path(), device()).unwrap();
    let rest = train(&task(model), &settings, Some(folder.path()), None).1;
    assert!(without_seconds(rest["last"].clone()) == without_seconds(whole["last"].clone()));
    assert!(rest["best"] == whole["best"]);
}

/// A folder with these files.
fn unpack(files: &BTreeMap<String, Vec<u8>>) -> tempfile::TempDir {
    let folder = folder();
    files.iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
    folder
}

#[test]
fn every_family_resumes_exactly() {
    let settings = TrainSettings { epochs: 1, gradient_accumulation: 1, ..settings() };
    for family in
        ["bert", "distilbert", "roberta", "bart", "mbart", "modernbert", "deberta-v2", "mpnet"]
    {
        for objective in Objective::ALL {
            let head = HeadSettings { objective, ..head(Range::ScaledSigmoid, Pooling::Pooler) };
            let new = NewModel { head, dropout: Some(0.1), ..new_model() };
            let base = Path::new("tests/fixtures/golden").join(family);
            let model = || ValueModel::from_pretrained(&base, &new, device()).unwrap();
            let (_, whole, rows) = train(&task(model()), &settings, None, None);
            let (_, half, before) = train(&task(model()), &settings, None, Some(3));
            let folder = unpack(&half["last"]);
            let model = ValueModel::open(folder.path(), device()).unwrap();
            let (_, rest, after) = train(&task(model), &settings, Some(folder.path()), None);
            assert!(
                without_seconds(rest["last"].clone()) == without_seconds(whole["last"].clone()),
                "{family} {objective:?}"
            );
            assert_eq!([before, after].concat(), rows, "{family} {objective:?}");
        }
    }
}

#[test]
fn the_linear_baseline_learns_resumes_exactly_and_reads_as_it_was_written() {
    let all = samples(40);
    let settings =
        TrainSettings { learning_rate: 0.5, epochs: 20, select: "accuracy".into(), ..settings() };
    let linear =
        LinearSettings { dimension: 8, word_ngrams: 2, buckets: 50, ..LinearSettings::default() };
    let prompts = || all[..30].iter().map(|sample| (sample.value, sample.scenario.as_str()));
    let task = |model| LinearLearner::of_values(model, &all[..30], all[30..].to_vec());
    let new = || task(LinearModel::new(&linear, prompts(), settings.seed));
    let (_, whole, rows) = train_learner(&mut new(), &settings, None, None);
    let (_, half, before) = train_learner(&mut new(), &settings, None, Some(7));
    let open = |folder: &Path| match Model::open(folder, device(), Precision::F32).unwrap() {
        Model::Linear(model) => model,
        other => panic!("{other:?}?"),
    };
    let folder = unpack(&half["last"]);
    let mut resumed = task(open(folder.path()));
    let (_, rest, after) = train_learner(&mut resumed, &settings, Some(folder.path()), None);
    assert!(without_seconds(rest["last"].clone()) == without_seconds(whole["last"].clone()));
    assert_eq!([before, after].concat(), rows);

    let model = open(unpack(&whole["best"]).path());
    let eval: Vec<(Value, &str)> =
        all[30..].iter().map(|sample| (sample.value, sample.scenario.as_str())).collect();
    let hits = model.predict(&eval).unwrap().into_iter().zip(&all[30..]);
    assert_eq!(hits.filter(|(prediction, sample)| prediction.class == sample.label).count(), 10);
    let mut damaged = whole["best"].clone();
    damaged.insert("vocabulary.json".into(), b"[\"one\"]".to_vec());
    let error = Model::open(unpack(&damaged).path(), device(), Precision::F32).unwrap_err();
    assert!(error.to_string().contains("there is no tensor vectors of (51, 8)"), "{error}");
}

#[test]
fn sixteen_examples_are_learned_by_heart_in_three_classes() {
    let few = samples(16);
    let head =
        HeadSettings { objective: Objective::ThreeClass, ..head(Range::Identity, Pooling::Pooler) };
    let new = NewModel { head, dropout: Some(0.0), ..new_model() };
    let base = Path::new("tests/fixtures/golden/bart");
    let model = ValueModel::from_pretrained(base, &new, device()).unwrap();
    let task = ValueTask::new(model, &few, few.clone()).unwrap();
    let settings = TrainSettings {
        epochs: 60,
        batch_size: 16,
        learning_rate: 3e-3,
        schedule: Schedule::Cosine,
        eval_every: 60,
        ..TrainSettings::default()
    };
    let (_, _, rows) = train(&task, &settings, None, None);
    let scores = task.evaluate().unwrap();
    let accuracy = Score::higher_is_better("accuracy", 1.0);
    assert!(scores[0].value < 1e-2 && scores[1] == accuracy, "{scores:?} {rows:?}");
}

#[test]
fn training_does_not_depend_on_the_number_of_threads() {
    for dtype in [Precision::F32, Precision::Bf16] {
        let settings = TrainSettings { dtype, ..settings() };
        let weights = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let model = tiny_model().with_precision(dtype);
                train(&task(model), &settings, None, None).1["last"]["model.safetensors"].clone()
            })
        };
        assert!(weights(1) == weights(3), "{dtype:?}");
    }
}

#[test]
fn accumulated_batches_weigh_each_sample_alike() {
    let model = tiny_model();
    let task = task(model);
    let gradients = |batches: &[&[usize]]| {
        let mut sum = Gradients::default();
        for batch in batches {
            let tape = Tape::training(None);
            let loss = task
                .loss(&Pass { tape: &tape, scale: 1.0 / 7.0, number: 0, seed: 0 }, batch)
                .unwrap();
            tape.backward(&loss, &mut sum).unwrap();
        }
        (0..task.params().len())
            .flat_map(|index| {
                let shape = task.params().var(index).shape();
                sum.get(task.params().id(index))
                    .unwrap()
                    .dense(shape)
                    .unwrap()
                    .flatten_all()
                    .unwrap()
                    .to_vec1::<f32>()
                    .unwrap()
            })
            .collect::<Vec<f32>>()
    };
    let (one, split) =
        (gradients(&[&[0, 1, 2, 3, 4, 5, 6]]), gradients(&[&[6, 0], &[1, 2, 3, 4], &[5]]));
    let far = one.iter().zip(&split).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(far < 1e-6, "{far:e}");
}

#[test]
fn the_plan_has_every_sample_once_an_epoch_whatever_is_accumulated() {
    let lengths: Vec<usize> = (0..30).map(|item| item % 7 + 3).collect();
    for (batch_size, gradient_accumulation) in [(4, 1), (4, 2), (4, 5), (7, 3), (64, 2)] {
        let settings = TrainSettings { batch_size, gradient_accumulation, epochs: 3, ..settings() };
        let mut plan = Plan::new(&lengths, &settings, None);
        assert_eq!(plan.total_steps(), 3 * plan.steps_per_epoch());
        for epoch in 0..3 {
            let steps = epoch * plan.steps_per_epoch()..(epoch + 1) * plan.steps_per_epoch();
            let mut items: Vec<usize> =
                steps.flat_map(|step| plan.batches(step).concat()).collect();
            items.sort_unstable();
            assert_eq!(
                items,
                (0..30).collect::<Vec<_>>(),
                "batches of {batch_size}, {gradient_accumulation} a step"
            );
        }
    }
    let limited = TrainSettings { max_steps: 5, ..settings() };
    assert_eq!(Plan::new(&lengths, &limited, None).total_steps(), 5);
}

#[test]
fn steps_that_learn_from_something_else_leave_the_order_of_batches_as_it_is() {
    let lengths: Vec<usize> = (1..12).collect();
    let settings = TrainSettings { epochs: 3, batch_size: 2, ..TrainSettings::default() };
    let batches = |every: Option<u64>| {
        let mut plan = Plan::new(&lengths, &settings, every);
        let all = 0..plan.total_steps();
        all.map(|step| plan.batches(step).to_vec()).collect::<Vec<_>>()
    };
    let plain = batches(None);
    for every in [2, 3] {
        let mixed = batches(Some(every));
        let is_other = |step: &usize| (step + 1).is_multiple_of(every as usize);
        assert!((0..mixed.len()).all(|step| mixed[step].is_empty() == is_other(&step)));
        let learned: Vec<_> = mixed.into_iter().filter(|batches| !batches.is_empty()).collect();
        assert_eq!(learned[..plain.len()], plain, "every {every}");
    }
    assert!(batches(Some(1)).iter().all(Vec::is_empty));
    assert_eq!(batches(Some(1)).len(), plain.len());
}

#[test]
fn training_stops_early_when_nothing_gets_better() {
    let settings = TrainSettings {
        epochs: 50,
        learning_rate: 1e-12,
        patience: 3,
        eval_every: 1,
        ..settings()
    };
    let (stop, kept, rows) = train(&task(tiny_model()), &settings, None, None);
    assert_eq!(stop, Stop::Patience);
    let evaluations = rows.iter().filter(|row| row.contains("mse")).count();
    assert!(evaluations < 40, "{rows:?}");
    // Asked to go on, it knows that it is done.
    let folder = unpack(&kept["last"]);
    let model = ValueModel::open(folder.path(), device()).unwrap();
    assert_eq!(train(&task(model), &settings, Some(folder.path()), None).0, Stop::Patience);
}

#[test]
fn a_training_that_diverges_says_so() {
    let task = task(tiny_model());
    let settings = TrainSettings {
        learning_rate: 1e30,
        warmup: 0.0,
        max_grad_norm: 0.0,
        epochs: 20,
        ..settings()
    };
    let mut learner = GradientLearner::new(&task, &settings).unwrap();
    let outcome =
        fit(&mut learner, &settings, &mut State::default(), &mut |_| Ok(Answer::Continue));
    let error = outcome.unwrap_err();
    let told = format!("{error} / {}", error.advice().unwrap_or_default());
    assert!(told.contains("learning rate") || told.contains("learning_rate"), "{told}");
}

#[test]
fn an_error_of_the_receiver_ends_the_training() {
    let task = task(tiny_model());
    let settings = settings();
    let mut learner = GradientLearner::new(&task, &settings).unwrap();
    let full = || valuenet::error::Error::failure("no space left");
    let outcome: Result<Stop> =
        fit(&mut learner, &settings, &mut State::default(), &mut |event| match event {
            Event::Save(..) => Err(full()),
            _ => Ok(Answer::Continue),
        });
    assert_eq!(outcome.unwrap_err().to_string(), "no space left");
}

#[test]
fn the_best_checkpoint_predicts_what_its_row_says() {
    let settings = TrainSettings { eval_every: 1, ..settings() };
    let task = task(tiny_model());
    let (mut best, mut bytes) = (None, BTreeMap::new());
    let mut learner = GradientLearner::new(&task, &settings).unwrap();
    fit(&mut learner, &settings, &mut State::default(), &mut |event| {
        match event {
            Event::Evaluated(row) => best = row.best,
            Event::Save(Checkpoint::Best, write) => {
                let folder = folder();
                write(folder.path())?;
                bytes = read_all(folder.path());
            }
            _ => {}
        }
        Ok(Answer::Continue)
    })
    .unwrap();
    let folder = unpack(&bytes);
    let model = ValueModel::open(folder.path(), device()).unwrap();
    let eval = samples(40).split_off(30);
    let pairs: Vec<(Value, &str)> =
        eval.iter().map(|sample| (sample.value, sample.scenario.as_str())).collect();
    let squares = model.utilities(&pairs).unwrap().into_iter().zip(&eval);
    let squares =
        squares.map(|(utility, sample)| f64::from(utility - sample.label.utility()).powi(2));
    let mse = squares.sum::<f64>() / eval.len() as f64;
    assert!((mse - best.unwrap().score).abs() < 1e-7);
}
