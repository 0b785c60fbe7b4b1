//! The service behind a real server, asked by the generated client over real connections.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{net::SocketAddr, time::Duration};

use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Code, Streaming,
    transport::{Endpoint, Server},
};
use ward_grpc_health::{
    Health, ServingStatus,
    v1::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest,
        health_check_response::ServingStatus as Told, health_client::HealthClient,
    },
};

/// Nothing waited for takes this long on any machine; what takes longer is not coming.
const SOON: Duration = Duration::from_secs(20);

struct Running {
    health: Health,
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start() -> Running {
    let health = Health::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::builder().add_service(health.server());
    let task = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        let incoming = TcpListenerStream::new(listener);
        server
            .serve_with_incoming_shutdown(incoming, stopped)
            .await
            .unwrap();
    });
    Running {
        health,
        addr,
        stop,
        task,
    }
}

impl Running {
    fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.addr)).unwrap()
    }

    async fn watch(&self, name: &str) -> Streaming<HealthCheckResponse> {
        watch(self.endpoint(), name).await
    }
}

async fn watch(endpoint: Endpoint, name: &str) -> Streaming<HealthCheckResponse> {
    let mut client = HealthClient::connect(endpoint).await.unwrap();
    client.watch(request(name)).await.unwrap().into_inner()
}

fn request(name: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: name.into() }
}

/// The next status, or `None` at a clean end.
async fn next(watch: &mut Streaming<HealthCheckResponse>) -> Option<Told> {
    let message = timeout(SOON, watch.message()).await.expect("news").unwrap();
    message.map(|message| message.status())
}

#[tokio::test]
async fn calls_answer_as_specified() {
    let server = start().await;
    server.health.set("shop", ServingStatus::NotServing);
    let mut client = HealthClient::connect(server.endpoint()).await.unwrap();
    let status = |name| {
        let mut client = client.clone();
        async move {
            client
                .check(request(name))
                .await
                .map(|answer| answer.get_ref().status())
        }
    };
    assert_eq!(status("").await.unwrap(), Told::Serving);
    assert_eq!(status("shop").await.unwrap(), Told::NotServing);
    assert_eq!(status("Shop").await.unwrap_err().code(), Code::NotFound);
    let all = client.list(HealthListRequest {}).await.unwrap().into_inner();
    let names: Vec<_> = all.statuses.keys().map(String::as_str).collect();
    assert_eq!(names, ["", "shop"]);
}

#[tokio::test]
async fn an_unknown_name_is_told_on_an_open_stream_when_it_comes_and_when_it_goes() {
    let server = start().await;
    let mut watch = server.watch("shop").await;
    assert_eq!(next(&mut watch).await, Some(Told::ServiceUnknown));
    server.health.set("shop", ServingStatus::Serving);
    assert_eq!(next(&mut watch).await, Some(Told::Serving));
    server.health.set("shop", ServingStatus::Serving);
    server.health.set("shop", ServingStatus::NotServing);
    assert_eq!(next(&mut watch).await, Some(Told::NotServing));
    server.health.remove("shop");
    assert_eq!(next(&mut watch).await, Some(Told::ServiceUnknown));
    assert_eq!(server.health.watches(), 1);
    drop(watch);
    timeout(SOON, async {
        while server.health.watches() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("who hangs up is noticed");
}

#[tokio::test]
async fn a_drain_is_told_to_all_and_lets_the_server_stop() {
    let server = start().await;
    let mut watches = Vec::new();
    for name in ["", "shop"] {
        let mut watch = server.watch(name).await;
        next(&mut watch).await;
        watches.push(watch);
    }
    server.health.drain();
    server.health.set("", ServingStatus::Serving);
    for watch in &mut watches {
        assert_eq!(next(watch).await, Some(Told::NotServing));
        assert_eq!(next(watch).await, None);
    }
    let mut late = server.watch("").await;
    assert_eq!(next(&mut late).await, Some(Told::NotServing));
    assert_eq!(next(&mut late).await, None);
    drop(server.stop);
    timeout(SOON, server.task)
        .await
        .expect("no watch holds the server")
        .unwrap();
}

/// One client does not read, on a connection whose window holds a few messages. Another hears of each change at once.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_changes_pass_by_one_who_does_not_read() {
    const CHANGES: usize = 10_000;
    let server = start().await;
    let narrow = server.endpoint().initial_stream_window_size(64);
    let mut slow = watch(narrow, "shop").await;
    let mut quick = server.watch("shop").await;
    assert_eq!(next(&mut quick).await, Some(Told::ServiceUnknown));
    for change in 0..CHANGES {
        let (set, told) = if change % 2 == 0 {
            (ServingStatus::NotServing, Told::NotServing)
        } else {
            (ServingStatus::Serving, Told::Serving)
        };
        server.health.set("shop", set);
        // It is told each of them, since it waits for each.
        assert_eq!(next(&mut quick).await, Some(told), "change {change}");
    }
    server.health.remove("shop");
    let mut told = Vec::new();
    while told.last() != Some(&Told::ServiceUnknown) || told.len() < 2 {
        told.push(next(&mut slow).await.expect("it is still open"));
    }
    assert!(told.len() < 100, "{} messages had been kept for it", told.len());
    assert!(told.windows(2).all(|two| two[0] != two[1]), "{told:?}");
}
