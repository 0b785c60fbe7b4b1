//! What one client may have open and decided, whatever it speaks, and that others do not notice.

use std::time::Duration;

use reqwest::header;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;
use ward_aggregator::{ClientLimits, Config};
use ward_grpc_health::v1::{HealthCheckRequest, health_client::HealthClient};
use ward_model::bounds::SERVICES;
use ward_proto::v1::{
    self, RejectionCode,
    Status::{Healthy, Unhealthy},
    health_service_client::HealthServiceClient,
};

use crate::harness::{Aggregator, Reporter, SOON, hello, rate, start, start_with, until, update};

async fn limited(client_limits: ClientLimits) -> Aggregator {
    start_with(|config| Config {
        client_limits,
        ..config
    })
    .await
}

/// Refused for want of room, with a time to come back.
fn assert_exhausted(refused: &Status) {
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let retry = refused.get_error_details().retry_info().cloned();
    let after = retry.expect("when to come back").retry_delay.unwrap();
    assert!(!after.is_zero() && after <= SOON, "{after:?}");
}

async fn refused(ward: &Aggregator, bound: &str) -> f64 {
    ward.metric(&format!(r#"ward_refused_total{{bound="{bound}"}}"#))
        .await
}

async fn channel(ward: &Aggregator) -> Channel {
    let address = format!("http://{}", ward.app.grpc_addr());
    Channel::from_shared(address).unwrap().connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_so_many_watchers_of_all_kinds_together() {
    let ward = start().await;
    let channel = channel(&ward).await;
    let mut own = HealthServiceClient::new(channel.clone());
    let mut standard = HealthClient::new(channel);
    let named = |name: &str| HealthCheckRequest { service: name.into() };
    let mut held = Vec::new();
    let mut held_standard = Vec::new();
    for _ in 0..8 {
        held.push(own.watch(v1::WatchRequest::default()).await.unwrap());
        held_standard.push(standard.watch(named("bank")).await.unwrap());
    }
    assert_exhausted(&own.watch(v1::WatchRequest::default()).await.unwrap_err());
    assert_exhausted(&standard.watch(named("bank")).await.unwrap_err());
    assert_eq!(refused(&ward, "watchers").await, 2.0);
    ward.watch(v1::WatchRequest::default()).await.delta().await;
    drop(held_standard.pop());
    let again = until("there is room again", async || {
        own.watch(v1::WatchRequest::default()).await.ok()
    });
    again.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_watchers_together_have_a_bound_over_http_too() {
    let ward = limited(ClientLimits {
        watchers_in_all: 2,
        ..ClientLimits::default()
    })
    .await;
    let _grpc = ward.watch(v1::WatchRequest::default()).await;
    let events = ward.get("/api/v1/watch").await;
    assert_eq!(events.status(), 200);
    let full = ward.get("/api/v1/watch").await;
    assert_eq!(full.status(), 429);
    assert_eq!(full.headers()[header::RETRY_AFTER], "1");
    let mut client = ward.client().await;
    assert_exhausted(&client.watch(v1::WatchRequest::default()).await.unwrap_err());
    assert_eq!(refused(&ward, "all_watchers").await, 2.0);
    drop(events);
    until("there is room again", async || {
        (ward.get("/api/v1/watch").await.status() == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_so_many_report_streams() {
    let ward = limited(ClientLimits {
        streams: 2,
        ..ClientLimits::default()
    })
    .await;
    let mut client = HealthServiceClient::new(channel(&ward).await);
    let mut open = async || {
        let (requests, out) = tokio::sync::mpsc::channel(1);
        let answers = client.report(ReceiverStream::new(out)).await?.into_inner();
        Ok::<_, Status>(Reporter { requests, answers })
    };
    let mut one = open().await.unwrap();
    let _other = open().await.unwrap();
    assert_exhausted(&open().await.err().unwrap());
    assert_eq!(refused(&ward, "streams").await, 1.0);
    one.hello(hello("bank", Healthy)).await;
    ward.reporter().await.hello(hello("shop", Healthy)).await;
    drop(one);
    until("there is room again", async || open().await.ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_changes_too_often_is_heard_and_asked_for_its_newest_state() {
    let ward = limited(ClientLimits {
        updates: rate(5, 1),
        ..ClientLimits::default()
    })
    .await;
    let mut loud = ward.reporter().await;
    let handle = loud.hello(hello("loud", Healthy)).await;
    for sequence in 2..100 {
        loud.update(update(handle, sequence, Healthy)).await;
    }
    // What was taken before may be acknowledged by itself.
    let told = until("it is told", async || {
        Some(loud.next().await).filter(|answer| !answer.rejections.is_empty())
    })
    .await;
    let [rejection] = &told.rejections[..] else {
        panic!("told once: {told:?}")
    };
    assert_eq!(
        (rejection.code(), rejection.handle),
        (RejectionCode::Exhausted, handle)
    );
    assert_eq!((&*rejection.service, &*rejection.instance), ("loud", "one"));
    assert!(rejection.message.contains(" ms"), "when: {rejection:?}");
    // Of 98 updates 15 are taken at once, and some as time goes by.
    until("the rest is left out", async || {
        (refused(&ward, "updates").await >= 70.0).then_some(())
    })
    .await;
    let asked = until("its newest state is asked for", async || {
        let answer = loud.next().await;
        answer.full_state_wanted.first().copied()
    });
    assert_eq!(asked.await, handle);

    // It does not listen, and says nothing but what is left out, for longer than its lease of 3 s.
    let mut pace = tokio::time::interval(Duration::from_millis(40));
    for sequence in 100..200 {
        pace.tick().await;
        loud.update(update(handle, sequence, Unhealthy)).await;
        let instances = ward.service("loud").await.instances;
        assert_eq!(instances[0].freshness(), v1::Freshness::Fresh);
    }
    assert_eq!(ward.status_of("loud").await, Healthy, "left out");
    let whole = v1::Update {
        full: true,
        ..update(handle, 200, Unhealthy)
    };
    loud.update(whole).await;
    until("its newest state", async || {
        (ward.status_of("loud").await == Unhealthy).then_some(())
    })
    .await;

    let mut other = ward.reporter().await;
    let handle = other.hello(hello("other", Healthy)).await;
    other.update(update(handle, 2, Unhealthy)).await;
    until("others are not concerned", async || {
        (ward.status_of("other").await == Unhealthy).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_introduces_so_many_at_once_and_holds_so_many() {
    let ward = limited(ClientLimits {
        hellos: rate(3, 1),
        instances: 4,
        ..ClientLimits::default()
    })
    .await;
    let mut reporter = ward.reporter().await;
    let named = |n: usize| hello(&format!("s{n}"), Healthy);
    let request = v1::ReportRequest {
        hellos: (0..7).map(named).collect(),
        ..Default::default()
    };
    reporter.send(request).await;
    let answer = reporter.next().await;
    // Three for the client and three for its stream, of which four have a place.
    let codes: Vec<_> = answer
        .rejections
        .iter()
        .map(|r| (r.code(), &*r.service))
        .collect();
    let exhausted = RejectionCode::Exhausted;
    assert_eq!(codes, [(exhausted, "s4"), (exhausted, "s5"), (exhausted, "s6")]);
    assert!(answer.rejections[1].message.contains("half of all"), "{answer:?}");
    assert!(answer.rejections[2].message.contains(" ms"), "{answer:?}");
    assert_eq!(
        (refused(&ward, "instances").await, refused(&ward, "hellos").await),
        (2.0, 1.0)
    );
    let goodbyes = vec![v1::Goodbye {
        handle: answer.registrations[0].handle,
        ..Default::default()
    }];
    reporter
        .send(v1::ReportRequest {
            goodbyes,
            ..Default::default()
        })
        .await;
    until("there is a place again, and time has passed", async || {
        let request = v1::ReportRequest {
            hellos: vec![named(7)],
            ..Default::default()
        };
        reporter.send(request).await;
        (!reporter.next().await.registrations.is_empty()).then_some(())
    })
    .await;
    ward.reporter().await.hello(hello("other", Healthy)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_holds_no_stream_is_told_when_to_report_again() {
    let ward = limited(ClientLimits {
        updates: rate(3, 1),
        ..ClientLimits::default()
    })
    .await;
    let report = || v1::ReportOnceRequest {
        hello: Some(hello("cron", Healthy)),
        goodbye: false,
    };
    let mut client = ward.client().await;
    for _ in 0..3 {
        client.report_once(report()).await.unwrap();
    }
    assert_exhausted(&client.report_once(report()).await.unwrap_err());
    assert_eq!(refused(&ward, "reports").await, 1.0);
    ward.client().await.report_once(report()).await.unwrap();
    until("it may again", async || client.report_once(report()).await.ok()).await;
}

/// A single report is refused for want of room for all, over gRPC and HTTP: with a time to come back, and counted.
async fn assert_no_room(ward: &Aggregator, service: &str, bound: &str) {
    let before = refused(ward, bound).await;
    let report = v1::ReportOnceRequest {
        hello: Some(hello(service, Healthy)),
        goodbye: false,
    };
    let full = ward.client().await.report_once(report).await.unwrap_err();
    assert_eq!(full.code(), Code::ResourceExhausted, "{full}");
    let retry = full.get_error_details().retry_info().cloned();
    let minute = Duration::from_secs(60);
    assert_eq!(retry.expect("when to come back").retry_delay, Some(minute));
    let full = reqwest::Client::new()
        .post(ward.url("/api/v1/report"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(format!(r#"{{"service": "{service}", "status": "healthy"}}"#))
        .send()
        .await
        .unwrap();
    assert_eq!(full.status(), 429);
    assert_eq!(full.headers()[header::RETRY_AFTER], "60");
    assert_eq!(refused(ward, bound).await, before + 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_instances_together_have_a_bound_and_who_is_beyond_it_is_told_when_to_come_back() {
    let ward = start_with(|mut config| {
        config.engine.instances = 1;
        config
    })
    .await;
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("bank", Healthy)).await;
    let rejection = reporter.hello_refused(hello("shop", Healthy)).await;
    assert_eq!(rejection.code(), RejectionCode::Exhausted);
    assert_eq!(refused(&ward, "instances").await, 1.0);
    assert_no_room(&ward, "shop", "instances").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_has_so_many_instances_also_of_streams_that_are_gone() {
    let ward = start_with(|mut config| {
        config.engine.instances_of_service = 2;
        config
    })
    .await;
    let named = |instance: &str| v1::Hello {
        instance: instance.into(),
        interval_ms: 3_600_000,
        ..hello("payments", Healthy)
    };
    for instance in ["p1", "p2"] {
        ward.reporter().await.hello(named(instance)).await;
    }
    let mut reporter = ward.reporter().await;
    let rejection = reporter.hello_refused(named("p3")).await;
    assert_eq!(rejection.code(), RejectionCode::Exhausted);
    assert!(
        rejection.message.contains("payments has 2 instances"),
        "{rejection:?}"
    );
    assert_eq!(refused(&ward, "instances_of_service").await, 1.0);
    assert_no_room(&ward, "payments", "instances_of_service").await;
    reporter.hello(hello("others", Healthy)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_services_together_have_a_bound_and_who_is_beyond_it_is_told_when_to_come_back() {
    /// With one hello, by what it needs: a number that the bound is a multiple of.
    const NAMED: usize = 50;
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let dependency = |number: usize| v1::Dependency {
        service: format!("s{number}"),
        ..Default::default()
    };
    for first in (0..SERVICES).step_by(NAMED) {
        let needed = v1::Hello {
            dependencies: (first + 1..first + NAMED).map(dependency).collect(),
            ..hello(&format!("s{first}"), Healthy)
        };
        reporter.hello(needed).await;
    }
    let rejection = reporter.hello_refused(hello("one-more", Healthy)).await;
    assert_eq!(rejection.code(), RejectionCode::Exhausted);
    assert_eq!(refused(&ward, "services").await, 1.0);
    assert_no_room(&ward, "one-more", "services").await;
}
