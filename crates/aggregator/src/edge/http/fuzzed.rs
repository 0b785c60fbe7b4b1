//! The parsers of HTTP that outsiders reach, see [`crate::edge::fuzzed`].

use serde_json::Value;
use ward_proto::{Invalid, v1};

use super::{body::parse, report::request, watch::ask};

/// The body of `POST /api/v1/report`, in the words of the wire.
///
/// # Errors
///
/// The problem that is told.
pub fn json_report(body: &[u8]) -> Result<v1::ReportOnceRequest, Value> {
    let told = |problem| serde_json::to_value(problem).expect("a problem is JSON");
    parse(body).and_then(request).map_err(told)
}

/// What a watcher asks for over HTTP, in the query that says it shortest.
///
/// # Errors
///
/// What is told.
pub fn watch_query(query: Option<&str>, last_event_id: Option<&[u8]>) -> Result<String, Invalid> {
    ask::ask(query, last_event_id).map(|asked| ask::query(&asked))
}
