//! The power goes at every step of a run, and takes with it what was not synced.

use std::sync::Arc;

use ward_model::Wall;

use super::support::{draft, open_in, wait};
use crate::{
    Reader,
    files::{
        Files,
        simulated::{Fate, Simulated, Step},
    },
    recover::recover,
    verify::verify_in,
};

/// Events one by one and many at once, over the ends of tiles and of tails, with checkpoints in between and lives that end.
fn run() -> (Vec<Step>, u64) {
    let disk = Simulated::new();
    disk.keep_steps();
    let mut next = 0;
    for life in 0..3 {
        let (log, opened) = open_in(&disk.files()).unwrap();
        assert_eq!(opened.size, next);
        for burst in [1; 90].into_iter().chain([30, 1, 64, 1, 1, 2, 100, 2, 1, 1, 1]) {
            for _ in 1..burst {
                assert!(log.record(draft(next)));
                next += 1;
            }
            wait(log.append(draft(next))).unwrap();
            next += 1;
            disk.note(next);
            if burst == 2 {
                wait(log.checkpoint()).unwrap();
            }
        }
        // The second life is not closed.
        if life != 1 {
            log.close().unwrap();
        } else {
            drop(log);
            while !matches!(disk.lock(), Ok(Some(_))) {
                std::thread::yield_now();
            }
        }
    }
    (disk.take_steps(), next)
}

/// Opens what is there, and holds it to what was acknowledged.
fn check(disk: &Simulated, acknowledged: u64, what: &str) {
    let files = disk.files();
    let recovered = recover(&files, Wall(7)).unwrap_or_else(|error| panic!("{what}: {error}"));
    let size = recovered.opened.size;
    assert!(
        size >= acknowledged,
        "{what}: {acknowledged} were acknowledged, {size} are there"
    );
    let report = verify_in(&*files, None, None, &mut |_, _| {});
    assert!(report.is_sound(), "{what}: {report:?}");
    assert_eq!(report.verified, size, "{what}");
    assert_eq!(report.head.unwrap(), recovered.tree.head(), "{what}");
    let reader = Reader::open_in(files).unwrap();
    reader
        .each(0, &mut |index, entry| {
            // The index is in its beginning, which was verified; this is what the test called it.
            let ours = format!("\"n\":\"{index}\"}}}}");
            assert!(
                entry.ends_with(ours.as_bytes()),
                "{what}: {index} is not the {index}th that was appended"
            );
            Ok(true)
        })
        .unwrap();
}

/// A crash at each step: nothing that was not synced is there, all of it, and so many times some of it.
fn everywhere(times: u64) -> u64 {
    let (steps, total) = run();
    assert!(
        total > 600 && steps.len() > 800,
        "{total} events, {} steps",
        steps.len()
    );
    let mut crashes = 0;
    for (n, step) in steps.iter().enumerate() {
        let torn = (0..times).map(|time| Fate::Torn(n as u64 * times + time));
        for fate in [Fate::Lost, Fate::Kept].into_iter().chain(torn) {
            let what = format!("step {n} of {}, {fate:?}", steps.len());
            check(&step.crash(fate), step.noted, &what);
            crashes += 1;
        }
    }
    crashes
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_goes() {
    everywhere(2);
}

#[test]
#[ignore = "long: a hundred thousand crashes take some minutes"]
fn nor_in_a_hundred_thousand_crashes() {
    let mut crashes = 0;
    while crashes < 100_000 {
        crashes += everywhere(20);
    }
}

#[test]
fn a_record_torn_at_any_byte_is_cut_and_said() {
    let disk = Simulated::new();
    let (log, _) = open_in(&disk.files()).unwrap();
    wait(log.append(draft(0))).unwrap();
    disk.keep_steps();
    wait(log.append(draft(1))).unwrap();
    let steps = disk.take_steps();
    let written = steps.first().unwrap();
    assert!(written.last_write > 300);
    for cut in 0..written.last_write {
        let torn = written.crash(Fate::Cut(cut));
        let (log, opened) = open_in(&torn.files()).unwrap();
        let events = log.reader().range(0, 10).unwrap();
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        // The end of the page is zeros in any case.
        match (opened.size, opened.torn) {
            (2, None) => assert_eq!(kinds, ["transition", "transition"]),
            (1, Some(_)) => assert_eq!(kinds, ["transition", "log_recovered"]),
            (1, None) => assert_eq!((cut, kinds), (0, vec!["transition"])),
            other => panic!("{cut}: {other:?}"),
        }
        log.close().unwrap();
        check_plain(&torn);
    }
    log.close().unwrap();
}

fn check_plain(disk: &Simulated) {
    let report = verify_in(&*disk.files(), None, None, &mut |_, _| {});
    assert!(report.is_sound() && report.torn == 0, "{report:?}");
}

#[test]
fn the_power_may_go_again_while_the_log_is_opened() {
    let (steps, _) = run();
    for (n, step) in steps.iter().enumerate().step_by(23) {
        let disk = step.crash(Fate::Torn(n as u64));
        disk.note(step.noted);
        disk.keep_steps();
        let files: Arc<dyn Files> = disk.files();
        recover(&files, Wall(7)).unwrap();
        for (m, again) in disk.take_steps().iter().enumerate() {
            for fate in [Fate::Lost, Fate::Torn(m as u64)] {
                check(
                    &again.crash(fate),
                    step.noted,
                    &format!("step {n}, then {m}, {fate:?}"),
                );
            }
        }
    }
}
