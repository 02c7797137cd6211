//! The embeddings of the ten value tokens that a base model does not have yet.

use candle_core::{DType, Result, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::INITIAL_DEVIATION;
use crate::seed::{Purpose, Stream, name_index};
use crate::text::TextEncoder;
use crate::value::Value;

/// How the embeddings of the value tokens start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValueTokenInit {
    /// As the mean of the embeddings of the value name's own word pieces.
    Mean,
    /// As random normal numbers.
    Random,
}

/// An embedding table with a row for each token of the tokenizer: `table`, (entries, hidden), and
/// behind it as many rows as are missing. The rows of value tokens that were added to the tokenizer
/// start as `init` says, also where the table has rows to spare; all others that the table has stay
/// as they are.
///
/// # Errors
/// If `table` is not a matrix.
pub fn add_value_rows(
    table: &Tensor,
    text: &TextEncoder,
    init: ValueTokenInit,
    seed: u64,
) -> Result<Tensor> {
    let table = table.to_dtype(DType::F32)?;
    let (entries, hidden) = table.dims2()?;
    let all = entries.max(text.vocabulary_size());
    let mut rows = table.flatten_all()?.to_vec1::<f32>()?;
    rows.resize(all * hidden, 0.0);
    let of_value = |id: usize| {
        Value::ALL
            .into_iter()
            .find(|value| text.value_id(*value) as usize == id && text.is_added(*value))
    };
    for id in 0..all {
        let value = of_value(id);
        if id < entries && value.is_none() {
            continue;
        }
        let pieces = match (value, init) {
            (Some(value), ValueTokenInit::Mean) => {
                text.name_pieces(value).map_err(candle_core::Error::wrap)?
            }
            _ => Vec::new(),
        };
        let row = if pieces.is_empty() {
            let mut stream = Stream::new(seed, Purpose::Init, name_index(&format!("token {id}")));
            (0..hidden).map(|_| stream.normal() * INITIAL_DEVIATION).collect()
        } else {
            let pieces = Tensor::new(pieces, table.device())?;
            table.index_select(&pieces, 0)?.mean(0)?.to_vec1::<f32>()?
        };
        rows[id * hidden..][..hidden].copy_from_slice(&row);
    }
    Tensor::from_vec(rows, (all, hidden), table.device())
}
