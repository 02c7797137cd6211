//! A hub on this machine: honest at first, and as dishonest as a test wants it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The commit of every model here.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// No server stalls for longer, whatever a client does.
const LONGEST: Duration = Duration::from_secs(30);

/// What a model needs, and what nobody wants. The weights are stored as large files are.
pub const FILES: &[(&str, &str)] = &[
    ("config.json", "{}"),
    ("tokenizer.json", "{\"a\":1}"),
    ("vocab.txt", "not wanted"),
    ("model.safetensors", "the weights of a small model"),
    ("pytorch_model.bin", "not wanted"),
    ("special_tokens_map.json", "{}"),
    ("README.md", "not wanted"),
];

pub type Files = &'static [(&'static str, &'static str)];

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub token: Option<String>,
    /// The first byte that is wanted.
    pub from: Option<usize>,
}

impl Request {
    /// Whether it asks for this file itself.
    pub fn gets(&self, name: &str) -> bool {
        self.method == "GET" && self.path.ends_with(&format!("/{name}"))
    }

    /// Whether it asks what is known of a file.
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    pub fn is_for_the_list(&self) -> bool {
        self.path.starts_with("/api/models/")
    }
}

/// How an answer's bytes go out.
pub enum Manner {
    Whole,
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// Nothing comes after so many bytes of the body.
    Stall(usize),
    /// Nothing comes at all.
    Hang,
    /// One byte at a time, from the head on or from the body on.
    DripHead(Duration),
    DripBody(Duration),
}

pub struct Answer {
    pub status: &'static str,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub manner: Manner,
}

impl Answer {
    pub fn new(status: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let headers = vec![("Content-Length".into(), body.len().to_string().into())];
        Self { status, headers, body, manner: Manner::Whole }
    }

    pub fn redirect(location: &str) -> Self {
        let mut answer = Self::new("302 Found", "");
        answer.set("Location", location);
        answer
    }

    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.unset(name);
        self.headers.push((name.into(), value.into()));
    }

    pub fn unset(&mut self, name: &str) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    fn send(
        self,
        is_head: bool,
        stream: &mut TcpStream,
        stopped: &AtomicBool,
    ) -> std::io::Result<()> {
        let body: &[u8] = if is_head { &[] } else { &self.body };
        let wait = |time: Duration| {
            let until = Instant::now() + time;
            while Instant::now() < until && !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5).min(time));
            }
        };
        let drip = |stream: &mut TcpStream, bytes: &[u8], every: Duration| {
            bytes.iter().try_for_each(|byte| {
                wait(every);
                stream.write_all(&[*byte])
            })
        };
        let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        head.extend(b"\r\n");
        match self.manner {
            Manner::Hang => wait(LONGEST),
            Manner::DripHead(every) => drip(stream, &head, every)?,
            _ => stream.write_all(&head)?,
        }
        match self.manner {
            Manner::Whole | Manner::DripHead(_) => stream.write_all(body)?,
            Manner::Cut(count) => stream.write_all(&body[..count.min(body.len())])?,
            Manner::Stall(count) => {
                stream.write_all(&body[..count.min(body.len())])?;
                wait(if is_head { Duration::ZERO } else { LONGEST });
            }
            Manner::DripBody(every) => drip(stream, body, every)?,
            Manner::Hang => {}
        }
        Ok(())
    }
}

/// A server that ends with its test.
pub struct Server {
    pub address: String,
    seen: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
}

impl Server {
    /// A server that answers as it is told.
    pub fn open(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (seen, stopped) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let answer = Arc::new(answer);
        let (requests, stop) = (seen.clone(), stopped.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (answer, requests, stop) = (answer.clone(), requests.clone(), stop.clone());
                std::thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    requests.lock().unwrap().push(request.clone());
                    let _ = answer(&request).send(request.is_head(), &mut stream, &stop);
                });
            }
        });
        Self { address, seen, stopped }
    }

    /// A hub with the model `ann/tiny` that does as a hub should.
    pub fn honest(files: Files) -> Self {
        Self::open(move |request| honest(request, files))
    }

    /// A hub whose answers about `ann/tiny` are changed on their way.
    pub fn lying(lie: impl Fn(&Request, &mut Answer) + Send + Sync + 'static) -> Self {
        Self::open(move |request| {
            let mut answer = honest(request, FILES);
            lie(request, &mut answer);
            answer
        })
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address.trim_start_matches("http://"));
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    stream.set_read_timeout(Some(LONGEST)).ok()?;
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let request = lines.next()?;
    let mut words = request.split(' ');
    let (method, path) = (words.next()?.into(), words.next()?.into());
    let (mut token, mut from) = (None, None);
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        match name.to_lowercase().as_str() {
            "authorization" => token = Some(value.to_string()),
            "range" => from = value.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok(),
            _ => {}
        }
    }
    Some(Request { method, path, token, from })
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn git_sha1(bytes: &[u8]) -> String {
    let header = format!("blob {}\0", bytes.len());
    Sha1::digest([header.as_bytes(), bytes].concat())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub fn etag(name: &str, body: &[u8]) -> String {
    if name.ends_with(".safetensors") { sha256(body) } else { git_sha1(body) }
}

/// What a hub should answer.
pub fn honest(request: &Request, files: Files) -> Answer {
    let list = ["main", "refs%2Fpr%2F1", COMMIT]
        .map(|revision| format!("/api/models/ann/tiny/revision/{revision}"));
    if list.contains(&request.path) {
        let names: Vec<String> =
            files.iter().map(|(name, _)| format!("{{\"rfilename\":\"{name}\"}}")).collect();
        let list = format!(
            "{{\"sha\":\"{COMMIT}\",\"id\":\"ann/tiny\",\"siblings\":[{}]}}",
            names.join(",")
        );
        return Answer::new("200 OK", list);
    }
    let name =
        request.path.strip_prefix(&format!("/ann/tiny/resolve/{COMMIT}/")).unwrap_or_default();
    let Some((_, body)) = files.iter().find(|(file, _)| *file == name) else {
        return Answer::new("404 Not Found", "");
    };
    let body = body.as_bytes();
    let mut answer = match request.from {
        Some(from) => {
            let mut answer = Answer::new("206 Partial Content", &body[from..]);
            let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
            answer.set("Content-Range", range);
            answer
        }
        None => Answer::new("200 OK", body),
    };
    answer.set("ETag", format!("\"{}\"", etag(name, body)));
    answer.set("X-Repo-Commit", COMMIT);
    answer
}
