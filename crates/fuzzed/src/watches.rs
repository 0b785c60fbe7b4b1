//! What watchers ask for, over gRPC and over HTTP.

use ward_aggregator::fuzzed;

use crate::is_harmless;

/// A `WatchRequest`.
pub(crate) fn request(message: &[u8]) {
    match fuzzed::watch_request(message) {
        Ok(names) => assert!(names <= 128, "{names} names of one watcher"),
        Err(invalid) => is_harmless(&invalid.to_string()),
    }
}

/// The query of `/api/v1/watch`, and behind the first line the header `Last-Event-ID`, if there is one.
pub(crate) fn query(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (query, id) = input.split_at(end.unwrap_or(input.len()));
    let Ok(query) = std::str::from_utf8(query) else {
        return;
    };
    match fuzzed::watch_query(Some(query), id.get(1..)) {
        Ok(shortest) => {
            let again = fuzzed::watch_query(Some(&shortest), None).expect("what was taken is taken again");
            assert_eq!(again, shortest);
        }
        Err(invalid) => is_harmless(&invalid.to_string()),
    }
}
