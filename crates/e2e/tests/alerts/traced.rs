//! One trace tells how a transition came about and who was told: from the check in the service's process to the requests to
//! those who are told. And without a collector nothing of that is there.

mod collector;
mod purchase;

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Read},
    iter,
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tokio_stream::{StreamExt, pending};
use tonic::Request;
use ward_chassis::{
    logs::{Format, Lines},
    telemetry,
};
use ward_proto::v1::{self, health_service_client::HealthServiceClient};
use ward_sdk::{Check, Reporter, Status};

use self::collector::{Collector, Told};
use crate::{
    alertmanager::get,
    people::{GLANCE, PATIENCE},
    ward::program,
};

/// What the service's process is told.
const SERVER: &str = "TRACED_SERVER";
const BROKEN: &str = "TRACED_BROKEN";
/// Soon told: an exporter waits five seconds otherwise.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "100");
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The story, from its beginning.
const CHAIN: [&str; 6] = ["check", "report", "decide", "change", "alert", "deliver"];
/// So many beats say nothing new.
const BEATS: u64 = 20;

/// A process that ends with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Process {
    fn start(command: &mut Command, environment: &[(&str, &str)]) -> Self {
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("OTEL_")) {
            command.env_remove(name);
        }
        let process = command
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        Self(process.unwrap())
    }

    /// The names of its threads, cut as the kernel keeps them.
    fn threads(&self) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap();
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        tasks.map(|task| name(task.unwrap())).collect()
    }

    /// Something in it sends spans.
    fn exports(&self) -> bool {
        self.threads()
            .iter()
            .any(|name| name.starts_with("ward-traces") || name.starts_with("OpenTelemetry"))
    }
}

/// A request to one who is told.
#[derive(Clone, Debug)]
struct Asked {
    path: String,
    traceparent: Option<String>,
    body: Value,
}

impl Asked {
    /// The event of an alert about what is unhealthy.
    fn is(&self, kind: &str) -> bool {
        self.body["type"] == kind && self.body["data"]["rule"] == "ServiceUnhealthy"
    }
}

const FIRING: &str = "dev.ward.alert.firing";
const RESOLVED: &str = "dev.ward.alert.resolved";

/// A webhook, which wants to hear of nothing that is resolved, and something like an Alertmanager.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<Asked>>>);

impl Receiver {
    async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hear = async |State(heard): State<Self>, uri: Uri, headers: HeaderMap, body: String| {
            let header = headers
                .get("traceparent")
                .map(|value| value.to_str().unwrap().to_owned());
            let asked = Asked {
                path: uri.path().to_owned(),
                traceparent: header,
                body: serde_json::from_str(&body).unwrap_or_default(),
            };
            let status = match asked.is(RESOLVED) {
                true => StatusCode::SERVICE_UNAVAILABLE,
                false => StatusCode::OK,
            };
            heard.0.lock().unwrap().push(asked);
            (status, "[]")
        };
        let app = Router::new().fallback(hear).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        address
    }

    fn find(&self, is: impl Fn(&Asked) -> bool) -> Option<Asked> {
        self.0.lock().unwrap().iter().find(|asked| is(asked)).cloned()
    }
}

/// All of it.
struct Story {
    collector: Collector,
    receiver: Receiver,
    ward: Process,
    bank: Process,
    log: Log,
    grpc: SocketAddr,
    http: SocketAddr,
    home: TempDir,
}

/// What a process says.
type Log = Arc<Mutex<String>>;

impl Story {
    async fn begin(traced: bool) -> Self {
        let (collector, receiver) = (Collector::start().await, Receiver::default());
        let told = receiver.listen().await;
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("ward.toml");
        fs::write(&config, settings(told)).unwrap();
        let url = format!("http://{}", collector.address);
        let environment = [SOON, (ENDPOINT, url.as_str())];
        let environment = if traced { &environment[..] } else { &[] };
        let (ward, log, grpc, http) = aggregator(home.path(), &config, environment);
        let broken = home.path().join("broken");
        let mut bank = Command::new(env::current_exe().unwrap());
        bank.args(["--exact", "traced::be_the_bank", "--ignored", "--nocapture"])
            .env(SERVER, grpc.to_string())
            .env(BROKEN, broken);
        let mut bank = Process::start(&mut bank, environment);
        drain(BufReader::new(bank.0.stderr.take().unwrap()));
        let story = Self {
            collector,
            receiver,
            ward,
            bank,
            log,
            grpc,
            http,
            home,
        };
        story.until_bank_is("healthy").await;
        story
    }

    async fn until_bank_is(&self, status: &str) {
        let is = async || {
            let said = get(self.http, "/api/v1/services/bank").await.unwrap_or_default();
            let state: Value = serde_json::from_str(&said).unwrap_or_default();
            (state["service"]["condition"]["status"] == status).then_some(())
        };
        until(status, is).await;
    }

    /// The bank breaks; the event of that, as the webhook has it.
    async fn breaks(&self) -> Asked {
        fs::write(self.home.path().join("broken"), "").unwrap();
        until("a page", async || self.receiver.find(|asked| asked.is(FIRING))).await
    }

    async fn beats(&self) -> u64 {
        let text = get(self.http, "/metrics").await.unwrap();
        let beats = text
            .lines()
            .find_map(|line| line.strip_prefix("ward_beats_total "));
        beats.unwrap().parse().unwrap()
    }

    /// Those of one trace, once all of these are there.
    async fn trace(&self, id: &str, names: &[&str]) -> Vec<Told> {
        let all = async || {
            let spans: Vec<Told> = self
                .collector
                .spans()
                .into_iter()
                .filter(|span| span.trace == id)
                .collect();
            let is_there = |name: &&str| spans.iter().any(|span| span.name == **name);
            names.iter().all(is_there).then_some(spans)
        };
        until("the whole trace", all).await
    }
}

async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what} does not come");
        sleep(GLANCE).await;
    }
}

fn settings(told: SocketAddr) -> String {
    format!(
        "[alerting.rules.ServiceUnhealthy]\nfor = \"1s\"\nkeep_firing_for = \"0s\"\n\
         [[alerting.alertmanagers]]\nurl = \"http://{told}\"\n\
         [[alerting.webhooks]]\nname = \"hook\"\nurl = \"http://{told}/hook\"\n"
    )
}

fn aggregator(
    home: &Path,
    config: &Path,
    environment: &[(&str, &str)],
) -> (Process, Log, SocketAddr, SocketAddr) {
    let mut command = Command::new(program());
    command
        .args([
            "aggregator",
            "--grpc",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(home.join("data"))
        .arg("--config")
        .arg(config);
    let mut process = Process::start(&mut command, environment);
    let mut lines = BufReader::new(process.0.stderr.take().unwrap());
    let (grpc, http) = loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended");
        let said = line.trim().strip_prefix("listening grpc=");
        if let Some((grpc, http)) = said.and_then(|said| said.split_once(" http=")) {
            break (grpc.parse().unwrap(), http.parse().unwrap());
        }
    };
    (process, drain(lines), grpc, http)
}

/// So that it never waits for somebody to read.
fn drain(said: BufReader<ChildStderr>) -> Log {
    let log = Log::default();
    let kept = Arc::clone(&log);
    thread::spawn(move || {
        for line in said.lines().map_while(Result::ok) {
            kept.lock().unwrap().extend([line.as_str(), "\n"]);
        }
    });
    log
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "role: played by a process that a test starts"]
async fn be_the_bank() {
    let lines = Lines {
        format: Format::Compact,
        filter: "info",
        dir: None,
    };
    let _telemetry = telemetry::begin("bank", lines).unwrap();
    let broken = env::var(BROKEN).unwrap();
    let ledger = move || {
        let is_broken = Path::new(&broken).exists();
        async move {
            if is_broken {
                Status::Unhealthy
            } else {
                Status::Healthy
            }
        }
    };
    let reporter = Reporter::builder("bank")
        .server(env::var(SERVER).unwrap())
        .interval(Duration::from_millis(100))
        .check(Check::new("ledger", ledger).period(Duration::from_millis(100)))
        .start()
        .unwrap();
    let until_the_test_ends = || std::io::stdin().read_to_end(&mut Vec::new());
    drop(tokio::task::spawn_blocking(until_the_test_ends).await);
    reporter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_failed_check_to_those_who_are_told() {
    let story = Story::begin(true).await;
    assert!(story.ward.exports() && story.bank.exports());
    let page = story.breaks().await;
    let id = page.body["data"]["annotations"]["trace_id"].as_str().unwrap();
    let spans = story.trace(id, &CHAIN).await;
    // Two are told, each of the alert once.
    let both = || spans_named(&story.collector.spans(), id, "deliver").len() == 2;
    until("both deliveries", async || both().then_some(())).await;

    let is = |name: &str, with: &[(&str, &str)]| {
        let has = |span: &&Told| {
            let mut pairs = with.iter();
            span.name == name
                && pairs.all(|(key, value)| span.attributes.get(*key).is_some_and(|is| is == value))
        };
        spans
            .iter()
            .find(has)
            .unwrap_or_else(|| panic!("no {name} {with:?} in {spans:#?}"))
    };
    let check = is(
        "check",
        &[("service", "bank"), ("check", "ledger"), ("status", "unhealthy")],
    );
    let report = is("report", &[("kind", "update")]);
    let decide = is("decide", &[]);
    let change = is(
        "change",
        &[("subject", "bank"), ("from", "healthy"), ("to", "unhealthy")],
    );
    let system = is("change", &[("subject", "system")]);
    let alert = is(
        "alert",
        &[
            ("rule", "ServiceUnhealthy"),
            ("subject", "bank"),
            ("state", "firing"),
        ],
    );
    assert_eq!(check.parent, "");
    let links = [
        (report, check),
        (decide, report),
        (change, decide),
        (system, decide),
        (alert, change),
    ];
    for (child, parent) in links {
        assert_eq!(child.parent, parent.id, "{child:?} below {parent:?}");
    }
    assert_eq!(check.by, "bank");
    assert!(
        spans
            .iter()
            .all(|span| span.name == "check" || span.by == "ward-aggregator"),
        "{spans:#?}"
    );

    // Whoever is told goes on from the delivery, and knows from where the event is.
    let header = |span: &Told| format!("00-{id}-{}-01", span.id);
    assert_eq!(page.body["traceparent"], header(alert));
    let about_bank = |alert: &&Value| alert["labels"]["service"] == "bank";
    let posted = |asked: &Asked| {
        let alerts = asked.body.as_array().filter(|_| asked.path == "/api/v2/alerts");
        alerts.is_some_and(|alerts| alerts.iter().any(|alert| about_bank(&alert)))
    };
    let posted = until("an alert posted", async || story.receiver.find(posted)).await;
    let alerts = posted.body.as_array().unwrap();
    let told = alerts.iter().find(about_bank).unwrap();
    assert_eq!(told["annotations"]["trace_id"], *id);
    let deliveries = spans_named(&story.collector.spans(), id, "deliver");
    let mut headers: Vec<String> = deliveries.iter().map(header).collect();
    let mut had = vec![page.traceparent.unwrap(), posted.traceparent.unwrap()];
    headers.sort();
    had.sort();
    assert_eq!(had, headers);
    assert!(
        deliveries.iter().all(|deliver| deliver.parent == alert.id),
        "{deliveries:#?}"
    );

    shows_exemplars(&story, id).await;
    // Beats tell nothing.
    let quiet: BTreeMap<String, usize> = count(&story.collector.spans());
    let beats = story.beats().await + BEATS;
    until("beats", async || (story.beats().await >= beats).then_some(())).await;
    assert_eq!(count(&story.collector.spans()), quiet);
    is_mended(&story, id).await;
}

/// What mends it is a trace of its own.
async fn is_mended(story: &Story, id: &str) {
    fs::remove_file(story.home.path().join("broken")).unwrap();
    let over = until("a resolution", async || {
        story.receiver.find(|asked| asked.is(RESOLVED))
    })
    .await;
    let mended = over.body["data"]["annotations"]["trace_id"].as_str().unwrap();
    assert_ne!(mended, id);
    story.trace(mended, &CHAIN).await;
    // So is what is logged of its delivery, which is refused.
    let trace = format!("trace_id={mended}");
    let is_said = |line: &str| line.contains("the receiver takes no alerts") && line.contains(&trace);
    let is_logged = async || story.log.lock().unwrap().lines().any(is_said).then_some(());
    until("a line in the trace", is_logged).await;
}

/// A context as some caller has it, of a trace of its own, and the ids in it.
fn context(nth: u8) -> (String, String, String) {
    let (trace, span) = (
        format!("4bf92f3577b34da6a3ce929d0e0e47{nth:02}"),
        format!("00f067aa0ba902{nth:02}"),
    );
    (format!("00-{trace}-{span}-01"), trace, span)
}

fn unwell(service: &str, traceparent: &str) -> v1::Hello {
    let result = v1::CheckResult {
        name: "till".into(),
        status: v1::Status::Unhealthy.into(),
        message: String::new(),
    };
    v1::Hello {
        service: service.into(),
        instance: "1".into(),
        incarnation: "1".into(),
        results: vec![result],
        traceparent: traceparent.into(),
        ..v1::Hello::default()
    }
}

/// On a stream, as a reporter does that comes back; once, over gRPC and over HTTP.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_with_a_hello_is_in_the_trace_of_whoever_tells() {
    let story = Story::begin(true).await;
    let address = format!("http://{}", story.grpc);
    let mut client = HealthServiceClient::connect(address).await.unwrap();
    let hellos = vec![unwell("streamed", &context(10).0)];
    let request = v1::ReportRequest {
        hellos,
        ..v1::ReportRequest::default()
    };
    let stays = tokio_stream::iter(iter::once(request)).chain(pending());
    let _answers = client.report(stays).await.unwrap();
    let once = |service, traceparent: &str| v1::ReportOnceRequest {
        hello: Some(unwell(service, traceparent)),
        goodbye: false,
    };
    client.report_once(once("once", &context(11).0)).await.unwrap();
    let mut called = Request::new(once("called", ""));
    let value = context(12).0.parse().unwrap();
    called.metadata_mut().insert("traceparent", value);
    client.report_once(called).await.unwrap();
    post(story.http, &context(13).0).await;
    for (nth, service) in [(10, "streamed"), (11, "once"), (12, "called"), (13, "posted")] {
        let (_, trace, span) = context(nth);
        let spans = story.trace(&trace, &["report", "decide", "change"]).await;
        let report = spans.iter().find(|span| span.name == "report").unwrap();
        assert_eq!(
            (&report.attributes["kind"], &report.parent),
            (&"hello".into(), &span)
        );
        let is_of = |told: &Told| told.attributes.get("subject").is_some_and(|of| of == service);
        assert!(spans.iter().any(is_of), "{spans:#?}");
    }
}

async fn post(http: SocketAddr, traceparent: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let posted = client
        .post(format!("http://{http}/api/v1/report"))
        .header("traceparent", traceparent)
        .header("content-type", "application/json")
        .body(r#"{"service":"posted","status":"unhealthy"}"#)
        .send();
    posted.await.unwrap().error_for_status().unwrap();
}

/// The latencies lead to the trace.
async fn shows_exemplars(story: &Story, id: &str) {
    let metrics = get(story.http, "/metrics").await.unwrap();
    let exemplar = format!("# {{trace_id=\"{id}\"}}");
    for family in [
        "ward_report_to_watch_seconds_bucket",
        "ward_rollup_seconds_bucket",
    ] {
        let shows = |line: &str| line.starts_with(family) && line.contains(&exemplar);
        assert!(
            metrics.lines().any(shows),
            "no {exemplar} of {family} in {metrics}"
        );
    }
}

fn spans_named(spans: &[Told], trace: &str, name: &str) -> Vec<Told> {
    let of = |span: &&Told| span.trace == trace && span.name == name;
    spans.iter().filter(of).cloned().collect()
}

fn count(spans: &[Told]) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for span in spans.iter().filter(|span| CHAIN.contains(&span.name.as_str())) {
        *count.entry(span.name.clone()).or_default() += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_nothing_is_traced() {
    let story = Story::begin(false).await;
    let page = story.breaks().await;
    assert!(
        !story.ward.exports() && !story.bank.exports(),
        "{:?}",
        story.ward.threads()
    );
    assert_eq!(page.traceparent, None);
    assert_eq!(page.body["traceparent"], json!(null));
    assert_eq!(page.body["data"]["annotations"]["trace_id"], json!(null));
    let metrics = get(story.http, "/metrics").await.unwrap();
    assert!(!metrics.contains("trace_id"), "{metrics}");
}
