//! Prompts, vocabularies and batches.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use valuenet::model::scratch::ScratchSettings;
use valuenet::text::batch::{budget_batches, epoch_batches};
use valuenet::text::{PackedBatch, TextEncoder};
use valuenet::value::Value;

use crate::support::{folder, samples, write};

const BERT: &str = "tests/fixtures/golden/bert/tokenizer.json";

fn encoder(max_length: usize) -> TextEncoder {
    TextEncoder::read_base(Path::new(BERT), max_length).unwrap()
}

#[test]
fn a_prompt_is_start_value_scenario_end() {
    let ids = encoder(64).encode(Value::Power, "today").unwrap();
    assert_eq!(ids.len(), 4);
    assert_eq!(ids[1], encoder(64).value_id(Value::Power));
}

#[test]
fn a_long_scenario_is_cut_and_keeps_its_end_token() {
    let (short, long) = (encoder(64).encode(Value::Power, "a").unwrap(), "word ".repeat(25_000));
    let ids = encoder(12).encode(Value::Power, &long).unwrap();
    assert_eq!(ids.len(), 12);
    assert_eq!((ids[0], ids[1], ids[11]), (short[0], short[1], short[3]));
}

#[test]
fn the_tokenizers_own_padding_and_truncation_are_switched_off() {
    let mut json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(BERT).unwrap()).unwrap();
    json["padding"] = serde_json::json!({"strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"});
    json["truncation"] = serde_json::json!({"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0});
    let folder = folder();
    let path = write(folder.path(), "tokenizer.json", json.to_string());
    let scenario = "i got caught thanking someone";
    let padded = TextEncoder::read_base(&path, 64).unwrap();
    assert_eq!(
        padded.encode(Value::Power, scenario).unwrap(),
        encoder(64).encode(Value::Power, scenario).unwrap()
    );
    let saved: serde_json::Value = serde_json::from_str(&padded.to_json().unwrap()).unwrap();
    assert!(saved["padding"].is_null() && saved["truncation"].is_null());
}

#[test]
fn ten_prompts_of_a_scenario_are_those_encoded_one_by_one() {
    let encoder = encoder(16);
    let scenarios =
        ["", "Caf\u{e9} \u{4f60}\u{597d} today", "a [POWER] b", "very long ".repeat(30).leak()];
    let expected: Vec<Vec<u32>> = scenarios
        .iter()
        .flat_map(|scenario| Value::ALL.map(|value| encoder.encode(value, scenario).unwrap()))
        .collect();
    assert_eq!(encoder.encode_profiles(&scenarios).unwrap(), expected);
}

#[test]
fn value_tokens_are_added_once() {
    let folder = folder();
    let path = write(folder.path(), "tokenizer.json", encoder(64).to_json().unwrap());
    let again = TextEncoder::read_base(&path, 64).unwrap();
    assert_eq!(again.vocabulary_size(), encoder(64).vocabulary_size());
    assert_eq!(again.to_json().unwrap(), encoder(64).to_json().unwrap());
    assert!(TextEncoder::read(&path, 64).is_ok());
    let error = TextEncoder::read(Path::new(BERT), 64).unwrap_err();
    assert!(error.to_string().ends_with("the token [SECURITY] is missing"), "{error}");
}

#[test]
fn a_vocabulary_file_alone_makes_the_same_tokenizer() {
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(BERT).unwrap()).unwrap();
    let mut words: Vec<(&String, u64)> = json["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(word, id)| (word, id.as_u64().unwrap()))
        .collect();
    words.sort_by_key(|(_, id)| *id);
    let text: String = words.iter().map(|(word, _)| format!("{word}\n")).collect();
    let folder = folder();
    let uncased = TextEncoder::read_base(&write(folder.path(), "vocab.txt", &text), 64).unwrap();
    for sample in samples(12) {
        let ids = uncased.encode(sample.value, &sample.scenario).unwrap();
        assert_eq!(ids, encoder(64).encode(sample.value, &sample.scenario).unwrap());
    }
    write(folder.path(), "tokenizer_config.json", "{\"do_lower_case\": false}");
    let cased = TextEncoder::read_base(&folder.path().join("vocab.txt"), 64).unwrap();
    let prompts = ["TODAY", "today"].map(|text| cased.encode(Value::Power, text).unwrap());
    assert_ne!(prompts[0], prompts[1]);
}

#[test]
fn a_learned_vocabulary_depends_on_the_texts_alone() {
    let texts = samples(200);
    let size = ScratchSettings { vocabulary_size: 150, ..ScratchSettings::default() };
    let learn = || {
        let texts = texts.iter().map(|sample| sample.scenario.as_str());
        size.tokenizer(texts).unwrap().to_string(false).unwrap()
    };
    let first = learn();
    for _ in 0..5 {
        assert_eq!(learn(), first);
    }
}

#[test]
fn a_learned_vocabulary_writes_known_words_in_whole_pieces() {
    let texts = samples(200);
    let size = ScratchSettings { vocabulary_size: 300, ..ScratchSettings::default() };
    let tokenizer = size.tokenizer(texts.iter().map(|sample| sample.scenario.as_str())).unwrap();
    assert!(tokenizer.get_vocab_size(true) <= 300);
    let encoding = tokenizer.encode("Helping Ann, hurting", true).unwrap();
    assert_eq!(encoding.get_tokens(), ["[CLS]", "helping", "ann", "[UNK]", "hurting", "[SEP]"]);
}

#[test]
fn packing_puts_sequences_behind_each_other() {
    let packed = PackedBatch::new([[7, 8, 9].as_slice(), &[], &[5]]);
    assert_eq!((packed.ids, packed.positions), (vec![7, 8, 9, 5], vec![0, 1, 2, 0]));
    assert_eq!(packed.offsets.as_ref(), [0, 3, 3, 4]);
}

proptest! {
    #[test]
    fn an_epoch_has_every_item_once_in_batches_of_the_asked_size(
        lengths in prop::collection::vec(1usize..40, 1..300), batch_size in 1usize..20, seed: u64, epoch in 0u64..9
    ) {
        let batches = epoch_batches(&lengths, batch_size, seed, epoch);
        let items: BTreeSet<usize> = batches.iter().flatten().copied().collect();
        prop_assert_eq!(items.len(), lengths.len());
        prop_assert_eq!(batches.iter().flatten().count(), lengths.len());
        prop_assert_eq!(batches.len(), lengths.len().div_ceil(batch_size));
        prop_assert_eq!(batches.iter().filter(|batch| batch.len() != batch_size).count(),
            usize::from(lengths.len() % batch_size != 0));
        prop_assert_eq!(&batches, &epoch_batches(&lengths, batch_size, seed, epoch));
    }

    #[test]
    fn a_budget_is_kept_unless_one_item_breaks_it(
        lengths in prop::collection::vec(0usize..40, 0..200), budget in 1usize..100
    ) {
        let batches = budget_batches(&lengths, budget);
        let items: BTreeSet<usize> = batches.iter().flatten().copied().collect();
        prop_assert_eq!(items.len(), lengths.len());
        for batch in &batches {
            let tokens: usize = batch.iter().map(|&item| lengths[item]).sum();
            prop_assert!(tokens <= budget || batch.len() == 1);
        }
    }
}

#[test]
fn epochs_differ_and_batches_hold_like_lengths() {
    let lengths: Vec<usize> = (0..3200).map(|item| 5 + item * 7919 % 40).collect();
    assert_ne!(epoch_batches(&lengths, 32, 1, 0), epoch_batches(&lengths, 32, 1, 1));
    let spread = |batch: &Vec<usize>| {
        let lengths = batch.iter().map(|&item| lengths[item]);
        lengths.clone().max().unwrap() - lengths.min().unwrap()
    };
    assert!(epoch_batches(&lengths, 32, 1, 0).iter().all(|batch| spread(batch) <= 3));
}

#[test]
fn a_sentencepiece_model_gives_the_pieces_that_sentencepiece_gives() {
    // Trained by SentencePiece on data/sample, and asked for these ids there.
    let expected: [(&str, Vec<u32>); 5] = [
        (
            "I helped my neighbour carry her shopping.",
            vec![4, 7, 254, 19, 57, 9, 122, 345, 103, 64, 269, 11, 4, 398, 12, 232, 55, 55, 6, 5],
        ),
        ("  two  spaces and\ttabs ", vec![76, 140, 316, 204, 268, 202, 4, 91, 3, 25, 204, 328, 10]),
        ("", vec![]),
        ("Café ﬁne ① 你好 😀", vec![4, 392, 204, 78, 3, 4, 3, 20, 19, 4, 3, 4, 3, 4, 3]),
        ("zzzqqq XYZ!!! don't", vec![4, 291, 291, 291, 393, 393, 393, 4, 3, 82, 20, 3, 25]),
    ];
    let encoder = TextEncoder::read_base(Path::new("tests/fixtures/spm.model"), 64).unwrap();
    for (text, pieces) in expected {
        let prompt = encoder.encode(Value::Power, text).unwrap();
        assert_eq!((prompt[0], prompt[prompt.len() - 1]), (1, 2));
        assert_eq!(prompt[1], encoder.value_id(Value::Power));
        assert_eq!(prompt[2..prompt.len() - 1], pieces, "{text}");
    }
    assert_eq!(encoder.vocabulary_size(), 400 + 1 + 10);

    let folder = folder();
    let bytes = std::fs::read("tests/fixtures/spm.model").unwrap();
    for damaged in [&bytes[..1000], b"", b"not a model"] {
        let path = write(folder.path(), "spm.model", damaged);
        let error = TextEncoder::read_base(&path, 64).unwrap_err().to_string();
        assert!(
            error.ends_with("spm.model: not a SentencePiece model that can be read"),
            "{error}"
        );
    }
}

#[test]
fn only_tokens_that_were_not_there_count_as_added() {
    let base = encoder(64);
    assert!(Value::ALL.into_iter().all(|value| base.is_added(value)));
    let folder = folder();
    let path = write(folder.path(), "tokenizer.json", base.to_json().unwrap());
    let again = TextEncoder::read_base(&path, 64).unwrap();
    assert!(!Value::ALL.into_iter().any(|value| again.is_added(value)));
    assert_eq!(again.vocabulary_size(), base.vocabulary_size());
}
