//! A program that rewards dialogues: a JSON line for each on its standard input, a number a line
//! back.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::json;

use crate::error::{Error, Result};
use crate::train::reinforce::{Rewarder, Spoken, Worth};

/// A program that runs as long as it is needed.
pub(super) struct Program {
    command: String,
    timeout: Duration,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<std::io::Result<String>>,
}

impl Program {
    /// Starts a command by the shell. What it says on standard error is shown.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn start(command: &str, timeout: f64) -> Result<Self> {
        let [shell, flag] = if cfg!(windows) { ["cmd", "/C"] } else { ["sh", "-c"] };
        let mut starting = Command::new(shell);
        starting.args([flag, command]).stdin(Stdio::piped()).stdout(Stdio::piped());
        // What interrupts the training is not for the program, whose answers end the step.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut starting, 0);
        let failed = |error: std::io::Error| {
            Error::key("reward.command", format!("cannot start `{command}`: {error}"))
        };
        let mut child = starting.spawn().map_err(failed)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.into_iter().flat_map(|output| BufReader::new(output).lines()) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let timeout = Duration::from_secs_f64(timeout);
        Ok(Self { command: command.into(), timeout, child, input, lines })
    }

    fn fault(&self, what: &str) -> Error {
        Error::failure(format!("the reward program `{}` {what}", self.command)).help(
            "it must answer each JSON line on its standard input by a number on a line of its own, \
             at once",
        )
    }

    /// The answer to dialogue `number` of `all`.
    fn answer(&mut self, number: usize, all: usize) -> Result<f64> {
        let place = format!("dialogue {number} of {all}");
        let line = match self.lines.recv_timeout(self.timeout) {
            Ok(Ok(line)) => line,
            Ok(Err(error)) => return Err(self.fault(&format!("cannot be read: {error}"))),
            Err(RecvTimeoutError::Timeout) => {
                let seconds = self.timeout.as_secs_f64();
                let what = format!("gave no answer to {place} within {seconds} s (reward.timeout)");
                return Err(self.fault(&what));
            }
            Err(RecvTimeoutError::Disconnected) => {
                let ended = match self.child.wait() {
                    Ok(status) => status.to_string(),
                    Err(error) => error.to_string(),
                };
                return Err(self.fault(&format!("ended before it answered {place} ({ended})")));
            }
        };
        match line.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => {
                let what = format!("answered {line:?} to {place}, which is no finite number");
                Err(self.fault(&what))
            }
        }
    }
}

impl Rewarder for Program {
    fn worth(&mut self, dialogues: &[Spoken]) -> Result<Vec<Worth>> {
        let line = |spoken: &Spoken| {
            json!({ "persona": spoken.persona, "utterances": spoken.utterances }).to_string()
        };
        // A line too many would be taken for the answer to the next dialogue.
        if let Ok(Ok(line)) = self.lines.try_recv() {
            return Err(self.fault(&format!("said {line:?} without being asked")));
        }
        let text: String = dialogues.iter().map(|spoken| line(spoken) + "\n").collect();
        let mut input = self.input.take();
        let found = std::thread::scope(|scope| {
            // Beside the answers, for a program may answer before it has read all.
            let writer = scope.spawn(|| {
                let input = input.as_mut();
                input.map(|input| input.write_all(text.as_bytes()).and_then(|()| input.flush()))
            });
            let numbers = (1..=dialogues.len()).map(|number| self.answer(number, dialogues.len()));
            let found = numbers.collect::<Result<Vec<f64>>>();
            if found.is_err() {
                let _ = self.child.kill(); // so that the writer does not wait for it
            }
            let _ = writer.join(); // what could not be written was not answered either
            found
        });
        self.input = input;
        Ok(found?.into_iter().map(|total| Worth { total, parts: Vec::new() }).collect())
    }

    fn compares_personas(&self) -> bool {
        false
    }
}

impl Drop for Program {
    /// A program ends with its input; one that does not is ended.
    fn drop(&mut self) {
        drop(self.input.take());
        for _ in 0..20 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
