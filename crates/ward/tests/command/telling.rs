//! What an aggregator tells of itself: lines in files, and traces; what is lost of them is in its metrics.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::house::command;

/// An aggregator, by its address of HTTP; what else it says goes nowhere.
struct Aggregator {
    child: Child,
    http: String,
    _home: tempfile::TempDir,
}

impl Aggregator {
    fn start(more: &[&str], variables: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let any = "127.0.0.1:0";
        let flags = ["aggregator", "--grpc", any, "--http", any];
        let data = [("WARD_DATA_DIR", home.path().to_str().unwrap())];
        let mut child = command(&[&flags, more].concat(), &[&data, variables].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut http = None;
        while http.is_none() {
            let mut line = String::new();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "it did not start");
            let at = line
                .split_once(" http=")
                .filter(|(at, _)| at.starts_with("listening "));
            http = at.map(|(_, http)| http.trim().to_owned());
        }
        std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
        Self {
            child,
            http: http.unwrap(),
            _home: home,
        }
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        let (host, close) = (&self.http, "Connection: close");
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {host}\r\n{close}\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    fn stop(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Aggregator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The lines of all files whose names begin so.
fn lines(dir: &Path, begin: &str) -> Vec<Value> {
    let files = fs::read_dir(dir).into_iter().flatten().map(|file| file.unwrap());
    let files = files.filter(|file| file.file_name().to_str().unwrap().starts_with(begin));
    let texts = files.map(|file| fs::read_to_string(file.path()).unwrap());
    let all: String = texts.collect();
    all.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn lines_are_in_files_if_a_directory_is_named() {
    let home = tempfile::tempdir().unwrap();
    let (typed, variable) = (home.path().join("typed"), home.path().join("variable"));
    let named = [("WARD_LOG_DIR", variable.to_str().unwrap())];
    Aggregator::start(&["--log-dir", typed.to_str().unwrap()], &named).stop();
    let first = lines(&typed, "ward.2");
    assert!(first.iter().any(|line| line["level"] == "INFO"), "{first:?}");
    assert!(!variable.exists(), "what is typed wins");
    Aggregator::start(&[], &named).stop();
    assert!(!lines(&variable, "ward.2").is_empty());
    // The variable is known to be Ward's, and no key of its configuration: nobody is warned of it.
    let warned = |line: &Value| line.to_string().contains("WARD_LOG_DIR");
    assert!(!lines(&variable, "ward.2").iter().any(warned));
    // One that is empty names none.
    Aggregator::start(&[], &[("WARD_LOG_DIR", "")]).stop();
}

/// Beside an aggregator in containers one program reads the lines of both.
#[test]
fn a_service_of_the_shop_logs_as_an_aggregator_does() {
    let home = tempfile::tempdir().unwrap();
    let variables = [
        ("WARD_SERVER", "127.0.0.1:1"),
        ("WARD_LOG_DIR", home.path().to_str().unwrap()),
    ];
    let listen = ["--listen", "127.0.0.1:0", "--log-format", "json"];
    let mut child = command(&[&["demo", "serve", "bank"], &listen[..]].concat(), &variables)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    said.read_line(&mut text).unwrap();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    said.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");

    let shown: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    assert!(!shown.is_empty());
    assert_eq!(lines(home.path(), "ward.2").len(), shown.len(), "{text}");
}

/// A collector that does not exist costs neither start nor stop, and what is lost has a counter.
#[test]
fn what_is_lost_is_in_the_metrics() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{gone}");
    let aggregator = Aggregator::start(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    let metrics = aggregator.metrics();
    for counter in [
        "ward_spans_dropped_total ",
        "ward_log_file_lines_dropped_total ",
        "ward_log_lines_dropped_total ",
    ] {
        assert!(
            metrics.lines().any(|line| line.starts_with(counter)),
            "{counter}: {metrics}"
        );
    }
    aggregator.stop();
}
