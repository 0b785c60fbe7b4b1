//! The wire contract of `proto/ward/health/v1` as Rust types, and its conversions to and from the model.
//!
//! Nothing else lives here, and no I/O. Generated types stop at the edges; no domain type has one as a field, so that
//! the wire can change without the engine noticing.
//!
//! What comes *in* from reporters ([`v1::Hello`], [`v1::Update`] and their parts) is checked against
//! [`ward_model::bounds`] here, once, so that a value of a model type is a checked one everywhere else. What comes back
//! from a server (states, explanations, entities) is read leniently: a newer server may say words this side does not
//! know. Checking in the engine instead would put strings from strangers next to the verdict.

mod alert;
mod change;
mod declaration;
mod encode;
mod explain;
mod history;
mod invalid;
mod report;
mod state;
mod status;
mod text;

pub use alert::{alert_states, least_urgent, rule_names, service_or_system};
pub use encode::encode_entity;
pub use invalid::{Converted, Invalid};
pub use report::hello_once;
pub use status::least_severity;
pub use text::message;

/// `ward.health.v1`, as generated.
#[expect(missing_docs, clippy::all, clippy::allow_attributes, reason = "generated")]
pub mod v1 {
    tonic::include_proto!("ward.health.v1");
}

/// The encoded descriptor set, for server reflection.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

#[cfg(test)]
mod round_trip;
