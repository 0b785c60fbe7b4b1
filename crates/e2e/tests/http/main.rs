//! The HTTP API under input that no honest client sends: by hand, and by schemathesis through the API's own description.
//!
//! Whatever comes, there is a clear answer, nothing is lost, and the state of before is in force.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bodies;
mod fuzzed;
mod queries;
mod raw;
mod target;
