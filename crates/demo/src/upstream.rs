//! What a member sees of another that it calls, and the calls themselves.
//!
//! Every call is counted for or against the one called, unless the answer says that somebody further on is to blame. The
//! check about the other reads that count, after a ping of its own, so that it knows something even when there are no
//! customers. A check that only pinged would miss what only real calls meet.

use std::{sync::Arc, time::Duration};

use axum::{
    http::{HeaderName, StatusCode},
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use reqwest::{Client, Method};
use serde_json::Value;
use tracing::{Instrument, Span, field::Empty, info_span};
use ward_chassis::{Clock, telemetry::inject};
use ward_model::Status;

use crate::{
    calls::Calls,
    measure::{CULPRIT, Waited},
    metrics::{Metrics, Outcome},
    plan::{self, Need},
    registry::Registry,
};

/// What everyone answers at once, without asking anyone else.
pub(crate) const PING: &str = "/ping";
const PING_PATIENCE: Duration = Duration::from_secs(1);

/// A member's view of one that it needs.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    need: &'static Need,
    registry: Registry,
    client: Client,
    clock: Clock,
    metrics: Metrics,
    calls: Arc<Mutex<Calls>>,
}

/// A call that failed, and because of whom. As an answer it is a 502 that says so, or a 503 of one that can still be read.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) culprit: &'static str,
    pub(crate) what: String,
    /// Nothing is wrong but that nothing can be written.
    pub(crate) read_only: bool,
    /// Nobody answered in time.
    pub(crate) late: bool,
}

/// On answers that say that there is no writing for the time being.
pub(crate) const READ_ONLY: HeaderName = HeaderName::from_static("x-shop-read-only");

impl Failure {
    pub(crate) fn of(culprit: &'static str, what: impl Into<String>) -> Self {
        Self {
            culprit,
            what: what.into(),
            read_only: false,
            late: false,
        }
    }

    /// How it counts.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.late {
            true => Outcome::Timeout,
            false => Outcome::Error,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let text = format!("{}: {}\n", self.culprit, self.what);
        let culprit = [(CULPRIT, self.culprit)];
        match self.read_only {
            true => (
                StatusCode::SERVICE_UNAVAILABLE,
                culprit,
                [(READ_ONLY, "yes")],
                text,
            )
                .into_response(),
            false => (StatusCode::BAD_GATEWAY, culprit, text).into_response(),
        }
    }
}

impl Upstream {
    pub(crate) fn new(
        need: &'static Need,
        registry: Registry,
        client: Client,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        Self {
            need,
            registry,
            client,
            clock,
            metrics,
            calls: Arc::new(Mutex::new(Calls::new())),
        }
    }

    pub(crate) fn need(&self) -> &'static Need {
        self.need
    }

    /// Calls the other and reads its answer; `Null` where it has none, or refused the request as senseless.
    pub(crate) async fn call(
        &self,
        waited: &Waited,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let upstream = self.need.name;
        let span = info_span!("call", otel.kind = "client", upstream, outcome = Empty);
        let told = async {
            let since = self.clock.mono();
            let called = self.call_within(self.need.patience, waited, method, path, body);
            let result = called.await;
            let outcome = result.as_ref().map_or_else(Failure::outcome, |_| Outcome::Ok);
            Span::current().record("outcome", outcome.as_str());
            let took = self.clock.mono().since(since);
            self.metrics.called(upstream, outcome, took);
            result
        };
        told.instrument(span).await
    }

    async fn call_within(
        &self,
        patience: Duration,
        waited: &Waited,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let waiting = waited.waiting(&self.clock);
        let result = tokio::time::timeout(patience, self.send(method, path, body)).await;
        let outcome = result.unwrap_or_else(|_| {
            Err(Failure {
                late: true,
                ..self.fault(format!("no answer within {patience:?}"))
            })
        });
        let took = self.clock.mono().since(waiting.since());
        self.count(took, outcome.as_ref().err());
        outcome
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let address = self.registry.look_up(self.need.name).await;
        let address = address.ok_or_else(|| self.fault("has never been up".into()))?;
        let mut request = self.client.request(method, format!("http://{address}{path}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut request = request.build().map_err(|error| self.broken(&error))?;
        inject(request.headers_mut());
        let sent = self.client.execute(request).await;
        let response = sent.map_err(|error| self.broken(&error))?;
        let status = response.status();
        if status.is_success() {
            let bytes = response.bytes().await.map_err(|error| self.broken(&error))?;
            return Ok(serde_json::from_slice(&bytes).unwrap_or_default());
        }
        if status.is_client_error() {
            // It answered as it should; there is nothing to be had.
            return Ok(Value::Null);
        }
        let further_on = response
            .headers()
            .get(CULPRIT)
            .and_then(|name| name.to_str().ok())
            .and_then(plan::known);
        match further_on {
            Some(culprit) => Err(Failure {
                read_only: response.headers().contains_key(READ_ONLY),
                ..Failure::of(culprit, format!("broken behind {}", self.need.name))
            }),
            None => Err(self.fault(format!("answered {status}"))),
        }
    }

    fn fault(&self, what: String) -> Failure {
        Failure::of(self.need.name, what)
    }

    fn broken(&self, error: &reqwest::Error) -> Failure {
        self.fault(kind_of(error).into())
    }

    fn count(&self, took: Duration, failure: Option<&Failure>) {
        let failure = failure.filter(|failure| failure.culprit == self.need.name);
        let what = failure.map(|failure| failure.what.as_str());
        self.calls.lock().count(self.clock.mono(), took, what);
    }

    /// The check about the other: one more ping, then what all calls of the last seconds say.
    pub(crate) async fn check(&self) -> (Status, String) {
        // The count has the outcome of the ping already.
        let nobodys = Waited::default();
        let ping = self.call_within(PING_PATIENCE, &nobodys, Method::GET, PING, None);
        if let Err(failure) = ping.await {
            tracing::debug!(upstream = self.need.name, failure = failure.what, "ping failed");
        }
        self.calls.lock().judge(self.clock.mono())
    }
}

/// What went wrong with a call, in the words of the shop: the client's own name the address, which changes.
fn kind_of(error: &reqwest::Error) -> &'static str {
    if error.is_connect() {
        "cannot be connected to"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "broke off its answer"
    }
}
