//! What a process tells of itself, and what becomes of that when nobody takes it: real processes, since logs and tracing are
//! for a whole one, a real collector, and ones that are none.

mod collector;

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader, Lines, Write},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tonic::transport::Identity;

use self::collector::Collector;
use crate::child::ARGUMENT;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// As an end is allowed to wait for the last spans and the last lines, and a moment.
const END_MS: u64 = 3_500;

/// A process that does as it is told.
struct Telling {
    child: Child,
    orders: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    home: TempDir,
}

/// What it says behind what it did.
#[derive(Debug)]
struct Done {
    took_ms: u64,
    spans_lost: u64,
    lines_lost: u64,
}

impl Telling {
    fn start(dir: Option<&Path>, environment: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let log = File::create(home.path().join("log")).unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "child::tell_of_work", "--ignored", "--nocapture"])
            .env(ARGUMENT, dir.unwrap_or(Path::new("")))
            .env("OTEL_BSP_SCHEDULE_DELAY", "100")
            .env_remove("WARD_LOG")
            .env_remove("RUST_LOG")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().unwrap();
        Self {
            orders: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
            home,
        }
    }

    fn work(&mut self, spans: u32) -> Done {
        writeln!(self.orders.as_mut().unwrap(), "{spans}").unwrap();
        self.done()
    }

    fn end(&mut self) -> Done {
        self.orders = None;
        self.done()
    }

    fn done(&mut self) -> Done {
        // The harness of tests speaks in between.
        let numbers = self.answers.by_ref().find_map(|line| {
            let line = line.unwrap();
            let (_, numbers) = line.split_once("done: ")?;
            Some(
                numbers
                    .split(' ')
                    .map(|n| n.parse().unwrap())
                    .collect::<Vec<u64>>(),
            )
        });
        let [took_ms, spans_lost, lines_lost] = numbers.unwrap()[..] else {
            panic!("three numbers")
        };
        Done {
            took_ms,
            spans_lost,
            lines_lost,
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    /// How often a line is logged with this message.
    fn said(&self, message: &str) -> usize {
        json(&self.log())
            .iter()
            .filter(|line| {
                line["message"]
                    .as_str()
                    .is_some_and(|said| said.starts_with(message))
            })
            .count()
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn json(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let turn = Duration::from_millis(20);
    let is_so = (0..PATIENCE.as_millis() / turn.as_millis()).any(|_| {
        let so = is_so();
        if !so {
            sleep(turn);
        }
        so
    });
    assert!(is_so, "not within {PATIENCE:?}: {what}");
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// An address at which nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_trace_is_sent_and_its_lines_name_it_and_no_secret_is_shown() {
    let collector = Collector::start("127.0.0.1:0");
    let environment = [
        (ENDPOINT, collector.url()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".into()),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20hunter2".into(),
        ),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test".into()),
        ("WARD_LOG", "trace".into()),
    ];
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let mut telling = Telling::start(None, &environment);
    telling.work(3);
    until("all spans came", || collector.spans().len() == 4);
    assert!(telling.end().took_ms < END_MS);
    let mut spans = collector.spans();
    assert_eq!(spans.remove(0).name, "told");
    assert!(
        spans.iter().all(|span| span.name == "work"),
        "nobody else's: {spans:?}"
    );
    let [(authorization, encoding), ..] = &collector.calls()[..] else {
        panic!("it was called")
    };
    assert_eq!(
        (authorization.as_str(), encoding.as_str()),
        ("Bearer hunter2", "gzip")
    );
    let attributes = collector.attributes();
    assert_eq!(attributes["service.name"], "shop");
    assert_eq!(attributes["deployment.environment"], "test");
    let log = telling.log();
    let begun = json(&log)
        .into_iter()
        .find(|line| line["message"] == "begun")
        .unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(begun["trace_id"], hex(&spans[0].trace_id));
    assert_eq!(begun["span_id"], hex(&spans[0].span_id));
    assert!(log.contains("h2::"), "not everything is logged");
    for secret in ["hunter2", "104, 117, 110, 116, 101, 114, 50"] {
        assert!(!log.contains(secret), "{log}");
    }
}

/// `SSL_CERT_FILE` is what this system believes.
#[test]
fn a_collector_that_the_system_believes_needs_no_file_of_its_own() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let home = tempfile::tempdir().unwrap();
    let believed = home.path().join("believed.pem");
    fs::write(&believed, made.cert.pem()).unwrap();
    let collector = Collector::secure(Identity::from_pem(
        made.cert.pem(),
        made.signing_key.serialize_pem(),
    ));
    let environment = [
        (ENDPOINT, collector.url()),
        ("SSL_CERT_FILE", believed.to_str().unwrap().to_owned()),
    ];
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let mut telling = Telling::start(None, &environment);
    telling.work(3);
    until("all spans came", || collector.spans().len() == 4);
    assert_eq!(telling.end().spans_lost, 0);
}

#[test]
fn unasked_nothing_is_traced() {
    let mut telling = Telling::start(None, &[]);
    assert_eq!(telling.work(1_000).spans_lost, 0);
    telling.end();
    let lines = json(&telling.log());
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert!(
            line.get("trace_id").is_none() && line.get("span").is_none(),
            "{line}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_file_costs_the_traces_and_is_said() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("none.pem");
    fs::write(&path, "no key").unwrap();
    let files = [
        (path.to_str().unwrap(), "no traces are sent: OTEL"),
        ("/nowhere", "no traces are sent: cannot read"),
    ];
    for (file, said) in files {
        let environment = [
            (ENDPOINT, "https://127.0.0.1:1"),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", file),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", file),
        ];
        let mut telling = Telling::start(None, &environment);
        assert_eq!(telling.work(1).spans_lost, 0);
        telling.end();
        assert_eq!(telling.said(said), 1, "{}", telling.log());
    }
}

#[test]
fn a_collector_that_comes_later_gets_what_is_told_from_then_on() {
    let address = nowhere();
    let mut telling = Telling::start(None, &[(ENDPOINT, &format!("http://{address}"))]);
    until("spans are lost", || telling.work(10).spans_lost >= 10);
    assert_eq!(telling.said("the collector takes no traces"), 1);
    let collector = Collector::start(&address);
    until("spans come", || {
        telling.work(1);
        !collector.spans().is_empty()
    });
    until("it is said", || {
        telling.said("the collector takes traces again") == 1
    });
    // And when it goes again.
    drop(collector);
    until("that is said too", || {
        telling.work(1);
        telling.said("the collector takes no traces") == 2
    });
    assert!(telling.end().took_ms < END_MS);
}

#[test]
fn a_collector_that_hangs_costs_the_traces_and_nothing_else() {
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", hung.local_addr().unwrap());
    let environment = [(ENDPOINT, url.as_str()), ("OTEL_BSP_MAX_QUEUE_SIZE", "100")];
    let mut telling = Telling::start(None, &environment);
    let mut lost = 0;
    for _ in 0..20 {
        let done = telling.work(1_000);
        // The same without a collector takes some 20 ms here.
        assert!(done.took_ms < 2_000, "{done:?}");
        lost = done.spans_lost;
    }
    // One batch is under way, one queue waits.
    assert!((19_700..=20_000).contains(&lost), "{lost}");
    assert!(telling.end().took_ms < END_MS, "an end waits for nobody");
}

/// No log is written where a file is in the way of its directory. What was written before and comes after is there.
#[test]
fn a_directory_that_goes_away_costs_its_lines_and_is_said_once() {
    let home = tempfile::tempdir().unwrap();
    let (parent, dir) = (home.path().join("parent"), home.path().join("parent/logs"));
    let mut telling = Telling::start(Some(&dir), &[]);
    telling.work(1);
    until("lines are in the files", || lines_in(&dir, "ward.error.") == 1);
    fs::remove_dir_all(&parent).unwrap();
    fs::write(&parent, "in the way").unwrap();
    until("lines are lost", || telling.work(1).lines_lost > 3);
    assert_eq!(telling.said("cannot write the log files"), 1);
    fs::remove_file(&parent).unwrap();
    until("lines are written again", || {
        telling.work(1);
        lines_in(&dir, "ward.error.") > 0
    });
    assert!(telling.end().took_ms < END_MS);
    assert_eq!(telling.said("the log files are written again"), 1);
    assert!(lines_in(&dir, "ward.") > lines_in(&dir, "ward.error."));
}

/// Lines in all files that are named so, each of them JSON.
fn lines_in(dir: &Path, stem: &str) -> usize {
    // It is made with the first line.
    let files = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap());
    let of = |file: &fs::DirEntry| {
        let name = file.file_name().into_string().unwrap();
        name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('2'))
    };
    let texts = files
        .filter(of)
        .map(|file| fs::read_to_string(file.path()).unwrap());
    texts.map(|text| json(&text).len()).sum()
}
