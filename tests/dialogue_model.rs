//! Dialogue models: trained, judged, made to reply, on dialogues of our own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value as Json;
use valuenet::data::conversation::{self, Conversation};
use valuenet::disk::read_json;
use valuenet::generate::{
    Prompt, Search, Settings as Generation, generate, generate_along, log_probabilities_along,
};
use valuenet::model::scratch::ScratchSettings;
use valuenet::model::{DialogueModel, LanguageModel, Seq2SeqModel};
use valuenet::text::prompt::Layout;
use valuenet::text::prompt::dialogue::{Sequence, Settings};
use valuenet::train::dialogue::{DialogueTask, context, likelihoods, said, sequences};
use valuenet::train::{GradientLearner, Learner, TrainSettings};

use crate::support::{
    assert_fails, device, folder, program, saved_model, stderr, stdout, valuenet, write,
};

/// The dialogues of a file that the repository ships.
fn dialogues(name: &str, count: usize) -> Vec<Conversation> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/dialogues").join(name);
    let mut found = conversation::read(&path, std::fs::File::open(&path).unwrap()).unwrap();
    found.truncate(count);
    found
}

/// A decoder that has learned nothing.
fn model(layout: Layout, history: usize) -> DialogueModel {
    let model =
        LanguageModel::from_scratch(&size(), texts().iter().map(String::as_str), 512, 1, device());
    DialogueModel::new(model.unwrap(), Settings { layout, history, max_length: 512 }).unwrap()
}

/// An encoder with a decoder that have learned nothing.
fn seq2seq(layout: Layout, history: usize) -> DialogueModel {
    let model = Seq2SeqModel::from_scratch(
        &size(),
        texts().iter().map(String::as_str),
        layout,
        1,
        device(),
    );
    DialogueModel::new(model.unwrap(), Settings { layout, history, max_length: 512 }).unwrap()
}

fn texts() -> Vec<String> {
    let turns = dialogues("train.txt", 30).into_iter().flat_map(|one| one.turns);
    turns.map(|turn| turn.text).collect()
}

fn size() -> ScratchSettings {
    ScratchSettings {
        vocabulary_size: 400,
        hidden_size: 32,
        layers: 2,
        heads: 2,
        intermediate_size: 64,
    }
}

/// Every kind of model in every layout, with the whole history and with a part of it.
fn all_models() -> Vec<(String, DialogueModel)> {
    let mut models = Vec::new();
    for layout in Layout::ALL {
        for history in [0, 2] {
            let name = |kind: &str| format!("{kind}, {layout:?}, history {history}");
            models.push((name("decoder"), model(layout, history)));
            models.push((name("seq2seq"), seq2seq(layout, history)));
        }
    }
    models
}

fn all_sequences(model: &DialogueModel, dialogues: &[Conversation]) -> Vec<Sequence> {
    let of_dialogue = |dialogue| sequences(model, Path::new("none"), dialogue).unwrap();
    dialogues.iter().flat_map(of_dialogue).collect()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-4 * a.abs().max(1.0)
}

#[test]
fn replies_of_a_dialogue_are_as_likely_together_as_alone() {
    for (name, model) in all_models() {
        let alone = all_sequences(&model, &dialogues("train.txt", 4));
        let together = Sequence::joined(alone.clone());
        let Settings { layout, history, .. } = model.settings();
        if history == 0 && layout != Layout::Gpt2 {
            assert_eq!(together.len(), 4, "{name}");
        }
        let replies = |all: &[Sequence]| all.iter().map(|one| one.replies.len()).sum::<usize>();
        assert_eq!(replies(&together), alone.len());
        let (a, b) =
            (likelihoods(&model, &alone).unwrap(), likelihoods(&model, &together).unwrap());
        assert_eq!(a.len(), alone.len());
        assert!(a.iter().zip(&b).all(|(a, b)| near(*a, *b)), "{name}");
    }
}

#[test]
fn what_is_read_along_a_dialogue_is_what_is_read_anew() {
    for (name, model) in all_models() {
        let dialogues = dialogues("original.jsonl", 3);
        let mut prompts: Vec<Vec<Prompt>> = Vec::new();
        let mut candidates = Vec::new();
        let mut golds = Vec::new();
        for dialogue in &dialogues {
            let (mut own_prompts, mut own) = (Vec::new(), Vec::new());
            for example in dialogue.examples() {
                let history = said(&example);
                let context = context(&model, dialogue, &history);
                let (prompt, replies) =
                    model.encoder().candidates(&context, &example.reply().candidates).unwrap();
                own_prompts.push(model.encoder().prompt(&context, 8).unwrap().into());
                golds.push(prompt.with_reply(replies.last().unwrap()));
                own.push((prompt.into(), replies));
            }
            prompts.push(own_prompts);
            candidates.push(own);
        }
        let settings = Generation {
            search: Search::Greedy,
            max_tokens: 8,
            ends: vec![model.encoder().end()],
            no_repeat_ngram: 0,
            seed: 1,
        };
        let mut told = 0;
        let along = generate_along(model.model(), &prompts, &settings, &mut |more| told += more);
        let anew = generate(model.model(), &prompts.concat(), &settings).unwrap();
        assert_eq!(told, anew.len());
        for (along, anew) in along.unwrap().concat().iter().flatten().zip(anew.iter().flatten()) {
            assert_eq!(along.ids, anew.ids, "{name}");
        }
        let scores = log_probabilities_along(model.model(), &candidates, &mut |_| ()).unwrap();
        let of_gold = scores.iter().flatten().map(|replies| -replies[19].iter().sum::<f64>());
        let expected = likelihoods(&model, &golds).unwrap();
        for (found, expected) in of_gold.zip(expected) {
            assert!(near(found, expected), "{name}: {found} {expected}");
        }
    }
}

#[test]
fn a_dialogue_model_learns_by_heart_what_it_is_told() {
    // An LSTM is slower to learn.
    for (model, steps, rate, least) in [
        (model(Layout::Gpt2, 5), 120, 5e-3, 1.5),
        (model(Layout::ChatMl, 0), 120, 5e-3, 1.5),
        (seq2seq(Layout::DialoGpt, 5), 300, 1e-2, 30.0),
    ] {
        let train = Sequence::joined(all_sequences(&model, &dialogues("train.txt", 3)));
        let settings = TrainSettings::default();
        let task = DialogueTask::new(model, train.clone(), train);
        let mut learner = GradientLearner::new(task, &settings).unwrap();
        let all: Vec<usize> = (0..learner.lengths().len()).collect();
        let first = learner.evaluate().unwrap()[0].value;
        let tokens = (0..steps)
            .map(|step| learner.step(step, std::slice::from_ref(&all), rate).unwrap().weight);
        assert!(tokens.collect::<Vec<_>>().windows(2).all(|pair| pair[0] == pair[1]));
        let last = learner.evaluate().unwrap()[0].value;
        assert!(first > 100.0 && last < least, "perplexity {first} to {last}");
    }
}

/// A configuration for a few steps on the dialogues that the repository ships.
fn config(folder: &Path, more: &str) -> PathBuf {
    let text = format!(
        "[task]\nkind = \"dialogue\"\n[data]\ndir = \"data/dialogues\"\ntrain = [\"train.txt\"]\n\
         eval_dialogues = 4\n[data.test]\noriginal = \"original.jsonl\"\nrevised = \
         \"revised.jsonl\"\n[model]\nmax_length = 256\n[model.scratch]\nvocabulary_size = \
         400\nhidden_size = 32\nlayers = 1\nheads = 2\nintermediate_size = \
         64\n[dialogue]\nmax_new_tokens = 12\n[train]\nepochs = 1\nbatch_size = 4\nlearning_rate = \
         3e-3\nlog_every = 2\n{more}"
    );
    write(folder, "config.toml", text)
}

fn train(config: &Path, run: &Path, arguments: &[&str]) -> Output {
    let [config, run] = [config, run].map(|path| path.display().to_string());
    let fixed = ["train", &config, "--limit", "12", "-o", &run];
    valuenet(fixed.iter().chain(arguments))
}

fn done(output: Output) -> String {
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// Asserts that a report says of its first file what was said of it before.
fn assert_same_figures(report: &str, set: &Json) {
    let report: Json = serde_json::from_str(report).unwrap();
    for key in ["perplexity", "hits", "candidates_sha256", "generated"] {
        assert_eq!(report["sets"][0][key], set[key], "{key}");
    }
}

#[test]
fn a_dialogue_run_is_trained_judged_resumed_and_talked_to() {
    let folder = folder();
    let config = config(folder.path(), "");
    let run = folder.path().join("run");
    let report = done(train(&config, &run, &[]));
    for name in ["Hits@1", "Ppl", "F1", "test.original", "test.revised", "dist-2", "chance 5.0"] {
        assert!(report.contains(name), "{name} is missing:\n{report}");
    }
    let saved = read_json(&run.join("eval/test.original.json")).unwrap();
    let set = &saved["sets"][0];
    assert_eq!((&set["dialogues"], &set["hits"]["candidates"]), (&12.into(), &1440.into()));
    let [low, high] = [0, 1].map(|end| set["perplexity"]["per_token"]["interval"][end].as_f64());
    let value = set["perplexity"]["per_token"]["value"].as_f64();
    assert!(low < value && value < high, "{low:?} {value:?} {high:?}");
    let rows = std::fs::read_to_string(run.join("eval/test.revised.replies.jsonl")).unwrap();
    let rows: Vec<Json> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 72);
    assert!(rows.iter().all(|row| row["hit"].is_boolean() && row["nll"].as_f64() > Some(0.0)));

    // Stopped and resumed, and with another number of threads: the same bytes.
    let again = folder.path().join("again");
    done(train(&config, &again, &["--stop-after", "3", "--threads", "1"]));
    done(train(&config, &again, &["--resume", "--no-test"]));
    let weights = |run: &Path| std::fs::read(run.join("checkpoints/last/model.safetensors"));
    assert_eq!(weights(&run).unwrap(), weights(&again).unwrap());

    let path = run.display().to_string();
    let judged = done(valuenet(["eval", &path, "--limit", "12", "--format", "json"]));
    assert_same_figures(&judged, set);
    let eval = ["eval", &path, "--split", "eval", "--measure", "perplexity", "--format", "csv"];
    let eval = done(valuenet(eval));
    assert!(eval.starts_with("set,dialogues,replies,hits_at_1,") && eval.contains("\neval,4,24,"));

    // A lesser report does not take the place of the whole one.
    done(valuenet(["eval", &path, "--limit", "2", "--measure", "perplexity"]));
    assert_eq!(read_json(&run.join("eval/test.original.json")).unwrap(), saved);
    assert!(run.join("eval/test.original.first-2.perplexity.json").is_file());

    let asked = write(
        folder.path(),
        "asked.jsonl",
        "{\"persona\": [\"i bake bread .\"], \"turns\": [{\"who\": \"other\", \"text\": \"hi !\"}]}\n",
    );
    let asked = asked.display().to_string();
    let sampled = |seed: &str| {
        done(valuenet([
            "dialogue",
            "generate",
            &path,
            &asked,
            "--sample",
            "--replies",
            "3",
            "--seed",
            seed,
            "--format",
            "jsonl",
        ]))
    };
    let row: Json = serde_json::from_str(&sampled("1")).unwrap();
    assert_eq!(row["replies"].as_array().unwrap().len(), 3);
    assert_eq!(sampled("1"), sampled("1"));
    assert_ne!(sampled("1"), sampled("2"));

    let persona = write(folder.path(), "persona.txt", "i bake bread .\ni have a dog .\n");
    let values = saved_model(folder.path());
    let mut chat = program()
        .args(["dialogue", "chat", &path, "--format", "jsonl", "--persona"])
        .arg(persona)
        .arg("--values")
        .arg(values)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    chat.stdin.take().unwrap().write_all(b"hello\n\nwhat do you do ?\n").unwrap();
    let spoken = done(chat.wait_with_output().unwrap());
    let spoken: Vec<Json> =
        spoken.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(spoken.len(), 2);
    assert!(spoken.iter().all(|row| row["persona"].is_string() && row["r"].is_f64()));
}

#[test]
fn a_sequence_to_sequence_model_is_trained_judged_and_talked_to() {
    let folder = folder();
    let config = config(folder.path(), "max_steps = 3\n");
    let run = folder.path().join("run");
    let family = ["--set", "model.family=\"seq2seq\"", "--set", "dialogue.layout=\"dialogpt\""];
    let report = done(train(&config, &run, &family));
    assert!(report.contains("Layout dialogpt"), "{report}");
    let again = folder.path().join("again");
    done(train(&config, &again, &[&family[..], &["--stop-after", "1", "--threads", "1"]].concat()));
    done(train(&config, &again, &[&family[..], &["--resume", "--no-test"]].concat()));
    let weights = |run: &Path| std::fs::read(run.join("checkpoints/last/model.safetensors"));
    assert_eq!(weights(&run).unwrap(), weights(&again).unwrap());
    let saved = read_json(&run.join("eval/test.original.json")).unwrap();
    let path = run.display().to_string();
    let judged = done(valuenet(["eval", &path, "--limit", "12", "--format", "json"]));
    assert_same_figures(&judged, &saved["sets"][0]);
    let generate = ["dialogue", "generate", &path, "data/dialogues/original.txt"];
    assert_eq!(done(valuenet(generate)).lines().count(), 25);
}

#[test]
fn runs_are_compared_and_reported() {
    let folder = folder();
    let config = config(folder.path(), "max_steps = 2\n");
    let runs = ["a", "b"].map(|name| folder.path().join(name));
    done(train(&config, &runs[0], &[]));
    done(train(&config, &runs[1], &["--seed", "2"]));
    let [a, b] = [&runs[0], &runs[1]].map(|run| run.display().to_string());
    let compared = done(valuenet(["compare", &a, &b, "--bootstrap", "200"]));
    for name in ["test.original (72 replies of 12 dialogues)", "Hits@1", "Ppl/word", "McNemar"] {
        assert!(compared.contains(name), "{name} is missing:\n{compared}");
    }
    let same = done(valuenet(["compare", &a, &a, "--format", "csv", "--bootstrap", "200"]));
    assert!(same.lines().skip(1).filter(|line| line.contains(",0,0,0,")).count() == 8, "{same}");
    // Of a part there are files of replies.
    let part = |run: &str, more: &[&str]| {
        let fixed = ["eval", run, "--limit", "5", "--measure", "perplexity,f1"];
        done(valuenet(fixed.iter().chain(more)));
    };
    part(&a, &[]);
    part(&b, &["--checkpoint", "last"]);
    let of_part = |run: &str, last: &str| {
        format!("{run}/eval/test.original.first-5.perplexity+f1{last}.replies.jsonl")
    };
    let files = [of_part(&a, ""), of_part(&b, ".last")];
    let compared = done(valuenet(["compare", &files[0], &files[1], "--bootstrap", "200"]));
    let name = "test.original.first-5.perplexity+f1 (30 replies of 5 dialogues)";
    assert!(compared.contains(name) && compared.contains("F1"), "{compared}");
    assert!(!compared.contains("Hits@1"), "{compared}");
    assert_fails(&valuenet(["compare", &files[0], &a]), 1, &["it has not been judged by"]);
    let table = done(valuenet(["report", &a, &b, "--format", "table"]));
    assert!(table.contains("the paper's Table 4") && table.contains("test.revised"), "{table}");
    let page = done(valuenet(["report", &a, "--misses", "3"]));
    assert!(page.contains("<h1>Dialogue models</h1>") && !page.contains("<script"), "{page}");
    std::fs::remove_file(runs[1].join("eval/test.revised.replies.jsonl")).unwrap();
    assert_fails(
        &valuenet(["compare", &a, &b]),
        1,
        &["test.revised.replies.jsonl", "valuenet eval"],
    );
}

/// The figure of a report's first file that these keys lead to.
fn at(report: &Json, keys: &[&str]) -> f64 {
    keys.iter().fold(&report["sets"][0], |json, key| &json[key]).as_f64().unwrap()
}

#[test]
fn replies_are_held_against_personas_by_a_value_model() {
    let folder = folder();
    let config = config(folder.path(), "max_steps = 2\n");
    let runs = ["a", "b"].map(|name| folder.path().join(name));
    done(train(&config, &runs[0], &["--no-test"]));
    done(train(&config, &runs[1], &["--seed", "2", "--no-test"]));
    let [a, b] = [&runs[0], &runs[1]].map(|run| run.display().to_string());
    let values = saved_model(folder.path()).display().to_string();
    let eval = |run: &str, more: &[&str]| done(valuenet([&["eval", run], more].concat()));
    let with_values = ["--values", values.as_str(), "--bootstrap", "200"];

    let table = eval(&a, &with_values);
    for part in ["persona alignment", "test.revised, model", "among 12 personas", "Hits@1"] {
        assert!(table.contains(part), "{part} is missing:\n{table}");
    }
    let saved = |name: &str| read_json(&runs[0].join("eval").join(name)).unwrap();
    let whole = saved("test.original.json");
    // What was said is worth what `reward` says it is, and the replies what their rows say.
    let reward = |more: &[&str]| -> f64 {
        let file = "data/dialogues/original.jsonl";
        let fixed = ["--limit", "12", "--against-shuffled", "1", "--format", "jsonl"];
        let found = done(valuenet([&["reward", &values, file], &fixed[..], more].concat()));
        let found: Json = serde_json::from_str(&found).unwrap();
        found["mean_r"]["difference"]["mean"].as_f64().unwrap()
    };
    let difference = ["r", "difference", "value"];
    let of = |who: &'static str| [&["persona", who], &difference[..]].concat();
    assert!((at(&whole, &of("said")) - reward(&[])).abs() < 1e-9);
    let rows = std::fs::read_to_string(runs[0].join("eval/test.original.replies.jsonl")).unwrap();
    let rows: Vec<Json> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_dialogue = |own: &[Json]| {
        let r = |row: &Json| row["r"].as_f64().unwrap() - row["r_other"].as_f64().unwrap();
        own.iter().map(r).sum::<f64>() / own.len() as f64
    };
    let sum: f64 = rows.chunk_by(|a, b| a["dialogue"] == b["dialogue"]).map(of_dialogue).sum();
    assert!((at(&whole, &of("model")) - sum / 12.0).abs() < 1e-9);

    // Alone, under a name of its own, with the same figures.
    let alone = [&["--measure", "persona", "--format", "json"], &with_values[..]].concat();
    let alone: Json = serde_json::from_str(&eval(&a, &alone)).unwrap();
    assert_eq!(alone["sets"][0]["persona"], whole["sets"][0]["persona"]);
    assert!(alone["sets"][0]["generated"].is_null() && alone["sets"][0]["hits"].is_null());
    assert_eq!(saved("test.original.persona.json")["sets"][0], alone["sets"][0]);

    // Judged again without a value model: what is known of the same replies stays.
    let again = eval(&a, &["--bootstrap", "200"]);
    assert!(!again.contains("persona alignment"), "{again}");
    assert_eq!(saved("test.original.json"), whole);

    eval(&b, &["--bootstrap", "200"]);
    let compare = || valuenet(["compare", &a, &b, "--bootstrap", "200"]);
    let compared = done(compare());
    assert!(compared.contains("F1") && !compared.contains("own persona"), "{compared}");
    eval(&b, &with_values);
    let compared = done(compare());
    for part in ["r, own persona: ", "r, another's: ", "r, own - other: "] {
        assert!(compared.contains(part), "{part} is missing:\n{compared}");
    }
    let page = done(valuenet(["report", &a, &b]));
    assert!(page.matches("<h3>Persona alignment</h3>").count() == 2, "{page}");

    let centred = [&["--center"], &with_values[..]].concat();
    assert!(eval(&b, &centred).contains("centred"));
    let found = read_json(&runs[1].join("eval/test.original.json")).unwrap();
    assert!((at(&found, &of("said")) - reward(&["--center"])).abs() < 1e-9);
    assert_fails(&compare(), 3, &["by other values", "centred", "the same --values"]);
}

#[test]
fn a_persona_is_not_measured_where_that_has_no_meaning() {
    let folder = folder();
    let config = config(folder.path(), "max_steps = 1\n");
    let run = folder.path().join("run");
    done(train(&config, &run, &["--no-test"]));
    let run = run.display().to_string();
    let values = saved_model(folder.path()).display().to_string();
    let eval = |more: &[&str]| valuenet([&["eval", run.as_str()], more].concat());
    let persona = ["--measure", "persona"];
    assert_fails(&eval(&persona), 2, &["by a value model", "--values RUN"]);
    assert_fails(
        &eval(&["--measure", "f1", "--values", &values]),
        2,
        &["nothing is measured by it", "--measure persona"],
    );
    assert_fails(&eval(&["--center"]), 2, &["--values"]);
    let none = folder.path().join("none").display().to_string();
    assert_fails(&eval(&["--values", &none]), 1, &["none"]);
    let refuse = |name: &str, lines: &[&str], says: &[&str]| {
        let file = write(folder.path(), name, lines.concat()).display().to_string();
        let asked = [&persona[..], &["--values", &values, "--data", &file]].concat();
        assert_fails(&eval(&asked), 3, says);
    };
    let own = "{\"persona\": [\"i bake .\", \"i sail .\"], \"utterances\": [\"hi !\"]}\n";
    let same = "{\"persona\": [\"i sail .\", \"i bake .\"], \"utterances\": [\"bread\"]}\n";
    let bare = "{\"turns\": [{\"who\": \"self\", \"text\": \"hello\"}]}\n";
    refuse("bare.jsonl", &[own, bare], &["bare.jsonl:2", "no sentence", "perplexity,hits,f1"]);
    refuse("same.jsonl", &[own, same], &["same.jsonl", "only one persona"]);
}

#[test]
fn several_seeds_have_means() {
    let folder = folder();
    let config = config(folder.path(), "max_steps = 2\n");
    let runs = folder.path().join("runs");
    let report = done(train(&config, &runs, &["--seeds", "1,2"]));
    assert!(report.contains("mean ± sd over seeds 1, 2"), "{report}");
    assert!(report.contains("test.revised") && report.matches(" ± ").count() >= 10, "{report}");
    assert!(!report.contains("own - other"), "{report}");
    let [runs, values] = [runs, saved_model(folder.path())].map(|path| path.display().to_string());
    let persona = ["--measure", "persona", "--values", &values, "--bootstrap", "0"];
    let report = done(valuenet(["eval", &runs].iter().chain(&persona)));
    assert!(report.contains("own - other") && report.matches(" ± ").count() == 5, "{report}");
    assert!(!report.contains("-0.0000"), "{report}");
}

#[test]
fn what_does_not_fit_dialogues_is_refused() {
    let folder = folder();
    let config = |more: &str| config(folder.path(), more);
    let run = folder.path().join("run");
    let refuse = |set: &[&str], code: i32, says: &[&str]| {
        let sets: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        assert_fails(&train(&config(""), &run, &sets), code, says);
        assert!(!run.exists());
    };
    refuse(&["data.train=[]"], 2, &["data.train", "missing"]);
    refuse(&["data.eval_dialogues=0"], 2, &["data.eval_dialogues"]);
    refuse(&["data.eval_dialogues=12"], 2, &["12 of 12"]);
    refuse(&["train.select=\"mse\""], 2, &["train.select", "perplexity"]);
    refuse(&["dialogue.layout=\"chat\""], 2, &["dialogue.layout", "chatml"]);
    refuse(&["dialogue.num_beams=0"], 2, &["dialogue.num_beams"]);
    refuse(&["model.family=\"linear\""], 2, &["model.family", "linear"]);
    refuse(&["dialogue.histroy=1"], 2, &["did you mean \"history\"?"]);
    refuse(&["model.max_length=20"], 3, &["train.txt:1", "at most 20", "max_length"]);
    refuse(
        &["data.test={original=\"original.txt\"}"],
        3,
        &["original.txt", "no candidates", "valuenet dialogue candidates"],
    );
    // Found before the training, not after it.
    refuse(&["dialogue.max_new_tokens=250"], 3, &["original.jsonl:1", "at most 256"]);
    refuse(&["data.test={\"../x\"=\"original.jsonl\"}"], 2, &["data.test", "../x"]);
    refuse(&["data.train=[\"none.txt\"]"], 1, &["none.txt"]);
    let model = folder.path().join("base");
    std::fs::create_dir(&model).unwrap();
    let size = ScratchSettings { hidden_size: 16, layers: 1, ..ScratchSettings::default() };
    let base = LanguageModel::from_scratch(&size, std::iter::once("hi"), 200, 1, device()).unwrap();
    base.write(&model, &[]).unwrap();
    let path = model.display().to_string();
    refuse(&[&format!("model.base=\"{path}\"")], 2, &["model.max_length", "200 at most"]);
    let data = ["--data", "data/dialogues/original.jsonl"];
    let eval =
        |more: &[&str]| valuenet(["eval", path.as_str()].iter().chain(&data).chain(more).copied());
    assert_fails(&eval(&[]), 1, &["was not trained on dialogues", "--layout"]);
    let zero_shot = ["--layout", "gpt2", "--max-length", "200", "--history", "1", "--limit", "2"];
    let report = done(eval(&[&zero_shot[..], &["--measure", "perplexity"]].concat()));
    assert!(report.contains("data.original"), "{report}");
}
