//! Value models of BERT's family as ONNX, for runtimes without Rust or Python.
//!
//! Inputs are the prompts `[CLS] [VALUE] text [SEP]`: `input_ids` and `attention_mask`, (batch, sequence) in int64.
//! Outputs are `logits`, (batch, outputs), and `utilities`, (batch), both in float32.

mod proto;

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Tensor};

use self::proto::Attribute::{Float, Int, Ints};
use self::proto::{Dim, Element, Graph};
use super::bert::BertConfig;
use super::files::ModelFiles;
use super::head::Pooling;
use super::metadata::{METADATA_KEY, ModelMetadata};
use super::value_head::{HeadSettings, Objective, Range};
use super::value_prompts::PromptKind;
use crate::disk;
use crate::error::{Error, Result};

/// The operator set: the first with layer normalization.
const OPERATORS: i64 = 17;

/// The value model in a folder as the bytes of an ONNX file.
///
/// # Errors
/// If it is no value model of BERT's family with a prompt for each value, or a file is missing or damaged.
pub fn onnx(folder: &Path) -> Result<Vec<u8>> {
    let files = ModelFiles::find(folder)?;
    let mut config = disk::read_json(&files.config)?;
    let refused = |what: &str| {
        Error::file(&files.config, format!("{what} is not written as ONNX"))
            .help("value models of model_type bert, with a prompt for each value, are")
    };
    if config["model_type"] != "bert" {
        return Err(refused(&format!("model_type {}", config["model_type"])));
    }
    let wrong = |error: serde_json::Error| Error::file(&files.config, error.to_string());
    let own: ModelMetadata = serde_json::from_value(config[METADATA_KEY].take())
        .map_err(|_| refused("a model without values"))?;
    if own.prompt == PromptKind::Shared {
        return Err(refused("the prompt \"shared\""));
    }
    let config: BertConfig = serde_json::from_value(config).map_err(wrong)?;
    if config.hidden_act != "gelu" || config.position_embedding_type != "absolute" {
        return Err(refused(&format!("hidden_act {:?}", config.hidden_act)));
    }
    let weights = Weights { files: &files, tensors: files.read_weights()? };
    Bert { graph: Graph::default(), config: &config, weights }.model(&own.head)
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
    fn model(mut self, head: &HeadSettings) -> Result<Vec<u8>> {
        let [batch, sequence] = ["batch", "sequence"].map(Dim::Named);
        for name in ["input_ids", "attention_mask"] {
            self.graph.input(name, Element::Int64, &[batch, sequence]);
        }
        let mut x = self.embeddings()?;
        let mask = self.mask();
        for number in 0..self.config.num_hidden_layers {
            x = self.layer(&format!("bert.encoder.layer.{number}"), &x, &mask)?;
        }
        let outputs = self.head(head, &x)?;
        self.graph.output("logits", Element::Float, &[batch, Dim::Known(outputs)]);
        self.graph.output("utilities", Element::Float, &[batch]);
        Ok(self.graph.into_model("valuenet", OPERATORS))
    }

    /// (batch, sequence, hidden)
    fn embeddings(&mut self) -> Result<String> {
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
        let shape = graph.node("Shape", &["input_ids"], &[("start", Int(1)), ("end", Int(2))]);
        let (from, axes) = (graph.ints(&[0]), graph.ints(&[0]));
        let positions = graph.node("Slice", &[&positions, &from, &shape, &axes], &[]);
        let words = graph.node("Gather", &[&words, "input_ids"], &[("axis", Int(0))]);
        let x = graph.node("Add", &[&words, &positions], &[]);
        self.norm("bert.embeddings.LayerNorm", &x)
    }

    /// What is added to the scores of attention, (batch, 1, 1, sequence): 0 for tokens, and next to nothing's logarithm
    /// for padding.
    fn mask(&mut self) -> String {
        let graph = &mut self.graph;
        let mask = graph.node("Cast", &["attention_mask"], &[("to", Int(Element::Float as i64))]);
        let (one, least) = (graph.scalar(1.0), graph.scalar(f32::MIN));
        let is_padding = graph.node("Sub", &[&one, &mask], &[]);
        let mask = graph.node("Mul", &[&is_padding, &least], &[]);
        let axes = graph.ints(&[1, 2]);
        graph.node("Unsqueeze", &[&mask, &axes], &[])
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

    /// Adds `logits` and `utilities`; how many logits there are.
    fn head(&mut self, head: &HeadSettings, x: &str) -> Result<usize> {
        let (hidden, outputs) = (self.config.hidden_size, head.objective.outputs());
        let (zero, axes) = (self.graph.ints(&[0]), self.graph.ints(&[1]));
        let state = self.graph.node("Gather", &[x, &zero], &[("axis", Int(1))]);
        let mut state = self.graph.node("Squeeze", &[&state, &axes], &[]);
        if head.pooling == Pooling::Pooler {
            state = self.linear("bert.pooler.dense", &state, hidden, hidden)?;
            state = self.graph.node("Tanh", &[&state], &[]);
        }
        let logits = self.linear("classifier", &state, hidden, outputs)?;
        let graph = &mut self.graph;
        graph.named("Identity", &[&logits], "logits", &[]);
        let row = |graph: &mut Graph, number: i64| {
            let place = graph.ints(&[number]);
            let column = graph.node("Gather", &[&logits, &place], &[("axis", Int(1))]);
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
            (Objective::Regression, Range::ScaledSigmoid) => {
                let logit = row(graph, 0);
                let share = graph.node("Sigmoid", &[&logit], &[]);
                let (two, one) = (graph.scalar(2.0), graph.scalar(1.0));
                let twice = graph.node("Mul", &[&share, &two], &[]);
                graph.named("Sub", &[&twice, &one], "utilities", &[]);
            }
            (Objective::Regression, range) => {
                let logit = row(graph, 0);
                let operator = if range == Range::Tanh { "Tanh" } else { "Identity" };
                graph.named(operator, &[&logit], "utilities", &[]);
            }
        }
        Ok(outputs)
    }
}
