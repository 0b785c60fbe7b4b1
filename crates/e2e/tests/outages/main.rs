//! Outages of the aggregator itself: stopped, killed, restarted. Nobody may be convicted, and nobody alarmed, because
//! the one who watches was away.
//!
//! The aggregator is a process of its own, since it is to be stopped and killed; the fleet is real connections from
//! this one. Each figure is printed: `cargo test -p ward-e2e --test outages -- --nocapture`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod aggregator;
mod fleet;
mod full;
mod killed;
mod restarted;
mod small;
mod stopped;
