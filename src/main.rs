//! The `valuenet` program: parse, dispatch, exit code.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    valuenet::nn::cpu::keep_memory();
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(code) => code,
        Err(error) => cli::error::report(&error),
    }
}
