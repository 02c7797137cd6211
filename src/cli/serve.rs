//! `valuenet serve`: a value model as a service over HTTP.
//!
//! Two threads share the work: this one owns the model and scores what waits in a queue; the other
//! one talks to clients.

mod admission;
mod body;
mod connections;
mod metrics;
mod reward;
mod routes;
mod timed;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio::sync::Notify;
use valuenet::error::Error;
use valuenet::infer::queue::{self, Queue};

use super::model::ModelArgs;
use super::output::{Console, print};
use admission::Admission;
use metrics::Metrics;
use routes::Service;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// Where to listen. Beyond this machine a token is needed, or --insecure.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,

    /// A file with the token that requests must show, as `Authorization: Bearer TOKEN`.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Answer everybody, also beyond this machine.
    #[arg(long, conflicts_with = "token_file")]
    insecure: bool,

    /// On which port; 0 picks a free one. The address is written to stdout.
    #[arg(long, default_value = "8080")]
    port: u16,

    /// The most texts that are scored together.
    #[arg(long, value_name = "TEXTS", default_value = "64", value_parser = clap::value_parser!(u32).range(1..))]
    max_batch: u32,

    /// How long texts wait for others to be scored together with.
    #[arg(long, value_name = "TIME", default_value = "2ms")]
    max_delay: humantime::Duration,

    /// The most texts of one request, or vectors in their place.
    #[arg(long, value_name = "TEXTS", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..))]
    max_texts: u32,

    /// The most texts that wait; requests beyond get 503.
    #[arg(long, value_name = "TEXTS", default_value = "4096", value_parser = clap::value_parser!(u32).range(1..))]
    max_waiting: u32,

    /// The largest body of a request.
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    max_body: usize,

    /// How long a client may take to send a request's head, and then its body.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    read_timeout: humantime::Duration,

    /// How long a client may leave what is written to it unread.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    write_timeout: humantime::Duration,

    /// The most connections of one client.
    #[arg(long, value_name = "CONNECTIONS", default_value = "256", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,

    /// How long a request may wait for its scores.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    timeout: humantime::Duration,
}

/// What clients are allowed.
pub struct Limits {
    texts: usize,
    body: usize,
    read: Duration,
    write: Duration,
    answer: Duration,
    connections: usize,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let token = args.token_file.as_deref().map(token).transpose()?;
    let listener = listen(args)?;
    let address = listener.local_addr()?;
    let is_local = address.ip().is_loopback();
    if !is_local && token.is_none() && !args.insecure {
        let what = format!("{address} is open to other machines, and no token is asked for");
        return Err(Error::usage(what)
            .help("--token-file FILE names one; --insecure answers everybody")
            .into());
    }
    let model = args.model.open()?;
    let name = args.model.run.file_name().unwrap_or_default().to_string_lossy();
    let service = Arc::new(Service {
        queue: Queue::new(queue::Limits {
            batch: args.max_batch as usize,
            delay: args.max_delay.into(),
            waiting: args.max_waiting as usize,
        }),
        metrics: Metrics::new(),
        has_probabilities: model.predictor().has_probabilities(),
        limits: Limits {
            texts: args.max_texts as usize,
            body: args.max_body,
            read: args.read_timeout.into(),
            write: args.write_timeout.into(),
            answer: args.timeout.into(),
            connections: args.max_connections as usize,
        },
        admission: Admission::new(token.as_deref(), is_local),
        about: json!({
            "status": "ok",
            "version": env!("CARGO_PKG_VERSION"),
            "model": name,
            "parameters": model.parameters(),
            "dtype": model.predictor().dtype(),
        }),
    });
    let stop = stop_on_signal()?;
    let clients = {
        let service = service.clone();
        std::thread::Builder::new()
            .name("http".into())
            .spawn(move || connections::serve(listener, &service, &stop))?
    };
    print(&format!("http://{address}\n"))?;
    if !is_local && token.is_none() {
        console.note("listening beyond this machine, and everybody is answered");
    }
    console.note("POST /score, POST /reward, POST /values, GET /health, GET /metrics; Ctrl-C ends");
    service.queue.work(model.predictor(), &mut |texts| service.metrics.batch(texts));
    match clients.join() {
        Ok(served) => served?,
        Err(_) => return Err(Error::failure("the thread that talks to clients broke down").into()),
    }
    console.note("all requests are answered");
    Ok(ExitCode::SUCCESS)
}

/// The token in a file: its text without white space around it.
fn token(path: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, "read", error))?;
    match text.trim() {
        "" => Err(Error::file(path, "there is no token in it")),
        token if token.contains(char::is_whitespace) => {
            Err(Error::file(path, "a token has no white space in it"))
        }
        token => Ok(token.into()),
    }
}

fn listen(args: &Args) -> Result<TcpListener, Error> {
    let place = (args.host.as_str(), args.port);
    TcpListener::bind(place).map_err(|error| {
        Error::failure(format!("cannot listen on {}:{}", args.host, args.port))
            .because(error)
            .help("name another place with --host and --port; --port 0 picks a free port")
    })
}

/// What is told when the program is asked to end; asked twice, it ends at once.
fn stop_on_signal() -> anyhow::Result<Arc<Notify>> {
    let stop = Arc::new(Notify::new());
    let (told, mut is_second) = (stop.clone(), false);
    ctrlc::set_handler(move || {
        if is_second {
            std::process::exit(130);
        }
        is_second = true;
        told.notify_one();
    })
    .context("cannot wait for signals")?;
    Ok(stop)
}
