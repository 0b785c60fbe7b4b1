//! What is in force: checked, complete, and free of how it was written.

mod alerting;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use etcetera::BaseStrategy;
use ward_access::Policy;
use ward_engine::Declaration;
use ward_model::Name;

use crate::{
    value::{DatabaseUrl, Text},
    window::Window,
};

pub use alerting::{Alerting, Auth, Receiver, Webhook};

/// Where gRPC is served when nothing else is said.
pub const GRPC_PORT: u16 = 7700;
/// Where HTTP is served when nothing else is said.
pub const HTTP_PORT: u16 = 7780;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// How the aggregator itself is run.
    pub aggregator: Aggregator,
    /// What is remembered, and for how long.
    pub store: Store,
    /// What is said about services; it wins over what they say themselves.
    pub services: BTreeMap<Name, Service>,
    /// Who may do what.
    pub access: Policy,
    /// Rules, and who is told of what they find.
    pub alerting: Alerting,
}

/// How the aggregator itself is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregator {
    /// Where gRPC is served; port 0 lets the system choose.
    pub grpc: SocketAddr,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// A directory of its own, held while it runs.
    pub data_dir: PathBuf,
    /// Listen beyond loopback although nobody has to prove who they are.
    pub insecure: bool,
    /// The certificate of the aggregator, with its chain. With it both listeners speak TLS and callers prove who they are.
    pub server_cert: Option<PathBuf>,
    /// Its key.
    pub server_key: Option<PathBuf>,
    /// Authorities whose certificates prove who a caller is.
    pub client_ca: Option<PathBuf>,
    /// What those have revoked.
    pub client_crl: Option<PathBuf>,
    /// Tell details of internal errors to who caused them.
    pub debug: bool,
    /// Tell clients of `grpc.health.v1` that what is degraded is serving.
    pub degraded_is_serving: bool,
    /// Web pages of these origins (`https://example.org`, or `*`) may read the HTTP API. None unless told.
    pub cors_origins: Vec<String>,
    /// Names that this server is asked for by over HTTP (`ward.example.org`, `*.internal`, or `*`), beside those that no
    /// web page can have.
    pub hosts: Vec<String>,
}

/// What is remembered, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// A PostgreSQL database, instead of a file in the data directory.
    pub url: Option<DatabaseUrl>,
    /// A file with its address in it.
    pub url_file: Option<PathBuf>,
    /// How long each transition is kept.
    pub keep_history: Duration,
    /// How long figures of days are kept.
    pub keep_days: Duration,
    /// How long what rules saw is kept.
    pub keep_recorded: Duration,
}

impl Default for Store {
    /// In the data directory: a quarter of a year of transitions, a year and a month of days, and of what rules saw a week
    /// and a day, so that a whole week can be replayed.
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 24 * 3_600);
        Self {
            url: None,
            url_file: None,
            keep_history: days(90),
            keep_days: days(400),
            keep_recorded: days(8),
        }
    }
}

impl Store {
    /// The database that is named, from the file if it stands there; `None` if it is to be one of our own.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds no address. Its text is not told.
    pub fn address(&self) -> io::Result<Option<DatabaseUrl>> {
        let Some(path) = &self.url_file else {
            return Ok(self.url.clone());
        };
        let mut text = String::new();
        File::open(path)?
            .take(ADDRESS_FILE_BYTES)
            .read_to_string(&mut text)?;
        let address = <DatabaseUrl as Text>::parse(text.trim());
        address.map(Some).map_err(|wrong| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}, expected {}", wrong.message, DatabaseUrl::EXPECTED),
            )
        })
    }
}

/// Longer than any address.
const ADDRESS_FILE_BYTES: u64 = 4_096;

/// What is said about one service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// What the engine is told.
    pub declaration: Declaration,
    /// For this service, instead of the aggregator's.
    pub degraded_is_serving: Option<bool>,
    /// When it is planned to be in maintenance.
    pub maintenance: Vec<Window>,
}

impl Default for Aggregator {
    /// On loopback, in the data directory of this user; in `ward-data` below the working directory for one without a
    /// home.
    fn default() -> Self {
        let home = etcetera::choose_base_strategy().map(|strategy| strategy.data_dir().join("ward"));
        Self::new(home.unwrap_or_else(|_| PathBuf::from("ward-data")))
    }
}

impl Aggregator {
    /// The files of TLS, by their keys.
    pub(crate) fn tls(&self) -> [(&'static str, &Option<PathBuf>); 4] {
        [
            ("server_cert", &self.server_cert),
            ("server_key", &self.server_key),
            ("client_ca", &self.client_ca),
            ("client_crl", &self.client_crl),
        ]
    }

    /// The defaults, in this data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            grpc: (Ipv4Addr::LOCALHOST, GRPC_PORT).into(),
            http: (Ipv4Addr::LOCALHOST, HTTP_PORT).into(),
            data_dir: data_dir.into(),
            insecure: false,
            server_cert: None,
            server_key: None,
            client_ca: None,
            client_crl: None,
            debug: false,
            degraded_is_serving: true,
            cors_origins: Vec::new(),
            hosts: Vec::new(),
        }
    }
}
