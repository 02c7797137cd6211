//! `valuenet completions` and `valuenet man`: what shells and manuals want to know of the command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use valuenet::disk;
use valuenet::error::Error;

use super::Cli;
use super::output::{Console, print};

#[derive(clap::Args)]
pub struct CompletionArgs {
    /// The shell.
    shell: Shell,
}

#[derive(clap::Args)]
pub struct ManArgs {
    /// The folder for the pages, such as ~/.local/share/man/man1.
    folder: PathBuf,
}

const NAME: &str = "valuenet";

/// Writes a shell's completions to stdout.
pub fn completions(args: &CompletionArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    print(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a page for each command into a folder.
pub fn man(args: &ManArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let folder = &args.folder;
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "create", error))?;
    let mut command = Cli::command();
    command.build();
    let pages = write(&command, NAME, folder)?;
    console.note(&format!("{pages} pages are in {}", folder.display()));
    Ok(ExitCode::SUCCESS)
}

/// Writes the pages of a command and of those below it; returns how many.
fn write(command: &clap::Command, name: &str, folder: &Path) -> anyhow::Result<usize> {
    let mut page = Vec::new();
    // clap wants a name that lives as long as the program.
    let owned = command.clone().name(&*String::leak(name.to_string()));
    clap_mangen::Man::new(owned).render(&mut page)?;
    disk::write_file(&folder.join(format!("{name}.1")), &page)?;
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    let pages = below.map(|below| write(below, &format!("{name}-{}", below.get_name()), folder));
    Ok(1 + pages.sum::<anyhow::Result<usize>>()?)
}
