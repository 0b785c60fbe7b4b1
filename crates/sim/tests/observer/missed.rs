//! Thousands of injected failures: every one is found in time, and nobody else is.

use std::time::Duration;

use ward_sim::{Fault, Network, Plan, Simulation};

use crate::{millis, secs, seeds, show};

const INSTANCES: usize = 200;
/// Time of one history, and how often something dies in it.
const HISTORY: u64 = 600;
const EVERY: u64 = 1_500;

#[derive(Default)]
struct Tally {
    injected: usize,
    found: usize,
    silent: usize,
    /// Of what died: how long it was dead when it was convicted, and how late that was.
    lags: Vec<Duration>,
    late: Vec<Duration>,
}

/// Every 1.5 s something crashes, vanishes, hangs or is cut off, stays so for 30 to 60 s and comes back.
fn history(seed: u64, loss: f64, guards: bool, tally: &mut Tally) {
    let network = Network {
        loss,
        delay: (millis(1), millis(80)),
    };
    let intervals = vec![millis(200), millis(500), secs(1), secs(2), secs(5)];
    let mut simulation = Simulation::new(
        Plan {
            network,
            intervals,
            ..Plan::new(seed, INSTANCES)
        }
        .guards(guards),
    );
    simulation.run(secs(30));
    for _ in 0..HISTORY * 1_000 / EVERY {
        inject(&mut simulation, tally);
        simulation.run(millis(EVERY));
        let missed = simulation.missed(3, secs(0));
        assert!(
            missed.is_empty(),
            "seed {seed}, loss {loss}: {missed:?} are dead and not found at {:?}",
            simulation.elapsed()
        );
    }
    simulation.run(secs(100));
    assert!(
        simulation.missed(0, millis(30)).is_empty(),
        "seed {seed}, loss {loss}: all found in the end"
    );
    let record = simulation.record();
    assert_eq!(record.mistakes(), 0, "seed {seed}, loss {loss}: early or wrong");
    for one in &record.convictions {
        match one.dead_for {
            Some(dead_for) => {
                tally.found += 1;
                tally.lags.push(dead_for);
            }
            None => tally.silent += 1,
        }
        tally.late.push(one.late_by);
    }
}

fn inject(simulation: &mut Simulation, tally: &mut Tally) {
    let who = simulation.chance().below(INSTANCES);
    if !simulation.is_well(who) {
        return;
    }
    let (fault, end) = match simulation.chance().below(4) {
        0 => (Fault::Crash(who), Fault::Restart(who)),
        1 => (Fault::Vanish(who), Fault::Restart(who)),
        2 => (Fault::Hang(who), Fault::Mend(who)),
        _ => (Fault::Cut(who), Fault::Heal(who)),
    };
    let (at, stays) = (
        simulation.chance().between(secs(0), secs(1)),
        simulation.chance().between(secs(30), secs(60)),
    );
    simulation.after(at, fault);
    simulation.after(at + stays, end);
    tally.injected += 1;
}

fn quantile(sorted: &[Duration], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize].as_secs_f64()
}

fn shown(tally: &mut Tally) -> String {
    tally.lags.sort_unstable();
    tally.late.sort_unstable();
    let [half, most, all] = [0.5, 0.99, 1.0].map(|share| quantile(&tally.lags, share));
    let late = quantile(&tally.late, 1.0) * 1_000.0;
    format!(
        "{} found in {half:.1}/{most:.1}/{all:.1} s, {late:.0} ms late",
        tally.found
    )
}

fn failures(loss: f64, short: u64) {
    let (mut on, mut off) = (Tally::default(), Tally::default());
    for seed in seeds(short) {
        history(seed, loss, true, &mut on);
    }
    history(0, loss, false, &mut off);
    let scenario = format!(
        "{} failures, {:.0} % of beats lost (p50/p99/max)",
        on.injected,
        loss * 100.0
    );
    show(&scenario, shown(&mut on), shown(&mut off));
    // A lease is 20 s at most; three leases of doubt are never used up here.
    assert!(
        on.found >= on.injected * 95 / 100,
        "{} of {}",
        on.found,
        on.injected
    );
    assert!(
        loss > 0.0 || on.silent == 0,
        "{} convicted that were not dead",
        on.silent
    );
}

#[test]
fn nothing_is_missed_without_loss() {
    failures(0.0, 3);
}

#[test]
fn nothing_is_missed_at_a_loss_of_10_percent() {
    failures(0.1, 2);
}

#[test]
fn nothing_is_missed_at_a_loss_of_30_percent() {
    failures(0.3, 2);
}

/// Restarts that come faster than any lease ends. Returns the convictions and the hellos that were asked to wait.
fn restarts(seed: u64, fault: fn(usize) -> Fault) -> (usize, usize) {
    let mut simulation = Simulation::new(Plan::new(seed, 100));
    simulation.run(secs(20));
    for _ in 0..200 {
        let who = simulation.chance().below(100);
        let gone = simulation.chance().between(millis(1), millis(900));
        simulation.after(millis(0), fault(who));
        simulation.after(gone, Fault::Restart(who));
        simulation.run(millis(400));
    }
    simulation.run(secs(30));
    let record = simulation.record();
    assert_eq!(
        (record.mistakes(), simulation.engine().figures().instances),
        (0, [100, 0, 0, 0]),
        "seed {seed}"
    );
    (record.convictions.len(), record.refusals)
}

#[test]
fn quick_restarts_are_no_loss_when_the_end_is_seen() {
    for seed in seeds(2) {
        let crashed = restarts(seed, Fault::Crash);
        assert_eq!(
            crashed,
            (0, 0),
            "back within the grace of a broken stream, seed {seed}"
        );
        // Nobody saw these end. Their next lives are asked to wait while they count as fresh, and some of them are
        // convicted, rightly, before the next life asks again.
        let (lost, waited) = restarts(seed, Fault::Vanish);
        assert!(waited >= 200, "{waited}");
        let on = format!("{} lost; {lost} if the end is not seen", crashed.0);
        show("200 restarts within 0.9 s", on, "-");
    }
}
