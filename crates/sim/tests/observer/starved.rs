//! The aggregator gets too little of its machine: ticks come 50 to 900 ms after each other instead of 10.

use ward_sim::{Fault, Network, Plan, Simulation};

use crate::{millis, secs, seeds, show};

/// Starved for two minutes with a network that loses much, so that silence is common and every moment of it counts.
fn wrong(plan: Plan) -> usize {
    let mut simulation = Simulation::new(Plan {
        network: Network {
            loss: 0.3,
            ..Network::default()
        },
        ..plan
    });
    simulation.run(secs(20));
    simulation.starve(secs(120), millis(50), millis(900));
    simulation.run(secs(150));
    simulation.record().mistakes()
}

#[test]
fn late_ticks_convict_nobody_wrongly() {
    for seed in seeds(1) {
        let on = wrong(Plan::new(seed, 1_000));
        let off = wrong(Plan::new(seed, 1_000).guards(false));
        show(
            "ticks 50 to 900 ms late for 120 s, 30 % of beats lost: wrong",
            on,
            off,
        );
        assert_eq!(on, 0, "seed {seed}");
        assert!(off > 0, "the control bites");
    }
}

/// Doubt never delays a conviction by more than three leases in total, however long the starving goes on.
#[test]
fn the_dead_are_found_while_starved() {
    for (least, most) in [(50, 60), (50, 900), (800, 900)] {
        for seed in seeds(1) {
            let mut simulation = Simulation::new(Plan::new(seed, 1_000));
            simulation.run(secs(20));
            simulation.starve(secs(120), millis(least), millis(most));
            simulation.run(secs(5));
            let dead = simulation.chance().sample(5, 1_000);
            dead.iter()
                .for_each(|&who| simulation.after(millis(0), Fault::Vanish(who)));
            simulation.run(secs(100));
            let record = simulation.record();
            let scenario = format!("5 of 1,000 die, ticks {least} to {most} ms late for 120 s");
            let found = format!(
                "{} found, {:.1} s late",
                record.convictions.len(),
                record.latest().as_secs_f64()
            );
            show(&scenario, found, "-");
            assert_eq!(record.mistakes(), 0);
            assert_eq!(record.convictions.len(), 5, "{scenario}: all found, seed {seed}");
            assert!(
                record.latest() <= secs(3 * 4) + millis(most),
                "{scenario}: {:?} late, seed {seed}",
                record.latest()
            );
        }
    }
}

/// A tick late once now and then is nothing: nobody is found later for it than by its gap and the drain behind it.
#[test]
fn single_late_ticks_hardly_delay() {
    for seed in seeds(2) {
        let mut simulation = Simulation::new(Plan::new(seed, 1_000));
        simulation.run(secs(20));
        for death in 0..20 {
            simulation.after(millis(137), Fault::Vanish(death * 13));
            for _ in 0..3 {
                let gap = simulation.chance().between(millis(50), millis(900));
                simulation.stop(gap);
                simulation.run(millis(3_000));
            }
        }
        simulation.run(secs(20));
        let record = simulation.record();
        assert_eq!(
            (record.convictions.len(), record.mistakes()),
            (20, 0),
            "seed {seed}"
        );
        assert!(record.latest() <= secs(12), "{:?}, seed {seed}", record.latest());
        show(
            "20 die, one late tick every 3 s",
            format!("20 found, {:.1} s late at most", record.latest().as_secs_f64()),
            "-",
        );
    }
}
