//! The queue of the service: nothing is lost, nothing is mixed up, batches keep their size.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use proptest::prelude::*;
use valuenet::error::{Error, Result};
use valuenet::infer::queue::{Asker, Limits, Queue, Refused};
use valuenet::model::{Prediction, Predictor};
use valuenet::value::{LabelCounts, ScoredText, Value};

use crate::support::Stub;

/// Sends its scores on, with a number to know it by.
struct Numbered(usize, Option<Sender<(usize, Result<Vec<ScoredText>>)>>);

impl Asker for Numbered {
    fn is_waiting(&self) -> bool {
        self.1.is_some()
    }

    fn answer(self, scores: Result<Vec<ScoredText>>) {
        if let Some(sender) = self.1 {
            sender.send((self.0, scores)).unwrap();
        }
    }
}

fn limits(batch: usize) -> Limits {
    Limits { batch, delay: Duration::ZERO, waiting: 1000 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_request_gets_its_own_scores_in_batches_of_bounded_size(
        requests in prop::collection::vec(prop::collection::vec("[a-z ]{0,12}", 1..6), 1..20), batch in 1usize..8
    ) {
        let queue = Queue::new(limits(batch));
        let (sender, answers) = channel();
        for (number, texts) in requests.iter().enumerate() {
            prop_assert!(queue.push(texts.clone(), Numbered(number, Some(sender.clone()))).is_ok());
        }
        drop(sender);
        queue.close();
        let mut sizes = Vec::new();
        queue.work(&Stub, &mut |texts| sizes.push(texts));
        prop_assert!(sizes.iter().all(|&size| size <= batch));
        prop_assert_eq!(sizes.iter().sum::<usize>(), requests.iter().map(Vec::len).sum::<usize>());
        let mut answered = 0;
        for (number, scores) in answers {
            let scores = scores.unwrap();
            let texts: Vec<String> = scores.iter().map(|row| row.text.clone()).collect();
            prop_assert_eq!(&texts, &requests[number]);
            for row in scores {
                let expected = (!row.text.trim().is_empty()).then(|| Stub.profiles(&[&row.text]).unwrap()[0]);
                prop_assert_eq!(row.profile, expected);
            }
            answered += 1;
        }
        prop_assert_eq!(answered, requests.len());
    }
}

#[test]
fn requests_from_many_threads_are_all_answered() {
    let queue = Queue::new(Limits { delay: Duration::from_millis(1), ..limits(16) });
    let (sender, answers) = channel();
    std::thread::scope(|scope| {
        let queue = &queue;
        for thread in 0..8 {
            let sender = sender.clone();
            scope.spawn(move || {
                for number in 0..50 {
                    let number = thread * 50 + number;
                    assert!(
                        queue
                            .push(
                                vec![format!("text {number}")],
                                Numbered(number, Some(sender.clone()))
                            )
                            .is_ok()
                    );
                }
            });
        }
        scope.spawn(move || {
            let mut found: Vec<usize> =
                answers.iter().take(400).map(|(number, _)| number).collect();
            found.sort();
            assert_eq!(found, (0..400).collect::<Vec<_>>());
            queue.close();
        });
        queue.work(&Stub, &mut |_| {});
    });
}

#[test]
fn a_full_or_closed_queue_refuses() {
    let queue = Queue::new(Limits { waiting: 3, ..limits(8) });
    let push = |texts: usize| queue.push(vec!["text".into(); texts], Numbered(0, None));
    assert_eq!((push(10), push(1)), (Ok(()), Err(Refused::Full)));
    assert_eq!(queue.waiting(), 10);
    queue.close();
    assert_eq!(push(1), Err(Refused::Closed));
    let mut batches = 0;
    queue.work(&Stub, &mut |_| batches += 1);
    assert_eq!((queue.waiting(), batches), (0, 0), "nobody waited for it");
}

/// Fails for one text.
struct Fussy;

impl Predictor for Fussy {
    fn predict(&self, pairs: &[(Value, &str)]) -> Result<Vec<Prediction>> {
        match pairs.iter().any(|(_, text)| *text == "poison") {
            true => Err(Error::failure("this cannot be scored")),
            false => Stub.predict(pairs),
        }
    }

    fn rule(&self) -> &'static str {
        Stub.rule()
    }

    fn has_probabilities(&self) -> bool {
        false
    }

    fn dtype(&self) -> &'static str {
        Stub.dtype()
    }

    fn train_labels(&self) -> Option<&LabelCounts> {
        None
    }
}

#[test]
fn a_text_that_cannot_be_scored_spoils_no_others() {
    let queue = Queue::new(limits(8));
    let (sender, answers) = channel();
    for (number, text) in ["fine", "poison", "good"].into_iter().enumerate() {
        assert!(queue.push(vec![text.into()], Numbered(number, Some(sender.clone()))).is_ok());
    }
    queue.close();
    queue.work(&Fussy, &mut |_| {});
    drop(sender);
    let answers: Vec<(usize, bool)> =
        answers.iter().map(|(number, scores)| (number, scores.is_ok())).collect();
    assert_eq!(answers, [(0, true), (1, false), (2, true)]);
}
