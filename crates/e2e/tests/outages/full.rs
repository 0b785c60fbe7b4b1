//! A data directory on a disk that is full: verdicts go on, commands are refused in plain words, and once there is room
//! all goes on and what is missing is said.

#![expect(
    clippy::disallowed_methods,
    reason = "tests of what happens in time read the clock"
)]

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic::Code;
use ward_model::Status;
use ward_proto::v1::{self, audit_service_client::AuditServiceClient};
use ward_sdk::Reporter;

use crate::{aggregator::Aggregator, restarted::until, small::Small};

/// How long anything here may take before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(60);

async fn maintenance(aggregator: &Aggregator) -> Result<(), tonic::Status> {
    let request = v1::StartMaintenanceRequest {
        service: "bank".into(),
        by: "ada".into(),
        // What is left of the tail takes some hundreds of these.
        why: "x".repeat(500),
        duration_ms: 0,
    };
    let mut client = aggregator.client().await;
    client.start_maintenance(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_commands_and_nothing_else_until_there_is_room() {
    let Some(small) = Small::mount() else {
        let all = std::env::var("WARD_REQUIRE_ALL").is_ok_and(|value| value == "1");
        assert!(
            !all,
            "no file system of our own is to be had, and all tests are required"
        );
        println!("NOT RUN: a full disk: no file system of our own is to be had here");
        return;
    };
    let data = small.path().join("data");
    let aggregator = Aggregator::start(&data, true);
    let bank = Reporter::builder("bank")
        .server(aggregator.grpc.to_string())
        .instance("one")
        .interval(Duration::from_secs(1))
        .start()
        .unwrap();
    let mut client = aggregator.client().await;
    until(&mut client, &[("bank", Status::Healthy)]).await;
    maintenance(&aggregator).await.unwrap();

    small.fill();
    let refused = async || {
        let refused = maintenance(&aggregator).await.err();
        refused.filter(|status| status.code() == Code::Unavailable)
    };
    let refused = ended(refused).await;
    assert!(refused.message().contains("full"), "{refused:?}");
    for status in [Status::Unhealthy, Status::Healthy, Status::Degraded] {
        bank.set_status(status, "while the disk is full");
        until(&mut client, &[("bank", status)]).await;
    }
    assert_eq!(aggregator.metric("ward_memory_up{part=\"audit\"}").await, 0.0);

    small.make_room();
    ended(async || maintenance(&aggregator).await.ok()).await;
    let mut log = AuditServiceClient::connect(format!("http://{}", aggregator.grpc))
        .await
        .unwrap();
    let mut told = async |kind: &str| {
        let filter = v1::EventFilter {
            r#type: kind.into(),
            ..Default::default()
        };
        let request = v1::ListEventsRequest {
            filter: Some(filter),
            ..Default::default()
        };
        log.list_events(request).await.unwrap().into_inner().events.len()
    };
    assert_eq!(
        (told("log_full").await > 0, told("log_gap").await > 0),
        (true, true)
    );
    drop(bank);
}

/// What `ask` gives, once it does.
async fn ended<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(told) = ask().await {
            return told;
        }
        assert!(Instant::now() < end, "it does not come to that");
        sleep(Duration::from_millis(5)).await;
    }
}
