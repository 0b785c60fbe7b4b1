//! Clocks that lie, and a machine that was asleep.

use ward_model::Wall;
use ward_sim::{DecisionClock, Fault, Plan, Simulation, Verdict};

use crate::{millis, secs, seeds, show};

const HOUR_MS: i64 = 3_600_000;
/// 2100-01-01T00:00:00Z.
const YEAR_2100: i64 = 4_102_444_800_000;

/// A history with real failures in it, and these jumps of the wall clock.
fn history(plan: Plan, jumps: &[fn(i64) -> i64]) -> Simulation {
    let mut simulation = Simulation::new(plan);
    simulation.run(secs(20));
    for (number, jump) in jumps.iter().enumerate() {
        let wall = simulation.wall();
        simulation.set_wall(Wall(jump(wall.0)));
        simulation.after(millis(300), Fault::Vanish(number * 7));
        simulation.after(millis(700), Fault::Crash(number * 7 + 1));
        simulation.run(secs(15));
    }
    simulation
}

/// To 1970, to 2100, an hour on, an hour back.
const JUMPS: [fn(i64) -> i64; 4] = [|_| 0, |_| YEAR_2100, |wall| wall + HOUR_MS, |wall| wall - HOUR_MS];
const NO_JUMPS: [fn(i64) -> i64; 4] = [|wall| wall; 4];

#[test]
fn jumps_of_the_wall_clock_have_no_effect() {
    for seed in seeds(2) {
        let even = history(Plan::new(seed, 1_000), &NO_JUMPS);
        let jumped = history(Plan::new(seed, 1_000), &JUMPS);
        let (even, jumped) = (even.record(), jumped.record());
        assert_eq!(even.convictions.len(), 8, "those that died, seed {seed}");
        assert_eq!(jumped.mistakes(), 0);
        let verdicts: &[Verdict] = &even.verdicts;
        assert!(
            verdicts == jumped.verdicts,
            "every verdict at the same moment, seed {seed}"
        );
        // The control: the same engine with deadlines made of the wall clock, and no doubt.
        let naive = Plan {
            clock: DecisionClock::Wall,
            ..Plan::new(seed, 1_000).guards(false)
        };
        let naive = history(naive, &JUMPS);
        let wrong = naive.record().mistakes();
        show(
            "wall clock to 1970, 2100, +1 h, -1 h",
            "0 wrong",
            format!("{wrong} wrong (deadlines by wall clock)"),
        );
        assert!(wrong >= 900, "the control bites: {wrong}");
    }
}

fn suspended(plan: Plan) -> usize {
    let mut simulation = Simulation::new(plan);
    simulation.run(secs(20));
    simulation.suspend(secs(60));
    simulation.run(secs(120));
    assert_eq!(
        simulation.engine().figures().instances[0],
        1_000,
        "everybody is back"
    );
    simulation.record().convictions.len()
}

#[test]
fn a_suspended_machine_convicts_nobody() {
    for seed in seeds(1) {
        for (name, clock) in [
            ("stands", DecisionClock::Monotonic),
            ("runs on", DecisionClock::Boot),
        ] {
            for interval in [1, 5] {
                let plan = Plan {
                    clock,
                    intervals: vec![secs(interval)],
                    ..Plan::new(seed, 1_000)
                };
                let (on, off) = (suspended(plan.clone()), suspended(plan.guards(false)));
                show(
                    &format!("suspended 60 s, clock {name} meanwhile, at {interval} s"),
                    on,
                    off,
                );
                assert_eq!(on, 0, "clock {name}, interval {interval} s, seed {seed}");
                assert!(
                    clock == DecisionClock::Monotonic || off >= 900,
                    "the control bites: {off}"
                );
            }
        }
    }
}

/// Doubt never delays by more than three leases, and the length of a sleep is no reason for more: whoever died in a
/// night's sleep must not be healthy for another night.
#[test]
fn who_dies_before_the_machine_sleeps_is_found_soon_after() {
    for seed in seeds(1) {
        for sleep in [60, 8 * 3_600] {
            let mut simulation = Simulation::new(Plan::new(seed, 100));
            simulation.run(secs(20));
            simulation.after(millis(0), Fault::Vanish(3));
            simulation.run(millis(10));
            simulation.suspend(secs(sleep));
            simulation.run(secs(sleep));
            let back = simulation.elapsed();
            let found = simulation.run_until(secs(120), |simulation| {
                !simulation.record().convictions.is_empty()
            });
            let took = simulation.elapsed() - back;
            show(
                &format!("one dies, then suspended {sleep} s"),
                format!("found: {found}, {:.1} s after it", took.as_secs_f64()),
                "-",
            );
            assert!(
                found && took <= secs(4 * 4),
                "after {sleep} s asleep: found {found}, {took:?} after waking, seed {seed}"
            );
        }
    }
}
