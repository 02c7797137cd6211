//! What candle users start from: BERT on padded batches from candle's own operations,
//! differentiated by candle.
//!
//! candle-transformers' BERT itself cannot be trained, since candle-nn's layer norm has no backward
//! pass; here the norm is composed of operations that have one.

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW};

use super::{HEADS, LAYERS};

/// The parameters by their names in a checkpoint, and candle's optimiser.
pub struct Stock {
    vars: std::collections::HashMap<String, Var>,
    optimiser: AdamW,
}

impl Stock {
    pub fn new(params: impl Iterator<Item = (String, Tensor)>) -> Result<Self> {
        let vars = params.map(|(name, tensor)| Ok((name, Var::from_tensor(&tensor.copy()?)?)));
        let vars = vars.collect::<Result<std::collections::HashMap<_, _>>>()?;
        let settings = ParamsAdamW { lr: 5e-5, weight_decay: 0.01, ..Default::default() };
        let optimiser = AdamW::new(vars.values().cloned().collect(), settings)?;
        Ok(Self { vars, optimiser })
    }

    /// One optimiser step on a padded batch: ids and mask, (batch, tokens).
    pub fn step(&mut self, ids: &Tensor, mask: &Tensor, targets: &Tensor) -> Result<()> {
        let utilities = ((candle_nn::ops::sigmoid(&self.logits(ids, mask)?)? * 2.0)? - 1.0)?;
        let loss = (utilities.squeeze(1)? - targets)?.sqr()?.mean_all()?;
        self.optimiser.backward_step(&loss)
    }

    fn var(&self, name: &str) -> &Tensor {
        self.vars[name].as_tensor()
    }

    fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let part = |part: &str| self.var(&format!("{name}.{part}")).clone();
        Linear::new(part("weight"), Some(part("bias"))).forward(x)
    }

    fn norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + 1e-12)?.sqrt()?;
        let normal = centred.broadcast_div(&deviation)?;
        normal
            .broadcast_mul(self.var(&format!("{name}.weight")))?
            .broadcast_add(self.var(&format!("{name}.bias")))
    }

    fn logits(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let (batch, tokens) = ids.dims2()?;
        let look_up = |name: &str, ids: &Tensor| {
            self.var(&format!("bert.embeddings.{name}_embeddings.weight")).index_select(ids, 0)
        };
        let words = look_up("word", &ids.flatten_all()?)?.reshape((batch, tokens, ()))?;
        let positions = look_up("position", &Tensor::arange(0u32, tokens as u32, &Device::Cpu)?)?;
        let types = look_up("token_type", &Tensor::zeros(1, DType::U32, &Device::Cpu)?)?;
        let x = words.broadcast_add(&positions)?.broadcast_add(&types)?;
        let mut x = candle_nn::ops::dropout(&self.norm("bert.embeddings.LayerNorm", &x)?, 0.1)?;
        let hidden = x.dim(2)?;
        let bias = ((mask.to_dtype(DType::F32)? - 1.0)? * 1e9)?.reshape((batch, 1, 1, tokens))?;
        for layer in 0..LAYERS {
            let name = |part: &str| format!("bert.encoder.layer.{layer}.{part}");
            let heads = |part: &str| -> Result<Tensor> {
                let split = (batch, tokens, HEADS, hidden / HEADS);
                self.linear(&name(part), &x)?.reshape(split)?.transpose(1, 2)?.contiguous()
            };
            let (q, k, v) = (
                heads("attention.self.query")?,
                heads("attention.self.key")?,
                heads("attention.self.value")?,
            );
            let scores =
                (q.matmul(&k.t()?)? / ((hidden / HEADS) as f64).sqrt())?.broadcast_add(&bias)?;
            let probabilities =
                candle_nn::ops::dropout(&candle_nn::ops::softmax(&scores, D::Minus1)?, 0.1)?;
            let context =
                probabilities.matmul(&v)?.transpose(1, 2)?.reshape((batch, tokens, hidden))?;
            let attended = candle_nn::ops::dropout(
                &self.linear(&name("attention.output.dense"), &context)?,
                0.1,
            )?;
            x = self.norm(&name("attention.output.LayerNorm"), &(attended + &x)?)?;
            let inner = self.linear(&name("intermediate.dense"), &x)?.gelu_erf()?;
            let output =
                candle_nn::ops::dropout(&self.linear(&name("output.dense"), &inner)?, 0.1)?;
            x = self.norm(&name("output.LayerNorm"), &(output + &x)?)?;
        }
        self.linear("classifier", &x.narrow(1, 0, 1)?.squeeze(1)?)
    }
}
