//! Watch, as a client of another make sees it.

use std::time::Duration;

use tonic::Code;
use ward_proto::v1::{
    self, DeltaKind,
    Status::{Healthy, Unhealthy},
    entity::State,
    watch_response::Event,
};

use crate::harness::{hello, start, start_unbounded, start_with, update};

fn cursor(delta: &v1::Delta) -> v1::Cursor {
    v1::Cursor {
        epoch: delta.epoch,
        revision: delta.to,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_goes_on_where_it_was() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let handle = reporter.hello(hello("bank", Healthy)).await;
    let mut watch = ward.watch(v1::WatchRequest::default()).await;
    let snapshot = watch.delta().await;
    assert_eq!(
        (snapshot.kind(), snapshot.from, snapshot.last),
        (DeltaKind::Snapshot, 0, true)
    );
    drop(watch);
    reporter.update(update(handle, 2, Unhealthy)).await;
    let resume = Some(cursor(&snapshot));
    let mut watch = ward
        .watch(v1::WatchRequest {
            resume,
            ..Default::default()
        })
        .await;
    let delta = watch.until("bank", Unhealthy).await;
    assert_eq!(delta.kind(), DeltaKind::Revision);
    for lost in [
        v1::Cursor {
            epoch: snapshot.epoch + 1,
            revision: 1,
        },
        v1::Cursor {
            epoch: snapshot.epoch,
            revision: u64::MAX,
        },
    ] {
        let mut watch = ward
            .watch(v1::WatchRequest {
                resume: Some(lost),
                ..Default::default()
            })
            .await;
        assert_eq!(watch.delta().await.kind(), DeltaKind::Snapshot);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_leave_out_what_was_not_asked_for() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let bank = reporter.hello(hello("bank", Healthy)).await;
    let shop = reporter.hello(hello("shop", Healthy)).await;
    let kinds = |delta: &v1::Delta| -> Vec<&'static str> {
        let kind = |entity: &v1::Entity| match entity.state.as_ref().unwrap() {
            State::System(_) => "system",
            State::Service(_) => "service",
            State::Instance(_) => "instance",
            State::Removed(_) => "removed",
        };
        delta.entities.iter().map(kind).collect()
    };
    let request = |level: v1::WatchLevel| v1::WatchRequest {
        names: vec!["bank".into()],
        level: level.into(),
        ..Default::default()
    };
    let mut system = ward.watch(request(v1::WatchLevel::System)).await;
    let mut service = ward.watch(request(v1::WatchLevel::Service)).await;
    let mut instance = ward.watch(request(v1::WatchLevel::Instance)).await;
    assert_eq!(kinds(&system.delta().await), ["system"]);
    assert_eq!(kinds(&service.delta().await), ["system", "service"]);
    assert_eq!(kinds(&instance.delta().await), ["system", "service", "instance"]);
    let severe = v1::WatchRequest {
        least_severity: Unhealthy.into(),
        ..Default::default()
    };
    let mut severe = ward.watch(severe).await;
    assert!(
        kinds(&severe.delta().await).is_empty(),
        "nothing is that bad, and that is told"
    );
    reporter.update(update(shop, 2, Unhealthy)).await;
    severe.until("shop", Unhealthy).await;
    reporter.update(update(bank, 2, Unhealthy)).await;
    let delta = service.until("bank", Unhealthy).await;
    assert!(!format!("{delta:?}").contains("name: \"shop\""), "{delta:?}");
    reporter.update(update(shop, 3, Healthy)).await;
    severe.until("shop", Healthy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bookmarks_come_while_nothing_happens() {
    let ward = start_with(|mut config| {
        config.bookmark_every = Duration::from_millis(200);
        config
    })
    .await;
    let mut watch = ward.watch(v1::WatchRequest::default()).await;
    let snapshot = watch.delta().await;
    let Event::Bookmark(bookmark) = watch.next().await else {
        panic!("not a bookmark")
    };
    assert_eq!(bookmark.cursor.unwrap().epoch, snapshot.epoch);
    assert!(bookmark.observer.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_question_is_refused_with_the_field() {
    let ward = start().await;
    let mut client = ward.client().await;
    for (request, field) in [
        (
            v1::WatchRequest {
                names: vec!["a".into(), "A".into()],
                ..Default::default()
            },
            "names[1]",
        ),
        (
            v1::WatchRequest {
                names: (0..129).map(|n| format!("s{n}")).collect(),
                ..Default::default()
            },
            "names has 129 entries",
        ),
        (
            v1::WatchRequest {
                level: 42,
                ..Default::default()
            },
            "level",
        ),
        (
            v1::WatchRequest {
                least_severity: -1,
                ..Default::default()
            },
            "least_severity",
        ),
    ] {
        let refused = client.watch(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{refused}");
    }
    assert_eq!(
        ward.metric(r#"ward_requests_total{method="Watch",code="invalid_argument"}"#)
            .await,
        4.0
    );
    assert_eq!(ward.metric(r#"ward_watchers{transport="grpc"}"#).await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_reaches_a_slow_reader_as_the_newest_state() {
    let ward = start_unbounded().await;
    let mut reporter = ward.reporter().await;
    // On a busy machine the burst takes longer than it takes to be flapping at a shorter interval.
    let slow = v1::Hello {
        interval_ms: 60_000,
        ..hello("bank", Healthy)
    };
    let handle = reporter.hello(slow).await;
    let mut watch = ward.watch(v1::WatchRequest::default()).await;
    let mut at = watch.delta().await.to;
    let last = 20_000;
    for sequence in 2..=last {
        let status = if sequence % 2 == 0 { Unhealthy } else { Healthy };
        let message = "x".repeat(400);
        let results = vec![v1::CheckResult {
            message,
            ..crate::harness::result(status)
        }];
        reporter
            .update(v1::Update {
                results,
                ..update(handle, sequence, status)
            })
            .await;
    }
    let goodbye = v1::Goodbye {
        handle,
        ..Default::default()
    };
    reporter
        .send(v1::ReportRequest {
            goodbyes: vec![goodbye],
            ..Default::default()
        })
        .await;
    let mut coalesced = 0;
    loop {
        let delta = watch.delta().await;
        assert_eq!(delta.from, at, "no gap, whatever the pace");
        at = delta.to;
        coalesced += u64::from(delta.kind() == DeltaKind::Coalesced);
        let over = delta.entities.iter().any(|entity| {
            matches!(&entity.state, Some(State::Service(state)) if state.instances.unwrap().total == 0)
        });
        if over {
            break;
        }
    }
    assert!(coalesced > 0, "it read nothing during the burst");
    assert!(ward.metric("ward_coalesced_changes_total").await > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_describes_itself() {
    let ward = start().await;
    let channel =
        tonic::transport::Endpoint::from_shared(format!("http://{}", ward.app.grpc_addr())).unwrap();
    let mut client = tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(
        channel.connect().await.unwrap(),
    );
    let list = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            tonic_reflection::pb::v1::server_reflection_request::MessageRequest::ListServices(String::new()),
        ),
    };
    let mut answers = client
        .server_reflection_info(tokio_stream::once(list))
        .await
        .unwrap()
        .into_inner();
    let answer = format!("{:?}", answers.message().await.unwrap().unwrap());
    assert!(answer.contains("ward.health.v1.HealthService"), "{answer}");
}
