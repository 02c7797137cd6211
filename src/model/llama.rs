//! Llama (Touvron et al., 2023) as transformers' `LlamaModel`, on packed rows: rotary positions,
//! heads of keys that serve several heads of queries, gated feed-forward networks, root mean square
//! norms. SmolLM2 is one.

use candle_core::Result;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::nn::activation::Activation;
use crate::nn::attention::{KeyValues, Offsets};
use crate::nn::embedding::{Embedding, lookup};
use crate::nn::gated::gated;
use crate::nn::linear::{Linear, concatenated};
use crate::nn::params::Scope;
use crate::nn::rms_norm::RmsNorm;
use crate::nn::rotary::{Angles, Rotary, Scaling, frequencies};
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

use super::backbone::{Architecture, Backbone, BackboneConfig};
use super::blocks::check_heads;
use super::decoder::{self, Decoder, Heads, LanguageHead};
use super::hidden_states::HiddenStates;

/// The part of a Llama checkpoint's `config.json` that this model reads, with the defaults of
/// `LlamaConfig`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct LlamaConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    #[serde(default)]
    pub num_key_value_heads: Option<usize>,
    #[serde(default)]
    pub head_dim: Option<usize>,
    #[serde(default = "default::hidden_act")]
    pub hidden_act: String,
    #[serde(default = "default::max_position_embeddings")]
    pub max_position_embeddings: usize,
    #[serde(default = "default::rms_norm_eps")]
    pub rms_norm_eps: f64,
    #[serde(default)]
    pub rope_theta: Option<f64>,
    #[serde(default)]
    pub rope_scaling: Json,
    #[serde(default)]
    pub rope_parameters: Json,
    #[serde(default)]
    pub attention_bias: bool,
    #[serde(default)]
    pub mlp_bias: bool,
    #[serde(default)]
    pub attention_dropout: f32,
    #[serde(default)]
    pub tie_word_embeddings: bool,
}

mod default {
    pub fn hidden_act() -> String {
        "silu".into()
    }
    pub fn max_position_embeddings() -> usize {
        2048
    }
    pub fn rms_norm_eps() -> f64 {
        1e-6
    }
}

impl LlamaConfig {
    fn key_value_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    fn head_width(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    /// By what angle the numbers of a head are turned from one position to the next. Checkpoints
    /// have said it in `rope_theta` and `rope_scaling`, and newer ones say it in `rope_parameters`.
    fn frequencies(&self) -> Result<Vec<f64>> {
        let stated = |key: &str| match &self.rope_parameters[key] {
            Json::Null => &self.rope_scaling[key],
            stated => stated,
        };
        let number = |key: &str| {
            let found = stated(key).as_f64();
            found.ok_or_else(|| candle_core::Error::msg(format!("rope_scaling.{key} is missing")))
        };
        let kind = stated("rope_type").as_str().or(stated("type").as_str()).unwrap_or("default");
        let scaling = match kind {
            "default" => None,
            "linear" => Some(Scaling::Linear(number("factor")?)),
            "llama3" => Some(Scaling::Llama3 {
                factor: number("factor")?,
                low: number("low_freq_factor")?,
                high: number("high_freq_factor")?,
                original_positions: number("original_max_position_embeddings")?,
            }),
            _ => candle_core::bail!("rope_type \"{kind}\" is not known"),
        };
        let theta = self.rope_parameters["rope_theta"].as_f64().or(self.rope_theta);
        let plain = frequencies(theta.unwrap_or(10_000.0), self.head_width());
        let scaled = |frequency| scaling.map_or(frequency, |scaling| scaling.of(frequency));
        Ok(plain.into_iter().map(scaled).collect())
    }

    fn norm(&self, scope: &Scope) -> Result<RmsNorm> {
        RmsNorm::load(scope, self.hidden_size, self.rms_norm_eps)
    }
}

impl BackboneConfig for LlamaConfig {
    fn architecture(&self) -> Result<Architecture> {
        Ok(Architecture {
            prefix: "model",
            word_embeddings: "embed_tokens.weight",
            hidden_size: self.hidden_size,
            max_length: self.max_position_embeddings,
            dropout_keys: &["attention_dropout"],
            class: "LlamaModel",
            pair_layers: None,
        })
    }

    fn language_head(&self) -> Option<LanguageHead> {
        let is_tied = self.tie_word_embeddings;
        Some(LanguageHead { class: "LlamaForCausalLM", output: "lm_head", is_tied })
    }

    fn load(&self, scope: &Scope) -> Result<Box<dyn Backbone>> {
        Ok(Box::new(Llama::load(scope, self)?))
    }

    fn load_decoder(&self, scope: &Scope) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(Llama::load(scope, self)?))
    }
}

/// `LlamaModel`.
#[derive(Debug)]
pub struct Llama {
    embed_tokens: Embedding,
    layers: Vec<DecoderLayer>,
    norm: RmsNorm,
    frequencies: Vec<f64>,
    /// The width of all keys of a token.
    keys: usize,
}

impl Llama {
    /// Builds the model from the parameters below `scope`.
    ///
    /// # Errors
    /// If the configuration asks for what this model cannot do, or a parameter is missing or of
    /// another shape.
    pub fn load(scope: &Scope, config: &LlamaConfig) -> Result<Self> {
        let keys = config.key_value_heads();
        if keys == 0 || !config.num_attention_heads.is_multiple_of(keys) {
            candle_core::bail!(
                "num_attention_heads {} cannot share num_key_value_heads {keys}",
                config.num_attention_heads
            );
        }
        if config.head_dim.is_none() {
            check_heads(config.hidden_size, config.num_attention_heads)?;
        }
        let (table, layers) = (scope.enter("embed_tokens"), scope.enter("layers"));
        Ok(Self {
            embed_tokens: Embedding::load(&table, config.vocab_size, config.hidden_size)?,
            layers: (0..config.num_hidden_layers)
                .map(|number| DecoderLayer::load(&layers.enter(number), config))
                .collect::<Result<_>>()?,
            norm: config.norm(&scope.enter("norm"))?,
            frequencies: config.frequencies()?,
            keys: keys * config.head_width(),
        })
    }

    /// (tokens, hidden)
    fn states(
        &self,
        tape: &Tape,
        tokens: &PackedBatch,
        kept: Option<&mut [KeyValues]>,
    ) -> Result<Node> {
        let (x, turn) = self.begin(tape, tokens)?;
        let x = decoder::run_layers(&self.layers, kept, x, |layer, x, kept| {
            layer.forward(tape, x, tokens, turn(layer.turned), kept)
        })?;
        self.norm.forward(tape, &x)
    }

    /// The embeddings, (tokens, hidden), and what turns so many columns of queries and keys.
    fn begin(&self, tape: &Tape, tokens: &PackedBatch) -> Result<(Node, impl Fn(usize) -> Rotary)> {
        if tokens.segments.is_some() {
            candle_core::bail!("a Llama knows no segments");
        }
        let x = lookup(tape, &[(&self.embed_tokens, &tokens.ids)])?;
        let angles = Angles::new(&self.frequencies, &tokens.positions);
        let positions = tokens.positions.clone();
        let turn =
            move |columns| Rotary { positions: positions.clone(), columns, angles: angles.clone() };
        Ok((x, turn))
    }
}

impl Backbone for Llama {
    /// The last hidden states: (tokens, hidden), or (sequences, hidden) if only each sequence's
    /// last is wanted.
    fn forward(&self, tape: &Tape, batch: &PackedBatch, states: HiddenStates) -> Result<Node> {
        decoder::wanted(tape, self.states(tape, batch, None)?, batch, states)
    }
}

impl Decoder for Llama {
    fn step(&self, tape: &Tape, tokens: &PackedBatch, kept: &mut [KeyValues]) -> Result<Node> {
        self.states(tape, tokens, Some(kept))
    }

    fn read(&self, tape: &Tape, tokens: &PackedBatch, kept: &mut [KeyValues]) -> Result<()> {
        let (x, turn) = self.begin(tape, tokens)?;
        let (last, x, kept) = decoder::run_but_last(&self.layers, kept, x, |layer, x, kept| {
            layer.forward(tape, x, tokens, turn(layer.turned), kept)
        })?;
        let new = last.keys_and_values(tape, &x, turn(self.keys))?;
        kept.extend(new.tensor(), &tokens.offsets)
    }

    fn nothing_kept(&self, room: &Offsets) -> Result<Vec<KeyValues>> {
        let device = self.table().tensor().device();
        self.layers.iter().map(|_| KeyValues::new(room, self.keys, device)).collect()
    }

    fn table(&self) -> &Node {
        self.embed_tokens.table()
    }
}

/// `LlamaDecoderLayer`: attention and a gated feed-forward network, each behind a norm and beside a
/// residual.
#[derive(Debug)]
struct DecoderLayer {
    input_layernorm: RmsNorm,
    q_proj: Linear, // self_attn.q_proj
    k_proj: Linear, // self_attn.k_proj
    v_proj: Linear, // self_attn.v_proj
    o_proj: Linear, // self_attn.o_proj
    post_attention_layernorm: RmsNorm,
    gate_proj: Linear, // mlp.gate_proj
    up_proj: Linear,   // mlp.up_proj
    down_proj: Linear, // mlp.down_proj
    activation: Activation,
    heads: Heads,
    /// The columns of queries and keys.
    turned: usize,
}

impl DecoderLayer {
    fn load(scope: &Scope, config: &LlamaConfig) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (heads, key_heads) = (config.num_attention_heads, config.key_value_heads());
        let (queries, keys) = (heads * config.head_width(), key_heads * config.head_width());
        let linear = |name: &str, bias, inputs, outputs| match bias {
            true => Linear::load(&scope.enter(name), inputs, outputs),
            false => Linear::load_without_bias(&scope.enter(name), inputs, outputs),
        };
        let (attention_bias, mlp_bias) = (config.attention_bias, config.mlp_bias);
        Ok(Self {
            input_layernorm: config.norm(&scope.enter("input_layernorm"))?,
            q_proj: linear("self_attn.q_proj", attention_bias, hidden, queries)?,
            k_proj: linear("self_attn.k_proj", attention_bias, hidden, keys)?,
            v_proj: linear("self_attn.v_proj", attention_bias, hidden, keys)?,
            o_proj: linear("self_attn.o_proj", attention_bias, queries, hidden)?,
            post_attention_layernorm: config.norm(&scope.enter("post_attention_layernorm"))?,
            gate_proj: linear("mlp.gate_proj", mlp_bias, hidden, inner)?,
            up_proj: linear("mlp.up_proj", mlp_bias, hidden, inner)?,
            down_proj: linear("mlp.down_proj", mlp_bias, inner, hidden)?,
            activation: Activation::from_config("hidden_act", &config.hidden_act)?,
            heads: Heads { queries: heads, keys: key_heads, dropout: config.attention_dropout },
            turned: queries + keys,
        })
    }

    /// (tokens, hidden) to (tokens, 2 keys): what is kept of the layer.
    fn keys_and_values(&self, tape: &Tape, x: &Node, turn: Rotary) -> Result<Node> {
        let normed = self.input_layernorm.forward(tape, x)?;
        turn.forward(tape, &concatenated(tape, &normed, &[&self.k_proj, &self.v_proj])?)
    }

    /// (tokens, hidden) to (tokens, hidden).
    fn forward(
        &self,
        tape: &Tape,
        x: &Node,
        tokens: &PackedBatch,
        turn: Rotary,
        kept: Option<&mut KeyValues>,
    ) -> Result<Node> {
        let normed = self.input_layernorm.forward(tape, x)?;
        // (tokens, queries + keys + values)
        let qkv = concatenated(tape, &normed, &[&self.q_proj, &self.k_proj, &self.v_proj])?;
        let attended = self.heads.attend(tape, &turn.forward(tape, &qkv)?, tokens, kept)?;
        let x = self.o_proj.residual(tape, &attended, x, 0.0)?;
        let normed = self.post_attention_layernorm.forward(tape, &x)?;
        let inner = concatenated(tape, &normed, &[&self.gate_proj, &self.up_proj])?; // (tokens, 2 inner)
        self.down_proj.residual(tape, &gated(tape, &inner, self.activation)?, &x, 0.0)
    }
}
