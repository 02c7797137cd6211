//! Numbers on disk: what is written is read back to the bit, or a resumed run is another run.

use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
use proptest::prelude::*;
use valuenet::config::Config;
use valuenet::disk::{read_json, write_json};
use valuenet::train::policy::{Action, Best, History, after_evaluation};
use valuenet::train::{Score, State};

use crate::support::{folder, write};

fn read_back(state: &State) -> State {
    let folder = folder();
    state.write(folder.path()).unwrap();
    State::read(folder.path()).unwrap()
}

#[test]
fn a_score_that_ties_with_the_best_before_a_resume_is_no_better_after_it() {
    // 35 of 97 rows: read back by the nearest number but one, it would lose against itself.
    let score = 35.0 / 97.0;
    let history = History { best: Some(Best { step: 2, score }), since_best: 1 };
    let mut resumed = read_back(&State { history, ..State::default() }).history;
    let again = Score::higher_is_better("accuracy", score);
    assert_eq!(after_evaluation(0, &mut resumed, 6, again), [Action::SaveLast]);
    assert_eq!(resumed.best.unwrap().step, 2);
}

#[test]
fn a_score_that_is_no_number_is_read_back_as_none() {
    let best = Some(Best { step: 1, score: f64::NAN });
    let read = read_back(&State { history: History { best, since_best: 0 }, ..State::default() });
    assert!(read.history.best.is_some_and(|best| best.step == 1 && best.score.is_nan()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_number_is_read_as_it_was_written(
        number in NORMAL | SUBNORMAL | ZERO | POSITIVE | NEGATIVE, single in proptest::num::f32::NORMAL,
    ) {
        let folder = folder();
        let path = folder.path().join("numbers.json");
        write_json(&path, &serde_json::json!({"double": number, "single": single})).unwrap();
        let read = read_json(&path).unwrap();
        prop_assert_eq!(read["double"].as_f64().unwrap().to_bits(), number.to_bits());
        prop_assert_eq!((read["single"].as_f64().unwrap() as f32).to_bits(), single.to_bits());
        let state = State { loss_sum: number, seconds: number, ..State::default() };
        let read = read_back(&state);
        prop_assert_eq!([read.loss_sum, read.seconds].map(f64::to_bits), [number; 2].map(f64::to_bits));
    }

    #[test]
    fn a_configuration_keeps_all_digits_in_its_file_and_among_what_a_run_remembers(
        number in f64::MIN_POSITIVE..1e300, share in 0.0..1.0,
    ) {
        let mut config = Config::default();
        (config.train.weight_decay, config.train.learning_rate, config.train.max_grad_norm) = (number, number, number);
        (config.train.warmup, config.model.dropout) = (share, Some(share));
        let folder = folder();
        let file = write(folder.path(), "config.toml", config.to_toml().unwrap());
        prop_assert_eq!(&Config::read(&file, &[]).unwrap(), &config);
        let set = format!("train.weight_decay={number:e}");
        prop_assert_eq!(Config::read(&file, &[set]).unwrap().train.weight_decay.to_bits(), number.to_bits());
        let path = folder.path().join("run.json");
        write_json(&path, &config).unwrap();
        let read: Config = serde_json::from_value(read_json(&path).unwrap()).unwrap();
        prop_assert_eq!(read, config);
    }
}
