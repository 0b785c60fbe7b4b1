//! Tokens: made, used, run out, taken back, and sent where others can read them.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use ward_proto::v1::GetSystemRequest;

use super::house::{House, Shown, hello, python};
use crate::{outside::SOON, ward::Ward};

/// Until a call is answered so: a file is looked at every second.
async fn until(expected: &str, call: impl AsyncFn() -> String) {
    let mut last = String::new();
    let reached = timeout(SOON, async {
        loop {
            last = call().await;
            if last == expected {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(
        reached.await.is_ok(),
        "wanted {expected:?}, the last was {last:?}"
    );
}

const GONE: &str = "UNAUTHENTICATED: there is no such token, or none any more: ask for a new one";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_what_it_was_made_for_and_until_it_is_revoked() {
    let Some(python) = python() else { return };
    let house = House::start();
    let reporter = house.token("reporter", &["--right", "report", "--service", "checkout-*"]);
    let watcher = house.token("watcher", &["--right", "watch", "--expires", "never"]);
    let system = GetSystemRequest::default();
    let ask = async |shown: &Shown| house.call(&python, shown, "GetSystem", &system).await;
    until("OK", async || ask(&watcher).await).await;
    assert_eq!(
        ask(&reporter).await,
        "PERMISSION_DENIED: the right `watch` is missing"
    );
    let report = async |service| {
        house
            .call(&python, &reporter, "ReportOnce", &hello(service, ""))
            .await
    };
    assert_eq!(report("checkout-eu").await, "OK");
    assert_eq!(
        report("checkout").await,
        "PERMISSION_DENIED: the right `report` for checkout is missing"
    );

    // What is open ends, and what is sent again is worth nothing.
    let mut open = house.watch(&python, &watcher, "liveness");
    open.says("watch: SERVING").await;
    let text = std::fs::read_to_string(watcher.token.as_ref().unwrap()).unwrap();
    let id = text.split('_').nth(1).unwrap();
    assert!(house.command(&["token", "revoke", id]).status.success());
    open.says("end: UNAVAILABLE: what you may do has changed: ask again")
        .await;
    assert_eq!(ask(&watcher).await, GONE);
    assert_eq!(report("checkout-eu").await, "OK", "others are not touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_run_out_ends_what_it_holds_open() {
    let Some(python) = python() else { return };
    let house = House::start();
    let short = house.token("short", &["--right", "watch", "--expires", "30s"]);
    let system = GetSystemRequest::default();
    let ask = async || house.call(&python, &short, "GetSystem", &system).await;
    until("OK", async || ask().await).await;
    let mut open = house.watch(&python, &short, "liveness");
    open.says("watch: SERVING").await;
    let end = open.line().await;
    assert!(
        end.starts_with("end: UNAVAILABLE: what you may do has changed"),
        "{end}"
    );
    let after = ask().await;
    assert!(after.starts_with("UNAUTHENTICATED: "), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_of_this_aggregator_is_refused() {
    let Some(python) = python() else { return };
    let house = House::start();
    let good = house.token("good", &["--right", "watch"]);
    let system = GetSystemRequest::default();
    let ask = async |shown: &Shown| house.call(&python, shown, "GetSystem", &system).await;
    until("OK", async || ask(&good).await).await;
    let text = std::fs::read_to_string(good.token.as_ref().unwrap()).unwrap();
    let text = text.trim();
    let (known, secret) = text.rsplit_once('_').unwrap();
    let guessed = format!("{known}_{}", secret.chars().rev().collect::<String>());
    for bad in [&guessed, &format!("{text}0"), &text.to_uppercase(), "ward", "x"] {
        house.replace("bad", bad);
        let shown = Shown {
            token: Some(house.path("bad")),
            ..Shown::default()
        };
        assert_eq!(ask(&shown).await, GONE, "{bad}");
    }
    // A listener that speaks no TLS is on loopback, and takes none all the same: it would be a habit.
    let open = Ward::start();
    let said = House::call_in_clear(&python, &open.grpc.to_string(), good.token.as_ref().unwrap()).await;
    assert_eq!(
        said,
        "UNAUTHENTICATED: a token goes over TLS only; take this one for known to others, and revoke it"
    );
}
