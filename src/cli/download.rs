//! `valuenet download`: a model from the hub into the cache.

use std::process::ExitCode;

use valuenet::hub;
use valuenet::recipe::LAYOUT;

use super::output::{Console, print};
use super::progress::Download;
use super::site::hub_settings;

#[derive(clap::Args)]
pub struct Args {
    /// The model's name on the hub, such as bert-base-uncased or owner/name.
    model: String,

    /// A branch, a tag or a commit.
    #[arg(long, default_value = "main")]
    revision: String,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let progress = Download::new(console);
    let mut tell = |transfer: hub::Transfer<'_>| progress.advance(transfer);
    let folder = hub::download(&args.model, &args.revision, &LAYOUT, &hub_settings(), &mut tell)?;
    print(&format!("{}\n", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
