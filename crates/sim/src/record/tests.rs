//! The judge of the judge: it must see a conviction that is early, wrong or one too many.

use std::collections::BTreeMap;

use ward_model::{Change, Condition, Revision};

use super::*;
use crate::reporter::incarnation;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: f64) -> Mono {
    Mono((seconds * 1e6).round() as u64 * 1_000)
}

fn told(record: &mut Record, reporters: &[Reporter], who: usize, freshness: Freshness, now: Mono) {
    let state = InstanceState {
        id: reporters[who].id.clone(),
        incarnation: incarnation(0),
        version: String::new(),
        labels: BTreeMap::new(),
        interval_ms: 1_000,
        condition: Condition::default(),
        last_status: None,
        freshness,
        flapping: false,
        checks: Vec::new(),
        signals: Vec::new(),
        started: ward_model::Wall(0),
    };
    let changes = vec![Change {
        before: None,
        entity: Entity::Instance(state),
    }];
    record.note(
        &ChangeSet {
            revision: Revision(1),
            changes,
        },
        now,
        now,
        reporters,
    );
}

/// So many at an interval of 1 s, heard at 0 and told of as fresh.
fn fleet(count: usize) -> (Record, Vec<Reporter>) {
    let mut record = Record::new((0..count).map(|_| SECOND));
    let reporters: Vec<Reporter> = (0..count)
        .map(|number| Reporter::new(number, 1, SECOND))
        .collect();
    for who in 0..count {
        record.reached(who, at(0.0));
        record.held_by(who, StreamId(who as u64), 0, at(0.0));
        told(&mut record, &reporters, who, Freshness::Fresh, at(0.0));
    }
    (record, reporters)
}

#[test]
fn a_conviction_before_the_lease_is_early_and_of_the_living_wrong() {
    let (mut record, mut reporters) = fleet(3);
    reporters[0].dead_since = Some(at(0.5));
    reporters[0].cut = Some(at(0.5));
    told(&mut record, &reporters, 0, Freshness::Lost, at(3.99));
    record.reached(1, at(3.0));
    told(&mut record, &reporters, 1, Freshness::Lost, at(4.01));
    told(&mut record, &reporters, 2, Freshness::Lost, at(4.02));
    let seen: Vec<_> = record
        .convictions
        .iter()
        .map(|one| (one.early, one.wrong))
        .collect();
    assert_eq!(seen, [(true, false), (false, true), (false, false)]);
    assert_eq!(
        (record.mistakes(), record.latest()),
        (2, Duration::from_millis(20))
    );
    assert_eq!(record.convictions[0].dead_for, Some(Duration::from_millis(3_490)));
}

#[test]
fn a_broken_stream_ends_the_lease_sooner() {
    let (mut record, reporters) = fleet(2);
    record.broken(0, StreamId(0), at(0.5));
    told(&mut record, &reporters, 0, Freshness::Lost, at(2.49));
    record.broken(1, StreamId(7), at(0.5));
    assert!(
        record.missed(0, SECOND, at(5.0)).is_empty(),
        "one found, of the other a stream broke that it had left"
    );
    assert_eq!(record.missed(0, SECOND, at(5.01)), [1]);
    assert!(record.convictions[0].early, "before the grace of a broken stream");
}

#[test]
fn the_fastest_second_slides_and_leaves_out_the_overdue() {
    let (mut record, reporters) = fleet(10);
    for (who, seconds) in [
        (0, 4.0),
        (1, 4.9),
        (2, 5.1),
        (3, 5.8),
        (4, 17.0),
        (5, 17.0),
        (6, 17.0),
        (7, 17.0),
    ] {
        told(&mut record, &reporters, who, Freshness::Lost, at(seconds));
    }
    assert_eq!(
        record.fastest_second(),
        3.0 / 9.0,
        "from 4.9 s on, of nine that were left"
    );
}
