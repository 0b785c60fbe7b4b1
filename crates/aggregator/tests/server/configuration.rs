//! What a file says comes into force, is changed while reporters report, and is kept when it is broken.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use ward_aggregator::ReloadError;
use ward_proto::v1::{self, Criticality, Status::*};

use crate::harness::{Aggregator, SOON, hello, result, start, start_configured, until, update};

/// A moment as a file has it, so many seconds from now.
#[expect(
    clippy::disallowed_methods,
    reason = "a test plans windows around the present"
)]
fn in_seconds(seconds: i64) -> String {
    let now = jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap();
    (now + jiff::SignedDuration::from_secs(seconds)).to_string()
}

fn window(service: &str, from: i64, to: i64, why: &str) -> String {
    let (start, end) = (in_seconds(from), in_seconds(to));
    format!("[[services.{service}.maintenance]]\nstart = {start}\nend = {end}\nwhy = \"{why}\"\n")
}

async fn hash(ward: &Aggregator) -> String {
    let system = ward
        .client()
        .await
        .get_system(v1::GetSystemRequest {})
        .await
        .unwrap();
    system.into_inner().config_hash
}

async fn maintenance(ward: &Aggregator) -> v1::ListMaintenanceResponse {
    let request = v1::ListMaintenanceRequest {};
    ward.client()
        .await
        .list_maintenance(request)
        .await
        .unwrap()
        .into_inner()
}

async fn active(ward: &Aggregator) -> Vec<(String, String)> {
    let active = maintenance(ward).await.active;
    active.into_iter().map(|one| (one.service, one.by)).collect()
}

async fn start_maintenance(ward: &Aggregator, service: &str, duration_ms: u64) {
    let request = v1::StartMaintenanceRequest {
        service: service.into(),
        by: "anna".into(),
        why: "by hand".into(),
        duration_ms,
    };
    ward.client().await.start_maintenance(request).await.unwrap();
}

async fn end_maintenance(ward: &Aggregator, service: &str) {
    let request = v1::EndMaintenanceRequest {
        service: service.into(),
        by: "anna".into(),
    };
    ward.client().await.end_maintenance(request).await.unwrap();
}

fn planned(service: &str) -> Vec<(String, String)> {
    vec![(service.into(), "ward.toml".into())]
}

fn by_hand(service: &str) -> Vec<(String, String)> {
    vec![(service.into(), "anna".into())]
}

async fn criticality(ward: &Aggregator, service: &str) -> Criticality {
    ward.service(service).await.service.unwrap().criticality()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_what_the_file_changed_and_nothing_else() {
    let ward = start_configured(
        "services.bank.criticality = \"critical\"\nservices.shop.criticality = \"optional\"\nservices.old.min_healthy = 2\n",
    )
    .await;
    let mut reporter = ward.reporter().await;
    for name in ["bank", "shop"] {
        reporter.hello(hello(name, Healthy)).await;
    }
    let first = hash(&ward).await;
    assert_eq!(first.len(), 64);
    assert_eq!(
        ward.metric(&format!("ward_config_info{{hash=\"{first}\"}}"))
            .await,
        1.0
    );
    let since = ward
        .service("bank")
        .await
        .service
        .unwrap()
        .condition
        .unwrap()
        .since_unix_ms;

    ward.configure("services.bank.criticality = \"critical\"\nservices.shop.criticality = \"important\"\nservices.new.min_healthy = 3\n");
    let reloaded = ward.app.reload().await.unwrap();
    let names = |names: &[ward_model::Name]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&reloaded.added), ["new"]);
    assert_eq!(names(&reloaded.changed), ["shop"]);
    assert_eq!(names(&reloaded.removed), ["old"]);
    assert_eq!(reloaded.waiting_for_restart, [""; 0]);
    assert_eq!(criticality(&ward, "shop").await, Criticality::Important);
    assert_eq!(ward.service("new").await.service.unwrap().min_healthy, 3);
    let gone = v1::GetServiceRequest { name: "old".into() };
    let gone = ward.client().await.get_service(gone).await.unwrap_err();
    assert_eq!(gone.code(), tonic::Code::NotFound, "nobody reports for it");
    let bank = ward.service("bank").await.service.unwrap().condition.unwrap();
    assert_eq!((bank.status(), bank.since_unix_ms), (Healthy, since), "untouched");
    assert_eq!(hash(&ward).await, reloaded.hash);
    assert_ne!(reloaded.hash, first);
    assert_eq!(
        ward.metric(&format!("ward_config_info{{hash=\"{first}\"}}"))
            .await,
        0.0,
        "one at a time"
    );
    assert_eq!(
        ward.metric(&format!("ward_config_info{{hash=\"{}\"}}", reloaded.hash))
            .await,
        1.0
    );
    // The stream from before goes on.
    assert_eq!(ward.status_of("shop").await, Healthy);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_leaves_the_last_good_one_in_force() {
    let good = "services.bank.criticality = \"critical\"\n";
    let ward = start_configured(good).await;
    let first = hash(&ward).await;
    let at = ward
        .metric("ward_config_last_reload_success_timestamp_seconds")
        .await;
    assert!(at > 1.6e9, "{at}");
    let broken = "services.bank.criticality = \"optional\"\nservices.shop.min_healthy = 0\n[services.other";
    ward.configure(broken);
    match ward.app.reload().await {
        Err(ReloadError::Invalid(errors)) => assert_eq!(errors.count(), 2, "{errors}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(hash(&ward).await, first);
    assert_eq!(
        criticality(&ward, "bank").await,
        Criticality::Critical,
        "nothing of it took effect"
    );
    assert_eq!(ward.metric("ward_config_last_reload_successful").await, 0.0);
    assert_eq!(
        ward.metric("ward_config_last_reload_success_timestamp_seconds")
            .await,
        at
    );
    std::fs::remove_file(ward.home.path().join("ward.toml")).unwrap();
    assert!(
        matches!(ward.app.reload().await, Err(ReloadError::Invalid(_))),
        "a file that is gone is no empty one"
    );
    assert_eq!(criticality(&ward, "bank").await, Criticality::Critical);
    ward.configure(good);
    assert_eq!(ward.app.reload().await.unwrap().hash, first);
    assert_eq!(ward.metric("ward_config_last_reload_successful").await, 1.0);
    assert!(
        ward.metric("ward_config_last_reload_success_timestamp_seconds")
            .await
            >= at
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_is_not_read_again() {
    let ward = start_configured("services.bank.criticality = \"optional\"\n").await;
    let first = hash(&ward).await;
    let file = ward.home.path().join("ward.toml");
    std::fs::remove_file(&file).unwrap();
    // What `--config <(...)` names is such a link too; this one reads as empty at once.
    std::os::unix::fs::symlink("/dev/null", &file).unwrap();
    let refused = ward.app.reload().await.unwrap_err();
    assert!(
        matches!(&refused, ReloadError::NotAFile(named) if *named == file),
        "{refused}"
    );
    assert_eq!(hash(&ward).await, first);
    assert_eq!(criticality(&ward, "bank").await, Criticality::Optional);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_in_use_that_is_removed_goes_on_with_its_own_word() {
    let ward =
        start_configured("services.bank = { criticality = \"optional\", dependencies = [\"ledger\"] }\n")
            .await;
    let mut reporter = ward.reporter().await;
    let handle = reporter.hello(hello("bank", Healthy)).await;
    assert_eq!(
        ward.status_of("bank").await,
        Unknown,
        "nobody reports for the ledger"
    );
    assert_eq!(criticality(&ward, "bank").await, Criticality::Optional);
    ward.configure("");
    ward.app.reload().await.unwrap();
    assert_eq!(
        criticality(&ward, "bank").await,
        Criticality::Critical,
        "as it declares"
    );
    assert_eq!(ward.status_of("bank").await, Healthy, "and it needs nothing");
    reporter.update(update(handle, 2, Degraded)).await;
    until("its stream goes on", async || {
        (ward.status_of("bank").await == Degraded).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_a_restart_is_named_and_stays() {
    let ward = start_configured("[aggregator]\ncors_origins = [\"https://a.example\"]\n").await;
    let (grpc, first) = (ward.app.grpc_addr(), hash(&ward).await);
    ward.configure("[aggregator]\ncors_origins = [\"https://b.example\"]\ndebug = true\n");
    let reloaded = ward.app.reload().await.unwrap();
    assert_eq!(reloaded.waiting_for_restart, ["debug", "cors_origins"]);
    assert_eq!(
        (hash(&ward).await, reloaded.hash),
        (first.clone(), first),
        "what is in force is as before"
    );
    assert_eq!(ward.app.grpc_addr(), grpc);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_source_there_is_nothing_to_reload() {
    let ward = start().await;
    assert!(matches!(ward.app.reload().await, Err(ReloadError::NoSource)));
    assert_eq!(
        hash(&ward).await.len(),
        64,
        "there is something in force all the same"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn more_services_than_there_may_be_are_refused_as_a_whole() {
    let ward = start_configured("").await;
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("mine", Healthy)).await;
    let many = |count: usize| {
        (0..count)
            .map(|n| format!("[services.s{n}]\n"))
            .collect::<String>()
    };
    ward.configure(&many(10_000));
    let refused = ward.app.reload().await.unwrap_err();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(
        matches!(refused, ReloadError::Refused(_)) && why.contains("10001 services"),
        "{why}"
    );
    assert_eq!(ward.metric("ward_config_last_reload_successful").await, 0.0);
    let none = v1::GetServiceRequest { name: "s0".into() };
    assert!(
        ward.client().await.get_service(none).await.is_err(),
        "none of it took effect"
    );
    ward.configure(&many(100));
    assert_eq!(ward.app.reload().await.unwrap().added.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_lose_nothing() {
    const REPORTERS: usize = 8;
    let ward = Arc::new(start_configured("").await);
    let done = Arc::new(Notify::new());
    let mut sending = Vec::new();
    for number in 0..REPORTERS {
        let (ward, done) = (ward.clone(), done.clone());
        sending.push(tokio::spawn(async move {
            let mut reporter = ward.reporter().await;
            let handle = reporter.hello(hello(&format!("s{number}"), Healthy)).await;
            let mut sequence = 1;
            let mut stop = std::pin::pin!(done.notified());
            loop {
                sequence += 1;
                let status = if sequence % 2 == 0 { Degraded } else { Healthy };
                reporter.update(update(handle, sequence, status)).await;
                tokio::select! {
                    () = &mut stop => break,
                    () = tokio::time::sleep(Duration::from_millis(1)) => {}
                }
            }
            let last = v1::Update {
                results: vec![result(Unhealthy)],
                ..update(handle, sequence + 1, Unhealthy)
            };
            reporter.update(last).await;
            reporter
        }));
    }
    until("all report", async || {
        (ward.metric("ward_report_streams").await == REPORTERS as f64).then_some(())
    })
    .await;
    for round in 0..20 {
        let text = |n: usize| {
            format!(
                "services.s{n}.criticality = \"{}\"\n",
                ["critical", "optional"][(n + round) % 2]
            )
        };
        ward.configure(&(0..REPORTERS).map(text).collect::<String>());
        let (one, other) = tokio::join!(ward.app.reload(), ward.app.reload());
        let changed = |reloaded: ward_aggregator::Reloaded| reloaded.added.len() + reloaded.changed.len();
        assert_eq!(
            changed(one.unwrap()) + changed(other.unwrap()),
            REPORTERS,
            "each change is made once"
        );
    }
    done.notify_waiters();
    let mut reporters = Vec::new();
    for task in sending {
        reporters.push(tokio::time::timeout(SOON, task).await.unwrap().unwrap());
    }
    for number in 0..REPORTERS {
        let name = format!("s{number}");
        until("the last word arrives", async || {
            (ward.status_of(&name).await == Unhealthy).then_some(())
        })
        .await;
        let expected = [Criticality::Optional, Criticality::Critical][number % 2];
        assert_eq!(criticality(&ward, &name).await, expected);
    }
    let text = ward.get("/metrics").await.text().await.unwrap();
    assert!(!text.contains("ward_rejections_total{"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_open_is_in_force_from_the_start_and_ends_with_the_plan() {
    let ward = start_configured(&window("bank", -60, 3_600, "the database moves")).await;
    let listed = maintenance(&ward).await;
    let [bank] = &listed.active[..] else {
        panic!("{listed:?}")
    };
    assert_eq!(
        (bank.service.as_str(), bank.by.as_str(), bank.why.as_str()),
        ("bank", "ward.toml", "the database moves")
    );
    let left = bank.end_unix_ms - bank.start_unix_ms;
    assert!(
        (3_590_000..=3_601_000).contains(&left),
        "what remains of it: {left}"
    );
    ward.configure("[services.bank]\n");
    ward.app.reload().await.unwrap();
    until("it ends with the plan", async || {
        active(&ward).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_to_come_are_listed_and_open() {
    let text = window("bank", 2, 3_600, "soon")
        + &window("shop", 7_200, 7_300, "late")
        + &window("shop", 8_000, 8_100, "later");
    let ward = start_configured(&text).await;
    let listed = maintenance(&ward).await;
    assert_eq!(listed.active, []);
    let upcoming: Vec<_> = listed
        .upcoming
        .iter()
        .map(|one| (one.service.as_str(), one.why.as_str()))
        .collect();
    assert_eq!(
        upcoming,
        [("bank", "soon"), ("shop", "late")],
        "the next of each, the nearest first"
    );
    until("it opens", async || {
        (active(&ward).await == planned("bank")).then_some(())
    })
    .await;
    until("it is no longer to come", async || {
        (maintenance(&ward).await.upcoming.len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_closes_by_itself_and_recurring_ones_come_back() {
    let text = window("bank", -60, 3, "short")
        + "[[services.shop.maintenance]]\nevery = \"day\"\nat = \"00:00\"\nfor = \"24h\"\nwhy = \"always\"\n";
    let ward = start_configured(&text).await;
    assert_eq!(active(&ward).await, [planned("bank"), planned("shop")].concat());
    until("it closes", async || {
        (active(&ward).await == planned("shop")).then_some(())
    })
    .await;
    let upcoming = maintenance(&ward).await.upcoming;
    assert_eq!(upcoming.len(), 1, "tomorrow's: {upcoming:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_come_first() {
    let ward = start_configured("[services.bank]\n[services.shop]\n").await;
    start_maintenance(&ward, "bank", 0).await;
    let planned_both = window("bank", -60, 3_600, "planned") + &window("shop", -60, 3_600, "planned");
    ward.configure(&planned_both);
    ward.app.reload().await.unwrap();
    let both = [by_hand("bank"), planned("shop")].concat();
    until("what lasts longer is left alone", async || {
        (active(&ward).await == both).then_some(())
    })
    .await;
    // What is ended stays ended, also past a reload.
    end_maintenance(&ward, "bank").await;
    end_maintenance(&ward, "shop").await;
    ward.configure(
        &(planned_both + &window("first", -60, 3_600, "new") + &window("second", 2, 3_600, "new")),
    );
    ward.app.reload().await.unwrap();
    // The second opens at a look of its own, after one at everything.
    until("the new ones open", async || {
        (active(&ward).await.len() == 2).then_some(())
    })
    .await;
    assert_eq!(
        active(&ward).await,
        [planned("first"), planned("second")].concat()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_without_a_change_leaves_planned_maintenance_as_it_is() {
    let text = window("bank", -60, 3_600, "planned");
    let ward = start_configured(&text).await;
    let before = maintenance(&ward).await.active;
    assert_eq!(before.len(), 1);
    // They are looked at by name: once the shop's is there, the bank has been looked at.
    ward.configure(&(text + &window("shop", -60, 3_600, "planned")));
    ward.app.reload().await.unwrap();
    let after = until("the new one opens", async || {
        Some(maintenance(&ward).await.active).filter(|active| active.len() == 2)
    })
    .await;
    assert_eq!(after[0], before[0], "started once");
}
