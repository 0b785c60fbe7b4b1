//! `grpc.health.v1`, as its clients see it.

use std::time::Duration;

use tokio::time::timeout;
use tonic::{Code, Streaming, transport::Channel};
use ward_grpc_health::v1::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest,
    health_check_response::ServingStatus::{self, NotServing, ServiceUnknown, Serving as Serves},
    health_client::HealthClient,
};
use ward_proto::v1::{self, Status};

use crate::harness::{Aggregator, SOON, hello, start, start_configured, start_with, until, update};

fn request(name: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: name.into() }
}

async fn client(ward: &Aggregator) -> HealthClient<Channel> {
    HealthClient::connect(format!("http://{}", ward.app.grpc_addr()))
        .await
        .unwrap()
}

async fn check(ward: &Aggregator, name: &str) -> Result<ServingStatus, Code> {
    let answer = client(ward).await.check(request(name)).await;
    answer
        .map(|answer| answer.get_ref().status())
        .map_err(|status| status.code())
}

async fn watch(ward: &Aggregator, name: &str) -> Streaming<HealthCheckResponse> {
    client(ward)
        .await
        .watch(request(name))
        .await
        .unwrap()
        .into_inner()
}

/// The next status, or `None` at a clean end.
async fn next(watch: &mut Streaming<HealthCheckResponse>) -> Option<ServingStatus> {
    let message = timeout(SOON, watch.message()).await.expect("news").unwrap();
    message.map(|message| message.status())
}

async fn until_it_is(ward: &Aggregator, name: &str, expected: Result<ServingStatus, Code>) {
    until(name, async || (check(ward, name).await == expected).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_serves_whatever_the_system_does() {
    let ward = start().await;
    for name in ["", "liveness", "readiness", "startup"] {
        assert_eq!(check(&ward, name).await, Ok(Serves), "{name:?}, at once");
    }
    assert_eq!(
        check(&ward, "system").await,
        Ok(NotServing),
        "nothing is known of it"
    );
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("bank", Status::Unhealthy)).await;
    until_it_is(&ward, "bank", Ok(NotServing)).await;
    assert_eq!(check(&ward, "system").await, Ok(NotServing));
    assert_eq!(check(&ward, "").await, Ok(Serves));
    let all = client(&ward)
        .await
        .list(HealthListRequest {})
        .await
        .unwrap()
        .into_inner()
        .statuses;
    let names: Vec<_> = all.keys().map(String::as_str).collect();
    assert_eq!(names, ["", "bank", "liveness", "readiness", "startup", "system"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_unknown_until_it_comes_and_when_it_left() {
    let ward = start().await;
    let (mut bank, mut system) = (watch(&ward, "bank").await, watch(&ward, "system").await);
    assert_eq!(next(&mut bank).await, Some(ServiceUnknown));
    assert_eq!(next(&mut system).await, Some(NotServing));
    assert_eq!(check(&ward, "bank").await, Err(Code::NotFound));
    let mut reporter = ward.reporter().await;
    let handle = reporter.hello(hello("bank", Status::Healthy)).await;
    assert_eq!(next(&mut bank).await, Some(Serves));
    assert_eq!(next(&mut system).await, Some(Serves));
    reporter.update(update(handle, 2, Status::Degraded)).await;
    reporter.update(update(handle, 3, Status::Unhealthy)).await;
    assert_eq!(next(&mut bank).await, Some(NotServing), "degraded is serving");
    reporter.update(update(handle, 4, Status::Unknown)).await;
    reporter.update(update(handle, 5, Status::Healthy)).await;
    assert_eq!(
        next(&mut bank).await,
        Some(Serves),
        "unknown is not, as unhealthy was"
    );
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
    assert_eq!(next(&mut bank).await, Some(ServiceUnknown));
    assert_eq!(check(&ward, "bank").await, Err(Code::NotFound));
    reporter
        .hello(v1::Hello {
            incarnation: "second".into(),
            ..hello("bank", Status::Healthy)
        })
        .await;
    assert_eq!(next(&mut bank).await, Some(Serves), "on the same stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_degraded_means_can_be_changed_while_it_runs() {
    let strict = "aggregator.degraded_is_serving = false\n";
    let ward = start_configured(strict).await;
    let mut reporter = ward.reporter().await;
    for name in ["bank", "shop"] {
        reporter.hello(hello(name, Status::Degraded)).await;
        until_it_is(&ward, name, Ok(NotServing)).await;
    }
    let mut bank = watch(&ward, "bank").await;
    assert_eq!(next(&mut bank).await, Some(NotServing));
    ward.configure(&format!("{strict}services.bank.degraded_is_serving = true\n"));
    ward.app.reload().await.unwrap();
    assert_eq!(next(&mut bank).await, Some(Serves));
    assert_eq!(check(&ward, "shop").await, Ok(NotServing));
    assert_eq!(check(&ward, "system").await, Ok(NotServing));
    ward.configure("");
    ward.app.reload().await.unwrap();
    for name in ["bank", "shop", "system"] {
        until_it_is(&ward, name, Ok(Serves)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_told_to_every_watch_as_its_last_word() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("bank", Status::Healthy)).await;
    until_it_is(&ward, "bank", Ok(Serves)).await;
    let mut watches = Vec::new();
    for (name, first) in [
        ("", Serves),
        ("liveness", Serves),
        ("bank", Serves),
        ("nobody", ServiceUnknown),
    ] {
        let mut watch = watch(&ward, name).await;
        assert_eq!(next(&mut watch).await, Some(first), "{name:?}");
        watches.push(watch);
    }
    let stopping = tokio::spawn(ward.app.stop());
    for watch in &mut watches {
        assert_eq!(next(watch).await, Some(NotServing));
        assert_eq!(next(watch).await, None, "a clean end");
    }
    drop((watches, reporter));
    assert!(timeout(SOON, stopping).await.unwrap().unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_age_takes_its_watches_with_it() {
    let ward = start_with(|mut config| {
        config.limits.connection_age = Some(Duration::from_secs(1));
        config
    })
    .await;
    let mut watch = watch(&ward, "bank").await;
    assert_eq!(next(&mut watch).await, Some(ServiceUnknown));
    assert_eq!(next(&mut watch).await, None, "a clean end");
    assert_eq!(check(&ward, "").await, Ok(Serves));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_and_the_follower_is_no_watcher() {
    let ward = start().await;
    let _watch = watch(&ward, "bank").await;
    assert_eq!(check(&ward, "").await, Ok(Serves));
    assert_eq!(check(&ward, "bank").await, Err(Code::NotFound));
    for (method, code) in [("Check", "ok"), ("Check", "not_found"), ("Watch", "ok")] {
        let series = format!(r#"ward_requests_total{{method="grpc.health.v1/{method}",code="{code}"}}"#);
        assert_eq!(ward.metric(&series).await, 1.0, "{series}");
    }
    assert_eq!(ward.metric("ward_watchers").await, 0.0);
}

/// What follows loses its place when it is behind by more than the hub keeps; a snapshot says what is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_services_come_and_go() {
    const SERVICES: usize = 1_000;
    let ward = start_configured("").await;
    let mut handles = Vec::new();
    let mut reporter = ward.reporter().await;
    for index in 0..SERVICES {
        handles.push(
            reporter
                .hello(hello(&format!("service-{index}"), Status::Healthy))
                .await,
        );
    }
    let known = async || {
        let list = client(&ward).await.list(HealthListRequest {}).await.unwrap();
        list.into_inner()
            .statuses
            .values()
            .filter(|state| state.status() == Serves)
            .count()
    };
    until("all are known", async || {
        (known().await == SERVICES + 5).then_some(())
    })
    .await;
    ward.configure("aggregator.degraded_is_serving = false");
    ward.app.reload().await.unwrap();
    for handles in handles.chunks(100) {
        let goodbye = |&handle| v1::Goodbye {
            handle,
            ..Default::default()
        };
        let goodbyes = handles.iter().map(goodbye).collect();
        reporter
            .send(v1::ReportRequest {
                goodbyes,
                ..Default::default()
            })
            .await;
    }
    until("none is known", async || {
        let list = client(&ward).await.list(HealthListRequest {}).await.unwrap();
        (list.into_inner().statuses.len() == 5).then_some(())
    })
    .await;
}
