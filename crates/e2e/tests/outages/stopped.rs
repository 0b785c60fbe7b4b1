//! SIGSTOP: the process does not run, the world goes on. What it missed is not the others' silence.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::sleep;
use ward_proto::v1::Status;

use crate::{
    aggregator::{Aggregator, Client, system},
    fleet::Fleet,
};

const INSTANCES: usize = 1_000;
const STOPPED: Duration = Duration::from_secs(12);
/// Longer than suspect and lost together, and than every wait of the observer at this interval.
const WATCHED: Duration = Duration::from_secs(10);
/// A broken stream has 2 s to come back; the rest is for a busy machine.
const FOUND_WITHIN: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_aggregator_convicts_nobody_and_one_without_guards_nearly_everybody() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [guarded, naive] = [
        Aggregator::start(dirs[0].path(), true),
        Aggregator::start(dirs[1].path(), false),
    ];
    let fleets = [
        Fleet::join(guarded.grpc, INSTANCES),
        Fleet::join(naive.grpc, INSTANCES),
    ];
    for aggregator in [&guarded, &naive] {
        all_are_healthy(&mut aggregator.client().await).await;
    }
    for aggregator in [&guarded, &naive] {
        aggregator.signal(Signal::SIGSTOP);
    }
    sleep(STOPPED).await;
    for aggregator in [&guarded, &naive] {
        aggregator.signal(Signal::SIGCONT);
    }
    sleep(WATCHED).await;
    let convictions = [
        guarded.metric("ward_convictions_total").await,
        naive.metric("ward_convictions_total").await,
    ];
    println!(
        "aggregator stopped for {STOPPED:?}, {INSTANCES} instances: {} convicted with guards, {} without",
        convictions[0], convictions[1]
    );
    assert_eq!(convictions[0], 0.0);
    assert!(
        convictions[1] >= 900.0,
        "the control must convict, or this test shows nothing"
    );
    assert_eq!(
        system(&mut guarded.client().await)
            .await
            .condition
            .unwrap()
            .status(),
        Status::Healthy
    );
    assert!(fleets.iter().all(|fleet| fleet.len() == INSTANCES));
    // It has not gone blind to be right: one that dies now is found.
    fleets[0].lose_one();
    let mut waited = Duration::ZERO;
    while guarded.metric("ward_convictions_total").await != 1.0 {
        assert!(
            waited < FOUND_WITHIN,
            "one that died was not found within {FOUND_WITHIN:?}"
        );
        sleep(Duration::from_millis(100)).await;
        waited += Duration::from_millis(100);
    }
}

/// Waits until the whole fleet reports and the system is healthy.
async fn all_are_healthy(client: &mut Client) {
    let mut waited = Duration::ZERO;
    loop {
        let services = client
            .list_services(ward_proto::v1::ListServicesRequest::default())
            .await
            .unwrap()
            .into_inner();
        let healthy: u32 = services
            .services
            .iter()
            .filter_map(|service| service.instances)
            .map(|c| c.healthy)
            .sum();
        if healthy == INSTANCES as u32 {
            return;
        }
        assert!(waited < Duration::from_secs(60), "only {healthy} are healthy");
        sleep(Duration::from_millis(100)).await;
        waited += Duration::from_millis(100);
    }
}
