//! Simulated fleets over the engine: hours in milliseconds, one seed one history.
//!
//! A [`Simulation`] is a whole small world in made-up time: reporters that behave as the sdk does, a network that loses,
//! delays and partitions, and an aggregator process that can be stopped, starved and suspended and whose wall clock can
//! jump. The engine in it is the real one, with its real slab; everything around it is played. A [`Record`] watches with
//! knowledge that no observer has (who is really dead) and measures every conviction against it.
//!
//! It opens no socket and reads no clock. The obvious alternative, real processes under `faketime` and `tc`, shows that
//! the whole works and takes minutes a run; here thousands of failures are injected in a second, and each can be
//! replayed from its seed. What only real connections can show is shown in `e2e`.

mod chance;
mod fault;
mod process;
mod record;
mod reporter;
mod simulation;

pub use chance::Chance;
pub use fault::Fault;
pub use process::DecisionClock;
pub use record::{Conviction, Record, Verdict};
pub use simulation::{Network, Plan, Simulation};
