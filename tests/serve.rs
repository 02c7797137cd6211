//! The service as its clients meet it: a real program with a tiny model, spoken to over plain
//! sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use valuenet::seed::{Purpose, Stream};

use crate::mutation::{changed, setting};
use crate::reward::worked;
use crate::support::{folder, program, saved_model, stderr, stdout, valuenet, write};

/// A service with a tiny model, which ends with the test.
struct Server {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

/// An answer.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn error(&self) -> String {
        self.json()["error"]
            .as_str()
            .unwrap_or_else(|| panic!("no error in {}", self.body))
            .to_string()
    }
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let folder = folder();
        let model = saved_model(folder.path());
        let mut child = program()
            .args(["serve".as_ref(), model.as_os_str()])
            .args(["--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim().strip_prefix("http://").expect("the address comes first").parse().unwrap();
        Self { child, address, folder }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Sends a request on a connection of its own.
    fn ask(&self, method: &str, path: &str, body: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.connect();
        send(&mut stream, method, path, body.as_ref());
        receive(&mut stream)
    }

    fn post(&self, path: &str, body: impl ToString) -> Answer {
        self.ask("POST", path, body.to_string())
    }

    /// Asks the program to end, as `kill` and Ctrl-C do.
    fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits until it has ended; its exit code.
    fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    fn metric(&self, name: &str) -> f64 {
        let text = self.ask("GET", "/metrics", "").body;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.map_or(0.0, |number| number.parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(stream: &mut TcpStream, method: &str, path: &str, body: &[u8]) {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
}

/// Reads one answer, whose body has a stated length.
fn receive(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(
            stream.read(&mut byte).unwrap(),
            1,
            "closed after {:?}",
            String::from_utf8_lossy(&bytes)
        );
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    Answer { status, head, body: String::from_utf8(body).unwrap() }
}

/// Whether the other side closes the connection without another word.
fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Ok(0) | Err(_))
}

#[test]
fn scores_are_those_of_infer_byte_for_byte() {
    let server = Server::start(&[]);
    let texts = ["helping a friend", "", "hurting \"somebody\" — gently", "painting my sister Ann"];
    let file = write(server.folder.path(), "texts.txt", texts.join("\n"));
    let inferred = stdout(&valuenet([
        "infer".as_ref(),
        server.folder.path().join("model").as_os_str(),
        file.as_os_str(),
    ]));
    let lines: Vec<&str> = inferred.lines().collect();
    let answer = server.post("/score", json!({"texts": texts}));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    assert_eq!(answer.body, format!("{{\"results\":[{}]}}\n", lines.join(",")));
    for (text, line) in texts.iter().zip(lines) {
        assert_eq!(server.post("/score", json!({"text": text})).body.trim_end(), line);
    }
    assert_eq!(server.post("/score", json!({"texts": []})).body, "{\"results\":[]}\n");
}

#[test]
fn rewards_are_those_of_the_command() {
    let server = Server::start(&[]);
    let dialogues = [
        json!({"persona": ["helping a friend", "my sister"], "utterances": ["hurting", "a friend"]}),
        json!({"persona": ["painting"], "utterances": ["the old man", "my sister Ann", "painting"]}),
    ];
    let file =
        write(server.folder.path(), "d.jsonl", format!("{}\n{}\n", dialogues[0], dialogues[1]));
    let model = server.folder.path().join("model");
    let of_command = |more: &[&str]| -> Vec<Json> {
        let arguments =
            ["reward".as_ref(), model.as_os_str(), file.as_os_str(), "--format=jsonl".as_ref()];
        let output = valuenet(arguments.into_iter().chain(more.iter().map(std::ffi::OsStr::new)));
        let line = |line: &str| {
            let mut json: Json = serde_json::from_str(line).unwrap();
            json.as_object_mut().unwrap().retain(|key, _| key != "dialogue" && key != "line");
            json
        };
        stdout(&output).lines().map(line).collect()
    };
    let one = of_command(&["--limit=1"]);
    assert_eq!(server.post("/reward", &dialogues[0]).json(), one[0]);
    assert_eq!(
        server.post("/reward", json!({"dialogues": [dialogues[0]]})).json(),
        json!({"results": one})
    );
    let all = json!({"dialogues": dialogues, "literal": true, "center": true});
    let answer = server.post("/reward", all).json();
    assert_eq!(answer, json!({"results": of_command(&["--literal", "--center"])}));
    assert_eq!(
        (&answer["results"][1]["literal"], &answer["results"][1]["center"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(server.post("/reward", json!({"dialogues": []})).json(), json!({"results": []}));
}

#[test]
fn dialogues_worked_by_hand_have_their_rewards_over_http() {
    let server = Server::start(&["--max-texts", "64"]);
    let close =
        |found: &Json, expected: f64| (found["reward"].as_f64().unwrap() - expected).abs() <= 1e-12;
    let dialogues: Vec<Json> = worked().iter().map(|worked| worked.json()).collect();
    for is_literal in [false, true] {
        let all = json!({"dialogues": dialogues, "literal": is_literal});
        let all = server.post("/reward", all).json();
        assert_eq!(all["results"].as_array().unwrap().len(), worked().len());
        for (place, worked) in worked().iter().enumerate() {
            let expected = if is_literal { worked.literal } else { worked.bounded };
            let mut one = worked.json();
            one["literal"] = is_literal.into();
            let one = server.post("/reward", one).json();
            assert!(close(&one, expected), "{expected}: {one}");
            assert_eq!(one, all["results"][place]);
        }
    }
    assert_eq!(server.metric("valuenet_texts_scored_total"), 0.0);
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    let server = Server::start(&["--max-texts", "3"]);
    let cases = [
        ("/score", "", 400, "the body is empty"),
        (
            "/score",
            "{\"text\": ",
            400,
            "the body is no JSON: EOF while parsing a value at line 1 column 9",
        ),
        ("/score", "{text: 1}", 400, "key must be a string at line 1 column 2"),
        ("/score", "{\"text\": \"a\"} b", 400, "trailing characters"),
        (
            "/score",
            "{\"text\": 5}",
            422,
            "invalid type: integer `5`, expected a string at line 1 column 10",
        ),
        ("/score", "[\"a\", null]", 422, "invalid type: the body is no object"),
        ("/score", "text", 400, "the body is no JSON"),
        ("/score", "{\"texts\": \"a\"}", 422, "expected a sequence"),
        (
            "/score",
            "{\"txt\": \"a\"}",
            422,
            "unknown field `txt`, expected one of `text`, `texts`, `probabilities`",
        ),
        ("/score", "{}", 422, "either \"text\" or \"texts\" is needed"),
        ("/score", "{\"text\": \"a\", \"texts\": []}", 422, "either \"text\" or \"texts\""),
        (
            "/score",
            "{\"texts\": [\"a\", \"b\", \"c\", \"d\"]}",
            413,
            "4 texts, and at most 3 are taken at once",
        ),
        (
            "/reward",
            "{}",
            422,
            "either \"persona\" and \"utterances\" are needed, or \"persona_vectors\" and",
        ),
        (
            "/reward",
            "{\"persona\": [\"a\"]}",
            422,
            "either \"persona\" and \"utterances\" are needed",
        ),
        ("/reward", "{\"persona\": [], \"utterances\": [\"a\"]}", 422, "\"persona\" is empty"),
        (
            "/reward",
            "{\"persona\": [\"a\"], \"utterances\": [\"b\", \" \"]}",
            422,
            "text 2 of \"utterances\" is blank",
        ),
        (
            "/reward",
            "{\"persona\": [\"a\"], \"utterances\": [\"b\"], \"gamma\": 0.9}",
            422,
            "unknown field `gamma`: it is no parameter, but counts how often a persona sentence is matched",
        ),
        (
            "/reward",
            "{\"persona\": [\"a\"], \"beta\": 1}",
            422,
            "unknown field `beta`, expected one of `persona`",
        ),
        (
            "/reward",
            "{\"dialogues\": [{\"persona\": [\"a\"], \"utterances\": [\"b\"], \"gamma\": 1}]}",
            422,
            "unknown field `gamma`: it is no parameter",
        ),
        (
            "/reward",
            "{\"dialogues\": [], \"persona\": [\"a\"]}",
            422,
            "either one dialogue or \"dialogues\" is needed",
        ),
        (
            "/reward",
            "{\"dialogues\": [{\"persona\": [\"a\"], \"utterances\": [\"b\"]}, {\"persona\": [\"a\"], \"utterances\": []}]}",
            422,
            "dialogue 2: \"utterances\" is empty",
        ),
        (
            "/reward",
            "{\"dialogues\": [{\"persona\": [\"a\"], \"utterances\": [\"b\"]}, {\"persona\": [\"a\"], \"utterances\": [\"b\"]}]}",
            413,
            "4 texts, and at most 3 are taken at once",
        ),
        (
            "/reward",
            "{\"dialogues\": [{\"persona\": [\"a\"], \"utterances\": [\"b\"]}, \
             {\"persona_vectors\": [[1]], \"utterance_vectors\": [[1]]}]}",
            422,
            "the dialogues are all of texts, or all of vectors",
        ),
        (
            "/reward",
            "{\"persona_vectors\": [[1, 0]], \"utterance_vectors\": [[1, 0], [1]]}",
            422,
            "vector 2 of \"utterance_vectors\" has 1 numbers, and those before 2",
        ),
        (
            "/reward",
            "{\"dialogues\": [{\"persona_vectors\": [[1]], \"utterance_vectors\": [[1]]}, \
             {\"persona_vectors\": [[]], \"utterance_vectors\": [[1]]}]}",
            422,
            "dialogue 2: vector 1 of \"persona_vectors\" is empty",
        ),
        (
            "/reward",
            "{\"persona_vectors\": [[1]], \"utterance_vectors\": [[1], [1], [1]]}",
            413,
            "4 vectors, and at most 3 are taken at once",
        ),
    ];
    for (path, body, status, says) in cases {
        let answer = server.post(path, body);
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(answer.error().contains(says), "{body}: {}", answer.body);
    }
    let answer = server.ask("POST", "/score", b"{\"text\": \"caf\xe9\"}");
    assert!(answer.status == 400 && answer.error().contains("no JSON"), "{}", answer.body);
    assert_eq!(server.post("/score", json!({"text": "still here"})).status, 200);
}

#[test]
fn a_remote_classifier_of_pyvalues_gets_what_its_file_has() {
    let server = Server::start(&[]);
    let model = saved_model(server.folder.path()).display().to_string();
    let document = json!({"id": null, "language": "en", "segments": ["she led them", " "]});
    let answer = server.post("/values", document).json();
    let texts = write(server.folder.path(), "t.txt", "she led them\n \n").display().to_string();
    let file = stdout(&valuenet(["infer", &model, &texts, "--to", "pyvalues"]));
    let mut lines = file.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    for (row, said) in lines.zip(answer["values"].as_array().unwrap()) {
        assert_eq!(said.as_object().unwrap().len(), 10);
        for (name, cell) in header.iter().zip(row).skip(3) {
            let (value, what) = name.rsplit_once(' ').unwrap();
            assert_eq!(said[value][what].as_f64(), cell.parse().ok(), "{name}");
        }
    }
}

#[test]
fn the_description_names_every_path_and_its_examples_are_answered() {
    let server = Server::start(&[]);
    let description = server.ask("GET", "/openapi.json", "").json();
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    let paths = description["paths"].as_object().unwrap();
    let unknown = server.ask("GET", "/nowhere", "").error();
    for (path, verbs) in paths {
        assert!(unknown.contains(path.as_str()), "{path}: {unknown}");
        for (verb, about) in verbs.as_object().unwrap() {
            let name = &about["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let schema =
                name.as_str().and_then(|it| description.pointer(it.trim_start_matches('#')));
            let example = schema.map_or(Json::Null, |schema| schema["example"].clone());
            let body = match example.is_null() {
                true if verb == "post" => json!({"segments": ["she led them"]}).to_string(),
                true => String::new(),
                false => example.to_string(),
            };
            let answer = server.ask(&verb.to_uppercase(), path, body);
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        }
    }
    assert_eq!(paths.len(), 6);
}

/// As many as `mutation.rs` has files, and of the same seeds.
#[test]
fn bodies_that_were_changed_at_random_are_answered_or_refused_in_words() {
    let server = Server::start(&[]);
    let dialogue =
        json!({"persona": ["helping Ann", "my sister"], "utterances": ["hurting", "a friend"]});
    let bodies = [
        ("/score", json!({"texts": ["helping Ann", "caf\u{e9} \"x\" \n", ""]})),
        ("/reward", json!({"dialogues": [dialogue], "literal": true, "center": true})),
        ("/reward", dialogue.clone()),
        ("/values", json!({"id": "a", "language": "en", "segments": ["she led them", " "]})),
    ];
    let (tried, seed) =
        (setting("VALUENET_FUZZ_FILES").unwrap_or(300), setting("VALUENET_FUZZ_SEED").unwrap_or(1));
    for (path, body) in &bodies {
        let right = server.post(path, body);
        assert_eq!(right.status, 200, "{path}: {}", right.body);
        let mut accepted = 0;
        for number in 0..tried {
            let mut stream = Stream::new(seed, Purpose::Sampling, number);
            let body = changed(body.to_string().as_bytes(), &mut stream);
            let answer = server.ask("POST", path, &body);
            match answer.status {
                200 => accepted += 1,
                400 | 413 | 422 => assert!(!answer.error().is_empty()),
                other => panic!("{path}, change {number} of seed {seed}: {other} {}", answer.body),
            }
        }
        println!("{path:28} {tried:8} changed bodies, {accepted} of them still accepted");
        assert_eq!(server.post(path, body).body, right.body);
    }
}

#[test]
fn unknown_paths_and_wrong_methods_are_named() {
    let server = Server::start(&[]);
    let answer = server.ask("GET", "/scores", "");
    assert_eq!(
        (answer.status, answer.error().starts_with("there is no /scores; there are /score")),
        (404, true)
    );
    let answer = server.ask("GET", "/score", "");
    assert_eq!((answer.status, answer.error().as_str()), (405, "/score does not take GET"));
    assert!(answer.head.contains("allow: post"), "{}", answer.head);
    assert_eq!(server.ask("DELETE", "/health", "").status, 405);
}

#[test]
fn health_and_metrics_tell_how_it_goes() {
    let server = Server::start(&[]);
    let health = server.ask("GET", "/health", "").json();
    assert_eq!((&health["status"], &health["dtype"]), (&json!("ok"), &json!("f32")));
    assert!(health["parameters"].as_u64().unwrap() > 1000);
    server.post("/score", json!({"texts": ["a", "b", "c"]}));
    server.post("/score", "{");
    assert_eq!(server.metric("valuenet_texts_scored_total"), 3.0);
    assert_eq!(server.metric("valuenet_requests_total{path=\"/score\",status=\"200\"}"), 1.0);
    assert_eq!(server.metric("valuenet_requests_total{path=\"/score\",status=\"400\"}"), 1.0);
    assert_eq!(server.metric("valuenet_batch_texts_bucket{le=\"4\"}"), 1.0);
    assert!(server.metric("valuenet_request_seconds_sum{path=\"/score\"}") > 0.0);
    let metrics = server.ask("GET", "/metrics", "");
    assert!(
        metrics.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{}",
        metrics.head
    );
    assert!(metrics.body.contains("# TYPE valuenet_requests_total counter\n"), "{}", metrics.body);
}

#[test]
fn a_body_that_is_too_large_is_refused_after_it_was_sent_and_before() {
    let server = Server::start(&[]);
    let large = json!({"text": "x".repeat(10_000_000)}).to_string();
    let answer = server.post("/score", &large);
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (413, "the body has more than 1048576 bytes")
    );

    // A client that asks first, as curl does, need not send it.
    let mut stream = server.connect();
    let head = "POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(receive(&mut stream).status, 413);

    // In chunks no length is stated.
    let mut stream = server.connect();
    stream
        .write_all(
            b"POST /score HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n",
        )
        .unwrap();
    stream.write_all(&vec![b' '; 0x200000]).unwrap();
    stream.write_all(b"\r\n0\r\n\r\n").unwrap();
    assert_eq!(receive(&mut stream).status, 413);
}

#[test]
fn slow_clients_are_let_go_and_others_are_served_meanwhile() {
    let server = Server::start(&["--read-timeout", "600ms"]);
    let begun = Instant::now();
    let (mut silent, mut slow_head, mut slow_body) =
        (server.connect(), server.connect(), server.connect());
    slow_head.write_all(b"POST /score HT").unwrap();
    slow_body
        .write_all(
            b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{\"text\":",
        )
        .unwrap();
    assert_eq!(server.post("/score", json!({"text": "quick"})).status, 200);
    assert!(begun.elapsed() < Duration::from_millis(600), "the others had to wait");
    let answer = receive(&mut slow_body);
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (408, "the body did not come within 600ms")
    );
    assert!(answer.head.contains("connection: close") && is_closed(&mut slow_body));
    assert!(is_closed(&mut slow_head) && is_closed(&mut silent));
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(server.post("/score", json!({"text": "quick"})).status, 200);
}

#[test]
fn what_takes_too_long_or_is_too_much_is_refused_with_503() {
    let texts: Vec<String> =
        (0..1000).map(|number| format!("helping my sister Ann {number}").repeat(3)).collect();
    let many = json!({"texts": texts});
    let server = Server::start(&["--timeout", "1ms"]);
    let answer = server.post("/score", &many);
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (503, "the texts were not scored within 1ms")
    );
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);

    // What waits is full for as long as the first batch is gathered.
    let server = Server::start(&["--max-delay", "1s", "--max-waiting", "2"]);
    let mut first = server.connect();
    send(&mut first, "POST", "/score", json!({"texts": ["a", "b"]}).to_string().as_bytes());
    while server.metric("valuenet_texts_waiting") < 2.0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let answer = server.post("/score", json!({"text": "c"}));
    assert_eq!((answer.status, answer.error().as_str()), (503, "too many texts wait to be scored"));
    assert_eq!(receive(&mut first).status, 200);
}

#[test]
fn requests_at_the_same_time_are_scored_together() {
    let server = Server::start(&["--max-delay", "500ms"]);
    let mut clients: Vec<TcpStream> = (0..8).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        send(
            client,
            "POST",
            "/score",
            json!({"text": format!("number {number}")}).to_string().as_bytes(),
        );
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(receive(client).json()["text"], format!("number {number}"));
    }
    assert_eq!(server.metric("valuenet_texts_scored_total"), 8.0);
    assert!(server.metric("valuenet_batch_texts_count") <= 4.0);
}

#[test]
fn it_ends_when_asked_and_answers_what_it_has_begun() {
    for name in ["TERM", "INT"] {
        let server = Server::start(&["--max-delay", "700ms"]);
        let (mut waiting, idle) = (server.connect(), server.connect());
        send(&mut waiting, "POST", "/score", b"{\"text\": \"in between\"}");
        while server.metric("valuenet_texts_waiting") < 1.0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        server.signal(name);
        assert_eq!(receive(&mut waiting).json()["text"], "in between");
        assert!(is_closed(&mut waiting));
        drop(idle);
        let address = server.address;
        assert_eq!(server.ended(), Some(0), "{name}");
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn a_client_that_goes_away_costs_nothing() {
    let server = Server::start(&["--max-delay", "300ms"]);
    for _ in 0..5 {
        let mut client = server.connect();
        send(&mut client, "POST", "/score", b"{\"text\": \"nobody waits for this\"}");
        client.shutdown(Shutdown::Both).unwrap();
    }
    assert_eq!(server.post("/score", json!({"text": "but for this"})).status, 200);
    assert_eq!(server.metric("valuenet_texts_waiting"), 0.0);
}

/// The answer to a request with these lines in its head.
fn with_head(server: &Server, head: &str, body: &str) -> Answer {
    let mut stream = server.connect();
    let head = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    receive(&mut stream)
}

#[test]
fn pages_of_other_names_and_origins_get_no_answer() {
    let server = Server::start(&[]);
    let body = "{\"text\": \"a text\"}";
    let post = |lines: &str| with_head(&server, &format!("POST /score HTTP/1.1\r\n{lines}"), body);
    let port = server.address.port();
    for own in [
        format!("Host: 127.0.0.1:{port}"),
        format!("Host: localhost:{port}\r\nOrigin: http://localhost:{port}"),
        "Host: [::1]".to_string(),
    ] {
        assert_eq!(post(&own).status, 200, "{own}");
    }
    for other in ["Host: rebound.example.org", "Host: 127.0.0.1.example.org:80", "Host: 10.1.2.3"] {
        let answer = post(other);
        assert_eq!(answer.status, 403, "{other}");
        assert!(answer.error().contains("for this machine"), "{}", answer.body);
    }
    for origin in ["http://example.org", "null", "http://localhost:1", "localhost"] {
        let lines =
            format!("Host: localhost:{port}\r\nContent-Type: text/plain\r\nOrigin: {origin}");
        let answer = post(&lines);
        assert_eq!(
            (answer.status, answer.error().contains("other origins")),
            (403, true),
            "{origin}"
        );
    }
    let health = server.ask("GET", "/health", "").json();
    assert_eq!(health["model"], "model", "its name, and not where it lies");
    assert_eq!(server.metric("valuenet_requests_total{path=\"/score\",status=\"403\"}"), 7.0);
}

#[test]
fn beyond_this_machine_a_token_is_asked_for() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let open = ["serve", &model, "--host", "0.0.0.0", "--port", "0"];
    let output = valuenet(open);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("no token is asked for") && stderr(&output).contains("--insecure")
    );
    for (text, says) in [("", "no token in it"), ("two words", "no white space")] {
        let file = write(folder.path(), "token", text).display().to_string();
        let output = valuenet(open.into_iter().chain(["--token-file", &file]));
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
    let file = write(folder.path(), "token", "s3cret-token\n").display().to_string();
    let server = Server::start(&["--token-file", &file]);
    let ask = |lines: &str| {
        let head = format!("POST /score HTTP/1.1\r\nHost: localhost{lines}");
        with_head(&server, &head, "{\"text\": \"a text\"}")
    };
    assert_eq!(ask("\r\nAuthorization: Bearer s3cret-token").status, 200);
    for wrong in ["", "\r\nAuthorization: Bearer s3cret", "\r\nAuthorization: Basic s3cret-token"] {
        let answer = ask(wrong);
        assert_eq!(answer.status, 401, "{wrong}");
        assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
    }
    assert_eq!(server.ask("GET", "/health", "").status, 200);
    assert_eq!(server.ask("GET", "/metrics", "").status, 401);
}

#[test]
fn clients_that_do_not_read_and_those_that_take_all_are_let_go() {
    let server = Server::start(&["--write-timeout", "500ms", "--max-connections", "4"]);
    let text = "a long text ".repeat(2000);
    let body = json!({"texts": vec![text; 40]}).to_string();
    let head = format!(
        "POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut deaf = server.connect();
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // It asks again and again, and reads nothing, until no more goes in.
    let request = [head.as_bytes(), body.as_bytes()].concat();
    let begun = Instant::now();
    let mut is_closed = false;
    while begun.elapsed() < Duration::from_secs(60) && !is_closed {
        match deaf.write(&request) {
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) => {}
            Err(_) => is_closed = true,
        }
    }
    assert!(is_closed, "it is still connected after {:?}", begun.elapsed());
    drop(deaf);

    let mut held: Vec<TcpStream> = (0..4).map(|_| server.connect()).collect();
    for stream in &mut held {
        send(stream, "GET", "/health", b"");
        assert_eq!(receive(stream).status, 200);
    }
    assert!(self::is_closed(&mut server.connect()), "a fifth is one too many");
    held.pop();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mut stream = server.connect();
        let head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
        if stream.write_all(head).is_ok() && stream.read(&mut [0]).is_ok_and(|count| count == 1) {
            break;
        }
        assert!(Instant::now() < deadline, "there is no place again");
    }
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let server = Server::start(&[]);
    let model = server.folder.path().join("model").display().to_string();
    let output = valuenet(["serve", &model, "--port", &server.address.port().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot listen on 127.0.0.1:"), "{}", stderr(&output));
    assert!(stderr(&output).contains("--port 0"));
}

#[test]
fn requests_that_the_pages_show_are_answered() {
    let server = Server::start(&[]);
    let pages = ["docs/service.md", "docs/reward.md"].map(std::fs::read_to_string);
    let mut sent = 0;
    for page in pages {
        let page = page.unwrap();
        for line in page.lines().filter_map(|line| line.strip_prefix("curl ")) {
            let (body, url) = match line.strip_prefix("-d '") {
                Some(rest) => rest.split_once("' ").unwrap(),
                None => ("", line),
            };
            let path = url.strip_prefix("http://127.0.0.1:8080").unwrap();
            let method = if body.is_empty() { "GET" } else { "POST" };
            let answer = server.ask(method, path, body);
            assert_eq!(answer.status, 200, "{line}: {}", answer.body);
            sent += 1;
        }
    }
    assert!(sent > 5, "{sent} requests");
}
