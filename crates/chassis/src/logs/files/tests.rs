//! Log lines in files: what is written, what is lost, and that it is said once.

use std::{fs, io::Write as _};

use super::*;

fn line(text: &str) -> Line {
    Line {
        text: text.as_bytes().to_vec(),
        is_error: false,
    }
}

fn read(dir: &Path, stem: &str) -> String {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let of = |name: &str| name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(".2"));
    let texts = files
        .filter(|file| of(file.file_name().to_str().unwrap()))
        .map(|file| fs::read_to_string(file.path()).unwrap());
    texts.collect()
}

#[test]
fn what_finds_no_room_is_counted_and_nobody_waits() {
    let dropped = Dropped::default();
    let queue = Queue::new(10, dropped.clone());
    for _ in 0..5 {
        queue.put(line("1234"));
    }
    assert_eq!(dropped.count(), 3);
    let (lines, lost) = queue.take().unwrap();
    assert_eq!((lines.len(), lost), (2, 3));
    queue.put(line("there is room again".get(..10).unwrap()));
    assert_eq!(dropped.count(), 3);
    assert_eq!(queue.take().unwrap().1, 0, "it is said once");
}

#[test]
fn what_was_logged_before_the_end_is_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let dropped = Dropped::default();
    let files = Files::begin(dir.path(), Clock::start(), dropped.clone()).unwrap();
    let writer = files.writer();
    for n in 0..1_000 {
        writeln!(writer.make_writer(), "{n}").unwrap();
    }
    drop(files);
    assert_eq!(read(dir.path(), "ward").lines().count(), 1_000);
    writeln!(writer.make_writer(), "too late").unwrap();
    assert_eq!(dropped.count(), 1);
}

#[test]
fn errors_are_in_both() {
    let dir = tempfile::tempdir().unwrap();
    let mut writing = Writing::new(dir.path(), Bounds::default(), Clock::start());
    let dropped = Dropped::default();
    writing.line(&line("odd\n"), &dropped);
    let error = Line {
        is_error: true,
        ..line("wrong\n")
    };
    writing.line(&error, &dropped);
    assert_eq!(read(dir.path(), "ward"), "odd\nwrong\n");
    assert_eq!(read(dir.path(), "ward.error"), "wrong\n");
}

/// Where its parent is a file there is no directory.
#[test]
fn an_outage_costs_its_lines_and_is_left_alone_for_a_while() {
    let home = tempfile::tempdir().unwrap();
    let parent = home.path().join("parent");
    fs::write(&parent, "").unwrap();
    let dir = parent.join("logs");
    let mut writing = Writing::new(&dir, Bounds::default(), Clock::start());
    let dropped = Dropped::default();
    writing.line(&line("lost\n"), &dropped);
    fs::remove_file(&parent).unwrap();
    writing.line(&line("lost\n"), &dropped);
    assert_eq!(dropped.count(), 2, "it was tried again at once");
    // Time passes.
    writing.outage = writing.outage.map(|(_, lost)| (Mono::default(), lost));
    writing.line(&line("kept\n"), &dropped);
    assert_eq!((dropped.count(), writing.outage), (2, None));
    assert_eq!(read(&dir, "ward"), "kept\n");
}
