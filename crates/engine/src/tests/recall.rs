//! What was known before the start.

use std::time::Duration;

use ward_model::{
    Criticality, Dependency, DependencyKind, Freshness, KnownInstance, KnownService, Maintenance, Name,
    Status, Wall,
};

use super::fleet::{Fleet, Saying, hello, id, life, name};
use crate::{Config, Event, Recalled, StreamId};

fn instance(service: &str, instance: &str, status: Status) -> KnownInstance {
    KnownInstance {
        id: id(service, instance),
        incarnation: life("first"),
        interval: Duration::from_secs(1),
        status,
        freshness: Freshness::Fresh,
    }
}

fn service(service: &str, status: Status, needs: Option<&str>) -> KnownService {
    let dependency = |needed| Dependency {
        service: name(needed),
        kind: DependencyKind::Hard,
        any_of: None,
    };
    KnownService {
        name: name(service),
        status,
        criticality: Some(Criticality::Critical),
        min_healthy: None,
        dependencies: needs.map(dependency).into_iter().collect(),
    }
}

fn recall(services: Vec<KnownService>, instances: Vec<KnownInstance>, complete: bool) -> Event {
    Event::Recall(Recalled {
        services,
        instances,
        complete,
        ..Recalled::default()
    })
}

fn names(fleet: &Fleet) -> Vec<Name> {
    fleet.engine.services(None).map(|service| service.name).collect()
}

#[test]
fn a_service_comes_back_unknown_with_its_old_verdict_until_there_is_one() {
    let mut fleet = Fleet::new(Config::default());
    let known = [
        service("bank", Status::Healthy, None),
        service("shop", Status::Degraded, Some("bank")),
    ];
    fleet.apply(recall(known.into(), Vec::new(), false));
    let instances = [
        instance("bank", "b1", Status::Healthy),
        instance("shop", "s1", Status::Degraded),
    ];
    fleet.apply(recall(Vec::new(), instances.into(), true));
    for (which, before) in [("bank", Status::Healthy), ("shop", Status::Degraded)] {
        let state = fleet.engine.service(&name(which)).unwrap();
        assert_eq!(
            (state.condition.status, state.last_status, state.criticality),
            (Status::Unknown, Some(before), Criticality::Critical)
        );
    }
    fleet.join(hello("bank", "b1"));
    let bank = fleet.engine.service(&name("bank")).unwrap();
    assert_eq!((bank.condition.status, bank.last_status), (Status::Healthy, None));
    fleet.join(hello("shop", "s1").needs("bank", DependencyKind::Hard));
    let shop = fleet.engine.service(&name("shop")).unwrap();
    assert_eq!((shop.condition.status, shop.last_status), (Status::Healthy, None));
}

#[test]
fn what_was_in_force_before_holds_until_the_first_hello() {
    let mut fleet = Fleet::new(Config::default());
    let known = service("shop", Status::Healthy, Some("bank"));
    let instances = ["s1", "s2"].map(|name| instance("shop", name, Status::Healthy));
    fleet.apply(recall(vec![known], instances.into(), true));
    fleet.join(hello("shop", "s1"));
    let shop = fleet.engine.service(&name("shop")).unwrap();
    assert_eq!(
        (shop.criticality, shop.dependencies, shop.disagreements),
        (Criticality::Important, Vec::new(), Vec::new())
    );
}

#[test]
fn who_came_back_before_is_left_alone() {
    let mut fleet = Fleet::new(Config::default());
    fleet.join(hello("bank", "b1"));
    let known = service("bank", Status::Unhealthy, Some("ledger"));
    fleet.apply(recall(
        vec![known],
        vec![instance("bank", "b1", Status::Unhealthy)],
        true,
    ));
    let bank = fleet.engine.service(&name("bank")).unwrap();
    assert_eq!((bank.condition.status, bank.last_status), (Status::Healthy, None));
    assert_eq!(
        (bank.dependencies, names(&fleet)),
        (Vec::new(), vec![name("bank")])
    );
}

#[test]
fn a_service_of_which_nobody_is_left_is_let_go_of_at_the_end() {
    let mut fleet = Fleet::new(Config::default());
    fleet.apply(recall(
        vec![service("shop", Status::Healthy, Some("bank"))],
        Vec::new(),
        false,
    ));
    assert_eq!(names(&fleet), [name("bank"), name("shop")]);
    fleet.apply(recall(Vec::new(), Vec::new(), true));
    assert_eq!(names(&fleet), [""; 0].map(name));
}

#[test]
fn who_does_not_come_back_is_lost_and_not_before_its_time() {
    let mut fleet = Fleet::new(Config::default());
    let known = instance("bank", "b1", Status::Healthy);
    fleet.apply(recall(
        vec![service("bank", Status::Healthy, None)],
        vec![known],
        true,
    ));
    fleet.join(hello("other", "o1"));
    fleet.run(Duration::from_millis(14_900), |_| true);
    let bank = fleet.engine.service(&name("bank")).unwrap();
    assert_eq!(
        (bank.condition.status, bank.last_status),
        (Status::Unknown, Some(Status::Healthy))
    );
    fleet.run(Duration::from_millis(200), |_| true);
    let bank = fleet.engine.service(&name("bank")).unwrap();
    assert_eq!(
        (bank.condition.status, bank.last_status),
        (Status::Unhealthy, None)
    );
}

#[test]
fn what_is_left_untold_is_known_and_told_when_it_changes() {
    let mut fleet = Fleet::new(Config::default());
    let outcome = fleet.engine.apply(
        Event::Recall(Recalled {
            services: vec![service("bank", Status::Healthy, None)],
            instances: vec![instance("bank", "b1", Status::Healthy)],
            complete: true,
            untold: true,
            ..Recalled::default()
        }),
        super::fleet::at(fleet.now),
    );
    let is_instance = |change: &ward_model::Change| matches!(change.entity, ward_model::Entity::Instance(_));
    assert!(!outcome.changes.unwrap().changes.iter().any(is_instance));
    assert_eq!(fleet.engine.instances(&name("bank"), 9).len(), 1);
    let heard = fleet.engine.apply(
        Event::Hello {
            stream: Some(StreamId(1)),
            hello: Box::new(hello("bank", "b1")),
        },
        super::fleet::at(fleet.now),
    );
    let told = heard
        .changes
        .unwrap()
        .changes
        .into_iter()
        .find(is_instance)
        .unwrap();
    assert_eq!(
        (told.before, told.entity.status()),
        (Some(Status::Unknown), Status::Healthy)
    );
}

#[test]
fn maintenance_goes_on_for_as_long_as_is_left() {
    let mut fleet = Fleet::new(Config::default());
    let maintenance = |which: &str, end: Option<i64>| Maintenance {
        service: name(which),
        by: "ada".into(),
        why: "disks".into(),
        start: Wall(-60_000),
        end: end.map(|ms| Wall(i64::try_from(fleet.now.0 / 1_000_000).unwrap() + ms)),
    };
    let windows = [
        maintenance("bank", Some(5_000)),
        maintenance("shop", Some(-1)),
        maintenance("mail", None),
        maintenance("late", None),
    ];
    let known = ["bank", "shop", "mail"];
    fleet.apply(Event::Recall(Recalled {
        services: known.map(|which| service(which, Status::Healthy, None)).into(),
        instances: known.map(|which| instance(which, "i1", Status::Healthy)).into(),
        maintenance: windows.clone().into(),
        complete: true,
        untold: false,
    }));
    let of = |fleet: &Fleet, which| fleet.engine.service(&name(which)).unwrap().maintenance;
    assert_eq!(
        of(&fleet, "bank"),
        Some(windows[0].clone()),
        "since when it began"
    );
    assert_eq!(
        (of(&fleet, "shop"), of(&fleet, "mail")),
        (None, Some(windows[2].clone()))
    );
    fleet.run(Duration::from_millis(4_900), |_| true);
    assert!(of(&fleet, "bank").is_some());
    fleet.run(Duration::from_millis(200), |_| true);
    assert_eq!(of(&fleet, "bank"), None);
    assert_eq!(
        of(&fleet, "late"),
        Some(windows[3].clone()),
        "nobody has reported for it yet"
    );
}
