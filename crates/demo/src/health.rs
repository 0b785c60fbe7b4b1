//! How a member tells Ward of its health: as any service would, with the sdk.
//!
//! It only hands on what `measure` and `upstream` see. It does not know what faults there are, and does not read Ward's
//! verdicts.

use std::{net::SocketAddr, time::Duration};

use axum::Router;
use prometheus_client::collector::Collector;
use reqwest::Client;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use ward_model::DependencyKind;
use ward_sdk::{Builder, Check, Credentials, Reporter, Signal, StartError, Verdict};

use crate::{
    measure::Served,
    plan::{Member, Need},
    trade::Needs,
    upstream::{PING, Upstream},
};

/// How often a member is heard: often enough that a newcomer need not wait, as often as is usual in a cluster.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often a member looks at itself and at others. Two results in a row are believed.
const PERIOD: Duration = Duration::from_millis(500);
const BELIEVED: u32 = 2;
/// How long a member may take to answer itself, and how long a check may take: room for the ping to time out first.
const SELF_PING: Duration = Duration::from_secs(1);
const CHECK_TIMEOUT: Duration = Duration::from_millis(1_300);

const ERROR_RATIO: &str = "error_ratio";
const LATENCY: &str = "latency_p99_seconds";

/// To whom a member reports, and as which instance.
#[derive(Clone, Debug)]
pub(crate) enum Reports {
    /// To the demo's own aggregator, which asks for no credentials, whatever the environment has for others.
    Demo(String),
    /// To the one that the environment names, as any service does.
    Environment { instance: String },
}

impl Reports {
    fn begin(&self, name: &str) -> Builder {
        let builder = Reporter::builder(name);
        match self {
            // It is the same one when it is started again.
            Self::Demo(server) => builder
                .server(server)
                .credentials(Credentials::default())
                .instance("1"),
            Self::Environment { instance } => builder.instance(instance),
        }
    }
}

/// A member's reports are under way.
#[derive(Debug)]
pub(crate) struct Reporting {
    reporter: Reporter,
    /// Sets the signals; ends when dropped.
    _measuring: JoinSet<()>,
}

impl Reporting {
    /// Starts to report; the member answers at `address` from now on, or soon.
    pub(crate) fn start(
        member: &'static Member,
        reports: &Reports,
        address: SocketAddr,
        needs: &Needs,
        served: &Served,
        client: Client,
    ) -> Result<Self, StartError> {
        let about_itself = reports
            .begin(member.name)
            .version(env!("CARGO_PKG_VERSION"))
            .interval(INTERVAL)
            .criticality(member.criticality)
            .signal(
                Signal::new(ERROR_RATIO)
                    .degraded(0.01, 0.005)
                    .unhealthy(0.05, 0.03),
            )
            .signal(Signal::new(LATENCY).degraded(0.4, 0.3).unhealthy(0.8, 0.6))
            .check(answers(address, client));
        let about_others = needs.iter().fold(about_itself, about_another);
        let backed = needs.backing.checks().into_iter().map(rhythm);
        let reporter = backed.fold(about_others, Builder::check).start()?;
        let mut measuring = JoinSet::new();
        measuring.spawn(set_signals(reporter.clone(), served.clone()));
        Ok(Self {
            reporter,
            _measuring: measuring,
        })
    }

    /// The probes every service has: `/livez`, `/readyz` and so on.
    pub(crate) fn routes(&self) -> Router {
        self.reporter.probe_routes()
    }

    /// What the reporter shows at `/metrics`.
    pub(crate) fn collector(&self) -> Box<dyn Collector> {
        Box::new(self.reporter.collector())
    }

    /// Leaves cleanly.
    pub(crate) async fn goodbye(self) {
        self.reporter.shutdown().await;
    }
}

fn about_another(builder: Builder, upstream: &Upstream) -> Builder {
    let Need { name, kind, .. } = upstream.need();
    let seen = upstream.clone();
    let check = Check::new(*name, move || {
        let seen = seen.clone();
        async move {
            let (status, message) = seen.check().await;
            Verdict::new(status, message)
        }
    });
    let check = rhythm(check.subject(*name));
    // A check about another is a dependency on it; declaring it as well shows it before the first result.
    let declared = Member::find(name).is_some_and(Member::reports);
    match kind {
        DependencyKind::Hard if declared => builder.hard(*name).check(check),
        DependencyKind::Hard => builder.check(check),
        DependencyKind::Soft => builder.soft(*name).check(check.advisory()),
    }
}

/// Whether the member answers at all, be it with an error: what a hung one does not.
fn answers(address: SocketAddr, client: Client) -> Check {
    let check = Check::new("answers", move || {
        let asked = client.get(format!("http://{address}{PING}")).send();
        async move {
            match timeout(SELF_PING, asked).await {
                Ok(Ok(_)) => Verdict::healthy(),
                Ok(Err(_)) => Verdict::unhealthy("cannot be connected to"),
                Err(_) => Verdict::unhealthy(format!("no answer within {SELF_PING:?}")),
            }
        }
    });
    rhythm(check)
}

fn rhythm(check: Check) -> Check {
    check
        .period(PERIOD)
        .timeout(CHECK_TIMEOUT)
        .debounce(BELIEVED, BELIEVED)
}

async fn set_signals(reporter: Reporter, served: Served) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let figures = served.figures();
        reporter.signal(ERROR_RATIO).set(figures.failed_ratio());
        reporter.signal(LATENCY).set(figures.p99.as_secs_f64());
    }
}
