//! The tamper-evident log: append, checkpoint, prove, verify.
//!
//! Everything Ward decides, and everything somebody has it do, is an [`Event`]: bytes that never change, in a log that is a
//! Merkle tree in plain files (C2SP `tlog-tiles`) under a signed checkpoint. There is one writer, a thread behind [`Log`]:
//! what it has acknowledged survives the death of the process and of the machine. [`Reader`] answers, with proofs for those who
//! do not believe; [`verify`] believes nothing.
//!
//! It knows nothing of health, of the wire, or of what any event means. A database was not taken: the files are the truth, and
//! can be checked with programs that share no code with Ward.

mod event;
mod files;
mod filter;
mod key;
mod layout;
mod log;
mod open_error;
mod press;
mod queue;
mod read;
mod recover;
mod shared;
#[cfg(feature = "ship")]
pub mod ship;
mod tail;
mod tiles;
pub mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use event::{
    Draft, ENTRY_BYTES, Event, Evidence, InvalidEntry, Kind, Phase, Source, UnknownWord, VERSION, WARD,
};
pub use files::FileError;
pub use filter::Filter;
pub use log::{Log, Options, Standing, Start, boot_id};
pub use open_error::OpenError;
pub use queue::{AppendError, Receipt, State};
pub use read::{EachEntry, LOOKED_AT, QueryError, Reader};
pub use recover::{Opened, Torn};
pub use tiles::ReadError;
