//! `valuenet serve` in a build without it.

use std::ffi::OsString;
use std::process::ExitCode;

use valuenet::error::Error;

use super::output::Console;

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

pub fn run(args: &Args, _console: &Console) -> anyhow::Result<ExitCode> {
    let asked: Vec<String> = args.rest.iter().map(|part| part.display().to_string()).collect();
    let what = format!("valuenet serve {}: this build has no service", asked.join(" "));
    Err(Error::usage(what)
        .help("build with `cargo build --release`, without --no-default-features")
        .into())
}
