//! The wire contract of `proto/ward/health/v1` as Rust types, and its conversions to and from the model.
//!
//! Nothing else lives here: no validation beyond what a type can hold, no I/O. Generated types stop at the edges; no
//! domain type has one as a field, so that the wire can change without the engine noticing.

/// `ward.health.v1`, as generated.
#[expect(missing_docs, clippy::all, reason = "generated")]
pub mod v1 {
    tonic::include_proto!("ward.health.v1");
}

/// The encoded descriptor set, for server reflection.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));
