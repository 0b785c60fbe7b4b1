//! The loop with a real engine in it.

use std::{
    collections::BTreeMap,
    sync::mpsc::{Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use futures_util::FutureExt;
use prometheus_client::registry::Registry;
use ward_model::{Criticality, Hello, Incarnation, InstanceId, Status};

use super::*;
use crate::hub::{Encoding, Filter, Outgoing};

fn timings() -> Timings {
    Timings {
        rollup: HistogramWithExemplars::new([1.0].into_iter()),
        report_to_watch: HistogramWithExemplars::new([1.0].into_iter()),
    }
}

fn started(declarations: Vec<(Name, Declaration)>) -> (Loop, Decider, Hub, Timings) {
    let timings = timings();
    let (running, decider, hub) = start(
        Default::default(),
        hub::Config::default(),
        declarations,
        timings.clone(),
        Life::new(Clock::start()),
    )
    .unwrap();
    (running, decider, hub, timings)
}

fn name(text: &str) -> Name {
    Name::service(text).unwrap()
}

fn hello(service: &str) -> Event {
    let hello = Hello {
        id: InstanceId {
            service: name(service),
            instance: name("one"),
        },
        incarnation: Incarnation::new("first").unwrap(),
        version: String::new(),
        interval: Duration::from_secs(5),
        labels: BTreeMap::new(),
        criticality: Some(Criticality::Critical),
        dependencies: Vec::new(),
        checks: Vec::new(),
        signals: Vec::new(),
        min_healthy: None,
        startup_deadline: Duration::from_secs(300),
        sequence: 1,
        results: Vec::new(),
        values: Vec::new(),
    };
    Event::Hello {
        stream: None,
        hello: Box::new(hello),
    }
}

#[tokio::test]
async fn what_an_event_changes_is_published_before_its_answer() {
    let (running, decider, hub, timings) = started(Vec::new());
    let before = hub.head();
    let reply = decider.apply(hello("bank")).await.unwrap();
    assert!(matches!(reply, Reply::Registered(_)), "{reply:?}");
    assert!(hub.head().revision > before.revision);
    let (epoch, revision) = decider
        .read(|engine| (engine.epoch(), engine.revision()))
        .await
        .unwrap();
    assert_eq!((epoch, true), (before.epoch, revision >= hub.head().revision));
    let mut registry = Registry::default();
    registry.register("took", "", timings.report_to_watch);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains("took_count 1\n"), "{text}");
    running.stop().await;
    assert_eq!(decider.apply(hello("bank")).await, Err(Unavailable));
    assert_eq!(decider.read(|_| ()).await, Err(Unavailable));
}

#[tokio::test]
async fn what_the_file_declares_is_there_from_the_first_snapshot_on() {
    let declaration = Declaration {
        criticality: Some(Criticality::Critical),
        ..Declaration::default()
    };
    let (running, decider, hub, _) = started(vec![(name("bank"), declaration)]);
    let Some(Outgoing::Delta(first)) = hub
        .watch(Filter::default(), Encoding::Protobuf, None)
        .next()
        .await
    else {
        panic!("no snapshot")
    };
    assert_eq!(first.entities.len(), 2, "the system and the service");
    let system = decider.read(Engine::system).await.unwrap();
    assert_eq!(system.condition.status, Status::Unknown);
    running.stop().await;
}

#[test]
fn what_the_engine_does_not_take_of_the_file_does_not_start() {
    let services = (0..=ward_model::bounds::SERVICES).map(|n| name(&format!("s{n}")));
    let refused = start(
        Default::default(),
        hub::Config::default(),
        services.map(|service| (service, Declaration::default())),
        timings(),
        Life::new(Clock::start()),
    );
    assert!(refused.unwrap_err().to_string().contains("10001 services"));
}

#[tokio::test]
async fn the_heart_beats_and_a_failed_decision_is_noticed() {
    let (mut running, decider, _hub, _) = started(Vec::new());
    let beats = async {
        let mut silence = decider.silence();
        while decider.silence() >= silence {
            silence = decider.silence();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), beats)
        .await
        .expect("a heartbeat");
    let answer: Result<(), _> = decider.read(|_| panic!("a broken reader")).await;
    assert_eq!(answer, Err(Unavailable));
    tokio::time::timeout(Duration::from_secs(5), running.ended())
        .await
        .expect("noticed");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_questions_at_once_do_not_keep_time_from_passing() {
    let (running, decider, _hub, _) = started(Vec::new());
    let questions = (0..64).map(|_| {
        let seen = decider.clone();
        decider.read(move |_| {
            std::thread::sleep(Duration::from_millis(15));
            seen.silence()
        })
    });
    let silences = futures_util::future::join_all(questions).await;
    let longest = silences.into_iter().map(Result::unwrap).max().unwrap();
    // Together they take a second.
    assert!(longest < Duration::from_millis(500), "{longest:?}");
    running.stop().await;
}

/// Has the writer held by a thread of its own, until what is returned is sent to.
fn hold_writer(decider: &Decider) -> (Sender<()>, JoinHandle<Result<(), Unavailable>>) {
    let (taken, is_taken) = channel();
    let (release, released) = channel();
    let holder = decider.clone();
    let holding = thread::spawn(move || {
        holder.shared.seat.hold(|_| {
            taken.send(()).unwrap();
            released.recv().unwrap();
        })
    });
    is_taken.recv().unwrap();
    (release, holding)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_decided_whoever_has_the_writer() {
    let (running, decider, _hub, _) = started(Vec::new());
    let (release, holding) = hold_writer(&decider);
    let mut report = std::pin::pin!(decider.report(vec![hello("bank").into()], Mono::default()));
    assert!((&mut report).now_or_never().is_none(), "it waits in the inbox");
    release.send(()).unwrap();
    let replies = report.await.unwrap();
    assert!(matches!(replies[..], [Reply::Registered(_)]), "{replies:?}");
    holding.join().unwrap().unwrap();
    assert_eq!(decider.report(Vec::new(), Mono::default()).await, Ok(Vec::new()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_wait_only_while_there_is_room_for_others_and_nothing_waits_long() {
    let (running, decider, _hub, _) = started(Vec::new());
    let (release, holding) = hold_writer(&decider);
    let now = || decider.shared.clock.mono();
    let offer = |may_wait| Box::pin(decider.offer(vec![hello("bank").into()], now(), may_wait));
    assert_eq!(offer(false).await, Ok(None), "it would have to wait");
    let mut waiting = Vec::new();
    let shed = loop {
        let mut offered = offer(true);
        match (&mut offered).now_or_never() {
            Some(shed) => break shed,
            None => waiting.push(offered),
        }
    };
    assert_eq!(shed, Ok(None));
    // The loop has taken some out and waits for the writer with them.
    let most = INBOX - NOT_FOR_UPDATES + TOGETHER;
    assert!(
        (most - TOGETHER..=most).contains(&waiting.len()),
        "{}",
        waiting.len()
    );
    let mut question = Box::pin(decider.read(|_| ()));
    assert!((&mut question).now_or_never().is_none());
    assert!(decider.inbox.capacity() > 0, "there is room for questions");
    assert_eq!(waiting.remove(0).await, Ok(None), "after {LATE:?}");
    release.send(()).unwrap();
    assert_eq!(question.await, Ok(()));
    holding.join().unwrap().unwrap();
    let reply = decider.report(vec![hello("bank").into()], now()).await;
    assert!(reply.is_ok() && !decider.is_overloaded(now()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_do_not_queue_behind_what_has_waited_for_long() {
    let (running, decider, _hub, _) = started(Vec::new());
    let (release, released) = std::sync::mpsc::channel::<()>();
    let mut held = Box::pin(decider.read(move |_| {
        let _over = released.recv();
    }));
    assert!((&mut held).now_or_never().is_none());
    // Until the loop is in there, so that what comes next waits in the inbox.
    while !decider.nobody_waits() {
        tokio::task::yield_now().await;
    }
    let mut question = Box::pin(decider.read(|_| ()));
    assert!((&mut question).now_or_never().is_none());
    let now = decider.shared.clock.mono();
    assert!(!decider.is_overloaded(now));
    assert!(decider.is_overloaded(now + LATE + Duration::from_millis(1)));
    release.send(()).unwrap();
    assert_eq!(question.await, Ok(()));
    held.await.unwrap();
    assert!(
        !decider.is_overloaded(now + Duration::from_secs(60)),
        "nothing waits"
    );
    running.stop().await;
}

#[tokio::test]
async fn a_decision_that_fails_at_an_edge_is_noticed_by_the_loop() {
    let (mut running, decider, _hub, _) = started(Vec::new());
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        while decider
            .shared
            .seat
            .hold_if_free(|_| panic!("a broken decision"))
            .is_none()
        {}
    }));
    assert!(failed.is_err());
    let reported = decider.report(vec![hello("bank").into()], Mono::default()).await;
    assert_eq!(reported, Err(Unavailable));
    tokio::time::timeout(Duration::from_secs(5), running.ended())
        .await
        .expect("noticed");
    running.stop().await;
}
