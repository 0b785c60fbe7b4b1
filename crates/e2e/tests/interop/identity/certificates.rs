//! Certificates, good and bad.

use super::{
    authority::{Authority, Valid},
    house::{House, PAYMENTS, Shown, WATCHER, hello, openssl, python},
};

/// What openssl says of a server that ends the handshake.
fn is_refused(said: &str) -> bool {
    said.contains("alert") && !said.contains("HTTP/1.1")
}

#[test]
fn only_certificates_that_name_somebody_are_let_in() {
    if openssl().is_none() {
        return;
    }
    let house = House::start();
    let foreign = Authority::new();
    let of = |names: &[&str], valid| house.clients.client(names, valid, 7);
    for (what, pair) in [
        ("expired", of(&[PAYMENTS], Valid::Past)),
        ("not yet valid", of(&[PAYMENTS], Valid::Future)),
        (
            "two SPIFFE ids",
            of(&[PAYMENTS, "spiffe://example.org/bank"], Valid::Now),
        ),
        (
            "a SPIFFE id and another URI",
            of(&[PAYMENTS, "https://example.org"], Valid::Now),
        ),
        (
            "a URI that is no SPIFFE id",
            of(&["https://example.org/payments"], Valid::Now),
        ),
        (
            "a DNS name without a row",
            of(&["stranger.example.org"], Valid::Now),
        ),
        ("no name at all", of(&[], Valid::Now)),
        ("another authority", foreign.client(&[PAYMENTS], Valid::Now, 7)),
        ("revoked", house.clients.client(&[PAYMENTS], Valid::Now, 666)),
        ("one that signs others", house.clients.below(PAYMENTS)),
    ] {
        for version in ["-tls1_3", "-tls1_2"] {
            let said = house.get("/health", &house.shows("bad", &pair), &[version]);
            assert!(is_refused(&said), "{what}, {version}: {said}");
        }
    }
    for version in ["-tls1_3", "-tls1_2"] {
        let get = |shown: &Shown| house.get("/api/v1/system", shown, &[version]);
        assert_eq!(get(&house.known(WATCHER)), "HTTP/1.1 200 OK");
        assert_eq!(
            get(&house.known(PAYMENTS)),
            "HTTP/1.1 403 Forbidden",
            "it may not watch"
        );
        assert_eq!(
            get(&house.known("spiffe://example.org/x")),
            "HTTP/1.1 403 Forbidden"
        );
        assert_eq!(get(&Shown::default()), "HTTP/1.1 401 Unauthorized");
        assert_eq!(
            house.get("/readyz", &Shown::default(), &[version]),
            "HTTP/1.1 200 OK"
        );
    }
    let old = house.get(
        "/readyz",
        &Shown::default(),
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
    );
    assert!(!old.starts_with("HTTP"), "{old}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_good_for_its_own_service() {
    let Some(python) = python() else { return };
    let house = House::start();
    let payments = house.known(PAYMENTS);
    let report = async |request| house.call(&python, &payments, "ReportOnce", &request).await;
    assert_eq!(report(hello("payments", "")).await, "OK");
    assert_eq!(report(hello("payments", "bank")).await, "OK");
    assert_eq!(
        report(hello("bank", "")).await,
        "PERMISSION_DENIED: the right `report` for bank is missing"
    );
    assert_eq!(
        report(hello("payments", "storefront")).await,
        "PERMISSION_DENIED: the right `observe` for storefront is missing"
    );
    let nothing = ward_proto::v1::GetSystemRequest::default();
    for (method, right) in [
        ("GetSystem", "watch"),
        ("StartMaintenance", "command"),
        ("Forget", "administer"),
        ("NoSuchMethod", "watch"),
    ] {
        let said = house.call(&python, &payments, method, &nothing).await;
        assert_eq!(said, format!("PERMISSION_DENIED: the right `{right}` is missing"));
    }
    let nobody = house
        .call(&python, &Shown::default(), "GetSystem", &nothing)
        .await;
    assert_eq!(
        nobody,
        "UNAUTHENTICATED: the right `watch` is missing: show a certificate or a token that has it"
    );
}
