//! What is remembered over kill -9: what was known, what was commanded, and that a restart changes nothing by itself.

#![expect(
    clippy::disallowed_methods,
    reason = "tests of what happens in time read the clock"
)]

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep};
use ward_audit::{Event, Kind, Phase};
use ward_model::{Criticality, Status};
use ward_proto::v1::{self, audit_service_client::AuditServiceClient};
use ward_sdk::Reporter;

use crate::aggregator::{Aggregator, Client};

/// How long anything here may take before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(20);

fn reporter(server: &str, service: &str) -> Reporter {
    let builder = Reporter::builder(service)
        .server(server)
        .instance("one")
        .interval(Duration::from_secs(1));
    let builder = match service {
        "bank" => builder.criticality(Criticality::Critical).hard("ledger"),
        _ => builder,
    };
    builder.start().unwrap()
}

async fn services(client: &mut Client) -> BTreeMap<String, v1::ServiceState> {
    let services = client
        .list_services(v1::ListServicesRequest::default())
        .await
        .unwrap();
    let services = services.into_inner().services.into_iter();
    services.map(|service| (service.name.clone(), service)).collect()
}

/// Polls until all of them are as expected.
pub(crate) async fn until(client: &mut Client, expected: &[(&str, Status)]) {
    let end = Instant::now() + PATIENCE;
    loop {
        let there = services(client).await;
        let is = |&(name, status): &(&str, Status)| {
            there
                .get(name)
                .and_then(|state| state.condition.as_ref())
                .map(|c| c.status())
                == Some(v1::Status::from(status))
        };
        if expected.iter().all(is) {
            return;
        }
        assert!(Instant::now() < end, "{expected:?} in {there:#?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Until nothing waits to be written.
async fn until_remembered(aggregator: &Aggregator) {
    let end = Instant::now() + PATIENCE;
    // The recorder gathers for a moment before anything is queued: twice in a row with that in between.
    let mut quiet = 0;
    while quiet < 2 {
        let queued = aggregator.metric("ward_memory_queued{part=\"store\"}").await
            + aggregator.metric("ward_memory_queued{part=\"audit\"}").await;
        quiet = if queued == 0.0 { quiet + 1 } else { 0 };
        assert!(Instant::now() < end, "{queued} still wait");
        sleep(Duration::from_millis(200)).await;
    }
}

/// All events, the oldest first.
async fn log(aggregator: &Aggregator) -> Vec<Event> {
    let mut client = AuditServiceClient::connect(format!("http://{}", aggregator.grpc))
        .await
        .unwrap();
    let (mut events, mut before) = (Vec::new(), 0);
    loop {
        let request = v1::ListEventsRequest {
            before,
            limit: 1_000,
            ..Default::default()
        };
        let page = client.list_events(request).await.unwrap().into_inner();
        for event in &page.events {
            events.push(Event::decode(&event.event).unwrap());
        }
        before = page.next_before;
        if before == 0 {
            break;
        }
    }
    events.reverse();
    assert!(events.iter().map(|event| event.index).eq(0..events.len() as u64));
    events
}

/// What is said of a service, in order.
fn about<'a>(events: &'a [Event], subject: &str) -> Vec<(Kind, &'a str)> {
    let about = events.iter().filter(|event| event.subject == subject);
    about
        .map(|event| (event.kind, event.evidence.get("to").unwrap_or_default()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_is_known_again_and_a_restart_neither_degrades_nor_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let aggregator = Aggregator::start(dir.path(), true);
    let server = aggregator.grpc.to_string();
    let [bank, ledger, mail] = ["bank", "ledger", "mail"].map(|service| reporter(&server, service));
    let gone = reporter(&server, "gone");
    mail.set_status(Status::Unhealthy, "the queue is full");
    let mut client = aggregator.client().await;
    let before = [
        ("bank", Status::Healthy),
        ("ledger", Status::Healthy),
        ("mail", Status::Unhealthy),
        ("gone", Status::Healthy),
    ];
    until(&mut client, &before).await;
    until_remembered(&aggregator).await;

    let (grpc, http) = aggregator.kill();
    // As a host that goes down with the aggregator.
    drop(gone);
    let aggregator = Aggregator::start_at(dir.path(), true, grpc, http);
    let mut client = aggregator.client().await;
    let first = services(&mut client).await;
    assert_eq!(first.len(), 4, "known before anybody has come back");
    for (name, status) in before {
        let state = &first[name];
        let now = state.condition.as_ref().unwrap().status();
        let came_back = now == v1::Status::from(status);
        let is_known = (now, state.last_status()) == (v1::Status::Unknown, v1::Status::from(status));
        assert!(came_back || is_known, "{state:#?}");
    }
    assert_eq!(first["bank"].criticality(), v1::Criticality::Critical);
    assert_eq!(first["bank"].dependencies[0].service, "ledger");
    until(&mut client, &before[..3]).await;
    until(&mut client, &[("gone", Status::Unhealthy)]).await;
    until_remembered(&aggregator).await;

    let events = log(&aggregator).await;
    let start = events
        .iter()
        .rposition(|event| event.kind == Kind::AggregatorStart)
        .unwrap();
    let after = &events[start..];
    for (name, back) in [("bank", "healthy"), ("ledger", "healthy"), ("mail", "unhealthy")] {
        let told = about(after, name);
        assert!(
            told.iter().all(|(kind, _)| *kind == Kind::Transition),
            "{name}: {told:?}"
        );
        assert_eq!(told.last(), Some(&(Kind::Transition, back)), "{name}");
    }
    assert_eq!(
        about(after, "gone").last(),
        Some(&(Kind::Degrade, "unhealthy")),
        "that one is real"
    );
    mail.set_status(Status::Healthy, "");
    until(&mut client, &[("mail", Status::Healthy)]).await;
    until_remembered(&aggregator).await;
    let events = log(&aggregator).await;
    assert_eq!(about(&events, "mail").last(), Some(&(Kind::Recover, "healthy")));
    drop((bank, ledger));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_kill_9_is_there_once_and_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let mut aggregator = Aggregator::start(dir.path(), true);
    let server = aggregator.grpc.to_string();
    let cart = reporter(&server, "cart");
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let mut client = aggregator.client().await;
        until(&mut client, &[("cart", Status::Healthy)]).await;
        let commands = tokio::spawn(async move {
            let mut done = Vec::new();
            for number in 0.. {
                let why = format!("{round}-{number}");
                let request = v1::StartMaintenanceRequest {
                    service: "cart".into(),
                    by: "ada".into(),
                    why: why.clone(),
                    duration_ms: 0,
                };
                match client.start_maintenance(request).await {
                    Ok(_) => done.push(why),
                    Err(_) => return done,
                }
            }
            done
        });
        sleep(Duration::from_millis(50 + 37 * round)).await;
        let (grpc, http) = aggregator.kill();
        let done = commands.await.unwrap();
        assert!(!done.is_empty(), "killed under load");
        aggregator = Aggregator::start_at(dir.path(), true, grpc, http);
        let mut client = aggregator.client().await;
        let in_force = services(&mut client).await["cart"]
            .maintenance
            .clone()
            .unwrap()
            .why;
        let number = |why: &str| why.split_once('-').unwrap().1.parse::<usize>().unwrap();
        let last = done.last().unwrap();
        // The one under way may have been taken as well.
        assert!(
            number(&in_force) == number(last) || number(&in_force) == number(last) + 1,
            "{in_force} behind {last}"
        );
        acknowledged.extend(done);
    }
    let events = log(&aggregator).await;
    let intents = |why: &str| {
        let of = |event: &&Event| {
            event.kind == Kind::MaintenanceStart
                && event.phase == Phase::Intent
                && event.evidence.get("why") == Some(why)
        };
        events.iter().filter(of).count()
    };
    for why in &acknowledged {
        assert_eq!(intents(why), 1, "{why}");
    }
    drop(cart);
}
