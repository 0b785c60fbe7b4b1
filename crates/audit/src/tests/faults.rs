//! Disks that fail, fill, or cannot be written to; and logs that are refused.

use std::{sync::Arc, thread, time::Duration};

use ward_model::{Revision, Wall};

use super::support::{draft, open_in, wait};
use crate::{
    AppendError, Kind, Log, OpenError, State,
    files::simulated::{Fate, Fault, Simulated},
    layout::{CHECKPOINT, Entry, FORMAT, KEY, PUBLIC_KEY},
    recover::recover,
    tail::{Sizes, Tail},
    verify::verify_in,
};

/// Waits for a state that must come.
fn until(what: &str, mut there: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if there() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("{what}: not within 10 s");
}

fn kinds(log: &Log) -> Vec<&'static str> {
    let events = log.reader().range(0, 10_000).unwrap();
    events
        .iter()
        .map(|event| event.kind.as_str())
        .filter(|kind| *kind != "transition")
        .collect()
}

fn sound(disk: &Simulated) {
    let report = verify_in(&*disk.files(), None, None, &mut |_, _| {});
    assert!(report.is_sound(), "{report:?}");
}

#[test]
fn an_error_of_the_disk_ends_the_writer_and_shows_and_the_next_life_goes_on() {
    let broken = "Input/output error";
    for (fault, word) in [
        (Fault::Io, broken),
        (Fault::Sync, broken),
        // What was written is lost: no full disk, of which that would be known.
        (Fault::SyncFull, "no storage space"),
    ] {
        let disk = Simulated::new();
        let (log, _) = open_in(&disk.files()).unwrap();
        for n in 0..20 {
            wait(log.append(draft(n))).unwrap();
        }
        disk.fail(Some(fault));
        let waiting = log.append(draft(20));
        let refused = wait(waiting).unwrap_err();
        assert!(
            matches!(&refused, AppendError::Failed(why) if why.contains(word)),
            "{refused}"
        );
        // At once, not when somebody looks.
        assert!(matches!(log.standing().state, State::Failed(_)));
        disk.fail(None);
        // Not even when the disk is well again: what the system calls written may not be.
        assert_eq!(wait(log.append(draft(21))), Err(refused));
        assert!(!log.record(draft(22)));
        assert_eq!(log.standing().left_out, 2);
        assert!(log.close().is_err());
        let (log, opened) = open_in(&disk.now().crash(Fate::Lost).files()).unwrap();
        assert_eq!(opened.size, 20);
        wait(log.append(draft(20))).unwrap();
        log.close().unwrap();
    }
}

#[test]
fn an_error_while_tiles_are_written_ends_it_as_well() {
    for fault in [Fault::Sync, Fault::SyncFull] {
        let disk = Simulated::new();
        let (log, _) = open_in(&disk.files()).unwrap();
        wait(log.append(draft(0))).unwrap();
        disk.fail(Some(fault));
        let refused = wait(log.checkpoint()).unwrap_err();
        assert!(matches!(refused, AppendError::Failed(_)), "{refused}");
        assert!(matches!(wait(log.append(draft(1))), Err(AppendError::Failed(_))));
        disk.fail(None);
        assert!(log.close().is_err());
        let (log, opened) = open_in(&disk.now().crash(Fate::Torn(1)).files()).unwrap();
        assert_eq!(opened.size, 1);
        log.close().unwrap();
    }
}

#[test]
fn a_disk_that_hangs_is_seen_while_it_does() {
    let disk = Simulated::new();
    let (log, _) = open_in(&disk.files()).unwrap();
    wait(log.append(draft(0))).unwrap();
    until("nothing is written", || log.standing().held_up.is_zero());
    let hung = disk.hang();
    assert!(log.record(draft(1)));
    until("it is seen", || {
        log.standing().held_up > Duration::from_millis(20)
    });
    assert_eq!(log.standing().state, State::Writing);
    drop(hung);
    until("it goes on", || log.standing().held_up.is_zero());
    assert_eq!(log.head().size, 2);
    log.close().unwrap();
}

#[test]
fn short_writes_are_gone_on_with() {
    let disk = Simulated::new();
    disk.fail(Some(Fault::Short));
    let (log, _) = open_in(&disk.files()).unwrap();
    for n in 0..300 {
        wait(log.append(draft(n))).unwrap();
    }
    log.close().unwrap();
    sound(&disk);
}

#[test]
fn a_full_disk_is_said_and_survived_and_what_is_missing_is_counted() {
    let disk = Simulated::new();
    let (log, _) = open_in(&disk.files()).unwrap();
    wait(log.append(draft(0))).unwrap();
    until("the reserve is there", || {
        disk.all().iter().any(|(name, _)| name == "reserve")
    });
    wait(log.checkpoint()).unwrap();
    disk.room(Some(0));
    let mut n = 1;
    // What is filled ahead is used first.
    let refused = loop {
        match wait(log.append(draft(n))) {
            Ok(_) => n += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, AppendError::Full);
    assert_eq!(log.standing().state, State::Full);
    until("it says so", || kinds(&log) == ["log_full"]);
    // Nothing more is taken, and all of it is counted; also the one that was refused.
    let before = log.standing();
    assert_eq!(wait(log.append(draft(n + 1))), Err(AppendError::Full));
    assert!((n + 2..n + 10).all(|n| !log.record(draft(n))));
    assert_eq!(log.standing().left_out, before.left_out + 9);
    disk.room(None);
    until("there is room again", || log.standing().state == State::Writing);
    wait(log.append(draft(n + 10))).unwrap();
    assert_eq!(kinds(&log), ["log_full", "log_gap"]);
    let gap = log
        .reader()
        .newest(
            &crate::Filter {
                kind: Some(Kind::LogGap),
                ..Default::default()
            },
            1,
        )
        .unwrap();
    let evidence = |key| gap[0].evidence.get(key).unwrap().to_owned();
    assert_eq!(evidence("count"), log.standing().left_out.to_string());
    assert_eq!(evidence("from_revision"), n.to_string());
    assert_eq!(evidence("to_revision"), (n + 9).to_string());
    assert_eq!(
        gap[0].index + 1,
        log.head().size - 1,
        "it stands before the first that is written again"
    );
    log.close().unwrap();
    sound(&disk);
}

/// What of a write that was refused is on the disk takes the room of those that follow.
#[test]
fn on_a_full_disk_no_half_written_file_is_left() {
    let disk = Simulated::new();
    let (log, _) = open_in(&disk.files()).unwrap();
    let reserved = || disk.all().iter().any(|(name, _)| name == "reserve");
    until("the reserve is there", reserved);
    let parts = || {
        let all = disk.all().into_iter();
        all.filter(|(name, _)| name.starts_with("tmp/")).count()
    };
    disk.room(Some(0));
    until("it is full", || {
        drop(wait(log.append(draft(0))));
        log.standing().state == State::Full
    });
    // The reserve is tried every second, and finds less room than it had.
    let before = disk.ops();
    until("it is tried again", || disk.ops() > before + 8);
    until("nothing is left of it", || parts() == 0);
    disk.room(None);
    until("there is room again", || log.standing().state == State::Writing);
    log.close().unwrap();
    // Tiles, a file of its own, and one of the tail.
    let files = disk.files();
    let mut recovered = recover(&files, Wall(7)).unwrap();
    let entry = Entry::new(&[b'x'; 500]);
    recovered.tree.push(entry.leaf);
    disk.room(Some(100));
    let published = recovered.press.publish(&[entry], recovered.tree.head());
    assert!(published.is_err() && files.replace("x", &[0; 500]).is_err());
    assert!(Tail::begin(files, Sizes::default()).is_err());
    assert_eq!(parts(), 0);
}

#[test]
fn too_many_at_once_are_left_out_and_counted_in_their_place() {
    let disk = Simulated::new();
    let (log, _) = open_in(&disk.files()).unwrap();
    let mut taken = 0;
    let mut left_out = 0;
    let mut n = 0;
    while left_out < 100 {
        match log.record(draft(n)) {
            true => taken += 1,
            false => left_out += 1,
        }
        n += 1;
        assert!(n < 10_000_000, "nothing is left out");
    }
    until("all of it is written", || log.standing().queued == 0);
    wait(log.append(draft(n))).unwrap();
    let events = log.reader().range(0, usize::MAX).unwrap();
    let mut next = 0;
    let mut counted = 0;
    for event in &events {
        if event.kind == Kind::LogGap {
            let number = |key| event.evidence.get(key).unwrap().parse::<u64>().unwrap();
            assert_eq!(number("from_revision"), next, "in its place");
            next = number("to_revision") + 1;
            counted += number("count");
        } else {
            assert_eq!(event.revision, Revision(next));
            next += 1;
        }
    }
    assert_eq!((counted, next), (left_out, n + 1));
    assert!(taken > 4000);
    log.close().unwrap();
}

#[test]
fn what_cannot_be_written_to_is_refused_and_can_be_read() {
    let disk = Simulated::new();
    let (log, _) = open_in(&disk.files()).unwrap();
    wait(log.append(draft(0))).unwrap();
    log.close().unwrap();
    disk.read_only(true);
    assert!(matches!(open_in(&disk.files()), Err(OpenError::ReadOnly { .. })));
    sound(&disk);
    assert_eq!(
        crate::Reader::open_in(disk.files())
            .unwrap()
            .event(0)
            .unwrap()
            .index,
        0
    );
}

/// A log of 300 events that was not closed, with some in the tail only.
fn dead() -> Simulated {
    let disk = Simulated::new();
    let (log, _) = open_in(&disk.files()).unwrap();
    for n in 0..300 {
        wait(log.append(draft(n))).unwrap();
    }
    wait(log.checkpoint()).unwrap();
    for n in 300..304 {
        wait(log.append(draft(n))).unwrap();
    }
    let dead = disk.now().crash(Fate::Kept);
    log.close().unwrap();
    dead
}

#[test]
fn a_log_opens_on_a_full_disk_in_the_room_that_was_kept() {
    // What is in `tmp` would be room as well.
    let full = |disk: &Simulated| {
        let parts = disk
            .all()
            .into_iter()
            .filter(|(name, _)| name.starts_with("tmp/"));
        parts.for_each(|(name, _)| disk.tamper(&name, None));
        disk.room(Some(0));
    };
    let disk = dead();
    full(&disk);
    let (log, opened) = open_in(&disk.files()).unwrap();
    assert_eq!((opened.size, opened.from_tail), (304, 4));
    // It may be that there is room for a few more.
    let mut n = 304;
    until("it is full", || {
        n += 1;
        wait(log.append(draft(n))).is_err()
    });
    assert_eq!(log.standing().state, State::Full);
    disk.room(None);
    until("there is room again", || log.standing().state == State::Writing);
    log.close().unwrap();
    sound(&disk);
    // Without what was kept there is none.
    let disk = dead();
    disk.files().remove("reserve").unwrap();
    full(&disk);
    assert!(matches!(open_in(&disk.files()), Err(OpenError::Full { .. })));
}

/// What opening says, and that it changed nothing.
fn refused(disk: &Simulated) -> String {
    let keep = |disk: &Simulated| {
        disk.all()
            .into_iter()
            .filter(|(name, _)| !name.starts_with("tmp"))
            .collect::<Vec<_>>()
    };
    let before = keep(disk);
    let error = open_in(&disk.files()).err().map(|error| error.to_string());
    assert_eq!(keep(disk), before);
    error.expect("it should be refused")
}

#[test]
fn a_damaged_record_before_others_is_refused_and_the_last_one_is_cut() {
    let whole = dead();
    for (name, bytes) in whole
        .all()
        .into_iter()
        .filter(|(name, _)| name.starts_with("tail-"))
    {
        for page in 0..bytes.len() / 4096 {
            let at = page * 4096;
            let text = String::from_utf8_lossy(&bytes[at..at + 4096]).into_owned();
            let Some(n) = (300..304).find(|n| text.contains(&format!("\"n\":\"{n}\""))) else {
                continue;
            };
            let disk = whole.copy();
            disk.flip(&name, (at + 100) * 8);
            if n == 303 {
                let (log, opened) = open_in(&disk.files()).unwrap();
                assert_eq!((opened.size, opened.torn.is_some()), (303, true));
                assert_eq!(kinds(&log), ["log_recovered"]);
                log.close().unwrap();
                continue;
            }
            let said = refused(&disk);
            assert!(
                said.contains(&name) && said.contains(&format!("those from {n} on are damaged")),
                "{said}"
            );
            assert!(said.contains("nothing was changed"), "{said}");
        }
    }
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let whole = dead();
    let newer = {
        let disk = whole.copy();
        let (log, _) = open_in(&disk.files()).unwrap();
        for n in 304..600 {
            wait(log.append(draft(n))).unwrap();
        }
        log.close().unwrap();
        disk
    };
    let file =
        |disk: &Simulated, name: &str| disk.all().into_iter().find(|(there, _)| there == name).unwrap().1;
    // The checkpoint of later, with the tiles of before.
    let disk = whole.copy();
    disk.tamper(CHECKPOINT, Some(file(&newer, CHECKPOINT)));
    let said = refused(&disk);
    assert!(
        said.contains("is missing, and the checkpoint speaks of it"),
        "{said}"
    );
    // And the other way round.
    let disk = newer.copy();
    disk.tamper(CHECKPOINT, Some(file(&whole, CHECKPOINT)));
    let said = refused(&disk);
    assert!(
        said.contains("rolled back") || said.contains("speaks of it"),
        "{said}"
    );
    // A checkpoint of nothing, as if the log were new.
    let disk = newer.copy();
    let empty = {
        let other = Simulated::new();
        open_in(&other.files()).unwrap().0.close().unwrap();
        other
    };
    disk.tamper(CHECKPOINT, Some(file(&empty, CHECKPOINT)));
    assert!(refused(&disk).contains("is not signed by"), "{}", refused(&disk));
    for (name, word) in [(CHECKPOINT, "is missing"), (FORMAT, "is missing"), (KEY, "")] {
        let disk = newer.copy();
        disk.tamper(name, None);
        if name == KEY {
            // A new key would be another log.
            disk.tamper(KEY, Some(file(&empty, KEY)));
            assert!(refused(&disk).contains("public half"));
            continue;
        }
        assert!(refused(&disk).contains(word), "{name}: {}", refused(&disk));
    }
    // What is left of a log is not the beginning of one.
    let disk = Simulated::new();
    for name in [CHECKPOINT, KEY, PUBLIC_KEY] {
        disk.tamper(name, Some(file(&newer, name)));
    }
    let said = refused(&disk);
    assert!(said.contains("nothing else is left of them"), "{said}");
    disk.tamper(CHECKPOINT, Some(b"x".to_vec()));
    assert!(refused(&disk).contains("nothing else is left"));
    let disk = newer.copy();
    disk.tamper(PUBLIC_KEY, Some(file(&empty, PUBLIC_KEY)));
    assert!(refused(&disk).contains("key.pub"));
    let disk = newer.copy();
    disk.tamper(FORMAT, Some(b"ward-audit 2\n".to_vec()));
    let said = refused(&disk);
    assert!(
        said.contains("\"ward-audit 2\"") && said.contains("newer"),
        "{said}"
    );
}

#[test]
fn a_clean_log_is_opened_by_few_reads_whatever_is_said_twice() {
    let disk = Simulated::new();
    let log = open_in(&disk.files()).unwrap().0;
    let other = log.clone();
    assert!(matches!(open_in(&disk.files()), Err(OpenError::Held { .. })));
    drop(log);
    wait(other.append(draft(0))).unwrap();
    other.close().unwrap();
    drop(Arc::new(other));
    open_in(&disk.files()).unwrap().0.close().unwrap();
}
