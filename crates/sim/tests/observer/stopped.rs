//! The aggregator's process is stopped (SIGSTOP) while everybody goes on reporting.

use ward_model::{Freshness, Status};
use ward_sim::{Plan, Simulation};

use crate::{millis, secs, seeds, show};

/// 1,000 instances; how many convictions a stop of so long brings.
fn convicted(plan: Plan, stop: u64) -> usize {
    let mut simulation = Simulation::new(plan);
    simulation.run(secs(20));
    assert_eq!(
        simulation.engine().figures().instances,
        [1_000, 0, 0, 0],
        "everybody is there"
    );
    simulation.stop(secs(stop));
    simulation.run(secs(stop + 60));
    assert_eq!(
        simulation.engine().figures().instances[Freshness::Fresh as usize],
        1_000,
        "everybody is back"
    );
    simulation.record().convictions.len()
}

fn stops(name: &str, intervals: &[u64], must_bite: &[u64], least: usize) {
    for stop in [1, 5, 12, 30, 120] {
        for seed in seeds(1) {
            let plan = Plan {
                intervals: intervals.iter().map(|&interval| secs(interval)).collect(),
                ..Plan::new(seed, 1_000)
            };
            let on = convicted(plan.clone(), stop);
            let off = convicted(plan.guards(false), stop);
            show(&format!("stopped {stop} s, 1,000 instances {name}"), on, off);
            assert_eq!(on, 0, "stopped {stop} s, seed {seed}");
            assert!(
                !must_bite.contains(&stop) || off >= least,
                "the control bites: {off}, stopped {stop} s, seed {seed}"
            );
        }
    }
}

#[test]
fn a_stop_convicts_nobody_at_an_interval_of_1_s() {
    stops("at 1 s", &[1], &[5, 12, 30, 120], 900);
}

#[test]
fn a_stop_convicts_nobody_at_the_default_interval() {
    stops("at 5 s", &[5], &[30, 120], 800);
}

#[test]
fn a_stop_convicts_nobody_at_mixed_intervals() {
    stops("at 1, 2, 5 and 10 s", &[1, 2, 5, 10], &[120], 800);
}

/// What died in the stop is found after it: the guard forgives, it does not forget.
#[test]
fn who_dies_in_a_stop_is_found_after_it() {
    for seed in seeds(3) {
        let mut simulation = Simulation::new(Plan::new(seed, 1_000));
        simulation.run(secs(20));
        simulation.stop(secs(12));
        let dead: Vec<usize> = simulation.chance().sample(100, 1_000);
        for &who in &dead {
            let when = simulation.chance().between(secs(0), secs(11));
            simulation.after(when, ward_sim::Fault::Vanish(who));
        }
        simulation.run(secs(12));
        let back = simulation.elapsed();
        let all = simulation.run_until(secs(30), |simulation| {
            simulation.record().convictions.len() == 100
        });
        assert!(
            all,
            "seed {seed}: {} of 100 found",
            simulation.record().convictions.len()
        );
        let took = simulation.elapsed() - back;
        assert!(
            took < secs(2 * 4),
            "within the lease and one more: {took:?}, seed {seed}"
        );
        assert_eq!(simulation.record().mistakes(), 0);
        assert!(
            dead.iter()
                .all(|&who| simulation.instance(who).unwrap().condition.status == Status::Unhealthy)
        );
        if seed == 0 {
            let found = format!("100 of 100 found {:.1} s after it", took.as_secs_f64());
            show("100 die while stopped 12 s", found, "-");
        }
    }
}

/// Short stops, one after the other: no sum of small gaps convicts.
#[test]
fn a_stuttering_observer_convicts_nobody() {
    for seed in seeds(2) {
        let run = |guards: bool| {
            let mut plan = Plan::new(seed, 1_000).guards(guards);
            plan.intake_per_second = 20_000;
            let mut simulation = Simulation::new(plan);
            simulation.run(secs(20));
            for _ in 0..10 {
                let (stop, rest) = (
                    simulation.chance().between(secs(2), secs(7)),
                    simulation.chance().between(millis(100), secs(3)),
                );
                simulation.stop(stop);
                simulation.run(stop + rest);
            }
            simulation.run(secs(30));
            simulation.record().convictions.len()
        };
        let (on, off) = (run(true), run(false));
        show("stopped 10 times 2 to 7 s, 0.1 to 3 s between", on, off);
        assert_eq!(on, 0, "seed {seed}");
        assert!(off >= 900, "the control bites: {off}");
    }
}
