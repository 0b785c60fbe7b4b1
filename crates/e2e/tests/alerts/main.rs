//! Alerts that are right, and arrive: the real program, the real Alertmanager, and behind that who is told: a mail server
//! and a receiver that looks like Slack's.
//!
//! What a rule makes of a history, and what is done with each answer of a receiver, is tried by `ward-alerts` and
//! `ward-notify` by themselves. Here is what only the whole can show: how many pages a person gets, and what they say.
//! And what dashboards ask of Prometheus meanwhile. Rules have a short `for` here, so that nobody waits; what is waited for is
//! a level, with a deadline.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "figures, shown with --nocapture")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests of what happens in time read the clock"
)]

mod alertmanager;
mod away;
mod backed;
mod dashboards;
mod database;
mod killed;
mod people;
mod postgres;
mod program;
mod prometheus;
mod redis;
mod scene;
mod shipped;
mod shop;
mod stack;
mod traced;
mod withheld;

#[expect(dead_code, reason = "some of it is of use to other tests alone")]
#[path = "../interop/outside.rs"]
mod outside;
#[expect(dead_code, reason = "some of it is of use to other tests alone")]
#[path = "../outages/small.rs"]
mod small;
#[expect(dead_code, reason = "some of it is of use to other tests alone")]
#[path = "../interop/ward.rs"]
mod ward;
