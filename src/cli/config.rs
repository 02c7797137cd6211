//! `valuenet config`: what a configuration says in full, whether it is right, and what may stand in one.

use std::path::PathBuf;
use std::process::ExitCode;

use valuenet::config::Config;

use super::error;
use super::output::{Console, print};

#[derive(clap::Subcommand)]
pub enum Command {
    /// A configuration with everything that it does not say itself.
    Show(ShowArgs),
    /// Whether configurations are right; each that is not is said with its key or line.
    Check(CheckArgs),
    /// The JSON Schema of configurations, for editors.
    Schema,
}

#[derive(clap::Args)]
pub struct ShowArgs {
    /// A TOML file.
    config: PathBuf,

    /// Set a key, as in `train`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(clap::Args)]
pub struct CheckArgs {
    /// TOML files.
    #[arg(required = true)]
    configs: Vec<PathBuf>,
}

pub fn run(command: &Command, console: &Console) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show(args) => print(&Config::read(&args.config, &args.set)?.to_toml()?)?,
        Command::Check(args) => {
            let mut outcome = ExitCode::SUCCESS;
            for path in &args.configs {
                match Config::read(path, &[]) {
                    Ok(_) => console.note(&format!("{}: fine", path.display())),
                    Err(error) => {
                        outcome = error::report(&error.within(path.display().to_string()).into());
                    }
                }
            }
            return Ok(outcome);
        }
        Command::Schema => print(&Config::schema()?)?,
    }
    Ok(ExitCode::SUCCESS)
}
