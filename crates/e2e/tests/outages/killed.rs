//! kill -9 and restart: reporters come back by themselves, watchers are not told of anything that did not happen, and
//! what happened meanwhile is told soon.

#![expect(
    clippy::disallowed_methods,
    reason = "a test of what happens within two seconds reads the clock"
)]

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use ward_model::{Criticality, Entity, EntityKey, Status};
use ward_proto::v1;
use ward_sdk::{
    Reporter,
    watch::{Event, Watcher},
};

use crate::aggregator::{Aggregator, system};

const SERVICES: [&str; 5] = ["storefront", "catalog", "cart", "payments", "bank"];
/// In which the right state must be there again.
const BACK_WITHIN: Duration = Duration::from_secs(2);

fn reporters(server: &str) -> Vec<Reporter> {
    let start = |service: &&str| {
        let builder = Reporter::builder(*service)
            .server(server)
            .instance("one")
            .interval(Duration::from_secs(1));
        let builder = match *service {
            "storefront" => builder.criticality(Criticality::Critical).hard("payments"),
            "payments" => builder.hard("bank"),
            _ => builder,
        };
        builder.start().unwrap()
    };
    SERVICES.iter().map(start).collect()
}

/// What a watcher was told to have changed, as "name: before -> after".
async fn transitions_until(watcher: &mut Watcher, end: Instant) -> Vec<String> {
    let mut told = Vec::new();
    while let Ok(event) = tokio::time::timeout_at(end, watcher.next()).await {
        if let Event::Update(update) = event {
            for changed in update.changes.iter().filter(|changed| changed.is_transition()) {
                told.push(format!("{changed:?}"));
            }
        }
    }
    told
}

fn knows(watcher: &Watcher, service: &str, status: Status) -> bool {
    let key = EntityKey::Service(ward_model::Name::service(service).unwrap());
    matches!(watcher.state().get(&key), Some(Entity::Service(state)) if state.condition.status == status)
}

async fn until_all_are_healthy(watcher: &mut Watcher) {
    let all = async {
        while !SERVICES
            .iter()
            .all(|service| knows(watcher, service, Status::Healthy))
        {
            watcher.next().await;
        }
    };
    timeout(Duration::from_secs(20), all)
        .await
        .expect("all services become healthy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_alarms_nobody_and_the_right_state_is_back_within_two_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let aggregator = Aggregator::start(dir.path(), true);
    let server = aggregator.grpc.to_string();
    let reporters = reporters(&server);
    let mut watcher = Watcher::builder(&server).start().unwrap();
    until_all_are_healthy(&mut watcher).await;

    let (grpc, http) = aggregator.kill();
    assert_eq!(
        transitions_until(&mut watcher, Instant::now() + Duration::from_secs(3)).await,
        [""; 0]
    );
    let aggregator = Aggregator::start_at(dir.path(), true, grpc, http);
    let returned = Instant::now();
    let mut client = aggregator.client().await;
    loop {
        let system = system(&mut client).await;
        let services = system.services.unwrap();
        let verdict = system.condition.unwrap().status();
        if verdict == v1::Status::Healthy && services.healthy == SERVICES.len() as u32 {
            break;
        }
        assert!(
            returned.elapsed() < BACK_WITHIN,
            "after {:?}: {services:?}",
            returned.elapsed()
        );
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        transitions_until(&mut watcher, Instant::now() + Duration::from_secs(18)).await,
        [""; 0]
    );
    drop(reporters);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_meanwhile_is_told_within_two_seconds_of_the_return() {
    let dir = tempfile::tempdir().unwrap();
    let aggregator = Aggregator::start(dir.path(), true);
    let server = aggregator.grpc.to_string();
    let reporters = reporters(&server);
    let mut watcher = Watcher::builder(&server).start().unwrap();
    until_all_are_healthy(&mut watcher).await;

    let (grpc, http) = aggregator.kill();
    reporters[4].set_status(Status::Unhealthy, "the ledger is gone");
    sleep(Duration::from_secs(1)).await;
    let _aggregator = Aggregator::start_at(dir.path(), true, grpc, http);
    let told = async {
        let expected = [
            ("bank", Status::Unhealthy),
            ("storefront", Status::Unhealthy),
            ("catalog", Status::Healthy),
        ];
        while !expected
            .iter()
            .all(|&(service, status)| knows(&watcher, service, status))
        {
            let change = watcher.next().await;
            assert!(
                !knows(&watcher, "catalog", Status::Unhealthy),
                "nothing else happened: {change:?}"
            );
        }
    };
    timeout(BACK_WITHIN, told)
        .await
        .expect("the watcher learns what happened, and nothing else");
}
