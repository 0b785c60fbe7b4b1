//! Files that change while clients are connected: new certificates, broken ones, new revocations.

use std::{process::Command, time::Duration};

use tokio::time::{sleep, timeout};

use super::{
    authority::{Authority, Valid},
    house::{House, PAYMENTS, Shown, WATCHER, openssl, python},
};
use crate::outside::SOON;

/// The fingerprint of the certificate that is shown.
fn fingerprint(house: &House) -> String {
    let script = format!(
        "'{0}' s_client -connect {1} -servername localhost </dev/null 2>/dev/null | '{0}' x509 -noout -fingerprint -sha256",
        openssl().unwrap().display(),
        house.ward.http
    );
    let done = Command::new("sh").args(["-c", &script]).output().unwrap();
    String::from_utf8(done.stdout).unwrap()
}

async fn until(what: &str, reached: impl Fn() -> bool) {
    let reached = timeout(SOON, async {
        while !reached() {
            sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(reached.await.is_ok(), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_taken_up_and_a_broken_one_is_not() {
    let (Some(python), Some(_)) = (python(), openssl()) else {
        return;
    };
    let house = House::start();
    let watcher = house.known(WATCHER);
    let mut open = house.watch(&python, &watcher, "payments");
    open.says("watch: SERVICE_UNKNOWN").await;
    let first = fingerprint(&house);
    assert!(first.contains("Fingerprint"), "{first}");

    // The certificate comes before its key, as it does where two files are written one after the other.
    let next = house.server_pair(Valid::Now);
    house.replace("server.pem", &next.certificate);
    until("it is said that they do not belong together", || {
        house.ward.log().contains("they do not belong together")
    })
    .await;
    assert_eq!(fingerprint(&house), first);
    house.replace("server.key", &next.key);
    until("the new one is shown", || fingerprint(&house) != first).await;
    let second = fingerprint(&house);

    let expired = house.server_pair(Valid::Past);
    for (certificate, key, said) in [
        ("not PEM", next.key.as_str(), "there is none in it"),
        (&expired.certificate, &expired.key, "it has expired"),
    ] {
        house.replace("server.key", key);
        house.replace("server.pem", certificate);
        until(said, || house.ward.log().contains(said)).await;
        assert_eq!(fingerprint(&house), second, "{said}");
    }
    let metrics = house.body("/metrics", &watcher);
    assert!(
        metrics.contains("\nward_tls_last_reload_successful 0\n"),
        "{metrics}"
    );
    house.replace("server.pem", &next.certificate);
    house.replace("server.key", &next.key);
    until("the metric says so", || {
        house
            .body("/metrics", &watcher)
            .contains("\nward_tls_last_reload_successful 1\n")
    })
    .await;

    // All the while the stream stayed open.
    let report = ward_proto::v1::ReportOnceRequest {
        hello: super::house::hello("payments", "").hello,
        goodbye: false,
    };
    let payments = house.shows("payments", &house.clients.client(&[PAYMENTS], Valid::Now, 8));
    assert_eq!(house.call(&python, &payments, "ReportOnce", &report).await, "OK");
    open.says("watch: SERVING").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_believed_no_more_is_told_to_go() {
    let Some(python) = python() else { return };
    let house = House::start();
    let (kept, lost) = (
        house.shows("kept", &house.clients.client(&[WATCHER], Valid::Now, 1)),
        house.shows("lost", &house.clients.client(&[WATCHER], Valid::Now, 2)),
    );
    let mut stays = house.watch(&python, &kept, "payments");
    let mut goes = house.watch(&python, &lost, "payments");
    stays.says("watch: SERVICE_UNKNOWN").await;
    goes.says("watch: SERVICE_UNKNOWN").await;
    house.replace("revoked.pem", &house.clients.revoking(&[2]));
    let end = goes.line().await;
    assert!(end.starts_with("end: "), "{end}");
    if openssl().is_some() {
        let said = house.get("/health", &lost, &[]);
        assert!(said.contains("alert"), "{said}");
    }

    // Another authority altogether.
    let other = Authority::new();
    house.replace("revoked.pem", &other.revoking(&[]));
    house.replace("clients.pem", &other.pem());
    let end = stays.line().await;
    assert!(end.starts_with("end: "), "{end}");
    let fresh = house.shows("fresh", &other.client(&[WATCHER], Valid::Now, 3));
    let mut new = house.watch(&python, &fresh, "payments");
    new.says("watch: SERVICE_UNKNOWN").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_taken_away_ends_what_it_permitted() {
    let Some(python) = python() else { return };
    let house = House::start();
    let mut open = house.watch(&python, &house.known(WATCHER), "payments");
    open.says("watch: SERVICE_UNKNOWN").await;
    let config = std::fs::read_to_string(house.path("ward.toml")).unwrap();
    house.replace("ward.toml", &config.replace("watch = true", "watch = false"));
    house.ward.hang_up();
    let end = open.line().await;
    assert!(
        end.starts_with("end: UNAVAILABLE: what you may do has changed"),
        "{end}"
    );
    if openssl().is_some() {
        assert_eq!(
            house.get("/health", &house.known(WATCHER), &[]),
            "HTTP/1.1 403 Forbidden"
        );
        assert_eq!(
            house.get("/health", &Shown::default(), &[]),
            "HTTP/1.1 401 Unauthorized"
        );
    }
}
