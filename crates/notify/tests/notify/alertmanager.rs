//! Delivery to an Alertmanager that is well, and to those that are not.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use ward_model::{Alert, AlertState, Severity};
use ward_notify::{Later, Notifier, Outbox};

use crate::{
    memory::Memory,
    sample::{MS, alertmanager, config, firing, now, quick, resolved, start, tell, watchdog},
    server::{Asked, Reply, SOON, Server},
};

/// Answers about silences as if there were none, and about alerts as told.
pub(crate) fn about_alerts(
    mut reply: impl FnMut(&Asked) -> Reply + Send + 'static,
) -> impl FnMut(&Asked) -> Reply + Send + 'static {
    move |asked| {
        if asked.is_alerts() {
            reply(asked)
        } else {
            Reply::Json(200, "[]".into())
        }
    }
}

fn alerts(log: &[Asked]) -> Vec<Vec<Value>> {
    let posts = log.iter().filter(|asked| asked.is_alerts());
    posts.map(Asked::alerts).collect()
}

pub(crate) fn service(alert: &Value) -> &str {
    alert["labels"]["service"].as_str().unwrap_or("system")
}

fn moment(value: &Value) -> i64 {
    let moment: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
    moment.as_millisecond()
}

fn is_resolved(alert: &Value) -> bool {
    moment(&alert["endsAt"]) <= now().0
}

async fn settled(notifier: &Notifier) {
    let waiting = async {
        while notifier.standing().iter().any(|standing| standing.owed > 0) {
            tokio::time::sleep(MS).await;
        }
    };
    tokio::time::timeout(SOON, waiting)
        .await
        .expect("nothing is owed");
}

#[tokio::test]
async fn what_fires_is_sent_again_and_what_is_resolved_for_a_while() {
    let server = Server::start(about_alerts(|_| Reply::ok())).await;
    let outbox = Memory::new();
    let notifier = start([alertmanager("am", server.url())], &outbox);
    let bank = firing("bank", "ServiceUnhealthy", now());
    tell(&notifier, vec![bank.clone()]);
    server
        .until_is("the third time", |log| {
            alerts(log).iter().filter(|all| !all.is_empty()).count() >= 3
        })
        .await;
    tell(&notifier, vec![resolved(&bank)]);
    server
        .until_is("the resolution, twice", |log| {
            let ended = alerts(log).into_iter().flatten().filter(is_resolved);
            ended.count() >= 2
        })
        .await;
    let all: Vec<Value> = alerts(&server.log()).into_iter().flatten().collect();
    let (first, last) = (&all[0], &all[all.len() - 1]);
    assert_eq!(first["labels"], last["labels"]);
    assert_eq!(first["startsAt"], last["startsAt"]);
    assert_eq!(first["labels"]["cluster"], "eu-1");
    assert_eq!(moment(&first["startsAt"]), bank.fired.unwrap().0);
    assert_eq!(first["annotations"]["summary"], "bank is ill");
    assert_eq!(first["generatorURL"], "http://ward.example/api/v1/services/bank");
    assert!(outbox.kept().is_empty(), "nothing is owed");
    // It is forgotten after a while; then nothing is sent any more.
    tokio::time::sleep(quick().retain + 2 * quick().resend).await;
    let sent = server.posts().len();
    tokio::time::sleep(3 * quick().resend).await;
    assert_eq!(server.posts().len(), sent);
    assert_eq!(notifier.standing()[0].dropped, 0);
}

#[tokio::test]
async fn the_end_is_four_sends_ahead() {
    let server = Server::start(about_alerts(|_| Reply::ok())).await;
    let notifier = start([alertmanager("am", server.url())], &Memory::new());
    let before = now();
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", before)]);
    let first = server.until("it", |log| alerts(log).pop()).await;
    let ahead = moment(&first[0]["endsAt"]) - now().0;
    assert!((400..=800).contains(&ahead), "{ahead}");
}

#[tokio::test]
async fn causes_come_first_and_a_request_has_at_most_256() {
    let server = Server::start(about_alerts(|_| Reply::ok())).await;
    let notifier = start([alertmanager("am", server.url())], &Memory::new());
    let names: Vec<String> = (0..600).rev().map(|n| format!("s{n}")).collect();
    let all = names.iter().map(|name| firing(name, "ServiceUnhealthy", now()));
    tell(&notifier, all.collect());
    settled(&notifier).await;
    let batches = alerts(&server.log());
    let sizes: Vec<usize> = batches.iter().take(3).map(Vec::len).collect();
    assert_eq!(sizes, [256, 256, 88]);
    let sent: Vec<String> = batches
        .iter()
        .flatten()
        .take(600)
        .map(|alert| service(alert).into())
        .collect();
    assert_eq!(sent, names);
}

#[tokio::test]
async fn an_alertmanager_that_is_not_there_is_told_why_and_then_told_all() {
    let gone = Server::start(|_| Reply::ok()).await;
    let address = gone.address();
    drop(gone);
    let outbox = Memory::new();
    let notifier = start([alertmanager("am", format!("http://{address}"))], &outbox);
    let (bank, shop) = (
        firing("bank", "ServiceUnhealthy", now()),
        firing("shop", "ServiceUnhealthy", now()),
    );
    tell(&notifier, vec![bank.clone(), shop.clone()]);
    let error = format!("connect to http://{address}: connection refused");
    let failed = async {
        while notifier.standing()[0].error.as_ref() != Some(&error) {
            tokio::time::sleep(MS).await;
        }
    };
    tokio::time::timeout(SOON, failed)
        .await
        .unwrap_or_else(|_| panic!("{:?}", notifier.standing()));
    tell(&notifier, vec![resolved(&shop)]);
    let standing = &notifier.standing()[0];
    assert_eq!((standing.owed, standing.oldest.is_some()), (2, true));
    assert_eq!(outbox.kept().len(), 2);
    let back = Server::start_at(address, about_alerts(|_| Reply::ok())).await;
    settled(&notifier).await;
    let first = &alerts(&back.log())[0];
    assert_eq!(first.iter().map(service).collect::<Vec<_>>(), ["bank", "shop"]);
    assert!(!is_resolved(&first[0]) && is_resolved(&first[1]));
    assert_eq!(notifier.standing()[0].error, None);
    assert!(outbox.kept().is_empty());
}

/// What goes wrong with an answer, until a test says that it goes well.
async fn fails_then_takes(wrong: Reply) {
    let shown = format!("{wrong:?}");
    let server = Server::start(about_alerts(move |_| wrong.clone())).await;
    let outbox = Memory::new();
    let notifier = start([alertmanager("am", server.url())], &outbox);
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    server.until_is(&shown, |log| alerts(log).len() >= 3).await;
    let standing = &notifier.standing()[0];
    assert!(
        standing.requests[1] >= 2 && standing.requests[2] == 0,
        "{standing:?}"
    );
    assert_eq!((standing.owed, outbox.kept().len()), (1, 1), "{shown}");
    server.does(about_alerts(|_| Reply::ok()));
    settled(&notifier).await;
    assert!(outbox.kept().is_empty(), "{shown}");
}

#[tokio::test]
async fn every_failure_is_tried_again_until_it_is_taken() {
    for wrong in [
        Reply::Json(500, "no".into()),
        Reply::Json(502, String::new()),
        Reply::Hang,
        Reply::Close,
        Reply::Garbage,
        Reply::TornHead,
        Reply::Torn(503),
    ] {
        fails_then_takes(wrong).await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_behind_a_good_status_was_taken() {
    let server = Server::start(about_alerts(|_| Reply::Torn(200))).await;
    let notifier = start([alertmanager("am", server.url())], &Memory::new());
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    settled(&notifier).await;
}

#[tokio::test]
async fn what_is_asked_for_is_waited_for_also_by_what_is_new() {
    for status in [429, 503] {
        let times = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&times);
        let server = Server::start(about_alerts(move |_| {
            noted.lock().push(now());
            Reply::Headers(status, vec![("retry-after", "1".into())])
        }))
        .await;
        let notifier = start([alertmanager("am", server.url())], &Memory::new());
        tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
        server.until_is("the first", |log| !alerts(log).is_empty()).await;
        tell(&notifier, vec![firing("shop", "ServiceUnhealthy", now())]);
        server.until_is("the second", |log| alerts(log).len() >= 2).await;
        let times = times.lock().clone();
        assert!(times[1].0 - times[0].0 >= 950, "{times:?}");
    }
}

#[tokio::test]
async fn not_to_be_known_is_no_hot_loop_and_what_is_new_is_tried_soon() {
    let server = Server::start(about_alerts(|_| Reply::Json(401, "who are\u{1b} you".into()))).await;
    let notifier = start([alertmanager("am", server.url())], &Memory::new());
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    server.until_is("the first", |log| !alerts(log).is_empty()).await;
    tokio::time::sleep(3 * quick().longest).await;
    let tried = server.posts().len();
    assert!((2..=12).contains(&tried), "{tried}");
    let standing = &notifier.standing()[0];
    assert_eq!(standing.requests[2], 0);
    let error = standing.error.clone().unwrap();
    assert!(
        error.ends_with("answered 401 Unauthorized: who are\\u{1b} you"),
        "{error}"
    );
    server.does(about_alerts(|_| Reply::ok()));
    tell(&notifier, vec![firing("shop", "ServiceUnhealthy", now())]);
    settled(&notifier).await;
}

#[tokio::test]
async fn one_bad_alert_keeps_no_other_back() {
    let server = Server::start(about_alerts(|asked| {
        let bad = asked.alerts().iter().any(|alert| service(alert) == "bad");
        Reply::Json(if bad { 400 } else { 200 }, String::new())
    }))
    .await;
    let notifier = start([alertmanager("am", server.url())], &Memory::new());
    let all = ["a", "bad", "c"].map(|name| firing(name, "ServiceUnhealthy", now()));
    tell(&notifier, all.into());
    let delivered = |log: &[Asked]| {
        let taken = alerts(log)
            .into_iter()
            .filter(|all| all.iter().all(|alert| service(alert) != "bad"));
        taken
            .flatten()
            .map(|alert| service(&alert).to_owned())
            .collect::<Vec<_>>()
    };
    server
        .until_is("the others", |log| delivered(log) == ["a", "c"])
        .await;
    // And from then on the bad one is alone.
    server
        .until_is("the next round", |log| delivered(log).len() >= 6)
        .await;
    let together = alerts(&server.log());
    let together = together
        .iter()
        .filter(|all| all.len() > 1 && all.iter().any(|alert| service(alert) == "bad"));
    assert_eq!(together.count(), 1);
    assert_eq!(notifier.standing()[0].owed, 1);
    let alone = server
        .posts()
        .into_iter()
        .filter(|asked| service(&asked.alerts()[0]) == "bad");
    assert!(alone.count() <= 6, "no hot loop");
}

#[tokio::test]
async fn one_that_is_dead_or_hangs_delays_no_other() {
    let hangs = Server::start(|_| Reply::Hang).await;
    let well = Server::start(about_alerts(|_| Reply::ok())).await;
    let outbox = Memory::new();
    let receivers = [
        alertmanager("hangs", hangs.url()),
        alertmanager("well", well.url()),
    ];
    let notifier = start(receivers, &outbox);
    for n in 0..20 {
        let told = std::time::Instant::now();
        let name = format!("s{n}");
        tell(&notifier, vec![firing(&name, "ServiceUnhealthy", now())]);
        let came = |log: &[Asked]| alerts(log).iter().flatten().any(|alert| service(alert) == name);
        well.until_is(&name, came).await;
        assert!(told.elapsed() < 250 * MS, "{:?}", told.elapsed());
    }
    let owed = |at: usize| notifier.standing()[at].owed;
    let taken = async {
        while owed(1) > 0 {
            tokio::time::sleep(MS).await;
        }
    };
    tokio::time::timeout(SOON, taken)
        .await
        .expect("the other is owed nothing");
    assert_eq!(owed(0), 20);
}

#[tokio::test]
async fn nothing_is_sent_before_it_is_on_disk_unless_the_disk_is_away() {
    let server = Server::start(about_alerts(|_| Reply::ok())).await;
    let outbox = Memory::new();
    let notifier = start([alertmanager("am", server.url())], &outbox);
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    assert_eq!(outbox.kept().len(), 1, "kept before it returns");
    settled(&notifier).await;
    assert_eq!(outbox.asked(), 1);
    *outbox.away.lock() = true;
    tell(&notifier, vec![firing("shop", "ServiceUnhealthy", now())]);
    settled(&notifier).await;
    assert_eq!(notifier.standing()[0].unrecorded, 1);
}

#[tokio::test]
async fn the_sign_of_life_is_sent_and_never_owed() {
    let server = Server::start(about_alerts(|_| Reply::ok())).await;
    let notifier = start([alertmanager("am", server.url())], &Memory::new());
    tell(&notifier, vec![watchdog()]);
    let seen = |log: &[Asked]| {
        alerts(log)
            .iter()
            .flatten()
            .filter(|alert| service(alert) == "system")
            .count()
    };
    server.until_is("it, again and again", |log| seen(log) >= 3).await;
}

#[tokio::test]
async fn receivers_change_and_those_that_stay_are_not_disturbed() {
    let (one, two) = (
        Server::start(about_alerts(|_| Reply::Json(500, String::new()))).await,
        Server::start(about_alerts(|_| Reply::ok())).await,
    );
    let outbox = Memory::new();
    let notifier = start([alertmanager("one", one.url())], &outbox);
    let bank = firing("bank", "ServiceUnhealthy", now());
    tell(&notifier, vec![bank.clone()]);
    one.until_is("it", |log| !alerts(log).is_empty()).await;
    // A new one is told what fires; labels of what fires stay.
    let mut both = config([alertmanager("two", two.url()), alertmanager("one", one.url())]);
    both.labels = [("cluster".to_owned(), "other".to_owned())].into();
    notifier.replace(both.clone());
    let first = two.until("it", |log| alerts(log).pop()).await;
    assert_eq!(first[0]["labels"]["cluster"], "eu-1");
    let mut worse = bank.clone();
    worse.annotations.insert("summary".into(), "worse".into());
    tell(&notifier, vec![worse]);
    let told = |log: &[Asked]| {
        let all = alerts(log).into_iter().flatten();
        all.into_iter()
            .find(|alert| alert["annotations"]["summary"] == "worse")
    };
    let worse = two.until("what varies", told).await;
    assert_eq!(worse["labels"]["cluster"], "eu-1");
    let names: Vec<String> = notifier
        .standing()
        .into_iter()
        .map(|standing| standing.receiver)
        .collect();
    assert_eq!(names, ["two", "one"]);
    assert_eq!(outbox.kept().len(), 1, "still owed to one");
    one.does(about_alerts(|_| Reply::ok()));
    settled(&notifier).await;
    // What is gone is told nothing, and owed nothing.
    one.does(about_alerts(|_| Reply::Json(500, String::new())));
    tell(&notifier, vec![resolved(&bank)]);
    let failed = |log: &[Asked]| alerts(log).iter().flatten().any(is_resolved);
    one.until_is("the resolution", failed).await;
    both.receivers.pop();
    notifier.replace(both);
    assert!(outbox.kept().keys().all(|key| !key.starts_with("one ")));
    let asked = one.log().len();
    tokio::time::sleep(3 * quick().resend).await;
    assert!(one.log().len() <= asked + 1);
}

#[tokio::test]
async fn the_end_delivers_what_it_can_and_the_rest_stays_owed() {
    let well = Server::start(about_alerts(|_| Reply::ok())).await;
    let hangs = Server::start(|_| Reply::Hang).await;
    let outbox = Memory::new();
    let notifier = start(
        [
            alertmanager("well", well.url()),
            alertmanager("hangs", hangs.url()),
        ],
        &outbox,
    );
    let bank = firing("bank", "ServiceUnhealthy", now());
    tell(&notifier, vec![bank]);
    let began = std::time::Instant::now();
    notifier.stop(200 * MS).await;
    assert!(began.elapsed() < 1_000 * MS);
    assert_eq!(well.posts().len(), 1);
    let owed: Vec<String> = outbox.kept().into_keys().collect();
    assert!(owed.len() == 1 && owed[0].starts_with("hangs "), "{owed:?}");
}

#[tokio::test]
async fn what_is_less_urgent_is_not_sent() {
    let server = Server::start(about_alerts(|_| Reply::ok())).await;
    let mut picky = alertmanager("am", server.url());
    picky.least = Severity::Critical;
    let notifier = start([picky], &Memory::new());
    let mut note = firing("note", "CpuHigh", now());
    note.severity = Severity::Warning;
    tell(&notifier, vec![note, firing("bank", "ServiceUnhealthy", now())]);
    let first = server.until("the page", |log| alerts(log).pop()).await;
    assert_eq!(first.iter().map(service).collect::<Vec<_>>(), ["bank"]);
}

#[tokio::test]
async fn what_fires_on_is_sent_at_once_after_a_restart() {
    let server = Server::start(about_alerts(|_| Reply::ok())).await;
    let outbox = Memory::new();
    let notifier = start([alertmanager("am", server.url())], &outbox);
    let mut old = firing("bank", "ServiceUnhealthy", now());
    old.fired = Some(ward_model::Wall(now().0 - 86_400_000));
    notifier.restored(vec![old.clone()]);
    let first = server.until("it", |log| alerts(log).pop()).await;
    assert_eq!(moment(&first[0]["startsAt"]), old.fired.unwrap().0);
    assert!(!is_resolved(&first[0]));
    assert!(outbox.kept().is_empty());
}

/// An outbox that never says what was kept.
#[derive(Debug)]
struct Silent;

impl Outbox for Silent {
    fn keep(&self, _: String, _: Option<String>) {}

    fn durable(&self) -> Later<'_, bool> {
        Box::pin(std::future::ready(true))
    }

    fn kept(&self) -> Later<'_, Vec<(String, String)>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn an_outbox_that_does_not_answer_delays_neither_delivery_nor_the_end() {
    let server = Server::start(about_alerts(|_| Reply::ok())).await;
    let to = config([alertmanager("am", server.url())]);
    let notifier = Notifier::start_with(to, Arc::new(Silent), ward_chassis::Clock::start(), quick());
    notifier.restored(Vec::new());
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    let began = std::time::Instant::now();
    notifier.stop(SOON).await;
    assert_eq!(alerts(&server.log()).len(), 1);
    assert!(began.elapsed() < SOON / 2);
}

#[tokio::test]
async fn one_that_comes_back_is_told_all_that_fires_at_once() {
    let server = Server::start(about_alerts(|_| Reply::ok())).await;
    let to = config([alertmanager("am", server.url())]);
    let rarely = ward_notify::Timing {
        resend: 3_600_000 * MS,
        ..quick()
    };
    let notifier = Notifier::start_with(to, Memory::new() as _, ward_chassis::Clock::start(), rarely);
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    settled(&notifier).await;
    server.does(about_alerts(|_| Reply::Json(500, String::new())));
    tell(&notifier, vec![firing("shop", "ServiceUnhealthy", now())]);
    server.until_is("a failure", |log| alerts(log).len() >= 2).await;
    server.does(about_alerts(|_| Reply::ok()));
    settled(&notifier).await;
    let last = alerts(&server.log()).pop().unwrap();
    assert_eq!(last.iter().map(service).collect::<Vec<_>>(), ["bank", "shop"]);
}

#[tokio::test]
async fn an_answer_without_an_end_is_read_no_further_than_needed() {
    let server = Server::start(about_alerts(|_| Reply::Json(400, "x".repeat(4 << 20)))).await;
    let notifier = start([alertmanager("am", server.url())], &Memory::new());
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    let refused = async {
        while notifier.standing()[0].error.is_none() {
            tokio::time::sleep(MS).await;
        }
    };
    tokio::time::timeout(SOON, refused).await.unwrap();
    let error = notifier.standing()[0].error.clone().unwrap();
    assert!(error.len() < 300 && error.ends_with("xxx..."), "{error}");
}

#[tokio::test]
async fn what_is_told_leaves_when_its_owner_has_kept_it_too() {
    let server = Server::start(about_alerts(|_| Reply::ok())).await;
    let outbox = Memory::new();
    let rarely = ward_notify::Timing {
        resend: 3_600_000 * MS,
        ..quick()
    };
    let to = config([alertmanager("am", server.url())]);
    let notifier = Notifier::start_with(to, Arc::clone(&outbox) as _, ward_chassis::Clock::start(), rarely);
    // It has come to rest.
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    settled(&notifier).await;
    tokio::time::sleep(50 * MS).await;
    notifier.tell(vec![firing("shop", "ServiceUnhealthy", now())]);
    assert_eq!(outbox.kept().len(), 1, "owed before it returns");
    tokio::time::sleep(200 * MS).await;
    assert_eq!((server.posts().len(), outbox.asked()), (1, 1));
    notifier.ring();
    settled(&notifier).await;
    assert_eq!(server.posts().len(), 2);
}

#[tokio::test]
async fn another_label_makes_no_other_alert_of_what_fires_on_after_a_restart() {
    let server = Server::start(about_alerts(|_| Reply::ok())).await;
    let mut to = config([alertmanager("am", server.url())]);
    let life = |to: &ward_notify::Config| {
        Notifier::start_with(
            to.clone(),
            Memory::new() as _,
            ward_chassis::Clock::start(),
            quick(),
        )
    };
    let before = life(&to);
    let mut bank = firing("bank", "ServiceUnhealthy", now());
    // As its owner keeps it.
    let kept = Alert {
        labels: before.labelled(&bank),
        ..bank.clone()
    };
    tell(&before, vec![bank.clone()]);
    assert_eq!(before.labelled(&bank), kept.labels);
    let pending = Alert {
        state: AlertState::Pending,
        fired: None,
        ..bank.clone()
    };
    assert_eq!(
        before.labelled(&pending),
        bank.labels,
        "it gets those of when it fires"
    );
    settled(&before).await;
    drop(before);
    to.labels = [("cluster", "moved"), ("region", "eu")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let after = life(&to);
    after.restored(vec![kept]);
    bank.annotations.insert("summary".into(), "worse".into());
    tell(&after, vec![bank.clone()]);
    tell(&after, vec![resolved(&bank)]);
    server
        .until_is("its end", |log| alerts(log).iter().flatten().any(is_resolved))
        .await;
    let sent: Vec<Value> = alerts(&server.log()).concat();
    assert!(
        sent.iter().all(|alert| alert["labels"] == sent[0]["labels"]),
        "{sent:#?}"
    );
    assert_eq!(sent[0]["labels"]["cluster"], "eu-1");
    // The next firing is one of now.
    let again = firing("bank", "ServiceUnhealthy", ward_model::Wall(now().0 + 1));
    tell(&after, vec![again]);
    let moved = |log: &[Asked]| {
        alerts(log)
            .concat()
            .iter()
            .any(|alert| alert["labels"]["region"] == "eu")
    };
    server.until_is("the next", moved).await;
}

#[tokio::test]
async fn what_fires_on_is_sent_in_the_order_in_which_it_began_causes_first() {
    let server = Server::start(about_alerts(|_| Reply::ok())).await;
    let notifier = start([alertmanager("am", server.url())], &Memory::new());
    let began = now();
    let by = |service: &str, after: i64| {
        let mut alert = firing(service, "ServiceUnhealthy", ward_model::Wall(began.0 + after));
        alert.labels.insert("root_cause".into(), "bank".into());
        alert
    };
    notifier.restored(vec![by("app", 1), by("atm", 0), by("bank", 1), by("zoo", -1)]);
    let first = server.until("it", |log| alerts(log).pop()).await;
    assert_eq!(
        first.iter().map(service).collect::<Vec<_>>(),
        ["zoo", "atm", "bank", "app"]
    );
}

#[tokio::test]
async fn a_receiver_whose_address_is_mended_is_owed_what_it_was() {
    let (wrong, right) = (
        Server::start(|_| Reply::Json(404, String::new())).await,
        Server::start(about_alerts(|_| Reply::ok())).await,
    );
    let outbox = Memory::new();
    let names = [wrong.address().to_string(), right.address().to_string()];
    let both = |at: usize, server: &Server| {
        [
            alertmanager(&format!("am-{}", names[at]), server.url()),
            crate::sample::webhook(&format!("hook-{}", names[at]), server.url()),
        ]
    };
    let notifier = start(both(0, &wrong), &outbox);
    let (bank, shop) = (
        firing("bank", "ServiceUnhealthy", now()),
        firing("shop", "ServiceUnhealthy", now()),
    );
    tell(&notifier, vec![bank.clone(), shop]);
    tell(&notifier, vec![resolved(&bank)]);
    assert_eq!(outbox.kept().len(), 5);
    let failed = async {
        while notifier
            .standing()
            .iter()
            .any(|standing| standing.requests[1] == 0)
        {
            tokio::time::sleep(MS).await;
        }
    };
    tokio::time::timeout(SOON, failed).await.unwrap();
    // With a second new one of a kind nobody could say which goes on for it.
    notifier.replace(config(both(1, &right)));
    settled(&notifier).await;
    assert!(outbox.kept().is_empty());
    let events = right.log().into_iter().filter(|asked| asked.path == "/hook");
    let events: Vec<String> = events.map(|asked| asked.json()["type"].to_string()).collect();
    assert_eq!(events.len(), 3, "{events:?}");
    let first = &alerts(&right.log())[0];
    assert_eq!(first.iter().map(service).collect::<Vec<_>>(), ["bank", "shop"]);
    assert!(is_resolved(&first[0]) && !is_resolved(&first[1]));
}

#[tokio::test]
async fn which_of_two_new_ones_goes_on_for_another_is_not_guessed() {
    let outbox = Memory::new();
    let nowhere = || "http://127.0.0.1:9".to_owned();
    let notifier = start([alertmanager("old", nowhere())], &outbox);
    let bank = firing("bank", "ServiceUnhealthy", now());
    tell(
        &notifier,
        vec![bank.clone(), firing("shop", "ServiceUnhealthy", now())],
    );
    tell(&notifier, vec![resolved(&bank)]);
    assert_eq!(outbox.kept().len(), 2);
    notifier.replace(config([
        alertmanager("one", nowhere()),
        alertmanager("two", nowhere()),
    ]));
    assert!(outbox.kept().is_empty());
    notifier.replace(config([crate::sample::webhook("hook", nowhere())]));
    assert!(outbox.kept().is_empty());
}

#[tokio::test]
async fn what_was_told_before_it_is_restored_keeps_the_labels_that_it_was_told_with() {
    let server = Server::start(about_alerts(|_| Reply::Json(500, String::new()))).await;
    let notifier = start([alertmanager("am", server.url())], &Memory::new());
    let (bank, shop) = (
        firing("bank", "ServiceUnhealthy", now()),
        firing("shop", "ServiceUnhealthy", now()),
    );
    let over = resolved(&shop);
    tell(&notifier, vec![bank.clone(), shop, over.clone()]);
    notifier.restored(vec![bank.clone(), over]);
    assert_eq!(notifier.labelled(&bank)["cluster"], "eu-1");
    let asked = server.log().len();
    server.does(about_alerts(|_| Reply::ok()));
    settled(&notifier).await;
    let sent = alerts(&server.log()[asked..]).concat();
    assert!(sent.len() >= 2, "{sent:?}");
    assert!(
        sent.iter().all(|alert| alert["labels"]["cluster"] == "eu-1"),
        "{sent:#?}"
    );
}
