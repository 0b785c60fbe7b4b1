//! What people are not told, and what they are told all the same: other causes, resolutions, what holds when a window ends.

use serde_json::Value;
use ward_sdk::Signal;

use crate::scene::{Scene, breaks, mends};

/// Follows the level of a signal at once.
const AT_ONCE: &str = "[alerting.rules.BreakerOpen]\nfor = \"0s\"\nkeep_firing_for = \"0s\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_older_alert_of_the_storefront_is_resolved_while_the_bank_is_broken() {
    let Some(scene) = Scene::set_with("1s", AT_ONCE).await else {
        return;
    };
    let bank = scene.service("bank", &[]).await;
    let breaker = Signal::new("breaker_open");
    let open = breaker.handle();
    let storefront = scene
        .service_with("storefront", |builder| builder.hard("bank").signal(breaker))
        .await;
    let search = scene.service_with("search", |builder| builder.soft("bank")).await;
    open.set(1.0);
    breaks(&storefront, "no shelves");
    breaks(&search, "no index");
    scene.people.page("people", "firing storefront").await;
    scene.people.page("people", "firing search").await;
    scene.people.page("desk", "firing storefront").await;
    let older = scene.alertmanager.alert("storefront").await;

    breaks(&bank, "the ledger is gone");
    scene.people.page("people", "firing bank").await;
    open.set(0.0);
    mends(&search);
    mends(&storefront);
    scene.people.page("desk", "resolved storefront").await;
    scene.people.page("people", "resolved search").await;
    scene.until("bank", "ServiceUnhealthy", "firing").await;
    let still = scene.until("storefront", "ServiceUnhealthy", "firing").await;
    assert_eq!(
        still["labels"]["root_cause"], "storefront",
        "its labels are fixed"
    );
    let firing = [("bank", "firing"), ("storefront", "firing")];
    assert_eq!(standing(&scene.alerts().await.unwrap(), "firing"), firing);

    mends(&bank);
    scene.people.page("people", "resolved bank").await;
    scene.people.page("people", "resolved storefront").await;
    let mut told = scene.people.titles("people");
    told.sort();
    let expected = ["bank", "search", "storefront"];
    let expected: Vec<_> = ["firing", "resolved"]
        .iter()
        .flat_map(|status| expected.map(|name| format!("{status} {name}")))
        .collect();
    assert_eq!(told, expected, "each once; {older:#}");
}

/// Services whose status alerts stand so, with that.
fn standing<'a>(alerts: &'a [Value], state: &'a str) -> Vec<(&'a str, &'a str)> {
    let of = alerts.iter().filter(|alert| alert["rule"] == "ServiceUnhealthy");
    let so = of.filter(|alert| alert["state"] == state);
    so.map(|alert| (alert["service"].as_str().unwrap(), state))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_window_pages_nobody_and_what_still_holds_at_its_end_is_paged() {
    let Some(scene) = Scene::set().await else { return };
    let bank = scene.service("bank", &[]).await;
    let _payments = scene.service("payments", &["bank"]).await;
    let mail = scene.service("mail", &[]).await;
    scene.command(&[
        "maintenance",
        "start",
        "bank",
        "--why",
        "new disks",
        "--for",
        "1h",
    ]);
    breaks(&bank, "the ledger is gone");
    for service in ["bank", "payments"] {
        let withheld = scene.until(service, "ServiceUnhealthy", "suppressed").await;
        assert_eq!(withheld["suppression"]["services"][0], "bank", "{withheld:#}");
    }
    // What comes later is paged, and came from the same steps.
    breaks(&mail, "the queue is full");
    scene.people.page("people", "firing mail").await;
    assert_eq!(scene.people.titles("people"), ["firing mail"]);
    let known = scene.alertmanager.until("alerts", |_| true).await;
    let about = known
        .iter()
        .filter_map(|alert| alert["labels"]["service"].as_str());
    assert_eq!(about.collect::<Vec<_>>(), ["mail"], "Alertmanager knows no more");

    scene.command(&["maintenance", "end", "bank"]);
    scene.people.page("people", "firing bank").await;
    let withheld = scene.until("payments", "ServiceUnhealthy", "suppressed").await;
    assert_eq!(withheld["suppression"]["cause"], "bank/ServiceUnhealthy");
    mends(&bank);
    mends(&mail);
    scene.people.page("people", "resolved bank").await;
    scene.people.page("people", "resolved mail").await;
    assert_eq!(
        scene.people.titles("people").len(),
        4,
        "{:?}",
        scene.people.titles("people")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_ends_when_nothing_holds_any_more_pages_nobody() {
    let Some(scene) = Scene::set().await else { return };
    let bank = scene.service("bank", &[]).await;
    let mail = scene.service("mail", &[]).await;
    scene.command(&["maintenance", "start", "bank", "--why", "new disks"]);
    breaks(&bank, "the ledger is gone");
    scene.until("bank", "ServiceUnhealthy", "suppressed").await;
    mends(&bank);
    scene.until_status("bank", ward_model::Status::Healthy).await;
    scene.command(&["maintenance", "end", "bank"]);
    breaks(&mail, "the queue is full");
    scene.people.page("people", "firing mail").await;
    assert_eq!(scene.people.titles("people"), ["firing mail"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_silent_until_that_or_the_alert_ends() {
    let Some(scene) = Scene::set().await else { return };
    let bank = scene.service("bank", &[]).await;
    breaks(&bank, "the ledger is gone");
    scene.people.page("people", "firing bank").await;
    let state = |state: &'static str| {
        move |listed: &[Value]| {
            let about = listed.iter().filter(|alert| alert["labels"]["service"] == "bank");
            about.filter(|alert| alert["status"]["state"] == state).count() == 1
        }
    };
    let silences = |state: &'static str| {
        move |listed: &[Value]| {
            listed
                .iter()
                .filter(|one| one["status"]["state"] == state)
                .count()
                == 1
        }
    };
    let acknowledge = || scene.command(&["ack", "bank", "--why", "on it", "--by", "ann", "--for", "1h"]);
    acknowledge();
    let listed = scene.alertmanager.until("silences", silences("active")).await;
    assert_eq!(listed[0]["createdBy"], "ann");
    assert!(
        listed[0]["comment"].as_str().unwrap().starts_with("on it"),
        "{listed:#?}"
    );
    scene.alertmanager.until("alerts", state("suppressed")).await;

    scene.command(&["ack", "bank", "--end"]);
    scene.alertmanager.until("silences", silences("expired")).await;
    scene.alertmanager.until("alerts", state("active")).await;

    acknowledge();
    scene.alertmanager.until("alerts", state("suppressed")).await;
    mends(&bank);
    scene.people.page("people", "resolved bank").await;
    let over =
        |listed: &[Value]| listed.len() == 2 && listed.iter().all(|one| one["status"]["state"] == "expired");
    scene.alertmanager.until("silences", over).await;
    assert_eq!(scene.people.titles("people"), ["firing bank", "resolved bank"]);

    // The next time it is news.
    breaks(&bank, "again");
    scene.alertmanager.until("alerts", state("active")).await;
}
