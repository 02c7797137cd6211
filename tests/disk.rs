//! Files and folders appear whole or not at all.

use std::io::Write;
use std::path::Path;

use valuenet::disk::{self, NewFile};
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

#[test]
fn a_writer_that_gives_up_leaves_what_was_there() {
    let folder = folder();
    let path = write(folder.path(), "a.csv", "old");
    let mut file = NewFile::create(&path).unwrap();
    file.write_all(b"new").unwrap();
    assert_eq!(names(folder.path()).len(), 2);
    drop(file);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(folder.path()), ["a.csv"]);
    let error = NewFile::create(folder.path()).unwrap_err().to_string();
    assert!(error.contains("cannot write it"), "{error}");
}

#[test]
fn writers_of_one_file_do_not_meet() {
    let folder = folder();
    let path = folder.path().join("report.json");
    let bytes = |writer: u8| vec![b'a' + writer; 10_000];
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                (0..25).for_each(|_| disk::write_file(path, &bytes(writer)).unwrap())
            });
        }
    });
    let read = std::fs::read(&path).unwrap();
    assert!((0..4).any(|writer| read == bytes(writer)));
    assert_eq!(names(folder.path()), ["report.json"]);
}

#[test]
fn what_a_killed_writer_left_is_cleared_and_nothing_else() {
    let folder = folder();
    for name in
        [".last.a1b2c3.partial/model", ".best.x.partial", "last/model", ".lock", "notes.partial"]
    {
        write(folder.path(), name, "");
    }
    disk::clear_leavings(folder.path()).unwrap();
    assert_eq!(names(folder.path()), [".lock", "last", "notes.partial"]);
    disk::clear_leavings(&folder.path().join("none")).unwrap();
}

/// What the process's umask leaves, no more and no less.
#[cfg(unix)]
#[test]
fn files_and_folders_may_be_read_by_whom_others_of_the_user_may_be() {
    use std::os::unix::fs::MetadataExt;
    let folder = folder();
    let mode = |name: &str| folder.path().join(name).metadata().unwrap().mode();
    write(folder.path(), "plain/file", "");
    disk::write_file(&folder.path().join("file"), b"").unwrap();
    disk::write_folder(&folder.path().join("folder"), |_| Ok(())).unwrap();
    assert_eq!(mode("file"), mode("plain/file"));
    assert_eq!(mode("folder"), mode("plain"));
}

/// As on a disk that cannot sync a folder: whoever is not root cannot even open this one.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_synced_is_written_to_all_the_same() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    let allow = |mode| std::fs::set_permissions(&inside, PermissionsExt::from_mode(mode)).unwrap();
    allow(0o300);
    let written = disk::write_file(&inside.join("a"), b"one");
    let made = disk::write_folder(&inside.join("b"), |_| Ok(()));
    allow(0o700);
    written.and(made).unwrap();
    assert_eq!(names(&inside), ["a", "b"]);
}

#[cfg(unix)]
#[test]
fn a_device_is_written_to_and_not_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let null = Path::new("/dev/null");
    disk::write_file(null, b"gone").unwrap();
    assert!(null.metadata().unwrap().file_type().is_char_device());
}
