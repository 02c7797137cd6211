//! The one place where errors are shown, and where they become exit codes.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use valuenet::error::{Error, without_backtrace};

/// Shows an error with its causes and what can be done about it. A reader that has gone away is no
/// error.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let is_broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    };
    if error.chain().any(is_broken_pipe) {
        return ExitCode::SUCCESS;
    }
    show(error.as_ref());
    ExitCode::from(known(error).map_or(1, |error| error.kind().exit_code()))
}

/// Shows an error that the program goes on after.
pub fn show(error: &(dyn std::error::Error + 'static)) {
    let mut stderr = std::io::stderr().lock();
    let coloured =
        stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let label = |text: &str, code: &str| match coloured {
        true => format!("\x1b[1;{code}m{text}\x1b[0m"),
        false => text.to_string(),
    };
    let _ = writeln!(stderr, "{} {error}", label("error:", "31"));
    let causes = || std::iter::successors(Some(error), |error| error.source());
    for cause in causes().skip(1) {
        let cause = cause.to_string();
        let _ = writeln!(stderr, "  caused by: {}", without_backtrace(&cause));
    }
    if let Some(advice) =
        causes().find_map(|cause| cause.downcast_ref::<Error>()).and_then(Error::advice)
    {
        let _ = writeln!(stderr, "{} {advice}", label("help:", "36"));
    }
}

/// The library's error among the causes.
fn known(error: &anyhow::Error) -> Option<&Error> {
    error.chain().find_map(|cause| cause.downcast_ref::<Error>())
}
