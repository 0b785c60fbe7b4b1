//! Each limit of a listener attacked, with its guard and without, to show that the guard is what holds.
//!
//! The server is a process of its own, so that its memory and CPU can be told from the attacker's. During each guarded
//! attack an honest client must be served all the time; how fast is printed, not asserted, for this machine may be
//! busy. One line for each attack: `cargo test -p ward-e2e --test attacks -- --nocapture`.
//!
//! Not attacked here: rapid reset and floods of CONTINUATION frames, whose guards h2 has by itself, so that there is no
//! "without" to show.

// Memory, CPU and descriptors of a process are read from /proc; other addresses of loopback exist on Linux only.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attacker;
mod connections;
mod descriptors;
mod honest;
mod resets;
mod sizes;
mod streams;
mod target;
