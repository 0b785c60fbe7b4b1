//! What was: spans as they were put, time nobody watched, and days in place of what is too old.

use std::time::Duration;

use ward_model::{Day, Epoch, History, Name, Reason, Revision, Status, Wall};
use ward_store::{Retention, State, Store, Transition, Write};

use super::{
    over_both,
    place::{Home, until, written},
};

over_both!(
    a_history_is_told_as_it_was_put,
    of_too_many_the_newest_are_told,
    what_passes_between_two_lives_is_not_watched,
    what_is_too_old_becomes_days_and_the_sums_stay,
    names_of_which_nothing_is_kept_are_gone,
);

use Status::{Degraded, Healthy, Unhealthy, Unknown};

pub(crate) fn transition(subject: Option<&str>, at: i64, revision: u64, status: Status) -> Write {
    Write::Transition(Transition {
        at: Wall(at),
        epoch: Epoch(u64::MAX - 3),
        revision: Revision(revision),
        subject: subject.map(|name| Name::service(name).unwrap()),
        status,
        reason: Reason::Lost,
        message: format!("as of {revision}"),
        maintenance: status == Degraded,
    })
}

pub(crate) fn now() -> i64 {
    ward_chassis::Clock::start().wall().0
}

pub(crate) async fn history(store: &Store, subject: Option<&str>) -> History {
    let name = subject.map(|name| Name::service(name).unwrap());
    let history = store.history(name, Wall(0), Wall(i64::MAX), 1_000).await.unwrap();
    let window = (history.until.0 - history.since.0).unsigned_abs();
    assert_eq!(history.uptime.total_ms(), window, "{history:?}");
    let mut sum = ward_model::Uptime::default();
    for day in &history.days {
        sum += day.uptime;
    }
    assert_eq!(sum, history.uptime);
    history
}

pub(crate) fn told(history: &History) -> Vec<(i64, Option<i64>, Status, &'static str)> {
    let line = |span: &ward_model::HistorySpan| {
        (
            span.from.0,
            span.to.map(|to| to.0),
            span.status,
            span.reason.as_str(),
        )
    };
    history.spans.iter().map(line).collect()
}

async fn a_history_is_told_as_it_was_put(home: Home) {
    let store = home.open();
    let now = now();
    for (subject, at, revision, status) in [
        (Some("web"), now - 5_000, 1, Unknown),
        (None, now - 5_000, 1, Healthy),
        (Some("web"), now - 3_000, 2, Degraded),
        (Some("web"), now - 3_000, 3, Unhealthy),
        (Some("web"), now - 1_000, 4, Healthy),
    ] {
        store.put(transition(subject, at, revision, status));
        // The same again, as after a commit whose answer was lost.
        store.put(transition(subject, at, revision, status));
    }
    written(&store).await;
    let web = history(&store, Some("web")).await;
    let expected = [
        (now - 5_000, Some(now - 3_000), Unknown, "Lost"),
        (now - 3_000, Some(now - 1_000), Unhealthy, "Lost"),
        (now - 1_000, None, Healthy, "Lost"),
    ];
    assert_eq!(told(&web), expected);
    assert_eq!(web.spans[1].message, "as of 3");
    assert_eq!((web.uptime.unknown_ms, web.uptime.unhealthy_ms), (2_000, 2_000));
    assert_eq!(
        told(&history(&store, None).await),
        [(now - 5_000, None, Healthy, "Lost")]
    );
    assert!(history(&store, Some("nobody")).await.spans.is_empty());

    let part = store
        .history(
            Some(Name::service("web").unwrap()),
            Wall(now - 4_000),
            Wall(now - 2_000),
            9,
        )
        .await
        .unwrap();
    assert_eq!(
        told(&part),
        [
            (now - 4_000, Some(now - 3_000), Unknown, "Lost"),
            (now - 3_000, Some(now - 2_000), Unhealthy, "Lost")
        ]
    );
    store.put(Write::ServiceGone(Name::service("web").unwrap()));
    written(&store).await;
    let last = history(&store, Some("web")).await.spans.pop().unwrap();
    assert_eq!(
        (last.status, last.reason.as_str(), last.to),
        (Unknown, "Forgotten", None)
    );
}

async fn of_too_many_the_newest_are_told(home: Home) {
    let store = home.open();
    let now = now();
    for revision in 1..=100 {
        let status = Status::ALL[revision as usize % 4];
        store.put(transition(
            None,
            now - 10_000 + revision,
            revision.unsigned_abs(),
            status,
        ));
    }
    written(&store).await;
    let history = store.history(None, Wall(0), Wall(now), 10).await.unwrap();
    assert!(history.shortened && history.spans.len() == 10);
    assert_eq!(history.since, Wall(now - 10_000 + 91));
    assert_eq!(history.uptime.total_ms(), 10_000 - 91);
}

async fn what_passes_between_two_lives_is_not_watched(home: Home) {
    let store = home.open();
    let began = now();
    store.put(transition(Some("web"), began, 1, Healthy));
    store.put(Write::Alive(Wall(began + 1)));
    assert_eq!(store.stop(Duration::from_secs(10)).await, 0);
    drop(store);
    // The next life begins later than that mark, however quick the disk.
    until("time has passed", async || now() > began + 10).await;
    let store = home.open();
    written(&store).await;
    let web = history(&store, Some("web")).await;
    assert_eq!(
        told(&web),
        [
            (began, Some(began + 1), Healthy, "Lost"),
            (began + 1, None, Unknown, "NotWatched")
        ]
    );
    let word = now();
    store.put(transition(Some("web"), word, 1, Degraded));
    written(&store).await;
    let web = history(&store, Some("web")).await;
    let expected = [
        (began, Some(began + 1), Healthy, "Lost"),
        (began + 1, Some(word), Unknown, "NotWatched"),
        (word, None, Degraded, "Lost"),
    ];
    assert_eq!(told(&web), expected);
    assert_eq!(web.uptime.healthy_ms, 1);
    assert_eq!(
        web.uptime.availability(),
        Some(1.0),
        "what nobody saw is no downtime"
    );
}

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A store with eight days of history of 100 services and the system, whose aggregator was away for the whole of one day.
async fn eight_days(home: &Home) -> (i64, Vec<History>) {
    let store = home.open();
    let today = Day::of(Wall(now()));
    let at = |day: i64, hour: i64| Day(today.0 - day).start().0 + hour * 3_600_000;
    let names: Vec<String> = (0..100).map(|number| format!("s{number}")).collect();
    for name in names.iter().map(|name| Some(name.as_str())).chain([None]) {
        store.put(transition(name, at(8, 6), 1, Healthy));
        store.put(transition(name, at(7, 12), 2, Unhealthy));
        store.put(transition(name, at(7, 18), 3, Degraded));
        store.put(transition(name, at(4, 1), 4, Healthy));
        store.put(transition(name, at(1, 1), 5, Unhealthy));
    }
    assert_eq!(store.stop(Duration::from_secs(20)).await, 0);
    drop(store);
    // It lived from the first of these days, and was away from noon of the sixth to the fourth.
    let life = format!(
        "UPDATE life SET started = {}, last = {}; INSERT INTO life VALUES (5, {}, {}, 0)",
        at(8, 5),
        at(6, 12),
        at(4, 0),
        at(0, 0)
    );
    home.behind(&life).await;
    let store = home.open();
    written(&store).await;
    let before = vec![history(&store, Some("s7")).await, history(&store, None).await];
    assert_eq!(store.stop(Duration::from_secs(20)).await, 0);
    (today.0, before)
}

async fn what_is_too_old_becomes_days_and_the_sums_stay(home: Home) {
    let (today, before) = eight_days(&home).await;
    let unknown = before[0].days.iter().find(|day| day.day.0 == today - 5).unwrap();
    assert_eq!(unknown.uptime.unknown_ms, 86_400_000, "nobody watched");
    let store = home.open_keeping(Retention {
        transitions: 2 * DAY,
        days: 400 * DAY,
        ..Retention::default()
    });
    let rolled = async || history(&store, Some("s7")).await.spans[0].from == Day(today - 2).start();
    until("the old days are rolled up", rolled).await;
    until("the others too", async || {
        history(&store, None).await.spans[0].from == Day(today - 2).start()
    })
    .await;
    for (subject, before) in [Some("s7"), None].into_iter().zip(before) {
        let after = history(&store, subject).await;
        assert_eq!(
            after.spans[0].status, Healthy,
            "how the first day that is kept began"
        );
        // The first day is told from its midnight, of which six hours are unknown, now that only the day is kept.
        let mut first = before.days[0];
        first.uptime.unknown_ms += 6 * 3_600_000;
        assert_eq!(after.days[0], first);
        let last = after.days.len() - 1;
        assert_eq!(after.days[1..last], before.days[1..last]);
    }
    // A second look changes nothing, also over a new connection.
    assert_eq!(store.stop(Duration::from_secs(20)).await, 0);
}

async fn names_of_which_nothing_is_kept_are_gone(home: Home) {
    let (today, _) = eight_days(&home).await;
    let of_it = "subject IN (SELECT id FROM subject WHERE name = 's7')";
    let (later, last) = (Day(today - 3).start().0, Day(today - 5).start().0);
    home.behind(&format!(
        "DELETE FROM transition WHERE at > {later} AND {of_it};
        UPDATE transition SET reason = 'Forgotten', status = 1 WHERE at > {last} AND {of_it}"
    ))
    .await;
    // A name that is only recorded is somebody's.
    home.behind(&format!(
        "INSERT INTO subject (id, name) VALUES (5000, 'seen'); INSERT INTO recorded VALUES ({}, 1, 1, 5000, 'x')",
        now()
    ))
    .await;
    let store = home.open_keeping(Retention {
        transitions: DAY,
        days: DAY,
        ..Retention::default()
    });
    let names = "SELECT count(*) FROM subject";
    assert_eq!(home.number(names).await, 102);
    until("one name is gone", async || home.number(names).await == 101).await;
    // None is as new as a day.
    until("the days are gone", async || {
        home.number("SELECT count(*) FROM day").await == 0
    })
    .await;
    assert_eq!(
        home.number("SELECT count(*) FROM transition").await,
        200,
        "the last before, and what is kept"
    );
    let other = history(&store, Some("s8")).await;
    assert_eq!(
        (other.since, other.spans[0].status),
        (Day(today - 1).start(), Healthy)
    );
    // Its id may be another's by now.
    store.put(transition(Some("new"), now(), 9, Healthy));
    written(&store).await;
    assert_eq!(told(&history(&store, Some("new")).await)[0].2, Healthy);
    assert_eq!(store.standing().state, State::Up);
}

/// As when a day takes the place of its transitions, again and again.
#[tokio::test]
async fn a_history_is_of_one_moment() {
    let home = Home::sqlite().await.unwrap();
    let Home::Sqlite(folder) = &home else {
        unreachable!("it is a file");
    };
    let store = home.open();
    let first = Day(Day::of(Wall(now())).0 - 5);
    let (t0, t1) = (first.start().0, first.next().start().0);
    store.put(transition(Some("web"), t0, 1, Healthy));
    store.put(transition(Some("web"), t1, 2, Unhealthy));
    written(&store).await;
    home.behind(&format!("INSERT INTO life VALUES (1, {}, {}, 0)", t0 - 1, now()))
        .await;
    let raw = rusqlite::Connection::open(folder.path().join("ward.db")).unwrap();
    raw.busy_timeout(Duration::from_secs(5)).unwrap();
    let roll = format!(
        "PRAGMA synchronous = OFF; BEGIN IMMEDIATE;
        CREATE TEMP TABLE IF NOT EXISTS kept AS SELECT * FROM transition WHERE at = {t0};
        INSERT INTO day SELECT subject, {}, 86400000, 0, 0, 0, 0 FROM kept;
        DELETE FROM transition WHERE at = {t0}; COMMIT;",
        first.0
    );
    let back = "BEGIN IMMEDIATE; DELETE FROM day; INSERT INTO transition SELECT * FROM kept; COMMIT;";
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let rolling = std::thread::spawn(move || {
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            raw.execute_batch(&roll).unwrap();
            raw.execute_batch(back).unwrap();
        }
        raw.close().unwrap();
    });
    for _ in 0..1_000 {
        let web = history(&store, Some("web")).await;
        assert_eq!(web.uptime.healthy_ms, Day::MS.unsigned_abs(), "{web:?}");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    rolling.join().unwrap();
}
