//! Delivery over real sockets: to servers that do wrong what servers do wrong, and to the real Alertmanager.
//!
//! Times are those of production divided by some hundreds; what takes an hour is tested where time is an argument, beside
//! the ledger.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; some measure how long something took"
)]

mod alertmanager;
mod cost;
mod crash;
mod memory;
mod real;
mod sample;
mod server;
mod silences;
mod tls;
mod webhook;
