//! Logs that somebody changed: verification says so, every time.

use std::process::Command;

use ward_model::Wall;
use ward_tlog::{Checkpoint, Signer};

use super::support::{draft, open_in, wait};
use crate::{
    files::simulated::Simulated,
    layout::{Entries, Entry, push_entry},
    recover::recover,
    verify::{Anchoring, Report, Verdict, behind, signed, verify_in},
};

/// 600 events, closed: two full tiles, one partial, and a level above; some 160 KiB.
fn closed(count: u64) -> Simulated {
    let disk = Simulated::new();
    let (log, _) = open_in(&disk.files()).unwrap();
    for n in 0..count {
        while !log.record(draft(n)) {
            std::thread::yield_now();
        }
    }
    log.close().unwrap();
    disk
}

fn verify(disk: &Simulated, held: Option<&str>) -> Report {
    verify_in(&*disk.files(), None, held, &mut |_, _| {})
}

/// The files that others need to verify a log.
fn read_by_verify(disk: &Simulated) -> Vec<(String, Vec<u8>)> {
    let wanted =
        |name: &str| name.starts_with("tile/") || ["checkpoint", "key.pub", "format"].contains(&name);
    disk.all().into_iter().filter(|(name, _)| wanted(name)).collect()
}

/// It is of an older checkpoint, and may be missing.
fn is_narrower(name: &str, size: u64) -> bool {
    let width = name
        .split_once(".p/")
        .map(|(_, width)| width.parse::<u64>().unwrap());
    width.is_some_and(|width| width != size % 256 && width != size / 256)
}

fn file(disk: &Simulated, name: &str) -> Vec<u8> {
    let found = disk.all().into_iter().find(|(there, _)| there == name);
    found.unwrap_or_else(|| panic!("{name}")).1
}

/// A log of 64 KiB, and with a partial tile and bundle; few events of many bytes, since each costs a little.
fn of_64_kib() -> Simulated {
    let disk = Simulated::new();
    let (log, _) = open_in(&disk.files()).unwrap();
    for n in 0..16 {
        let long = draft(n).with("message", "what happened ".repeat(280));
        wait(log.append(long)).unwrap();
    }
    log.close().unwrap();
    disk
}

#[test]
fn no_bit_may_change() {
    let disk = of_64_kib();
    let files = read_by_verify(&disk);
    let total: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(total > 64 << 10, "{total} bytes");
    // Two halves at once.
    std::thread::scope(|scope| {
        for half in 0..2 {
            let (disk, files) = (disk.copy(), &files);
            scope.spawn(move || {
                for (name, bytes) in files {
                    no_bit_of(&disk, name, (half..bytes.len() * 8).step_by(2));
                }
            });
        }
    });
}

fn no_bit_of(disk: &Simulated, name: &str, bits: impl Iterator<Item = usize>) {
    let files = disk.files();
    let mut report = Report::default();
    let (verifier, checkpoint) = signed(&*files, None, &mut report).unwrap();
    assert!(report.is_whole());
    // What is signed is believed from here on, where it is not what is changed: a signature takes longer than all the rest.
    let place = name
        .strip_prefix("tile/0/")
        .or(name.strip_prefix("tile/entries/"));
    for bit in bits {
        disk.flip(name, bit);
        let report = match place {
            Some(_) => behind(
                &*files,
                &verifier,
                &checkpoint,
                None,
                Report::default(),
                &mut |_, _| {},
            ),
            None => verify(disk, None),
        };
        assert!(!report.is_whole(), "{name}, bit {bit}: {report:?}");
        if let Some(place) = place {
            // Bundle or tile: which of them is the wrong one, two that disagree do not say.
            let findings = report.integrity.findings();
            assert!(
                findings.iter().any(|finding| finding.path.ends_with(place)),
                "{name}, bit {bit}: {report:?}"
            );
        }
        disk.flip(name, bit);
    }
    assert!(verify(disk, None).is_sound());
}

#[test]
fn bits_of_a_log_of_several_tiles_may_not_change_either() {
    let disk = closed(600);
    assert!(verify(&disk, None).is_sound());
    let files = read_by_verify(&disk);
    for expected in [
        "tile/0/001",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/002.p/88",
    ] {
        assert!(files.iter().any(|(name, _)| name == expected), "{expected}");
    }
    for (name, bytes) in files {
        let mut changed = bytes.clone();
        for bit in (0..bytes.len() * 8).step_by(997).chain([bytes.len() * 8 - 1]) {
            changed[bit / 8] ^= 1 << (bit % 8);
            disk.tamper(&name, Some(changed.clone()));
            assert!(!verify(&disk, None).is_whole(), "{name}, bit {bit}");
            changed[bit / 8] ^= 1 << (bit % 8);
        }
        if is_narrower(&name, 600) {
            disk.tamper(&name, Some(bytes));
            assert!(verify(&disk, None).is_sound());
            continue;
        }
        disk.tamper(&name, None);
        let missing = verify(&disk, None);
        // The public key may be given, and is not an entry.
        assert!(!missing.is_whole(), "{name}: {missing:?}");
        if name.starts_with("tile/") {
            assert!(
                matches!(missing.completeness, Verdict::Broken(_)),
                "{name}: {missing:?}"
            );
        }
        disk.tamper(&name, Some(bytes));
    }
}

#[test]
fn one_damaged_event_is_one_finding() {
    let disk = closed(600);
    disk.flip("tile/entries/001", 8 * 5000);
    let report = verify(&disk, None);
    let findings = report.integrity.findings();
    assert_eq!((findings.len(), report.verified), (1, 600), "{report:?}");
    assert!(findings[0].path.ends_with("tile/entries/001"), "{report:?}");
    assert!((256..512).contains(&findings[0].index.unwrap()), "{report:?}");
}

/// What only whoever has the key could do: hashes and signature hold, and the order does not.
#[test]
fn a_signed_log_whose_events_do_not_follow_each_other_is_broken() {
    let signed = |places: [u64; 3]| {
        let disk = Simulated::new();
        open_in(&disk.files()).unwrap().0.close().unwrap();
        let files = disk.files();
        let mut recovered = recover(&files, Wall(7)).unwrap();
        let mut last = recovered.last;
        let entries = places.map(|index| {
            let entry = Entry::new(&draft(index).placed(index, last, "boot").encode());
            last = entry.leaf;
            recovered.tree.push(last);
            entry
        });
        recovered.press.publish(&entries, recovered.tree.head()).unwrap();
        (verify(&disk, None), by_others(&disk))
    };
    let (report, others) = signed([0, 1, 2]);
    assert!(report.is_sound());
    assert!(others.is_none_or(|said| said.starts_with("ok: 3 entries")));
    for wrong in [[0, 2, 3], [0, 0, 1], [1, 2, 3]] {
        let (report, others) = signed(wrong);
        assert!(!report.is_whole(), "{wrong:?}: {report:?}");
        let told = others.is_none_or(|said| said.starts_with("wrong: ") && said.contains("does not follow"));
        assert!(told, "{wrong:?}");
    }
}

/// What the verifier for others, which shares no code with this one, says; nothing where it cannot be run.
fn by_others(disk: &Simulated) -> Option<String> {
    let home = tempfile::tempdir().unwrap();
    for (name, bytes) in disk.all() {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let there = |program| Command::new(program).arg("--help").output().is_ok();
    if !there("python3") || !there("openssl") {
        // Past libtest's capture, so that it is seen.
        let line = "NOT RUN: bad audit logs by a verifier in Python: no python3 and openssl on PATH\n";
        std::fs::write("/dev/stderr", line).unwrap();
        assert!(std::env::var_os("WARD_REQUIRE_ALL").is_none(), "{line}");
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/verify-audit.py");
    let mut verify = Command::new("python3");
    verify
        .arg(script)
        .arg(home.path())
        .arg(home.path().join("key.pub"));
    let done = verify.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.success(), said.starts_with("ok: "), "{said}");
    Some(said)
}

#[test]
fn no_file_may_be_cut_or_grow() {
    let disk = closed(100);
    for (name, bytes) in read_by_verify(&disk) {
        let ends = (0..bytes.len()).step_by(if bytes.len() > 4000 { 7 } else { 1 });
        for end in ends {
            disk.tamper(&name, Some(bytes[..end].to_vec()));
            assert!(!verify(&disk, None).is_whole(), "{name} cut at {end}");
        }
        for more in [&b"\0"[..], b"\n", &bytes] {
            disk.tamper(&name, Some([&bytes, more].concat()));
            assert!(!verify(&disk, None).is_whole(), "{name} with {} more", more.len());
        }
        disk.tamper(&name, Some(bytes));
    }
}

#[test]
fn no_record_may_be_missing_twice_there_or_elsewhere() {
    let disk = closed(300);
    for name in ["tile/entries/000", "tile/entries/001.p/44"] {
        let bytes = file(&disk, name);
        let entries: Vec<_> = Entries { rest: &bytes }.collect();
        let tampered = |entries: Vec<&[u8]>| {
            let mut bytes = Vec::new();
            entries
                .into_iter()
                .for_each(|entry| push_entry(&mut bytes, entry));
            disk.tamper(name, Some(bytes));
            verify(&disk, None)
        };
        for at in 0..entries.len() {
            let mut less = entries.clone();
            less.remove(at);
            assert!(!tampered(less).is_whole(), "{name} without {at}");
            let mut twice = entries.clone();
            twice.insert(at, entries[at]);
            assert!(!tampered(twice).is_whole(), "{name} with {at} twice");
            let mut swapped = entries.clone();
            swapped.swap(at, (at + 1) % entries.len());
            assert!(
                !tampered(swapped).is_whole(),
                "{name} with {at} and the next in the other order"
            );
        }
        disk.tamper(name, Some(bytes.clone()));
    }
}

/// Signs what is there anew: what whoever has the key can do.
fn history(counts: &[u64]) -> (Simulated, Vec<String>) {
    let disk = Simulated::new();
    let mut checkpoints = Vec::new();
    let mut next = 0;
    for count in counts {
        let (log, _) = open_in(&disk.files()).unwrap();
        for _ in 0..*count {
            wait(log.append(draft(next))).unwrap();
            next += 1;
        }
        checkpoints.push(wait(log.checkpoint()).unwrap().to_string());
        log.close().unwrap();
    }
    (disk, checkpoints)
}

#[test]
fn a_kept_checkpoint_tells_a_cut_a_rewritten_and_another_log() {
    let (disk, held) = history(&[100, 200, 50]);
    let now = verify(&disk, None);
    assert_eq!(
        (now.anchoring.clone(), now.is_sound()),
        (Anchoring::Unanchored, true)
    );
    for held in &held {
        assert!(
            matches!(verify(&disk, Some(held)).anchoring, Anchoring::Anchored { .. }),
            "{held}"
        );
    }
    // A log that was copied at 100 events, and went on otherwise with the same key.
    let (start, _) = history(&[0]);
    let branch = |disk: &Simulated, count| {
        let copy = disk.copy();
        let (log, _) = open_in(&copy.files()).unwrap();
        (0..count).for_each(|n| assert!(wait(log.append(draft(n))).is_ok()));
        let checkpoint = wait(log.checkpoint()).unwrap().to_string();
        log.close().unwrap();
        (copy, checkpoint)
    };
    let (short, _) = branch(&start, 10);
    let (long, kept) = branch(&start, 20);
    let cut = verify(&short, Some(&kept));
    assert!(cut.is_whole() && !cut.is_sound(), "{cut:?}");
    assert!(
        matches!(cut.anchoring, Anchoring::Cut { size: 10, .. }),
        "{cut:?}"
    );
    let (other, _) = branch(&short, 15);
    let rewritten = verify(&other, Some(&kept));
    assert!(
        rewritten.is_whole() && matches!(rewritten.anchoring, Anchoring::Rewritten { .. }),
        "{rewritten:?}"
    );
    let elsewhere = verify(&disk, Some(&kept));
    assert!(
        matches!(elsewhere.anchoring, Anchoring::OtherLog { .. }),
        "{elsewhere:?}"
    );
    let origin = Checkpoint::parse_unverified(&kept).unwrap();
    let forged = origin
        .sign(&Signer::new(&origin.origin, &[7; 32]).unwrap())
        .unwrap();
    assert!(matches!(
        verify(&long, Some(&forged)).anchoring,
        Anchoring::Unsigned { .. }
    ));
    assert!(matches!(
        verify(&long, Some("nonsense")).anchoring,
        Anchoring::Unsigned { .. }
    ));
}

#[test]
fn what_is_behind_the_checkpoint_is_followed_and_no_bit_of_it_passes() {
    let disk = Simulated::new();
    let (log, _) = open_in(&disk.files()).unwrap();
    (0..50).for_each(|n| assert!(wait(log.append(draft(n))).is_ok()));
    wait(log.checkpoint()).unwrap();
    let before = disk.ops();
    (50..53).for_each(|n| assert!(wait(log.append(draft(n))).is_ok()));
    assert!(
        disk.ops() - before <= 8,
        "published meanwhile: slow machine, nothing to see here"
    );
    let dead = disk.now().crash(crate::files::simulated::Fate::Kept);
    let sound = verify(&dead, None);
    assert!(
        sound.is_sound() && sound.unsigned == 3 && sound.torn == 0,
        "{sound:?}"
    );
    let name = if file(&dead, "tail-0").windows(7).any(|part| part == b"\"n\":\"52") {
        "tail-0"
    } else {
        "tail-1"
    };
    let bytes = file(&dead, name);
    let mut seen = [0; 3];
    for bit in (0..bytes.len() * 8).step_by(31) {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        dead.tamper(name, Some(changed));
        let report = verify(&dead, None);
        match (report.is_whole(), report.unsigned) {
            (false, _) => seen[0] += 1,
            (true, 2) => seen[1] += 1,
            (true, 3) => seen[2] += 1,
            other => panic!("bit {bit}: {other:?}"),
        }
    }
    // Two records before others; one that may have been torn; pages that hold nothing any more.
    assert!(
        seen[0] > 2 * 4096 * 8 / 31 - 10 && seen[1] > 4096 * 8 / 31 - 10,
        "{seen:?}"
    );
    log.close().unwrap();
}
