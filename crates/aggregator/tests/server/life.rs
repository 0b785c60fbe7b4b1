//! Starting and stopping.

use std::{error::Error, time::Duration};

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use ward_aggregator::{App, Config, RunError, StartError, run};
use ward_chassis::Shutdown;
use ward_proto::v1::{self, Status::Healthy, watch_response::Event};

use crate::harness::{SOON, config, hello, start, start_with, until};

/// An error with what is below it, as it is shown.
fn shown(error: &dyn Error) -> String {
    error.source().map_or_else(
        || error.to_string(),
        |source| format!("{error}: {}", shown(source)),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_one_is_told_who_holds_the_directory() {
    let ward = start().await;
    let refused = App::start(config(&ward.home)).await.unwrap_err();
    assert!(matches!(refused, StartError::DataDir(_)));
    let text = shown(&refused);
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    assert!(text.contains(&ward.app.grpc_addr().to_string()), "{text}");
    // And the first is none the worse for it.
    assert!(
        ward.client()
            .await
            .get_system(v1::GetSystemRequest {})
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_one_is_told_that_the_port_is_taken_and_leaves_nothing_behind() {
    let ward = start().await;
    let home = tempfile::tempdir().unwrap();
    let taken = Config {
        grpc: ward.app.grpc_addr(),
        ..config(&home)
    };
    let refused = App::start(taken).await.unwrap_err();
    assert!(matches!(refused, StartError::Bind { edge: "gRPC", .. }));
    let text = shown(&refused);
    assert!(
        text.contains(&ward.app.grpc_addr().to_string()) && text.contains("in use"),
        "{text}"
    );
    let again = App::start(config(&home))
        .await
        .expect("its directory is free again");
    assert!(again.stop().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_listen_beyond_loopback_unless_told_to() {
    let home = tempfile::tempdir().unwrap();
    let open = Config {
        grpc: "0.0.0.0:0".parse().unwrap(),
        ..config(&home)
    };
    let refused = App::start(open.clone()).await.unwrap_err();
    assert!(shown(&refused).contains("--insecure"), "{}", shown(&refused));
    let app = App::start(Config {
        insecure: true,
        ..open
    })
    .await
    .unwrap();
    assert!(app.stop().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_live_in_one_process_and_know_nothing_of_each_other() {
    let (one, other) = (start().await, start().await);
    let mut reporter = one.reporter().await;
    reporter.hello(hello("bank", Healthy)).await;
    assert_eq!(one.status_of("bank").await, Healthy);
    assert_eq!(other.metric(r#"ward_reports_total{kind="hello"}"#).await, 0.0);
    assert!(one.app.stop().await.is_clean());
    assert!(
        other
            .client()
            .await
            .get_system(v1::GetSystemRequest {})
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_tells_every_stream_and_closes_it() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("bank", Healthy)).await;
    let mut watch = ward.watch(v1::WatchRequest::default()).await;
    watch.delta().await;
    let (grpc, http) = (ward.app.grpc_addr(), ward.app.http_addr());
    let stopping = tokio::spawn(ward.app.stop());
    let closing = loop {
        if let Some(closing) = reporter.next().await.closing {
            break closing;
        }
    };
    assert!(closing.reason.contains("stopping"), "{closing:?}");
    assert!((100..1_000).contains(&closing.retry_after_ms));
    assert!(
        timeout(SOON, reporter.answers.message())
            .await
            .unwrap()
            .unwrap()
            .is_none(),
        "a clean end"
    );
    let told = loop {
        match watch.next().await {
            Event::Closing(closing) => break closing,
            Event::Delta(_) | Event::Bookmark(_) => {}
        }
    };
    assert!(told.reason.contains("stopping"), "{told:?}");
    assert!(
        timeout(SOON, watch.events.message())
            .await
            .unwrap()
            .unwrap()
            .is_none(),
        "a clean end"
    );
    drop((reporter, watch));
    let report = timeout(SOON, stopping).await.unwrap().unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.steps[0].name, "tell streams");
    for address in [grpc, http] {
        assert!(
            tokio::net::TcpStream::connect(address).await.is_err(),
            "{address} is free"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_falls_first_and_is_told_while_others_still_finish() {
    let ward = start_with(|mut config| {
        config.limits.stop_timeout = Duration::from_secs(2);
        config
    })
    .await;
    // One who has begun to speak and goes no further keeps the gRPC listener finishing until it is cut.
    let mut mute = tokio::net::TcpStream::connect(ward.app.grpc_addr())
        .await
        .unwrap();
    mute.write_all(b"PRI").await.unwrap();
    until("it is let in", async || {
        (ward.metric(r#"ward_connections{listener="grpc"}"#).await == 1.0).then_some(())
    })
    .await;
    let readyz = ward.url("/readyz");
    let stopping = tokio::spawn(ward.app.stop());
    let page = until("it is not ready", async || {
        let answer = reqwest::get(&readyz)
            .await
            .expect("HTTP is served until the last");
        match answer.status().as_u16() {
            503 => Some(answer.json::<serde_json::Value>().await.unwrap()),
            _ => None,
        }
    })
    .await;
    assert_eq!(page["checks"][1]["name"], "drain", "{page}");
    assert_eq!(page["checks"][1]["ok"], false, "{page}");
    let report = timeout(SOON, stopping).await.unwrap().unwrap();
    assert!(report.is_clean(), "bounded: {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_when_it_is_asked_to_and_can_be_aborted() {
    let home = tempfile::tempdir().unwrap();
    let shutdown = Shutdown::manual();
    let running = tokio::spawn({
        let (config, shutdown) = (config(&home), shutdown.clone());
        async move { run(config, &shutdown).await }
    });
    until("it holds its directory", async || {
        home.path().join("ward.lock").exists().then_some(())
    })
    .await;
    shutdown.trigger();
    let report = timeout(SOON, running).await.unwrap().unwrap().unwrap();
    assert!(report.is_clean(), "{report:?}");

    // A client that does not let go keeps a stop waiting; the second signal does not wait with it.
    let app = App::start(config(&home)).await.unwrap();
    let _idle = tokio::net::TcpStream::connect(app.http_addr()).await.unwrap();
    let aborting = Shutdown::manual();
    aborting.trigger();
    aborting.trigger();
    let aborted = timeout(Duration::from_secs(2), app.stop_unless(&aborting))
        .await
        .unwrap();
    let error = RunError::from(aborted.unwrap_err());
    assert!(error.to_string().contains("aborted"), "{error}");
}
