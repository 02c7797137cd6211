//! DeBERTa v2 and v3 (He et al., ICLR 2021 and 2023) as transformers' `DebertaV2Model`, on packed
//! rows: attention knows how far apart two tokens are, and nothing else of positions.

use candle_core::Result;
use serde::Deserialize;

use crate::nn::activation::Activation;
use crate::nn::attention::{Attention, Buckets, Relative};
use crate::nn::dropout::dropout;
use crate::nn::embedding::{Embedding, lookup};
use crate::nn::layer_norm::LayerNorm;
use crate::nn::linear::{Linear, concatenated};
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

use super::backbone::{Architecture, Backbone, BackboneConfig};
use super::blocks::{Residual, Rows, check_heads, run_layers};
use super::head::HeadLayout;
use super::hidden_states::HiddenStates;

/// The part of a DeBERTa-v2 checkpoint's `config.json` that this model reads, with the defaults of
/// `DebertaV2Config`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct DebertaConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    #[serde(default = "default::gelu")]
    pub hidden_act: String,
    #[serde(default = "default::dropout")]
    pub hidden_dropout_prob: f32,
    #[serde(default = "default::dropout")]
    pub attention_probs_dropout_prob: f32,
    #[serde(default = "default::max_position_embeddings")]
    pub max_position_embeddings: usize,
    #[serde(default)]
    pub type_vocab_size: usize,
    #[serde(default = "default::layer_norm_eps")]
    pub layer_norm_eps: f64,
    #[serde(default)]
    pub relative_attention: bool,
    #[serde(default = "default::none")]
    pub max_relative_positions: i64,
    #[serde(default = "default::none")]
    pub position_buckets: i64,
    #[serde(default = "default::position_biased_input")]
    pub position_biased_input: bool,
    #[serde(default)]
    pub pos_att_type: Option<PosAttType>,
    #[serde(default)]
    pub share_att_key: bool,
    #[serde(default)]
    pub norm_rel_ebd: Option<String>,
    #[serde(default)]
    pub conv_kernel_size: usize,
    #[serde(default)]
    pub embedding_size: Option<usize>,
    #[serde(default)]
    pub pooler_dropout: f32,
    #[serde(default = "default::gelu")]
    pub pooler_hidden_act: String,
    #[serde(default)]
    pub cls_dropout: Option<f32>,
}

/// The terms of relative attention: a list, or one text with bars between.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum PosAttType {
    List(Vec<String>),
    Text(String),
}

mod default {
    pub fn gelu() -> String {
        "gelu".into()
    }
    pub fn dropout() -> f32 {
        0.1
    }
    pub fn max_position_embeddings() -> usize {
        512
    }
    pub fn layer_norm_eps() -> f64 {
        1e-7
    }
    pub fn none() -> i64 {
        -1
    }
    pub fn position_biased_input() -> bool {
        true
    }
}

impl DebertaConfig {
    /// The terms of attention scores that know of distances, if there are any.
    fn relative(&self) -> Option<Relative> {
        let has = |term: &str| match &self.pos_att_type {
            Some(PosAttType::List(terms)) => terms.iter().any(|other| other == term),
            Some(PosAttType::Text(terms)) => terms.split('|').any(|other| other.trim() == term),
            None => false,
        };
        let most = match usize::try_from(self.max_relative_positions) {
            Ok(most) if most > 0 => most,
            _ => self.max_position_embeddings,
        };
        let buckets = match usize::try_from(self.position_buckets) {
            Ok(span) if span > 0 => Buckets { span, logarithmic: Some(most) },
            _ => Buckets { span: most, logarithmic: None },
        };
        let (content_to_position, position_to_content) = (has("c2p"), has("p2c"));
        let relative = Relative {
            buckets,
            first_row: 0,
            rows: 2 * buckets.span,
            content_to_position,
            position_to_content,
        };
        (self.relative_attention && (content_to_position || position_to_content))
            .then_some(relative)
    }

    fn layer_norm(&self, scope: &Scope) -> Result<LayerNorm> {
        LayerNorm::load(&scope.enter("LayerNorm"), self.hidden_size, self.layer_norm_eps)
    }
}

impl BackboneConfig for DebertaConfig {
    fn architecture(&self) -> Result<Architecture> {
        Ok(Architecture {
            prefix: "deberta",
            word_embeddings: "embeddings.word_embeddings.weight",
            hidden_size: self.hidden_size,
            max_length: self.max_position_embeddings,
            dropout_keys: &[
                "hidden_dropout_prob",
                "attention_probs_dropout_prob",
                "pooler_dropout",
                "cls_dropout",
            ],
            class: "DebertaV2Model",
            pair_layers: None,
        })
    }

    fn classifier(&self) -> Result<Option<HeadLayout>> {
        Ok(Some(HeadLayout {
            class: "DebertaV2ForSequenceClassification",
            dense: "pooler.dense",
            activation: Activation::from_config("pooler_hidden_act", &self.pooler_hidden_act)?,
            output: "classifier",
            dropout_before: self.pooler_dropout,
            dropout: self.cls_dropout.unwrap_or(self.hidden_dropout_prob),
            ..HeadLayout::plain()
        }))
    }

    fn load(&self, scope: &Scope) -> Result<Box<dyn Backbone>> {
        Ok(Box::new(Deberta::load(scope, self)?))
    }
}

/// `DebertaV2Model`.
#[derive(Debug)]
pub struct Deberta {
    embeddings: Embeddings,
    distances: Option<Distances>,
    layer: Vec<Layer>, // encoder.layer
}

impl Deberta {
    /// Builds the model from the parameters below `scope`.
    ///
    /// # Errors
    /// If the configuration asks for what this model cannot do, or a parameter is missing or of
    /// another shape.
    pub fn load(scope: &Scope, config: &DebertaConfig) -> Result<Self> {
        check_heads(config.hidden_size, config.num_attention_heads)?;
        if config.conv_kernel_size > 0 {
            candle_core::bail!(
                "conv_kernel_size {}: a DeBERTa with a convolution is not known",
                config.conv_kernel_size
            );
        }
        if config.embedding_size.is_some_and(|size| size != config.hidden_size) {
            candle_core::bail!("embedding_size is not hidden_size: such a DeBERTa is not known");
        }
        let encoder = scope.enter("encoder");
        let relative = config.relative();
        let distances = relative.map(|relative| Distances::load(&encoder, relative, config));
        Ok(Self {
            embeddings: Embeddings::load(&scope.enter("embeddings"), config)?,
            distances: distances.transpose()?,
            layer: (0..config.num_hidden_layers)
                .map(|number| Layer::load(&encoder.enter("layer").enter(number), relative, config))
                .collect::<Result<_>>()?,
        })
    }
}

impl Backbone for Deberta {
    /// The last hidden states: (tokens, hidden) or (sequences, hidden).
    fn forward(&self, tape: &Tape, batch: &PackedBatch, states: HiddenStates) -> Result<Node> {
        let x = self.embeddings.forward(tape, batch)?;
        let distances =
            self.distances.as_ref().map(|distances| distances.forward(tape, batch)).transpose()?;
        run_layers(tape, &self.layer, x, batch, states, |layer, rows, x, batch| {
            layer.forward(tape, rows, x, batch, distances.as_ref())
        })
    }
}

/// `DebertaV2Embeddings`.
#[derive(Debug)]
struct Embeddings {
    word_embeddings: Embedding,
    position_embeddings: Option<Embedding>,
    token_type_embeddings: Option<Embedding>,
    layer_norm: LayerNorm, // LayerNorm
    dropout: f32,
}

impl Embeddings {
    fn load(scope: &Scope, config: &DebertaConfig) -> Result<Self> {
        let table =
            |name: &str, entries| Embedding::load(&scope.enter(name), entries, config.hidden_size);
        let positions = || table("position_embeddings", config.max_position_embeddings);
        let types = || table("token_type_embeddings", config.type_vocab_size);
        Ok(Self {
            word_embeddings: table("word_embeddings", config.vocab_size)?,
            position_embeddings: config.position_biased_input.then(positions).transpose()?,
            token_type_embeddings: (config.type_vocab_size > 0).then(types).transpose()?,
            layer_norm: config.layer_norm(scope)?,
            dropout: config.hidden_dropout_prob,
        })
    }

    /// (tokens, hidden)
    fn forward(&self, tape: &Tape, batch: &PackedBatch) -> Result<Node> {
        let types = vec![0; batch.ids.len()]; // a prompt is one segment
        let mut tables: Vec<(&Embedding, &[u32])> = vec![(&self.word_embeddings, &batch.ids)];
        tables.extend(
            self.position_embeddings.iter().map(|table| (table, batch.positions.as_slice())),
        );
        tables.extend(self.token_type_embeddings.iter().map(|table| (table, types.as_slice())));
        dropout(tape, &self.layer_norm.forward(tape, &lookup(tape, &tables)?)?, self.dropout)
    }
}

/// The vectors that stand for distances, shared by all layers.
#[derive(Debug)]
struct Distances {
    rel_embeddings: Embedding,
    layer_norm: Option<LayerNorm>, // LayerNorm
    relative: Relative,
}

/// The rows that the distances of a batch use: (rows, hidden).
struct Vectors {
    relative: Relative,
    rows: Node,
}

impl Distances {
    fn load(scope: &Scope, relative: Relative, config: &DebertaConfig) -> Result<Self> {
        let normed = config.norm_rel_ebd.as_ref().is_some_and(|norms| norms.contains("layer_norm"));
        let table = scope.enter("rel_embeddings");
        Ok(Self {
            rel_embeddings: Embedding::load(&table, relative.rows, config.hidden_size)?,
            layer_norm: normed.then(|| config.layer_norm(scope)).transpose()?,
            relative,
        })
    }

    fn forward(&self, tape: &Tape, batch: &PackedBatch) -> Result<Vectors> {
        let longest =
            batch.offsets.windows(2).map(|bounds| bounds[1] - bounds[0]).max().unwrap_or(1);
        let relative = self.relative.for_length(longest);
        let used: Vec<u32> = (relative.first_row..relative.first_row + relative.rows)
            .map(|row| row as u32)
            .collect();
        let rows = lookup(tape, &[(&self.rel_embeddings, &used)])?;
        let rows =
            self.layer_norm.as_ref().map_or(Ok(rows.clone()), |norm| norm.forward(tape, &rows))?;
        Ok(Vectors { relative, rows })
    }
}

/// `DebertaV2Layer`.
#[derive(Debug)]
struct Layer {
    query_proj: Linear, // attention.self.query_proj
    key_proj: Linear,
    value_proj: Linear,
    /// What brings the vectors of distances before queries.
    pos_key_proj: Option<Linear>,
    /// What brings them before keys.
    pos_query_proj: Option<Linear>,
    attention_output: Residual, // attention.output
    intermediate: Linear,       // intermediate.dense
    intermediate_act: Activation,
    output: Residual,
    heads: usize,
    attention_dropout: f32,
    hidden_dropout: f32,
}

impl Layer {
    fn load(scope: &Scope, relative: Option<Relative>, config: &DebertaConfig) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let own = scope.enter("attention.self");
        let linear = |name: &str| Linear::load(&own.enter(name), hidden, hidden);
        let (query_proj, key_proj) = (linear("query_proj")?, linear("key_proj")?);
        let position =
            |wanted: bool, shared: &Linear, name: &str| match (wanted, config.share_att_key) {
                (false, _) => Ok(None),
                (true, true) => Ok(Some(shared.clone())),
                (true, false) => linear(name).map(Some),
            };
        let (eps, dropout) = (config.layer_norm_eps, config.hidden_dropout_prob);
        let residual =
            |name: &str, inputs| Residual::load(&scope.enter(name), inputs, hidden, eps, dropout);
        let asks = |term: fn(&Relative) -> bool| relative.as_ref().is_some_and(term);
        Ok(Self {
            value_proj: linear("value_proj")?,
            pos_key_proj: position(asks(|r| r.content_to_position), &key_proj, "pos_key_proj")?,
            pos_query_proj: position(
                asks(|r| r.position_to_content),
                &query_proj,
                "pos_query_proj",
            )?,
            query_proj,
            key_proj,
            attention_output: residual("attention.output", hidden)?,
            intermediate: Linear::load(&scope.enter("intermediate.dense"), hidden, inner)?,
            intermediate_act: Activation::from_config("hidden_act", &config.hidden_act)?,
            output: residual("output", inner)?,
            heads: config.num_attention_heads,
            attention_dropout: config.attention_probs_dropout_prob,
            hidden_dropout: config.hidden_dropout_prob,
        })
    }

    /// (rows, hidden) and (tokens, hidden) to (rows, hidden).
    fn forward(
        &self,
        tape: &Tape,
        rows: &Rows,
        tokens: &Node,
        batch: &PackedBatch,
        distances: Option<&Vectors>,
    ) -> Result<Node> {
        let q = self.query_proj.forward(tape, &rows.x)?; // (rows, hidden)
        let kv = concatenated(tape, tokens, &[&self.key_proj, &self.value_proj])?; // (tokens, 2 hidden)
        let mut inputs = vec![q, kv];
        if let Some(distances) = distances {
            let vectors = dropout(tape, &distances.rows, self.hidden_dropout)?;
            for projection in self.pos_key_proj.iter().chain(&self.pos_query_proj) {
                inputs.push(projection.forward(tape, &vectors)?); // (vectors, hidden)
            }
        }
        let queries = rows.sequences.as_ref().unwrap_or(&batch.offsets).clone();
        let attention = Attention {
            relative: distances.map(|distances| distances.relative),
            dropout: tape.dropout_mask(self.attention_dropout),
            ..Attention::new(self.heads, queries, batch.offsets.clone())
        };
        let attended = tape.apply(attention, &inputs.iter().collect::<Vec<_>>())?;
        let x = self.attention_output.forward(tape, &attended, &rows.x)?;
        let inner = self.intermediate.activated(tape, &x, self.intermediate_act)?; // (rows, inner)
        self.output.forward(tape, &inner, &x)
    }
}
