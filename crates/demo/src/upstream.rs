//! What a member sees of another that it calls, and the calls themselves.
//!
//! Every call is counted for or against the one called, unless the answer says that somebody further on is to blame. The
//! check about the other reads that count, after a ping of its own, so that it knows something even when there are no
//! customers. A check that only pinged would miss what only real calls meet.

use std::{sync::Arc, time::Duration};

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use reqwest::{Client, Method};
use serde_json::Value;
use ward_chassis::Clock;
use ward_model::Status;

use crate::{
    measure::{CULPRIT, Waited},
    plan::{Member, Need},
    registry::Registry,
    window::{Figures, Window},
};

/// How far back a member looks at others: shorter than at itself, so that a break and its end show soon.
const SPAN: Duration = Duration::from_secs(3);
/// From this share of failed calls on, the other is degraded.
const DEGRADED: f64 = 0.05;
/// From this share on, it is unhealthy.
const UNHEALTHY: f64 = 0.5;

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
    calls: Arc<Mutex<Calls>>,
}

#[derive(Debug)]
struct Calls {
    window: Window,
    last_failure: String,
}

/// A call that failed, and because of whom. As an answer it is a 502 that says so.
#[derive(Debug)]
pub(crate) struct Failure {
    culprit: &'static str,
    what: String,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let text = format!("{}: {}\n", self.culprit, self.what);
        (StatusCode::BAD_GATEWAY, [(CULPRIT, self.culprit)], text).into_response()
    }
}

impl Upstream {
    pub(crate) fn new(need: &'static Need, registry: Registry, client: Client, clock: Clock) -> Self {
        let calls = Calls {
            window: Window::new(SPAN),
            last_failure: String::new(),
        };
        Self {
            need,
            registry,
            client,
            clock,
            calls: Arc::new(Mutex::new(calls)),
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
        self.call_within(self.need.patience, waited, method, path, body)
            .await
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
        let outcome = result.unwrap_or_else(|_| Err(self.fault(format!("no answer within {patience:?}"))));
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
        let response = request
            .send()
            .await
            .map_err(|error| self.fault(kind_of(&error).into()))?;
        let status = response.status();
        if status.is_success() {
            let bytes = response
                .bytes()
                .await
                .map_err(|error| self.fault(kind_of(&error).into()))?;
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
            .and_then(Member::find);
        match further_on {
            Some(member) => Err(Failure {
                culprit: member.name,
                what: format!("broken behind {}", self.need.name),
            }),
            None => Err(self.fault(format!("answered {status}"))),
        }
    }

    fn fault(&self, what: String) -> Failure {
        Failure {
            culprit: self.need.name,
            what,
        }
    }

    fn count(&self, took: Duration, failure: Option<&Failure>) {
        let failure = failure.filter(|failure| failure.culprit == self.need.name);
        let mut calls = self.calls.lock();
        calls.window.record(self.clock.mono(), took, failure.is_some());
        if let Some(failure) = failure {
            calls.last_failure.clone_from(&failure.what);
        }
    }

    /// The check about the other: one more ping, then what all calls of the last seconds say.
    pub(crate) async fn check(&self) -> (Status, String) {
        // The count has the outcome of the ping already.
        let nobodys = Waited::default();
        let ping = self.call_within(PING_PATIENCE, &nobodys, Method::GET, PING, None);
        if let Err(failure) = ping.await {
            tracing::debug!(upstream = self.need.name, failure = failure.what, "ping failed");
        }
        let mut calls = self.calls.lock();
        let figures = calls.window.figures(self.clock.mono());
        judge(figures, &calls.last_failure)
    }
}

fn judge(figures: Figures, last_failure: &str) -> (Status, String) {
    let Figures { total, failed, .. } = figures;
    let share = failed as f64 / total.max(1) as f64;
    let status = match share {
        share if share >= UNHEALTHY => Status::Unhealthy,
        share if share >= DEGRADED => Status::Degraded,
        _ => Status::Healthy,
    };
    let message = match status {
        Status::Healthy => String::new(),
        _ => format!("{failed} of the last {total} calls failed: {last_failure}"),
    };
    (status, message)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(failed: usize, total: usize) -> Figures {
        Figures {
            total,
            failed,
            p99: Duration::ZERO,
        }
    }

    #[test]
    fn the_share_of_failed_calls_decides() {
        assert_eq!(judge(figures(0, 0), "x"), (Status::Healthy, String::new()));
        assert_eq!(judge(figures(2, 60), "x").0, Status::Healthy);
        assert_eq!(judge(figures(3, 60), "x").0, Status::Degraded);
        let (status, message) = judge(figures(30, 60), "answered 500");
        assert_eq!(status, Status::Unhealthy);
        assert_eq!(message, "30 of the last 60 calls failed: answered 500");
    }
}
