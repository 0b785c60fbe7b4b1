//! What a step and a replay cost: counted, and held to that; timed, and printed, as every machine has its own.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test that measures, and says what"
)]

use std::{collections::BTreeMap, time::Instant};

use ward_alerts::{Facts, Machine, Recorded, RuleSet, Seen, ServiceFacts, Window, replay};
use ward_model::{Name, Status, Wall};

const SERVICES: usize = 10_000;
const CHANGED: usize = 100;

fn name(index: usize) -> Name {
    Name::new(&format!("service-{index}")).unwrap()
}

fn facts(status: Status, at: i64) -> ServiceFacts {
    ServiceFacts {
        status,
        since: Wall(at),
        signals: [(Name::new("cpu_ratio").unwrap(), 0.5)].into(),
        ..ServiceFacts::default()
    }
}

fn seen(index: usize, status: Status, at: i64) -> Seen {
    Seen::Facts(Facts::Service(name(index), Box::new(facts(status, at))))
}

/// Times a step, and counts what it judges.
fn step(machine: &mut Machine, what: &str, now: i64, seen: Vec<Seen>) -> u64 {
    let (judged, start) = (machine.judged(), Instant::now());
    let changed = machine.step(Wall(now), seen).len();
    let judged = machine.judged() - judged;
    println!(
        "{what}: {:?}, {judged} judged, {changed} changed",
        start.elapsed()
    );
    judged
}

#[test]
fn a_step_costs_what_was_seen() {
    let rules = RuleSet::shipped();
    let mut machine = Machine::new(rules);
    let all = (0..SERVICES)
        .map(|index| seen(index, Status::Healthy, 0))
        .collect();
    step(&mut machine, "10,000 services are told", 0, all);
    let some = (0..CHANGED)
        .map(|index| seen(index, Status::Unhealthy, 1))
        .collect();
    let judged = step(&mut machine, "100 of 10,000 change", 1_000, some);
    // Two rules look at the status of a service.
    assert_eq!(judged, 2 * CHANGED as u64);
    assert_eq!(step(&mut machine, "nothing is seen", 2_000, Vec::new()), 0);
    step(&mut machine, "100 fire", 31_000, Vec::new());
    let cpu = |value| BTreeMap::from([(Name::new("cpu_ratio").unwrap(), value)]);
    let signals = (0..SERVICES / 10)
        .map(|index| Seen::Signals(name(index), cpu(0.6)))
        .collect();
    let judged = step(&mut machine, "1,000 send signals", 32_000, signals);
    // One rule looks at this signal, and what fires is brought up to date.
    assert_eq!(judged, SERVICES as u64 / 10 + CHANGED as u64);
    let bad = (0..SERVICES)
        .map(|index| seen(index, Status::Unhealthy, 33))
        .collect();
    step(&mut machine, "all change", 33_000, bad);
    step(&mut machine, "all fire", 63_000, Vec::new());
}

/// `each` minutes between two changes of a service.
fn week(each: i64) -> impl Iterator<Item = Recorded> {
    const MINUTE: i64 = 60_000;
    (0..7 * 24 * 60 * 100 / each).map(move |line| {
        let at = line * MINUTE * each / 100;
        let round = line / 100;
        let status = if (line + round) % 3 == 0 {
            Status::Unhealthy
        } else {
            Status::Healthy
        };
        let index = usize::try_from(line % 100).unwrap();
        Recorded {
            at: Wall(at),
            facts: Facts::Service(name(index), Box::new(facts(status, at))),
        }
    })
}

#[test]
fn a_week_is_replayed_while_one_waits() {
    let window = Window {
        since: Wall(0),
        until: Wall(7 * 24 * 3_600_000),
    };
    for (each, what) in [(100, "a change every minute"), (10, "ten changes every minute")] {
        let start = Instant::now();
        let replayed = replay(week(each), RuleSet::shipped(), window);
        println!(
            "a week of 100 services, {what}: {:?}, {} lives",
            start.elapsed(),
            replayed.lives.len()
        );
        assert!(replayed.lives.iter().any(|life| life.fired.is_some()));
    }
}
