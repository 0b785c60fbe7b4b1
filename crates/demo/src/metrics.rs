//! What a process of the shop shows at `/metrics`, in OpenMetrics: requests, calls, its cache, its pools, its memory.
//!
//! Prometheus gives each process the label `service`, so none stands here. Labels are routes, names of the plan and a few
//! words: bounded. What health reads is measured apart, in windows (`measure`, `upstream`): a histogram since the start
//! says nothing about the last ten seconds. Pings are not counted: they come from health, and are no trade.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text::encode},
    metrics::{counter::Counter, exemplar::HistogramWithExemplars, family::Family, gauge::ConstGauge},
    registry::Registry,
};
use ward_chassis::telemetry::{Exemplar, exemplar};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From 1 ms, as one request on loopback takes, to 8 s: who has left, after nine, is beyond.
const BUCKETS: [f64; 13] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0,
];

type Label = [(&'static str, &'static str); 1];
type Labels = [(&'static str, &'static str); 2];
type Histogram = HistogramWithExemplars<Exemplar>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Served {
    route: String,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// How a call, or a purchase, went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Error,
    Timeout,
    /// A customer who did not come in, so many were waiting already.
    Shed,
}

/// What became of a look into the cache of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// It was there, and fresh.
    Hit,
    /// It had to be asked for.
    Miss,
    /// It was there and no longer fresh, and nobody was there to ask.
    Stale,
}

/// Connections of one pool at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) idle: usize,
    pub(crate) used: usize,
    pub(crate) most: usize,
    pub(crate) waiting: usize,
}

/// Something with a bounded number of connections.
pub(crate) trait Pooled: fmt::Debug + Send + Sync + 'static {
    /// Its name, as Ward knows what it leads to.
    fn name(&self) -> &'static str;
    fn usage(&self) -> Usage;
}

/// The figures of one process. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    requests: Family<Served, Counter>,
    request_duration: Histograms<Route>,
    calls: Family<Labels, Counter>,
    call_duration: Histograms<Label>,
    lookups: Family<Label, Counter>,
    purchases: Family<Label, Counter>,
    purchase_duration: Histograms<[(&'static str, &'static str); 0]>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            request_duration: Family::new_with_constructor(histogram),
            calls: Family::default(),
            call_duration: Family::new_with_constructor(histogram),
            lookups: Family::default(),
            purchases: Family::default(),
            purchase_duration: Family::new_with_constructor(histogram),
        }
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS.into_iter())
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Shed => "shed",
        }
    }
}

impl Metrics {
    /// A request was answered, within its span.
    pub(crate) fn served(&self, route: &str, code: u16, took: Duration) {
        let served = Served {
            route: route.into(),
            code,
        };
        self.requests.get_or_create(&served).inc();
        let route = Route { route: route.into() };
        observe(&self.request_duration.get_or_create(&route), took);
    }

    /// A call to another ended, within its span.
    pub(crate) fn called(&self, upstream: &'static str, outcome: Outcome, took: Duration) {
        let labels = [("upstream", upstream), ("outcome", outcome.as_str())];
        self.calls.get_or_create(&labels).inc();
        observe(&self.call_duration.get_or_create(&[("upstream", upstream)]), took);
    }

    /// Something was looked up in the cache.
    pub(crate) fn looked_up(&self, lookup: Lookup) {
        let result = match lookup {
            Lookup::Hit => "hit",
            Lookup::Miss => "miss",
            Lookup::Stale => "stale",
        };
        self.lookups.get_or_create(&[("result", result)]).inc();
    }

    /// A purchase ended, within its span.
    pub(crate) fn purchased(&self, outcome: Outcome, took: Duration) {
        self.purchases
            .get_or_create(&[("outcome", outcome.as_str())])
            .inc();
        if outcome != Outcome::Shed {
            observe(&self.purchase_duration.get_or_create(&[]), took);
        }
    }

    /// The route `/metrics`, of these, the pools, and what `more` has. Names without a series are left out.
    pub(crate) fn routes(&self, pools: Vec<Arc<dyn Pooled>>, more: Option<Box<dyn Collector>>) -> Router {
        let mut registry = Registry::default();
        let r = &mut registry;
        r.register(
            "shop_requests",
            "Requests answered, pings left out",
            self.requests.clone(),
        );
        r.register(
            "shop_request_duration_seconds",
            "Time to answer a request",
            self.request_duration.clone(),
        );
        r.register("shop_upstream_requests", "Calls to another", self.calls.clone());
        r.register(
            "shop_upstream_duration_seconds",
            "Time of a call to another",
            self.call_duration.clone(),
        );
        r.register(
            "shop_cache_lookups",
            "Looks into the cache of the catalogue",
            self.lookups.clone(),
        );
        r.register(
            "shop_purchases",
            "Purchases tried by customers",
            self.purchases.clone(),
        );
        r.register(
            "shop_purchase_duration_seconds",
            "Time of a purchase, as its customer sees it",
            self.purchase_duration.clone(),
        );
        r.register_collector(Box::new(Present { pools }));
        if let Some(more) = more {
            r.register_collector(more);
        }
        let registry = Arc::new(registry);
        Router::new().route("/metrics", get(move || async move { scrape(&registry) }))
    }
}

/// The trace that shows a sample is that of the span in which it is taken.
fn observe(histogram: &Histogram, took: Duration) {
    histogram.observe(took.as_secs_f64(), exemplar(), None);
}

fn scrape(registry: &Registry) -> Response {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "failed to encode metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What is as it is when somebody asks: pools and memory.
#[derive(Debug)]
struct Present {
    pools: Vec<Arc<dyn Pooled>>,
}

impl Collector for Present {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(resident) = resident_bytes() {
            let gauge = ConstGauge::new(resident);
            let (name, help) = ("process_resident_memory_bytes", "Memory in use");
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let usages: Vec<_> = self
            .pools
            .iter()
            .map(|pool| (pool.name(), pool.usage()))
            .collect();
        if usages.is_empty() {
            return Ok(());
        }
        let labels = |state: &'static str| {
            usages
                .iter()
                .map(move |(name, _)| [("pool", *name), ("state", state)])
        };
        let (idle, used): (Vec<_>, Vec<_>) = (labels("idle").collect(), labels("used").collect());
        let plain: Vec<_> = usages.iter().map(|(name, _)| [("pool", *name)]).collect();
        let series = usages.iter().enumerate();
        let by_state: Vec<_> = series
            .flat_map(|(n, (_, usage))| {
                [
                    (&idle[n][..], usage.idle as u64),
                    (&used[n][..], usage.used as u64),
                ]
            })
            .collect();
        gauge(
            &mut encoder,
            "shop_pool_connections",
            "Connections of a pool",
            &by_state,
        )?;
        let of = |figure: fn(&Usage) -> usize| {
            let one = |(n, (_, usage)): (usize, &(&str, Usage))| (&plain[n][..], figure(usage) as u64);
            usages.iter().enumerate().map(one).collect::<Vec<_>>()
        };
        gauge(
            &mut encoder,
            "shop_pool_max",
            "Most connections of a pool",
            &of(|usage| usage.most),
        )?;
        gauge(
            &mut encoder,
            "shop_pool_waiting",
            "Who waits for a connection of a pool",
            &of(|usage| usage.waiting),
        )
    }
}

type Series<'a> = (&'a [(&'static str, &'static str)], u64);

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, series: &[Series<'_>]) -> fmt::Result {
    let kind = ConstGauge::new(0_u64).metric_type();
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in series {
        ConstGauge::new(*value).encode(family.encode_family(labels)?)?;
    }
    Ok(())
}

/// From `/proc`, which says kilobytes; `None` where there is none.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}
