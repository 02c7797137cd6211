//! Files and folders appear whole or not at all.

use std::path::Path;

use valuenet::disk;
use valuenet::error::{Error, Result};

use crate::support::{folder, write};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into())
        .collect();
    names.sort();
    names
}

#[test]
fn a_folder_is_replaced_by_a_complete_one_only() {
    let folder = folder();
    let last = folder.path().join("last");
    let fill = |text: &'static str| {
        move |inside: &Path| -> Result<()> {
            write(inside, "a", text);
            Ok(())
        }
    };
    disk::write_folder(&last, fill("one")).unwrap();
    assert_eq!(std::fs::read_to_string(last.join("a")).unwrap(), "one");
    disk::write_folder(&last, fill("two")).unwrap();
    assert_eq!(std::fs::read_to_string(last.join("a")).unwrap(), "two");
    let failed = disk::write_folder(&last, |inside| {
        write(inside, "a", "half");
        Err(Error::failure("no more room"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "no more room");
    assert_eq!(std::fs::read_to_string(last.join("a")).unwrap(), "two");
    assert_eq!(names(folder.path()), ["last"]);
}

#[test]
fn a_kill_between_two_renames_is_mended() {
    let folder = folder();
    let last = folder.path().join("last");
    assert_eq!(disk::existing_folder(&last), None);
    write(folder.path(), "last.before/a", "one");
    write(folder.path(), "last.partial/a", "tw");
    assert_eq!(disk::existing_folder(&last), Some(last.clone()));
    assert_eq!(std::fs::read_to_string(last.join("a")).unwrap(), "one");
}

#[test]
fn a_file_is_replaced_by_a_complete_one_only() {
    let folder = folder();
    let path = folder.path().join("a.json");
    disk::write_file(&path, b"one").unwrap();
    disk::write_file(&path, b"two").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
    assert_eq!(names(folder.path()), ["a.json"]);
    let error = disk::write_file(&path.join("below"), b"x").unwrap_err();
    assert!(error.to_string().contains("cannot write it"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_device_is_written_to_and_not_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let null = Path::new("/dev/null");
    disk::write_file(null, b"gone").unwrap();
    assert!(null.metadata().unwrap().file_type().is_char_device());
}
