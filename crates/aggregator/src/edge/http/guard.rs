//! What stands before and around every handler: limits and origins.
//!
//! A browser sends what any page tells it to, with the network position of who sits before it. So what changes something
//! is taken only as `application/json` (which a page of another origin may not send without being asked) and only from
//! origins that are allowed; no page of another origin may read anything unless its origin is configured. What only reads
//! is answered whatever its origin, server-sent events too: without CORS the browser keeps the answer from the page, and
//! lets the connection go.

use std::{future::poll_fn, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::timeout;
use tower_http::cors::{AllowOrigin, CorsLayer};
use ward_chassis::Peer;

use super::{
    App,
    held::Held,
    hosts::Hosts,
    limits::{Buckets, Full, HttpLimits, Places, client},
    negotiate::takes,
    problem::Problem,
};
use crate::edge::{
    admit::{Until, admit, of_request, taken_away},
    failure::Failure,
};

/// Browsers ask again whether they may at most so often.
const CORS_AGE: Duration = Duration::from_secs(3_600);
/// What is busy now is less so in a moment.
const BUSY: Duration = Duration::from_secs(1);

/// The state of the guards.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) limits: HttpLimits,
    reads: Buckets,
    writes: Buckets,
    probes: Buckets,
    pages: Arc<Places>,
    answers: Arc<Places>,
    /// Those that may read and write from a browser; `*` is all.
    origins: Vec<HeaderValue>,
    pub(super) hosts: Hosts,
}

impl Guard {
    pub(super) fn new(limits: HttpLimits, origins: &[String], hosts: &[String]) -> Self {
        let valid = |origin: &String| {
            let value = HeaderValue::from_str(origin.trim_end_matches('/'));
            if value.is_err() {
                tracing::warn!(
                    ?origin,
                    "an origin of cors_origins is none, and nobody is allowed by it"
                );
            }
            value.ok()
        };
        Self {
            reads: Buckets::new(limits.reads, limits.clients),
            writes: Buckets::new(limits.writes, limits.clients),
            probes: Buckets::new(limits.probes, limits.clients),
            pages: Places::new(limits.pages, limits.places_per_client),
            answers: Places::new(limits.answers, limits.places_per_client),
            origins: origins.iter().filter_map(valid).collect(),
            hosts: Hosts::new(hosts),
            limits,
        }
    }

    /// Tells browsers which pages may read; without origins nobody is told anything.
    pub(super) fn cors(&self) -> Option<CorsLayer> {
        if self.origins.is_empty() {
            return None;
        }
        let origins = if self.allows_all() {
            AllowOrigin::any()
        } else {
            AllowOrigin::list(self.origins.iter().cloned())
        };
        let exposed = [header::LOCATION, header::RETRY_AFTER, header::ALLOW];
        let layer = CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                HeaderName::from_static("last-event-id"),
            ])
            .expose_headers(exposed)
            .max_age(CORS_AGE);
        Some(layer)
    }

    fn allows_all(&self) -> bool {
        self.origins.iter().any(|origin| origin == "*")
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        self.allows_all() || self.origins.contains(origin)
    }
}

fn peer(request: &Request) -> Option<Peer> {
    request.extensions().get::<Peer>().cloned()
}

fn address(request: &Request) -> IpAddr {
    let unknown = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    client(
        request
            .extensions()
            .get::<Peer>()
            .map_or(unknown, |peer| peer.addr.ip()),
    )
}

/// Probes, `/health`, `/metrics`: a generous bucket.
pub(super) async fn probe(State(app): State<App>, request: Request, next: Next) -> Response {
    let bucket = &app.guard.probes;
    match enter(&app, bucket, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Everything under `/api` and `/badge`.
pub(super) async fn api(State(app): State<App>, request: Request, next: Next) -> Response {
    let writes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let bucket = if writes {
        &app.guard.writes
    } else {
        &app.guard.reads
    };
    let entered = enter(&app, bucket, &request).and_then(|()| {
        if writes {
            from_allowed_origin(&app, &request)
        } else {
            Ok(())
        }
    });
    match entered {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn enter(app: &App, bucket: &Buckets, request: &Request) -> Result<(), Box<Problem>> {
    let wait = match bucket.take(address(request), app.edge.clock.mono()) {
        Ok(()) => return Ok(()),
        Err(wait) => wait,
    };
    app.edge.metrics.count_refused("rate");
    let detail = "more requests came from this address than are answered: come back later, and less often";
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", detail);
    Err(Box::new(problem.retry_after(wait)))
}

fn from_allowed_origin(app: &App, request: &Request) -> Result<(), Box<Problem>> {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    if origins.all(|origin| app.guard.allows(origin)) {
        return Ok(());
    }
    app.edge.metrics.count_refused("origin");
    let detail =
        "a page of this origin may change nothing here: add it to cors_origins in ward.toml if it should";
    Err(Box::new(Problem::new(
        StatusCode::FORBIDDEN,
        "ORIGIN_NOT_ALLOWED",
        detail,
    )))
}

/// Gives an answer of `/health` or `/metrics` a place.
pub(super) async fn page(State(app): State<App>, request: Request, next: Next) -> Response {
    held(&app, app.guard.pages.clone(), request, next).await
}

/// Gives an answer under `/api` a place. What answers a report or a command is small, and a body that comes slowly must
/// not take a place meanwhile.
pub(super) async fn answer(State(app): State<App>, request: Request, next: Next) -> Response {
    if *request.method() != Method::GET {
        return next.run(request).await;
    }
    held(&app, app.guard.answers.clone(), request, next).await
}

async fn held(app: &App, places: Arc<Places>, request: Request, next: Next) -> Response {
    let peer = peer(&request);
    let place = match places.take(address(&request)) {
        Ok(place) => place,
        Err(full) => return busy(app, full).into_response(),
    };
    let time = app.guard.limits.read_time;
    let response = next.run(request).await;
    response.map(|body| Body::new(Held::new(body, place, peer, time)))
}

fn busy(app: &App, full: Full) -> Problem {
    app.edge.metrics.count_refused("busy");
    let (status, detail) = match full {
        Full::Client => (
            StatusCode::TOO_MANY_REQUESTS,
            "answers to this address wait to be read: read them first",
        ),
        Full::All => (
            StatusCode::SERVICE_UNAVAILABLE,
            "as many answers as there may be wait to be read: come back in a moment",
        ),
    };
    Problem::new(status, "BUSY", detail).retry_after(BUSY)
}

/// Programs are answered in JSON alone, and are told so when they want something else.
pub(super) async fn json_only(request: Request, next: Next) -> Response {
    if takes(request.headers(), "application/json") {
        return next.run(request).await;
    }
    let detail = "there is application/json: name it in Accept, or leave Accept out";
    Problem::new(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", detail).into_response()
}

/// Who calls is asked before anything else, and told to who answers.
pub(super) async fn admitted(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let right = of_request(request.method(), request.uri());
    let peer = peer(&request);
    let caller = match admit(&app.edge, peer.as_ref(), request.headers_mut(), right) {
        Ok(caller) => caller,
        Err(failure) => return Problem::from(failure).into_response(),
    };
    let loss = app.edge.access.loss(&caller);
    request.extensions_mut().insert(caller);
    let Some(mut loss) = loss else {
        return next.run(request).await;
    };
    // A body may come slowly, and what it asks for is done when it is there.
    tokio::select! {
        biased;
        () = poll_fn(|cx| loss.poll(cx)) => {
            let status = taken_away();
            Problem::from(Failure::Unavailable(status.message().to_owned())).into_response()
        }
        response = next.run(request) => response.map(|body| Body::new(Until::http(body, loss))),
    }
}

/// Around every handler: the bound on time and on the length of the URI.
pub(super) async fn bounded(State(app): State<App>, request: Request, next: Next) -> Response {
    let limits = &app.guard.limits;
    let uri = request.uri();
    let long = uri.path().len() + uri.query().map_or(0, str::len);
    if long > limits.uri_bytes {
        let detail = format!(
            "path and query have {long} bytes, expected at most {}",
            limits.uri_bytes
        );
        Problem::new(StatusCode::URI_TOO_LONG, "URI_TOO_LONG", detail).into_response()
    } else {
        match timeout(limits.answer_time, next.run(request)).await {
            Ok(response) => response,
            Err(_) => too_slow(&app).into_response(),
        }
    }
}

fn too_slow(app: &App) -> Problem {
    app.edge.metrics.count_refused("time");
    let detail = "the answer was not made in time: the aggregator is busier than it should be";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_BUSY", detail).retry_after(BUSY)
}
