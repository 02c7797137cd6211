//! Configuration files: layers, unknown keys, impossible values.

use valuenet::config::Config;
use valuenet::error::{Error, Kind};

use crate::support::{folder, write};

fn read(text: &str, sets: &[&str]) -> Result<Config, Error> {
    let folder = folder();
    let path = write(folder.path(), "a.toml", text);
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    Config::read(&path, &sets).inspect_err(|error| assert_eq!(error.kind(), Kind::Usage, "{error}"))
}

#[test]
fn the_file_changes_defaults_and_set_changes_the_file() {
    let config = read(
        "[train]\nepochs = 7\nseed = 3\n",
        &["train.seed=9", "model.base=some/folder", "train.max_grad_norm = 0"],
    );
    let config = config.unwrap();
    assert_eq!((config.train.epochs, config.train.seed, config.train.max_grad_norm), (7, 9, 0.0));
    assert_eq!(config.model.base, "some/folder");
    assert_eq!(config.train.batch_size, Config::default().train.batch_size);
}

#[test]
fn the_old_names_of_keys_are_still_read() {
    let config = read("[train]\naccumulate = 3\n", &["train.clip=0.5"]).unwrap();
    assert_eq!((config.train.gradient_accumulation, config.train.max_grad_norm), (3, 0.5));
    assert!(config.to_toml().unwrap().contains("max_grad_norm = 0.5"));
}

#[test]
fn an_unknown_kind_of_task_is_refused() {
    let error = read("[task]\nkind = \"values\"\n", &[]).unwrap_err();
    assert_eq!(error.advice(), Some("did you mean \"value\"?"), "{error}");
}

#[test]
fn a_written_configuration_reads_as_itself() {
    let mut config = Config::default();
    config.model.dropout = Some(0.25);
    config.train.learning_rate = 1.5e-7;
    assert_eq!(read(&config.to_toml().unwrap(), &[]).unwrap(), config);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one() {
    let error = read("[data]\ndir = \"x\"\n[train]\nlearning_rat = 1e-3\n", &[]).unwrap_err();
    assert!(error.to_string().contains("a.toml:4: unknown field `learning_rat`"), "{error}");
    assert_eq!(error.advice(), Some("did you mean \"learning_rate\"?"));
    let error = read("", &["train.epoch=3"]).unwrap_err();
    assert!(error.to_string().starts_with("train.epoch: unknown field `epoch`"), "{error}");
    assert_eq!(error.advice(), Some("did you mean \"epochs\"?"));
    let error = read("", &["train.select=acuracy"]).unwrap_err();
    assert!(error.to_string().starts_with("train.select: unknown score `acuracy`"), "{error}");
    assert_eq!(error.advice(), Some("did you mean \"accuracy\"?"));
    let error = read("[model]\nactivation = \"scaled-sigmiod\"\n", &[]).unwrap_err();
    assert_eq!(error.advice(), Some("did you mean \"scaled-sigmoid\"?"));
}

#[test]
fn a_value_that_cannot_be_meant_is_named_by_its_key() {
    let table = [
        ("train.epochs=0", "train.epochs: a number of 1 or more was expected"),
        ("train.batch_size=0", "train.batch_size"),
        ("train.learning_rate=-1.0", "train.learning_rate: a number above 0 was expected"),
        ("train.learning_rate=nan", "train.learning_rate"),
        ("train.learning_rate=fast", "train.learning_rate"),
        ("train.warmup=1.5", "train.warmup: a share from 0 to 1 was expected"),
        ("model.dropout=1.0", "model.dropout: a number from 0 to below 1 was expected"),
        ("model.max_length=3", "model.max_length"),
        ("train.seed=-1", "train.seed"),
        ("train.beta1=1.0", "train.beta1"),
        ("train.weight_decay=inf", "train.weight_decay: a number of 0 or more was expected"),
        ("train.max_grad_norm=inf", "train.max_grad_norm"),
    ];
    for (set, expected) in table {
        let error = read("", &[set]).unwrap_err().to_string();
        assert!(error.contains(expected), "{set}: {error}");
    }
    assert!(
        read("", &["train.epochs"]).unwrap_err().to_string().contains("key=value was expected")
    );
    assert!(read("", &["train.seed.x=1"]).is_err());
}

#[test]
fn a_file_that_is_no_toml_is_named_with_the_line() {
    let error = read("[train]\nepochs = 3\nseed = \n", &[]).unwrap_err();
    assert!(error.to_string().contains("a.toml:3:"), "{error}");
}

#[test]
fn the_shipped_configurations_are_valid_and_explain_every_key() {
    let files = std::fs::read_dir("configs").unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
        Config::read(&path, &[]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut explained = false;
        for line in text.lines() {
            match line {
                _ if line.starts_with('#') => explained = true,
                _ if line.is_empty() || line.starts_with('[') => explained = false,
                _ => assert!(explained, "{}: no comment above {line}", path.display()),
            }
        }
    }
}
