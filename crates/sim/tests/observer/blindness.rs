//! Blindness at its edges.

use ward_model::{Freshness, Reason, Status};
use ward_sim::{Fault, Plan, Simulation};

use crate::{millis, secs, seeds, show};

/// The whole network is gone, and intervals differ. A known limit: long after those with short ones are past their
/// leases, those with long ones still count as fresh though nobody is heard, so this looks like the loss of a part, and
/// is treated as one: at most 15 % a second, until nobody is left. Whom it was too early for is back with its first word.
#[test]
fn all_silent_at_mixed_intervals_looks_like_a_part_at_first() {
    for seed in seeds(2) {
        let run = |guards: bool| {
            let intervals = vec![secs(1), secs(5), secs(10)];
            let mut simulation = Simulation::new(
                Plan {
                    intervals,
                    ..Plan::new(seed, 1_000)
                }
                .guards(guards),
            );
            simulation.run(secs(30));
            let silent = simulation.partition(1.0);
            simulation.run(secs(120));
            (simulation, silent)
        };
        let (mut on, silent) = run(true);
        let off = run(false).0.record().convictions.len();
        let lost = on.record().convictions.len();
        show(
            "100 % of 1,000 at 1, 5 and 10 s silent for 120 s (known limit)",
            format!("{lost} lost, then blind"),
            format!("{off} lost"),
        );
        assert!(
            on.engine().system().observer.blind,
            "blind in the end, seed {seed}"
        );
        assert!(
            lost <= 700 && off == 1_000,
            "those with the longest interval are spared: {lost}, seed {seed}"
        );
        assert!(on.record().fastest_second() <= 0.15, "seed {seed}");
        on.heal(&silent);
        on.run(secs(30));
        assert_eq!(
            on.engine().figures().instances,
            [1_000, 0, 0, 0],
            "all are back, seed {seed}"
        );
        assert_eq!(
            on.record().convictions.len(),
            lost,
            "nobody on return, seed {seed}"
        );
    }
}

/// While the observer is blind one connects and is gone again between two ticks: it is a candidate like the others.
#[test]
fn who_comes_and_goes_while_blind_is_unknown_as_well() {
    let mut simulation = Simulation::new(Plan::new(1, 100));
    simulation.run(secs(20));
    (0..100).for_each(|who| simulation.after(millis(0), Fault::Vanish(who)));
    simulation.run(secs(20));
    assert!(simulation.engine().system().observer.blind);
    simulation.after(millis(1), Fault::Restart(7));
    simulation.after(millis(4), Fault::Crash(7));
    simulation.run(secs(10));
    assert!(simulation.engine().system().observer.blind);
    let state = simulation.instance(7).unwrap();
    assert_eq!(state.freshness, Freshness::Suspect);
    assert_eq!(
        (state.condition.status, state.condition.reason),
        (Status::Unknown, Reason::ObserverSuspect)
    );
}
