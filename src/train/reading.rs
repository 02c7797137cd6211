//! Numbers that a step gives, which a GPU may still be computing.

use candle_core::Tensor;

use crate::error::Result;

/// A number of a step.
#[derive(Debug, Clone)]
pub enum Reading {
    /// It is known.
    Known(f64),
    /// The sum of some tensors of one number each, on a device that is waited for when it is read.
    Awaited(Vec<Tensor>),
}

impl Reading {
    /// The sum of tensors of one number each.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(super) fn sum(tensors: Vec<Tensor>) -> Result<Self> {
        let is_here = tensors.iter().all(|tensor| tensor.device().is_cpu());
        let sum = Self::Awaited(tensors);
        Ok(if is_here { Self::Known(sum.read()?) } else { sum })
    }

    /// Whether it has to be waited for.
    pub fn is_awaited(&self) -> bool {
        matches!(self, Self::Awaited(_))
    }

    /// The number, once it is there.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read(&self) -> Result<f64> {
        let number = |tensor: &Tensor| {
            let number = tensor.flatten_all()?.get(0)?.to_dtype(candle_core::DType::F64)?;
            number.to_scalar::<f64>()
        };
        Ok(match self {
            Self::Known(number) => *number,
            Self::Awaited(tensors) => {
                tensors.iter().map(number).sum::<candle_core::Result<f64>>()?
            }
        })
    }
}
