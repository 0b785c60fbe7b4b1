//! A reporter against an aggregator that the test plays, over real connections.

#[path = "reporter/access.rs"]
mod access;
#[path = "reporter/authority.rs"]
mod authority;
#[path = "reporter/grpc_health.rs"]
mod grpc_health;
#[path = "reporter/log.rs"]
mod log;
#[path = "reporter/server.rs"]
mod server;

use std::{
    future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use server::{PATIENCE, Server};
use tokio::time::{sleep, timeout};
use ward_chassis::Clock;
use ward_model::Mono;
use ward_proto::v1::{self, RejectionCode, Status as Wire};
use ward_sdk::{Builder, Check, CheckKind, Criticality, MinHealthy, Reporter, Signal, Status, Verdict};

const INTERVAL: Duration = Duration::from_millis(100);

fn payments(server: &Server) -> Builder {
    at(server.addr)
}

fn at(addr: std::net::SocketAddr) -> Builder {
    Reporter::builder("payments")
        .instance("payments-1")
        .server(addr.to_string())
        .interval(INTERVAL)
}

/// A check that says what `script` holds: the status with that number.
fn scripted(name: &str, script: &Arc<AtomicU32>) -> Check {
    let script = Arc::clone(script);
    let say = move || {
        let status = Status::ALL[script.load(Relaxed) as usize];
        async move { Verdict::new(status, format!("it is {status}")) }
    };
    Check::new(name, say).period(Duration::from_millis(20))
}

fn say(script: &AtomicU32, status: Status) {
    script.store(status as u32, Relaxed);
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "{what}");
}

#[tokio::test]
async fn hello_carries_everything_and_beats_follow() {
    let mut server = Server::start().await;
    let ready = Arc::new(AtomicU32::new(0));
    let reporter = payments(&server)
        .version("1.2.3")
        .label("zone", "eu-1")
        .criticality(Criticality::Critical)
        .hard("bank")
        .soft("scoring")
        .any_of("mail", ["mail-a", "mail-b"])
        .min_healthy(MinHealthy::Percent(50))
        .startup_deadline(Duration::from_secs(60))
        .check(scripted("db", &ready).subject("payments-db").advisory())
        .signal(Signal::new("error_ratio").degraded(0.1, 0.05).unhealthy(0.5, 0.4))
        .start()
        .unwrap();
    reporter.signal("error_ratio").set(0.25);
    let mut talk = server.accept().await;
    let hello = talk.hello().await;
    assert_eq!(
        (hello.service.as_str(), hello.instance.as_str()),
        ("payments", "payments-1")
    );
    assert_eq!(
        (
            hello.version.as_str(),
            hello.interval_ms,
            hello.startup_deadline_ms
        ),
        ("1.2.3", 100, 60_000)
    );
    assert_eq!(hello.labels["zone"], "eu-1");
    assert_eq!(hello.criticality(), v1::Criticality::Critical);
    assert_eq!(hello.dependencies.len(), 4);
    assert_eq!(hello.dependencies[3].any_of, "mail");
    assert_eq!(
        hello.min_healthy.unwrap().amount,
        Some(v1::min_healthy::Amount::Percent(50))
    );
    assert_eq!(hello.incarnation.len(), 32);
    let checks: Vec<_> = hello
        .checks
        .iter()
        .map(|check| (check.name.as_str(), check.kind()))
        .collect();
    assert_eq!(
        checks,
        [("self", v1::CheckKind::Required), ("db", v1::CheckKind::Advisory)]
    );
    assert_eq!(
        (hello.checks[1].subject.as_str(), hello.checks[1].period_ms),
        ("payments-db", 20)
    );
    assert_eq!(hello.signals[0].unhealthy.unwrap().raise, 0.5);
    assert_eq!(hello.results[0].status(), Wire::Healthy);
    talk.register(&hello, 7).await;
    loop {
        let request = talk.request().await;
        if !request.beats.is_empty() {
            assert_eq!(request.beats, [7]);
            break;
        }
    }
    assert!(reporter.is_connected());
    reporter.signal("error_ratio").set(0.75);
    let update = talk.update().await;
    assert_eq!((update.handle, update.full, update.results.len()), (7, false, 0));
    assert_eq!(
        update.values,
        [v1::SignalValue {
            name: "error_ratio".into(),
            value: 0.75
        }]
    );
    reporter.signal("error_ratio").set(f64::NAN);
    assert!(
        talk.request().await.updates.is_empty(),
        "not a number is not told"
    );
}

#[tokio::test]
async fn it_beats_as_the_aggregator_wants_and_no_faster_than_is_good() {
    let mut server = Server::start().await;
    // Its own is far longer than the test: every beat is one that was asked for.
    let reporter = payments(&server)
        .interval(Duration::from_secs(3_600))
        .start()
        .unwrap();
    let mut talk = server.accept().await;
    let hello = talk.hello().await;
    assert_eq!(hello.interval_ms, 3_600_000, "what it says is its own");
    talk.register_every(&hello, 7, 100).await;
    for _ in 0..5 {
        assert_eq!(talk.request().await.beats, [7]);
    }
    // Of another interval the first beat comes at once, and here none behind it.
    talk.register_every(&hello, 7, 3_600_000).await;
    talk.quiet(Duration::from_millis(500)).await;
    // Another one at run time, lower than any may be.
    talk.register_every(&hello, 7, 1).await;
    talk.request().await;
    let clock = Clock::start();
    for _ in 0..5 {
        assert_eq!(talk.request().await.beats, [7]);
    }
    assert!(
        clock.mono().since(Mono::default()) >= Duration::from_millis(400),
        "five beats"
    );
    // One that says nothing about it has the reporter's own.
    talk.register_every(&hello, 7, 0).await;
    talk.quiet(Duration::from_millis(500)).await;
    assert!(reporter.is_connected());
}

#[tokio::test]
async fn one_bad_result_is_noise_and_three_are_told_at_once() {
    let mut server = Server::start().await;
    let health = Arc::new(AtomicU32::new(Status::Healthy as u32));
    let runs = Arc::new(AtomicU32::new(0));
    let (script, counter) = (Arc::clone(&health), Arc::clone(&runs));
    // Once unhealthy, then healthy again, until told otherwise.
    let check = Check::new("db", move || {
        let once = counter.fetch_add(1, Relaxed) == 1;
        let status = if once {
            Status::Unhealthy
        } else {
            Status::ALL[script.load(Relaxed) as usize]
        };
        async move { Verdict::new(status, "as scripted") }
    });
    // Far longer than the test: what is told is told because it changed.
    let interval = Duration::from_secs(600);
    let reporter = payments(&server)
        .interval(interval)
        .check(check.period(Duration::from_millis(20)))
        .start()
        .unwrap();
    let (mut talk, hello) = server.welcome(1).await;
    if !hello.results.iter().any(|result| result.name == "db") {
        assert_eq!(talk.result("db").await.status(), Wire::Healthy);
    }
    eventually("runs after the bad one", || runs.load(Relaxed) > 5).await;
    assert_eq!(reporter.health().components["db"].status, Status::Healthy);
    say(&health, Status::Unhealthy);
    let result = talk.result("db").await;
    assert_eq!(
        (result.status(), result.message.as_str()),
        (Wire::Unhealthy, "as scripted")
    );
    say(&health, Status::Healthy);
    assert_eq!(
        talk.result("db").await.status(),
        Wire::Healthy,
        "nothing was said of the single bad result"
    );
    reporter.set_status(Status::Degraded, "on the \u{1b}[31mstandby");
    let own = talk.result("self").await;
    assert_eq!(
        (own.status(), own.message.as_str()),
        (Wire::Degraded, "on the  [31mstandby")
    );
}

#[tokio::test]
async fn a_check_that_hangs_panics_or_blocks_is_unhealthy_and_the_others_go_on() {
    let server = Server::start().await;
    let quick = |check: Check| {
        check
            .period(Duration::from_millis(50))
            .timeout(Duration::from_millis(50))
            .debounce(1, 1)
    };
    let runs = Arc::new(AtomicU32::new(0));
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let (blocks, blocked) = (Arc::clone(&runs), Arc::new(Mutex::new(blocked)));
    let block = move || {
        blocks.fetch_add(1, Relaxed);
        let blocked = Arc::clone(&blocked);
        // Blocks its thread until released; after that, not at all.
        async move { assert!(blocked.lock().unwrap().recv().is_err(), "released") }
    };
    let good = Arc::new(AtomicU32::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let builder = payments(&server)
        .check(quick(Check::new("hangs", future::pending::<()>)))
        .check(quick(Check::new("panics", || async {
            assert!(thread::panicking(), "as it should")
        })))
        .check(quick(Check::new("panics-early", || -> future::Ready<()> {
            panic!("as it should")
        })))
        .check(quick(Check::new("blocks", block)))
        .check(scripted("works", &good));
    let reporter = runtime.spawn(async { builder.start().unwrap() }).await.unwrap();
    let of = |name: &str| reporter.health().components[name].clone();
    eventually("a hanging check times out", || {
        of("hangs").message == "timed out after 50ms"
    })
    .await;
    eventually("a panic is unhealthy", || {
        of("panics").message == "the check panicked"
    })
    .await;
    eventually("an early panic is unhealthy", || {
        of("panics-early").message == "the check panicked"
    })
    .await;
    eventually("a blocked run is waited for", || {
        of("blocks").message.contains("still blocks its thread")
    })
    .await;
    assert_eq!(runs.load(Relaxed), 1, "no second run beside a blocked one");
    drop(release);
    eventually("it recovers", || of("blocks").status == Status::Healthy).await;
    assert_eq!(of("hangs").status, Status::Unhealthy);
    assert_eq!(of("works").status, Status::Healthy);
    drop(reporter);
    runtime.shutdown_background();
}

#[tokio::test]
async fn after_the_aggregator_died_the_newest_state_is_told_within_two_seconds() {
    let mut server = Server::start().await;
    let reporter = payments(&server).signal(Signal::new("load")).start().unwrap();
    let (talk, first) = server.welcome(1).await;
    let addr = server.die();
    eventually("the loss is seen", || !reporter.is_connected()).await;
    drop(talk);
    for status in [Status::Unhealthy, Status::Healthy, Status::Degraded] {
        reporter.set_status(status, "while it was away");
    }
    reporter.signal("load").set(3.0);
    // Long enough for the backoff to be at its longest.
    sleep(Duration::from_secs(2)).await;
    let clock = Clock::start();
    let mut server = Server::start_at(addr).await;
    let (mut talk, again) = server.welcome(9).await;
    assert!(
        clock.mono().since(Default::default()) < Duration::from_secs(2),
        "back within 2 s"
    );
    assert_eq!(again.incarnation, first.incarnation);
    assert!(again.sequence > first.sequence);
    assert_eq!(
        (again.results[0].status(), again.results.len()),
        (Wire::Degraded, 1),
        "the newest and nothing else"
    );
    assert_eq!(again.values[0].value, 3.0);
    assert_eq!(talk.request().await.beats, [9]);
}

#[tokio::test]
async fn a_gap_is_answered_with_everything() {
    let mut server = Server::start().await;
    let _reporter = payments(&server).signal(Signal::new("load")).start().unwrap();
    let (mut talk, hello) = server.welcome(4).await;
    talk.answer(v1::ReportResponse {
        full_state_wanted: vec![4],
        ..Default::default()
    })
    .await;
    let update = talk.update().await;
    assert!(update.full && update.sequence > hello.sequence);
    assert_eq!((update.handle, update.results.len()), (4, 1));
}

#[tokio::test]
async fn refused_it_says_hello_again_as_the_same_incarnation() {
    let mut server = Server::start().await;
    let reporter = payments(&server).start().unwrap();
    let mut talk = server.accept().await;
    let first = talk.hello().await;
    talk.reject(0, RejectionCode::AlreadyExists).await;
    let second = talk.hello().await;
    assert_eq!(
        (&second.incarnation, &second.instance),
        (&first.incarnation, &first.instance)
    );
    talk.register(&second, 1).await;
    eventually("it is connected", || reporter.is_connected()).await;
    talk.reject(1, RejectionCode::Forgotten).await;
    let third = loop {
        let request = talk.request().await;
        if let Some(hello) = request.hellos.into_iter().next() {
            break hello;
        }
    };
    assert_eq!(third.incarnation, first.incarnation);
    assert!(!reporter.is_connected());
    talk.register(&third, 2).await;
    assert_eq!(talk.request().await.beats, [2]);
}

#[tokio::test]
async fn superseded_it_waits_even_on_a_new_stream() {
    let mut server = Server::start().await;
    let _reporter = payments(&server).start().unwrap();
    let mut talk = server.accept().await;
    talk.hello().await;
    talk.reject(0, RejectionCode::Superseded).await;
    talk.close().await;
    let again = timeout(Duration::from_secs(3), server.accept()).await;
    assert!(
        again.is_err(),
        "a superseded incarnation does not come back at once"
    );
}

#[tokio::test]
async fn it_comes_back_when_the_closing_aggregator_said() {
    let mut server = Server::start().await;
    let _reporter = payments(&server).start().unwrap();
    let (mut talk, _) = server.welcome(1).await;
    let clock = Clock::start();
    let closing = v1::Closing {
        reason: "restart".into(),
        retry_after_ms: 1_500,
    };
    talk.answer(v1::ReportResponse {
        closing: Some(closing),
        ..Default::default()
    })
    .await;
    talk.end().await;
    server.welcome(2).await;
    let away = clock.mono().since(Default::default());
    assert!((1_500..4_000).contains(&away.as_millis()), "{away:?}");
}

#[tokio::test]
async fn shutdown_says_goodbye_and_a_drop_does_not() {
    let mut server = Server::start().await;
    let reporter = payments(&server).start().unwrap();
    let (mut talk, _) = server.welcome(3).await;
    let leaving = tokio::spawn(async move {
        reporter.shutdown().await;
        reporter.shutdown().await;
    });
    let goodbye = loop {
        let request = talk.request().await;
        if let Some(goodbye) = request.goodbyes.into_iter().next() {
            break goodbye;
        }
    };
    assert_eq!(goodbye.handle, 3);
    assert!(talk.request_or_end().await.is_none());
    drop(talk);
    timeout(PATIENCE, leaving).await.expect("shutdown ends").unwrap();

    let reporter = payments(&server).start().unwrap();
    let (mut talk, _) = server.welcome(4).await;
    drop(reporter);
    while let Some(request) = talk.request_or_end().await {
        assert!(request.goodbyes.is_empty(), "a crash says no goodbye");
    }
}

#[tokio::test]
async fn goodbye_is_said_even_if_the_answer_to_hello_is_late() {
    let mut server = Server::start().await;
    let reporter = payments(&server).start().unwrap();
    let mut talk = server.accept().await;
    let hello = talk.hello().await;
    let leaving = tokio::spawn(async move { reporter.shutdown().await });
    talk.register(&hello, 6).await;
    assert_eq!(talk.request().await.goodbyes[0].handle, 6);
    drop(talk);
    timeout(PATIENCE, leaving).await.expect("shutdown ends").unwrap();
}

#[tokio::test]
async fn with_the_aggregator_away_or_hung_the_host_notices_nothing() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    // Accepts (the kernel does) and never answers.
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for addr in [nobody, hung.local_addr().unwrap()] {
        let health = Arc::new(AtomicU32::new(Status::Healthy as u32));
        let clock = Clock::start();
        let reporter = at(addr)
            .check(scripted("db", &health))
            .signal(Signal::new("load"))
            .heartbeat("loop", PATIENCE)
            .start();
        let reporter = reporter.unwrap();
        let since = |start| clock.mono().since(start);
        assert!(
            since(Default::default()) < Duration::from_millis(500),
            "start returns at once"
        );
        let start = clock.mono();
        for value in 0..1_000_000 {
            reporter.signal("load").set(f64::from(value));
            reporter.heartbeat("loop").beat();
        }
        // 50 ns in a release build; this is about waiting, in a debug build on a loaded machine.
        assert!(
            since(start) < Duration::from_secs(2),
            "a million sets took {:?}",
            since(start)
        );
        let start = clock.mono();
        for _ in 0..1_000 {
            reporter.set_status(Status::Degraded, "again");
        }
        assert!(
            since(start) < Duration::from_millis(500),
            "set_status never waits"
        );
        eventually("checks run on", || {
            reporter.health().components["db"].status == Status::Healthy
        })
        .await;
        let start = clock.mono();
        reporter.shutdown().await;
        assert!(since(start) < Duration::from_secs(3), "shutdown is bounded");
    }
}

#[tokio::test]
async fn an_aggregator_that_takes_the_call_and_never_answers_hello_is_left() {
    let mut server = Server::start().await;
    let _reporter = payments(&server).start().unwrap();
    let mut talk = server.accept().await;
    talk.hello().await;
    // The reporter gives up after 10 s and dials again.
    assert!(
        timeout(PATIENCE * 2, talk.end()).await.is_ok(),
        "the stream is given up"
    );
    server.welcome(1).await;
}

async fn get(addr: std::net::SocketAddr, path: &str) -> (u16, String) {
    // reqwest makes no client without one, for plain HTTP neither. Any test may have been the first.
    drop(rustls::crypto::ring::default_provider().install_default());
    let response = reqwest::get(format!("http://{addr}{path}"))
        .await
        .expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a text"))
}

#[tokio::test]
async fn probes_tell_what_the_checks_say() {
    let mut server = Server::start().await;
    let (db, cache) = (Arc::new(AtomicU32::new(3)), Arc::new(AtomicU32::new(3)));
    let reporter = payments(&server)
        .version("1.2.3")
        .await_own_word()
        .check(scripted("db", &db).debounce(1, 1))
        .check(scripted("cache", &cache).debounce(1, 1).advisory())
        .signal(Signal::new("load"))
        .start()
        .unwrap();
    let probes = reporter.serve_probes(([127, 0, 0, 1], 0).into()).unwrap();
    let addr = probes.addr();
    let (talk, _) = server.welcome(1).await;
    assert_eq!(get(addr, "/livez").await, (200, "ok\n".into()));
    let (code, body) = get(addr, "/startupz").await;
    assert_eq!(code, 503);
    assert!(body.contains("self has no result yet"), "{body}");
    reporter.set_status(Status::Healthy, "");
    eventually("first results", || {
        reporter.health().components["cache"].status == Status::Unhealthy
    })
    .await;
    eventually("first results", || {
        reporter.health().components["db"].status == Status::Unhealthy
    })
    .await;
    assert_eq!(get(addr, "/startupz").await.0, 200);
    assert_eq!(
        get(addr, "/readyz").await,
        (503, "db is unhealthy: it is unhealthy\n".into())
    );
    let (code, body) = get(addr, "/health").await;
    let health: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (code, &health["status"], &health["service"]),
        (503, &"unhealthy".into(), &"payments".into())
    );
    assert_eq!(
        (&health["version"], &health["components"]["cache"]["kind"]),
        (&"1.2.3".into(), &"advisory".into())
    );
    assert!(health["uptime_seconds"].as_f64().unwrap() > 0.0);
    assert!(health["timestamp"].as_str().unwrap().ends_with('Z'));

    say(&db, Status::Healthy);
    eventually("db recovers", || {
        reporter.health().components["db"].status == Status::Healthy
    })
    .await;
    assert_eq!(
        get(addr, "/readyz").await.0,
        200,
        "an advisory check keeps nobody away"
    );
    let health = reporter.health();
    assert_eq!(
        (health.status, health.components["cache"].kind),
        (Status::Degraded, CheckKind::Advisory)
    );
    assert_eq!(get(addr, "/health").await.0, 200);

    reporter.signal("load").set(0.5);
    eventually("it is connected", || reporter.is_connected()).await;
    let (_, metrics) = get(addr, "/metrics").await;
    for line in [
        "ward_check_status{check=\"db\",status=\"healthy\"} 1",
        "ward_check_status{check=\"db\",status=\"unhealthy\"} 0",
        "ward_signal_value{signal=\"load\"} 0.5",
        "ward_reporter_connected 1",
        "ward_reporter_reconnects_total 0",
        "# TYPE ward_reporter_requests counter",
        "# EOF",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    drop(talk);
    reporter.shutdown().await;
    assert_eq!(get(addr, "/readyz").await, (503, "shutting down\n".into()));
}

#[test]
fn a_stuck_runtime_is_found_by_the_probe_that_does_not_run_on_it() {
    let stuck = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (addr, reporter, probes) = stuck.block_on(async {
        let nobody = ([127, 0, 0, 1], 9).into();
        let reporter = at(nobody)
            .stuck_after(Duration::from_millis(500))
            .start()
            .unwrap();
        let probes = reporter.serve_probes(([127, 0, 0, 1], 0).into()).unwrap();
        // Turns for a while before it is stuck.
        sleep(Duration::from_secs(1)).await;
        (probes.addr(), reporter, probes)
    });
    let outside = tokio::runtime::Runtime::new().unwrap();
    let livez = |expected: u16| {
        let asking = async {
            loop {
                let (code, body) = get(addr, "/livez").await;
                if code == expected {
                    break body;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        outside
            .block_on(async { timeout(PATIENCE, asking).await })
            .expect("the probe to say it in time")
    };
    assert!(livez(503).contains("the runtime has not moved for"));
    let turning = thread::spawn(move || stuck.block_on(async { sleep(Duration::from_secs(5)).await }));
    livez(200);
    drop((reporter, probes));
    turning.join().unwrap();
}

#[tokio::test]
async fn refused_beats_do_not_put_off_that_everything_is_said_again() {
    let mut server = Server::start().await;
    let _reporter = payments(&server).start().unwrap();
    let (mut talk, _) = server.welcome(7).await;
    let said_again = async {
        loop {
            let request = talk.request().await;
            if request.updates.iter().any(|update| update.full) {
                break;
            }
            talk.reject(7, RejectionCode::Exhausted).await;
        }
    };
    assert!(timeout(PATIENCE, said_again).await.is_ok());
}
