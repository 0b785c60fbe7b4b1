//! `ward cert dev` and `ward token`: from nothing to an aggregator that knows who calls.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use serde_json::Value;

use crate::house::{Aggregator, Done, until, ward};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn told(done: &Done) -> (i32, &str) {
    (done.code, done.stderr.as_str())
}

#[test]
fn what_others_left_in_the_directory_is_not_written_to() {
    let home = tempfile::tempdir().unwrap();
    let certs = home.path().join("certs");
    fs::create_dir(&certs).unwrap();
    let open = |mode| fs::set_permissions(&certs, fs::Permissions::from_mode(mode)).unwrap();
    open(0o777);
    fs::write(certs.join(".server.key.new"), "left").unwrap();
    let other = home.path().join("other");
    fs::write(&other, "untouched").unwrap();
    symlink(&other, certs.join(".operator.key.new")).unwrap();
    let dir = certs.to_str().unwrap();
    let made = ward(&["cert", "dev", dir]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    for key in ["server.key", "operator.key"] {
        let key = certs.join(key);
        assert!(fs::symlink_metadata(&key).unwrap().is_file());
        assert_eq!(mode(&key), 0o600);
    }
    assert_eq!(fs::read_to_string(&other).unwrap(), "untouched");
    assert!(made.stderr.contains("chmod go-w"), "{}", made.stderr);
    open(0o755);
    let made = ward(&["cert", "dev", dir, "--force"]);
    assert!(!made.stderr.contains("chmod"), "{}", made.stderr);
}

#[test]
fn what_is_made_to_try_with_works_as_it_is_told() {
    let home = tempfile::tempdir().unwrap();
    let certs = home.path().join("certs");
    let dir = certs.to_str().unwrap();
    let made = ward(&[
        "cert",
        "dev",
        dir,
        "--host",
        "ward.internal",
        "--host",
        "10.0.0.7",
        "--client",
        "operator",
        "--client",
        "payments",
    ]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    for key in ["server.key", "operator.key", "payments.key"] {
        assert_eq!(mode(&certs.join(key)), 0o600, "{key}");
    }
    assert!(!certs.join("ca.key").exists(), "nobody signs more with it");
    let aggregator = Aggregator::configured(&certs.join("ward.toml"));
    let port = aggregator.grpc.rsplit(':').next().unwrap();
    let server = format!("https://localhost:{port}");
    let file = |name: &str| certs.join(name).to_str().unwrap().to_owned();
    let ask = |who: &str| {
        let (ca, cert, key) = (
            file("ca.pem"),
            file(&format!("{who}.pem")),
            file(&format!("{who}.key")),
        );
        ward(&[
            "status",
            "--server",
            &server,
            "--tls-ca",
            &ca,
            "--tls-cert",
            &cert,
            "--tls-key",
            &key,
        ])
    };
    let operator = ask("operator");
    assert_eq!(operator.code, 3, "nobody reports yet: {}", operator.stderr);
    let payments = ask("payments");
    assert_eq!(payments.code, 77, "{}", payments.stderr);
    assert!(
        payments.stderr.contains("the right `watch` is missing"),
        "{}",
        payments.stderr
    );

    let again = ward(&["cert", "dev", dir]);
    assert_eq!(again.code, 64);
    assert!(
        again
            .stderr
            .contains("ca.pem is there already: --force writes over it"),
        "{}",
        again.stderr
    );
    assert_eq!(ward(&["cert", "dev", dir, "--force"]).code, 0);
    for bad in [["--client", "ca"], ["--client", "a/b"], ["--days", "400"]] {
        assert_eq!(
            ward(&[&["cert", "dev", dir, "--force"], &bad[..]].concat()).code,
            64,
            "{bad:?}"
        );
    }
    assert_eq!(ward(&["cert", "dev", dir, "--force", "--host", "a b"]).code, 64);
}

#[test]
fn a_token_is_made_shown_once_listed_used_and_revoked() {
    let home = tempfile::tempdir().unwrap();
    let certs = home.path().join("certs");
    let dir = certs.to_str().unwrap();
    assert_eq!(ward(&["cert", "dev", dir]).code, 0);
    let aggregator = Aggregator::configured(&certs.join("ward.toml"));
    let data = aggregator.data_dir();
    let token = |args: &[&str]| ward(&[&["token"], args, &["--data-dir", &data]].concat());
    let none = token(&["list"]);
    assert_eq!(
        told(&none),
        (
            0,
            "there are no tokens: `ward token new --right watch` makes one\n"
        )
    );

    let file = home.path().join("watch.token");
    let out = file.to_str().unwrap();
    let made = token(&["new", "--right", "watch", "--note", "for the wall", "--out", out]);
    assert_eq!((made.code, made.stdout.as_str()), (0, ""), "{}", made.stderr);
    assert_eq!(mode(&file), 0o600);
    let text = fs::read_to_string(&file).unwrap();
    let (id, secret) = text
        .trim()
        .strip_prefix("ward_")
        .unwrap()
        .split_once('_')
        .unwrap();
    assert!(
        !made.stderr.contains(secret) && made.stderr.contains(id),
        "{}",
        made.stderr
    );
    let listed = token(&["list"]);
    assert!(
        listed.stdout.contains(id) && listed.stdout.contains("for the wall"),
        "{}",
        listed.stdout
    );
    let json: Value = serde_json::from_str(&token(&["list", "-o", "json"]).stdout).unwrap();
    assert_eq!(json[0]["rights"], serde_json::json!({ "watch": true }));
    assert!(json[0].get("hash").is_none(), "{json}");

    let port = aggregator.grpc.rsplit(':').next().unwrap();
    let server = format!("https://localhost:{port}");
    let ca = certs.join("ca.pem");
    let status = || {
        ward(&[
            "status",
            "--server",
            &server,
            "--tls-ca",
            ca.to_str().unwrap(),
            "--token-file",
            out,
        ])
        .code
    };
    until("it is in force", || status() == 3);
    assert_eq!(token(&["revoke", id]).code, 0);
    until("it is good for nothing", || status() == 77);
    let twice = token(&["revoke", id]);
    assert_eq!(twice.code, 64, "{}", twice.stderr);

    for (args, said) in [
        (
            &["new", "--right", "report"][..],
            "--right report needs --service",
        ),
        (
            &["new", "--right", "watch", "--service", "a"],
            "--service is of no use without --right report",
        ),
        (&["new", "--right", "root"], "is no right"),
        (
            &["new", "--right", "report", "--service", "A"],
            "is no pattern of names",
        ),
        (
            &["new", "--right", "watch", "--expires", "soon"],
            "expected a length of time",
        ),
        (
            &["new", "--right", "watch", "--note", "a\u{1b}[2J"],
            "without control characters",
        ),
        (&["new", "--right", "watch", "--out", out], "is there already"),
        (&["revoke", "x"], "is no id of a token"),
    ] {
        let refused = token(args);
        assert_eq!(refused.code, 64, "{args:?}");
        assert!(refused.stderr.contains(said), "{args:?}: {}", refused.stderr);
    }
    assert_eq!(
        token(&["list", "-o", "json"]).stdout.trim(),
        "[]",
        "what was refused left nothing"
    );
}
