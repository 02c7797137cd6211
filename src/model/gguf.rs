//! A language model in one GGUF file, the format of llama.cpp: sizes and tokenizer in its metadata,
//! weights in its tensors, which may be quantised.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Device, Tensor};
use serde_json::{Map, Value as Json, json};

use super::language_model::{Checkpoint, SideFiles, generation};
use crate::error::{Error, Result};
use crate::guard;
use crate::text::byte_level::{BytePairs, Pieces};

/// The tensors of a layer, by their names here and in a checkpoint.
const OF_LAYER: [(&str, &str); 9] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// The other tensors.
const OTHERS: [(&str, &str); 3] = [
    ("token_embd.weight", "model.embed_tokens.weight"),
    ("output_norm.weight", "model.norm.weight"),
    ("output.weight", "lm_head.weight"),
];

/// The tokens of these types stand for no text: llama.cpp's `LLAMA_TOKEN_TYPE_UNKNOWN` and
/// `LLAMA_TOKEN_TYPE_CONTROL`.
const SPECIAL: [i64; 2] = [2, 3];

/// Reads a Llama.
///
/// # Errors
/// If the file cannot be read, or holds another kind of model.
pub(super) fn read(path: &Path) -> Result<Checkpoint> {
    guard::reading(path, || read_file(path))
}

fn read_file(path: &Path) -> Result<Checkpoint> {
    let file = File::open(path).map_err(|error| Error::io(path, "read", error))?;
    let mut file = BufReader::new(file);
    let damaged = |error: candle_core::Error| {
        Error::file(path, "the GGUF file cannot be read")
            .because(error)
            .help("the file may be incomplete or damaged: copy or download it again")
    };
    let content = Content::read(&mut file).map_err(damaged)?;
    let metadata = Metadata(&content.metadata);
    let failed = |what: String| Error::file(path, what);
    let config = config(&content, &metadata).map_err(failed)?;
    let mut tensors = HashMap::new();
    for (name, info) in &content.tensor_infos {
        let Some(canonical) = canonical_name(name) else {
            return Err(failed(format!("the tensor {name} is not one of a Llama's")).help(
                "a folder with the model's safetensors can be opened if its config.json can",
            ));
        };
        let sizes = info.shape.dims().iter();
        let count = sizes.copied().try_fold(1usize, usize::checked_mul);
        if count.is_none_or(|count| count == 0) {
            return Err(failed(format!("the tensor {name} has the shape {:?}", info.shape.dims())));
        }
        let tensor = content.tensor(&mut file, name, &Device::Cpu);
        let tensor = tensor.and_then(|tensor| tensor.dequantize(&Device::Cpu)).map_err(damaged)?;
        let heads = match canonical.rsplit_once('.') {
            Some((layer, _)) if layer.ends_with("q_proj") => &config["num_attention_heads"],
            Some((layer, _)) if layer.ends_with("k_proj") => &config["num_key_value_heads"],
            _ => &Json::Null,
        };
        let tensor = match heads.as_u64() {
            Some(heads) => halves(&tensor, heads as usize).map_err(damaged)?,
            None => tensor,
        };
        tensors.insert(canonical, tensor);
    }
    let tokenizer = tokenizer(&metadata).map_err(failed)?;
    let generation = generation(&config);
    let files = SideFiles { tokenizer: tokenizer_settings(&metadata), generation, config };
    let tokenizer = tokenizer
        .tokenizer()
        .map_err(|error| Error::file(path, "its tokenizer cannot be read").because(error))?;
    Ok(Checkpoint { tensors, tokenizer, files, path: path.into() })
}

/// What a GGUF file says of its model.
struct Metadata<'a>(&'a HashMap<String, Value>);

impl Metadata<'_> {
    fn number(&self, key: &str) -> Option<i64> {
        Some(match self.0.get(key)? {
            Value::U8(number) => i64::from(*number),
            Value::I8(number) => i64::from(*number),
            Value::U16(number) => i64::from(*number),
            Value::I16(number) => i64::from(*number),
            Value::U32(number) => i64::from(*number),
            Value::I32(number) => i64::from(*number),
            Value::U64(number) => i64::try_from(*number).ok()?,
            Value::I64(number) => *number,
            _ => return None,
        })
    }

    fn float(&self, key: &str) -> Option<f64> {
        match self.0.get(key)? {
            // The shortest decimal number that stands for it, as it was meant.
            Value::F32(number) => number.to_string().parse().ok(),
            Value::F64(number) => Some(*number),
            _ => None,
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    fn list<T>(&self, key: &str, item: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
        match self.0.get(key)? {
            Value::Array(items) => items.iter().map(item).collect(),
            _ => None,
        }
    }

    fn texts(&self, key: &str) -> Option<Vec<String>> {
        self.list(key, |item| item.to_string().ok().cloned())
    }

    /// The token that has a role, such as `eos`.
    fn token(&self, role: &str) -> Option<(i64, &str)> {
        let id = self.number(&format!("tokenizer.ggml.{role}_token_id"))?;
        match self.0.get("tokenizer.ggml.tokens")? {
            Value::Array(tokens) => match tokens.get(usize::try_from(id).ok()?)? {
                Value::String(token) => Some((id, token)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The roles of tokens, by their names here and in transformers.
const ROLES: [(&str, &str); 4] = [
    ("bos", "bos_token"),
    ("eos", "eos_token"),
    ("padding", "pad_token"),
    ("unknown", "unk_token"),
];

/// The name of a tensor in a checkpoint.
fn canonical_name(name: &str) -> Option<String> {
    if let Some((_, canonical)) = OTHERS.iter().find(|(other, _)| *other == name) {
        return Some((*canonical).into());
    }
    let (number, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    let (part, kind) = rest.rsplit_once('.')?;
    let (_, canonical) = OF_LAYER.iter().find(|(other, _)| *other == part)?;
    Some(format!("model.layers.{number}.{canonical}.{kind}"))
}

/// The rows of queries or keys as transformers has them: each head's first half, then its second.
/// llama.cpp turns neighbouring rows together, and keeps them so.
fn halves(rows: &Tensor, heads: usize) -> candle_core::Result<Tensor> {
    let shape = rows.shape().clone();
    let count = rows.dim(0)?;
    if heads == 0 || !count.is_multiple_of(2 * heads) {
        candle_core::bail!("{heads} heads cannot share {count} rows");
    }
    let pairs = rows.reshape((heads, count / heads / 2, 2, ()))?;
    pairs.transpose(1, 2)?.contiguous()?.reshape(shape)
}

/// A `config.json` for a Llama of these sizes.
fn config(content: &Content, metadata: &Metadata) -> std::result::Result<Json, String> {
    let kind = metadata.text("general.architecture").unwrap_or("unknown");
    if kind != "llama" {
        return Err(format!("it holds a {kind}, and only a llama can be read from a GGUF file"));
    }
    let needed = |key: &str| {
        let key = format!("llama.{key}");
        let found = metadata.number(&key).and_then(|number| usize::try_from(number).ok());
        found.ok_or_else(|| format!("its metadata has no number {key}"))
    };
    let rows = |name: &str| content.tensor_infos.get(name).map(|info| info.shape.dims()[0]);
    let has = |name: &str| content.tensor_infos.contains_key(name);
    let vocabulary = rows("token_embd.weight").ok_or("it has no tensor token_embd.weight")?;
    let (hidden, heads) = (needed("embedding_length")?, needed("attention.head_count")?);
    let head = match needed("attention.key_length").or(needed("rope.dimension_count")) {
        Ok(head) => head,
        Err(_) => hidden / heads.max(1),
    };
    if needed("rope.dimension_count").is_ok_and(|turned| turned != head) {
        return Err("heads of which only a part is turned are not known".into());
    }
    let scaling = match metadata.text("llama.rope.scaling.type").unwrap_or("none") {
        "none" => Json::Null,
        "linear" => {
            let factor = metadata.float("llama.rope.scaling.factor");
            json!({"rope_type": "linear", "factor": factor.ok_or("rope.scaling has no factor")?})
        }
        other => return Err(format!("rope scaling \"{other}\" is not known in a GGUF file")),
    };
    let mut config = json!({
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": has("blk.0.attn_q.bias"),
        "head_dim": head,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "initializer_range": super::network::INITIAL_DEVIATION,
        "intermediate_size": needed("feed_forward_length")?,
        "max_position_embeddings": needed("context_length")?,
        "mlp_bias": has("blk.0.ffn_up.bias"),
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": needed("block_count")?,
        "num_key_value_heads": needed("attention.head_count_kv").unwrap_or(heads),
        "rms_norm_eps": metadata.float("llama.attention.layer_norm_rms_epsilon").unwrap_or(1e-5),
        "rope_scaling": scaling,
        "rope_theta": metadata.float("llama.rope.freq_base").unwrap_or(10_000.0),
        "tie_word_embeddings": !has("output.weight"),
        "use_cache": true,
        "vocab_size": vocabulary,
    });
    for (role, name) in ROLES {
        if let Some((id, _)) = metadata.token(role) {
            config[format!("{name}_id")] = id.into();
        }
    }
    Ok(config)
}

/// The parts of its tokenizer.
fn tokenizer(metadata: &Metadata) -> std::result::Result<BytePairs, String> {
    let kind = metadata.text("tokenizer.ggml.model").unwrap_or("unknown");
    if kind != "gpt2" {
        return Err(format!("its tokenizer is a {kind}, and only byte-level BPE can be read"));
    }
    let pieces = metadata.text("tokenizer.ggml.pre").unwrap_or("unknown");
    let pieces = Pieces::from_name(pieces)
        .ok_or_else(|| format!("its tokenizer splits texts as {pieces}, which is not known"))?;
    let texts = |key: &str| metadata.texts(key).ok_or_else(|| format!("its metadata has no {key}"));
    let tokens = texts("tokenizer.ggml.tokens")?;
    let kinds = metadata
        .list("tokenizer.ggml.token_type", |kind| match kind {
            Value::I32(kind) => Some(i64::from(*kind)),
            Value::U32(kind) => Some(i64::from(*kind)),
            _ => None,
        })
        .unwrap_or_default();
    let special = tokens.iter().zip(kinds).filter(|(_, kind)| SPECIAL.contains(kind));
    let puts_start =
        matches!(metadata.0.get("tokenizer.ggml.add_bos_token"), Some(Value::Bool(true)));
    let start = metadata.token("bos").filter(|_| puts_start).map(|(_, token)| token.into());
    Ok(BytePairs {
        special: special.map(|(token, _)| token.clone()).collect(),
        merges: texts("tokenizer.ggml.merges")?,
        start,
        pieces,
        tokens: tokens.into_iter().zip(0..).collect(),
    })
}

/// A `tokenizer_config.json` for it.
fn tokenizer_settings(metadata: &Metadata) -> Map<String, Json> {
    let mut settings = Map::new();
    settings.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
    for (role, name) in ROLES {
        if let Some((_, token)) = metadata.token(role) {
            settings.insert(name.into(), json!(token));
        }
    }
    if let Some(length) = metadata.number("llama.context_length") {
        settings.insert("model_max_length".into(), json!(length));
    }
    if let Some(template) = metadata.text("tokenizer.chat_template") {
        settings.insert("chat_template".into(), json!(template));
    }
    settings
}
