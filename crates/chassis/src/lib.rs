//! What every Ward process stands on: clock, signals, drain, readiness, listeners, panics, logs, the data directory.
//!
//! It knows nothing of health: no service, no verdict, no wire contract. It is the only crate that reads clocks, asks
//! the kernel for signals, accepts connections, or installs a panic hook or a log subscriber. The obvious alternative,
//! each binary wiring tokio, hyper and tonic for itself, is how the defaults of those (no limit on streams, on
//! self-inflicted resets, on accept retries) reach production.

pub mod clock;
pub mod data_dir;
pub mod limits;
pub mod listener;
pub mod logs;
pub mod panic;
pub mod readiness;
pub mod serve;
pub mod shutdown;
mod stamp;
pub mod telemetry;
pub mod tls;

pub use clock::Clock;
pub use limits::Limits;
pub use listener::{Listener, Peer, Transport};
pub use readiness::{Latch, Readiness};
pub use shutdown::{Drain, Shutdown};
pub use stamp::Stamp;
pub use tls::{Tls, TlsFiles};
