//! What the observer does to a fleet while it is itself stopped, starved, suspended or cut off, and what it misses.
//!
//! The figures are those of the health model ("The observer", "Freshness"). Wherever a guard holds something back, the
//! same history is also run without the guards: a test that passes there as well would show nothing. Each scenario prints
//! one row, `scenario | guards on | guards off` (`cargo test -p ward-sim -- --nocapture`). The short form takes a few
//! seeds of each; `WARD_SIM_SEEDS=200` asks for that many.

mod blindness;
mod chaos;
mod clocks;
mod identity;
mod mass_loss;
mod missed;
mod recall;
mod replay;
mod starved;
mod stopped;

use std::{fmt::Display, time::Duration};

/// So many seeds: `short`, unless `WARD_SIM_SEEDS` says otherwise.
fn seeds(short: u64) -> std::ops::Range<u64> {
    let asked = std::env::var("WARD_SIM_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok());
    0..asked.unwrap_or(short)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One row of the table.
#[expect(
    clippy::print_stdout,
    reason = "what the tests are for people; captured unless asked for"
)]
fn show(scenario: &str, on: impl Display, off: impl Display) {
    println!("{scenario:<66} | {on:<46} | {off}");
}
