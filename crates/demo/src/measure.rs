//! What a member sees of itself: how many of its requests failed, and how long they took, through no fault but its own.
//!
//! Time spent waiting for others and failures that others caused are left out: they belong to the checks about those
//! others. Were they counted here, every member on the way to a broken one would name itself as a cause as well.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::HeaderName,
    middleware::Next,
    response::Response,
};
use parking_lot::Mutex;
use tracing::{Instrument, Span, field::Empty, info_span};
use ward_chassis::{
    Clock,
    telemetry::{extract, set_parent},
};
use ward_model::Mono;

use crate::{
    metrics::Metrics,
    upstream::PING,
    window::{Figures, Window},
};

/// Names the member that caused a failure, on every answer that fails because of another.
pub(crate) const CULPRIT: HeaderName = HeaderName::from_static("x-shop-culprit");

/// What is counted for a request whose client went away, as nginx does.
const CLIENT_GONE: u16 = 499;
/// The route of what has none.
const UNMATCHED: &str = "unmatched";

/// How far back a member looks at itself.
const SPAN: Duration = Duration::from_secs(10);

/// What a member served lately.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    clock: Clock,
    window: Arc<Mutex<Window>>,
    metrics: Metrics,
}

impl Served {
    pub(crate) fn new(clock: Clock, metrics: Metrics) -> Self {
        Self {
            clock,
            window: Arc::new(Mutex::new(Window::new(SPAN))),
            metrics,
        }
    }

    /// How it went in the last ten seconds.
    pub(crate) fn figures(&self) -> Figures {
        self.window.lock().figures(self.clock.mono())
    }
}

/// How long one request has waited for others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waited(Arc<AtomicU64>);

impl Waited {
    /// Counts the time until the guard is dropped, whether the call came back or was given up.
    pub(crate) fn waiting<'a>(&'a self, clock: &'a Clock) -> Waiting<'a> {
        Waiting {
            waited: self,
            clock,
            since: clock.mono(),
        }
    }

    fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }
}

/// A call to another is under way.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    waited: &'a Waited,
    clock: &'a Clock,
    since: Mono,
}

impl Waiting<'_> {
    /// When it began.
    pub(crate) fn since(&self) -> Mono {
        self.since
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let time = self.clock.mono().since(self.since);
        self.waited
            .0
            .fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// Records a request when it is over, and also when its client has gone away and it will never be.
#[derive(Debug)]
struct Record<'a> {
    served: &'a Served,
    since: Mono,
    waited: Waited,
    failed: bool,
    code: u16,
    /// `None` of a ping, which is no trade.
    trade: Option<Trade>,
}

#[derive(Debug)]
struct Trade {
    route: String,
    span: Span,
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let now = self.served.clock.mono();
        let took = now.since(self.since);
        let own = took.saturating_sub(self.waited.total());
        self.served.window.lock().record(now, own, self.failed);
        if let Some(Trade { route, span }) = &self.trade {
            span.record("code", self.code);
            let metrics = &self.served.metrics;
            span.in_scope(|| metrics.served(route, self.code, took));
        }
    }
}

impl Trade {
    /// The span of a request is part of its caller's trace.
    fn of(request: &Request) -> Option<Self> {
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map_or(UNMATCHED, MatchedPath::as_str);
        if route == PING {
            return None;
        }
        let span = info_span!("request", otel.kind = "server", route, code = Empty);
        if let Some(caller) = extract(request.headers()) {
            set_parent(&span, caller);
        }
        Some(Self {
            route: route.into(),
            span,
        })
    }
}

/// The layer around everything a member serves, its faults included.
pub(crate) async fn measure(State(served): State<Served>, mut request: Request, next: Next) -> Response {
    let waited = Waited::default();
    request.extensions_mut().insert(waited.clone());
    let trade = Trade::of(&request);
    let span = trade.as_ref().map_or_else(Span::none, |trade| trade.span.clone());
    let mut record = Record {
        since: served.clock.mono(),
        served: &served,
        waited,
        failed: false,
        code: CLIENT_GONE,
        trade,
    };
    let response = next.run(request).instrument(span).await;
    record.failed = response.status().is_server_error() && !response.headers().contains_key(CULPRIT);
    record.code = response.status().as_u16();
    response
}
