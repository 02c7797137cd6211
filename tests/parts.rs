//! Vectors in parts: whatever happens between them, together they are what one file would be.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{assert_fails, folder, program, saved_model, stderr, stdout, valuenet, write};

/// The names in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    entries.map(|name| name.to_string_lossy().into()).collect()
}

/// The parts of a job behind each other.
fn together(folder: &Path) -> String {
    let parts = names(folder).into_iter().filter(|name| name.starts_with("part-"));
    parts.map(|name| std::fs::read_to_string(folder.join(name)).unwrap()).collect()
}

fn texts(count: usize) -> String {
    (0..count).map(|number| format!("helping friend number {number}\n")).collect()
}

#[test]
fn parts_together_are_the_whole() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let input = write(folder.path(), "t.txt", texts(5)).display().to_string();
    let whole = stdout(&valuenet(["infer", &model, &input]));
    let jobs = folder.path().join("job");
    let out = format!("{}/", jobs.display());
    let job = ["infer", &model, &input, "-o", &out, "--part-rows", "2"];
    let also = |more: &[&str]| valuenet(job.iter().chain(more).copied());
    let output = also(&[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let parts = ["part-00000.jsonl", "part-00001.jsonl", "part-00002.jsonl"];
    let all: BTreeSet<String> =
        ["_SUCCESS", "_job.json"].iter().chain(&parts).map(|it| it.to_string()).collect();
    assert_eq!((names(&jobs), together(&jobs)), (all.clone(), whole.clone()));

    // What is there is not done again, and what is not is.
    assert_fails(&also(&[]), 2, &["holds a job already", "--resume"]);
    std::fs::write(jobs.join(parts[0]), "mine\n").unwrap();
    std::fs::remove_file(jobs.join(parts[1])).unwrap();
    std::fs::write(jobs.join(".part-00001.jsonl.abc.partial"), "left by a kill").unwrap();
    assert!(also(&["--resume"]).status.success());
    assert_eq!(names(&jobs), all);
    assert!(together(&jobs).starts_with("mine\n"));
    assert!(together(&jobs).ends_with(whole.splitn(3, '\n').nth(2).unwrap()));
    // Nothing else is mixed into it.
    assert_fails(&also(&["--resume", "--dtype", "bf16"]), 2, &["_job.json", "dtype differ"]);
    assert_fails(&also(&["--resume", "--format", "csv"]), 2, &["format differ"]);
    write(folder.path(), "t.txt", texts(6));
    assert_fails(&also(&["--resume"]), 2, &["bytes differ"]);
    let full = format!("{}/", folder.path().display());
    assert_fails(
        &valuenet(["infer", &model, &input, "-o", &full]),
        2,
        &["is not empty, and holds no job"],
    );
    for (more, says) in [
        (&["--shard", "3/2"][..], "a shard is written as 1/8"),
        (&["--shard", "0/2"], "a shard is written as 1/8"),
        (&["--part-rows", "0"], "0 is not in 1.."),
        (&["--radar", "r.svg"], "--radar draws one file's vectors"),
    ] {
        assert_fails(&valuenet(job[..5].iter().chain(more).copied()), 2, &[says]);
    }
    assert_fails(&valuenet(["infer", &model, &input, "--resume"]), 2, &["--output"]);
}

#[test]
fn shards_make_the_whole_between_them() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let input = write(folder.path(), "t.txt", texts(6)).display().to_string();
    let whole = stdout(&valuenet(["infer", &model, &input]));
    let jobs = folder.path().join("job");
    let out = jobs.display().to_string();
    let shard = |which: &str| {
        valuenet(["infer", &model, &input, "-o", &out, "--part-rows", "2", "--shard", which])
    };
    let output = shard("2/2");
    assert!(stderr(&output).contains("_SUCCESS comes with the last shard"), "{}", stderr(&output));
    assert!(!jobs.join("_SUCCESS").exists() && !jobs.join("part-00000.jsonl").exists());
    assert_fails(&shard("1/3"), 2, &["shards differ"]);
    assert!(shard("1/2").status.success());
    assert!(jobs.join("_SUCCESS").exists());
    assert_eq!(together(&jobs), whole);
    assert_eq!(names(&jobs).len(), 5, "no part without rows");
}

#[test]
fn a_wrong_row_costs_the_parts_behind_it_alone() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let input = write(folder.path(), "t.csv", b"text\na\nb\nc\ncaf\xe9\n").display().to_string();
    let jobs = folder.path().join("job");
    let out = jobs.display().to_string();
    let job = ["infer", &model, &input, "-o", &out, "--part-rows", "2", "--to", "csv"];
    assert_fails(&valuenet(job), 3, &["t.csv:5: the byte 0xe9"]);
    assert_eq!(names(&jobs).into_iter().collect::<Vec<_>>(), ["_job.json", "part-00000.csv"]);
    // A command that cannot begin leaves no job behind.
    let unbegun = format!("{}/unbegun/", folder.path().display());
    let wrong = ["infer", &model, &input, "-o", &unbegun, "--column", "body"];
    assert_fails(&valuenet(wrong), 3, &["no column \"body\""]);
    assert!(!Path::new(&unbegun).exists());
    let empty = write(folder.path(), "e.csv", "").display().to_string();
    let nothing = format!("{}/none/", folder.path().display());
    assert!(
        valuenet(["infer", &model, &empty, "-o", &nothing, "--to", "parquet"]).status.success()
    );
    let made = names(Path::new(&nothing)).into_iter().collect::<Vec<_>>();
    assert_eq!(made, ["_SUCCESS", "_job.json", "part-00000.parquet"]);
}

/// Killed again and again at moments that differ, a job ends with the same parts as one that is left alone.
#[test]
fn kills_lose_nothing_and_double_nothing() {
    let folder = folder();
    let model = saved_model(folder.path()).display().to_string();
    let input = write(folder.path(), "t.txt", texts(400)).display().to_string();
    let whole = stdout(&valuenet(["infer", &model, &input]));
    let jobs = folder.path().join("job");
    let out = format!("{}/", jobs.display());
    // As one that was killed when it began.
    std::fs::create_dir(&jobs).unwrap();
    write(&jobs, "._job.json.a1b2c3.partial", "{");
    let mut kills = 0;
    for moment in 0.. {
        let child = program()
            .args(["infer", &model, &input, "-o", &out, "--part-rows", "20", "--resume"])
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.unwrap();
        std::thread::sleep(Duration::from_millis(20 + 30 * moment));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0);
    assert_eq!(together(&jobs), whole);
    assert_eq!(names(&jobs).len(), 22);
}
