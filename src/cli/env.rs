//! `valuenet env`: what this build and this machine can do.

use std::process::{Command, ExitCode};

use valuenet::nn::{cpu, device};

use super::output::write_result;

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
        format!("bfloat16 on the CPU: {}", cpu::bf16_unit().unwrap_or("no unit for it; as fast as f32")),
    ];
    lines.extend(gpus().into_iter().map(|gpu| format!("GPU: {gpu}")));
    write_result(&(lines.join("\n") + "\n"), None)?;
    Ok(ExitCode::SUCCESS)
}

fn features() -> String {
    let features = [("cuda", cfg!(feature = "cuda")), ("serve", cfg!(feature = "serve"))];
    let built: Vec<&str> = features.into_iter().filter_map(|(name, is_in)| is_in.then_some(name)).collect();
    if built.is_empty() { "none".into() } else { built.join(", ") }
}

/// What NVIDIA's own tool says of each GPU; nothing where there is none.
fn gpus() -> Vec<String> {
    let query = ["--query-gpu=name,driver_version,memory.free,memory.total", "--format=csv,noheader"];
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
