//! Continuing texts: what is kept of them, what is drawn, and that nothing beside a prompt changes
//! its replies.

use valuenet::generate::cache::{Cache, Next};
use valuenet::generate::sampling::{Sampling, log_sum};
use valuenet::generate::{Generator, Prompt, Reply, Search, Settings, generate};
use valuenet::model::LanguageModel;
use valuenet::nn::precision::Precision;
use valuenet::nn::tape::Tape;

use crate::golden::{distance, numbers, pack};
use crate::language::Golden;

/// Settings without any end.
fn settings(search: Search, max_tokens: usize) -> Settings {
    Settings { search, max_tokens, ends: Vec::new(), no_repeat_ngram: 0, seed: 7 }
}

fn sampled(samples: usize, max_tokens: usize) -> Settings {
    settings(Search::Sample(Sampling::default(), samples), max_tokens)
}

fn beams(beams: usize, max_tokens: usize) -> Settings {
    settings(Search::Beam { beams, length_penalty: 1.0 }, max_tokens)
}

/// The golden sequences as prompts of unequal lengths, with segments if the model knows them.
fn prompts(golden: &Golden) -> Vec<Prompt> {
    let prompt = |(stream, mut ids): (usize, Vec<u32>)| {
        ids.truncate(3 + 5 * stream);
        let segments = ids.iter().map(|id| id % 2).collect();
        let segments = (golden.name == "gpt2").then_some((segments, 5));
        Prompt { ids, segments, stream: stream as u64 }
    };
    golden.sequences().into_iter().enumerate().map(prompt).collect()
}

/// The logits after a sequence, read as a whole.
fn logits(model: &LanguageModel, sequence: &[u32]) -> Vec<f32> {
    let tape = Tape::inference();
    let states = model.network().states(&tape, &pack(&[sequence.to_vec()])).unwrap();
    let all = numbers(&model.network().logits(&tape, &states).unwrap());
    all[all.len() - model.network().vocabulary_size()..].to_vec()
}

#[test]
fn logits_are_the_same_however_a_text_was_read() {
    for golden in Golden::all() {
        let sequences = golden.sequences();
        let tape = Tape::inference();
        let room: Vec<usize> = sequences.iter().map(Vec::len).collect();
        // By threes, so that short texts have ended while others go on.
        let mut cache = Cache::new(&golden.model, &room).unwrap();
        for start in (0..*room.iter().max().unwrap()).step_by(3) {
            let part = |ids: &Vec<u32>| start.min(ids.len())..(start + 3).min(ids.len());
            let next: Vec<Next> =
                sequences.iter().map(|ids| Next { ids: &ids[part(ids)], segments: None }).collect();
            let mut found = cache.read(&tape, &next).unwrap().into_iter();
            for ids in sequences.iter().filter(|ids| ids.len() > start) {
                let expected = logits(&golden.model, &ids[..part(ids).end]);
                let far = distance(&found.next().unwrap(), &expected);
                assert!(far < 1e-5, "{}: {far:e} off", golden.name);
            }
            assert!(found.next().is_none());
        }
        assert_eq!(cache.lengths(), room);
        let more = vec![Next { ids: &[1], segments: None }; room.len()];
        assert!(cache.read(&tape, &more).is_err(), "there is no room left");
        let swapped = cache.select(&[1, 0, 1], &[room[1] + 1, room[0] + 2, room[1] + 1]);
        let mut swapped = swapped.unwrap();
        let found = swapped.read(&tape, &[more[0], Next::default(), more[0]]).unwrap();
        let expected = logits(&golden.model, &[&sequences[1][..], &[1]].concat());
        assert!(found.len() == 2 && found[0] == found[1]);
        assert!(distance(&found[0], &expected) < 1e-5, "{}", golden.name);
    }
}

#[test]
fn replies_of_a_batch_are_those_of_single_prompts_whatever_the_threads() {
    for golden in Golden::all() {
        let prompts = prompts(&golden);
        for settings in [
            settings(Search::Greedy, 9),
            sampled(3, 9),
            beams(3, 9),
            Settings { ends: (0..150).collect(), ..sampled(4, 12) },
            Settings { ends: (0..150).collect(), ..beams(4, 12) },
            Settings { no_repeat_ngram: 2, ..settings(Search::Greedy, 12) },
        ] {
            let run = |prompts: &[Prompt], threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| generate(&golden.model, prompts, &settings).unwrap())
            };
            let together = run(&prompts, 2);
            let alone: Vec<Vec<Reply>> =
                prompts.iter().flat_map(|prompt| run(std::slice::from_ref(prompt), 2)).collect();
            assert_eq!(together, alone, "{}: {settings:?}", golden.name);
            assert_eq!(run(&prompts, 1), together);
            assert_eq!(run(&prompts, 3), together);
            let mut reversed = prompts.clone();
            reversed.reverse();
            let mut reversed = run(&reversed, 2);
            reversed.reverse();
            assert_eq!(reversed, together);
        }
    }
}

#[test]
fn more_prompts_than_are_read_at_once_get_the_same_replies() {
    for golden in Golden::all() {
        let few = prompts(&golden);
        let tokens: usize = few.iter().map(|prompt| prompt.ids.len()).sum();
        let many: Vec<Prompt> =
            few.iter().cycle().take(few.len() * (5000 / tokens + 1)).cloned().collect();
        let (generator, settings) = (Generator::new(&golden.model), settings(Search::Greedy, 2));
        let expected = generator.generate(&few, &settings).unwrap();
        let found = generator.generate(&many, &settings).unwrap();
        assert!(found.chunks(few.len()).all(|found| found == expected), "{}", golden.name);
    }
}

#[test]
fn greedy_replies_are_those_of_transformers() {
    for golden in Golden::all() {
        let (prompt, expected) = golden.greedy();
        let prompt = Prompt { ids: prompt, ..Prompt::default() };
        let settings = settings(Search::Greedy, expected.len());
        let found = generate(&golden.model, std::slice::from_ref(&prompt), &settings).unwrap();
        assert_eq!(found[0][0].ids, expected, "{}", golden.name);
        // One beam is greedy too.
        let beam = generate(&golden.model, &[prompt], &beams(1, expected.len())).unwrap();
        assert_eq!(beam, found, "{}", golden.name);
    }
}

#[test]
fn a_reply_ends_with_an_end_or_is_cut() {
    for golden in Golden::all() {
        let prompts = prompts(&golden);
        let settings = Settings { ends: (0..100).collect(), ..sampled(8, 6) };
        let replies = generate(&golden.model, &prompts, &settings).unwrap().concat();
        assert!(replies.iter().any(|reply| reply.is_finished));
        assert!(replies.iter().any(|reply| !reply.is_finished));
        for reply in &replies {
            assert_eq!(reply.ids.len(), reply.log_probabilities.len());
            assert!(reply.text().iter().all(|id| *id >= 100), "nothing stands behind an end");
            match reply.is_finished {
                true => assert!(reply.ids.last().unwrap() < &100),
                false => assert_eq!((reply.ids.len(), reply.text()), (6, reply.ids.as_slice())),
            }
        }
        // The model's own limit cuts too.
        let most = golden.model.max_length();
        let long = Prompt { ids: vec![9; most - 2], ..Prompt::default() };
        let found = generate(&golden.model, &[long], &sampled(1, 6)).unwrap();
        assert_eq!((found[0][0].ids.len(), found[0][0].is_finished), (2, false));
    }
}

#[test]
fn log_probabilities_of_replies_are_those_of_the_model() {
    for golden in Golden::all() {
        let cool = Sampling { temperature: 0.7, top_k: Some(40), top_p: Some(0.9) };
        for search in [Search::Sample(cool, 2), Search::Beam { beams: 3, length_penalty: 0.5 }] {
            let mut prompts = prompts(&golden);
            prompts.iter_mut().for_each(|prompt| prompt.segments = None);
            let replies = generate(&golden.model, &prompts, &settings(search, 5)).unwrap();
            for (prompt, replies) in prompts.iter().zip(replies) {
                for reply in replies {
                    let batch = pack(&[[&prompt.ids[..], &reply.ids].concat()]);
                    let start = prompt.ids.len() as u32;
                    let tokens: Vec<u32> = (start..start + reply.ids.len() as u32).collect();
                    let network = golden.model.network();
                    let tape = Tape::inference();
                    let expected = network.log_probabilities(&tape, &batch, &tokens).unwrap();
                    for (found, expected) in reply.log_probabilities.iter().zip(numbers(&expected))
                    {
                        assert!((found - f64::from(expected)).abs() < 1e-4, "{}", golden.name);
                    }
                }
            }
        }
    }
}

#[test]
fn tokens_are_drawn_as_often_as_the_model_says() {
    const SAMPLES: usize = 4000;
    for golden in Golden::all() {
        let prompt = prompts(&golden).swap_remove(0);
        let own = Prompt { segments: None, ..prompt };
        let replies =
            generate(&golden.model, std::slice::from_ref(&own), &sampled(SAMPLES, 1)).unwrap();
        let logits = logits(&golden.model, &own.ids);
        let mut counts = vec![0.0; logits.len()];
        replies[0].iter().for_each(|reply| counts[reply.ids[0] as usize] += 1.0);
        let total = log_sum(&logits);
        // Tokens with too small an expectation for the test are one class.
        let (mut rest, mut chi, mut classes) = ((0.0, 0.0), 0.0, 0);
        for (count, logit) in counts.into_iter().zip(logits) {
            let expected = (f64::from(logit) - total).exp() * SAMPLES as f64;
            if expected < 10.0 {
                rest = (rest.0 + count, rest.1 + expected);
            } else {
                chi += (count - expected) * (count - expected) / expected;
                classes += 1;
            }
        }
        if rest.1 > 0.0 {
            chi += (rest.0 - rest.1) * (rest.0 - rest.1) / rest.1;
        }
        // Chi-square has a mean of `classes` and a variance of twice that.
        let far = (chi - f64::from(classes)) / (2.0 * f64::from(classes)).sqrt();
        assert!(classes > 3 && far.abs() < 3.5, "{}: {chi} for {classes}", golden.name);
    }
}

#[test]
fn beams_that_see_everything_find_the_likeliest_reply() {
    for golden in Golden::all() {
        let model = &golden.model;
        let prompt = Prompt { segments: None, ..prompts(&golden).swap_remove(0) };
        let vocabulary = model.network().vocabulary_size();
        let log_softmax = |ids: &[u32]| -> Vec<f64> {
            let logits = logits(model, ids);
            let total = log_sum(&logits);
            logits.into_iter().map(|logit| f64::from(logit) - total).collect()
        };
        let first = log_softmax(&prompt.ids);
        let best_behind = |id: u32| {
            let behind = log_softmax(&[&prompt.ids[..], &[id]].concat());
            let best = behind.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            first[id as usize] + best
        };
        let best = (0..vocabulary as u32).map(best_behind).fold(f64::NEG_INFINITY, f64::max);
        let found = generate(model, &[prompt], &beams(vocabulary, 2)).unwrap();
        let sum: f64 = found[0][0].log_probabilities.iter().sum();
        assert!((sum - best).abs() < 1e-4, "{}: {sum}, not {best}", golden.name);
    }
}

#[test]
fn no_run_of_tokens_stands_twice_in_a_reply() {
    for golden in Golden::all() {
        let prompts = prompts(&golden);
        for search in [Search::Greedy, Search::Beam { beams: 3, length_penalty: 1.0 }] {
            let settings = Settings { no_repeat_ngram: 2, ..settings(search, 20) };
            for reply in generate(&golden.model, &prompts, &settings).unwrap().concat() {
                let mut pairs: Vec<&[u32]> = reply.ids.windows(2).collect();
                pairs.sort_unstable();
                pairs.dedup();
                assert_eq!(pairs.len(), reply.ids.len() - 1, "{}", golden.name);
            }
        }
    }
}

#[test]
fn samples_differ_between_streams_and_seeds() {
    let golden = Golden::all().swap_remove(0);
    let prompt = Prompt { segments: None, ..prompts(&golden).swap_remove(1) };
    let other = Prompt { stream: 99, ..prompt.clone() };
    let run = |prompt: &Prompt, settings: &Settings| {
        generate(&golden.model, std::slice::from_ref(prompt), settings).unwrap()
    };
    let replies = run(&prompt, &sampled(4, 8));
    assert!(replies[0][1..].iter().all(|reply| *reply != replies[0][0]));
    assert!(run(&other, &sampled(4, 8)) != replies);
    assert!(run(&prompt, &Settings { seed: 8, ..sampled(4, 8) }) != replies);
    // More samples, or more tokens, begin with the same.
    let more = run(&prompt, &sampled(6, 10));
    for (few, more) in replies[0].iter().zip(&more[0]) {
        assert_eq!(few.ids, more.ids[..8]);
    }
}

#[test]
fn replies_in_bfloat16_are_likely_ones_too() {
    for golden in Golden::all() {
        let prompts = prompts(&golden);
        let model = golden.model.with_precision(Precision::Bf16);
        let replies = generate(&model, &prompts, &settings(Search::Greedy, 4)).unwrap();
        assert!(replies.concat().iter().all(|reply| reply.ids.len() == 4));
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let golden = Golden::all().swap_remove(0);
    let fine = Prompt { ids: vec![1, 2], ..Prompt::default() };
    let says = |prompt: &Prompt, settings: &Settings, what: &str| {
        let error = generate(&golden.model, std::slice::from_ref(prompt), settings).unwrap_err();
        assert!(error.to_string().contains(what), "\"{what}\" is missing in: {error}");
    };
    let draw = |sampling| settings(Search::Sample(sampling, 1), 3);
    let plain = Sampling::default();
    says(&Prompt::default(), &sampled(1, 3), "a token at least");
    let segments = Some((vec![1], 0));
    says(&Prompt { segments, ..fine.clone() }, &sampled(1, 3), "a segment");
    let long = Prompt { ids: vec![1; golden.model.max_length()], ..Prompt::default() };
    says(&long, &sampled(1, 3), "no room for a reply");
    says(&fine, &sampled(0, 3), "0 samples");
    says(&fine, &sampled(1, 0), "1 token at least");
    says(&fine, &beams(0, 3), "0 beams");
    says(&fine, &draw(Sampling { temperature: 0.0, ..plain }), "temperature");
    says(&fine, &draw(Sampling { temperature: f64::NAN, ..plain }), "temperature");
    says(&fine, &draw(Sampling { top_k: Some(0), ..plain }), "top_k");
    says(&fine, &draw(Sampling { top_p: Some(1.5), ..plain }), "top_p");
}
