//! One seed, one history.

use ward_sim::{Fault, Network, Plan, Simulation};

use crate::{millis, secs, seeds, show};

fn history(seed: u64) -> Simulation {
    let network = Network {
        loss: 0.2,
        delay: (millis(1), millis(200)),
    };
    let mut simulation = Simulation::new(Plan {
        network,
        intervals: vec![millis(300), secs(1), secs(3)],
        ..Plan::new(seed, 300)
    });
    simulation.run(secs(20));
    for _ in 0..10 {
        let who = simulation.chance().below(300);
        simulation.after(millis(20), Fault::Crash(who));
        simulation.after(secs(9), Fault::Restart(who));
        simulation.run(secs(1));
    }
    let silent = simulation.partition(0.6);
    simulation.run(secs(15));
    simulation.stop(secs(7));
    simulation.heal(&silent);
    simulation.starve(secs(5), millis(50), millis(400));
    simulation.run(secs(40));
    simulation
}

#[test]
fn the_same_seed_twice_is_the_same_history() {
    for seed in seeds(2) {
        let (once, again) = (history(seed), history(seed));
        assert!(once.record().verdicts.len() > 300, "something happened");
        assert_eq!(once.record().trace(), again.record().trace(), "seed {seed}");
        assert_eq!(once.record().verdicts, again.record().verdicts);
        let other = history(seed + 1_000);
        assert_ne!(
            once.record().trace(),
            other.record().trace(),
            "another seed is another history"
        );
        show(
            "the same seed twice",
            format!("trace {:016x} twice", once.record().trace()),
            "-",
        );
    }
}
