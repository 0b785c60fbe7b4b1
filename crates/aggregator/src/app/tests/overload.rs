//! More updates than the engine can decide. Nothing from outside makes its thread stand still or slow, so this is done to
//! it here.

use std::sync::{
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    mpsc::{Receiver, Sender, channel},
};

use bytes::Bytes;
use futures_util::StreamExt;
use prost::Message;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use ward_engine::{Declaration, Engine, Event, Reply};
use ward_model::Name;

use super::*;
use crate::{ClientLimits, access::Caller};

const REPORTERS: usize = 300;
/// On one stream that only beats.
const HOSTED: u32 = 100;
/// The shortest lease there is, of 2.1 s.
const INTERVAL_MS: u32 = 100;
/// What the file says of it later.
const OTHER_INTERVAL_MS: u32 = 150;

type Requests = mpsc::Sender<Result<Bytes, tonic::Status>>;

fn open(app: &App) -> (Requests, edge::Answers) {
    let (requests, out) = mpsc::channel(4);
    let answers = edge::report(&app.edge, ReceiverStream::new(out), Caller::within()).unwrap();
    (requests, answers)
}

fn hello(service: &str, number: impl std::fmt::Display) -> v1::Hello {
    v1::Hello {
        service: service.into(),
        instance: format!("i{number}"),
        incarnation: "first".into(),
        interval_ms: INTERVAL_MS,
        sequence: 1,
        ..Default::default()
    }
}

/// A stream of many that beat all the time, and to whom little happens.
struct Host {
    requests: Requests,
    answers: edge::Answers,
    handles: Vec<u32>,
}

impl Host {
    async fn begin(app: &App) -> Self {
        let (requests, answers) = open(app);
        let mut host = Self {
            requests,
            answers,
            handles: Vec::new(),
        };
        let hellos = (0..HOSTED).map(|number| hello("host", number)).collect();
        host.send(v1::ReportRequest {
            hellos,
            ..Default::default()
        })
        .await;
        while host.handles.len() < HOSTED as usize {
            let answer = host.answers.next().await.unwrap().unwrap();
            host.handles
                .extend(answer.registrations.iter().map(|told| told.handle));
        }
        host
    }

    async fn send(&self, request: v1::ReportRequest) {
        self.requests
            .send(Ok(request.encode_to_vec().into()))
            .await
            .unwrap();
    }

    /// Beats for ever, and when `change` says so one leaves and another comes. Counts who was `told` of another interval.
    async fn talk(mut self, change: Arc<AtomicBool>, told: Arc<AtomicUsize>) {
        let mut beats = tokio::time::interval(Duration::from_millis(u64::from(INTERVAL_MS) / 2));
        loop {
            tokio::select! {
                _ = beats.tick() => {
                    let beats = self.handles.clone();
                    self.send(v1::ReportRequest { beats, ..Default::default() }).await;
                    if change.swap(false, Relaxed) {
                        self.change().await;
                    }
                }
                answer = self.answers.next() => {
                    let answer = answer.unwrap().unwrap();
                    assert_eq!(answer.rejections, [], "not taken");
                    for registration in &answer.registrations {
                        if !self.handles.contains(&registration.handle) {
                            self.handles.push(registration.handle);
                        }
                        let other = registration.interval_ms == OTHER_INTERVAL_MS;
                        told.fetch_add(usize::from(other), Relaxed);
                    }
                }
            }
        }
    }

    async fn change(&mut self) {
        let handle = self.handles.pop().unwrap();
        let goodbye = v1::Goodbye {
            handle,
            ..Default::default()
        };
        self.send(v1::ReportRequest {
            hellos: vec![hello("host", "late")],
            goodbyes: vec![goodbye],
            ..Default::default()
        })
        .await;
    }
}

/// One that never beats: it has something new to say all the time, and says it as fast as it is taken.
struct Reporter {
    requests: Requests,
    answers: edge::Answers,
    handle: u32,
    sequence: u64,
}

impl Reporter {
    async fn begin(app: &App, number: usize) -> Self {
        let (requests, mut answers) = open(app);
        let hello = v1::ReportRequest {
            hellos: vec![hello("fleet", number)],
            ..Default::default()
        };
        requests.send(Ok(hello.encode_to_vec().into())).await.unwrap();
        let answer = answers.next().await.unwrap().unwrap();
        Self {
            handle: answer.registrations[0].handle,
            requests,
            answers,
            sequence: 1,
        }
    }

    /// Says how it is; `full` where that was asked for. False if there is no room for that.
    fn say(&mut self, word: &str, full: bool) -> bool {
        let Ok(room) = self.requests.try_reserve() else {
            return false;
        };
        self.sequence += 1;
        let update = v1::Update {
            handle: self.handle,
            sequence: self.sequence,
            full,
            results: vec![v1::CheckResult {
                name: "work".into(),
                status: v1::Status::Healthy.into(),
                message: word.into(),
            }],
            ..Default::default()
        };
        let request = v1::ReportRequest {
            updates: vec![update],
            ..Default::default()
        };
        room.send(Ok(request.encode_to_vec().into()));
        true
    }

    /// Talks until told that it is over, says its last word, and answers whoever asks for that.
    async fn talk(mut self, over: Arc<AtomicBool>, left_out: Arc<AtomicUsize>) {
        let mut full = false;
        let mut said_last = false;
        loop {
            let last = over.load(Relaxed);
            if full || !said_last {
                let word = if last { "the last" } else { "one of many" };
                if self.say(word, full) {
                    (full, said_last) = (false, last);
                }
            }
            let Ok(answer) = timeout(Duration::from_millis(1), self.answers.next()).await else {
                continue;
            };
            let answer = answer.unwrap().unwrap();
            full |= answer.full_state_wanted.contains(&self.handle);
            for rejection in &answer.rejections {
                assert_eq!(rejection.code(), v1::RejectionCode::Exhausted, "{rejection:?}");
                left_out.fetch_add(1, Relaxed);
            }
        }
    }
}

/// Instances that are not fresh, and those that have said their last word.
fn look(engine: &Engine) -> (u64, usize) {
    let figures = engine.figures();
    let [_, suspect, lost, _] = figures.instances;
    let instances = engine.instances(&Name::service("fleet").unwrap(), usize::MAX);
    let last = |instance: &&ward_model::InstanceState| {
        instance
            .checks
            .iter()
            .any(|check| check.condition.message == "the last")
    };
    let missed = suspect + lost + figures.convictions;
    (missed, instances.iter().filter(last).count())
}

/// Keeps the engine's thread until told otherwise.
fn hold(decider: &crate::decider::Decider) -> (Sender<()>, Receiver<()>, JoinHandle<()>) {
    let (release, released) = channel::<()>();
    let (taken, is_taken) = channel();
    let decider = decider.clone();
    let holding = tokio::spawn(async move {
        let hold = move |_: &Engine| {
            taken.send(()).unwrap();
            // Ends with its sender.
            let _over = released.recv();
        };
        decider.read(hold).await.unwrap();
    });
    (release, is_taken, holding)
}

async fn declare(decider: crate::decider::Decider) {
    let declaration = Declaration {
        interval: Some(Duration::from_millis(OTHER_INTERVAL_MS.into())),
        ..Declaration::default()
    };
    let event = Event::DeclareAll(vec![(Name::service("host").unwrap(), Some(declaration))]);
    assert_eq!(decider.apply(event).await, Ok(Reply::Done));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_left_out_for_overload_is_not_convicted_and_its_newest_state_arrives() {
    provide_tls();
    let home = tempfile::tempdir().unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut config = Config {
        grpc: any,
        http: any,
        client_limits: ClientLimits::unguarded(),
        ..Config::new(home.path())
    };
    // Without the doubt that would spare all of them.
    config.engine.guards = false;
    let app = App::start(config).await.unwrap();
    let (over, left_out) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut talks = JoinSet::new();
    for number in 0..REPORTERS {
        let reporter = Reporter::begin(&app, number).await;
        talks.spawn(reporter.talk(over.clone(), left_out.clone()));
    }
    let (change, told) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    talks.spawn(Host::begin(&app).await.talk(change.clone(), told.clone()));

    // It stands still for longer than any lease here.
    let (release, is_taken, holding) = hold(&app.edge.decider);
    tokio::task::block_in_place(|| is_taken.recv().unwrap());
    tokio::time::sleep(Duration::from_secs(3)).await;
    drop(release);
    holding.await.unwrap();

    // It decides, and is always behind by more than a lease.
    let begun = app.edge.clock.mono();
    let mut questions = JoinSet::new();
    let ask = |questions: &mut JoinSet<_>| {
        let decider = app.edge.decider.clone();
        questions.spawn(async move {
            let slow = |engine: &Engine| {
                std::thread::sleep(Duration::from_millis(20));
                look(engine).0
            };
            decider.read(slow).await.unwrap()
        })
    };
    (0..150).for_each(|_| drop(ask(&mut questions)));
    // What has to wait all the same: a hello, a goodbye, and behind the file's word a question of each stream.
    change.store(true, Relaxed);
    let declared = tokio::spawn(declare(app.edge.decider.clone()));
    while let Some(missed) = questions.join_next().await {
        assert_eq!(missed.unwrap(), 0, "somebody was missed");
        if app.edge.clock.mono().since(begun) < Duration::from_secs(6) {
            ask(&mut questions);
        }
    }

    declared.await.unwrap();
    let all_told = async {
        while told.load(Relaxed) < HOSTED as usize {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, all_told).await.expect("the new interval is told");
    over.store(true, Relaxed);
    let all_last = async {
        while app.edge.decider.read(look).await.unwrap() != (0, REPORTERS) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, all_last).await.expect("the last word of everybody");
    assert!(left_out.load(Relaxed) >= REPORTERS, "they were told");
    let metrics = reqwest::get(format!("http://{}/metrics", app.http_addr()))
        .await
        .unwrap();
    let text = metrics.text().await.unwrap();
    let series = r#"ward_refused_total{bound="overload"} "#;
    let counted = text.lines().find_map(|line| line.strip_prefix(series)).unwrap();
    assert!(counted.parse::<u64>().unwrap() >= REPORTERS as u64, "{counted}");
    talks.abort_all();
    while let Some(ended) = talks.join_next().await {
        assert!(
            ended.is_err_and(|error| error.is_cancelled()),
            "a reporter failed"
        );
    }
    assert!(app.stop().await.is_clean());
}
