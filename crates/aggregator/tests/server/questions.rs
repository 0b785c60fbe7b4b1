//! What one client may ask over gRPC, and what is kept for it until it is read.

use std::time::Duration;

use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use ward_aggregator::Config;
use ward_proto::v1::{
    self, Status::Healthy, alert_service_client::AlertServiceClient, watch_response::Event,
};

use crate::{
    guards::large,
    harness::{Aggregator, Reporter, SOON, hello, rate, start, start_with, until},
    stalled::unread,
};

const READ: &str = "AlertService/ReadRecording";
/// How many one client may read at once.
const EACH: usize = 2;

async fn read(ward: &Aggregator) -> Result<Vec<v1::ReadRecordingResponse>, Status> {
    let address = format!("http://{}", ward.app.grpc_addr());
    let mut client = AlertServiceClient::connect(address).await.unwrap();
    let asked = v1::ReadRecordingRequest::default();
    let mut stream = client.read_recording(asked).await?.into_inner();
    let mut told = Vec::new();
    while let Some(message) = stream.message().await? {
        told.push(message);
    }
    Ok(told)
}

/// With so much in it that it takes some messages.
async fn recorded(ward: &Aggregator) -> Reporter {
    let reporter = large(ward, 10).await;
    until("enough is recorded", async || {
        let told = read(ward).await.ok()?;
        (told.len() > 2).then_some(())
    })
    .await;
    reporter
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_no_more_of_a_recording_is_cut_and_others_have_a_place() {
    let ward = start_with(|mut config| {
        config.client_limits.recordings_in_all = EACH;
        Config {
            stall_after: Duration::from_secs(3),
            ..config
        }
    })
    .await;
    let _reporter = recorded(&ward).await;
    // Nothing is asked for behind the headers; or nothing behind the first message.
    for window in [0, 1] {
        let held = unread(&ward, READ, EACH, window).await;
        let full = read(&ward).await.unwrap_err();
        assert_eq!(full.code(), Code::ResourceExhausted, "{full}");
        assert!(full.get_error_details().retry_info().is_some(), "{full:?}");
        timeout(SOON, held.driven).await.expect("it is cut").unwrap();
        until("there is a place", async || read(&ward).await.ok()).await;
    }
    let refused = ward.metric(r#"ward_refused_total{bound="all_recordings"}"#).await;
    assert!(refused >= 2.0, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_reads_so_many_recordings_and_leaves_others_their_places() {
    let ward = start().await;
    let _reporter = recorded(&ward).await;
    let held = unread(&ward, READ, EACH + 1, 0).await;
    let refused = held.bodies.iter().filter(|body| body.is_end_stream());
    assert_eq!(refused.count(), 1, "with a status and no body");
    assert_eq!(
        ward.metric(r#"ward_refused_total{bound="recordings"}"#).await,
        1.0
    );
    read(&ward).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_recordings_with_a_word() {
    let ward = start().await;
    let _reporter = recorded(&ward).await;
    let mut watch = ward.watch(v1::WatchRequest::default()).await;
    let held = unread(&ward, READ, 1, 0).await;
    let stopping = tokio::spawn(ward.app.stop());
    while !matches!(watch.next().await, Event::Closing(_)) {}
    let mut body = held.open().remove(0);
    while let Some(piece) = timeout(SOON, body.data()).await.expect("an end") {
        let bytes = piece.unwrap().len();
        body.flow_control().release_capacity(bytes).unwrap();
    }
    let trailers = body.trailers().await.unwrap().unwrap();
    let status = Status::from_header_map(&trailers).unwrap();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(stopping.await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_have_a_bound_and_an_end_over_grpc_too() {
    let ward = start_with(|mut config| {
        config.client_limits.answers = EACH;
        Config {
            stall_after: Duration::from_secs(3),
            ..config
        }
    })
    .await;
    let _reporter = large(&ward, 10).await;
    // The window of a stream takes some of it: what is held is the rest.
    let held = unread(&ward, "HealthService/ListServices", EACH + 1, 1).await;
    let refused = held.bodies.iter().filter(|body| body.is_end_stream());
    assert_eq!(refused.count(), 1, "with a status and no body");
    assert_eq!(ward.metric(r#"ward_refused_total{bound="answers"}"#).await, 1.0);
    let asked = v1::ListServicesRequest::default();
    ward.client().await.list_services(asked).await.unwrap();
    timeout(SOON, held.driven).await.expect("it is cut").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_too_often_over_grpc_is_told_when_to_come_back() {
    let ward = start_with(|mut config| {
        config.client_limits.questions = rate(3, 1);
        config
    })
    .await;
    let mut client = ward.client().await;
    // One comes back each second: a machine may be as slow as to ask the fourth time only then.
    let mut asked = 0;
    let refused = loop {
        match client.get_system(v1::GetSystemRequest {}).await {
            Ok(_) => asked += 1,
            Err(refused) => break refused,
        }
        assert!(asked < 100, "it is never refused");
    };
    assert!(asked >= 3, "{asked}");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let retry = refused.get_error_details().retry_info().cloned();
    assert!(retry.unwrap().retry_delay.unwrap() <= Duration::from_secs(1));
    assert_eq!(ward.metric(r#"ward_refused_total{bound="questions"}"#).await, 1.0);
    // What it reports and watches is apart from that, and so is who else asks.
    let report = v1::ReportOnceRequest {
        hello: Some(hello("cron", Healthy)),
        goodbye: false,
    };
    client.report_once(report).await.unwrap();
    client.watch(v1::WatchRequest::default()).await.unwrap();
    ward.service("cron").await;
    until("it may again", async || {
        client.get_system(v1::GetSystemRequest {}).await.ok()
    })
    .await;
}
