//! GPT-2 (Radford et al., 2019) as transformers' `GPT2Model`, on packed rows. DistilGPT-2, DialoGPT
//! (Zhang et al., ACL 2020) and TransferTransfo (Wolf et al., 2019) are the same class.

use std::collections::HashMap;

use candle_core::{Result, Tensor};
use serde::Deserialize;

use crate::nn::activation::Activation;
use crate::nn::attention::{KeyValues, Offsets};
use crate::nn::dropout::dropout;
use crate::nn::embedding::{Embedding, lookup};
use crate::nn::layer_norm::LayerNorm;
use crate::nn::linear::Linear;
use crate::nn::params::Scope;
use crate::nn::tape::{Node, Tape};
use crate::text::PackedBatch;

use super::backbone::{Architecture, Backbone, BackboneConfig};
use super::blocks::check_heads;
use super::decoder::{self, Decoder, Heads, LanguageHead};
use super::hidden_states::HiddenStates;

/// The part of a GPT-2 checkpoint's `config.json` that this model reads, with the defaults of
/// `GPT2Config`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Gpt2Config {
    pub vocab_size: usize,
    #[serde(default = "default::n_positions")]
    pub n_positions: usize,
    pub n_embd: usize,
    pub n_layer: usize,
    pub n_head: usize,
    #[serde(default)]
    pub n_inner: Option<usize>,
    #[serde(default = "default::activation_function")]
    pub activation_function: String,
    #[serde(default = "default::dropout")]
    pub resid_pdrop: f32,
    #[serde(default = "default::dropout")]
    pub embd_pdrop: f32,
    #[serde(default = "default::dropout")]
    pub attn_pdrop: f32,
    #[serde(default = "default::layer_norm_epsilon")]
    pub layer_norm_epsilon: f64,
    #[serde(default = "default::yes")]
    pub scale_attn_weights: bool,
    #[serde(default)]
    pub scale_attn_by_inverse_layer_idx: bool,
    #[serde(default)]
    pub add_cross_attention: bool,
    #[serde(default = "default::yes")]
    pub tie_word_embeddings: bool,
}

mod default {
    pub fn n_positions() -> usize {
        1024
    }
    pub fn activation_function() -> String {
        "gelu_new".into()
    }
    pub fn dropout() -> f32 {
        0.1
    }
    pub fn layer_norm_epsilon() -> f64 {
        1e-5
    }
    pub fn yes() -> bool {
        true
    }
}

impl Gpt2Config {
    fn norm(&self, scope: &Scope) -> Result<LayerNorm> {
        LayerNorm::load(scope, self.n_embd, self.layer_norm_epsilon)
    }
}

/// The layers that the reference calls `Conv1D`: their checkpoints hold (in, out) weights.
const CONV1D: [&str; 3] = [".c_attn.weight", ".c_proj.weight", ".c_fc.weight"];

/// Turns the weights of the reference's `Conv1D` layers to (out, in), and back.
fn turn(name: &str, tensor: &mut Tensor) {
    // What is no matrix stays as it is: whoever asks for it will say that its shape is wrong.
    if CONV1D.iter().any(|ending| name.ends_with(ending))
        && let Ok(turned) = tensor.t().and_then(|turned| turned.contiguous())
    {
        *tensor = turned;
    }
}

impl BackboneConfig for Gpt2Config {
    fn architecture(&self) -> Result<Architecture> {
        for (is_known, key) in [
            (self.scale_attn_weights, "scale_attn_weights false"),
            (!self.scale_attn_by_inverse_layer_idx, "scale_attn_by_inverse_layer_idx"),
            (!self.add_cross_attention, "add_cross_attention"),
        ] {
            if !is_known {
                candle_core::bail!("{key}: such a GPT-2 is not known");
            }
        }
        Ok(Architecture {
            prefix: "transformer",
            word_embeddings: "wte.weight",
            hidden_size: self.n_embd,
            max_length: self.n_positions,
            dropout_keys: &["resid_pdrop", "embd_pdrop", "attn_pdrop"],
            class: "GPT2Model",
            pair_layers: None,
        })
    }

    fn language_head(&self) -> Option<LanguageHead> {
        let is_tied = self.tie_word_embeddings;
        Some(LanguageHead { class: "GPT2LMHeadModel", output: "lm_head", is_tied })
    }

    fn load(&self, scope: &Scope) -> Result<Box<dyn Backbone>> {
        Ok(Box::new(Gpt2::load(scope, self)?))
    }

    fn load_decoder(&self, scope: &Scope) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(Gpt2::load(scope, self)?))
    }

    fn rename(&self, tensors: &mut HashMap<String, Tensor>) {
        tensors.iter_mut().for_each(|(name, tensor)| turn(name, tensor));
    }

    fn restore(&self, tensors: &mut [(String, Tensor)]) {
        tensors.iter_mut().for_each(|(name, tensor)| turn(name, tensor));
    }
}

/// `GPT2Model`.
#[derive(Debug)]
pub struct Gpt2 {
    wte: Embedding,
    wpe: Embedding,
    h: Vec<Block>,
    ln_f: LayerNorm,
    hidden: usize,
    dropout: f32,
}

impl Gpt2 {
    /// Builds the model from the parameters below `scope`.
    ///
    /// # Errors
    /// If a parameter is missing or of another shape.
    pub fn load(scope: &Scope, config: &Gpt2Config) -> Result<Self> {
        check_heads(config.n_embd, config.n_head)?;
        let layers = scope.enter("h");
        Ok(Self {
            wte: Embedding::load(&scope.enter("wte"), config.vocab_size, config.n_embd)?,
            wpe: Embedding::load(&scope.enter("wpe"), config.n_positions, config.n_embd)?,
            h: (0..config.n_layer)
                .map(|number| Block::load(&layers.enter(number), config))
                .collect::<Result<_>>()?,
            ln_f: config.norm(&scope.enter("ln_f"))?,
            hidden: config.n_embd,
            dropout: config.embd_pdrop,
        })
    }

    /// (tokens, hidden)
    fn states(
        &self,
        tape: &Tape,
        tokens: &PackedBatch,
        kept: Option<&mut [KeyValues]>,
    ) -> Result<Node> {
        let x = self.embed(tape, tokens)?;
        let x = decoder::run_layers(&self.h, kept, x, |block, x, kept| {
            block.forward(tape, x, tokens, kept)
        })?;
        self.ln_f.forward(tape, &x)
    }

    /// (tokens, hidden)
    fn embed(&self, tape: &Tape, tokens: &PackedBatch) -> Result<Node> {
        let mut tables: Vec<(&Embedding, &[u32])> =
            vec![(&self.wte, &tokens.ids), (&self.wpe, &tokens.positions)];
        tables.extend(tokens.segments.as_ref().map(|ids| (&self.wte, ids.as_slice())));
        dropout(tape, &lookup(tape, &tables)?, self.dropout)
    }
}

impl Backbone for Gpt2 {
    /// The last hidden states: (tokens, hidden), or (sequences, hidden) if only each sequence's
    /// last is wanted.
    fn forward(&self, tape: &Tape, batch: &PackedBatch, states: HiddenStates) -> Result<Node> {
        decoder::wanted(tape, self.states(tape, batch, None)?, batch, states)
    }
}

impl Decoder for Gpt2 {
    fn step(&self, tape: &Tape, tokens: &PackedBatch, kept: &mut [KeyValues]) -> Result<Node> {
        self.states(tape, tokens, Some(kept))
    }

    fn read(&self, tape: &Tape, tokens: &PackedBatch, kept: &mut [KeyValues]) -> Result<()> {
        let x = self.embed(tape, tokens)?;
        let (last, x, kept) = decoder::run_but_last(&self.h, kept, x, |block, x, kept| {
            block.forward(tape, x, tokens, kept)
        })?;
        let qkv = last.projections(tape, &x)?;
        kept.extend(&qkv.tensor().narrow(1, self.hidden, 2 * self.hidden)?, &tokens.offsets)
    }

    fn nothing_kept(&self, room: &Offsets) -> Result<Vec<KeyValues>> {
        let device = self.table().tensor().device();
        self.h.iter().map(|_| KeyValues::new(room, self.hidden, device)).collect()
    }

    fn table(&self) -> &Node {
        self.wte.table()
    }
}

/// `GPT2Block`: attention and a feed-forward network, each behind a norm and beside a residual.
#[derive(Debug)]
struct Block {
    ln_1: LayerNorm,
    c_attn: Linear,      // attn.c_attn
    attn_c_proj: Linear, // attn.c_proj
    ln_2: LayerNorm,
    c_fc: Linear,       // mlp.c_fc
    mlp_c_proj: Linear, // mlp.c_proj
    activation: Activation,
    heads: Heads,
    dropout: f32,
}

impl Block {
    fn load(scope: &Scope, config: &Gpt2Config) -> Result<Self> {
        let hidden = config.n_embd;
        let inner = config.n_inner.unwrap_or(4 * hidden);
        let linear =
            |name: &str, inputs, outputs| Linear::load(&scope.enter(name), inputs, outputs);
        let activation = &config.activation_function;
        Ok(Self {
            ln_1: config.norm(&scope.enter("ln_1"))?,
            c_attn: linear("attn.c_attn", hidden, 3 * hidden)?,
            attn_c_proj: linear("attn.c_proj", hidden, hidden)?,
            ln_2: config.norm(&scope.enter("ln_2"))?,
            c_fc: linear("mlp.c_fc", hidden, inner)?,
            mlp_c_proj: linear("mlp.c_proj", inner, hidden)?,
            activation: Activation::from_config("activation_function", activation)?,
            heads: Heads {
                queries: config.n_head,
                keys: config.n_head,
                dropout: config.attn_pdrop,
            },
            dropout: config.resid_pdrop,
        })
    }

    /// (tokens, hidden) to (tokens, 3 hidden): queries, keys and values.
    fn projections(&self, tape: &Tape, x: &Node) -> Result<Node> {
        self.c_attn.forward(tape, &self.ln_1.forward(tape, x)?)
    }

    /// (tokens, hidden) to (tokens, hidden).
    fn forward(
        &self,
        tape: &Tape,
        x: &Node,
        tokens: &PackedBatch,
        kept: Option<&mut KeyValues>,
    ) -> Result<Node> {
        let qkv = self.projections(tape, x)?;
        let attended = self.heads.attend(tape, &qkv, tokens, kept)?;
        let x = self.attn_c_proj.residual(tape, &attended, x, self.dropout)?;
        let normed = self.ln_2.forward(tape, &x)?;
        let inner = self.c_fc.activated(tape, &normed, self.activation)?; // (tokens, inner)
        self.mlp_c_proj.residual(tape, &inner, &x, self.dropout)
    }
}
