//! The parsers that outsiders reach, without sockets: for fuzz targets and nobody else.
//!
//! Each is the one that serves. What is done with what they accept is not here: that is the engine's, which has models of
//! its own.

use bytes::Bytes;
use prost::{DecodeError, Message};
use ward_proto::{Invalid, v1};

pub use super::http::fuzzed::{json_report, watch_query};
use super::{report::wire, watch};

/// One message of a report stream: its beats and the rest.
///
/// # Errors
///
/// It is none.
pub fn report(message: &[u8]) -> Result<v1::ReportRequest, DecodeError> {
    let mut beats = Vec::new();
    let rest = wire::read(Bytes::copy_from_slice(message), |handle| beats.push(handle))?;
    Ok(v1::ReportRequest { beats, ..rest })
}

/// What a watcher asks for over gRPC: how many services it names.
///
/// # Errors
///
/// It is no request, or the field that is not as it must be.
pub fn watch_request(message: &[u8]) -> Result<usize, Invalid> {
    let request = v1::WatchRequest::decode(message).map_err(|_| Invalid::new("request", "is none"))?;
    watch::filter(&request).map(|filter| filter.names.len())
}
