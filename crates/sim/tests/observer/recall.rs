//! The aggregator starts again and remembers whom it knew.

use std::time::Duration;

use ward_model::{Freshness, Reason, Status};
use ward_sim::{Fault, Plan, Simulation};

use crate::{millis, secs, seeds, show};

/// 300 are remembered; all but every tenth come back between 1 and 12 s after the start.
fn restarted(seed: u64, settle: Duration) -> (Simulation, Vec<usize>) {
    let mut plan = Plan {
        everybody_starts: false,
        intervals: vec![secs(1), secs(5)],
        ..Plan::new(seed, 300)
    };
    plan.engine.settle = settle;
    let mut simulation = Simulation::new(plan);
    (0..300).for_each(|who| simulation.recall(who, Status::Degraded));
    for who in (0..300).filter(|who| who % 10 != 0) {
        let after = simulation.chance().between(secs(1), secs(12));
        simulation.after(after, Fault::Restart(who));
    }
    (simulation, (0..300).step_by(10).collect())
}

#[test]
fn the_remembered_are_unknown_and_not_judged_before_their_time() {
    for seed in seeds(2) {
        let (mut simulation, away) = restarted(seed, secs(15));
        simulation.run(millis(500));
        for who in 0..300 {
            let state = simulation.instance(who).unwrap();
            assert_eq!(
                (state.condition.status, state.condition.reason),
                (Status::Unknown, Reason::ObserverSuspect)
            );
            assert_eq!(
                (state.last_status, state.freshness),
                (Some(Status::Degraded), Freshness::Suspect)
            );
        }
        simulation.run(millis(14_480));
        assert_eq!(
            simulation.record().convictions,
            [],
            "not before 15 s, seed {seed}"
        );
        simulation.run(secs(60));
        let record = simulation.record();
        let mut convicted: Vec<usize> = record.convictions.iter().map(|one| one.who).collect();
        convicted.sort_unstable();
        assert_eq!(
            convicted, away,
            "who stays away is found, and nobody else, seed {seed}"
        );
        for one in &record.convictions {
            let not_before = secs(15).max(one.lease);
            assert!(
                one.at.0 >= not_before.as_nanos() as u64,
                "{one:?} before {not_before:?}"
            );
            assert!(
                one.at.0 <= (not_before + millis(1_100)).as_nanos() as u64,
                "{one:?} long after {not_before:?}"
            );
        }
        assert_eq!(
            simulation.engine().figures().instances[Freshness::Fresh as usize],
            270
        );

        let (mut hasty, away) = restarted(seed, secs(0));
        hasty.run(secs(60));
        let wrong = hasty
            .record()
            .convictions
            .iter()
            .filter(|one| !away.contains(&one.who))
            .count();
        show(
            "restarted, 270 of 300 come back within 12 s: wrong",
            0,
            format!("{wrong} (without settling)"),
        );
        assert!(wrong > 0, "the control bites");
    }
}
