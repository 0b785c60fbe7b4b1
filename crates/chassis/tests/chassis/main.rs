//! The chassis from outside: real sockets, real signals, real processes. One binary, for the sake of link time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod child;
mod listening;
mod process;
mod secure;
mod server;
mod serving;
mod telling;
