//! Each guard of the server attacked, with it and without it, to show that the guard is what holds.
//!
//! The server is a process of its own, so that its memory and CPU can be told from the attacker's. An honest reporter and
//! reader is served all the time, from a thread of its own; attackers have the lowest priority, for in life they
//! have machines of their own and take no time from those whom they attack. One list of attacks is run in two sizes: short
//! in `tests/short.rs`, which judges what becomes of the attacker, and full in `cargo xtask attacks`, which also judges
//! how fast the honest client was served and writes the table of SECURITY.md.
//!
//! An attack says whether the attacker was stopped, in the same way with the guard and without: with it he must be, and
//! without it he must not, or the guard is not what stopped him. Where nothing of ours loosens a guard there is no
//! "without", and the row says why. Criterion, or a load generator such as h2load, was not taken: they say nothing a server
//! must refuse.

// Memory, CPU and descriptors of a process are read from /proc; other addresses of loopback exist on Linux only.
#![cfg(target_os = "linux")]

mod attack;
mod attacks;
mod client;
mod honest;
mod machine;
mod serve;
mod tally;
mod target;
mod wire;

pub mod table;

pub use attack::{Attack, Row, Side, Size};
pub use attacks::{ALL, command};
pub use machine::{attackers, describe};
pub use serve::{Setup, serve};
