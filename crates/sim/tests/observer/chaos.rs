//! Everything at once, by chance: whatever the observer suffers, it convicts nobody early and nobody wrongly, and in the
//! end finds all.

use ward_model::Freshness;
use ward_sim::{Fault, Network, Plan, Simulation};

use crate::{millis, secs, seeds, show};

const INSTANCES: usize = 150;

fn trouble_for_the_observer(simulation: &mut Simulation) {
    match simulation.chance().below(5) {
        0 => {
            let time = simulation.chance().between(millis(20), secs(40));
            simulation.stop(time);
        }
        1 => {
            let time = simulation.chance().between(secs(1), secs(60));
            simulation.suspend(time);
        }
        2 => {
            let time = simulation.chance().between(secs(1), secs(20));
            simulation.starve(time, millis(50), millis(900));
        }
        3 => {
            let jump = simulation
                .chance()
                .between(secs(0), secs(86_400 * 365 * 100))
                .as_millis() as i64;
            simulation.set_wall(ward_model::Wall(jump));
        }
        _ => {
            let share = simulation.chance().share();
            let silent = simulation.partition(share);
            let stays = simulation.chance().between(millis(100), secs(40));
            silent
                .into_iter()
                .for_each(|who| simulation.after(stays, Fault::Heal(who)));
        }
    }
}

fn history(seed: u64, guards: bool) -> Simulation {
    let network = Network {
        loss: 0.05,
        delay: (millis(1), millis(100)),
    };
    let intervals = vec![millis(100), secs(1), secs(5), secs(2)];
    let mut simulation = Simulation::new(
        Plan {
            network,
            intervals,
            ..Plan::new(seed, INSTANCES)
        }
        .guards(guards),
    );
    simulation.run(secs(30));
    for _ in 0..20 {
        trouble_for_the_observer(&mut simulation);
        for _ in 0..4 {
            let who = simulation.chance().below(INSTANCES);
            let fault = [
                Fault::Crash,
                Fault::Vanish,
                Fault::Hang,
                Fault::Restart,
                Fault::Mend,
                Fault::Leave,
            ][simulation.chance().below(6)];
            let at = simulation.chance().between(secs(0), secs(15));
            simulation.after(at, fault(who));
            simulation.after(at + secs(25), Fault::Restart(who));
        }
        let time = simulation.chance().between(secs(1), secs(40));
        simulation.run(time);
    }
    simulation.run(secs(200));
    simulation
}

#[test]
fn never_early_never_wrong_and_in_the_end_right() {
    let (mut on, mut off, mut count) = (0, 0, 0);
    for seed in seeds(12) {
        let mut simulation = history(seed, true);
        on += simulation.record().mistakes();
        let wrong: Vec<_> = simulation
            .record()
            .convictions
            .iter()
            .filter(|one| one.early || one.wrong)
            .take(3)
            .collect();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
        assert!(simulation.missed(0, secs(1)).is_empty(), "seed {seed}");
        for who in 0..INSTANCES {
            let state = simulation.instance(who).map(|state| state.freshness);
            // Suspect for a moment is whoever just lost a few beats in a row.
            let is_back = matches!(state, Some(Freshness::Fresh | Freshness::Suspect));
            assert!(is_back, "instance {who} is back, not {state:?}, seed {seed}");
        }
        count += simulation.record().convictions.len();
        off += history(seed, false).record().mistakes();
    }
    show("chaos: wrong or early", format!("{on} of {count}"), off);
    assert!(off > 0, "the control bites");
}
