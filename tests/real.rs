//! On the real dataset, the real MiniLM and the real MPNet, whose places `VALUENET_DATA`,
//! `VALUENET_MINILM` and `VALUENET_MPNET` name.

use std::path::PathBuf;

use candle_core::Device;
use valuenet::data::balance::{PUBLISHED, balance};
use valuenet::data::check::check;
use valuenet::data::curate::keywords::Keywords;
use valuenet::data::curate::lists::Choice;
use valuenet::data::curate::{BLOCK, Curation, CurationSettings};
use valuenet::data::stats::stats;
use valuenet::data::{Part, Split};
use valuenet::disk::read_json;
use valuenet::model::head::Pooling;
use valuenet::model::hidden_states::HiddenStates;
use valuenet::model::value_head::Range;
use valuenet::model::value_model::NewModel;
use valuenet::model::{Predictor, ValueModel};
use valuenet::nn::tape::Tape;
use valuenet::report::dataset::StatsReport;
use valuenet::report::paper::Paper;
use valuenet::report::{Format, render};
use valuenet::text::PackedBatch;
use valuenet::train::value::ValueTask;
use valuenet::train::{Answer, Event, GradientLearner, State, Task, TrainSettings, fit};
use valuenet::value::{LabelCounts, Value};

use crate::support::{head, new_model};

fn place(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set")))
}

fn original() -> PathBuf {
    place("VALUENET_DATA").join("original")
}

#[test]
#[ignore = "needs the real dataset: VALUENET_DATA"]
fn the_published_counts_are_found() {
    let parts = Part::read_all(&original()).unwrap();
    let samples: Vec<usize> = stats(&parts).iter().map(|part| part.samples).collect();
    assert_eq!(samples, [16_030, 3_206, 2_138, 21_374]);
    let findings = check(&parts);
    assert!(findings.bad.is_empty(), "{:?}", findings.bad);
    assert_eq!(findings.overlaps[1].texts, 500);

    let balanced = Part::read_all(&place("VALUENET_DATA").join("balanced")).unwrap();
    let samples: Vec<usize> = stats(&balanced).iter().map(|part| part.samples).collect();
    assert_eq!(samples, [12_654, 3_206, 2_138, 17_998]);

    let values = Part::read_all(&place("VALUENET_DATA").join("per-value")).unwrap();
    let whole = &stats(&values)[0];
    assert_eq!((whole.name.as_str(), whole.samples), ("all", 21_374));
    let splits = stats(&parts);
    assert_eq!(whole.labels, splits[3].labels);
}

#[test]
#[ignore = "needs the real dataset: VALUENET_DATA"]
fn words_are_counted_within_half_a_percent_of_the_paper() {
    let stats = stats(&Part::read_all(&original()).unwrap());
    assert_eq!(
        stats.iter().map(|part| part.unique_words).collect::<Vec<_>>(),
        [12_425, 5_294, 4_104, 14_105]
    );
    assert_eq!(stats.iter().map(|part| part.unique_tokens).collect::<Vec<_>>()[0], 10_011);
    let paper = Paper::built_in().unwrap();
    for (part, name) in stats.iter().zip(["train", "valid", "test", "total"]) {
        let size = &paper.table1[name];
        assert_eq!(part.samples, size.samples);
        let near = |ours: f64, theirs: f64| (ours / theirs - 1.0).abs() < 0.005;
        assert!(near(part.average_words, size.average_tokens), "{name}: {}", part.average_words);
        assert!(
            near(part.unique_words as f64, size.unique_tokens as f64),
            "{name}: {}",
            part.unique_words
        );
    }
    let shown = render(&StatsReport { stats: &stats, paper: &paper }, Format::Table).unwrap();
    assert_eq!(shown.matches("  paper").count(), 2);
}

#[test]
#[ignore = "needs the real dataset: VALUENET_DATA"]
fn keywords_find_as_many_rows_under_their_own_value_as_the_docs_say() {
    for (choice, expected) in [
        (Choice::Paper, [1_351, 192, 398, 719, 436, 72, 335, 2_824, 193, 173]),
        (Choice::Extended, [1_852, 234, 244, 1_072, 387, 77, 321, 4_073, 561, 262]),
        (Choice::PaperAndExtended, [2_472, 293, 504, 1_113, 529, 112, 471, 4_585, 605, 300]),
    ] {
        let keywords = Keywords::of(&choice).unwrap();
        let settings =
            CurationSettings { shape: None, column: None, similarity: Some(0.8), block: BLOCK };
        let mut curation = Curation::new(&keywords, settings);
        for value in Value::ALL {
            let path = place("VALUENET_DATA").join("per-value").join(format!("{value}.csv"));
            curation.file(&path, std::fs::File::open(&path).unwrap(), &mut |_, _| Ok(())).unwrap();
        }
        let own = &curation.summary().own;
        assert_eq!(own.iter().map(|own| own.rows).sum::<u64>(), 21_374);
        assert_eq!(own.map(|own| own.found.iter().sum::<u64>()), expected, "{choice:?}");
    }
}

#[test]
#[ignore = "needs the real dataset: VALUENET_DATA"]
fn balancing_the_original_gives_the_published_counts() {
    let published = Part::read_all(&place("VALUENET_DATA").join("balanced")).unwrap();
    let train = Split::Train.read(&original()).unwrap().rows;
    let kept = balance(&train, &PUBLISHED, 1).unwrap();
    let labels = LabelCounts::of(kept.iter().map(|row| (row.sample.value, row.sample.label)));
    assert_eq!(labels, published[0].label_counts());
}

fn minilm(new: &NewModel) -> ValueModel {
    ValueModel::from_pretrained(&place("VALUENET_MINILM"), new, &Device::Cpu).unwrap()
}

#[test]
#[ignore = "needs the weights of all-MiniLM-L6-v2: VALUENET_MINILM"]
fn minilm_computes_what_transformers_computes() {
    let folder = std::env::var("VALUENET_GOLDEN").unwrap_or("tests/fixtures/golden".into());
    let golden =
        candle_core::safetensors::load(format!("{folder}/minilm_real.safetensors"), &Device::Cpu)
            .unwrap();
    let manifest = read_json(&PathBuf::from(format!("{folder}/minilm_real.json"))).unwrap();
    let ids = golden["input_ids"].to_vec2::<i64>().unwrap();
    let mask = golden["attention_mask"].to_vec2::<i64>().unwrap();
    let sequences: Vec<Vec<u32>> = ids
        .iter()
        .zip(&mask)
        .map(|(ids, mask)| {
            ids.iter().zip(mask).filter(|(_, mask)| **mask == 1).map(|(id, _)| *id as u32).collect()
        })
        .collect();
    let model = minilm(&new_model());
    for (text, sequence) in manifest["texts"].as_array().unwrap().iter().zip(&sequences) {
        let mut prompt = model.text().encode(Value::Power, text.as_str().unwrap()).unwrap();
        prompt.remove(1);
        assert_eq!(&prompt, sequence, "the tokens of {text}");
    }
    let batch = PackedBatch::new(sequences.iter().map(Vec::as_slice));
    let states =
        model.network().hidden_states(&Tape::inference(), &batch, HiddenStates::AllTokens).unwrap();
    let states = states.tensor().to_vec2::<f32>().unwrap();
    let (cls, sentences) = (
        golden["cls"].to_vec2::<f32>().unwrap(),
        golden["sentence_embedding"].to_vec2::<f32>().unwrap(),
    );
    for (place, bounds) in batch.offsets.windows(2).enumerate() {
        let rows = &states[bounds[0]..bounds[1]];
        let far = |found: &[f32], expected: &[f32]| {
            found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        assert!(far(&rows[0], &cls[place]) < 1e-5, "the first token of text {place}");
        let sum: Vec<f32> =
            (0..384).map(|column| rows.iter().map(|row| row[column]).sum()).collect();
        let norm = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        let sentence: Vec<f32> = sum.iter().map(|x| x / norm).collect();
        assert!(far(&sentence, &sentences[place]) < 1e-6, "the embedding of text {place}");
    }
}

#[test]
#[ignore = "needs VALUENET_DATA and VALUENET_MINILM"]
fn minilm_learns_from_a_tenth_of_the_real_data() {
    let new =
        NewModel { head: head(Range::ScaledSigmoid, Pooling::Cls), max_length: 128, ..new_model() };
    let read = |split: Split, limit: usize| {
        let rows = split.read(&original()).unwrap().rows;
        rows.into_iter().take(limit).map(|row| row.sample).collect::<Vec<_>>()
    };
    let task =
        ValueTask::new(minilm(&new), &read(Split::Train, 1600), read(Split::Eval, 400)).unwrap();
    let settings = TrainSettings { epochs: 1, learning_rate: 1e-4, ..TrainSettings::default() };
    let before = task.evaluate().unwrap();
    let mut learner = GradientLearner::new(&task, &settings).unwrap();
    let mut seen = 0;
    fit(&mut learner, &settings, &mut State::default(), &mut |event| {
        seen += usize::from(matches!(event, Event::Step(_)));
        Ok(Answer::Continue)
    })
    .unwrap();
    let after = task.evaluate().unwrap();
    assert_eq!(seen, 50);
    assert!(
        after[0].value < 0.55 && after[0].value < before[0].value,
        "mse {} before, {} after",
        before[0].value,
        after[0].value
    );
}

#[test]
#[ignore = "needs the weights of all-MiniLM-L6-v2: VALUENET_MINILM"]
fn a_row_of_minilm_does_not_depend_on_its_batch() {
    let model = minilm(&new_model());
    let texts: Vec<String> = (1..60).map(|words| "a word or ".repeat(words % 17 + 1)).collect();
    let pairs: Vec<(Value, &str)> =
        texts.iter().map(|text| (Value::Hedonism, text.as_str())).collect();
    let together = model.utilities(&pairs).unwrap();
    for (pair, together) in pairs.iter().zip(together) {
        let alone = model.utilities(std::slice::from_ref(pair)).unwrap()[0];
        assert!((alone - together).abs() < 1e-6, "{alone} {together}");
    }
}

#[test]
#[ignore = "needs the weights of all-mpnet-base-v2: VALUENET_MPNET"]
fn mpnet_computes_what_transformers_computes() {
    // The tokens of each text, and the first numbers of its first token's state, by transformers
    // 5.24 and torch 2.15, which is itself up to 3e-5 off double precision; the last text is longer
    // than the distances that have buckets of their own.
    let long = "We walked along the river and talked. ".repeat(40);
    let expected: [(&str, usize, [f32; 4]); 3] = [
        (
            "A friend waters my plants while I am away.",
            12,
            [-0.085401, 0.005351, -0.110495, 0.081525],
        ),
        (
            "The tide tables hang beside the harbour office.",
            11,
            [-0.075119, -0.007944, -0.043819, -0.084956],
        ),
        (&long, 322, [0.061042, 0.153659, -0.065403, -0.02105]),
    ];
    let new = NewModel { max_length: 512, ..new_model() };
    let model = ValueModel::from_pretrained(&place("VALUENET_MPNET"), &new, &Device::Cpu).unwrap();
    let sequences = expected.map(|(text, tokens, _)| {
        let mut prompt = model.text().encode(Value::Power, text).unwrap();
        prompt.remove(1);
        assert_eq!(prompt.len(), tokens, "{text}");
        prompt
    });
    let batch = PackedBatch::new(sequences.iter().map(Vec::as_slice));
    let states =
        model.network().hidden_states(&Tape::inference(), &batch, HiddenStates::Summary).unwrap();
    let states = states.tensor().to_vec2::<f32>().unwrap();
    for ((text, _, first), state) in expected.iter().zip(&states) {
        assert!(state.len() == 768 && state.iter().all(|number| number.is_finite()));
        let far = state.iter().zip(first).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 3e-5, "{text}: {far:e}");
    }
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let cosine = product(&states[0], &states[1])
        / (product(&states[0], &states[0]) * product(&states[1], &states[1])).sqrt();
    assert!((cosine - 0.10073).abs() < 1e-4, "{cosine}");
}
