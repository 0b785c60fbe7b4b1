//! What Ward keeps in a database: status history, last known state, maintenance windows, alerts.
//!
//! SQLite in the data directory, or PostgreSQL; the same behaviour over both. Verdicts wait for none of it: what is put
//! waits in a bounded queue, a thread of the store's own writes it, and a database that is away, hung, slow, full or wrong
//! shows in [`Standing`] and nowhere else. The store decides nothing, and its words are not proof: the audit log is. Tokens
//! are not kept here, because who may come in must not depend on a database that can be away.

mod backup;
mod batch;
mod code;
mod connection;
mod fault;
mod history;
mod known;
mod position;
mod postgres;
mod queue;
mod reader;
mod recorded;
mod roll;
mod schema;
mod session;
mod sqlite;
mod standing;
mod store;
pub mod timeline;
mod write;
mod writer;

pub use backup::{BackupError, Progress, backup, holds_anything, restore};
pub use fault::{OpenError, ReadError};
pub use recorded::Recorded;
pub use roll::Retention;
pub use standing::{Standing, State};
pub use store::{Config, Known, Place, Store};
pub use write::{Kept, KnownInstance, KnownService, Record, Transition, Write};
