//! Every command that a page shows in a block is run here, or stands in `NOT_RUN` with the reason.
//!
//! A page's commands are run in its order by a shell, in a folder of their own. What a reader is
//! assumed to have there (a dataset, a run, files) is made by `STAND_INS`. No command is changed but
//! those in `SHORTER`, and `cargo run --release --`, which is the program that is tested.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

use super::pages;
use crate::support::{config, dataset, folder, program, stderr, stdout, valuenet, write};

const SERVICE: &str = "runs until it is stopped; tests/serve.rs starts it";
const REQUEST: &str = "needs a service; tests/serve.rs sends it";
const GPU: &str = "needs a GPU";
const PYTHON: &str = "needs a service, and Python";
const WEIGHTS: &str = "needs real weights, and takes minutes";
const EMPATHETIC: &str =
    "needs EMPATHETICDIALOGUES and real weights; tests/empathetic.rs does it in small";
const BUILD: &str = "builds or tests the whole program again, which takes minutes";

/// The commands that are not run, as the pages show them, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("cargo test", BUILD),
    ("cargo test --features cuda-emulation -- ops:: golden:: gpu::", BUILD),
    ("cargo test --test tests simulation:: -- --nocapture", BUILD),
    (
        "VALUENET_DATA=… VALUENET_MINILM=… VALUENET_MPNET=… VALUENET_SMOLLM2=… cargo test -- --ignored",
        WEIGHTS,
    ),
    ("cargo fmt", "changes the sources"),
    ("cargo clippy --all-targets --bench language --bench reward -- -D warnings", BUILD),
    ("cargo bench", "takes minutes"),
    ("scripts/bench_peers.sh DATA MODEL", "needs the network and real weights"),
    ("scripts/bench_language.sh", "needs the network, and takes half an hour"),
    ("scripts/bench_reward.sh", "needs the network, and takes an hour"),
    ("python3 scripts/trl_reward.py", PYTHON),
    ("python scripts/score_spark.py runs/minilm", "needs Spark and Java, from the network"),
    ("python scripts/score_ray.py runs/minilm", "needs Ray, from the network"),
    ("valuenet train configs/minilm.toml", WEIGHTS),
    ("valuenet train configs/mpnet.toml", WEIGHTS),
    (
        "valuenet train configs/minilm.toml --set train.teacher=runs/mpnet --set train.r_drop=1",
        WEIGHTS,
    ),
    (
        "valuenet reproduce --tables 4 --data data/personachat --values runs/minilm --seeds \
         1,2,3,4,5",
        "needs PERSONA-CHAT and real weights, and takes days; tests/reproduce.rs does it in small",
    ),
    (
        "valuenet reproduce --tables 5 --data data/empatheticdialogues --values runs/minilm --rows \
         emotion-linear,emotion-linear-value,emotion-minilm-frozen,emotion-minilm-frozen-value \
         --set train.dtype=bf16",
        EMPATHETIC,
    ),
    (
        "valuenet train configs/emotion-minilm.toml --folds 5 --set data.dir=data/empatheticdialogues",
        EMPATHETIC,
    ),
    (
        "valuenet train configs/empathetic-smollm2.toml --set dialogue.emotion=predicted --set \
         dialogue.emotions=runs/emotion-minilm -o runs/told",
        EMPATHETIC,
    ),
    (
        "valuenet reproduce --tables 6 --emotions runs/emotion-minilm --rows \
         empathetic-smollm2,empathetic-smollm2-emotion,empathetic-smollm2-gold",
        EMPATHETIC,
    ),
    ("scripts/build_cuda.sh", "needs the network or a CUDA toolkit, and takes minutes"),
    ("target/valuenet-cuda train configs/bert.toml --device cuda --dtype bf16", GPU),
    ("target/valuenet-cuda train configs/bert.toml --seeds 1,2,3,4 --devices cuda:0,cuda:1", GPU),
    ("scripts/test_cuda.sh", GPU),
    ("scripts/bench_cuda.sh", GPU),
    ("valuenet serve runs/minilm --port 8080", SERVICE),
    (
        "curl -d '{\"text\": \"I helped my neighbour carry her shopping.\"}' \
         http://127.0.0.1:8080/score",
        REQUEST,
    ),
    ("curl -d '{\"texts\": [\"one text\", \"another\"]}' http://127.0.0.1:8080/score", REQUEST),
    (
        "curl -d '{\"persona\": [\"I sail.\"], \"utterances\": [\"The sea!\"]}' \
         http://127.0.0.1:8080/reward",
        REQUEST,
    ),
    (
        "curl -d '{\"dialogues\": [{\"persona\": [\"I sail.\"], \"utterances\": [\"The sea!\"]}], \
         \"literal\": true}' http://127.0.0.1:8080/reward",
        REQUEST,
    ),
    (
        "curl -d '{\"persona_vectors\": [[1, 0], [0, 1]], \"utterance_vectors\": [[0.6, 0.8], \
         [0, 1]]}' http://127.0.0.1:8080/reward",
        REQUEST,
    ),
    ("curl http://127.0.0.1:8080/metrics", REQUEST),
];

/// Commands that are run in a shorter form, which gives an output of the same shape.
const SHORTER: [(&str, &str); 6] = [
    (
        "cargo run --release -- train configs/quickstart.toml",
        "cargo run --release -- train configs/quickstart.toml --set train.epochs=1",
    ),
    (
        "valuenet train configs/quickstart.toml --set model.objective=joint --seeds 1,2,3 -o runs/three",
        "valuenet train configs/quickstart.toml --set model.objective=joint --seeds 1,2,3 -o runs/three --set train.epochs=1",
    ),
    (
        "valuenet train configs/quickstart.toml --folds 3 -o runs/folds",
        "valuenet train configs/quickstart.toml --folds 3 -o runs/folds --set train.epochs=1",
    ),
    (
        "valuenet train configs/persona-quickstart.toml",
        "valuenet train configs/persona-quickstart.toml --set train.epochs=1 --limit 25",
    ),
    (
        "valuenet train configs/persona-quickstart.toml --set model.base=runs/persona-quickstart --set reward.run=runs/minilm --set train.learning_rate=1e-4 --set train.max_steps=20 -o runs/persona-quickstart-value",
        "valuenet train configs/persona-quickstart.toml --set model.base=runs/persona-quickstart --set reward.run=runs/minilm --set train.learning_rate=1e-4 --set train.max_steps=4 -o runs/persona-quickstart-value --set reward.eval_dialogues=2 --set reward.dialogues=1 --set reward.k=2 --limit 25",
    ),
    (
        "valuenet train configs/persona-quickstart.toml --set model.base=runs/persona-quickstart --set 'reward.command=\"sh asks.sh\"' --set train.learning_rate=1e-4 --set train.max_steps=20 -o runs/asks",
        "valuenet train configs/persona-quickstart.toml --set model.base=runs/persona-quickstart --set 'reward.command=\"sh asks.sh\"' --set train.learning_rate=1e-4 --set train.max_steps=4 -o runs/asks --set reward.eval_dialogues=2 --set reward.dialogues=1 --set reward.k=2 --limit 25",
    ),
];

/// Makes something in the folder of a page.
type Make = fn(&Path);

/// What pages take to be there already, and what makes it in the folder of a page whose commands
/// name it.
const STAND_INS: [(&str, Make); 10] = [
    ("configs/", |folder| link("configs", folder, "configs")),
    ("configs/quickstart.toml", |folder| link("data/sample", folder, "data/sample")),
    ("configs/persona-quickstart.toml", |folder| link("data/dialogues", folder, "data/dialogues")),
    ("configs/emotion-quickstart.toml", |folder| link("data/emotions", folder, "data/emotions")),
    ("data/valuenet/original", |folder| link("data/sample", folder, "data/valuenet/original")),
    ("runs/minilm", tiny_run),
    ("posts.csv", |folder| {
        let posts = "id,author,body\n1,ann,I shared my lunch.\n2,bo,He broke the rule.\n3,ann,\n";
        write(folder, "posts.csv", posts);
    }),
    ("--gold gold.csv", what_is_asked),
    ("persona_sentences.txt", |folder| {
        write(folder, "persona_sentences.txt", "I sail every summer.\nI knit.\nI have a dog.\n");
    }),
    ("valid_self_original_no_cands.txt", |folder| {
        write(folder, "valid_self_original_no_cands.txt", convai2());
    }),
];

/// What a page says in a comment that somebody else does between two commands.
const DONE_BY_OTHERS: [(&str, Make); 1] =
    [("# … workers answer; what they send back lies in answers/ …", answer)];

fn link(from: &str, folder: &Path, to: &str) {
    let to = folder.join(to);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    symlink(Path::new(from).canonicalize().unwrap(), to).unwrap();
}

/// A run of a tiny model in place of one of all-MiniLM-L6-v2.
fn tiny_run(folder: &Path) {
    let config = config(folder, &dataset(folder), "");
    let run = folder.join("runs/minilm");
    let output = valuenet(["train".as_ref(), config.as_os_str(), "-o".as_ref(), run.as_os_str()]);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// Situations with keywords, of which the first word decides what is answered, and two
/// qualification items a value.
fn what_is_asked(folder: &Path) {
    let keywords = ["family", "authority", "success", "pleasure", "adventure", "freedom"];
    let others = ["nature", "friendship", "polite", "church"];
    let mut situations = String::from("situation\n");
    for (number, keyword) in keywords.iter().chain(&others).cycle().take(120).enumerate() {
        let doing = ["helping", "hurting", "painting"][number / 10 % 3];
        writeln!(situations, "{doing} number {number} of {} for {keyword}", number * 7).unwrap();
    }
    write(folder, "situations.csv", situations);
    let mut gold = String::from("scenario,value,answer\n");
    for value in valuenet::value::Value::ALL {
        writeln!(gold, "hurting the {value} cat,{value},no").unwrap();
        writeln!(gold, "helping the {value} dog,{value},yes").unwrap();
    }
    write(folder, "gold.csv", gold);
}

/// Three workers answer all items of a survey alike.
fn answer(folder: &Path) {
    let items = csv::Reader::from_path(folder.join("survey/items.csv")).unwrap();
    let items: Vec<csv::StringRecord> = items.into_records().map(Result::unwrap).collect();
    for worker in ["ann", "bob", "cy"] {
        let mut rows = String::from("worker,item,scenario,value,answer\n");
        for item in &items {
            let (name, scenario, value) = (&item[0], &item[1], &item[2]);
            let answer = match scenario.split(' ').next() {
                Some("helping") => "yes",
                Some("hurting") => "no",
                _ => "unrelated",
            };
            writeln!(rows, "{worker},{name},{scenario},{value},{answer}").unwrap();
        }
        write(folder, &format!("answers/{worker}.csv"), rows);
    }
}

/// Four dialogues in ConvAI2's format.
fn convai2() -> String {
    let talk = |(own, said): (&str, &str)| {
        format!("1 your persona: {own}\n2 your persona: I read.\n3 hello\t{said}\n4 and?\tgood\n")
    };
    let talks =
        [("I sail.", "the sea!"), ("I knit.", "wool"), ("I cook.", "rice"), ("I run.", "!")];
    talks.map(talk).concat()
}

/// A fenced block of a page, and the one that follows it with nothing between them.
struct Block {
    language: String,
    text: String,
    /// What is shown as its output.
    output: Option<String>,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut parts = page.split("```");
    let mut blocks: Vec<Block> = Vec::new();
    let mut between = parts.next().unwrap();
    while let Some(inside) = parts.next() {
        let (language, text) = inside.split_once('\n').unwrap();
        match blocks.last_mut() {
            Some(before) if between.trim().is_empty() && language == "text" => {
                before.output = Some(text.into());
            }
            _ => blocks.push(Block { language: language.into(), text: text.into(), output: None }),
        }
        between = parts.next().unwrap_or_else(|| panic!("a block has no end: {text}"));
    }
    blocks
}

/// The lines of a block of commands; a line that ends in `\` goes on in the next.
fn lines(block: &str) -> Vec<String> {
    block.replace("\\\n", " ").lines().map(|line| line.trim().to_string()).collect()
}

/// A command without the remark behind it.
fn command(line: &str) -> &str {
    line.split("  #").next().unwrap().trim_end()
}

fn run(line: &str, folder: &Path) -> Output {
    let line = line.replace("cargo run --release --", "valuenet");
    let program = program();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &line]).current_dir(folder);
    shell.envs(program.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
    let place = Path::new(program.get_program()).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    shell.env("PATH", format!("{}:{path}", place.display())).output().unwrap()
}

/// A text with `#` for every number with a decimal point, and these numbers.
fn without_decimals(text: &str) -> (String, Vec<f64>) {
    let (mut masked, mut numbers) = (String::new(), Vec::new());
    let mut rest = text;
    let of_number = |letter: char| letter.is_ascii_digit() || ".-".contains(letter);
    while let Some(start) = rest.find(of_number) {
        let word = rest[start..].split(|letter| !of_number(letter)).next().unwrap();
        masked += &rest[..start];
        match word.parse() {
            Ok(number) if word.contains('.') => {
                masked += "#";
                numbers.push(number);
            }
            _ => masked += word,
        }
        rest = &rest[start + word.len()..];
    }
    (masked + rest, numbers)
}

/// Does what all pages say, command by command, each of them changed by `shorter` if that has it,
/// and returns the outputs that pages show: what came, and what is shown.
fn follow_pages(shorter: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut listed: BTreeSet<&str> = NOT_RUN.iter().map(|(line, _)| *line).collect();
    let is_listed = |line: &str| NOT_RUN.iter().any(|(other, _)| *other == line);
    let (mut ran, mut shown) = (0, Vec::new());
    for (page, text) in pages() {
        let page = page.display();
        let blocks = blocks(&text);
        let is_known = |block: &Block| ["sh", "text"].contains(&block.language.as_str());
        assert!(blocks.iter().all(is_known), "{page}: a block is `sh` or `text`");
        let shell = || blocks.iter().filter(|block| block.language == "sh");
        let all: Vec<String> = shell().flat_map(|block| lines(&block.text)).collect();
        let folder = folder();
        for (name, make) in STAND_INS {
            if all.iter().any(|line| !is_listed(command(line)) && line.contains(name)) {
                make(folder.path());
            }
        }
        for block in shell() {
            let mut found = None;
            for line in lines(&block.text) {
                let line = command(&line);
                if listed.remove(line) || is_listed(line) {
                    continue;
                }
                if line.starts_with('#') {
                    let done = DONE_BY_OTHERS.iter().find(|(comment, _)| *comment == line);
                    let (_, done) = done.unwrap_or_else(|| panic!("{page}: who does this? {line}"));
                    done(folder.path());
                    continue;
                }
                let other = shorter.iter().find(|(whole, _)| *whole == line);
                let output = run(other.map_or(line, |(_, other)| other), folder.path());
                assert!(output.status.success(), "{page}: {line}\n{}", stderr(&output));
                ran += 1;
                found = Some(stdout(&output));
            }
            if let Some(output) = &block.output {
                let found = found.unwrap_or_else(|| panic!("{page}: the output of what? {output}"));
                shown.push((found, output.clone()));
            }
        }
    }
    assert!(listed.is_empty(), "no page has these: {listed:?}");
    assert!(ran > 20 && shown.len() > 1, "{ran} commands, {} outputs", shown.len());
    shown
}

#[test]
fn every_command_of_a_page_is_run_or_listed_with_its_reason() {
    for (found, shown) in follow_pages(&SHORTER) {
        assert_eq!(without_decimals(&found).0, without_decimals(&shown).0);
    }
}

#[test]
#[ignore = "trains the quickstart in full: some seconds with AVX-512, a minute without"]
fn the_figures_that_pages_show_are_those_that_come() {
    for (found, shown) in follow_pages(&[]) {
        for (number, other) in without_decimals(&found).1.iter().zip(without_decimals(&shown).1) {
            assert!((number - other).abs() < 0.05, "{number} is shown as {other} in\n{shown}");
        }
    }
}
