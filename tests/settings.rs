//! `valuenet config`: configurations in full, checked, and their schema.

use std::path::Path;

use serde_json::Value as Json;

use crate::support::{assert_fails, folder, stderr, stdout, valuenet, write};

/// The shipped configurations.
fn shipped() -> Vec<String> {
    let entries = std::fs::read_dir("configs").unwrap().map(|entry| entry.unwrap().path());
    let is_toml = |path: &std::path::PathBuf| path.extension().is_some_and(|it| it == "toml");
    entries.filter(is_toml).map(|path| path.display().to_string()).collect()
}

/// Asserts that a part of a configuration is what a part of the schema allows.
fn allows(root: &Json, schema: &Json, config: &toml::Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = root.pointer(name.trim_start_matches('#')).unwrap();
        return allows(root, schema, config, place);
    }
    let choices = ["anyOf", "oneOf"].iter().find_map(|key| schema[*key].as_array());
    match config {
        toml::Value::Table(table) => {
            if let Some(of_all) = choices {
                let table_of = of_all.iter().find(|it| it["$ref"].is_string()).unwrap();
                return allows(root, table_of, config, place);
            }
            for (key, value) in table {
                let of_key = match &schema["properties"][key] {
                    Json::Null => &schema["additionalProperties"],
                    known => known,
                };
                assert!(of_key.is_object(), "{place}.{key} is not in the schema");
                allows(root, of_key, value, &format!("{place}.{key}"));
            }
        }
        toml::Value::String(text) => {
            let known = |it: &Json| {
                it["const"] == **text
                    || it["enum"]
                        .as_array()
                        .is_some_and(|all| all.contains(&Json::from(text.as_str())))
            };
            let is_free = schema["type"] == "string" && schema["enum"].is_null()
                || schema["type"].as_array().is_some_and(|all| all.contains(&"string".into()));
            let is_known =
                is_free || known(schema) || choices.is_some_and(|all| all.iter().any(known));
            assert!(is_known, "{place} = \"{text}\" is not in {schema}");
        }
        _ => assert!(
            schema["type"].is_string() || schema["type"].is_array() || choices.is_some(),
            "{place}: {schema}"
        ),
    }
}

#[test]
fn the_schema_knows_every_shipped_configuration() {
    let schema: Json = serde_json::from_str(&stdout(&valuenet(["config", "schema"]))).unwrap();
    assert_eq!(schema["additionalProperties"], false, "unknown keys are refused");
    let train = schema.pointer("/$defs/TrainSettings/properties/learning_rate").unwrap();
    assert!(train["description"].is_string() && train["default"].is_number(), "{train}");
    for path in shipped() {
        let config: toml::Value = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        allows(&schema, &schema, &config, &path);
    }
}

#[test]
fn configurations_are_shown_in_full_and_checked() {
    let shown =
        stdout(&valuenet(["config", "show", "configs/quickstart.toml", "--set", "train.seed=7"]));
    assert!(shown.contains("seed = 7") && shown.contains("revision = \"main\""), "{shown}");
    let folder = folder();
    let again = write(folder.path(), "again.toml", &shown).display().to_string();
    assert_eq!(stdout(&valuenet(["config", "show", &again])), shown);

    let output = valuenet(["config", "check"].into_iter().map(String::from).chain(shipped()));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output).lines().count(), shipped().len());
    let wrong = write(folder.path(), "wrong.toml", "[train]\nepocs = 3\n").display().to_string();
    let odd =
        write(folder.path(), "odd.toml", "[train]\nlearning_rate = -1.0\n").display().to_string();
    let output = valuenet(["config", "check", &again, &wrong, &odd]);
    assert_fails(
        &output,
        2,
        &[
            "again.toml: fine",
            "wrong.toml:2",
            "did you mean \"epochs\"?",
            "odd.toml",
            "train.learning_rate",
        ],
    );
    assert!(!Path::new("runs/again").exists());
}
