//! What the aggregator's file says about a service, and the reporters of it that were built without knowing.
//!
//! Both sides are the real ones over a real connection; what each of them does by itself is tested where it lives.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Interval, MissedTickBehavior, interval, timeout},
};
use tonic::transport::Channel;
use ward_aggregator::{App, Config};
use ward_config::{Key, Source};
use ward_proto::v1::{self, health_service_client::HealthServiceClient};
use ward_sdk::Reporter;

const LOOK: Duration = Duration::from_millis(20);
/// Twice the lease of an interval of 200 ms: 2.2 s.
const LOOKS: u32 = 220;
const SOON: Duration = Duration::from_secs(20);

async fn start(home: &Path, file: &str) -> App {
    let path = home.join("ward.toml");
    fs::write(&path, file).unwrap();
    let any = || "127.0.0.1:0".to_owned();
    let data = home.join("data").to_str().unwrap().to_owned();
    let source = Source {
        file: Some(path),
        env: Vec::new(),
        flags: vec![(Key::Grpc, any()), (Key::Http, any()), (Key::DataDir, data)],
    };
    App::start(Config::load(source).unwrap()).await.unwrap()
}

/// The one instance of the service, looked at every [`LOOK`].
struct Watched {
    client: HealthServiceClient<Channel>,
    looks: Interval,
}

impl Watched {
    async fn new(app: &App) -> Self {
        let address = format!("http://{}", app.grpc_addr());
        let client = HealthServiceClient::connect(address).await.unwrap();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { client, looks }
    }

    async fn look(&mut self) -> Option<v1::InstanceState> {
        self.looks.tick().await;
        let name = "payments".to_owned();
        let found = self.client.get_service(v1::GetServiceRequest { name });
        found.await.unwrap().into_inner().instances.pop()
    }

    async fn joined(&mut self) {
        let joining = async { while self.look().await.is_none() {} };
        timeout(SOON, joining).await.expect("registered in time");
    }

    /// For twice a lease it is never late.
    async fn stays_fresh(&mut self, interval_ms: u32) {
        for _ in 0..LOOKS {
            let instance = self.look().await.unwrap();
            assert_eq!(
                (instance.freshness(), instance.interval_ms),
                (v1::Freshness::Fresh, interval_ms)
            );
        }
    }
}

/// How many beats the aggregator has taken.
async fn beats(app: &App) -> u64 {
    let mut connection = TcpStream::connect(app.http_addr()).await.unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).await.unwrap();
    let mut values = text
        .lines()
        .filter_map(|line| line.strip_prefix("ward_beats_total "));
    values.next().expect("counted").parse().unwrap()
}

fn reporter(app: &App, interval: Duration) -> Reporter {
    Reporter::builder("payments")
        .server(app.grpc_addr().to_string())
        .interval(interval)
        .start()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reporter_beats_as_the_file_says_whatever_it_was_built_with() {
    let home = tempfile::tempdir().unwrap();
    let app = start(home.path(), "[services.payments]\ninterval = \"200ms\"\n").await;
    let _reporter = reporter(&app, Duration::from_secs(3_600));
    let mut watched = Watched::new(&app).await;
    watched.joined().await;
    watched.stays_fresh(200).await;
    assert!(app.stop().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_reaches_a_reporter_that_would_have_been_silent_for_an_hour() {
    let home = tempfile::tempdir().unwrap();
    let app = start(home.path(), "[services.payments]\n").await;
    let _reporter = reporter(&app, Duration::from_secs(3_600));
    let mut watched = Watched::new(&app).await;
    watched.joined().await;
    fs::write(
        home.path().join("ward.toml"),
        "[services.payments]\ninterval = \"200ms\"\n",
    )
    .unwrap();
    app.reload().await.unwrap();
    let beating = async {
        while beats(&app).await < 3 {
            watched.look().await;
        }
    };
    timeout(SOON, beating).await.expect("it beats");
    watched.stays_fresh(200).await;
    assert!(app.stop().await.is_clean());
}
