//! Who is let in, and who is believed: commands against servers with TLS, with client certificates, with tokens.

use std::{fs, os::unix::fs::PermissionsExt};

use tonic::{
    Request, Status,
    service::{Routes, interceptor::InterceptedService},
};
use ward_grpc_health::Health;

use crate::{
    check::{Files, port},
    evil,
    house::{Done, ward, ward_with},
    screen::Display,
    servers::{hears, serve, serve_with_tls},
};

const TOKEN: &str = "hunter2";

/// Every command that asks an aggregator.
const ASKING: [&[&str]; 11] = [
    &["status"],
    &["status", "bank"],
    &["explain", "bank"],
    &["watch", "--once"],
    &["watch", "bank", "--once"],
    &["report", "bank", "--status", "healthy"],
    &["maintenance", "start", "bank", "--why", "disks"],
    &["maintenance", "end", "bank"],
    &["maintenance", "list"],
    &["forget", "bank", "--yes"],
    &["bench", "--target", "", "--instances", "1"],
];

/// An aggregator that lets pass who shows the token.
fn guarded() -> Routes {
    evil::routes(guard)
}

fn guard(request: Request<()>) -> Result<Request<()>, Status> {
    let shown = request.metadata().get("authorization");
    match shown.map(|shown| shown.as_bytes()) {
        None => Err(Status::unauthenticated("show who you are")),
        Some(shown) if shown == format!("Bearer {TOKEN}").as_bytes() => Ok(request),
        Some(_) => Err(Status::permission_denied(
            "this token may watch, and nothing else",
        )),
    }
}

fn open() -> Routes {
    evil::routes(Ok)
}

/// `args`, asked of `server`, whichever flag it is called by there.
fn at(args: &[&str], server: &str, more: &[&str]) -> Done {
    let mut args: Vec<_> = args
        .iter()
        .map(|arg| if arg.is_empty() { server } else { arg })
        .collect();
    if !args.contains(&"--target") {
        args.extend(["--server", server]);
    }
    args.extend(more);
    ward(&args)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_every_command_and_without_it_each_says_what_to_do() {
    let files = Files::new();
    let ca = files.ca();
    let (good, bad) = (
        files.pem("good", format!("{TOKEN}\n")),
        files.pem("bad", "hunter3".to_owned()),
    );
    fs::set_permissions(&good, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&bad, fs::Permissions::from_mode(0o644)).unwrap();
    let server = serve_with_tls(files.ours.server("localhost", false), guarded()).await;
    let server = format!("https://localhost:{}", port(&server));
    for args in ASKING {
        let none = at(args, &server, &["--tls-ca", &ca]);
        assert_eq!(none.code, 77, "{args:?}: {}", none.stderr);
        for said in [
            "show who you are",
            "--tls-cert and --tls-key",
            "--token-file",
            &server,
        ] {
            assert!(none.stderr.contains(said), "{args:?}: {}", none.stderr);
        }
        let less = at(args, &server, &["--tls-ca", &ca, "--token-file", &bad]);
        assert_eq!(less.code, 77, "{args:?}: {}", less.stderr);
        assert!(
            less.stderr.contains("this token may watch, and nothing else"),
            "{args:?}: {}",
            less.stderr
        );
        // Once, however often it asks.
        let odd = less.stderr.matches("can be read by others").count();
        assert_eq!(odd, 1, "{args:?}: {}", less.stderr);
        // What that aggregator answers is another test's: not one of these is a refusal.
        if !args.contains(&"bench") {
            let known = at(args, &server, &["--tls-ca", &ca, "--token-file", &good]);
            assert!(![4, 77].contains(&known.code), "{args:?}: {known:?}");
            for done in [&none, &less, &known] {
                assert!(!format!("{done:?}").contains("hunter"), "{done:?}");
            }
        }
    }
    let variables = [
        ("WARD_SERVER", server.as_str()),
        ("WARD_TLS_CA", &ca),
        ("WARD_TOKEN_FILE", &good),
    ];
    let known = ward_with(&["status", "bank"], &variables);
    assert_eq!((known.code, known.stderr.as_str()), (2, ""), "{known:?}");
    let mut terminal = Display::ward((120, 30), &["top"], &variables);
    terminal.sees_row(&["bank", "unhealthy"]);
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_tls_is_told_in_words_and_flags() {
    let files = Files::new();
    let (ca, wrong_ca) = (files.ca(), files.pem("other.pem", files.theirs.pem()));
    let (cert, key) = files.client("client", &files.ours);
    let url = |address: &str| format!("https://localhost:{}", port(address));
    let tls = url(&serve_with_tls(files.ours.server("localhost", false), open()).await);
    let misnamed = url(&serve_with_tls(files.ours.server("elsewhere", false), open()).await);
    let mutual = url(&serve_with_tls(files.ours.server("localhost", true), open()).await);
    let plain = url(&serve(open()).await);
    let in_clear = tls.replace("https", "http");
    let trusting = ["--tls-ca", ca.as_str()];
    for (server, more, said) in [
        (
            &tls,
            &["--tls-ca", &wrong_ca] as &[&str],
            "not trusted: name the authority that issued it with --tls-ca",
        ),
        (&misnamed, &trusting, "is for elsewhere, not for localhost"),
        (
            &mutual,
            &trusting,
            "wants to be shown a certificate: name one with --tls-cert and --tls-key",
        ),
        (&plain, &trusting, "speaks no TLS"),
        (
            &in_clear,
            &[],
            "speaks TLS and is spoken to without: begin the address with https://",
        ),
    ] {
        for command in [&["status"] as &[&str], &["watch"]] {
            let done = at(command, server, more);
            assert_eq!(
                (done.code, done.stdout.as_str()),
                (4, ""),
                "{said}: {}",
                done.stderr
            );
            assert!(done.stderr.contains(said), "{said}: {}", done.stderr);
            assert!(
                !done.stderr.contains("ward demo"),
                "somebody is there: {}",
                done.stderr
            );
        }
    }
    let shown = at(
        &["status", "bank"],
        &mutual,
        &["--tls-ca", &ca, "--tls-cert", &cert, "--tls-key", &key],
    );
    assert_eq!((shown.code, shown.stderr.as_str()), (2, ""), "{shown:?}");
}

#[test]
fn what_cannot_be_meant_is_told_before_anybody_is_asked() {
    let files = Files::new();
    let (ca, token) = (files.ca(), files.pem("token", TOKEN.to_owned()));
    let text = files.pem("text", "no certificate".to_owned());
    for (server, more, said) in [
        (
            "a:1",
            &["--token-file", token.as_str()] as &[&str],
            "a token goes over TLS only",
        ),
        (
            "http://a:1",
            &["--token-file", &token],
            "a token goes over TLS only",
        ),
        (
            "http://a:1",
            &["--tls-ca", &ca],
            "begin the address with https://",
        ),
        (
            "https://a:1",
            &["--tls-ca", "/no/where"],
            "--tls-ca /no/where: cannot be read",
        ),
        ("https://a:1", &["--tls-ca", &text], "has no certificate in PEM"),
        (
            "https://a:1",
            &["--tls-ca", &ca, "--token-file", "/dev/null"],
            "--token-file /dev/null: is empty",
        ),
    ] {
        for command in [&["status"] as &[&str], &["watch"], &["bench", "--target", ""]] {
            let done = at(command, server, more);
            assert_eq!(
                (done.code, done.stdout.as_str()),
                (64, ""),
                "{said}: {}",
                done.stderr
            );
            assert!(done.stderr.contains(said), "{said}: {}", done.stderr);
        }
    }
    // The job comes first, whatever is wrong with the files.
    let job = [
        "report",
        "backup",
        "--token-file",
        "/no/where",
        "--run",
        "--",
        "sh",
        "-c",
        "exit 3",
    ];
    let done = ward(&job);
    assert_eq!(done.code, 3, "{}", done.stderr);
    assert!(done.stderr.contains("is not reported: "), "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_takes_the_same_names_and_shows_the_variables_to_the_aggregator_alone() {
    let files = Files::new();
    let (ca, token) = (files.ca(), files.pem("token", TOKEN.to_owned()));
    let (cert, key) = files.client("client", &files.ours);
    let health = InterceptedService::new(Health::new().server(), guard);
    let mutual = serve_with_tls(files.ours.server("localhost", true), Routes::new(health)).await;
    let address = format!("localhost:{}", port(&mutual));
    let (grpcs, https) = (format!("grpcs://{address}"), format!("https://{address}"));
    let check = |args: &[&str], variables: &[(&str, &str)]| {
        let patient = ["--connect-timeout", "20s", "--rpc-timeout", "20s"];
        ward_with(&[&["check"], args, &patient].concat(), variables)
    };
    let certified = [&grpcs, "--tls-ca", &ca, "--tls-cert", &cert, "--tls-key", &key];
    let stranger = check(&certified, &[]);
    assert_eq!(stranger.code, 3, "{}", stranger.stderr);
    assert!(
        stranger.stderr.contains("show who you are"),
        "{}",
        stranger.stderr
    );
    let known = check(&[&certified as &[_], &["--token-file", &token]].concat(), &[]);
    assert_eq!(known.code, 0, "{}", known.stderr);

    let variables = [
        ("WARD_SERVER", https.as_str()),
        ("WARD_TLS_CA", &ca),
        ("WARD_TLS_CERT", &cert),
        ("WARD_TLS_KEY", &key),
        ("WARD_TOKEN_FILE", &token),
    ];
    let aggregator = check(&[], &variables);
    assert_eq!(aggregator.code, 0, "{}", aggregator.stderr);
    // Whoever is named may be anybody, and is shown what is typed.
    let anybody = check(&certified, &variables);
    assert_eq!(anybody.code, 3, "{}", anybody.stderr);

    let clear = check(&["127.0.0.1:1", "--token-file", &token], &[]);
    assert_eq!(clear.code, 1, "{}", clear.stderr);
    assert!(
        clear.stderr.contains("--token-file without TLS"),
        "{}",
        clear.stderr
    );
    let (plain, heard) = hears("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let plain = format!("http://{plain}/");
    assert_eq!(check(&[&plain, "--token-file", &token], &[]).code, 1);
    assert!(heard.try_recv().is_err(), "nothing was sent");
}
