//! What the aggregator can be told, and the file it can be told in.
//!
//! The file sets what differs between installations. Limits are not in it: they are guards, and only a test loosens
//! them.

mod file;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use etcetera::BaseStrategy;
use ward_chassis::Limits;
use ward_engine::Declaration;
use ward_model::Name;

pub use file::ConfigError;

/// Where gRPC is served when nothing else is said.
pub const GRPC_PORT: u16 = 7700;
/// Where HTTP is served when nothing else is said.
pub const HTTP_PORT: u16 = 7780;

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
    /// Tell details of internal errors to who caused them.
    pub debug: bool,
    /// What one peer may cost.
    pub limits: Limits,
    /// How the engine judges.
    pub engine: ward_engine::Config,
    /// What the file says about services; it wins over what they say themselves.
    pub services: BTreeMap<Name, Declaration>,
    /// What `grpc.health.v1` answers about what is degraded.
    pub serving: Serving,
    /// A watcher hears something at least this often.
    pub bookmark_every: Duration,
    /// A watcher that is behind and reads nothing for so long is ended.
    pub stall_after: Duration,
}

/// Whether what is degraded is serving, for clients of `grpc.health.v1`, who know two answers only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// For the system, and for services of which nothing is said below.
    pub degraded_is_serving: bool,
    /// For these services.
    pub services: BTreeMap<Name, bool>,
}

impl Default for Serving {
    /// It is: who is sent away from all that is degraded has nowhere to go.
    fn default() -> Self {
        Self {
            degraded_is_serving: true,
            services: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The defaults, in this data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            grpc: (Ipv4Addr::LOCALHOST, GRPC_PORT).into(),
            http: (Ipv4Addr::LOCALHOST, HTTP_PORT).into(),
            data_dir: data_dir.into(),
            insecure: false,
            debug: false,
            limits: Limits::default(),
            engine: ward_engine::Config::default(),
            services: BTreeMap::new(),
            serving: Serving::default(),
            bookmark_every: Duration::from_secs(10),
            stall_after: Duration::from_secs(60),
        }
    }

    /// The defaults, with what the file at `path` says in their place.
    ///
    /// # Errors
    ///
    /// It names the file, and the line, column and key where something in it is not as it must be.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        file::read(path, Self::default())
    }
}

impl Default for Config {
    /// In the data directory of this user; in `ward-data` below the working directory for one without a home.
    fn default() -> Self {
        let home = etcetera::choose_base_strategy().map(|strategy| strategy.data_dir().join("ward"));
        Self::new(home.unwrap_or_else(|_| PathBuf::from("ward-data")))
    }
}
