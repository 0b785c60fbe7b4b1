//! Looks at bundles ahead of whoever links them, on all cores.
//!
//! Each thread takes every n-th stretch of the log and has a channel of its own, so that what they have seen is put in order
//! by asking them in turn. A pool that hands out single bundles was not taken: it would wake somebody for each.

use std::{
    iter,
    num::NonZero,
    sync::mpsc::{Receiver, sync_channel},
    thread::{self, Scope},
};

use ward_tlog::TILE_WIDTH;

use super::bundle::Looked;
use crate::files::Files;

/// Bundles that a thread looks at before it tells: 2 ms of work, beside which telling is nothing.
const STRETCH: u64 = 16;
/// Stretches of a thread that nobody has asked for: the next, while it looks at the one behind.
const AHEAD: usize = 1;
/// Two where there is one core: one can read while the other hashes. More than eight wait for memory or disk. Each has one
/// bundle in memory, of 4 MiB at most, and what it has seen, 8 KiB a bundle.
const THREADS: std::ops::RangeInclusive<usize> = 2..=8;

/// All bundles of a log of `size` events, in order. Ends early only if a thread has panicked, which the scope tells.
pub(super) fn all<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    files: &'env dyn Files,
    size: u64,
) -> Box<dyn Iterator<Item = Looked> + 'scope> {
    let bundles = size.div_ceil(TILE_WIDTH);
    let look = move |index| Looked::at(files, size, index);
    if bundles <= STRETCH {
        // No thread is worth its start.
        return Box::new((0..bundles).map(look));
    }
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = cores.clamp(*THREADS.start(), *THREADS.end());
    let stretches = move |from| (from..bundles.div_ceil(STRETCH)).step_by(threads);
    let begin = |from| -> Receiver<Vec<Looked>> {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            for stretch in stretches(from) {
                let first = stretch * STRETCH;
                let seen = (first..bundles.min(first + STRETCH)).map(look).collect();
                // Whoever asks may have seen enough.
                if sender.send(seen).is_err() {
                    break;
                }
            }
        });
        receiver
    };
    let receivers: Vec<_> = (0..threads as u64).map(begin).collect();
    let mut turn = (0..threads).cycle();
    let next = move || receivers[turn.next()?].recv().ok();
    Box::new(iter::from_fn(next).flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        files::simulated::Simulated,
        tests::support::{draft, open_in, wait},
        verify::{Anchoring, Finding, verify_in},
    };

    /// With a few events more.
    const BUNDLES: u64 = 3 * STRETCH + 2;

    #[test]
    fn what_several_threads_see_is_told_in_order() {
        let disk = Simulated::new();
        let files = disk.files();
        let size = BUNDLES * TILE_WIDTH + 7;
        let (log, _) = open_in(&files).unwrap();
        let fill = |to| {
            for n in log.head().size..to - 1 {
                while log.is_busy() {
                    thread::yield_now();
                }
                assert!(log.record(draft(n)));
            }
            wait(log.append(draft(to))).unwrap();
        };
        fill(STRETCH * TILE_WIDTH + 300);
        let held = wait(log.checkpoint()).unwrap();
        fill(size);
        log.close().unwrap();

        let mut done = Vec::new();
        let report = verify_in(&*files, None, Some(&held), &mut |so_far, _| done.push(so_far));
        assert!(report.is_sound() && report.verified == size, "{report:?}");
        assert!(matches!(report.anchoring, Anchoring::Anchored { .. }));
        let ends = (1..=BUNDLES).map(|bundle| bundle * TILE_WIDTH);
        assert_eq!(done, ends.chain([size]).collect::<Vec<_>>());

        let damaged = [0, STRETCH - 1, STRETCH, 2 * STRETCH, 2 * STRETCH + 1, BUNDLES - 1];
        let first_of = |bundle| Some(bundle * TILE_WIDTH);
        for bundle in damaged {
            // In the hash that its first entry has of the one before.
            disk.flip(&format!("tile/entries/{bundle:03}"), 8 * 40);
        }
        disk.tamper("tile/entries/020", None);
        let report = verify_in(&*files, None, None, &mut |_, _| {});
        let places = |findings: &[Finding]| findings.iter().map(|found| found.index).collect::<Vec<_>>();
        let findings = report.integrity.findings();
        assert_eq!(places(findings), damaged.map(first_of));
        let alone = |found: &Finding| !found.what.contains("behind the one before");
        assert!(!findings.iter().any(alone), "{findings:?}");
        assert_eq!(places(report.completeness.findings()), [first_of(20)]);
        assert_eq!(report.verified, size, "the tiles have all hashes");

        disk.tamper("tile/0/020", None);
        let report = verify_in(&*files, None, None, &mut |_, _| {});
        assert_eq!(
            report.verified,
            20 * TILE_WIDTH,
            "nothing can be said of what is behind"
        );
    }
}
