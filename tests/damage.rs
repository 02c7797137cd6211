//! Model folders with something wrong, and right ones in unusual shapes.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::json;
use valuenet::disk::read_json;
use valuenet::model::head::Pooling;
use valuenet::model::value_head::Range;
use valuenet::model::value_tokens::ValueTokenInit;
use valuenet::model::{Predictor, ValueModel};
use valuenet::value::{LabelCounts, Value};

use crate::support::{folder, head, new_model, tiny_model, write};

const CPU: Device = Device::Cpu;
const BERT: &str = "tests/fixtures/golden/bert";

/// A folder with a tiny trained model.
fn saved() -> tempfile::TempDir {
    let folder = folder();
    tiny_model().write(folder.path()).unwrap();
    folder
}

fn open_error(folder: &Path) -> String {
    let error = ValueModel::open(folder, &CPU).unwrap_err();
    assert!(error.advice().is_some(), "no advice: {error}");
    error.to_string().replace(&format!("{}/", folder.display()), "")
}

fn utilities(model: &ValueModel) -> Vec<f32> {
    model
        .utilities(&[
            (Value::Power, "today"),
            (Value::Tradition, "stealing my friends"),
            (Value::Security, ""),
        ])
        .unwrap()
}

#[test]
fn a_model_reads_as_it_was_written() {
    let mut model = tiny_model();
    model.set_train_labels(LabelCounts::of([(Value::Power, valuenet::value::Label::Yes)]));
    let folder = folder();
    model.write(folder.path()).unwrap();
    let again = ValueModel::open(folder.path(), &CPU).unwrap();
    assert_eq!(utilities(&model), utilities(&again));
    assert_eq!(model.train_labels(), again.train_labels());
    let copy = self::folder();
    again.write(copy.path()).unwrap();
    for name in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
    ] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
        assert!(read(folder.path()) == read(copy.path()), "{name}");
    }
}

#[test]
fn a_missing_file_is_named() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let folder = saved();
        std::fs::remove_file(folder.path().join(name)).unwrap();
        let error = open_error(folder.path());
        assert!(error.contains(&format!("there is no {name}")), "{error}");
    }
    assert!(
        ValueModel::open(Path::new("no/such"), &CPU)
            .unwrap_err()
            .to_string()
            .contains("no such folder")
    );
}

#[test]
fn truncated_weights_are_an_error_at_any_length() {
    let folder = saved();
    let path = folder.path().join("model.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 4, 8, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(
            open_error(folder.path()),
            "model.safetensors: the weights cannot be read",
            "{length}"
        );
    }
}

#[test]
fn a_configuration_that_does_not_fit_the_weights_is_an_error() {
    let table = [
        ("hidden_size", json!(32), "has the shape"),
        (
            "num_hidden_layers",
            json!(2),
            "tensor bert.encoder.layer.1.attention.self.query.weight is missing",
        ),
        (
            "num_attention_heads",
            json!(3),
            "hidden_size 16 cannot be shared by num_attention_heads 3",
        ),
        ("num_attention_heads", json!(0), "cannot be shared"),
        ("vocab_size", json!(7), "has the shape"),
        ("hidden_act", json!("sine"), "hidden_act \"sine\" is not known"),
        (
            "position_embedding_type",
            json!("relative_key"),
            "position_embedding_type \"relative_key\" is not known",
        ),
    ];
    for (key, value, expected) in table {
        let folder = saved();
        let mut config = read_json(&folder.path().join("config.json")).unwrap();
        config[key] = value;
        write(folder.path(), "config.json", config.to_string());
        let error = open_error(folder.path());
        assert!(error.contains(expected), "{key}: {error}");
    }
}

#[test]
fn an_mpnet_with_other_buckets_than_its_reference_knows_is_an_error() {
    let golden = Path::new("tests/fixtures/golden/mpnet");
    let folder = folder();
    for name in ["tokenizer.json", "model.safetensors"] {
        std::fs::copy(golden.join(name), folder.path().join(name)).unwrap();
    }
    let mut config = read_json(&golden.join("config.json")).unwrap();
    config["relative_attention_num_buckets"] = json!(64);
    write(folder.path(), "config.json", config.to_string());
    let error = ValueModel::from_pretrained(folder.path(), &new_model(), &CPU).unwrap_err();
    let expected = "relative_attention_num_buckets 64 is not known, only 32";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn a_configuration_of_another_kind_is_an_error() {
    let change = |key: &str, value: serde_json::Value| {
        let folder = saved();
        let mut config = read_json(&folder.path().join("config.json")).unwrap();
        config[key] = value;
        write(folder.path(), "config.json", config.to_string());
        ValueModel::open(folder.path(), &CPU).unwrap_err().to_string()
    };
    assert!(
        change("model_type", json!("t5"))
            .contains("model_type \"t5\" is not a family that valuenet knows")
    );
    assert!(change("model_type", json!(null)).contains("model_type is missing"));
    assert!(change("hidden_size", json!("wide")).contains("config.json: invalid type"));
    assert!(change("valuenet", json!(null)).contains("this is no value model"));
    let folder = saved();
    write(folder.path(), "config.json", "{ not json");
    let error = ValueModel::open(folder.path(), &CPU).unwrap_err().to_string();
    assert!(error.contains("config.json: not a JSON file"), "{error}");
}

#[test]
fn a_tokenizer_that_does_not_belong_to_the_model_is_an_error() {
    let folder = saved();
    std::fs::copy(format!("{BERT}/tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    assert_eq!(open_error(folder.path()), "tokenizer.json: the token [SECURITY] is missing");
    write(folder.path(), "tokenizer.json", "{}");
    assert!(open_error(folder.path()).contains("tokenizer.json: not a tokenizer that can be read"));
    let base = ValueModel::from_pretrained(Path::new(BERT), &new_model(), &CPU).unwrap();
    let other = self::folder();
    base.write(other.path()).unwrap();
    std::fs::copy(other.path().join("tokenizer.json"), folder.path().join("tokenizer.json"))
        .unwrap();
    assert!(open_error(folder.path()).contains("tokens, but the model has embeddings for"));
}

#[test]
fn pairs_that_do_not_fit_the_vocabulary_are_an_error_in_any_form() {
    let folder = saved();
    let merges = [r#"["a b"]"#, r#"[["a", "b"]]"#];
    for (mark, merges) in [("null", merges[0]), ("null", merges[1]), ("\"##\"", merges[1])] {
        let model = format!(
            r#"{{"type": "BPE", "dropout": null, "unk_token": null, "end_of_word_suffix": null,
            "continuing_subword_prefix": {mark}, "vocab": {{"a": 0, "b": 1}}, "merges": {merges}}}"#
        );
        let text = format!(
            r#"{{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
            "model": {model}}}"#
        );
        write(folder.path(), "tokenizer.json", text);
        let error = open_error(folder.path());
        assert!(error.contains("what \"a\" and \"b\" make is not in its vocabulary"), "{error}");
    }
}

#[test]
fn a_base_is_no_trained_model() {
    assert!(
        ValueModel::open(Path::new(BERT), &CPU)
            .unwrap_err()
            .to_string()
            .contains("this is no value model")
    );
}

/// The golden BERT with other files.
fn base(change: impl FnOnce(&mut HashMap<String, Tensor>)) -> tempfile::TempDir {
    let folder = folder();
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(format!("{BERT}/{name}"), folder.path().join(name)).unwrap();
    }
    let mut tensors =
        candle_core::safetensors::load(format!("{BERT}/model.safetensors"), &CPU).unwrap();
    change(&mut tensors);
    candle_core::safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();
    folder
}

fn from_base(folder: &Path, pooling: Pooling) -> ValueModel {
    let head = head(Range::Tanh, pooling);
    ValueModel::from_pretrained(
        folder,
        &valuenet::model::value_model::NewModel { head, ..new_model() },
        &CPU,
    )
    .unwrap()
}

#[test]
fn checkpoints_load_under_all_the_names_they_come_with() {
    let expected = utilities(&from_base(Path::new(BERT), Pooling::Pooler));
    let renamed = |change: fn(&str) -> String| {
        base(|tensors| {
            *tensors = tensors.drain().map(|(name, tensor)| (change(&name), tensor)).collect()
        })
    };
    let folders = [
        ("with the prefix", renamed(|name| format!("bert.{name}"))),
        (
            "with gamma and beta",
            renamed(|name| {
                name.replace("LayerNorm.weight", "LayerNorm.gamma")
                    .replace("LayerNorm.bias", "LayerNorm.beta")
            }),
        ),
        (
            "with more than is needed",
            base(|tensors| {
                tensors.insert(
                    "embeddings.position_ids".into(),
                    Tensor::arange(0i64, 64, &CPU).unwrap(),
                );
                tensors.insert(
                    "cls.predictions.bias".into(),
                    Tensor::zeros(330, candle_core::DType::F32, &CPU).unwrap(),
                );
                tensors.insert(
                    "classifier.weight".into(),
                    Tensor::ones((3, 32), candle_core::DType::F32, &CPU).unwrap(),
                );
            }),
        ),
        ("in half precision", base(|_| {})),
    ];
    for (name, folder) in folders {
        assert_eq!(utilities(&from_base(folder.path(), Pooling::Pooler)), expected, "{name}");
    }
}

#[test]
fn half_precision_checkpoints_are_read_as_f32() {
    let folder = base(|tensors| {
        for tensor in tensors.values_mut() {
            *tensor = tensor.to_dtype(candle_core::DType::BF16).unwrap();
        }
    });
    let model = from_base(folder.path(), Pooling::Cls);
    assert!(model.network().params().iter().all(|(_, var)| var.dtype() == candle_core::DType::F32));
    let full = utilities(&from_base(Path::new(BERT), Pooling::Cls));
    assert!(utilities(&model).iter().zip(full).all(|(half, full)| (half - full).abs() < 0.01));
}

/// A model whose weights stand in two files, with an index that says which tensor is where.
fn in_two_files() -> tempfile::TempDir {
    let folder = saved();
    let whole = folder.path().join("model.safetensors");
    let mut names: Vec<(String, Tensor)> =
        candle_core::safetensors::load(&whole, &CPU).unwrap().into_iter().collect();
    names.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut map = serde_json::Map::new();
    for (number, half) in names.chunks(names.len().div_ceil(2)).enumerate() {
        let part = format!("model-0000{}-of-00002.safetensors", number + 1);
        map.extend(half.iter().map(|(name, _)| (name.clone(), part.clone().into())));
        let tensors: HashMap<String, Tensor> = half.iter().cloned().collect();
        candle_core::safetensors::save(&tensors, folder.path().join(part)).unwrap();
    }
    std::fs::remove_file(whole).unwrap();
    let index = json!({"metadata": {}, "weight_map": map});
    write(folder.path(), "model.safetensors.index.json", index.to_string());
    folder
}

#[test]
fn weights_in_several_files_are_read_as_one() {
    let (folder, whole) = (in_two_files(), saved());
    let [parts, one] =
        [&folder, &whole].map(|folder| utilities(&ValueModel::open(folder.path(), &CPU).unwrap()));
    assert_eq!(parts, one);
    std::fs::remove_file(folder.path().join("model-00002-of-00002.safetensors")).unwrap();
    let missing = open_error(folder.path());
    assert_eq!(missing, "model-00002-of-00002.safetensors: the weights cannot be read");
}

#[test]
fn an_index_of_weights_names_files_beside_it_and_no_others() {
    for (index, says) in [
        (
            json!({"weight_map": {"a": "../a.safetensors"}}),
            "is not the name of a file of weights beside it",
        ),
        (
            json!({"weight_map": {"a": "/a.safetensors"}}),
            "is not the name of a file of weights beside it",
        ),
        (json!({"weight_map": {"a": 1}}), "1 is not the name of a file of weights beside it"),
        (json!({"weight_map": {"a": "a.bin"}}), "is not the name of a file of weights beside it"),
        (json!({"weight_map": {"a": "a.safetensors\n"}}), "of weights beside it"),
        (json!({"metadata": {}}), "there is no \"weight_map\" in it"),
        (json!({"weight_map": {}}), "there is no \"weight_map\" in it"),
    ] {
        let folder = in_two_files();
        write(folder.path(), "model.safetensors.index.json", index.to_string());
        let error = ValueModel::open(folder.path(), &CPU).unwrap_err().to_string();
        assert!(error.contains("index.json: ") && error.ends_with(says), "{error}");
    }
}

#[test]
fn a_pickled_checkpoint_loads_like_a_safetensors_one() {
    let folder = folder();
    for name in ["config.json", "tokenizer.json"] {
        std::fs::copy(format!("{BERT}/{name}"), folder.path().join(name)).unwrap();
    }
    let pickled = |name: &str| {
        std::fs::copy("tests/fixtures/pytorch_model.bin", folder.path().join(name)).unwrap();
    };
    pickled("pytorch_model.bin");
    let expected = utilities(&from_base(Path::new(BERT), Pooling::Pooler));
    assert_eq!(utilities(&from_base(folder.path(), Pooling::Pooler)), expected);

    // As a part, too.
    std::fs::remove_file(folder.path().join("pytorch_model.bin")).unwrap();
    pickled("pytorch_model-00001-of-00001.bin");
    let index = json!({"weight_map": {"pooler.dense.bias": "pytorch_model-00001-of-00001.bin"}});
    write(folder.path(), "pytorch_model.bin.index.json", index.to_string());
    assert_eq!(utilities(&from_base(folder.path(), Pooling::Pooler)), expected);
}

#[test]
fn a_tokenizer_in_two_files_is_as_good_as_in_one() {
    let roberta = Path::new("tests/fixtures/golden/roberta");
    let folder = folder();
    for name in ["config.json", "model.safetensors", "tokenizer_config.json"] {
        std::fs::copy(roberta.join(name), folder.path().join(name)).unwrap();
    }
    let model = &read_json(&roberta.join("tokenizer.json")).unwrap()["model"];
    write(folder.path(), "vocab.json", model["vocab"].to_string());
    let error =
        ValueModel::from_pretrained(folder.path(), &new_model(), &CPU).unwrap_err().to_string();
    assert!(
        error.contains("there is no tokenizer.json or vocab.json with merges.txt or"),
        "{error}"
    );
    let pairs = model["merges"].as_array().unwrap().iter();
    let lines =
        pairs.map(|pair| format!("{} {}\n", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    write(folder.path(), "merges.txt", format!("#version: 0.2\n{}", lines.collect::<String>()));
    let expected = utilities(&from_base(roberta, Pooling::Cls));
    assert_eq!(utilities(&from_base(folder.path(), Pooling::Cls)), expected);
}

#[test]
fn a_missing_pooler_starts_anew_and_other_tensors_may_not_be_missing() {
    let without =
        |part: &'static str| base(|tensors| tensors.retain(|name, _| !name.contains(part)));
    let model = from_base(without("pooler").path(), Pooling::Pooler);
    assert_eq!(
        model.network().newly_initialised(),
        [
            "bert.pooler.dense.weight",
            "bert.pooler.dense.bias",
            "classifier.weight",
            "classifier.bias"
        ]
    );
    let folder = without("layer.1.output.dense.bias");
    let error = ValueModel::from_pretrained(folder.path(), &new_model(), &CPU).unwrap_err();
    assert!(
        error.to_string().contains("tensor bert.encoder.layer.1.output.dense.bias is missing"),
        "{error}"
    );
}

#[test]
fn new_value_tokens_start_from_their_names() {
    let table = |init| {
        let new = valuenet::model::value_model::NewModel { value_tokens: init, ..new_model() };
        let model = ValueModel::from_pretrained(Path::new(BERT), &new, &CPU).unwrap();
        let index =
            model.network().params().index_of("bert.embeddings.word_embeddings.weight").unwrap();
        let pieces = Value::ALL.map(|value| model.text().name_pieces(value).unwrap());
        let ids = Value::ALL.map(|value| model.text().value_id(value) as usize);
        (model.network().params().var(index).to_vec2::<f32>().unwrap(), pieces, ids)
    };
    let (rows, pieces, ids) = table(ValueTokenInit::Mean);
    let old = candle_core::safetensors::load(format!("{BERT}/model.safetensors"), &CPU).unwrap();
    let old = old["embeddings.word_embeddings.weight"].to_vec2::<f32>().unwrap();
    assert_eq!(rows[..330], old);
    assert_eq!(ids, std::array::from_fn(|place| 330 + place));
    for (id, pieces) in ids.into_iter().zip(&pieces) {
        assert!(!pieces.is_empty());
        for (column, found) in rows[id].iter().enumerate() {
            let mean = pieces.iter().map(|&piece| old[piece as usize][column]).sum::<f32>()
                / pieces.len() as f32;
            assert!((found - mean).abs() < 1e-6);
        }
    }
    let (random, _, _) = table(ValueTokenInit::Random);
    assert_eq!(random[..330], old);
    assert!(random[330..].iter().flatten().all(|number| number.abs() < 0.2));
    assert_ne!(random[330], random[331]);
}

#[test]
fn rows_that_a_checkpoint_has_to_spare_are_used_for_new_tokens() {
    let padded = base(|tensors| {
        let table = tensors.get_mut("embeddings.word_embeddings.weight").unwrap();
        let spare = Tensor::zeros((22, 32), candle_core::DType::F32, &CPU).unwrap();
        *table = Tensor::cat(&[&*table, &spare], 0).unwrap();
    });
    let mut config = read_json(&padded.path().join("config.json")).unwrap();
    config["vocab_size"] = json!(352);
    write(padded.path(), "config.json", config.to_string());
    let model = from_base(padded.path(), Pooling::Cls);
    let index =
        model.network().params().index_of("bert.embeddings.word_embeddings.weight").unwrap();
    let rows: Vec<Vec<f32>> = model.network().params().var(index).to_vec2().unwrap();
    assert_eq!((rows.len(), rows[0].len()), (352, 32));
    let is_zero = |row: &Vec<f32>| row.iter().all(|x| *x == 0.0);
    assert!(
        !rows[330..340].iter().any(is_zero),
        "the value tokens' rows start like those of any base"
    );
    assert!(rows[340..].iter().all(is_zero), "the others stay");
    let folder = folder();
    model.write(folder.path()).unwrap();
    assert_eq!(utilities(&ValueModel::open(folder.path(), &CPU).unwrap()), utilities(&model));
}

#[test]
fn dropout_of_the_configuration_goes_into_the_model() {
    let new = valuenet::model::value_model::NewModel { dropout: Some(0.25), ..new_model() };
    let model = ValueModel::from_pretrained(Path::new(BERT), &new, &CPU).unwrap();
    let folder = folder();
    model.write(folder.path()).unwrap();
    let config = read_json(&folder.path().join("config.json")).unwrap();
    assert_eq!(
        (&config["hidden_dropout_prob"], &config["attention_probs_dropout_prob"]),
        (&json!(0.25), &json!(0.25))
    );
}

#[test]
fn a_prompt_longer_than_the_model_is_cut() {
    let new = valuenet::model::value_model::NewModel { max_length: 500, ..new_model() };
    let model = ValueModel::from_pretrained(Path::new(BERT), &new, &CPU).unwrap();
    let long = "today i got up ".repeat(10_000);
    assert!(model.utilities(&[(Value::Power, &long)]).unwrap()[0].is_finite());
}
