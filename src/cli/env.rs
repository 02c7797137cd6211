//! `valuenet env`: what this build and this machine can do.

use std::process::{Command, ExitCode};

use valuenet::nn::{cpu, device};

use super::output::print;

pub fn run() -> anyhow::Result<ExitCode> {
    let chosen = device::open("auto")?;
    let mut lines = vec![
        format!(
            "valuenet {} for {}-{}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::ARCH,
            std::env::consts::OS
        ),
        format!("features: {}", features()),
        format!("device: {} ({})", chosen.name, chosen.reason),
        format!("CPU threads: {}", rayon::current_num_threads()),
        format!(
            "bfloat16 on the CPU: {}",
            cpu::bf16_unit().unwrap_or("no unit for it; as fast as f32")
        ),
    ];
    lines.extend(gpus().into_iter().map(|gpu| format!("GPU: {gpu}")));
    print(&(lines.join("\n") + "\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// The cargo features of this build.
fn features() -> String {
    let known = [
        ("cuda", cfg!(feature = "cuda")),
        ("cuda-emulation", cfg!(feature = "cuda-emulation")),
        ("serve", cfg!(feature = "serve")),
    ];
    let on: Vec<&str> = known.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| *name).collect();
    if on.is_empty() { "none".into() } else { on.join(", ") }
}

/// What NVIDIA's own tool says of each GPU; nothing where there is none.
fn gpus() -> Vec<String> {
    let query =
        ["--query-gpu=name,driver_version,memory.free,memory.total", "--format=csv,noheader"];
    match Command::new("nvidia-smi").args(query).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).lines().map(describe).collect()
        }
        _ => Vec::new(),
    }
}

fn describe(row: &str) -> String {
    match row.split(',').map(str::trim).collect::<Vec<_>>().as_slice() {
        [name, driver, free, total] => format!("{name}, driver {driver}, {free} free of {total}"),
        _ => row.into(),
    }
}
