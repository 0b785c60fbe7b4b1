//! Secrets that are sent to an aggregator must not be seen: in no log line of any level, no metric, no answer, no event of
//! the audit log, nothing else that is kept.
//!
//! What a sender says about health is no secret and is shown. A panic, which no path that is served has, is looked at in
//! the chassis.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Stdio},
    thread,
};

use tonic::{Request, Status};
use ward_proto::v1::{self, health_service_client::HealthServiceClient};

use crate::house::{PATIENCE, command, hello, until, ward, ward_with};

/// As it is sent, and as a header value shows it when its bytes are written as numbers.
const CANARIES: [&str; 2] = ["hunter2", "104, 117, 110, 116, 101, 114, 50"];

/// An aggregator that says all it can, into a file, and tells a collector that hangs of its traces.
struct Aggregator {
    child: Child,
    _collector: TcpListener,
    home: tempfile::TempDir,
    grpc: String,
    http: String,
}

impl Aggregator {
    fn start(format: &str) -> Self {
        Self::started(format, &[])
    }

    fn started(format: &str, more: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let log = File::create(home.path().join("log")).unwrap();
        let data = home.path().join("data");
        let collector = TcpListener::bind("127.0.0.1:0").unwrap();
        let traces = format!("http://ward:hunter2@{}", collector.local_addr().unwrap());
        let any = "127.0.0.1:0";
        let flags = [
            "aggregator",
            "--debug",
            "--grpc",
            any,
            "--http",
            any,
            "--log-format",
            format,
        ];
        let variables = [
            ("WARD_LOG", "trace"),
            ("WARD_DATA_DIR", data.to_str().unwrap()),
            ("WARD_TOKENS", "hunter2"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &traces),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20hunter2"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ];
        let flags = [&flags[..], more].concat();
        let child = command(&flags, &variables)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut started = Self {
            child,
            _collector: collector,
            home,
            grpc: String::new(),
            http: String::new(),
        };
        until("it listens", || {
            let log = started.log();
            let at = log.lines().find_map(|line| line.strip_prefix("listening grpc="));
            let Some((grpc, http)) = at.and_then(|at| at.split_once(" http=")) else {
                return false;
            };
            (started.grpc, started.http) = (grpc.to_owned(), http.to_owned());
            true
        });
        started
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    /// What it keeps in a part of its data directory: of each file the bytes that are not zero.
    fn kept(&self, part: &str) -> String {
        let mut kept = Vec::new();
        gather(&self.home.path().join("data").join(part), &mut kept);
        String::from_utf8_lossy(&kept).into_owned()
    }

    /// Sends a request of HTTP/1 and returns the answer to its end, or as much of it as there is within a moment.
    fn ask(&self, line: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        let (host, close) = (&self.http, "Connection: close");
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: {host}\r\n{close}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 "), "no answer to {line}");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Aggregator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn gather(dir: &Path, into: &mut Vec<u8>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, into);
            continue;
        }
        // One that is replaced meanwhile is gone for a moment.
        let bytes = fs::read(&path).unwrap_or_default();
        into.extend(bytes.into_iter().filter(|&byte| byte != 0));
        into.push(b'\n');
    }
}

/// One that is not for Ward and passed over, and one that is, and is refused.
const SCHEMES: [&str; 2] = ["Basic", "Bearer"];
/// Who is in the audit log for what they did.
const OPERATOR: &str = "somebody-on-call";
const JSON: &str = "Content-Type: application/json\r\n";

/// Every kind of answer: those that are given, and each of those that say what is wrong.
fn over_http(ward: &Aggregator, scheme: &str) -> Vec<String> {
    let secret =
        format!("Authorization: {scheme} hunter2\r\nCookie: session=hunter2\r\nX-Api-Key: hunter2\r\n");
    let mut answers = Vec::new();
    for line in [
        "GET /api/v1/system",
        "GET /api/v1/system?token=hunter2",
        "GET /api/v1/services?status=hunter2",
        "GET /api/v1/watch?token=hunter2",
        "GET /api/v1/watch?resume=hunter2",
        "GET /health?token=hunter2",
        "GET /metrics?token=hunter2",
        "GET /readyz?verbose&token=hunter2&exclude=hunter2",
        "GET /?token=hunter2",
        "GET /nowhere?token=hunter2",
        "PUT /health?token=hunter2",
        "DELETE /api/v1/services/bank?token=hunter2",
        "GET http://user:hunter2@127.0.0.1/health",
    ] {
        answers.push(ward.ask(line, &secret, ""));
    }
    let tracked = format!("{secret}Last-Event-ID: hunter2\r\nAccept: text/event-stream\r\n");
    answers.push(ward.ask("GET /api/v1/watch", &tracked, ""));
    answers.push(ward.ask(
        "GET /health",
        &format!("{secret}Origin: https://hunter2.example\r\n"),
        "",
    ));
    answers.push(ward.ask("GET /health", &format!("{secret}b\0d: hunter2\r\n"), ""));
    for body in [
        r#"{"service":"new","status":"healthy"}"#,
        r#"{"service":"new","password":"hunter2"}"#,
        r#"{"service":"new","status":"hunter2"}"#,
        r#"{"service":"new","interval":"hunter2"}"#,
        r#"{"service":"new","service":"hunter2"#,
    ] {
        answers.push(ward.ask(
            "POST /api/v1/report?token=hunter2",
            &format!("{secret}{JSON}"),
            body,
        ));
        answers.push(ward.ask("POST /api/v1/report", &secret, body));
    }
    for line in [
        "POST /api/v1/maintenance?token=hunter2",
        "POST /api/v1/maintenance",
    ] {
        let body = format!(r#"{{"service":"new","by":"{OPERATOR}"}}"#);
        answers.push(ward.ask(line, &format!("{secret}{JSON}"), &body));
    }
    answers
}

async fn over_grpc(ward: &Aggregator, scheme: &str) -> Vec<String> {
    fn secretly<T>(message: T, scheme: &str) -> Request<T> {
        let mut request = Request::new(message);
        for name in ["authorization", "cookie", "x-api-key"] {
            let value = format!("{scheme} hunter2").parse().unwrap();
            request.metadata_mut().insert(name, value);
        }
        request
    }
    let told = |status: Status| format!("{status:?}");
    let mut client = HealthServiceClient::connect(format!("http://{}", ward.grpc))
        .await
        .unwrap();
    let mut answers = Vec::new();
    let good = hello(("bank", v1::Status::Healthy, "", &[]));
    let bad = v1::Hello {
        interval_ms: 1,
        ..good.clone()
    };
    for hello in [Some(good), Some(bad), None] {
        let request = v1::ReportOnceRequest {
            hello,
            goodbye: false,
        };
        answers.push(
            client
                .report_once(secretly(request, scheme))
                .await
                .map_or_else(told, |answer| format!("{answer:?}")),
        );
    }
    let nobody = v1::GetServiceRequest {
        name: "nobody".into(),
    };
    answers.push(told(
        client.get_service(secretly(nobody, scheme)).await.unwrap_err(),
    ));
    let unknown = v1::WatchRequest {
        level: 77,
        ..Default::default()
    };
    answers.push(told(client.watch(secretly(unknown, scheme)).await.unwrap_err()));
    match client.watch(secretly(v1::WatchRequest::default(), scheme)).await {
        Ok(watch) => answers.push(format!("{:?}", watch.into_inner().message().await.unwrap())),
        Err(status) => answers.push(told(status)),
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown_whatever_is_sent_and_however_much_is_logged() {
    for format in ["text", "json"] {
        let ward = Aggregator::start(format);
        let mut seen = Vec::new();
        for scheme in SCHEMES {
            seen.extend(over_http(&ward, scheme));
            seen.extend(over_grpc(&ward, scheme).await);
        }
        assert!(seen.iter().any(|answer| answer.contains("401 Unauthorized")));
        seen.push(ward.ask("GET /metrics", "", ""));
        assert!(seen.iter().any(|answer| answer.contains("ward_reports_total")));
        until("the log says everything", || {
            ward.log().contains("an unknown path was asked for")
        });
        let log = ward.log();
        assert!(
            log.contains("TRACE") && log.contains("h2::"),
            "not everything is logged: {log}"
        );
        seen.push(log);
        assert!(
            ward.kept("audit").contains(OPERATOR),
            "events can be read where they lie"
        );
        seen.push(ward.kept("."));
        for text in &seen {
            let text = text.to_lowercase();
            for canary in CANARIES {
                let near = text
                    .find(canary)
                    .map(|at| text[..at].chars().rev().take(300).collect::<String>());
                let near = near.map(|reversed| reversed.chars().rev().collect::<String>());
                assert_eq!(near, None, "{format}: a secret is shown behind this");
            }
        }
    }
}

/// A token that is good is not shown either: not by the aggregator that takes it, not by the command that sends it, not in
/// what is kept of it.
#[test]
fn a_token_that_is_used_is_not_shown() {
    for format in ["text", "json"] {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        assert_eq!(ward(&["cert", "dev", &path("certs")]).code, 0);
        let aggregator = Aggregator::started(format, &["--config", &path("certs/ward.toml")]);
        let (data, file) = (aggregator.home.path().join("data"), path("token"));
        let token = [
            "token",
            "new",
            "--right",
            "watch",
            "--out",
            &file,
            "--data-dir",
            data.to_str().unwrap(),
        ];
        assert_eq!(ward(&token).code, 0);
        let port = aggregator.grpc.rsplit(':').next().unwrap();
        let server = format!("https://localhost:{port}");
        let ca = path("certs/ca.pem");
        let ask = |file: &str| {
            let args = [
                "status",
                "--server",
                &server,
                "--tls-ca",
                &ca,
                "--token-file",
                file,
            ];
            ward_with(&args, &[("WARD_LOG", "trace"), ("RUST_LOG", "trace")])
        };
        until("it is in force", || ask(&file).code == 3);
        let text = fs::read_to_string(&file).unwrap();
        let secret = text.trim().rsplit('_').next().unwrap();
        // One that is nearly right is refused, and shown as little.
        let near = text.replacen(&secret[..4], "0000", 1);
        fs::write(path("near"), near).unwrap();
        let refused = ask(&path("near"));
        assert_eq!(refused.code, 77, "{}", refused.stderr);
        let done = ask(&file);
        let (id, created) = (text.trim().rsplit('_').nth(1).unwrap(), "token_created");
        let mut kept = String::new();
        until("the audit log says that it was made", || {
            kept = aggregator.kept(".");
            kept.contains(created) && kept.contains(&format!("token {id}"))
        });
        let shown = [
            aggregator.log(),
            kept,
            refused.stderr,
            refused.stdout,
            done.stderr,
            done.stdout,
        ];
        assert!(shown[0].contains("TRACE"));
        for text in shown {
            assert!(!text.contains(&secret[8..]), "{format}: {text}");
        }
    }
}

/// Whoever floods the log is seen in the metrics.
#[test]
fn what_the_log_leaves_out_is_counted() {
    let ward = Aggregator::start("text");
    let mut sent = 0;
    // More than are written, however slow this machine is.
    until("lines are left out", || {
        sent += refused(&ward);
        dropped(&ward) > 0
    });
    until("each is written or counted", || {
        let written = ward.log().matches("a token was refused").count();
        written + dropped(&ward) == sent
    });
    assert!(ward.log().contains("lines like this were left out"));
}

/// A flood is no way to hide what somebody did.
#[test]
fn who_did_what_is_always_in_the_log() {
    let ward = Aggregator::start("text");
    let report = r#"{"service":"bank","status":"healthy"}"#;
    ward.ask("POST /api/v1/report", JSON, report);
    for turn in 0..70 {
        let body = format!(r#"{{"service":"bank","by":"mallory-{turn}"}}"#);
        ward.ask("POST /api/v1/maintenance", JSON, &body);
    }
    until("all of it is there", || {
        ward.log().matches("maintenance was started").count() == 70
    });
}

/// Shows a token that there is not, from several threads, 50 times each.
fn refused(ward: &Aggregator) -> usize {
    const THREADS: usize = 4;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..50 {
                    let answer = ward.ask("GET /health", "Authorization: Bearer x\r\n", "");
                    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
                }
            });
        }
    });
    THREADS * 50
}

fn dropped(ward: &Aggregator) -> usize {
    let metrics = ward.ask("GET /metrics", "", "");
    let dropped = metrics
        .lines()
        .find_map(|line| line.strip_prefix("ward_log_lines_dropped_total "));
    dropped.unwrap().parse().unwrap()
}
