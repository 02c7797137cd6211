//! Every operation on files fails in turn: what was there before is there still, or what was to come is
//! there whole, and the program says so with an error. Nothing of this is in a release build.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::{config, dataset, folder, program, saved_model, stderr, write};

/// Runs the program; its operation on files with this number fails.
fn failing_at(number: u64, arguments: &[&str]) -> Output {
    program().env("VALUENET_FAIL_AT", number.to_string()).args(arguments).output().unwrap()
}

/// What is in a folder: the files by their paths in it.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for path in
            std::fs::read_dir(&next).into_iter().flatten().map(|entry| entry.unwrap().path())
        {
            match path.is_dir() {
                true => open.push(path),
                false => drop(found.insert(
                    path.strip_prefix(folder).unwrap().into(),
                    std::fs::read(&path).unwrap(),
                )),
            }
        }
    }
    found
}

/// Lets each operation of a command fail in turn, every `stride`-th of them, and looks at what is left;
/// returns how often it failed.
fn each_in_turn(arguments: &[&str], stride: usize, look: impl Fn(u64)) -> usize {
    for (failed, number) in (1u64..).step_by(stride).enumerate() {
        let output = failing_at(number, arguments);
        let said = stderr(&output);
        if output.status.success() && !said.contains("could not be kept") {
            return failed;
        }
        if !output.status.success() {
            assert_eq!(output.status.code(), Some(1), "operation {number}: {said}");
            assert!(
                said.contains("no storage space")
                    || said.contains("storage full")
                    || said.contains("No space"),
                "operation {number}: {said}"
            );
        }
        look(number);
    }
    unreachable!("it ends with success")
}

#[test]
fn vectors_are_the_old_ones_or_the_new_ones() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let texts = write(folder.path(), "texts.txt", "helping a friend\nhurting a friend\n")
        .display()
        .to_string();
    for format in ["csv", "npy", "jsonl", "parquet", "arrow", "pyvalues"] {
        let place = write(folder.path(), &format!("{format}/vectors"), "old");
        let to = place.display().to_string();
        let arguments = ["infer", &model, &texts, "--format", format, "-o", &to];
        let failed = each_in_turn(&arguments, 1, |number| {
            assert_eq!(std::fs::read(&place).unwrap(), b"old", "operation {number}");
            assert_eq!(
                contents(place.parent().unwrap()).len(),
                1,
                "operation {number} leaves nothing beside it"
            );
        });
        assert!(failed >= 3, "{format}: {failed} operations");
        assert_ne!(std::fs::read(&place).unwrap(), b"old");
    }
}

#[test]
fn a_job_in_parts_goes_on_from_wherever_its_disk_failed() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let lines: String = (0..7).map(|number| format!("helping friend {number}\n")).collect();
    let texts = write(folder.path(), "texts.txt", lines).display().to_string();
    let job = |name: &str| format!("{}/", folder.path().join(name).display());
    let arguments = |to: &str| {
        ["infer", &model, &texts, "--part-rows", "3", "--resume", "-o", to].map(String::from)
    };
    let run = |number: u64, to: &str| {
        let arguments = arguments(to);
        failing_at(number, &arguments.each_ref().map(String::as_str))
    };
    let whole = job("whole");
    assert!(run(0, &whole).status.success());
    let wanted = contents(Path::new(&whole));
    assert_eq!(wanted.len(), 5);
    for number in 1.. {
        let to = job(&format!("job-{number}"));
        let output = run(number, &to);
        if output.status.success() {
            assert!(number > 8, "{number} operations");
            return;
        }
        assert_eq!(output.status.code(), Some(1), "operation {number}: {}", stderr(&output));
        let left = contents(Path::new(&to));
        let is_whole = |(name, bytes): (&PathBuf, &Vec<u8>)| wanted.get(name) == Some(bytes);
        assert!(left.iter().all(is_whole), "operation {number} leaves {:?}", left.keys());
        assert!(left.len() < wanted.len(), "operation {number}: nothing is missing");
        let output = run(0, &to);
        assert!(output.status.success(), "operation {number}: {}", stderr(&output));
        assert!(contents(Path::new(&to)) == wanted, "operation {number}");
    }
}

#[test]
fn a_training_goes_on_from_wherever_its_disk_failed() {
    let folder = folder();
    let data = dataset(folder.path());
    let config = config(folder.path(), &data, "eval_every = 7").display().to_string();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let whole = place("whole");
    let output = failing_at(0, &["train", &config, "-o", &whole]);
    assert!(output.status.success(), "{}", stderr(&output));
    let weights = |run: &str| {
        std::fs::read(Path::new(run).join("checkpoints/last/model.safetensors")).unwrap()
    };
    let (mut number, mut resumed) = (1, 0);
    loop {
        let run = place(&format!("run-{number}"));
        let output = failing_at(number, &["train", &config, "-o", &run]);
        if output.status.success() {
            assert!(stderr(&output).is_empty() || weights(&run) == weights(&whole));
            break;
        }
        assert_eq!(output.status.code(), Some(1), "operation {number}: {}", stderr(&output));
        let last = Path::new(&run).join("checkpoints/last");
        let again = if last.is_dir() { "--resume" } else { "--overwrite" };
        resumed += usize::from(again == "--resume");
        let output = failing_at(0, &["train", &config, "-o", &run, again]);
        assert!(output.status.success(), "operation {number}, {again}: {}", stderr(&output));
        assert!(weights(&run) == weights(&whole), "operation {number}, {again}");
        let left = contents(Path::new(&run));
        let partial = left.keys().find(|path| path.to_string_lossy().contains(".partial"));
        assert!(partial.is_none(), "operation {number} leaves {partial:?}");
        number += 5;
    }
    assert!(number > 40 && resumed > 3, "{number} operations, {resumed} resumed");
}

#[test]
fn a_report_is_the_old_one_or_the_new_one() {
    let folder = folder();
    let data = dataset(folder.path());
    let config = config(folder.path(), &data, "").display().to_string();
    let run = folder.path().join("run");
    let to = run.display().to_string();
    let output = failing_at(0, &["train", &config, "-o", &to]);
    assert!(output.status.success(), "{}", stderr(&output));
    let before = contents(&run);
    let failed = each_in_turn(&["eval", &to, "--bootstrap", "0"], 1, |number| {
        for (path, bytes) in contents(&run) {
            if path.extension().is_some_and(|extension| extension == "json") {
                assert!(
                    serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(),
                    "operation {number}: {path:?}"
                );
            }
            assert!(before.contains_key(&path), "operation {number} leaves {path:?}");
        }
    });
    assert!(failed >= 6, "{failed} operations");
    let curated = folder.path().join("balanced");
    let from = data.display().to_string();
    let to = curated.display().to_string();
    let failed = each_in_turn(
        &["data", "balance", &from, "-o", &to, "--keep", "SECURITY:1=1"],
        1,
        |number| {
            assert!(contents(&curated).is_empty(), "operation {number} leaves half a folder");
        },
    );
    assert!(failed >= 3 && contents(&curated).len() >= 3, "{failed} operations");
}
