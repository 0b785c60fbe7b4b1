//! Delivery of alerts: what is owed to whom, until it is delivered.
//!
//! It decides nothing about alerts, and knows no database: what is owed is kept by an [`Outbox`]. Each receiver has a task
//! of its own, so that one that hangs delays nobody else. What is sent when is decided by plain values that are given the
//! time; only the tasks touch the network and the clock.
//!
//! One queue of messages for all receivers, marked when it leaves it, was not taken: it loses what was in flight when the
//! process dies. Here a crash can repeat a delivery, with the same identity, and can lose none.

mod alertmanager;
mod client;
mod config;
mod desk;
mod digest;
mod ledger;
mod notifier;
mod outbox;
mod pace;
mod standing;
mod time;
mod trace;
mod webhook;

pub use self::{
    config::{Auth, Config, Kind, Receiver, Timing},
    notifier::Notifier,
    outbox::{Later, Outbox},
    standing::Standing,
};
