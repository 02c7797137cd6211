//! The parameters of a network: ordered, named, and filled from a checkpoint or from the seed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::{DType, Device, Result, Shape, Tensor, Var};
use rayon::prelude::*;

use super::cpu;
use super::tape::Node;
use crate::seed::{Purpose, Stream, name_index};

/// The identity of a parameter. No two have the same in a process, so that two networks can stand
/// on one tape; those of one network ascend in the order in which it was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamId(u64);

impl ParamId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// All parameters of a network in the order in which it was built, each under the name it has in a
/// checkpoint.
#[derive(Debug, Clone, Default)]
pub struct Params {
    names: Vec<String>,
    vars: Vec<Var>,
    ids: Vec<ParamId>,
    frozen: Vec<bool>,
}

impl Params {
    /// The parameters with their names, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Var)> {
        self.names.iter().map(String::as_str).zip(&self.vars)
    }

    /// How many tensors they are.
    pub fn len(&self) -> usize {
        self.vars.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.vars.is_empty()
    }

    /// The identity of the parameter with this number, under which [`super::gradients::Gradients`]
    /// has its gradient.
    pub fn id(&self, index: usize) -> ParamId {
        self.ids[index]
    }

    /// Whether the parameter with this number stays as it is: no gradient comes back to it.
    pub fn is_frozen(&self, index: usize) -> bool {
        self.frozen[index]
    }

    /// The name of the parameter with this number.
    pub fn name(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// The parameter with this number.
    pub fn var(&self, index: usize) -> &Var {
        &self.vars[index]
    }

    /// The number of the parameter with this name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }

    /// How many numbers they hold.
    pub fn count(&self) -> usize {
        self.vars.iter().map(|var| var.elem_count()).sum()
    }
}

/// How a parameter is filled that no checkpoint brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// With normal numbers of the standard deviation given to [`Loader::new`].
    Normal,
    /// With zeros.
    Zeros,
    /// With ones.
    Ones,
}

/// Hands parameters to a network that is being built.
#[derive(Debug)]
pub struct Loader {
    checkpoint: RefCell<HashMap<String, Tensor>>,
    params: RefCell<Params>,
    newly_initialised: RefCell<Vec<String>>,
    seed: u64,
    deviation: f32,
    device: Device,
}

impl Loader {
    /// A loader that takes parameters out of `checkpoint`; those it may not find there start from
    /// the `seed`, normal with this standard `deviation` where the layer asks for it.
    pub fn new(
        checkpoint: HashMap<String, Tensor>,
        seed: u64,
        deviation: f32,
        device: &Device,
    ) -> Self {
        Self {
            checkpoint: RefCell::new(checkpoint),
            params: RefCell::default(),
            newly_initialised: RefCell::default(),
            seed,
            deviation,
            device: device.clone(),
        }
    }

    /// The scope of all names that begin with `prefix`, whose parameters must stand in the
    /// checkpoint.
    pub fn required(&self, prefix: &str) -> Scope<'_> {
        Scope { loader: self, prefix: prefix.into(), is_optional: false, frozen: None }
    }

    /// The scope of all names that begin with `prefix`, whose parameters may be missing from the
    /// checkpoint.
    pub fn optional(&self, prefix: &str) -> Scope<'_> {
        Scope { loader: self, prefix: prefix.into(), is_optional: true, frozen: None }
    }

    /// What has been built: the parameters, and the names of those that no checkpoint brought.
    pub fn finish(self) -> (Params, Vec<String>) {
        (self.params.into_inner(), self.newly_initialised.into_inner())
    }

    fn initial(&self, name: &str, shape: &Shape, init: Init) -> Result<Tensor> {
        match init {
            Init::Zeros => Tensor::zeros(shape, DType::F32, &self.device),
            Init::Ones => Tensor::ones(shape, DType::F32, &self.device),
            Init::Normal => {
                let mut stream = Stream::new(self.seed, Purpose::Init, name_index(name));
                let values: Vec<f32> =
                    (0..shape.elem_count()).map(|_| stream.normal() * self.deviation).collect();
                Tensor::from_vec(values, shape, &self.device)
            }
        }
    }
}

/// Whether all numbers of a checkpoint's tensor are finite.
fn is_finite(tensor: &Tensor) -> Result<bool> {
    let tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous()?;
    let values = cpu::values(&tensor)?;
    Ok(values.par_chunks(1 << 15).all(|values| values.iter().all(|value| value.is_finite())))
}

/// A part of the names of a network, as a path into its tree.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    loader: &'a Loader,
    prefix: String,
    is_optional: bool,
    /// The dtype that parameters are held in, if they are not trained.
    frozen: Option<DType>,
}

impl Scope<'_> {
    /// The scope below this one.
    pub fn enter(&self, name: impl std::fmt::Display) -> Self {
        let prefix = match self.prefix.as_str() {
            "" => name.to_string(),
            prefix => format!("{prefix}.{name}"),
        };
        Self { prefix, ..*self }
    }

    /// The same scope with parameters that are not trained, and are held in this dtype. Operations
    /// see them in f32. In bfloat16, a network that only stands beside a trained one takes half the
    /// memory.
    pub fn frozen(&self, dtype: DType) -> Self {
        Self { prefix: self.prefix.clone(), frozen: Some(dtype), ..*self }
    }

    /// A tensor of zeros that is no parameter.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn zeros(&self, shape: impl Into<Shape>) -> Result<Node> {
        Ok(Node::constant(&Tensor::zeros(shape, DType::F32, &self.loader.device)?))
    }

    /// Takes a parameter out of the checkpoint, or starts it anew if that is allowed here.
    ///
    /// # Errors
    /// If it is missing, or has another shape.
    pub fn param(&self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Node> {
        let (name, shape) = (self.enter(name).prefix, shape.into());
        let tensor = match self.loader.checkpoint.borrow_mut().remove(&name) {
            Some(tensor) if tensor.shape() == &shape => {
                if !is_finite(&tensor)? {
                    candle_core::bail!("tensor {name} has numbers that are not finite");
                }
                tensor.to_device(&self.loader.device)?
            }
            Some(tensor) => candle_core::bail!(
                "tensor {name} has the shape {:?}, but config.json asks for {:?}",
                tensor.dims(),
                shape.dims()
            ),
            None if self.is_optional => {
                self.loader.newly_initialised.borrow_mut().push(name.clone());
                self.loader.initial(&name, &shape, init)?
            }
            None => candle_core::bail!("tensor {name} is missing"),
        };
        let var = Var::from_tensor(&tensor.to_dtype(self.frozen.unwrap_or(DType::F32))?)?;
        let mut params = self.loader.params.borrow_mut();
        let id = ParamId::next();
        params.names.push(name);
        params.ids.push(id);
        params.frozen.push(self.frozen.is_some());
        let node = match self.frozen {
            Some(_) => Node::frozen(&var, id),
            None => Node::parameter(&var, id),
        };
        params.vars.push(var);
        Ok(node)
    }
}
