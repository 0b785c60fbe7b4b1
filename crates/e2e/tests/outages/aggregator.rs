//! The aggregator: this binary again, in a process of its own that can be stopped and killed.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tonic::transport::Channel;
use ward_aggregator::{App, Config};
use ward_proto::v1::{GetSystemRequest, SystemState, health_service_client::HealthServiceClient};

const DATA_DIR: &str = "WARD_OUTAGE_DATA_DIR";
const GUARDS: &str = "WARD_OUTAGE_GUARDS";
const ADDRS: &str = "WARD_OUTAGE_ADDRS";

pub(crate) type Client = HealthServiceClient<Channel>;

/// A running aggregator. Ends with its test.
pub(crate) struct Aggregator {
    process: Child,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Aggregator {
    /// On free ports.
    pub(crate) fn start(data_dir: &Path, guards: bool) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_at(data_dir, guards, any, any)
    }

    pub(crate) fn start_at(data_dir: &Path, guards: bool, grpc: SocketAddr, http: SocketAddr) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "aggregator::be_the_aggregator",
                "--ignored",
                "--nocapture",
            ])
            .env(DATA_DIR, data_dir)
            .env(GUARDS, if guards { "on" } else { "off" })
            .env(ADDRS, format!("{grpc} {http}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.as_mut().unwrap()).lines();
        let said = lines.map_while(Result::ok).find_map(|line| {
            let (_, addrs) = line.split_once("listening on ")?;
            let (grpc, http) = addrs.split_once(' ')?;
            Some((grpc.parse().unwrap(), http.parse().unwrap()))
        });
        let (grpc, http) = said.expect("the aggregator says where it listens");
        Self { process, grpc, http }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }

    /// Without a goodbye.
    pub(crate) fn kill(mut self) -> (SocketAddr, SocketAddr) {
        self.signal(Signal::SIGKILL);
        self.process.wait().unwrap();
        (self.grpc, self.http)
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(format!("http://{}", self.grpc)).await.unwrap()
    }

    /// The value of a metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        // reqwest makes no client without, for plain HTTP neither. Any test may have been the first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let text = reqwest::get(format!("http://{}/metrics", self.http))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse()
            .unwrap()
    }
}

impl Drop for Aggregator {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

pub(crate) async fn system(client: &mut Client) -> SystemState {
    client
        .get_system(GetSystemRequest {})
        .await
        .unwrap()
        .into_inner()
        .system
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "role: played by a process that a test starts"]
async fn be_the_aggregator() {
    let addrs = env::var(ADDRS).unwrap();
    let (grpc, http) = addrs.split_once(' ').unwrap();
    let mut config = Config::new(env::var(DATA_DIR).unwrap());
    (config.grpc, config.http) = (grpc.parse().unwrap(), http.parse().unwrap());
    config.engine.guards = env::var(GUARDS).unwrap() == "on";
    let app = App::start(config).await.unwrap();
    println!("\nlistening on {} {}", app.grpc_addr(), app.http_addr());
    let until_the_test_ends = || std::io::stdin().read_to_end(&mut Vec::new());
    drop(tokio::task::spawn_blocking(until_the_test_ends).await);
}
