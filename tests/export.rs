//! Models to hand on: folders, and ONNX graphs, which are evaluated here node by node.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{D, DType, Device, Tensor};
use serde_json::Value as Json;
use valuenet::model::ValueModel;
use valuenet::model::onnx::onnx;
use valuenet::model::scratch::ScratchSettings;
use valuenet::model::value_head::{Objective, Range};
use valuenet::model::value_model::NewModel;
use valuenet::model::value_prompts::PromptKind;
use valuenet::value::Value;

use crate::support::{
    assert_fails, folder, new_model, saved_model, stderr, stdout, valuenet, write,
};

/// A message of protobuf: its fields, each a number or bytes.
struct Message(Vec<(u64, Field)>);

enum Field {
    Number(u64),
    Float(f32),
    Bytes(Vec<u8>),
}

impl Message {
    fn read(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let varint = |rest: &mut &[u8]| {
            let mut number = 0;
            for place in 0.. {
                let byte = rest[0];
                *rest = &rest[1..];
                number |= u64::from(byte & 0x7f) << (7 * place);
                if byte < 0x80 {
                    break;
                }
            }
            number
        };
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let tag = varint(&mut rest);
            let field = match tag & 7 {
                0 => Field::Number(varint(&mut rest)),
                2 => {
                    let length = varint(&mut rest) as usize;
                    let (own, behind) = rest.split_at(length);
                    rest = behind;
                    Field::Bytes(own.to_vec())
                }
                5 => {
                    let (own, behind) = rest.split_at(4);
                    rest = behind;
                    Field::Float(f32::from_le_bytes(own.try_into().unwrap()))
                }
                other => panic!("wire type {other}"),
            };
            fields.push((tag >> 3, field));
        }
        Self(fields)
    }

    fn bytes(&self, wanted: u64) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter_map(move |(number, field)| match field {
            Field::Bytes(bytes) if *number == wanted => Some(bytes.as_slice()),
            _ => None,
        })
    }

    fn texts(&self, wanted: u64) -> Vec<String> {
        self.bytes(wanted).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).collect()
    }

    fn messages(&self, wanted: u64) -> Vec<Self> {
        self.bytes(wanted).map(Self::read).collect()
    }

    fn numbers(&self, wanted: u64) -> Vec<i64> {
        let number = |(number, field): &(u64, Field)| match field {
            Field::Number(it) if *number == wanted => Some(*it as i64),
            _ => None,
        };
        self.0.iter().filter_map(number).collect()
    }

    fn float(&self, wanted: u64) -> Option<f32> {
        self.0.iter().find_map(|(number, field)| match field {
            Field::Float(it) if *number == wanted => Some(*it),
            _ => None,
        })
    }
}

/// What a tensor of an ONNX file holds.
fn tensor(message: &Message) -> (String, Tensor) {
    let dims: Vec<usize> = message.numbers(1).iter().map(|&dim| dim as usize).collect();
    let raw = message.bytes(9).next().unwrap();
    let tensor = match message.numbers(2)[0] {
        1 => {
            let numbers = raw.chunks(4).map(|it| f32::from_le_bytes(it.try_into().unwrap()));
            Tensor::from_vec(numbers.collect::<Vec<f32>>(), dims, &Device::Cpu)
        }
        7 => {
            let numbers = raw.chunks(8).map(|it| i64::from_le_bytes(it.try_into().unwrap()));
            Tensor::from_vec(numbers.collect::<Vec<i64>>(), dims, &Device::Cpu)
        }
        other => panic!("elements {other}"),
    };
    (message.texts(8).remove(0), tensor.unwrap())
}

/// Evaluates a graph, in the words of ONNX's operators.
fn evaluate(file: &[u8], inputs: [(&str, Tensor); 2]) -> HashMap<String, Tensor> {
    let model = Message::read(file);
    assert_eq!(model.messages(8)[0].numbers(2), [17]);
    let graph = &model.messages(7)[0];
    let declared: Vec<String> = graph.messages(11).iter().map(|it| it.texts(1).remove(0)).collect();
    assert_eq!(declared, ["input_ids", "attention_mask"]);
    let mut known: HashMap<String, Tensor> = graph.messages(5).iter().map(tensor).collect();
    known.extend(inputs.map(|(name, tensor)| (name.to_string(), tensor)));
    for node in graph.messages(1) {
        let (names, operator) = (node.texts(1), node.texts(4).remove(0));
        let x: Vec<&Tensor> = names
            .iter()
            .map(|name| {
                known.get(name).unwrap_or_else(|| panic!("{name} is used before it is made"))
            })
            .collect();
        let attributes: HashMap<String, Message> =
            node.messages(5).into_iter().map(|it| (it.texts(1).remove(0), it)).collect();
        let int = |name: &str| attributes[name].numbers(3)[0];
        let ints = |tensor: &Tensor| tensor.to_vec1::<i64>().unwrap();
        let axis = |number: i64, rank: usize| {
            if number < 0 { rank - number.unsigned_abs() as usize } else { number as usize }
        };
        let made = match operator.as_str() {
            "Shape" => {
                let dims = &x[0].dims()[int("start") as usize..int("end") as usize];
                let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
                Tensor::new(dims, &Device::Cpu)
            }
            "Slice" => {
                let axis = axis(ints(x[3])[0], x[0].rank());
                let length = x[0].dims()[axis] as i64;
                let place = |it: i64| (if it < 0 { length + it } else { it.min(length) }) as usize;
                let (from, to) = (place(ints(x[1])[0]), place(ints(x[2])[0]));
                x[0].narrow(axis, from, to - from)
            }
            "Concat" => Tensor::cat(&x, axis(int("axis"), x[0].rank())),
            "Expand" => {
                let dims = ints(x[1]);
                let ahead = vec![1; dims.len().saturating_sub(x[0].rank())];
                let own = [ahead.as_slice(), x[0].dims()].concat();
                let wider: Vec<usize> =
                    own.iter().zip(&dims).map(|(&own, &dim)| own.max(dim as usize)).collect();
                x[0].reshape(own).unwrap().broadcast_as(wider).unwrap().contiguous()
            }
            "Gather" => {
                let axis = axis(int("axis"), x[0].rank());
                let picked = x[0]
                    .index_select(&x[1].flatten_all().unwrap().to_dtype(DType::U32).unwrap(), axis)
                    .unwrap();
                let dims = [&x[0].dims()[..axis], x[1].dims(), &x[0].dims()[axis + 1..]].concat();
                picked.reshape(dims)
            }
            "Add" => x[0].broadcast_add(x[1]),
            "Sub" => x[0].broadcast_sub(x[1]),
            "Mul" => x[0].broadcast_mul(x[1]),
            "Div" => x[0].broadcast_div(x[1]),
            "MatMul" => x[0].contiguous().unwrap().broadcast_matmul(&x[1].contiguous().unwrap()),
            "Cast" => x[0].to_dtype(DType::F32),
            "Unsqueeze" => {
                ints(x[1]).iter().try_fold(x[0].clone(), |it, &axis| it.unsqueeze(axis as usize))
            }
            "Squeeze" => x[0].squeeze(axis(ints(x[1])[0], x[0].rank())),
            "Reshape" => {
                let dims = ints(x[1]);
                let dims = dims
                    .iter()
                    .zip(x[0].dims())
                    .map(|(&dim, &own)| if dim == 0 { own } else { dim as usize });
                let behind = ints(x[1])
                    .iter()
                    .skip(x[0].rank())
                    .map(|&dim| dim as usize)
                    .collect::<Vec<_>>();
                x[0].contiguous().unwrap().reshape(dims.chain(behind).collect::<Vec<_>>())
            }
            "Transpose" => {
                let order: Vec<usize> =
                    attributes["perm"].numbers(8).iter().map(|&it| it as usize).collect();
                x[0].permute(order)
            }
            "Softmax" => candle_nn::ops::softmax(x[0], axis(int("axis"), x[0].rank())),
            "LayerNormalization" => {
                let eps = f64::from(attributes["epsilon"].float(2).unwrap());
                let off = x[0].broadcast_sub(&x[0].mean_keepdim(D::Minus1).unwrap()).unwrap();
                let variance = off.sqr().unwrap().mean_keepdim(D::Minus1).unwrap();
                let norm = off.broadcast_div(&(variance + eps).unwrap().sqrt().unwrap()).unwrap();
                norm.broadcast_mul(x[1]).unwrap().broadcast_add(x[2])
            }
            "Erf" => x[0].erf(),
            "Tanh" => x[0].tanh(),
            "Sigmoid" => candle_nn::ops::sigmoid(x[0]),
            "Identity" => Ok(x[0].clone()),
            other => panic!("the operator {other}"),
        };
        let name = node.texts(2).remove(0);
        assert!(known.insert(name, made.unwrap()).is_none(), "a name is given twice");
    }
    let outputs = graph.messages(12).into_iter().map(|it| it.texts(1).remove(0));
    outputs.map(|name| (name.clone(), known[&name].clone())).collect()
}

/// The prompts of texts under these values, padded to one length, and their mask.
fn prompts(model: &Path, texts: &[&str], values: &[Value]) -> [(&'static str, Tensor); 2] {
    let tokenizer = tokenizers::Tokenizer::from_file(model.join("tokenizer.json")).unwrap();
    let ids: Vec<Vec<u32>> = texts
        .iter()
        .flat_map(|text| values.iter().map(move |value| format!("{} {text}", value.token())))
        .map(|prompt| tokenizer.encode(prompt, true).unwrap().get_ids().to_vec())
        .collect();
    let longest = ids.iter().map(Vec::len).max().unwrap();
    let padded = |of: &dyn Fn(Option<&u32>) -> i64| {
        let rows = ids.iter().flat_map(|row| (0..longest).map(|place| of(row.get(place))));
        Tensor::from_vec(rows.collect::<Vec<i64>>(), (ids.len(), longest), &Device::Cpu).unwrap()
    };
    [
        ("input_ids", padded(&|id| id.map_or(0, |id| i64::from(*id)))),
        ("attention_mask", padded(&|id| i64::from(id.is_some()))),
    ]
}

/// The utilities of the lines of a file, as `infer` gives them.
fn utilities(model: &Path, lines: &str) -> Vec<f32> {
    let output = valuenet(["infer", &model.display().to_string(), lines]);
    stdout(&output)
        .lines()
        .flat_map(|line| {
            let json: Json = serde_json::from_str(line).unwrap();
            Value::ALL.map(|value| json["utilities"][value.name()].as_f64().unwrap() as f32)
        })
        .collect()
}

/// Gives the model in a folder another head.
fn with_head(model: &Path, objective: Objective, activation: Range) {
    use valuenet::model::files::{ModelFiles, write_tensors};
    let config = model.join("config.json");
    let mut json: Json = serde_json::from_str(&std::fs::read_to_string(&config).unwrap()).unwrap();
    json["valuenet"]["objective"] = serde_json::to_value(objective).unwrap();
    json["valuenet"]["activation"] = serde_json::to_value(activation).unwrap();
    let outputs = objective.outputs();
    let labels = (0..outputs).map(|label| (label.to_string(), format!("L{label}").into()));
    json["id2label"] = Json::Object(labels.collect());
    std::fs::write(&config, json.to_string()).unwrap();
    let mut tensors = ModelFiles::find(model).unwrap().read_weights().unwrap();
    let hidden = tensors["classifier.weight"].dim(1).unwrap();
    let number = |place: usize| ((place * 37 % 19) as f32 - 9.0) / 9.0;
    let numbers: Vec<f32> = (0..outputs * hidden).map(number).collect();
    tensors.insert(
        "classifier.weight".into(),
        Tensor::from_vec(numbers, (outputs, hidden), &Device::Cpu).unwrap(),
    );
    tensors.insert(
        "classifier.bias".into(),
        Tensor::from_vec((0..outputs).map(number).collect::<Vec<f32>>(), outputs, &Device::Cpu)
            .unwrap(),
    );
    write_tensors(&model.join("model.safetensors"), tensors.into_iter().collect()).unwrap();
}

#[test]
fn the_graph_gives_the_utilities_of_every_head() {
    let folder = folder();
    let model = saved_model(folder.path());
    let texts = ["helping a friend", "hurting Ann", "painting"];
    let lines = write(folder.path(), "t.txt", texts.join("\n")).display().to_string();
    for (objective, activation) in [
        (Objective::Regression, Range::ScaledSigmoid),
        (Objective::Regression, Range::Tanh),
        (Objective::Regression, Range::Identity),
        (Objective::ThreeClass, Range::ScaledSigmoid),
        (Objective::Joint, Range::ScaledSigmoid),
        (Objective::Ordinal, Range::ScaledSigmoid),
        (Objective::Relevance, Range::ScaledSigmoid),
    ] {
        with_head(&model, objective, activation);
        let wanted = utilities(&model, &lines);
        let outputs = evaluate(&onnx(&model).unwrap(), prompts(&model, &texts, &Value::ALL));
        let found = outputs["utilities"].to_vec1::<f32>().unwrap();
        assert_eq!(outputs["logits"].dims(), [30, objective.outputs()]);
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!((found - wanted).abs() < 1e-5, "{objective:?}: {found} and {wanted}");
        }
        let spread = wanted.iter().fold(0f32, |most, it| most.max((it - wanted[0]).abs()));
        assert!(spread > 1e-3, "{objective:?}: they differ by {spread}");
    }
}

#[test]
fn a_text_that_its_values_share_is_read_once() {
    let size = ScratchSettings {
        vocabulary_size: 200,
        hidden_size: 16,
        layers: 3,
        heads: 2,
        intermediate_size: 32,
    };
    let texts = ["helping a friend who moves house", "hurting Ann", "so"];
    for (shared_layers, objective) in
        [(0, Objective::Regression), (2, Objective::Joint), (1, Objective::Ordinal)]
    {
        let folder = folder();
        let new = NewModel { prompt: PromptKind::Shared, shared_layers, ..new_model() };
        let model = ValueModel::from_scratch(&size, texts.into_iter(), &new, &Device::Cpu).unwrap();
        model.write(folder.path()).unwrap();
        with_head(folder.path(), objective, Range::ScaledSigmoid);
        let lines = write(folder.path(), "t.txt", texts.join("\n") + "\n").display().to_string();
        let wanted = utilities(folder.path(), &lines);
        // Under which value the text is given makes no difference.
        for value in [Value::Security, Value::Tradition] {
            let inputs = prompts(folder.path(), &texts, &[value]);
            let outputs = evaluate(&onnx(folder.path()).unwrap(), inputs);
            assert_eq!(outputs["logits"].dims(), [3, 10, objective.outputs()]);
            let found = outputs["utilities"].to_vec2::<f32>().unwrap().concat();
            assert_eq!(found.len(), wanted.len());
            for (found, wanted) in found.iter().zip(&wanted) {
                assert!((found - wanted).abs() < 1e-5, "{shared_layers}: {found} and {wanted}");
            }
        }
        let spread = wanted.iter().fold(0f32, |most, it| most.max((it - wanted[0]).abs()));
        assert!(spread > 1e-3, "{shared_layers}: they differ by {spread}");
    }
}

#[test]
fn a_folder_to_hand_on_is_a_model_and_nothing_else() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let to = folder.path().join("to").display().to_string();
    let output = valuenet(["export", &model, "-o", &to, "--onnx"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = write(folder.path(), "t.txt", "helping a friend\n").display().to_string();
    assert_eq!(
        stdout(&valuenet(["infer", &to, &lines])),
        stdout(&valuenet(["infer", &model, &lines]))
    );
    assert!(std::fs::metadata(Path::new(&to).join("model.onnx")).unwrap().len() > 10_000);
    assert_fails(
        &valuenet(["export", &model, "-o", &to]),
        2,
        &["exists and is not an empty folder"],
    );
    let nowhere = folder.path().join("nowhere").display().to_string();
    let other = folder.path().join("other").display().to_string();
    assert_fails(&valuenet(["export", &nowhere, "-o", &other]), 1, &["nowhere"]);
    assert_fails(&valuenet(["export", "tests", "-o", &other]), 1, &["there is no config.json"]);
    let config = Path::new(&model).join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    for (from, into, says) in [
        (
            "\"model_type\": \"bert\"",
            "\"model_type\": \"roberta\"",
            "model_type \"roberta\" is not written as ONNX",
        ),
        ("\"valuenet\"", "\"valuenot\"", "a model without values is not written as ONNX"),
        ("\"hidden_act\": \"gelu\"", "\"hidden_act\": \"relu\"", "hidden_act"),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(&config, text.replace(from, into)).unwrap();
        assert_fails(&valuenet(["export", &model, "-o", &other, "--onnx"]), 1, &[says]);
        assert!(!Path::new(&other).exists());
    }
}
