//! The embeddings of the ten value tokens that a base model does not have yet.

use candle_core::{DType, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::network::INITIAL_DEVIATION;
use crate::seed::{Purpose, Stream, name_index};
use crate::text::TextEncoder;
use crate::value::Value;

/// How the embeddings of the value tokens start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueTokenInit {
    /// As the mean of the embeddings of the value name's own word pieces.
    Mean,
    /// As random normal numbers.
    Random,
}

/// An embedding table with a row for each token of the tokenizer: `table`, (entries, hidden), and behind it as many
/// rows as are missing, those of value tokens as `init` says. Rows that the table has already stay as they are.
///
/// # Errors
/// If the table is none.
pub fn add_value_rows(table: &Tensor, text: &TextEncoder, init: ValueTokenInit, seed: u64) -> Result<Tensor> {
    let table = table.to_dtype(DType::F32)?;
    let (entries, hidden) = table.dims2()?;
    let missing = text.vocabulary_size().saturating_sub(entries);
    let mut rows = Vec::with_capacity(missing * hidden);
    for id in entries..entries + missing {
        let value = Value::ALL.into_iter().find(|value| text.value_id(*value) as usize == id);
        let pieces = match (value, init) {
            (Some(value), ValueTokenInit::Mean) => {
                text.name_pieces(value).map_err(candle_core::Error::wrap)?
            }
            _ => Vec::new(),
        };
        if pieces.is_empty() {
            let mut stream = Stream::new(seed, Purpose::Init, name_index(&format!("token {id}")));
            rows.extend((0..hidden).map(|_| stream.normal() * INITIAL_DEVIATION));
        } else {
            let pieces = Tensor::new(pieces, table.device())?;
            rows.extend(table.index_select(&pieces, 0)?.mean(0)?.to_vec1::<f32>()?);
        }
    }
    match missing {
        0 => Ok(table),
        _ => Tensor::cat(&[&table, &Tensor::from_vec(rows, (missing, hidden), table.device())?], 0),
    }
}
