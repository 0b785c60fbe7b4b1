//! What an aggregator can be told.
//!
//! What differs between installations comes from a [`Source`]; the rest are guards and paces, which are in no file: only a
//! test changes them.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use ward_access::Policy;
use ward_chassis::{Limits, TlsFiles, telemetry};
use ward_config::{Aggregator, Alerting, Errors, Service, Settings, Source, Store};
use ward_model::Name;

use crate::{ClientLimits, HttpLimits};

/// What an aggregator is called in traces, unless `OTEL_SERVICE_NAME` has another name.
pub const SERVICE: &str = "ward-aggregator";

/// How one aggregator is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where gRPC is served; port 0 lets the system choose.
    pub grpc: SocketAddr,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// A directory of its own, held while it runs.
    pub data_dir: PathBuf,
    /// Listen beyond loopback although nobody has to prove who they are.
    pub insecure: bool,
    /// The files of TLS. With them both listeners speak it, and whoever calls has to prove who they are.
    pub tls: Option<TlsFiles>,
    /// Who may do what, where they prove who they are.
    pub access: Policy,
    /// Tell details of internal errors to who caused them.
    pub debug: bool,
    /// Tell clients of `grpc.health.v1` that what is degraded is serving.
    pub degraded_is_serving: bool,
    /// Web pages of these origins may read the HTTP API.
    pub cors_origins: Vec<String>,
    /// Names that this server is asked for by over HTTP, beside those that no web page can have.
    pub hosts: Vec<String>,
    /// Where history and what is last known are kept, and for how long.
    pub store: Store,
    /// What is said about services; it wins over what they say themselves.
    pub services: BTreeMap<Name, Service>,
    /// Rules, and who is told of what they find.
    pub alerting: Alerting,
    /// Counts the lines and spans that this process did not get rid of.
    pub lost: telemetry::Lost,
    /// Where a reload reads again. Without one there is nothing to reload.
    pub source: Option<Source>,
    /// What one peer may cost.
    pub limits: Limits,
    /// What one client of HTTP may cost.
    pub http_limits: HttpLimits,
    /// What one client may have open and decided, whatever it speaks.
    pub client_limits: ClientLimits,
    /// How the engine judges.
    pub engine: ward_engine::Config,
    /// A watcher hears something at least this often.
    pub bookmark_every: Duration,
    /// A watcher that is behind and reads nothing for so long is ended; then its connection is cut.
    pub stall_after: Duration,
}

impl Config {
    /// The defaults, in this data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Settings {
            aggregator: Aggregator::new(data_dir),
            ..Settings::default()
        }
        .into()
    }

    /// What `source` says, now and whenever it is read again.
    ///
    /// # Errors
    ///
    /// All that is wrong in it.
    pub fn load(source: Source) -> Result<Self, Errors> {
        let loaded = source.load()?;
        loaded
            .warnings
            .iter()
            .for_each(|warning| tracing::warn!("{warning}"));
        Ok(Self {
            source: Some(source),
            ..loaded.settings.into()
        })
    }

    /// The part of it that a source can say.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            aggregator: Aggregator {
                grpc: self.grpc,
                http: self.http,
                data_dir: self.data_dir.clone(),
                insecure: self.insecure,
                server_cert: self.tls.as_ref().map(|tls| tls.cert.clone()),
                server_key: self.tls.as_ref().map(|tls| tls.key.clone()),
                client_ca: self.tls.as_ref().and_then(|tls| tls.client_ca.clone()),
                client_crl: self.tls.as_ref().and_then(|tls| tls.crl.clone()),
                debug: self.debug,
                degraded_is_serving: self.degraded_is_serving,
                cors_origins: self.cors_origins.clone(),
                hosts: self.hosts.clone(),
            },
            store: self.store.clone(),
            services: self.services.clone(),
            access: self.access.clone(),
            alerting: self.alerting.clone(),
        }
    }
}

/// The files that settings name.
fn tls(own: &Aggregator) -> Option<TlsFiles> {
    Some(TlsFiles {
        cert: own.server_cert.clone()?,
        key: own.server_key.clone()?,
        client_ca: own.client_ca.clone(),
        crl: own.client_crl.clone(),
    })
}

impl From<Settings> for Config {
    fn from(settings: Settings) -> Self {
        let own = settings.aggregator;
        let tls = tls(&own);
        Self {
            tls,
            access: settings.access,
            grpc: own.grpc,
            http: own.http,
            data_dir: own.data_dir,
            insecure: own.insecure,
            debug: own.debug,
            degraded_is_serving: own.degraded_is_serving,
            cors_origins: own.cors_origins,
            hosts: own.hosts,
            store: settings.store,
            services: settings.services,
            alerting: settings.alerting,
            lost: telemetry::Lost::default(),
            source: None,
            limits: Limits::default(),
            http_limits: HttpLimits::default(),
            client_limits: ClientLimits::default(),
            engine: ward_engine::Config::default(),
            bookmark_every: Duration::from_secs(10),
            stall_after: Duration::from_secs(60),
        }
    }
}
