//! Prompts that ask about several values at once, and models that learn from, or consist of, others.

use std::path::Path;

use valuenet::model::head::Pooling;
use valuenet::model::value_head::{HeadSettings, Objective, Range, Target};
use valuenet::model::value_model::{Beside, NewModel};
use valuenet::model::value_prompts::PromptKind;
use valuenet::model::{Predictor, ValueModel};
use valuenet::nn::gradients::Gradients;
use valuenet::nn::precision::Precision;
use valuenet::nn::tape::Tape;
use valuenet::value::{Label, Value};

use crate::support::{device, folder, head, new_model};

const FAMILIES: [&str; 3] = ["bert", "distilbert", "roberta"];

fn shared(family: &str) -> ValueModel {
    let head =
        HeadSettings { objective: Objective::Joint, ..head(Range::ScaledSigmoid, Pooling::Pooler) };
    let new = NewModel { head, prompt: PromptKind::Shared, ..new_model() };
    let base = Path::new("tests/fixtures/golden").join(family);
    ValueModel::from_pretrained(&base, &new, device()).unwrap()
}

#[test]
fn a_shared_prompt_is_the_text_and_a_pair_for_each_value() {
    let model = shared("bert");
    let text = model.text();
    let plain = text.encode(Value::Hedonism, "we sang").unwrap();
    let values = [Value::Hedonism, Value::Power];
    let ids = text.encode_shared(&[(&values[..], "we sang")]).unwrap().remove(0);
    let (own, pairs) = ids.split_at(ids.len() - 4);
    assert_eq!(own, &plain[2..], "the text and its end token");
    let start = plain[0];
    assert_eq!(pairs, [start, text.value_id(values[0]), start, text.value_id(values[1])]);
    let batch = model.prompts_of_all(&["we sang", ""]).unwrap().batch(&[0, 1]);
    let length = own.len() as u32;
    let expected: Vec<u32> = (2..length + 2).chain([0, 1].repeat(10)).collect();
    assert_eq!(batch.positions[..expected.len()], expected);
    assert_eq!(batch.positions[expected.len()], 2, "the next text begins anew");
    assert_eq!(batch.summary_rows().len(), 20);
    assert_eq!(batch.summary_rows()[..2], [length, length + 2]);
}

#[test]
fn what_is_said_of_a_value_does_not_depend_on_which_others_are_asked_about() {
    let texts = ["we sang for the neighbours", "", "she left the meeting early and said nothing"];
    for family in FAMILIES {
        let model = shared(family);
        let all = model.predict_all(&texts).unwrap();
        for (text, ten) in texts.iter().zip(&all) {
            let pairs = Value::ALL.map(|value| (value, *text));
            for (one, found) in model.predict(&pairs).unwrap().iter().zip(ten) {
                assert!((one.utility - found.utility).abs() < 1e-5, "{family}: {one:?} {found:?}");
            }
        }
        let differ = |a: usize, b: usize| (all[a][0].utility - all[b][0].utility).abs() > 1e-7;
        assert!(differ(0, 1) && differ(0, 2), "{family}: it does depend on the text");
        assert!(all[0].iter().any(|one| one.utility != all[0][0].utility), "and on the value");
    }
}

#[test]
fn values_can_come_in_above_some_layers() {
    let texts = ["we sang for the neighbours", "", "she left the meeting early and said nothing"];
    for family in FAMILIES {
        let base = Path::new("tests/fixtures/golden").join(family);
        let above = |shared_layers| {
            let new = NewModel { prompt: PromptKind::Shared, shared_layers, ..new_model() };
            ValueModel::from_pretrained(&base, &new, device())
        };
        let [model, lower] = [1, 0].map(|layers| above(layers).unwrap());
        let all = model.predict_all(&texts).unwrap();
        assert_ne!(all, lower.predict_all(&texts).unwrap(), "{family}");
        for (text, ten) in texts.iter().zip(&all) {
            let pairs = Value::ALL.map(|value| (value, *text));
            for (one, found) in model.predict(&pairs).unwrap().iter().zip(ten) {
                assert!((one.utility - found.utility).abs() < 1e-5, "{family}: {one:?} {found:?}");
            }
        }
        assert!(all[0].iter().any(|one| one.utility != all[0][0].utility), "the value counts");
        // Of a text without others beside it, and after the model was written and read.
        let kept = folder();
        model.write(kept.path()).unwrap();
        let again = ValueModel::open(kept.path(), device()).unwrap();
        for (one, found) in again.predict_all(&texts[..1]).unwrap()[0].iter().zip(&all[0]) {
            assert!((one.utility - found.utility).abs() < 1e-5, "{family}");
        }
        let error = above(99).unwrap_err().to_string();
        assert!(error.contains("model.shared_layers is 99"), "{error}");
        // Every parameter learns, the lowest layer from what the values above it need of the text.
        let batch = model.prompts_of_all(&texts).unwrap().batch(&[0, 1, 2]);
        let targets = vec![Target::from(Label::Yes); 30];
        let tape = Tape::training(None);
        let loss = model.loss(&tape, &batch, &targets, 1.0, &Beside::default()).unwrap();
        let mut gradients = Gradients::default();
        tape.backward(&loss, &mut gradients).unwrap();
        let params = model.network().params();
        for index in 0..params.len() {
            assert!(gradients.get(params.id(index)).is_some(), "{family}: {}", params.name(index));
        }
    }
}

#[test]
fn a_model_of_shared_prompts_reads_as_it_was_written() {
    let model = shared("bert");
    let folder = folder();
    model.write(folder.path()).unwrap();
    let again = ValueModel::open(folder.path(), device()).unwrap();
    assert_eq!(again.prompt(), PromptKind::Shared);
    let texts = ["we sang for the neighbours"];
    assert_eq!(again.predict_all(&texts).unwrap(), model.predict_all(&texts).unwrap());
    let bf16 = again.with_precision(Precision::Bf16).predict_all(&texts).unwrap();
    assert!((bf16[0][3].utility - model.predict_all(&texts).unwrap()[0][3].utility).abs() < 0.05);
}

#[test]
fn families_without_absolute_positions_refuse_shared_prompts() {
    for family in ["mpnet", "modernbert", "deberta-v2", "bart"] {
        let new = NewModel { prompt: PromptKind::Shared, ..new_model() };
        let base = Path::new("tests/fixtures/golden").join(family);
        let error = ValueModel::from_pretrained(&base, &new, device()).unwrap_err();
        assert!(error.to_string().contains("\"shared\" is for BERT"), "{family}: {error}");
    }
}
