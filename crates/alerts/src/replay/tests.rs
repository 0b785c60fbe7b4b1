//! Replays by example.

use std::{collections::BTreeMap, time::Duration};

use ward_model::{Name, RuleName, Severity, Status, Suppression, Wall};

use super::{Life, Replay, Window, compare, replay};
use crate::{
    facts::{Facts, Recorded, ServiceFacts},
    rule::{Rule, RuleSet, RuleSpec, Unknown},
};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn rules(for_: u64) -> RuleSet {
    let spec = RuleSpec {
        name: RuleName::new("Down").unwrap(),
        about_system: false,
        services: Vec::new(),
        expr: "status == 'unhealthy'".into(),
        hold: None,
        for_: Duration::from_secs(for_),
        keep_firing_for: Duration::ZERO,
        severity: Severity::Critical,
        unknown: Unknown::Keep,
        suppression: true,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    };
    [Rule::compile(spec).unwrap()].into_iter().collect()
}

fn service(at_ms: i64, service: &str, status: Status, causes: &[&str]) -> Recorded {
    let facts = ServiceFacts {
        status,
        causes: causes.iter().map(|cause| name(cause)).collect(),
        ..ServiceFacts::default()
    };
    Recorded {
        at: Wall(at_ms),
        facts: Facts::Service(name(service), Box::new(facts)),
    }
}

fn window(since: i64, until: i64) -> Window {
    Window {
        since: Wall(since * 1_000),
        until: Wall(until * 1_000),
    }
}

/// Key, pending, fired, ended, in seconds.
fn lines(replay: &Replay) -> Vec<String> {
    let seconds = |at: Option<Wall>| at.map_or("-".to_owned(), |at| (at.0 / 1_000).to_string());
    let line = |life: &Life| {
        let (pending, fired, ended) = (Some(life.pending), life.fired, life.ended);
        format!(
            "{} {} {} {}",
            life.key,
            seconds(pending),
            seconds(fired),
            seconds(ended)
        )
    };
    replay.lives.iter().map(line).collect()
}

fn bank() -> Vec<Recorded> {
    vec![
        service(100, "atm", Status::Healthy, &[]),
        service(10_200, "bank", Status::Unhealthy, &["bank"]),
        service(10_200, "atm", Status::Unhealthy, &["bank"]),
        service(100_000, "bank", Status::Healthy, &[]),
        service(100_000, "atm", Status::Healthy, &[]),
    ]
}

#[test]
fn a_recording_tells_what_would_have_been() {
    let replayed = replay(bank(), rules(30), window(0, 200));
    assert_eq!(lines(&replayed), ["atm/Down 11 - 100", "bank/Down 11 41 100"]);
    let withheld = &replayed.lives[0].withheld;
    assert_eq!(
        (withheld[0].from, withheld[0].to),
        (Wall(41_000), Some(Wall(100_000)))
    );
    assert_eq!(withheld[0].why, Suppression::Cause(replayed.lives[1].key.clone()));
    assert_eq!(replayed.lives[1].fired_ms(Wall(200_000)), Some(59_000));
    assert_eq!(replayed.lives[1].labels["root_cause"], "bank");
}

#[test]
fn what_was_before_the_window_is_taken_in_and_not_told() {
    assert_eq!(lines(&replay(bank(), rules(30), window(101, 200))), [""; 0]);
    let replayed = replay(bank(), rules(30), window(60, 99));
    assert_eq!(lines(&replayed), ["atm/Down 11 - -", "bank/Down 11 41 -"]);
    assert_eq!(replayed.lives[0].withheld[0].to, None);
}

#[test]
fn time_that_nobody_watched_does_not_count() {
    let mut recorded = bank();
    recorded.truncate(3);
    let last_alive = Some(Wall(21_000));
    recorded.push(Recorded {
        at: Wall(80_000),
        facts: Facts::Started { last_alive },
    });
    recorded.push(service(90_000, "bank", Status::Unhealthy, &["bank"]));
    recorded.push(service(95_000, "atm", Status::Healthy, &[]));
    // Pending for 10 s when the aggregator ended, and again from 90 s on; nothing fired at 71 s.
    let replayed = replay(recorded.clone(), rules(60), window(0, 200));
    assert_eq!(lines(&replayed), ["atm/Down 11 - 95", "bank/Down 11 140 -"]);
    assert_eq!(replayed.starts, [Wall(80_000)]);
}

#[test]
fn rules_are_compared_by_what_fires() {
    let mut recorded = bank();
    recorded.push(service(120_000, "bank", Status::Unhealthy, &["bank"]));
    recorded.push(service(140_000, "bank", Status::Healthy, &[]));
    let played = |for_| replay(recorded.clone(), rules(for_), window(0, 200));
    let difference = compare(&played(30), &played(15));
    assert_eq!(difference.changed.len(), 1);
    assert_eq!(difference.changed[0].1.fired, Some(Wall(26_000)));
    assert_eq!(difference.only_after[0].fired, Some(Wall(135_000)));
    assert_eq!(
        (difference.only_before.len(), difference.only_after.len()),
        (0, 1)
    );
    assert_eq!(
        compare(&played(15), &played(30)).only_before,
        difference.only_after
    );
    assert_eq!(compare(&played(15), &played(15)).same, 2);
    assert_eq!(compare(&played(15), &played(999)).only_before.len(), 2);
}

#[test]
fn rules_that_a_recording_is_too_coarse_for_are_named() {
    let window = Window {
        since: Wall(0),
        until: Wall(1_000),
    };
    let mut sends = service(0, "bank", Status::Healthy, &[]);
    if let Facts::Service(_, facts) = &mut sends.facts {
        // High for five minutes is coarse enough; and of memory nothing was recorded.
        let signals = ["cpu_ratio", "error_ratio", "breaker_open"];
        facts.signals = signals.map(|signal| (name(signal), 0.0)).into();
    }
    let coarse = replay([sends], RuleSet::shipped(), window).coarse;
    let names: Vec<_> = coarse.iter().map(RuleName::as_str).collect();
    assert_eq!(names, ["BreakerOpen", "ErrorRatioCritical"]);
    assert!(replay([], RuleSet::shipped(), window).coarse.is_empty());
}
