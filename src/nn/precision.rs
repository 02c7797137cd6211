//! In which precision linear layers are computed.

use candle_core::{DType, Result, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The numbers that a linear layer's products read, forwards and backwards. What they give, and
/// everything else, is f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floating point.
    #[default]
    F32,
    /// Factors rounded to bfloat16 (8 bits of significand), sums in f32: several times as fast on
    /// CPUs with AMX or AVX512-BF16, and as slow as f32 on others.
    Bf16,
}

impl Precision {
    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
    /// A factor of a product as it is read, in its own dtype.
    pub(super) fn rounded(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::F32 => Ok(x.clone()),
            Self::Bf16 => x.to_dtype(DType::BF16)?.to_dtype(x.dtype()),
        }
    }
}
