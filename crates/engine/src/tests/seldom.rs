//! Those that report once in hours or days: judged by their own leases, and no witnesses of what the observer can hear.

use std::time::Duration;

use ward_model::{Freshness, Reason, Status, bounds};

use super::fleet::{Fleet, hello, name};
use crate::{Config, Declaration};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Ticks so far apart that days pass in a test.
fn slow() -> Fleet {
    Fleet::new(Config {
        tick: STEP,
        ..Config::default()
    })
}

const STEP: Duration = Duration::from_secs(10);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn nightly(fleet: &mut Fleet, interval: Duration) {
    let mut hello = hello("nightly", "1");
    hello.interval = interval;
    fleet.once(hello);
}

fn freshness(fleet: &Fleet) -> Freshness {
    fleet.instance("nightly", "1").freshness
}

#[test]
fn five_silent_streams_are_blindness_though_a_nightly_job_is_fresh() {
    let mut fleet = Fleet::new(Config::default());
    for service in ["a", "b", "c", "d", "e"] {
        fleet.join(hello(service, "1"));
    }
    nightly(&mut fleet, DAY);
    fleet.run(seconds(5), |_| true);
    fleet.run(seconds(60), |_| false);
    assert!(fleet.engine.system().observer.blind);
    assert_eq!(fleet.engine.figures().convictions, 0);
    assert_eq!(
        (fleet.status("a"), fleet.status("nightly")),
        (Status::Unknown, Status::Healthy)
    );
    nightly(&mut fleet, DAY);
    assert!(
        fleet.engine.system().observer.blind,
        "its report says no more than that"
    );
    // As the file may say too, while it runs.
    let mut fleet = Fleet::new(Config::default());
    for service in ["a", "b", "c"] {
        fleet.join(hello(service, "1"));
    }
    nightly(&mut fleet, seconds(3_600));
    let interval = Some(DAY);
    fleet.declare(
        "nightly",
        Some(Declaration {
            interval,
            ..Declaration::default()
        }),
    );
    fleet.run(seconds(60), |_| false);
    assert!(fleet.engine.system().observer.blind);
}

#[test]
fn up_to_an_hour_they_are_witnesses_like_all_others() {
    let mut fleet = Fleet::new(Config::default());
    for service in ["a", "b", "c", "d", "e"] {
        fleet.join(hello(service, "1"));
    }
    nightly(&mut fleet, bounds::INTERVAL_MAX);
    fleet.run(seconds(60), |_| false);
    let observer = fleet.engine.system().observer;
    assert!(!observer.blind);
    assert_eq!(fleet.engine.figures().convictions, 5);
}

#[test]
fn a_job_that_does_not_run_is_lost_by_its_own_lease() {
    let mut fleet = slow();
    nightly(&mut fleet, DAY);
    // One gap a day, which suspends convictions.
    for _ in 0..3 {
        fleet.stride(DAY - seconds(300), STEP, |_| false);
        fleet.stride(seconds(300), seconds(300), |_| false);
    }
    fleet.stride(seconds(1_000), STEP, |_| false);
    assert_eq!(freshness(&fleet), Freshness::Suspect, "three days and three gaps");
    fleet.stride(DAY + seconds(4_000), STEP, |_| false);
    assert_eq!(freshness(&fleet), Freshness::Lost);
    let state = fleet.instance("nightly", "1");
    assert_eq!(state.condition.reason, Reason::Lost);
    assert_eq!(state.condition.message, "not heard within its lease of 4.0 d");
}

#[test]
fn many_jobs_due_at_once_are_judged_at_once_and_keep_nobody_waiting() {
    let mut fleet = slow();
    let jobs: Vec<_> = (0..40).map(|job| format!("job{job}")).collect();
    for job in &jobs {
        let mut hello = hello("nightly", job);
        hello.interval = DAY;
        fleet.once(hello);
    }
    fleet.stride(DAY * 4 + STEP, STEP, |_| false);
    assert_eq!(fleet.engine.figures().convictions, 40);
    let observer = fleet.engine.system().observer;
    assert!(!observer.degraded_view && !observer.blind, "{observer:?}");
}

#[test]
fn nobody_is_convicted_by_a_blind_observer_and_what_it_missed_is_made_up_for() {
    let mut fleet = slow();
    for service in ["a", "b", "c"] {
        let mut hello = hello(service, "1");
        hello.interval = seconds(60);
        fleet.join(hello);
    }
    nightly(&mut fleet, DAY);
    fleet.stride(DAY * 3 + seconds(3_600), STEP, |_| true);
    assert_eq!(freshness(&fleet), Freshness::Suspect);
    let blind = DAY * 2;
    fleet.stride(blind, STEP, |_| false);
    assert!(fleet.engine.system().observer.blind);
    let state = fleet.instance("nightly", "1");
    assert_eq!(
        (state.freshness, state.condition.status),
        (Freshness::Suspect, Status::Healthy),
        "what it said last is not what cannot be seen"
    );
    fleet.stride(DAY - seconds(3_600) - seconds(600), STEP, |_| true);
    assert_eq!(freshness(&fleet), Freshness::Suspect);
    fleet.stride(seconds(1_200), STEP, |_| true);
    assert_eq!(freshness(&fleet), Freshness::Lost);
}

#[test]
fn one_whose_silence_grows_too_long_while_the_observer_is_blind_is_no_candidate() {
    let mut fleet = slow();
    for service in ["a", "b", "c"] {
        let mut hello = hello(service, "1");
        hello.interval = seconds(60);
        fleet.join(hello);
    }
    nightly(&mut fleet, DAY);
    fleet.stride(DAY * 3 - seconds(3_600), STEP, |_| true);
    fleet.stride(seconds(7_200), STEP, |_| false);
    assert!(fleet.engine.system().observer.blind);
    let state = fleet.instance("nightly", "1");
    assert_eq!(
        (state.freshness, state.condition.status),
        (Freshness::Suspect, Status::Healthy)
    );
}

#[test]
fn a_month_three_times_overflows_nothing() {
    let month = bounds::INTERVAL_ONCE_MAX;
    let mut fleet = Fleet::new(Config {
        guards: false,
        ..Config::default()
    });
    nightly(&mut fleet, month);
    assert_eq!(
        u128::from(fleet.instance("nightly", "1").interval_ms),
        month.as_millis()
    );
    fleet.stride(month * 3 - seconds(3_600), seconds(3_600), |_| false);
    assert_eq!(freshness(&fleet), Freshness::Fresh);
    fleet.stride(month - seconds(3_600), seconds(3_600), |_| false);
    assert_eq!(freshness(&fleet), Freshness::Suspect);
    fleet.stride(seconds(3_600) * 2, seconds(3_600), |_| false);
    assert_eq!(freshness(&fleet), Freshness::Lost);
    assert!(fleet.engine.service(&name("nightly")).is_some());
}
