//! Whose word counts when lives of one instance overtake each other.

use ward_model::Freshness;
use ward_sim::{Fault, Plan, Simulation};

use crate::{secs, seeds};

/// While the aggregator is stopped, instances restart twice and more, and their hellos wait on connections that are read
/// in any order. Whatever was believed meanwhile, the life that runs is taken in the end.
#[test]
fn who_restarts_again_and_again_before_a_stopped_aggregator_is_not_locked_out() {
    for seed in seeds(3) {
        let mut simulation = Simulation::new(Plan::new(seed, 200));
        simulation.run(secs(20));
        simulation.stop(secs(40));
        for who in 0..200 {
            for restart in 0..3 {
                let at = simulation
                    .chance()
                    .between(secs(restart * 8), secs(restart * 8 + 5));
                simulation.after(at, Fault::Restart(who));
            }
        }
        simulation.run(secs(40 + 180));
        let locked_out: Vec<usize> = (0..200)
            .filter(|&who| {
                simulation
                    .instance(who)
                    .is_none_or(|state| state.freshness != Freshness::Fresh)
            })
            .collect();
        assert!(
            locked_out.is_empty(),
            "alive, and refused for good: {locked_out:?}, seed {seed}"
        );
    }
}
