//! The observer's guards through the whole engine: nobody is convicted while it has reason to doubt itself.

use std::time::Duration;

use ward_model::{Freshness, KnownInstance, Reason, Status};

use super::fleet::{Fleet, at, hello, id, life, name};
use crate::{Config, Event, Recalled, Tick};

fn fleet(instances: usize, guards: bool) -> Fleet {
    let mut fleet = Fleet::new(Config {
        guards,
        ..Config::default()
    });
    for instance in 0..instances {
        fleet.join(hello("a", &format!("i{instance:04}")));
    }
    fleet
}

fn number(id: &ward_model::InstanceId) -> usize {
    id.instance.as_str()[1..].parse().expect("a numbered instance")
}

fn convicted(fleet: &Fleet) -> u64 {
    fleet.engine.figures().convictions
}

#[test]
fn a_stopped_observer_convicts_nobody_and_a_naive_one_everybody() {
    for (guards, expected) in [(true, 0), (false, 100)] {
        let mut fleet = fleet(100, guards);
        fleet.run(Duration::from_secs(5), |_| true);
        fleet.now = fleet.now + Duration::from_secs(12);
        fleet.tick();
        fleet.run(Duration::from_secs(10), |_| true);
        assert_eq!(convicted(&fleet), expected, "guards {guards}");
    }
}

#[test]
fn a_suspended_machine_convicts_nobody() {
    let mut fleet = fleet(100, true);
    fleet.run(Duration::from_secs(5), |_| true);
    let tick = Tick {
        suspended: Duration::from_secs(3600),
        ..Tick::default()
    };
    fleet.now = fleet.now + Duration::from_millis(10);
    fleet.engine.apply(Event::Tick(tick), at(fleet.now));
    fleet.run(Duration::from_secs(10), |_| true);
    assert_eq!(convicted(&fleet), 0);
}

#[test]
fn all_gone_is_blindness_and_on_return_every_deadline_starts_anew() {
    let mut fleet = fleet(20, true);
    fleet.run(Duration::from_secs(5), |_| true);
    fleet.run(Duration::from_secs(60), |_| false);
    assert_eq!(convicted(&fleet), 0);
    let state = &fleet.engine.instances(&name("a"), 1)[0];
    assert_eq!(
        (state.condition.status, state.condition.reason),
        (Status::Unknown, Reason::ObserverSuspect)
    );
    assert_eq!(
        (state.last_status, state.freshness),
        (Some(Status::Healthy), Freshness::Suspect)
    );
    assert!(fleet.engine.system().observer.blind);
    fleet.run(Duration::from_millis(3_900), |id| number(id) == 0);
    assert_eq!(convicted(&fleet), 0, "every deadline starts anew");
    let states = fleet.engine.instances(&name("a"), 100);
    let healthy: Vec<_> = states
        .iter()
        .filter(|state| state.condition.status == Status::Healthy)
        .collect();
    assert_eq!(
        healthy.len(),
        1,
        "that one is heard says nothing about the others"
    );
    fleet.run(Duration::from_secs(3), |id| number(id) == 0);
    assert!(
        convicted(&fleet) > 0,
        "those that stay away are judged after a whole lease"
    );
}

#[test]
fn two_can_be_a_coincidence() {
    let mut fleet = fleet(2, true);
    fleet.run(Duration::from_secs(5), |_| false);
    fleet.run(Duration::from_secs(2), |_| false);
    assert_eq!(convicted(&fleet), 2, "one a second");
}

#[test]
fn recalled_instances_are_unknown_with_their_old_status_and_not_judged_early() {
    let mut fleet = fleet(3, true);
    let known = KnownInstance {
        id: id("b", "old"),
        incarnation: life("before"),
        interval: Duration::from_secs(1),
        status: Status::Degraded,
        freshness: Freshness::Fresh,
    };
    fleet.apply(Event::Recall(Recalled {
        instances: vec![known],
        complete: true,
        ..Recalled::default()
    }));
    let state = fleet.engine.instances(&name("b"), 1).remove(0);
    assert_eq!(
        (state.condition.status, state.last_status),
        (Status::Unknown, Some(Status::Degraded))
    );
    fleet.run(Duration::from_millis(14_900), |_| true);
    assert_eq!(convicted(&fleet), 0);
    fleet.run(Duration::from_millis(200), |_| true);
    assert_eq!((convicted(&fleet), fleet.status("b")), (1, Status::Unhealthy));
}

#[test]
fn settling_ends_and_is_told() {
    let mut fleet = fleet(1, true);
    assert!(fleet.engine.system().observer.settling);
    let told = fleet.engine.revision();
    fleet.run(Duration::from_secs(16), |_| true);
    assert!(!fleet.engine.system().observer.settling);
    assert!(fleet.engine.revision() > told);
}

#[test]
fn who_is_silent_is_found_though_every_tick_is_late() {
    let mut fleet = fleet(100, true);
    let end = fleet.now + Duration::from_secs(40);
    while fleet.now < end {
        fleet.now = fleet.now + Duration::from_millis(50);
        let members: Vec<_> = fleet
            .members
            .keys()
            .filter(|id| number(id) != 7)
            .cloned()
            .collect();
        members.iter().for_each(|id| fleet.beat(id));
        fleet.tick();
    }
    assert_eq!(convicted(&fleet), 1, "the one that is silent, and nobody else");
}

#[test]
fn a_sleep_of_the_machine_costs_no_detection_afterwards() {
    let mut fleet = fleet(100, true);
    fleet.run(Duration::from_secs(5), |_| true);
    fleet.now = fleet.now + Duration::from_millis(10);
    let tick = Tick {
        suspended: Duration::from_secs(3600),
        ..Tick::default()
    };
    fleet.engine.apply(Event::Tick(tick), at(fleet.now));
    fleet.run(Duration::from_secs(20), |id| number(id) != 7);
    assert_eq!(convicted(&fleet), 1);
}
