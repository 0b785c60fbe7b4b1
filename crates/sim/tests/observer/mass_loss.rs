//! A share of the fleet falls silent at once: a switch, a zone, or the aggregator's own network.

use ward_model::{Reason, Status};
use ward_sim::{Plan, Record, Simulation};

use crate::{millis, secs, seeds, show};

const LEASE: u64 = 4;

struct Loss {
    simulation: Simulation,
    silent: Vec<usize>,
    /// Before everybody who fell silent was convicted, the view was called degraded, blind.
    degraded: bool,
    blind: bool,
}

/// 1,000 instances at 1 s lose a share of them for `time`.
fn lose(seed: u64, guards: bool, share: f64, time: u64) -> Loss {
    let mut simulation = Simulation::new(Plan::new(seed, 1_000).guards(guards));
    simulation.run(secs(20));
    let silent = simulation.partition(share);
    let (mut degraded, mut blind) = (false, false);
    for _ in 0..time * 100 {
        simulation.run(millis(10));
        let observer = simulation.engine().system().observer;
        degraded |= observer.degraded_view;
        blind |= observer.blind;
    }
    Loss {
        simulation,
        silent,
        degraded,
        blind,
    }
}

fn shown(record: &Record) -> String {
    let (count, latest) = (record.convictions.len(), record.latest().as_secs_f64());
    format!(
        "{count} lost, {:.0} %/s, {latest:.2} s late",
        record.fastest_second() * 100.0
    )
}

fn all_and_only_the_silent(loss: &Loss) {
    let mut convicted: Vec<usize> = loss
        .simulation
        .record()
        .convictions
        .iter()
        .map(|one| one.who)
        .collect();
    let mut silent = loss.silent.clone();
    convicted.sort_unstable();
    silent.sort_unstable();
    assert_eq!(convicted, silent, "all that fell silent, once, and nobody else");
    assert_eq!(loss.simulation.record().mistakes(), 0);
}

#[test]
fn at_10_percent_all_are_convicted_at_once() {
    for seed in seeds(3) {
        let [on, off] = [true, false].map(|guards| lose(seed, guards, 0.1, 10));
        let record = on.simulation.record();
        show(
            "10 % of 1,000 silent",
            shown(record),
            shown(off.simulation.record()),
        );
        all_and_only_the_silent(&on);
        all_and_only_the_silent(&off);
        assert!(
            record.latest() <= millis(21),
            "within a tick: {:?}, seed {seed}",
            record.latest()
        );
        assert!(!on.degraded && !on.blind);
    }
}

#[test]
fn at_50_percent_at_most_15_in_a_second() {
    for seed in seeds(3) {
        let [on, off] = [true, false].map(|guards| lose(seed, guards, 0.5, 20));
        let record = on.simulation.record();
        show(
            "50 % of 1,000 silent",
            shown(record),
            shown(off.simulation.record()),
        );
        all_and_only_the_silent(&on);
        assert!(
            record.fastest_second() <= 0.15,
            "{} a second, seed {seed}",
            record.fastest_second()
        );
        assert!(
            record.latest() <= secs(3 * LEASE),
            "{:?}, seed {seed}",
            record.latest()
        );
        assert!(!on.degraded && !on.blind);
        assert!(
            off.simulation.record().fastest_second() > 0.4,
            "the control bites"
        );
    }
}

#[test]
fn at_90_percent_the_view_is_degraded_and_all_are_found() {
    for seed in seeds(3) {
        let [on, off] = [true, false].map(|guards| lose(seed, guards, 0.9, 30));
        let record = on.simulation.record();
        show(
            "90 % of 1,000 silent",
            format!("{}, degraded view", shown(record)),
            shown(off.simulation.record()),
        );
        all_and_only_the_silent(&on);
        assert!(on.degraded && !on.blind, "seed {seed}");
        assert!(
            record.fastest_second() <= 0.15,
            "{} a second, seed {seed}",
            record.fastest_second()
        );
        assert!(
            record.latest() <= secs(3 * LEASE) + millis(21),
            "{:?}, seed {seed}",
            record.latest()
        );
        assert!(
            !off.degraded && off.simulation.record().fastest_second() > 0.8,
            "the control bites"
        );
    }
}

/// The random order: nobody is first because of a name.
#[test]
fn whom_the_limit_spares_is_left_to_chance() {
    let order = |seed| {
        let loss = lose(seed, true, 0.5, 20);
        let spared = loss
            .simulation
            .record()
            .convictions
            .iter()
            .rev()
            .take(100)
            .map(|one| one.who as f64)
            .sum::<f64>();
        spared / 100.0
    };
    let mean = (0..3).map(order).sum::<f64>() / 3.0;
    assert!(
        (350.0..650.0).contains(&mean),
        "the last hundred have the numbers of anybody: {mean:.0} on average"
    );
}

#[test]
fn at_100_percent_blind_and_on_return_as_before() {
    for seed in seeds(2) {
        let Loss {
            mut simulation,
            silent,
            blind,
            ..
        } = lose(seed, true, 1.0, 60);
        assert!(blind && silent.len() == 1_000);
        assert_eq!(simulation.record().convictions, [], "seed {seed}");
        assert!(simulation.engine().system().observer.blind);
        for who in [0, 499, 999] {
            let state = simulation.instance(who).unwrap();
            assert_eq!(
                (state.condition.status, state.condition.reason),
                (Status::Unknown, Reason::ObserverSuspect)
            );
            assert_eq!(
                state.last_status,
                Some(Status::Healthy),
                "the last status stands beside"
            );
        }
        assert_eq!(simulation.engine().system().condition.status, Status::Unknown);
        simulation.heal(&silent);
        simulation.run(secs(60));
        assert_eq!(
            simulation.record().convictions,
            [],
            "nobody on return, seed {seed}"
        );
        assert_eq!(simulation.engine().figures().instances, [1_000, 0, 0, 0]);
        let system = simulation.engine().system();
        assert!(!system.observer.blind && !system.observer.degraded_view);
        assert_eq!(system.condition.status, Status::Healthy, "as before");
        assert_eq!(simulation.instance(499).unwrap().last_status, None);

        let off = lose(seed, false, 1.0, 60);
        let convicted = off.simulation.record().convictions.len();
        show(
            "100 % of 1,000 silent for 60 s, then back",
            "0 lost, blind, Unknown",
            format!("{convicted} lost"),
        );
        assert_eq!(convicted, 1_000, "the control bites");
    }
}

/// Of those that were silent together a third never comes back: it is judged from the return on, by whole leases.
#[test]
fn who_stays_away_after_blindness_is_found_by_a_whole_lease() {
    for seed in seeds(2) {
        let Loss {
            mut simulation,
            silent,
            ..
        } = lose(seed, true, 1.0, 30);
        let (away, back) = silent.split_at(333);
        let healed = simulation.elapsed();
        simulation.heal(back);
        simulation.run_until(secs(30), |simulation| !simulation.record().convictions.is_empty());
        let first = simulation.elapsed() - healed;
        assert!(
            first >= secs(LEASE),
            "every deadline starts anew: the first {first:?} after the return, seed {seed}"
        );
        simulation.run(secs(30));
        let mut convicted: Vec<usize> = simulation
            .record()
            .convictions
            .iter()
            .map(|one| one.who)
            .collect();
        convicted.sort_unstable();
        let mut away = away.to_vec();
        away.sort_unstable();
        assert_eq!(convicted, away, "seed {seed}");
        assert!(simulation.record().fastest_second() <= 0.15);
        let found = format!("333 lost, the first {:.1} s after", first.as_secs_f64());
        show("100 % silent, 667 come back", found, "-");
    }
}
