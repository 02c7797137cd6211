//! What a recipe is to know of the world outside, and how what it tells is shown.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use valuenet::hub::HubSettings;
use valuenet::recipe::{Observer, ProgressEvent, Site};
use valuenet::run::Git;

use super::error;
use super::output::Console;
use super::progress::{Download, Training, Work};

/// This machine, as its environment and the command line describe it.
pub struct Here {
    hub: HubSettings,
    git: Option<Git>,
    shown: Shown,
}

impl Here {
    /// Shows on this console what happens.
    pub fn new(console: &Console) -> Self {
        Self {
            hub: hub_settings(),
            git: git(),
            shown: Shown { console: *console, at: Mutex::default() },
        }
    }

    /// What a recipe is given.
    pub fn site(&self) -> Site<'_> {
        Site { hub: &self.hub, git: self.git.as_ref(), observer: &self.shown }
    }
}

/// Where the hub is, as the environment says.
pub fn hub_settings() -> HubSettings {
    HubSettings::from_lookup(|name| std::env::var(name).ok())
}

/// The repository that the program was started in, if it is one.
fn git() -> Option<Git> {
    let ask = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    Some(Git {
        commit: ask(&["rev-parse", "HEAD"])?,
        dirty: !ask(&["status", "--porcelain"])?.is_empty(),
    })
}

/// Shows what happens on the console.
struct Shown {
    console: Console,
    at: Mutex<At>,
}

/// What is going on.
#[derive(Default)]
struct At {
    training: Option<Training>,
    download: Option<Download>,
    work: Option<Work>,
}

impl Observer for Shown {
    fn tell(&self, event: ProgressEvent<'_>) {
        let Ok(mut at) = self.at.lock() else { return };
        match (event, &mut at.training) {
            (ProgressEvent::Note(text), _) => self.console.note(text),
            (ProgressEvent::Detail(text), _) => self.console.detail(text),
            (ProgressEvent::Failed(error), _) => error::show(error),
            (ProgressEvent::Transfer(transfer), _) => {
                at.download.get_or_insert_with(|| Download::new(&self.console)).advance(transfer);
            }
            (ProgressEvent::Done { what, done, total }, _) => {
                at.work.get_or_insert_with(|| Work::new(&self.console)).advance(what, done, total);
                if done >= total {
                    at.work = None;
                }
            }
            (ProgressEvent::Begun { total, done }, _) => {
                self.catch_interrupts();
                at.training = Some(Training::new(&self.console, total, done));
            }
            (ProgressEvent::Ended, Some(training)) => {
                training.finish();
                at.training = None;
            }
            (ProgressEvent::Step(done, samples_per_second), Some(training)) => {
                training.step(&done, samples_per_second)
            }
            (ProgressEvent::Row(text), Some(training)) => training.row(text),
            (ProgressEvent::Scores(text), Some(training)) => training.evaluated(text),
            (
                ProgressEvent::Step(..)
                | ProgressEvent::Row(_)
                | ProgressEvent::Scores(_)
                | ProgressEvent::Ended,
                None,
            ) => {}
        }
    }

    fn asks_to_stop(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

impl Shown {
    /// From now on the first Ctrl-C asks for a stop after the current step, and the second ends the
    /// program.
    fn catch_interrupts(&self) {
        static CAUGHT: AtomicBool = AtomicBool::new(false);
        if CAUGHT.swap(true, Ordering::Relaxed) {
            return;
        }
        let caught = ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        });
        if let Err(error) = caught {
            self.console.note(&format!("warning: Ctrl-C will not save the training: {error}"));
        }
    }
}
