//! The `valuenet` program: parse, dispatch, exit code.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    #[cfg(debug_assertions)]
    if let Some(number) = std::env::var("VALUENET_FAIL_AT").ok().and_then(|it| it.parse().ok()) {
        valuenet::disk::fail_at(number); // tests/failing_disk.rs
    }
    valuenet::nn::cpu::keep_memory();
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(code) => code,
        Err(error) => cli::error::report(&error),
    }
}
