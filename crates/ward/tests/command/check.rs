//! `ward check` against real servers: the exit codes are a promise to whoever wrote a health check.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, net::TcpListener, time::Duration};

use tempfile::TempDir;
use tonic::service::Routes;
use ward_grpc_health::{Health, ServingStatus};

use crate::{
    house::{nowhere, ward, ward_with},
    servers::{self, Authority, http, http_over_tls, says, serve, serve_unix, serve_with_tls},
};

const SERVING: i32 = 0;
const INVALID: i32 = 1;
const UNCONNECTED: i32 = 2;
const UNANSWERED: i32 = 3;
const NOT_SERVING: i32 = 4;

/// Arguments, the exit code, and what is said on the stream for it.
type Case<'a> = (&'a [&'a str], i32, &'a str);

fn all(cases: &[Case<'_>]) {
    for (args, code, said) in cases {
        let mut args = [&["check"], *args].concat();
        // The default of a second is for servers; a machine that runs many tests may be slower.
        for patience in ["--connect-timeout", "--rpc-timeout"] {
            if !args.contains(&patience) {
                args.extend([patience, "20s"]);
            }
        }
        let done = ward(&args);
        assert_eq!(done.code, *code, "{args:?}: {}{}", done.stdout, done.stderr);
        let (there, empty) = match *code {
            SERVING => (&done.stdout, &done.stderr),
            _ => (&done.stderr, &done.stdout),
        };
        assert!(there.contains(said), "{args:?}: {there}");
        assert_eq!(empty, "", "{args:?}");
        assert!(!there.contains('\u{1b}'), "{args:?}: {there:?}");
    }
}

fn health() -> Health {
    let health = Health::new();
    health.set("shop.Payments", ServingStatus::Serving);
    health.set("shop.Bank", ServingStatus::NotServing);
    health
}

#[tokio::test(flavor = "multi_thread")]
async fn the_codes_of_grpc() {
    let well = serve(Routes::new(health().server())).await;
    let other = serve(Routes::default()).await;
    let (grpc, upper) = (format!("grpc://{well}"), format!("http://{well}"));
    let (refused, silent) = (nowhere(), TcpListener::bind("127.0.0.1:0").unwrap());
    let silent = silent.local_addr().unwrap().to_string();
    let greets_only = says(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let closes = says(b"");
    let ssh = says(b"SSH-2.0-OpenSSH_9.7\r\n\x1b[2J");
    let web = says(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let timeout: &[&str] = &["--connect-timeout", "300ms", "--rpc-timeout", "300ms"];
    let stuck = [&[greets_only.as_str()], timeout].concat();
    let hole = [&[silent.as_str()], timeout].concat();
    all(&[
        (&[&well], SERVING, "status: SERVING\n"),
        (&[&grpc], SERVING, "status: SERVING\n"),
        (
            &[&well, "--service", "shop.Payments"],
            SERVING,
            "status: SERVING\n",
        ),
        (
            &[&well, "--service", "shop.Bank"],
            NOT_SERVING,
            "says NOT_SERVING of shop.Bank",
        ),
        (
            &[&well, "--service", "shop.Cart"],
            UNANSWERED,
            "knows no service \"shop.Cart\"",
        ),
        (&[&other], UNANSWERED, "does not implement grpc.health.v1"),
        (&stuck, UNANSWERED, "did not answer within 300ms"),
        (&[&refused], UNCONNECTED, "Connection refused"),
        (&hole, UNCONNECTED, "did not answer within 300ms"),
        (&[&closes], UNCONNECTED, "without a word"),
        (&[&ssh], UNCONNECTED, "is not gRPC"),
        (&[&web], UNCONNECTED, "speaks HTTP and not gRPC"),
        (
            &["payments.invalid:1"],
            UNCONNECTED,
            "no connection to payments.invalid:1",
        ),
        (&[&upper], UNCONNECTED, "no connection to http://"),
        (&["unix:nowhere.sock"], UNCONNECTED, "No such file"),
    ]);
}

#[test]
fn mistakes_end_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "no certificate\n").unwrap();
    let empty = empty.to_str().unwrap();
    all(&[
        (&["--frobnicate"], INVALID, "--frobnicate"),
        (&["payments"], INVALID, "expected host:port"),
        (&["payments:1/Check"], INVALID, "--service"),
        (&["a:1", "b:1"], INVALID, "unexpected argument"),
        (&["a:1", "--connect-timeout", "1"], INVALID, "such as 250ms"),
        (&["a:1", "--rpc-timeout", "0s"], INVALID, "more than nothing"),
        (&["a:1", "--rpc-header", "x"], INVALID, "expected NAME: VALUE"),
        (
            &["http://a", "--service", "b"],
            INVALID,
            "--service is asked for by gRPC",
        ),
        (&["http://a", "--tls"], INVALID, "ask https:// instead"),
        (&["a:1", "--tls-ca-cert", "x"], INVALID, "add --tls"),
        (&["a:1", "--tls-no-verify"], INVALID, "add --tls"),
        (
            &["a:1", "--tls", "--tls-client-cert", "x"],
            INVALID,
            "--tls-client-key",
        ),
        (
            &["a:1", "--tls", "--tls-no-verify", "--tls-ca-cert", "x"],
            INVALID,
            "cannot be used with",
        ),
        (
            &["a:1", "--tls", "--tls-ca-cert", "no\u{1b}where"],
            INVALID,
            "no\\u{1b}where",
        ),
        (
            &["a:1", "--tls", "--tls-ca-cert", empty],
            INVALID,
            "there are none in it",
        ),
        (
            &[
                "a:1",
                "--tls",
                "--tls-client-cert",
                empty,
                "--tls-client-key",
                empty,
            ],
            INVALID,
            "there are none",
        ),
        (&["a_b!:1", "--tls"], INVALID, ""),
    ]);
    let bad = ward_with(&["check"], &[("WARD_SERVER", "nowhere")]);
    assert_eq!((bad.code, bad.stdout.as_str()), (INVALID, ""), "{}", bad.stderr);
    assert!(bad.stderr.contains("WARD_SERVER"), "{}", bad.stderr);
    assert_eq!(ward(&["check", "--help"]).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aggregator_is_asked_where_nobody_is_named() {
    let well = serve(Routes::new(health().server())).await;
    for server in [well.clone(), format!("http://{well}/")] {
        let done = ward_with(&["check", "--service", "shop.Bank"], &[("WARD_SERVER", &server)]);
        assert_eq!(done.code, NOT_SERVING, "{}", done.stderr);
    }
    // What is typed wins.
    let done = ward_with(&["check", &well], &[("WARD_SERVER", &nowhere())]);
    assert_eq!(done.code, SERVING, "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_in_the_file_system_is_asked_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("health.sock");
    serve_unix(&path, Routes::new(health().server()));
    let address = format!("unix:{}", path.display());
    all(&[
        (&[&address], SERVING, "status: SERVING\n"),
        (&[&address, "--service", "shop.Bank"], NOT_SERVING, "NOT_SERVING"),
    ]);
}

/// Certificates in files, as they are named on a command line.
pub(crate) struct Files {
    dir: TempDir,
    pub(crate) ours: Authority,
    pub(crate) theirs: Authority,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            ours: Authority::new(),
            theirs: Authority::new(),
        }
    }

    pub(crate) fn pem(&self, name: &str, text: String) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn ca(&self) -> String {
        self.pem("ca.pem", self.ours.pem())
    }

    /// A certificate for a client, and its key.
    pub(crate) fn client(&self, name: &str, authority: &Authority) -> (String, String) {
        let (certificate, key) = authority.issue("client");
        (
            self.pem(&format!("{name}.pem"), certificate),
            self.pem(&format!("{name}.key"), key),
        )
    }
}

pub(crate) fn port(address: &str) -> &str {
    address.rsplit_once(':').unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_believed_only_from_whom_it_should_be() {
    let files = Files::new();
    let (ca, wrong_ca) = (files.ca(), files.pem("other.pem", files.theirs.pem()));
    let routes = || Routes::new(health().server());
    let local = serve_with_tls(files.ours.server("localhost", false), routes()).await;
    let named = format!("localhost:{}", port(&local));
    let url = format!("grpcs://{named}");
    let plain = serve(routes()).await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let trusting = |args: &[&'static str], address: &str| {
        let args = [&["--tls-ca-cert"], args].concat();
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        [&[address.to_owned(), args[0].clone(), ca.clone()], &args[1..]].concat()
    };
    for (args, code, said) in [
        (trusting(&["--tls"], &named), SERVING, "SERVING"),
        (
            trusting(&["--service", "shop.Bank"], &url),
            NOT_SERVING,
            "NOT_SERVING",
        ),
        // The certificate is for localhost.
        (
            trusting(&["--tls"], &local),
            UNCONNECTED,
            "certificate not valid for name",
        ),
        (
            trusting(&["--tls", "--tls-server-name", "localhost"], &local),
            SERVING,
            "SERVING",
        ),
        (
            trusting(&["--tls-server-name", "payments"], &url),
            UNCONNECTED,
            "not valid for name",
        ),
        // One with what the other has not.
        (trusting(&["--tls"], &plain), UNCONNECTED, "TLS"),
        (
            trusting(&["--tls", "--connect-timeout", "300ms"], &silent),
            UNCONNECTED,
            "within 300ms",
        ),
    ] {
        all(&[(&args.iter().map(String::as_str).collect::<Vec<_>>(), code, said)]);
    }
    all(&[
        (&[&named], UNCONNECTED, "speaks TLS"),
        (
            &[&url, "--tls-ca-cert", &wrong_ca],
            UNCONNECTED,
            "invalid peer certificate",
        ),
        (&[&url], UNCONNECTED, "invalid peer certificate"),
        (&[&url, "--tls-no-verify"], SERVING, "SERVING"),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_ask_who_asks() {
    let files = Files::new();
    let ca = files.ca();
    let config = files.ours.server("localhost", true);
    let mutual = serve_with_tls(config, Routes::new(health().server())).await;
    let mutual = format!("grpcs://localhost:{}", port(&mutual));
    let (certificate, key) = files.client("client", &files.ours);
    let (stranger, stranger_key) = files.client("stranger", &files.theirs);
    let ask = |certificate: &str, key: &str| {
        ward(&[
            "check",
            &mutual,
            "--tls-ca-cert",
            &ca,
            "--tls-client-cert",
            certificate,
            "--tls-client-key",
            key,
            "--connect-timeout",
            "20s",
            "--rpc-timeout",
            "20s",
        ])
    };
    let known = ask(&certificate, &key);
    assert_eq!(
        (known.code, known.stdout.as_str()),
        (SERVING, "status: SERVING\n"),
        "{}",
        known.stderr
    );
    let unknown = ask(&stranger, &stranger_key);
    assert_eq!(unknown.code, UNCONNECTED, "{}", unknown.stderr);
    let mixed = ask(&certificate, &stranger_key);
    assert_eq!(mixed.code, INVALID, "{}", mixed.stderr);
    assert!(mixed.stderr.contains("client.pem"), "{}", mixed.stderr);
    all(&[(&[&mutual, "--tls-ca-cert", &ca], UNCONNECTED, "no connection to")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_codes_of_http() {
    let document = |status: &str, kind: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let url = |answer: String| format!("http://{}/healthz?verbose", http(answer));
    let ok = url(document("200 OK", "text/plain", "ok"));
    let told = url(document(
        "200 OK",
        "application/health+json",
        r#"{"status":"pass"}"#,
    ));
    let moved = url("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\n\r\n".into());
    let ill = url(document(
        "503 Service Unavailable",
        "application/json",
        r#"{"status":"bad\u001b[2J"}"#,
    ));
    let gone = url(document("404 Not Found", "text/plain", "no"));
    let broken = url(document("200 OK", "application/json", "{"));
    // The answer is there, the body is not: what is asked for is the answer.
    let half =
        url("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{".into());
    let garbage = format!("http://{}", says(b"+PONG\r\n"));
    let closes = format!("http://{}", says(b""));
    let refused = format!("http://{}", nowhere());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    all(&[
        (&[&ok], SERVING, "status: 200 OK\n"),
        (&[&told], SERVING, "status: 200 OK (pass)\n"),
        (&[&moved], SERVING, "status: 307 Temporary Redirect\n"),
        (&[&broken], SERVING, "status: 200 OK\n"),
        (&[&half], SERVING, "status: 200 OK\n"),
        (
            &[&ill],
            NOT_SERVING,
            "answered 503 Service Unavailable (bad\\u{1b}[2J)",
        ),
        (&[&gone], NOT_SERVING, "answered 404 Not Found"),
        (&[&garbage], UNCONNECTED, "no connection to"),
        (&[&closes], UNCONNECTED, "no connection to"),
        (&[&refused], UNCONNECTED, "Connection refused"),
        (
            &[&silent, "--rpc-timeout", "300ms"],
            UNANSWERED,
            "did not answer within 300ms",
        ),
    ]);

    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    fs::write(&ca, authority.pem()).unwrap();
    let trusting: &[&str] = &["--tls-ca-cert", ca.to_str().unwrap()];
    let secure = http_over_tls(
        authority.server("localhost", false),
        document("200 OK", "text/plain", "ok"),
    )
    .await;
    let (_, port) = secure.rsplit_once(':').unwrap();
    let (right, wrong) = (format!("https://localhost:{port}/"), format!("https://{secure}"));
    let plain = format!("http://localhost:{port}");
    let not_secure = ok.replace("http:", "https:");
    all(&[
        (
            &[&[right.as_str()], trusting].concat(),
            SERVING,
            "status: 200 OK\n",
        ),
        (&[&right], UNCONNECTED, "UnknownIssuer"),
        (
            &[&[wrong.as_str()], trusting].concat(),
            UNCONNECTED,
            "not valid for name",
        ),
        (
            &[&[wrong.as_str(), "--tls-server-name", "localhost"], trusting].concat(),
            SERVING,
            "200 OK",
        ),
        (&[&plain], UNCONNECTED, "no connection to"),
        (&[&[not_secure.as_str()], trusting].concat(), UNCONNECTED, "TLS"),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_the_name_of_the_agent_are_sent() {
    let (address, heard) = servers::hears("HTTP/1.1 204 No Content\r\n\r\n");
    let url = format!("http://{address}/ready");
    let args = [
        "check",
        &url,
        "--rpc-header",
        "Authorization: Bearer x",
        "--user-agent",
        "kubelet",
        "-v",
    ];
    let done = ward(&args);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (SERVING, "status: 204 No Content\n")
    );
    assert!(
        done.stderr.starts_with("connected after ") && done.stderr.contains("\nanswered after "),
        "{}",
        done.stderr
    );
    let heard = heard.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(heard.starts_with("GET /ready HTTP/1.1\r\n"), "{heard}");
    for header in [
        &format!("host: {address}\r\n"),
        "authorization: Bearer x\r\n",
        "user-agent: kubelet\r\n",
    ] {
        assert!(heard.contains(header), "{heard}");
    }
}

#[test]
fn a_body_that_hangs_judges_nothing() {
    let begins = |status: &str| {
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 100");
        format!("http://{}", servers::http_begins(format!("{head}\r\n\r\n{{")))
    };
    let (well, ill) = (begins("200 OK"), begins("503 Service Unavailable"));
    all(&[
        (&[&well], SERVING, "status: 200 OK\n"),
        (&[&ill], NOT_SERVING, "answered 503 Service Unavailable"),
        // Less than the body would be waited for.
        (&[&well, "--rpc-timeout", "150ms"], SERVING, "status: 200 OK\n"),
    ]);
}
