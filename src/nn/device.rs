//! Where tensors live.

use candle_core::Device;

use crate::error::{Error, Result};

/// A device, and why it was taken.
#[derive(Debug, Clone)]
pub struct SelectedDevice {
    /// The device.
    pub device: Device,
    /// Its name: `cpu` or `cuda:N`.
    pub name: String,
    /// A sentence about the choice.
    pub reason: &'static str,
}

/// Opens the device that `auto`, `cpu`, `cuda` or `cuda:N` asks for.
///
/// # Errors
/// If the name is another, or the device is not to be had.
pub fn open(name: &str) -> Result<SelectedDevice> {
    let cpu = |reason| SelectedDevice { device: Device::Cpu, name: "cpu".into(), reason };
    let number = match name.strip_prefix("cuda") {
        Some("") => Some(0),
        Some(rest) => rest.strip_prefix(':').and_then(|number| number.parse().ok()),
        None => None,
    };
    match (name, number) {
        ("cpu", _) => Ok(cpu("as asked")),
        ("auto", _) if !cfg!(feature = "cuda") => Ok(cpu("this build has no CUDA")),
        ("auto", _) => match open_cuda(0) {
            Ok(device) => Ok(SelectedDevice {
                device,
                name: "cuda:0".into(),
                reason: "the first CUDA device",
            }),
            Err(_) => Ok(cpu("no CUDA device was found")),
        },
        (_, Some(_)) if !cfg!(feature = "cuda") => {
            Err(Error::usage(format!("{name}: this build has no CUDA"))
                .help("build with `cargo build --release --features cuda`, or use --device cpu"))
        }
        (_, Some(number)) => match open_cuda(number) {
            Ok(device) => {
                Ok(SelectedDevice { device, name: format!("cuda:{number}"), reason: "as asked" })
            }
            Err(error) => Err(Error::failure(format!("cannot open cuda:{number}")).because(error)),
        },
        _ => {
            Err(Error::usage(format!("\"{name}\" is no device")).help("auto, cpu, cuda or cuda:N"))
        }
    }
}

/// Whether an operation failed for want of memory on its device.
pub fn is_out_of_memory(error: &candle_core::Error) -> bool {
    let text = error.to_string();
    ["CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED"]
        .iter()
        .any(|code| text.contains(code))
}

#[cfg(feature = "cuda")]
fn open_cuda(number: usize) -> candle_core::Result<Device> {
    super::gpu::open(number)
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(number: usize) -> candle_core::Result<Device> {
    Device::new_cuda(number)
}
