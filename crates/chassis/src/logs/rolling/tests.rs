//! A file that is followed by another, by day and by size, and how many are kept.

use tempfile::TempDir;

use super::*;

const DAY: i64 = 86_400_000;

fn small() -> Bounds {
    Bounds {
        file_bytes: 10,
        files: 3,
    }
}

fn rolling(dir: &TempDir) -> Rolling {
    Rolling::new(dir.path(), "ward", small())
}

/// Every file, by its name, with what is in it.
fn files(dir: &TempDir) -> Vec<(String, String)> {
    let names = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = names
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn names(dir: &TempDir) -> Vec<String> {
    files(dir).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn each_day_has_its_file_and_a_full_one_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let mut rolling = rolling(&dir);
    for (line, now) in [
        ("first\n", 0),
        ("ok\n", DAY - 1),
        ("second\n", DAY - 1),
        ("third\n", DAY),
    ] {
        rolling.write(line.as_bytes(), Wall(now)).unwrap();
    }
    let expected = [
        ("ward.1970-01-01.1.jsonl", "second\n"),
        ("ward.1970-01-01.jsonl", "first\nok\n"),
        ("ward.1970-01-02.jsonl", "third\n"),
    ];
    assert_eq!(
        files(&dir),
        expected.map(|(name, text)| (name.to_owned(), text.to_owned()))
    );
}

#[test]
fn another_process_goes_on_where_the_last_one_ended() {
    let dir = tempfile::tempdir().unwrap();
    for line in [
        "one\n",
        "two\n",
        "three\n",
        "a line that is longer than a file may be\n",
        "x\n",
    ] {
        rolling(&dir).write(line.as_bytes(), Wall(0)).unwrap();
    }
    let texts: Vec<_> = files(&dir).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert_eq!(
        texts.concat(),
        "three\na line that is longer than a file may be\nx\n"
    );
}

#[test]
fn the_oldest_are_deleted_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let others = [
        "ward.error.1970-01-01.jsonl",
        "ward.1970-01-01.jsonl.gz",
        "ward.1970-1-1.jsonl",
        "ward.1970-01-01.01.jsonl",
        "ward.jsonl",
        "toward.1970-01-01.jsonl",
    ];
    for other in others {
        fs::write(dir.path().join(other), "theirs").unwrap();
    }
    let mut rolling = rolling(&dir);
    for day in 0..12 {
        rolling.write(b"0123456789", Wall(day / 2 * DAY)).unwrap();
    }
    let ours = [
        "ward.1970-01-05.1.jsonl",
        "ward.1970-01-06.1.jsonl",
        "ward.1970-01-06.jsonl",
    ];
    let mut expected: Vec<_> = ours
        .iter()
        .chain(&others)
        .map(|name| (*name).to_owned())
        .collect();
    expected.sort();
    assert_eq!(names(&dir), expected);
}

/// A clock that goes back finds files of the future: they are the first to go.
#[test]
fn what_is_written_now_is_kept_whatever_the_clock_did() {
    let dir = tempfile::tempdir().unwrap();
    let mut rolling = rolling(&dir);
    for day in [7, 8, 9, 1, 1, 1] {
        rolling.write(b"0123456789", Wall(day * DAY)).unwrap();
    }
    let expected = [
        "ward.1970-01-02.1.jsonl",
        "ward.1970-01-02.2.jsonl",
        "ward.1970-01-02.jsonl",
    ];
    assert_eq!(names(&dir), expected.map(str::to_owned));
}

#[test]
fn what_is_deleted_or_moved_is_begun_anew() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("made/when/needed");
    let mut rolling = Rolling::new(&dir, "ward", small());
    rolling.write(b"one\n", Wall(0)).unwrap();
    let file = dir.join("ward.1970-01-01.jsonl");
    fs::rename(&file, dir.join("moved")).unwrap();
    rolling.write(b"two\n", Wall(0)).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "two\n");
    fs::remove_dir_all(&dir).unwrap();
    rolling.write(b"three\n", Wall(0)).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "three\n");
}

/// On a disk that is full, and on one that was.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ward.1970-01-01.jsonl");
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let mut rolling = rolling(&dir);
    for _ in 0..2 {
        let error = rolling.write(b"lost\n", Wall(0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
    fs::remove_file(&file).unwrap();
    rolling.write(b"kept\n", Wall(0)).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept\n");
}
