//! The customers: they buy things through the storefront, twenty a second, whether it answers or not.
//!
//! An open loop: the next one comes however the last one fares, as people do. A loop that waits for its answers would go
//! quiet just when the shop is in trouble, and there would be nothing left to measure.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use reqwest::Client;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tracing::{Instrument, Span, field::Empty, info_span};
use ward_chassis::{Clock, telemetry::inject};
use ward_model::Mono;

use crate::{
    metrics::{Metrics, Outcome},
    registry::Registry,
    trade::ITEMS,
    window::{Figures, Window},
};

const STOREFRONT: &str = "storefront";
/// One customer every so often.
const PACE: Duration = Duration::from_millis(50);
/// How long a customer waits: longer than the storefront waits for all it needs, one after the other, and than it drains when it
/// is told to leave.
const PATIENCE: Duration = Duration::from_secs(9);
/// Most customers waiting at once: all that can come in their patience, and some more.
const CROWD: usize = 200;
/// How many different ones there are.
const PEOPLE: u64 = 100;
/// How far back one looks at how they fared.
const SPAN: Duration = Duration::from_secs(5);

/// How the customers fared lately.
#[derive(Clone, Debug)]
pub(crate) struct Sales {
    clock: Clock,
    window: Arc<Mutex<Window>>,
    metrics: Metrics,
}

impl Sales {
    pub(crate) fn new(clock: Clock, metrics: Metrics) -> Self {
        Self {
            clock,
            window: Arc::new(Mutex::new(Window::new(SPAN))),
            metrics,
        }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The purchases that ended in the last five seconds.
    pub(crate) fn figures(&self) -> Figures {
        self.window.lock().figures(self.clock.mono())
    }

    fn record(&self, since: Mono, outcome: Outcome) {
        let now = self.clock.mono();
        let took = now.since(since);
        self.window.lock().record(now, took, outcome != Outcome::Ok);
        Span::current().record("outcome", outcome.as_str());
        self.metrics.called(STOREFRONT, outcome, took);
        self.metrics.purchased(outcome, took);
    }
}

/// Customers come, for ever. They are gone when this is dropped.
pub(crate) async fn come(registry: Registry, client: Client, sales: Sales) {
    let mut crowd = JoinSet::new();
    let mut pace = interval(PACE);
    // After a pause of this process there is no crowd of those who would have come.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u64.. {
        pace.tick().await;
        while crowd.try_join_next().is_some() {}
        if crowd.len() == CROWD {
            sales.metrics.purchased(Outcome::Shed, Duration::ZERO);
            continue;
        }
        let (registry, client, sales) = (registry.clone(), client.clone(), sales.clone());
        let span = info_span!(
            "call",
            otel.kind = "client",
            upstream = STOREFRONT,
            outcome = Empty
        );
        let purchase = async move {
            let since = sales.clock.mono();
            let bought = tokio::time::timeout(PATIENCE, buy(&registry, &client, number)).await;
            let outcome = match bought {
                Ok(true) => Outcome::Ok,
                Ok(false) => Outcome::Error,
                Err(_) => Outcome::Timeout,
            };
            sales.record(since, outcome);
        };
        crowd.spawn(purchase.instrument(span));
    }
}

async fn buy(registry: &Registry, client: &Client, number: u64) -> bool {
    let Some(storefront) = registry.look_up(STOREFRONT).await else {
        return false;
    };
    let order = json!({ "customer": number % PEOPLE, "item": number % u64::from(ITEMS) });
    let request = client
        .post(format!("http://{storefront}/purchases"))
        .json(&order)
        .build();
    let Ok(mut request) = request else {
        return false;
    };
    inject(request.headers_mut());
    let answer = client.execute(request).await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
