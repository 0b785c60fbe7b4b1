//! Ready-made checks: of the host, of this process, and of what a service needs from others.
//!
//! Each is a small builder that ends in `.check()` and gives a [`Check`], on which period, timeout, subject, kind and
//! debouncing are set as on any other:
//!
//! ```
//! use std::time::Duration;
//!
//! use ward_sdk::{Reporter, checks};
//!
//! let builder = Reporter::builder("orders")
//!     .check(checks::Tcp::new("mail", "smtp.internal:25").check().subject("mail").advisory())
//!     .check(checks::Setting::variable("signing-key", "ORDERS_SIGNING_KEY").check())
//!     .check(checks::Tcp::new("cache", "cache.internal:6379").check().timeout(Duration::from_secs(1)));
//! ```
//!
//! What a builder was given and cannot work with (a URL that is none, a certificate that cannot be read) is told by
//! [`Builder::start`](crate::Builder::start), not by a check that fails for ever. A [`subject`](crate::Check::subject) is the name
//! of a service, which no address tells, so that it is left to the user.
//!
//! No message, `Debug` output or log shows a secret that a check was given: URLs are cut to host and port, headers to
//! their names, values of settings to nothing. Nothing here blocks a thread of the runtime, and a run that is given up
//! leaves nothing behind but, where the system cannot take a question back, one waiting thread.
//!
//! Those of the host need the feature `host`, and the others the one that is called as they are. A trait for such checks
//! was not made: what they have in common is that they are a [`Check`].
//!
//! [`Check`]: crate::Check

mod flight;
mod grpc;
#[cfg(any(feature = "certificate", feature = "host"))]
mod misses;
mod resolve;
mod setting;
mod tcp;

#[cfg(feature = "certificate")]
mod certificate;
#[cfg(feature = "host")]
mod cpu;
#[cfg(feature = "host")]
mod disk;
#[cfg(feature = "host")]
mod groups;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "host")]
mod levels;
#[cfg(feature = "host")]
mod memory;
#[cfg(feature = "host")]
mod memory_trend;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;

#[cfg(feature = "certificate")]
pub use certificate::Certificate;
#[cfg(feature = "host")]
pub use cpu::Cpu;
#[cfg(feature = "host")]
pub use disk::Disk;
pub use grpc::Grpc;
#[cfg(feature = "http")]
pub use http::{Http, Json};
#[cfg(feature = "host")]
pub use levels::Levels;
#[cfg(feature = "host")]
pub use memory::Memory;
#[cfg(feature = "host")]
pub use memory_trend::MemoryTrend;
#[cfg(feature = "postgres")]
pub use postgres::Postgres;
#[cfg(feature = "redis")]
pub use redis::Redis;
pub use setting::Setting;
pub use tcp::Tcp;

/// An error with its sources, in one line. What an error has repeated of its source is not said again.
fn chain(error: &dyn std::error::Error) -> String {
    /// Deeper chains are no more telling, and one may be a circle.
    const DEEPEST: usize = 8;
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.take(DEEPEST).fold(error.to_string(), |mut text, source| {
        let source = source.to_string();
        if !text.contains(&source) {
            text.push_str(": ");
            text.push_str(&source);
        }
        text
    })
}
