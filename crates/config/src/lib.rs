//! `ward.toml`: what it may say, what is wrong with it, and what is in force.
//!
//! A [`Source`] is a file, the environment over it and flags over that. [`Source::load`] makes [`Settings`] of it that
//! know where each value came from, or says all that is wrong at once, each mistake with its place. It listens on nothing
//! and changes nothing that runs: what is done with settings is the aggregator's business.
//!
//! The file is walked by hand, over the tree that `toml` makes of it. serde was not taken: it ends at the first mistake,
//! and somebody who has made five would have to start the aggregator six times.

mod file;
mod mistake;
mod origin;
mod quoted;
mod reading;
mod sample;
mod settings;
mod show;
mod source;
mod value;
mod window;

#[doc(hidden)]
pub use file::read_text;
pub use file::schema;
pub use mistake::{Errors, Mistake, Place};
pub use origin::{Origin, Origins};
pub use sample::sample;
pub use settings::{
    Aggregator, Alerting, Auth, GRPC_PORT, HTTP_PORT, Receiver, Service, Settings, Store, Webhook,
};
pub use show::Entry;
pub use source::{FILE_BYTES, Key, Loaded, Source, VARIABLE_OF_FILE, changed_rules};
pub use value::{DatabaseUrl, ReceiverUrl, written};
pub use window::{Days, InvalidWindow, Occurrence, Window, Zone};
