//! `/api/v1/watch`: server-sent events, for browsers, curl and languages without gRPC.
//!
//! The same promises as `Watch` of gRPC, kept by the same hub. The transport pulls: [`Body`] is asked for the next chunk
//! when there is room for it, and nothing is made for a watcher that does not read. One that reads nothing for too long
//! has its connection cut by the hub, since no last word would get through.
//!
//! axum's `Sse` was not taken: it builds and copies the text of each event for each watcher. A WebSocket was not taken
//! either: nothing is said in the other direction, and `EventSource` comes back by itself with the id it saw last.

pub(super) mod ask;
mod entity;
mod event;

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{App, negotiate::takes, problem::Problem, view};
use crate::{
    access::Caller,
    edge::{Edge, failure::Failure, watch},
    hub::Encoding,
};

pub(crate) use entity::write as write_entity;
pub(super) use event::{Bookmark, Closing, Delta};

const EVENT_STREAM: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx, and what behaves like it, to pass on each event as it comes.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(follow))
}

/// The parameters, for their description; [`ask::ask`] reads them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read by hand")]
struct WatchParameters {
    /// How deep: the system, its services (the default), or their instances too.
    #[param(inline, example = "service")]
    level: Option<Level>,
    /// Only these services and what belongs to them, at most 128; the system is always told. With commas between them,
    /// or repeated.
    #[param(value_type = Option<Vec<String>>, style = Form, explode = false)]
    names: Option<String>,
    /// Only what is, or was until now, at least this bad, in the order healthy, unknown, degraded, unhealthy.
    least_severity: Option<view::Status>,
    /// Go on behind this place: the id of an event, or epoch and revision of the cursor of an answer. `Last-Event-ID`
    /// wins over it. Without either, or from where the aggregator cannot go on, everything is told first.
    #[param(pattern = "^[0-9a-fA-F]{1,16}-[0-9]{1,20}$", example = "00184f2c9d1be7a3-42")]
    resume: Option<String>,
}

#[derive(utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes what is read by hand")]
enum Level {
    System,
    Service,
    Instance,
}

/// What changes, as server-sent events, until the client leaves.
///
/// `curl -N 'http://127.0.0.1:7780/api/v1/watch?level=instance'`, or `new EventSource("/api/v1/watch")`.
///
/// It begins with `snapshot`, everything there is; then comes each `revision`, or several as one (`coalesced`) for one who
/// is behind, and a `bookmark` at least every 10 s. Their `data` is one JSON object: WatchDelta, WatchBookmark. A step
/// may span events; apply them at the one that says `last`, which alone has an `id`. `EventSource` sends the last id when
/// it comes back and goes on from there: nothing is lost and nothing told twice, and where that cannot be (the aggregator
/// has restarted, or it was too long) a `snapshot` says so. Before this side ends a stream it says `closing`
/// (WatchClosing), and `retry` says when to come back.
#[utoipa::path(
    get,
    path = "/api/v1/watch",
    tag = "system",
    params(
        WatchParameters,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event seen: go on behind it.", example = "00184f2c9d1be7a3-42"),
    ),
    responses(
        (
            status = 200, description = "Events, for as long as the client reads.", content_type = "text/event-stream", body = String,
            example = "retry: 1093\n\nevent: bookmark\ndata: {\"epoch\":\"00184f2c9d1be7a3\",\"revision\":42,\"observer\":{\"score\":0,\"degraded_view\":false,\"blind\":false,\"settling\":false}}\nid: 00184f2c9d1be7a3-42\n\n",
        ),
        (status = 406, description = "`Accept` leaves out text/event-stream.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn follow(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let body = begin(&app.edge, &caller, query.as_deref(), &headers)?;
    let headers = [
        (header::CONTENT_TYPE, EVENT_STREAM),
        (header::CACHE_CONTROL, "no-store"),
        (X_ACCEL_BUFFERING, "no"),
    ];
    Ok((headers, body).into_response())
}

/// What is wrong with the request is told before the stream begins.
fn begin(edge: &Edge, caller: &Caller, query: Option<&str>, headers: &HeaderMap) -> Result<Body, Problem> {
    if !takes(headers, EVENT_STREAM) {
        let detail = "there is text/event-stream: name it in Accept, or nothing";
        return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", detail));
    }
    let last_event_id = headers.get(LAST_EVENT_ID).map(|id| id.as_bytes());
    let ask = ask::ask(query, last_event_id).map_err(Failure::from)?;
    let messages = watch::begin(edge, ask, Encoding::Json, caller)?;
    let events = messages.flat_map(|message| stream::iter(event::chunks(message)));
    let opening = stream::iter([event::opening()]);
    Ok(Body::from_stream(opening.chain(events).map(Ok::<_, Infallible>)))
}
