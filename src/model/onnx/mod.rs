//! Value models of BERT's family as ONNX, for runtimes without Rust or Python.
//!
//! Inputs are the prompts `[CLS] [VALUE] text [SEP]`: `input_ids` and `attention_mask`, (batch, sequence) in int64.
//! Outputs are `logits`, (batch, outputs), and `utilities`, (batch), both in float32. A model whose values share a text
//! reads it once, in the prompt under any one of them, and gives (batch, 10, outputs) and (batch, 10).

mod proto;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use candle_core::{DType, Tensor};

use self::proto::Attribute::{Float, Int, Ints};
use self::proto::{Dim, Element, Graph};
use super::bert::BertConfig;
use super::files::ModelFiles;
use super::head::Pooling;
use super::metadata::{METADATA_KEY, ModelMetadata};
use super::value_head::{self, HeadSettings, Objective};
use super::value_prompts::PromptKind;
use crate::disk;
use crate::error::{Error, Result};
use crate::text::TextEncoder;
use crate::value::Value;

/// The operator set: the first with layer normalization.
const OPERATORS: i64 = 17;

/// What is added to the score of a token that is not seen.
const UNSEEN: f32 = f32::MIN;

/// The value model in a folder as the bytes of an ONNX file.
///
/// # Errors
/// If it is no value model of BERT's family, or a file is missing or damaged.
pub fn onnx(folder: &Path) -> Result<Vec<u8>> {
    let files = ModelFiles::find(folder)?;
    let mut config = disk::read_json(&files.config)?;
    let refused = |what: &str| {
        Error::file(&files.config, format!("{what} is not written as ONNX"))
            .help("value models of model_type bert are")
    };
    if config["model_type"] != "bert" {
        return Err(refused(&format!("model_type {}", config["model_type"])));
    }
    let wrong = |error: serde_json::Error| Error::file(&files.config, error.to_string());
    let own: ModelMetadata = serde_json::from_value(config[METADATA_KEY].take())
        .map_err(|_| refused("a model without values"))?;
    let config: BertConfig = serde_json::from_value(config).map_err(wrong)?;
    if config.hidden_act != "gelu" || config.position_embedding_type != "absolute" {
        return Err(refused(&format!("hidden_act {:?}", config.hidden_act)));
    }
    let encoder = TextEncoder::read(&files.tokenizer, own.max_length)?;
    let values = Value::ALL.map(|value| i64::from(encoder.value_id(value)));
    let weights = Weights { files: &files, tensors: files.read_weights()? };
    Bert { graph: Graph::default(), config: &config, weights }.model(&own, &values)
}

/// The tensors of a checkpoint.
struct Weights<'a> {
    files: &'a ModelFiles,
    tensors: HashMap<String, Tensor>,
}

impl Weights<'_> {
    /// The numbers of a tensor of this shape, (outputs, inputs) turned to (inputs, outputs) if it is to be.
    fn get(&self, name: &str, dims: &[usize], turned: bool) -> Result<Vec<f32>> {
        let wrong = |what: String| Error::file(&self.files.weights, format!("{name}: {what}"));
        let tensor =
            self.tensors.get(name).ok_or_else(|| wrong("there is no such tensor".into()))?;
        if tensor.dims() != dims {
            return Err(wrong(format!("the shape is {:?}, not {dims:?}", tensor.dims())));
        }
        let numbers = || {
            let tensor = if turned { tensor.t()?.contiguous()? } else { tensor.clone() };
            tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()
        };
        numbers().map_err(|error| wrong(error.to_string()))
    }
}

/// The graph of a BERT.
struct Bert<'a> {
    graph: Graph,
    config: &'a BertConfig,
    weights: Weights<'a>,
}

impl Bert<'_> {
    fn model(mut self, own: &ModelMetadata, values: &[i64]) -> Result<Vec<u8>> {
        let [batch, sequence] = ["batch", "sequence"].map(Dim::Named);
        for name in ["input_ids", "attention_mask"] {
            self.graph.input(name, Element::Int64, &[batch, sequence]);
        }
        let is_shared = own.prompt == PromptKind::Shared;
        let x = self.embeddings(if is_shared { values } else { &[] })?;
        let mask = self.mask();
        let layers = self.config.num_hidden_layers;
        let (states, dims) = if is_shared {
            (self.shared(&x, &mask, own.shared_layers)?, vec![batch, Dim::Known(Value::COUNT)])
        } else {
            let x = self.layers(0..layers, x, &mask)?;
            let (zero, axes) = (self.graph.ints(&[0]), self.graph.ints(&[1]));
            let first = self.graph.node("Gather", &[&x, &zero], &[("axis", Int(1))]);
            (self.graph.node("Squeeze", &[&first, &axes], &[]), vec![batch])
        };
        let outputs = self.head(&own.head, &states)?;
        let of_logits = [dims.as_slice(), &[Dim::Known(outputs)]].concat();
        self.graph.output("logits", Element::Float, &of_logits);
        self.graph.output("utilities", Element::Float, &dims);
        Ok(self.graph.into_model("valuenet", OPERATORS))
    }

    /// Those of the prompt, and behind it those of the tokens `values` at the second position, (batch, sequence + values,
    /// hidden).
    fn embeddings(&mut self, values: &[i64]) -> Result<String> {
        let &BertConfig {
            vocab_size, hidden_size, max_position_embeddings, type_vocab_size, ..
        } = self.config;
        let name = |table: &str| format!("bert.embeddings.{table}.weight");
        let (words, positions) = (name("word_embeddings"), name("position_embeddings"));
        let types = name("token_type_embeddings");
        let numbers = self.weights.get(&words, &[vocab_size, hidden_size], false)?;
        let words = self.graph.floats(&words, &[vocab_size, hidden_size], &numbers);
        let first = self.weights.get(&types, &[type_vocab_size, hidden_size], false)?;
        // A prompt is one segment, so its type goes with the position.
        let mut numbers =
            self.weights.get(&positions, &[max_position_embeddings, hidden_size], false)?;
        for (number, of_type) in numbers.iter_mut().zip(first[..hidden_size].iter().cycle()) {
            *number += of_type;
        }
        let dims = [max_position_embeddings, hidden_size];
        let positions = self.graph.floats(&positions, &dims, &numbers);
        let graph = &mut self.graph;
        let length = graph.length("input_ids", 1);
        let (from, axes) = (graph.ints(&[0]), graph.ints(&[0]));
        let places = graph.node("Slice", &[&positions, &from, &length, &axes], &[]);
        let tokens = graph.node("Gather", &[&words, "input_ids"], &[("axis", Int(0))]);
        let mut x = graph.node("Add", &[&tokens, &places], &[]);
        if !values.is_empty() {
            let (ids, batch, ones) =
                (graph.ints(values), graph.length("input_ids", 0), graph.ints(&[1, 1]));
            let tokens = graph.node("Gather", &[&words, &ids], &[("axis", Int(0))]);
            let place = graph.slice(&positions, 0, 1, 2);
            let tokens = graph.node("Add", &[&tokens, &place], &[]);
            let shape = graph.join(&[&batch, &ones], 0);
            let tokens = graph.node("Expand", &[&tokens, &shape], &[]);
            x = graph.join(&[&x, &tokens], 1);
        }
        self.norm("bert.embeddings.LayerNorm", &x)
    }

    /// What is added to the scores of attention, (batch, 1, 1, sequence): 0 for tokens, and next to nothing's logarithm
    /// for padding.
    fn mask(&mut self) -> String {
        let graph = &mut self.graph;
        let mask = graph.node("Cast", &["attention_mask"], &[("to", Int(Element::Float as i64))]);
        let (one, unseen) = (graph.scalar(1.0), graph.scalar(UNSEEN));
        let is_padding = graph.node("Sub", &[&one, &mask], &[]);
        let mask = graph.node("Mul", &[&is_padding, &unseen], &[]);
        let axes = graph.ints(&[1, 2]);
        graph.node("Unsqueeze", &[&mask, &axes], &[])
    }

    /// The states of all values that share a text, (batch, 10, hidden), from a prompt under one of them with all value
    /// tokens behind it: the first `alone` layers read the text without any.
    fn shared(&mut self, x: &str, mask: &str, alone: usize) -> Result<String> {
        const COUNT: i64 = Value::COUNT as i64;
        let graph = &mut self.graph;
        let first = graph.slice(x, 1, 0, 1);
        let text = graph.slice(x, 1, 2, -COUNT);
        let values = graph.slice(x, 1, -COUNT, i64::MAX);
        let of_text = graph.slice(mask, 3, 2, i64::MAX);
        let text = self.layers(0..alone, text, &of_text)?;

        // A [CLS] for each value, the values, and the text.
        let graph = &mut self.graph;
        let each = graph.ints(&[1, COUNT, 1]);
        let firsts = graph.node("Expand", &[&first, &each], &[]);
        let x = graph.join(&[&firsts, &values, &text], 1);

        // A pair sees itself and the text; the text sees the text.
        let pairs = 2 * Value::COUNT;
        let is_own = |place: usize| (place / pairs) % Value::COUNT == place % Value::COUNT;
        let seen = |place: usize| if is_own(place) { 0.0 } else { UNSEEN };
        let numbers: Vec<f32> = (0..pairs * pairs).map(seen).collect();
        let of_pairs = graph.floats("pairs", &[pairs, pairs], &numbers);
        let unseen = graph.floats("unseen", &[1, pairs], &vec![UNSEEN; pairs]);
        let (length, one) = (graph.length(&text, 1), graph.ints(&[1]));
        let shape = graph.join(&[&length, &one], 0);
        let below = graph.node("Expand", &[&unseen, &shape], &[]);
        let of_pairs = graph.join(&[&of_pairs, &below], 0);
        let (batch, ones) = (graph.length(&x, 0), graph.ints(&[1, 1, 1]));
        let shape = graph.join(&[&batch, &ones], 0);
        let axes = graph.ints(&[0, 1]);
        let of_pairs = graph.node("Unsqueeze", &[&of_pairs, &axes], &[]);
        let of_pairs = graph.node("Expand", &[&of_pairs, &shape], &[]);
        let (rows, ones) = (graph.length(&x, 1), graph.ints(&[1, 1]));
        let shape = graph.join(&[&ones, &rows, &one], 0);
        let of_text = graph.node("Expand", &[&of_text, &shape], &[]);
        let mask = graph.join(&[&of_pairs, &of_text], 3);

        let x = self.layers(alone..self.config.num_hidden_layers, x, &mask)?;
        Ok(self.graph.slice(&x, 1, 0, COUNT))
    }

    fn layers(&mut self, numbers: Range<usize>, mut x: String, mask: &str) -> Result<String> {
        for number in numbers {
            x = self.layer(&format!("bert.encoder.layer.{number}"), &x, mask)?;
        }
        Ok(x)
    }

    fn layer(&mut self, name: &str, x: &str, mask: &str) -> Result<String> {
        let (hidden, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let heads = self.config.num_attention_heads;
        let width = hidden / heads;
        let parted = self.graph.ints(&[0, 0, heads as i64, width as i64]);
        let mut of_heads = |own: &str, order: &[i64]| -> Result<String> {
            let all = self.linear(&format!("{name}.attention.self.{own}"), x, hidden, hidden)?;
            let heads = self.graph.node("Reshape", &[&all, &parted], &[]);
            Ok(self.graph.node("Transpose", &[&heads], &[("perm", Ints(order))]))
        };
        let query = of_heads("query", &[0, 2, 1, 3])?;
        let key = of_heads("key", &[0, 2, 3, 1])?;
        let value = of_heads("value", &[0, 2, 1, 3])?;
        let graph = &mut self.graph;
        let scores = graph.node("MatMul", &[&query, &key], &[]);
        let scale = graph.scalar((width as f32).sqrt().recip());
        let scores = graph.node("Mul", &[&scores, &scale], &[]);
        let scores = graph.node("Add", &[&scores, mask], &[]);
        let shares = graph.node("Softmax", &[&scores], &[("axis", Int(-1))]);
        let attended = graph.node("MatMul", &[&shares, &value], &[]);
        let attended = graph.node("Transpose", &[&attended], &[("perm", Ints(&[0, 2, 1, 3]))]);
        let joined = graph.ints(&[0, 0, hidden as i64]);
        let attended = graph.node("Reshape", &[&attended, &joined], &[]);
        let attended =
            self.linear(&format!("{name}.attention.output.dense"), &attended, hidden, hidden)?;
        let x = self.graph.node("Add", &[&attended, x], &[]);
        let x = self.norm(&format!("{name}.attention.output.LayerNorm"), &x)?;
        let wide = self.linear(&format!("{name}.intermediate.dense"), &x, hidden, inner)?;
        let wide = self.gelu(&wide);
        let y = self.linear(&format!("{name}.output.dense"), &wide, inner, hidden)?;
        let y = self.graph.node("Add", &[&y, &x], &[]);
        self.norm(&format!("{name}.output.LayerNorm"), &y)
    }

    fn linear(&mut self, name: &str, x: &str, inputs: usize, outputs: usize) -> Result<String> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let numbers = self.weights.get(&weight, &[outputs, inputs], true)?;
        let weight = self.graph.floats(&weight, &[inputs, outputs], &numbers);
        let numbers = self.weights.get(&bias, &[outputs], false)?;
        let bias = self.graph.floats(&bias, &[outputs], &numbers);
        let product = self.graph.node("MatMul", &[x, &weight], &[]);
        Ok(self.graph.node("Add", &[&product, &bias], &[]))
    }

    fn norm(&mut self, name: &str, x: &str) -> Result<String> {
        let hidden = self.config.hidden_size;
        let names = ["weight", "bias"].map(|own| format!("{name}.{own}"));
        let mut known = Vec::new();
        for name in &names {
            let numbers = self.weights.get(name, &[hidden], false)?;
            known.push(self.graph.floats(name, &[hidden], &numbers));
        }
        let eps = Float(self.config.layer_norm_eps as f32);
        let settings = [("axis", Int(-1)), ("epsilon", eps)];
        Ok(self.graph.node("LayerNormalization", &[x, &known[0], &known[1]], &settings))
    }

    /// The exact one, by the error function.
    fn gelu(&mut self, x: &str) -> String {
        let graph = &mut self.graph;
        let (root, one, half) = (graph.scalar(2f32.sqrt()), graph.scalar(1.0), graph.scalar(0.5));
        let scaled = graph.node("Div", &[x, &root], &[]);
        let error = graph.node("Erf", &[&scaled], &[]);
        let share = graph.node("Add", &[&error, &one], &[]);
        let x = graph.node("Mul", &[x, &half], &[]);
        graph.node("Mul", &[&x, &share], &[])
    }

    /// Adds `logits` and `utilities` of states; how many logits a state has.
    fn head(&mut self, head: &HeadSettings, states: &str) -> Result<usize> {
        let (hidden, outputs) = (self.config.hidden_size, head.objective.outputs());
        let axes = self.graph.ints(&[-1]);
        let mut state = states.to_string();
        if head.pooling == Pooling::Pooler {
            state = self.linear("bert.pooler.dense", &state, hidden, hidden)?;
            state = self.graph.node("Tanh", &[&state], &[]);
        }
        let logits = self.linear("classifier", &state, hidden, outputs)?;
        let graph = &mut self.graph;
        graph.named("Identity", &[&logits], "logits", &[]);
        let row = |graph: &mut Graph, number: i64| {
            let place = graph.ints(&[number]);
            let column = graph.node("Gather", &[&logits, &place], &[("axis", Int(-1))]);
            graph.node("Squeeze", &[&column, &axes], &[])
        };
        match (head.objective, head.activation) {
            (Objective::ThreeClass | Objective::Joint, _) => {
                let shares = graph.node("Softmax", &[&logits], &[("axis", Int(-1))]);
                let labels = graph.floats("labels", &[3, 1], &[-1.0, 0.0, 1.0]);
                let utilities = graph.node("MatMul", &[&shares, &labels], &[]);
                graph.named("Squeeze", &[&utilities, &axes], "utilities", &[]);
            }
            (Objective::Ordinal, _) => {
                let (first, second) = (row(graph, 0), row(graph, 1));
                let [first, second] = [first, second].map(|it| graph.node("Sigmoid", &[&it], &[]));
                let one = graph.scalar(1.0);
                let more = graph.node("Add", &[&second, &one], &[]);
                let product = graph.node("Mul", &[&first, &more], &[]);
                graph.named("Sub", &[&product, &one], "utilities", &[]);
            }
            (Objective::Relevance, _) => {
                let logit = row(graph, 0);
                graph.named("Sigmoid", &[&logit], "utilities", &[]);
            }
            (Objective::Regression, value_head::Range::ScaledSigmoid) => {
                let logit = row(graph, 0);
                let share = graph.node("Sigmoid", &[&logit], &[]);
                let (two, one) = (graph.scalar(2.0), graph.scalar(1.0));
                let twice = graph.node("Mul", &[&share, &two], &[]);
                graph.named("Sub", &[&twice, &one], "utilities", &[]);
            }
            (Objective::Regression, range) => {
                let logit = row(graph, 0);
                let operator = if range == value_head::Range::Tanh { "Tanh" } else { "Identity" };
                graph.named(operator, &[&logit], "utilities", &[]);
            }
        }
        Ok(outputs)
    }
}
