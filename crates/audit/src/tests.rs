//! The log as a whole, on a real file system and on simulated ones.

pub(crate) mod support;

mod crash;
mod faults;
mod living;
mod tampered;
