//! An aggregator to talk to, and those who talk to it.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};
use ward_aggregator::{App, ClientLimits, Config, Rate};
use ward_config::{Key, Source};
use ward_proto::v1::{self, health_service_client::HealthServiceClient, watch_response::Event};

/// Nothing waited for takes this long on any machine; what takes longer is not coming.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Aggregator {
    pub(crate) app: App,
    pub(crate) home: tempfile::TempDir,
}

/// On free ports, in a directory of its own.
pub(crate) fn config(home: &tempfile::TempDir) -> Config {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Config {
        grpc: any,
        http: any,
        ..Config::new(home.path())
    }
}

pub(crate) async fn start() -> Aggregator {
    start_with(|config| config).await
}

/// Where one client may change things as often as it likes, and as fast as they are decided.
pub(crate) async fn start_unbounded() -> Aggregator {
    start_with(|config| Config {
        client_limits: ClientLimits::unguarded(),
        ..config
    })
    .await
}

pub(crate) async fn start_with(change: impl FnOnce(Config) -> Config) -> Aggregator {
    // reqwest makes no client without one, for plain HTTP neither. Any test may have been the first.
    drop(rustls::crypto::ring::default_provider().install_default());
    let home = tempfile::tempdir().unwrap();
    let app = App::start(change(config(&home))).await.unwrap();
    Aggregator { app, home }
}

/// With a file that says `text`, under flags for ports and the directory.
pub(crate) async fn start_configured(text: &str) -> Aggregator {
    drop(rustls::crypto::ring::default_provider().install_default());
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("ward.toml");
    std::fs::write(&file, text).unwrap();
    let any = || "127.0.0.1:0".to_owned();
    let data = home.path().join("data").to_string_lossy().into_owned();
    let source = Source {
        file: Some(file),
        env: Vec::new(),
        flags: vec![(Key::Grpc, any()), (Key::Http, any()), (Key::DataDir, data)],
    };
    let app = App::start(Config::load(source).unwrap()).await.unwrap();
    Aggregator { app, home }
}

pub(crate) fn rate(burst: u32, per_second: u32) -> Rate {
    Rate {
        burst: NonZeroU32::new(burst).unwrap(),
        per_second: NonZeroU32::new(per_second).unwrap(),
    }
}

impl Aggregator {
    /// Writes what is read at the next reload.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(self.home.path().join("ward.toml"), text).unwrap();
    }

    pub(crate) async fn client(&self) -> HealthServiceClient<Channel> {
        let address = format!("http://{}", self.app.grpc_addr());
        HealthServiceClient::connect(address).await.unwrap()
    }

    /// A stream of reports on a connection of its own.
    pub(crate) async fn reporter(&self) -> Reporter {
        Reporter::at(self.app.grpc_addr()).await
    }

    pub(crate) async fn watch(&self, request: v1::WatchRequest) -> Watch {
        Watch {
            events: self.client().await.watch(request).await.unwrap().into_inner(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.app.http_addr())
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(self.url(path)).await.unwrap()
    }

    /// The value of one series.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").await.text().await.unwrap();
        let values = text
            .lines()
            .filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        values.map(|value| value.parse().unwrap()).next().unwrap_or(0.0)
    }

    pub(crate) async fn service(&self, name: &str) -> v1::GetServiceResponse {
        let request = v1::GetServiceRequest { name: name.into() };
        self.client()
            .await
            .get_service(request)
            .await
            .unwrap()
            .into_inner()
    }

    pub(crate) async fn status_of(&self, name: &str) -> v1::Status {
        self.service(name)
            .await
            .service
            .unwrap()
            .condition
            .unwrap()
            .status()
    }
}

/// A way to `to` that breaks when the task is aborted.
pub(crate) async fn breakable(to: SocketAddr) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let carrying = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(to).await.unwrap();
        drop(copy_bidirectional(&mut near, &mut far).await);
    });
    (address, carrying)
}

/// Waits for a level: asks again until `look` finds it.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, looking)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {SOON:?}"))
}

pub(crate) struct Reporter {
    pub(crate) requests: mpsc::Sender<v1::ReportRequest>,
    pub(crate) answers: Streaming<v1::ReportResponse>,
}

impl Reporter {
    pub(crate) async fn at(address: SocketAddr) -> Self {
        let (requests, out) = mpsc::channel(16);
        let mut client = HealthServiceClient::connect(format!("http://{address}"))
            .await
            .unwrap();
        let answers = client
            .report(ReceiverStream::new(out))
            .await
            .unwrap()
            .into_inner();
        Self { requests, answers }
    }

    pub(crate) async fn send(&self, request: v1::ReportRequest) {
        self.requests.send(request).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> v1::ReportResponse {
        timeout(SOON, self.answers.message())
            .await
            .expect("an answer")
            .unwrap()
            .expect("not the end")
    }

    /// Sends a hello and returns its handle.
    pub(crate) async fn hello(&mut self, hello: v1::Hello) -> u32 {
        self.send(v1::ReportRequest {
            hellos: vec![hello],
            ..Default::default()
        })
        .await;
        let answer = self.next().await;
        assert_eq!(answer.rejections, [], "not taken");
        answer.registrations[0].handle
    }

    pub(crate) async fn update(&self, update: v1::Update) {
        self.send(v1::ReportRequest {
            updates: vec![update],
            ..Default::default()
        })
        .await;
    }

    /// Sends a bad part and returns how it was refused.
    pub(crate) async fn refused(&mut self, request: v1::ReportRequest) -> v1::Rejection {
        self.send(request).await;
        let answer = self.next().await;
        assert_eq!(answer.rejections.len(), 1, "{answer:?}");
        answer.rejections[0].clone()
    }

    pub(crate) async fn hello_refused(&mut self, hello: v1::Hello) -> v1::Rejection {
        self.refused(v1::ReportRequest {
            hellos: vec![hello],
            ..Default::default()
        })
        .await
    }
}

pub(crate) struct Watch {
    pub(crate) events: Streaming<v1::WatchResponse>,
}

impl Watch {
    pub(crate) async fn next(&mut self) -> Event {
        let message = timeout(SOON, self.events.message())
            .await
            .expect("an event")
            .unwrap();
        message.expect("not the end").event.unwrap()
    }

    /// The next delta; bookmarks are passed over.
    pub(crate) async fn delta(&mut self) -> v1::Delta {
        loop {
            match self.next().await {
                Event::Delta(delta) => return delta,
                Event::Bookmark(_) => {}
                Event::Closing(closing) => panic!("closed: {closing:?}"),
            }
        }
    }

    /// Reads on until a delta has this service in this status.
    pub(crate) async fn until(&mut self, service: &str, status: v1::Status) -> v1::Delta {
        loop {
            let delta = self.delta().await;
            let found = delta.entities.iter().any(|entity| match &entity.state {
                Some(v1::entity::State::Service(state)) => {
                    state.name == service && state.condition.as_ref().unwrap().status() == status
                }
                _ => false,
            });
            if found {
                return delta;
            }
        }
    }
}

/// An instance `one` of a service with a check `work` that says this.
pub(crate) fn hello(service: &str, status: v1::Status) -> v1::Hello {
    v1::Hello {
        service: service.into(),
        instance: "one".into(),
        incarnation: "first".into(),
        interval_ms: 1_000,
        criticality: v1::Criticality::Critical.into(),
        sequence: 1,
        results: vec![result(status)],
        ..Default::default()
    }
}

pub(crate) fn result(status: v1::Status) -> v1::CheckResult {
    v1::CheckResult {
        name: "work".into(),
        status: status.into(),
        message: "says so".into(),
    }
}

pub(crate) fn update(handle: u32, sequence: u64, status: v1::Status) -> v1::Update {
    v1::Update {
        handle,
        sequence,
        results: vec![result(status)],
        ..Default::default()
    }
}
