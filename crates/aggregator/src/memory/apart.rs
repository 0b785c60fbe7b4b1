//! Whether the log and the store tell of the same lives: one may have been away while the other was not, or be another one
//! or an older one by now.

use std::time::Duration;

use tokio::time::sleep;
use ward_audit::{Draft, Event, Kind, Log, Source};
use ward_chassis::Clock;
use ward_model::Wall;
use ward_store::Store;

/// Both are written every few seconds; a database that was slow at the end is no other one.
const APART_MS: i64 = 60_000;
/// How long to wait before a database that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Says if the log or the store does not know of a time that the other knows, once the store answers.
pub(super) async fn compare(store: Store, log: Log, last: Event, clock: Clock) {
    let alive = loop {
        match store.last_alive().await {
            // Of a clock that was wrong: it says nothing.
            Ok(Some(alive)) if alive > clock.wall() => return,
            Ok(alive) => break alive,
            Err(_) => sleep(AGAIN).await,
        }
    };
    match apart(&last, alive) {
        None => {}
        Some(Apart::StoreMissed(until)) => tracing::warn!(
            known_until = until.map(|until| until.0),
            log_until = last.time.0,
            "the store knows less than the audit log: it was away, or it is another one or an older one; history has a \
             hole, and what ended meanwhile may be there again"
        ),
        Some(Apart::LogMissed(until)) => {
            tracing::warn!(
                log_until = last.time.0,
                alive_until = until.0,
                "an aggregator ran without this audit log: what it decided is not in it"
            );
            let draft = gap(&last, &clock).with("alive_until_ms", until.0.to_string());
            log.record(draft.with("reason", "an aggregator ran without this log"));
        }
    }
}

/// Of what may be missing behind an event.
pub(super) fn gap(last: &Event, clock: &Clock) -> Draft {
    Draft::new(Kind::LogGap, Source::Audit, "audit", clock.now())
        .at(last.epoch, last.revision)
        .with("from_epoch", format!("{:016x}", last.epoch.0))
        .with("from_revision", last.revision.0.to_string())
}

/// What one knows and the other does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Apart {
    /// The store was written by a life that the log has not heard of, until then.
    LogMissed(Wall),
    /// The log has events from behind the last sign of life in the store, if there is one.
    StoreMissed(Option<Wall>),
}

/// By the event that the log ended with, and the last sign of life in the store before this start.
fn apart(last: &Event, alive: Option<Wall>) -> Option<Apart> {
    let Some(seen) = alive else {
        return Some(Apart::StoreMissed(None));
    };
    if seen.0 < last.time.0.saturating_sub(APART_MS) {
        return Some(Apart::StoreMissed(alive));
    }
    // Who ended without a word may have lived on behind its last event; that is said anyway.
    let ended = last.kind == Kind::AggregatorStop;
    (ended && seen.0 > last.time.0.saturating_add(APART_MS)).then_some(Apart::LogMissed(seen))
}

#[cfg(test)]
mod tests {
    use ward_model::{Mono, Now};
    use ward_tlog::Hash;

    use super::*;

    fn ended(kind: Kind, minute: i64) -> Event {
        let now = Now {
            mono: Mono(0),
            wall: at(minute),
        };
        Draft::new(kind, Source::Aggregator, "aggregator", now).placed(0, Hash::EMPTY, "boot")
    }

    fn at(minute: i64) -> Wall {
        Wall(minute * 60_000)
    }

    #[test]
    fn one_that_is_behind_the_other_is_noticed() {
        let stopped = ended(Kind::AggregatorStop, 10);
        assert_eq!(apart(&stopped, Some(at(10))), None);
        assert_eq!(apart(&stopped, Some(at(11))), None);
        assert_eq!(apart(&stopped, Some(at(12))), Some(Apart::LogMissed(at(12))));
        assert_eq!(
            apart(&stopped, Some(at(8))),
            Some(Apart::StoreMissed(Some(at(8))))
        );
        assert_eq!(apart(&stopped, None), Some(Apart::StoreMissed(None)));
    }

    #[test]
    fn who_was_killed_in_a_quiet_time_lived_on_behind_its_last_event() {
        assert_eq!(apart(&ended(Kind::Transition, 10), Some(at(500))), None);
    }
}
