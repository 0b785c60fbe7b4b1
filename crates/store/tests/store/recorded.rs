//! What was recorded comes back in its order, from a beginning that is whole, and goes when it is too old.

use std::time::Duration;

use ward_model::{Name, Status, Wall};
use ward_store::{Record, Retention, Store, Write};

use super::{
    history::now,
    known::service,
    over_both,
    place::{Home, until, written},
};

over_both!(
    it_comes_back_in_its_order,
    it_begins_with_how_things_were,
    what_no_service_can_be_called_comes_back_too,
    what_has_holes_is_told_as_complete_from_behind_them,
    the_beginning_is_bounded,
    lives_do_not_write_over_each_other,
    who_takes_it_slowly_holds_nobody_up,
    what_is_too_old_goes_but_for_the_last_of_each,
);

pub(crate) fn record(at: i64, subject: Option<&str>, body: &str) -> Write {
    Write::Record {
        at: Wall(at),
        subject: subject.map(|name| Name::new(name).unwrap()),
        body: body.to_owned(),
    }
}

/// A moment from which nothing is too old.
pub(crate) fn lately() -> i64 {
    now() - 3_600_000
}

pub(crate) async fn recorded(store: &Store, since: i64, until: i64) -> Vec<Record> {
    let (mut all, mut pieces) = (Vec::new(), store.recorded(Wall(since), Wall(until)));
    while let Some(piece) = pieces.next().await.unwrap() {
        assert!(!piece.is_empty());
        all.extend(piece);
    }
    all
}

async fn bodies(store: &Store, since: i64, until: i64) -> Vec<String> {
    let all = recorded(store, since, until).await;
    all.into_iter().map(|record| record.body).collect()
}

/// More than one page, many in one millisecond, over the ends of pages.
async fn it_comes_back_in_its_order(home: Home) {
    let store = home.open();
    let t0 = lately();
    written(&store).await;
    assert!(recorded(&store, 0, i64::MAX).await.is_empty());
    let put: Vec<_> = (0..7_000_i64)
        .map(|number| {
            let subject = ["a", "b", "c"].get(number as usize % 4);
            (t0 + number / 900, subject.copied(), number.to_string())
        })
        .collect();
    for (at, subject, body) in &put {
        store.put(record(*at, *subject, body));
    }
    written(&store).await;
    let all = recorded(&store, 0, i64::MAX).await;
    assert_eq!(all.len(), put.len());
    for (is, (at, subject, body)) in all.iter().zip(&put) {
        let name = is.subject.as_ref().map(Name::as_str);
        assert_eq!((is.at, name, &is.body), (Wall(*at), *subject, body));
    }
    // From its first millisecond to before its last; four say how it was before.
    let some = bodies(&store, t0 + 2, t0 + 4).await;
    let expected = put.iter().filter(|(at, ..)| (t0 + 2..t0 + 4).contains(at));
    let expected: Vec<_> = expected.map(|(_, _, body)| body.clone()).collect();
    assert_eq!(some[4..], expected);
    assert_eq!(some[..4], ["1796", "1797", "1798", "1799"]);
    assert_eq!(bodies(&store, t0 + 5_000, t0 + 4_000).await.len(), 4);
}

async fn it_begins_with_how_things_were(home: Home) {
    let store = home.open();
    let t0 = lately();
    for (at, subject, body) in [
        (1, Some("old"), "old 1"),
        (2, None, "system 2"),
        (3, Some("web"), "web 3"),
        (4, Some("web"), "web 4"),
        (4, Some("web"), "web 4 again"),
        (5, None, "system 5"),
        (10, Some("web"), "web 10"),
        (11, Some("new"), "new 11"),
    ] {
        store.put(record(t0 + at, subject, body));
    }
    written(&store).await;
    let before = ["old 1", "web 4 again", "system 5"];
    assert_eq!(bodies(&store, t0 + 10, t0 + 20).await[..3], before);
    assert_eq!(bodies(&store, t0 + 10, t0 + 20).await[3..], ["web 10", "new 11"]);
    assert_eq!(bodies(&store, t0 + 7, t0 + 9).await, before);
    assert_eq!(
        bodies(&store, t0 + 4, t0 + 5).await,
        ["old 1", "system 2", "web 3", "web 4", "web 4 again"]
    );
    assert!(bodies(&store, t0, t0 + 1).await.is_empty());
}

/// Starts are recorded so.
async fn what_no_service_can_be_called_comes_back_too(home: Home) {
    let store = home.open();
    let t0 = lately();
    store.put(record(t0, Some("_started"), "first"));
    store.put(record(t0 + 10, Some("_started"), "second"));
    written(&store).await;
    assert_eq!(bodies(&store, t0 + 5, t0 + 20).await, ["first", "second"]);
}

/// As rules would judge by what never was.
async fn what_has_holes_is_told_as_complete_from_behind_them(home: Home) {
    let store = home.open();
    let t0 = lately();
    for at in [10, 20, 30] {
        store.put(record(t0 + at, Some("web"), &at.to_string()));
    }
    written(&store).await;
    let hole = t0 + 20;
    home.behind(&format!(
        "INSERT INTO meta (key, value) VALUES ('recorded_hole', {hole})"
    ))
    .await;
    for (since, complete) in [(t0, hole + 1), (t0 + 25, t0 + 25)] {
        let mut all = store.recorded(Wall(since), Wall(i64::MAX));
        let first = all.next().await.unwrap().unwrap();
        assert_eq!((all.since(), first[0].body.as_str()), (Wall(complete), "20"));
    }
}

async fn the_beginning_is_bounded(home: Home) {
    const NAMES: usize = 20_500;
    let store = home.open();
    let t0 = lately();
    for number in 0..NAMES {
        store.put(record(
            t0 + number as i64,
            Some(&format!("s{number}")),
            &number.to_string(),
        ));
    }
    written(&store).await;
    let all = bodies(&store, t0 + NAMES as i64, i64::MAX).await;
    assert_eq!(
        (all.len(), all[0].as_str()),
        (20_001, "499"),
        "the newest of them"
    );
}

async fn lives_do_not_write_over_each_other(home: Home) {
    let at = lately();
    for life in 0..3 {
        let store = home.open();
        store.put(record(at, None, &life.to_string()));
        store.put(record(at, None, &life.to_string()));
        written(&store).await;
        assert_eq!(store.stop(Duration::from_secs(10)).await, 0);
    }
    let store = home.open();
    written(&store).await;
    let mut all = bodies(&store, 0, i64::MAX).await;
    assert!(all.chunks(2).all(|life| life[0] == life[1]), "{all:?}");
    all.sort();
    assert_eq!(all, ["0", "0", "1", "1", "2", "2"]);
}

async fn who_takes_it_slowly_holds_nobody_up(home: Home) {
    let store = home.open();
    let t0 = lately();
    for number in 0..20_000 {
        store.put(record(t0 + number, Some("web"), "seen"));
    }
    written(&store).await;
    let mut readers: Vec<_> = (0..100)
        .map(|_| store.recorded(Wall(0), Wall(i64::MAX)))
        .collect();
    for reader in &mut readers {
        assert_eq!(reader.next().await.unwrap().unwrap().len(), 1_024);
    }
    let asked = tokio::time::timeout(Duration::from_secs(10), store.services()).await;
    assert!(asked.unwrap().unwrap().is_empty());
    let mut rest = 1_024;
    while let Some(piece) = readers[0].next().await.unwrap() {
        rest += piece.len();
    }
    assert_eq!(rest, 20_000);
}

async fn what_is_too_old_goes_but_for_the_last_of_each(home: Home) {
    const HOUR: i64 = 3_600_000;
    let store = home.open();
    let now = now();
    for number in 0..5_000 {
        store.put(record(now - 30 * HOUR + number / 50, Some("web"), "old"));
        store.put(record(now - 30 * HOUR, None, "old"));
        store.put(record(now - 30 * HOUR + number, Some("gone"), "old"));
    }
    store.put(record(now - 29 * HOUR, Some("web"), "web was"));
    store.put(record(now - 28 * HOUR, None, "system was"));
    store.put(record(now - 40 * HOUR, Some("quiet"), "quiet is"));
    store.put(record(now - HOUR, Some("web"), "web is"));
    store.put(Write::Service(service("web", Status::Healthy)));
    store.put(Write::Service(service("quiet", Status::Healthy)));
    written(&store).await;
    assert_eq!(store.stop(Duration::from_secs(10)).await, 0);
    let store = home.open_keeping(Retention {
        recorded: Duration::from_secs(24 * 3_600),
        ..Retention::default()
    });
    until("what is too old is gone", async || {
        home.number("SELECT count(*) FROM recorded").await == 4
    })
    .await;
    let all = bodies(&store, now - 2 * HOUR, now).await;
    assert_eq!(all, ["quiet is", "web was", "system was", "web is"]);
    assert_eq!(store.standing().left_out, 0);
}
