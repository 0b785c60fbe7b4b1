//! The aggregator as others see it: a real one on ports of its own, real clients, real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod bad_input;
mod bounds;
mod configuration;
mod guards;
mod harness;
mod hosts;
mod http;
mod life;
mod pages;
mod query;
mod questions;
mod remembered;
mod report;
mod sse;
mod stalled;
mod standard;
mod watch;
