//! `/api/v1/watch`: server-sent events, for browsers, curl and languages without gRPC.
//!
//! The same promises as `Watch` of gRPC, kept by the same hub. The transport pulls: [`Body`] is asked for the next chunk
//! when there is room for it, and nothing is made for a watcher that does not read. One that reads nothing for too long
//! has its connection cut, since nothing else runs over it and no last word would get through.
//!
//! axum's `Sse` was not taken: it builds and copies the text of each event for each watcher. A WebSocket was not taken
//! either: nothing is said in the other direction, and `EventSource` comes back by itself with the id it saw last.

mod ask;
mod entity;
mod event;

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use ward_chassis::Peer;

use super::problem::Problem;
use crate::{
    edge::{Shared, failure::Failure, watch},
    hub::Encoding,
};

pub(crate) use entity::write as write_entity;

const EVENT_STREAM: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx, and what behaves like it, to pass on each event as it comes.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Begins a watch; what is wrong with the request is told before the stream begins.
pub(super) async fn watch(
    State(app): State<super::App>,
    peer: Option<axum::Extension<Peer>>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    match begin(&app.edge, peer.map(|axum::Extension(peer)| peer), query, &headers) {
        Ok(body) => {
            let headers = [
                (header::CONTENT_TYPE, EVENT_STREAM),
                (header::CACHE_CONTROL, "no-store"),
                (X_ACCEL_BUFFERING, "no"),
            ];
            (headers, body).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

fn begin(
    edge: &Shared,
    peer: Option<Peer>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: &HeaderMap,
) -> Result<Body, Problem> {
    if !takes_events(headers) {
        let detail = "there is text/event-stream: name it in Accept, or nothing";
        return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", detail));
    }
    let Query(pairs) = query.map_err(|rejection| Problem::parameter("query", rejection.to_string()))?;
    let last_event_id = headers.get(LAST_EVENT_ID).map(|id| id.as_bytes());
    let ask = ask::ask(&pairs, last_event_id).map_err(Failure::from)?;
    let messages =
        watch::begin(edge, ask, Encoding::Json, peer).map_err(|full| Failure::Exhausted(full.to_string()))?;
    let events = messages.flat_map(|message| stream::iter(event::chunks(message)));
    let opening = stream::iter([event::opening()]);
    Ok(Body::from_stream(opening.chain(events).map(Ok::<_, Infallible>)))
}

/// Whether one who sends these headers takes events. Without `Accept` everything is taken.
fn takes_events(headers: &HeaderMap) -> bool {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .filter_map(|range| std::str::from_utf8(range).ok())
        .peekable();
    ranges.peek().is_none() || ranges.any(allows_events)
}

/// One range of an `Accept`, such as `text/*;q=0.5`; a quality of 0 forbids.
fn allows_events(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let named = parts.next().is_some_and(|media| {
        [EVENT_STREAM, "text/*", "*/*"]
            .iter()
            .any(|allowed| media.eq_ignore_ascii_case(allowed))
    });
    let forbidden = parts.any(|parameter| {
        let quality = parameter
            .split_once('=')
            .filter(|(key, _)| key.trim().eq_ignore_ascii_case("q"));
        quality.is_some_and(|(_, value)| value.trim().parse() == Ok(0.0_f32))
    });
    named && !forbidden
}
