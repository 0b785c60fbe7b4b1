//! Reports and what becomes of them.

use v1::Status::{Degraded, Healthy, Unhealthy, Unknown};
use ward_proto::v1;

use crate::harness::{Aggregator, Reporter, SOON, breakable, hello, start, until, update};

#[tokio::test(flavor = "multi_thread")]
async fn a_report_becomes_a_verdict_that_watchers_see() {
    let ward = start().await;
    let mut watch = ward.watch(v1::WatchRequest::default()).await;
    assert_eq!(watch.delta().await.kind(), v1::DeltaKind::Snapshot);
    let mut reporter = ward.reporter().await;
    let handle = reporter.hello(hello("bank", Healthy)).await;
    watch.until("bank", Healthy).await;
    reporter.update(update(handle, 2, Unhealthy)).await;
    let delta = watch.until("bank", Unhealthy).await;
    assert!(delta.last && delta.to > delta.from);
    let system = ward
        .client()
        .await
        .get_system(v1::GetSystemRequest {})
        .await
        .unwrap()
        .into_inner()
        .system
        .unwrap();
    assert_eq!(system.condition.unwrap().status(), Unhealthy);
    assert_eq!(system.causes, ["bank"]);
    let found = ward.service("bank").await;
    assert_eq!(
        found.instances[0].checks[0].condition.as_ref().unwrap().message,
        "says so"
    );
    reporter.update(update(handle, 3, Degraded)).await;
    watch.until("bank", Degraded).await;
    assert!(ward.metric(r#"ward_reports_total{kind="update"}"#).await >= 2.0);
    assert!(ward.metric("ward_report_to_watch_seconds_count").await >= 3.0);
    assert!(ward.app.stop().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn beats_keep_alive_and_are_acknowledged_now_and_then() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let handle = reporter
        .hello(v1::Hello {
            interval_ms: 100,
            ..hello("bank", Healthy)
        })
        .await;
    // Twice the lease: without beats it would be lost by then.
    let lease = tokio::time::Duration::from_secs(7);
    let end = tokio::time::sleep(lease);
    tokio::pin!(end);
    let (mut sent, mut answers, mut acknowledged) = (1u64, 0u64, 1u64);
    let mut beat = tokio::time::interval(std::time::Duration::from_millis(20));
    loop {
        tokio::select! {
            () = &mut end => break,
            _ = beat.tick() => {
                reporter.send(v1::ReportRequest { beats: vec![handle; 3], ..Default::default() }).await;
                sent += 1;
            }
            answer = reporter.answers.message() => {
                let answer = answer.unwrap().unwrap();
                assert!(answer.acknowledged > acknowledged && answer.rejections.is_empty());
                (acknowledged, answers) = (answer.acknowledged, answers + 1);
            }
        }
    }
    assert!(answers < sent / 10, "{answers} answers to {sent} requests");
    while acknowledged < sent {
        acknowledged = reporter.next().await.acknowledged;
    }
    assert_eq!(ward.status_of("bank").await, Healthy);
    assert_eq!(ward.metric("ward_beats_total").await, 3.0 * (sent - 1) as f64);
    assert_eq!(ward.metric("ward_convictions_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_a_loss_and_a_goodbye_is_not() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("silent", Healthy)).await;
    let polite = reporter.hello(hello("polite", Healthy)).await;
    let goodbye = v1::Goodbye {
        handle: polite,
        reason: "over".into(),
    };
    reporter
        .send(v1::ReportRequest {
            goodbyes: vec![goodbye],
            ..Default::default()
        })
        .await;
    until("the polite one has left", async || {
        (ward.status_of("polite").await == Unknown).then_some(())
    })
    .await;
    drop(reporter);
    let lost = until("the silent one is lost", async || {
        let found = ward.service("silent").await;
        (found.service?.condition?.status() == Unhealthy).then_some(found.instances)
    });
    assert_eq!(lost.await[0].freshness(), v1::Freshness::Lost);
    assert_eq!(ward.metric(r#"ward_instances{freshness="lost"}"#).await, 1.0);
    assert_eq!(ward.metric("ward_report_streams").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_answered_with_a_wish_for_everything() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let handle = reporter.hello(hello("bank", Healthy)).await;
    reporter.update(update(handle, 5, Unhealthy)).await;
    assert_eq!(reporter.next().await.full_state_wanted, [handle]);
    assert_eq!(
        ward.status_of("bank").await,
        Healthy,
        "what came behind a gap is not taken"
    );
    reporter
        .update(v1::Update {
            full: true,
            ..update(handle, 9, Unhealthy)
        })
        .await;
    until("the full state counts", async || {
        (ward.status_of("bank").await == Unhealthy).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_hello_of_the_same_life_gets_a_new_handle_and_the_old_one_is_void() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let old = reporter.hello(hello("bank", Healthy)).await;
    let new = reporter
        .hello(v1::Hello {
            sequence: 2,
            ..hello("bank", Degraded)
        })
        .await;
    assert_ne!(old, new);
    let refused = reporter
        .refused(v1::ReportRequest {
            beats: vec![old, new],
            ..Default::default()
        })
        .await;
    assert_eq!(
        (refused.code(), refused.handle),
        (v1::RejectionCode::UnknownHandle, old)
    );
    assert_eq!(ward.service("bank").await.instances.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_holds_no_stream_can_report_and_leave() {
    let ward = start().await;
    let mut client = ward.client().await;
    let request = v1::ReportOnceRequest {
        hello: Some(hello("cron", Healthy)),
        goodbye: false,
    };
    let answer = client.report_once(request.clone()).await.unwrap().into_inner();
    assert!(answer.registration.unwrap().suspect_after_ms >= 3_000);
    assert_eq!(ward.status_of("cron").await, Healthy);
    client
        .report_once(v1::ReportOnceRequest {
            goodbye: true,
            ..request
        })
        .await
        .unwrap();
    assert_eq!(ward.status_of("cron").await, Unknown);
    let nobody = client
        .report_once(v1::ReportOnceRequest::default())
        .await
        .unwrap_err();
    assert_eq!(nobody.code(), tonic::Code::InvalidArgument);
    assert!(nobody.message().contains("hello"), "{nobody}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_keeps_no_incarnation_can_report_and_leave_and_come_back() {
    let ward = start().await;
    let mut client = ward.client().await;
    let anonymous = |service: &str, goodbye| v1::ReportOnceRequest {
        hello: Some(v1::Hello {
            incarnation: String::new(),
            // A job that runs every month.
            interval_ms: 2_678_400_000,
            ..hello(service, Healthy)
        }),
        goodbye,
    };
    // Two at once are one life.
    let (mut one, mut two) = (client.clone(), client.clone());
    let both = tokio::join!(
        one.report_once(anonymous("cron", false)),
        two.report_once(anonymous("cron", false))
    );
    let registered = both.0.unwrap().into_inner().registration.unwrap();
    assert_eq!(registered.interval_ms, 2_678_400_000);
    both.1.unwrap();
    let first = ward.service("cron").await.instances.remove(0).incarnation;
    assert_eq!(first.len(), 32);
    client.report_once(anonymous("cron", false)).await.unwrap();
    assert_eq!(ward.service("cron").await.instances[0].incarnation, first);
    client.report_once(anonymous("cron", true)).await.unwrap();
    assert_eq!(ward.status_of("cron").await, Unknown);
    client.report_once(anonymous("cron", false)).await.unwrap();
    let next = ward.service("cron").await.instances.remove(0).incarnation;
    assert_ne!(next, first, "a new life after a clean end");
    // One that holds a stream is another's.
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("bank", Healthy)).await;
    for goodbye in [false, true] {
        let refused = client.report_once(anonymous("bank", goodbye)).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::AlreadyExists, "{refused}");
    }
    assert_eq!(ward.service("bank").await.instances[0].incarnation, "first");
    let nameless = v1::Hello {
        incarnation: String::new(),
        ..hello("bank", Healthy)
    };
    let refused = reporter.hello_refused(nameless).await;
    assert!(
        refused.message.contains("hello.incarnation"),
        "streams are strict: {refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_only_beats_is_told_that_its_instance_is_gone() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let handle = reporter.hello(hello("bank", Healthy)).await;
    let mut client = ward.client().await;
    until("an operator to forget it, once it is lost", async || {
        let forget = v1::ForgetRequest {
            service: "bank".into(),
            instance: "one".into(),
            by: "me".into(),
        };
        client.forget(forget).await.ok()
    })
    .await;
    let beats = v1::ReportRequest {
        beats: vec![handle],
        ..Default::default()
    };
    let told = until("the reporter to be told", async || {
        reporter.send(beats.clone()).await;
        let answer = reporter.next().await;
        answer.rejections.into_iter().next()
    })
    .await;
    assert_eq!((told.code(), told.handle), (v1::RejectionCode::Forgotten, handle));
    assert_eq!((told.service.as_str(), told.instance.as_str()), ("bank", "one"));
    let refused = reporter.refused(beats).await;
    assert_eq!(refused.code(), v1::RejectionCode::UnknownHandle, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_carries_many() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let hellos: Vec<_> = (0..100)
        .map(|index| v1::Hello {
            instance: format!("i{index}"),
            ..hello("fleet", Healthy)
        })
        .collect();
    reporter
        .send(v1::ReportRequest {
            hellos,
            ..Default::default()
        })
        .await;
    let answer = reporter.next().await;
    assert_eq!(answer.registrations.len(), 100);
    assert!(
        answer
            .registrations
            .iter()
            .map(|registration| registration.handle)
            .eq(0..100)
    );
    assert_eq!(ward.metric(r#"ward_instances{freshness="fresh"}"#).await, 100.0);
    let alive = tokio::time::timeout(SOON, reporter.hello(hello("other", Healthy)))
        .await
        .unwrap();
    assert_eq!(alive, 100);
}

/// Of one whose lease is far longer than any test.
fn patient(service: &str) -> v1::Hello {
    v1::Hello {
        interval_ms: 3_600_000,
        ..hello(service, Healthy)
    }
}

async fn lost(ward: &Aggregator, service: &str) {
    until("it is lost", async || {
        let instances = ward.service(service).await.instances;
        (instances[0].freshness() == v1::Freshness::Lost).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_its_peer_ends_is_not_waited_for() {
    let ward = start().await;
    let (way, carrying) = breakable(ward.app.grpc_addr()).await;
    let mut broken = Reporter::at(way).await;
    broken.hello(patient("broken")).await;
    let mut ended = ward.reporter().await;
    ended.hello(patient("ended")).await;
    let Reporter {
        requests,
        answers: _still_open,
    } = ended;
    drop(requests);
    carrying.abort();
    lost(&ward, "broken").await;
    lost(&ward, "ended").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_this_side_ends_leaves_the_lease_to_decide() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    reporter.hello(patient("bank")).await;
    // Too large a request ends the stream from this side.
    reporter
        .send(v1::ReportRequest {
            beats: vec![u32::MAX; 20_000],
            ..Default::default()
        })
        .await;
    assert!(reporter.answers.message().await.is_err());
    until("the engine knows", async || {
        (ward.metric("ward_report_streams").await == 0.0).then_some(())
    })
    .await;
    assert_eq!(
        ward.service("bank").await.instances[0].freshness(),
        v1::Freshness::Fresh
    );
}
