//! What needs a look inside: failures that no input can cause.

use futures_util::stream;
use tokio::time::timeout;
use tonic::Code;
use ward_proto::v1::{self, health_service_client::HealthServiceClient};

use super::*;
use crate::access::Caller;

const SOON: Duration = Duration::from_secs(10);

/// reqwest makes no client without, for plain HTTP neither.
fn provide_tls() {
    // Any test may have been the first.
    drop(rustls::crypto::ring::default_provider().install_default());
}

async fn started(home: &tempfile::TempDir) -> App {
    provide_tls();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    App::start(Config {
        grpc: any,
        http: any,
        ..Config::new(home.path())
    })
    .await
    .unwrap()
}

async fn get_system(app: &App) -> Result<v1::GetSystemResponse, tonic::Status> {
    let address = format!("http://{}", app.grpc_addr());
    let mut client = HealthServiceClient::connect(address).await.unwrap();
    client
        .get_system(v1::GetSystemRequest {})
        .await
        .map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_decision_ends_the_aggregator_and_says_so_meanwhile() {
    let home = tempfile::tempdir().unwrap();
    let mut app = started(&home).await;
    assert!(get_system(&app).await.is_ok());
    let failing: Result<(), _> = app.edge.decider.read(|_| panic!("a decision that fails")).await;
    assert!(failing.is_err());
    timeout(SOON, app.failed()).await.expect("noticed");
    assert_eq!(get_system(&app).await.unwrap_err().code(), Code::Unavailable);
    let health = reqwest::get(format!("http://{}/health", app.http_addr()))
        .await
        .unwrap();
    assert_eq!(health.status(), 503);
    let metrics = reqwest::get(format!("http://{}/metrics", app.http_addr()))
        .await
        .unwrap();
    assert!(
        metrics.text().await.unwrap().ends_with("# EOF\n"),
        "the rest can still be seen"
    );
    assert!(app.stop().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_report_stream_is_told_and_the_stream_is_over_for_the_engine() {
    use futures_util::StreamExt;
    let home = tempfile::tempdir().unwrap();
    let app = started(&home).await;
    let broken = stream::poll_fn(|_| panic!("a stream that fails"));
    let mut answers = edge::report(&app.edge, broken, Caller::within()).unwrap();
    let last = timeout(SOON, answers.next()).await.unwrap();
    assert_eq!(last.unwrap().unwrap_err().code(), Code::Internal);
    assert!(timeout(SOON, answers.next()).await.unwrap().is_none());
    assert_eq!(app.edge.metrics.report_streams.get(), 0);
    assert!(get_system(&app).await.is_ok());
    assert!(app.stop().await.is_clean());
}

mod access;
mod alerts;
mod intervals;
mod overload;
