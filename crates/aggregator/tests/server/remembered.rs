//! What is remembered, as others see it; and what happens when it cannot be.

use std::{fs, path::Path};

use serde_json::Value;
use tonic::{Code, transport::Channel};
use ward_aggregator::App;
use ward_audit::{Event, Filter, Kind, Phase, Reader, Source};
use ward_proto::v1::{
    self,
    Status::{Healthy, Unhealthy},
    audit_service_client::AuditServiceClient,
};
use ward_tlog::{Checkpoint, Hash, Head, LogProof, Verifier, leaf_hash, verify_consistency};

use crate::harness::{Aggregator, config, hello, start, start_configured, until, update};

async fn log(ward: &Aggregator) -> AuditServiceClient<Channel> {
    let address = format!("http://{}", ward.app.grpc_addr());
    AuditServiceClient::connect(address).await.unwrap()
}

async fn events(ward: &Aggregator, filter: v1::EventFilter) -> Vec<Event> {
    let request = v1::ListEventsRequest {
        filter: Some(filter),
        ..Default::default()
    };
    let listed = log(ward).await.list_events(request).await.unwrap().into_inner();
    let events = listed
        .events
        .iter()
        .map(|event| Event::decode(&event.event).unwrap());
    events.collect()
}

/// A bank that was healthy and is not; returns when the log has it.
async fn with_a_sick_bank() -> (Aggregator, crate::harness::Reporter) {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let handle = reporter.hello(hello("bank", Healthy)).await;
    reporter.update(update(handle, 2, Unhealthy)).await;
    let about_bank = || v1::EventFilter {
        r#type: "degrade".into(),
        subject: "bank".into(),
        ..Default::default()
    };
    let degraded = until("the log has it", async || {
        Some(events(&ward, about_bank()).await).filter(|events| events.len() == 2)
    });
    // The service and its instance.
    let degraded = degraded.await;
    assert!(degraded.iter().all(|event| event.kind == Kind::Degrade));
    (ward, reporter)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_the_same_over_both_edges_and_filtered() {
    let (ward, _reporter) = with_a_sick_bank().await;
    let all = events(&ward, v1::EventFilter::default()).await;
    let page: Value = ward.get("/api/v1/audit").await.json().await.unwrap();
    let told: Vec<_> = page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["index"])
        .collect();
    assert_eq!(told, all.iter().map(|event| event.index).collect::<Vec<_>>());
    assert_eq!(page["events"][0]["type"], all[0].kind.as_str());
    let artifacts: Value = ward
        .get("/health/artifacts?limit=1&type=degrade")
        .await
        .json()
        .await
        .unwrap();
    let artifacts = artifacts["artifacts"].as_array().unwrap();
    assert_eq!((artifacts.len(), &artifacts[0]["type"]), (1, &"degrade".into()));
    for wrong in [
        "type=nonsense",
        "limit=0",
        "limit=1001",
        "before=x",
        "kind=degrade",
    ] {
        assert_eq!(
            ward.get(&format!("/api/v1/audit?{wrong}")).await.status(),
            400,
            "{wrong}"
        );
    }
    let request = v1::ListEventsRequest {
        filter: Some(v1::EventFilter {
            source: "nobody".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let refused = log(&ward).await.list_events(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("filter.source"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_can_be_checked_by_who_has_its_key() {
    let (ward, mut reporter) = with_a_sick_bank().await;
    let mut log = log(&ward).await;
    let signed = async |log: &mut AuditServiceClient<Channel>| {
        log.checkpoint(v1::CheckpointRequest {})
            .await
            .unwrap()
            .into_inner()
    };
    let first = signed(&mut log).await;
    let key: Verifier = first.verifier_key.parse().unwrap();
    let old = Checkpoint::open(&first.checkpoint, &key).unwrap().head;
    let proof = log
        .prove(v1::ProveRequest { index: 1 })
        .await
        .unwrap()
        .into_inner()
        .proof;
    let request = v1::ListEventsRequest {
        before: 2,
        limit: 1,
        ..Default::default()
    };
    let event = log
        .list_events(request)
        .await
        .unwrap()
        .into_inner()
        .events
        .remove(0)
        .event;
    LogProof::parse(&proof)
        .unwrap()
        .verify(leaf_hash(&event), &key)
        .unwrap();
    reporter.hello(hello("shop", Unhealthy)).await;
    let new = until("the log grows", async || {
        let head = Checkpoint::open(&signed(&mut log).await.checkpoint, &key)
            .unwrap()
            .head;
        Some(head).filter(|head| head.size > old.size)
    });
    let new: Head = new.await;
    let request = v1::ConsistencyRequest {
        old_size: old.size,
        new_size: new.size,
    };
    for _ in 0..2 {
        let hashes = log.consistency(request).await.unwrap().into_inner().hashes;
        let hashes: Vec<_> = hashes
            .into_iter()
            .map(|hash| Hash(hash.try_into().unwrap()))
            .collect();
        verify_consistency(&old, &new, &hashes).unwrap();
    }
    let beyond = v1::ConsistencyRequest {
        new_size: new.size + 1_000,
        ..request
    };
    assert_eq!(log.consistency(beyond).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_ends_with_what_is() {
    let (ward, _reporter) = with_a_sick_bank().await;
    let history = until("the store has it", async || {
        let page: Value = ward
            .get("/api/v1/services/bank/history?since=1h")
            .await
            .json()
            .await
            .unwrap();
        let spans = page["spans"].as_array()?.clone();
        (spans.last()?["status"] == "unhealthy").then_some(page)
    });
    let history = history.await;
    let uptime = &history["uptime"];
    assert!(
        uptime["unhealthy_ms"].as_u64().unwrap() > 0 && uptime["availability"].as_f64().unwrap() < 1.0,
        "{history}"
    );
    let request = v1::GetHistoryRequest {
        name: "bank".into(),
        ..Default::default()
    };
    let told = ward
        .client()
        .await
        .get_history(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(told.spans.last().unwrap().status(), Unhealthy);
    assert_eq!(ward.get("/api/v1/services/bnak/history").await.status(), 404);
    assert_eq!(ward.get("/api/v1/history?until=tomorrow").await.status(), 400);
    assert_eq!(ward.get("/api/v1/history").await.status(), 200);
}

async fn maintenance(ward: &Aggregator) -> Result<(), tonic::Status> {
    let request = v1::StartMaintenanceRequest {
        service: "bank".into(),
        by: "ada".into(),
        why: "disks".into(),
        duration_ms: 0,
    };
    ward.client().await.start_maintenance(request).await.map(drop)
}

/// One that is stopped, changed by `harm`, and started again.
async fn harmed(harm: impl FnOnce(&Path)) -> Aggregator {
    let (ward, _reporter) = with_a_sick_bank().await;
    let Aggregator { app, home } = ward;
    assert!(app.stop().await.is_clean());
    harm(home.path());
    let app = App::start(config(&home)).await.unwrap();
    Aggregator { app, home }
}

async fn verdicts_go_on(ward: &Aggregator) {
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("shop", Healthy)).await;
    assert_eq!(ward.status_of("shop").await, Healthy);
    assert_eq!(ward.get("/readyz").await.status(), 200);
}

async fn said(ward: &Aggregator) -> String {
    ward.get("/readyz?verbose").await.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_verdicts_and_commands_go_on_and_it_is_said() {
    let ward = harmed(|home| {
        fs::remove_file(home.join("ward.db")).unwrap();
        fs::create_dir(home.join("ward.db")).unwrap();
    })
    .await;
    verdicts_go_on(&ward).await;
    let said = said(&ward).await;
    assert!(
        said.contains("[!]store does not count: ") && said.contains("[+]audit ok"),
        "{said}"
    );
    let history = ward.get("/api/v1/history").await;
    assert_eq!(history.status(), 503);
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("bank", Healthy)).await;
    maintenance(&ward).await.unwrap();
    assert_eq!(ward.metric("ward_memory_up{part=\"store\"}").await, 0.0);
    // The log has it though the store does not.
    let Aggregator { app, home } = ward;
    assert!(app.stop().await.is_clean());
    let app = App::start(config(&home)).await.unwrap();
    let ward = Aggregator { app, home };
    let bank = ward.service("bank").await.service.unwrap();
    assert_eq!(bank.maintenance.unwrap().why, "disks");
}

/// Signals are looked at every ten seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_that_closes_is_an_event() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let open = |value| v1::SignalValue {
        name: "breaker_open".into(),
        value,
    };
    let patient = v1::Hello {
        interval_ms: 60_000,
        values: vec![open(1.0)],
        ..hello("bank", Healthy)
    };
    let handle = reporter.hello(patient).await;
    tokio::time::sleep(std::time::Duration::from_secs(15)).await;
    let closed = v1::Update {
        values: vec![open(0.0)],
        ..update(handle, 2, Healthy)
    };
    reporter.update(closed).await;
    let about = || v1::EventFilter {
        source: "circuit_breaker".into(),
        ..Default::default()
    };
    let turned = until("the log has it", async || {
        let events = events(&ward, about()).await;
        Some(events).filter(|events| !events.is_empty())
    });
    let turned = turned.await;
    let said: Vec<_> = turned
        .iter()
        .map(|event| (event.kind, event.subject.as_str()))
        .collect();
    assert_eq!(said, [(Kind::BreakerReset, "bank")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_rights_are_no_artifacts() {
    let ward = start().await;
    assert_eq!(ward.get("/api/v1/audit?type=token_created").await.status(), 200);
    let refused = ward.get("/health/artifacts?type=token_created").await;
    assert_eq!(refused.status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_is_left_as_it_is_and_nothing_is_commanded() {
    let mut damaged = Vec::new();
    let ward = harmed(|home| {
        let tiles = home.join("audit/tile/0/000.p");
        let tile = fs::read_dir(tiles).unwrap().next().unwrap().unwrap().path();
        let mut bytes = fs::read(&tile).unwrap();
        bytes[7] ^= 1;
        fs::write(&tile, &bytes).unwrap();
        damaged = vec![(tile, bytes)];
    })
    .await;
    verdicts_go_on(&ward).await;
    let said = said(&ward).await;
    assert!(
        said.contains("[!]audit does not count: ") && said.contains("[+]store ok"),
        "{said}"
    );
    let bank = ward.service("bank").await.service.unwrap();
    assert_eq!(bank.last_status(), Unhealthy, "the store is another matter");
    let refused = maintenance(&ward).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(
        refused.message().contains("cannot be written down"),
        "{refused:?}"
    );
    assert!(ward.service("bank").await.service.unwrap().maintenance.is_none());
    assert_eq!(ward.get("/api/v1/audit").await.status(), 503);
    for (path, bytes) in damaged {
        assert_eq!(fs::read(path).unwrap(), bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_commanded_and_the_life_itself_is_in_the_log() {
    let ward = start_configured("[services.ghost]\n").await;
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("bank", Healthy)).await;
    maintenance(&ward).await.unwrap();
    let mut client = ward.client().await;
    let end = v1::EndMaintenanceRequest {
        service: "bank".into(),
        by: "ada".into(),
    };
    client.end_maintenance(end).await.unwrap();
    ward.configure("[services.other]\n");
    ward.app.reload().await.unwrap();
    let Aggregator { app, home } = ward;
    assert!(app.stop().await.is_clean());
    let log = Reader::open(&home.path().join("data/audit")).unwrap();
    let events = log.newest(&Filter::default(), 1_000).unwrap();
    let decided = [
        Kind::AggregatorStart,
        Kind::MaintenanceStart,
        Kind::MaintenanceEnd,
        Kind::ConfigChange,
        Kind::AggregatorStop,
    ];
    let found: Vec<_> = events
        .iter()
        .rev()
        .filter(|event| event.phase == Phase::Intent || event.source == Source::Aggregator)
        .map(|event| event.kind)
        .collect();
    assert_eq!(found, decided);
    // Each has what came of it behind it.
    let ends: Vec<_> = events.iter().filter_map(|event| event.intent).collect();
    let intents = events.iter().filter(|event| event.phase == Phase::Intent);
    assert!(
        intents
            .map(|event| event.index)
            .all(|index| ends.contains(&index))
    );
}
