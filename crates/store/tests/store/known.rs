//! What was last known comes back as it was put, and nothing that is gone.

use std::time::{Duration, Instant};

use ward_model::{
    Criticality, Dependency, DependencyKind, Freshness, Incarnation, InstanceId, Maintenance, MinHealthy,
    Name, Reason, Status, Wall,
};
use ward_store::{KnownInstance, KnownService, Store, Write};

use super::{
    over_both,
    place::{Home, written},
};

over_both!(
    what_was_put_comes_back,
    the_last_word_about_something_counts,
    a_burst_of_100_000_instances_holds_nobody_up,
    text_that_a_database_would_refuse_is_no_poison,
    rows_that_nobody_could_have_written_are_left_out,
);

fn name(text: &str) -> Name {
    Name::service(text).unwrap()
}

pub(crate) fn service(of: &str, status: Status) -> KnownService {
    KnownService {
        name: name(of),
        criticality: Criticality::Critical,
        min_healthy: MinHealthy::Percent(50),
        dependencies: vec![Dependency {
            service: name("bank"),
            kind: DependencyKind::Soft,
            any_of: Some(name("banks")),
        }],
        status,
        reason: Reason::Quorum,
        message: "two of three \u{1f4a5} are \"gone\"; DROP TABLE x".into(),
        since: Wall(-5),
    }
}

pub(crate) fn instance(service: &str, number: usize, status: Status) -> KnownInstance {
    KnownInstance {
        id: InstanceId {
            service: name(service),
            instance: name(&format!("i{number}")),
        },
        incarnation: Incarnation::new(&format!("{number:032x}")).unwrap(),
        interval_ms: 2_678_400_000,
        status,
        freshness: Freshness::Suspect,
    }
}

pub(crate) fn window(service: &str, end: Option<Wall>) -> Maintenance {
    Maintenance {
        service: name(service),
        by: "ann".into(),
        why: "new disks".into(),
        start: Wall(7),
        end,
    }
}

pub(crate) async fn instances(store: &Store) -> Vec<KnownInstance> {
    let (mut all, mut known) = (Vec::new(), store.known().unwrap());
    while let Some(piece) = known.next().await.unwrap() {
        all.extend(piece);
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

async fn what_was_put_comes_back(home: Home) {
    let store = home.open();
    assert_eq!(store.stop(Duration::from_secs(10)).await, 0);
    let store = home.open();
    written(&store).await;
    assert!(store.services().await.unwrap().is_empty() && instances(&store).await.is_empty());
    let text = KnownInstance {
        incarnation: Incarnation::new("not-of-the-sdk").unwrap(),
        freshness: Freshness::Exited,
        ..instance("web", 2, Status::Unhealthy)
    };
    let known = [
        instance("bank", 1, Status::Degraded),
        instance("web", 1, Status::Healthy),
        text,
    ];
    for instance in known.clone() {
        store.put(Write::Instance(instance));
    }
    store.put(Write::Service(service("web", Status::Degraded)));
    store.put(Write::Service(service("bank", Status::Healthy)));
    store.put(Write::Maintenance(window("web", None)));
    store.put(Write::Maintenance(window("bank", Some(Wall(9)))));
    store.put(Write::Alive(Wall(40)));
    store.put(Write::Alive(Wall(30)));
    // Without a wait in between: stopping writes what waits.
    assert_eq!(store.stop(Duration::from_secs(10)).await, 0);
    drop(store);

    let store = home.open();
    written(&store).await;
    let services = vec![service("bank", Status::Healthy), service("web", Status::Degraded)];
    assert_eq!(store.services().await.unwrap(), services);
    assert_eq!(instances(&store).await, known);
    let windows = vec![window("bank", Some(Wall(9))), window("web", None)];
    assert_eq!(store.maintenance().await.unwrap(), windows);
    let lived = store.last_alive().await.unwrap().unwrap();
    assert!(lived >= Wall(40));
    store.put(Write::Alive(Wall(i64::MAX)));
    written(&store).await;
    assert_eq!(
        store.last_alive().await,
        Ok(Some(lived)),
        "of the life before, and not of this one"
    );

    store.put(Write::ServiceGone(name("web")));
    store.put(Write::InstanceGone(known[1].id.clone()));
    store.put(Write::MaintenanceEnded(name("web")));
    written(&store).await;
    assert_eq!(
        store.services().await.unwrap(),
        [service("bank", Status::Healthy)]
    );
    assert_eq!(instances(&store).await, [known[0].clone(), known[2].clone()]);
    assert_eq!(
        store.maintenance().await.unwrap(),
        [window("bank", Some(Wall(9)))]
    );
}

async fn the_last_word_about_something_counts(home: Home) {
    let store = home.open();
    for round in 0..500_usize {
        let status = Status::ALL[round % 4];
        store.put(Write::Instance(instance("web", round % 7, status)));
        store.put(Write::Service(service("web", status)));
        store.put(Write::InstanceGone(instance("web", 6, status).id));
    }
    // As many as there are things, and what was taken before.
    assert!(store.standing().queued <= 16, "{:?}", store.standing());
    written(&store).await;
    let known = instances(&store).await;
    let last = |number: usize| (0..500).rev().find(|round| round % 7 == number).unwrap();
    let expected: Vec<_> = (0..6)
        .map(|n| instance("web", n, Status::ALL[last(n) % 4]))
        .collect();
    assert_eq!(known, expected);
    assert_eq!(
        store.services().await.unwrap(),
        [service("web", Status::ALL[499 % 4])]
    );
}

async fn a_burst_of_100_000_instances_holds_nobody_up(home: Home) {
    const BURST: usize = 100_000;
    let store = home.open();
    written(&store).await;
    let all: Vec<_> = (0..BURST)
        .map(|n| instance(&format!("s{}", n % 100), n, Status::Healthy))
        .collect();
    let mut slowest = Duration::ZERO;
    let began = Instant::now();
    for known in all.clone() {
        let one = Instant::now();
        store.put(Write::Instance(known));
        slowest = slowest.max(one.elapsed());
    }
    let took = began.elapsed();
    assert!(store.standing().queued <= BURST);
    written(&store).await;
    let stored = began.elapsed();
    let mut expected = all;
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    assert!(
        instances(&store).await == expected,
        "each is there, once, as it was put"
    );
    println!("{BURST} put in {took:?}, slowest {slowest:?}; written in {stored:?}");
    assert!(
        took < Duration::from_secs(5),
        "nobody waited for the database: {took:?}"
    );
}

async fn text_that_a_database_would_refuse_is_no_poison(home: Home) {
    let store = home.open();
    let message = "nul \0 and \u{feff} and \u{10ffff} and '".to_owned();
    let known = KnownService {
        message: message.clone(),
        ..service("web", Status::Unknown)
    };
    store.put(Write::Service(known.clone()));
    written(&store).await;
    let message = message.replace('\0', "\u{fffd}");
    assert_eq!(
        store.services().await.unwrap(),
        [KnownService { message, ..known }]
    );
    assert_eq!(store.standing().left_out, 0);
}

async fn rows_that_nobody_could_have_written_are_left_out(home: Home) {
    let store = home.open();
    for number in 0..3 {
        store.put(Write::Instance(instance("web", number, Status::Healthy)));
    }
    store.put(Write::Service(service("web", Status::Healthy)));
    written(&store).await;
    home.behind("UPDATE known_instance SET instance = 'NOT A NAME' WHERE instance = 'i0'")
        .await;
    home.behind("UPDATE known_instance SET interval_ms = -1 WHERE instance = 'i1'")
        .await;
    home.behind("UPDATE known_service SET declared = '{'").await;
    assert_eq!(instances(&store).await, [instance("web", 2, Status::Healthy)]);
    assert!(store.services().await.unwrap().is_empty());
}

/// Takes a minute in all, most of it for writing what is read.
#[tokio::test]
#[ignore = "long: writes and reads a million instances"]
async fn a_million_instances_are_read_in_less_than_a_second() {
    const ALL: usize = 1_000_000;
    let home = Home::sqlite().await.unwrap();
    let store = home.open();
    written(&store).await;
    let began = Instant::now();
    for number in 0..ALL {
        store.put(Write::Instance(instance(
            &format!("s{}", number % 5_000),
            number,
            Status::Healthy,
        )));
    }
    let put = began.elapsed();
    written(&store).await;
    println!("put in {put:?}, written in {:?}", began.elapsed());
    assert_eq!(store.stop(Duration::from_secs(10)).await, 0);
    drop(store);
    let began = Instant::now();
    let store = home.open();
    let opened = began.elapsed();
    let mut count = 0;
    let mut known = store.known().unwrap();
    while let Some(piece) = known.next().await.unwrap() {
        count += piece.len();
    }
    let took = began.elapsed();
    println!("opened in {opened:?}, all {count} read {took:?} after that began");
    assert_eq!(count, ALL);
    let began = Instant::now();
    store.put(Write::Instance(instance("s17", 5_017, Status::Unhealthy)));
    written(&store).await;
    println!("one change written in {:?}", began.elapsed());
    assert!(took < Duration::from_secs(1), "{took:?}");
}
