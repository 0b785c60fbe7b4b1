//! What metrics are told of services: the same as everybody else, in fewer words.

use ward_model::{DependencyKind, Status};

use super::fleet::{Fleet, Saying, hello, id, name};
use crate::{Config, Detail};

#[test]
fn details_are_those_of_the_services_piece_by_piece() {
    let mut fleet = Fleet::new(Config::default());
    fleet.join_all("bank", &["1", "2"]);
    fleet.join(hello("till", "1").needs("bank", DependencyKind::Hard));
    fleet.say(&id("bank", "1"), "answers", Status::Healthy);
    fleet.say(&id("bank", "2"), "answers", Status::Unhealthy);
    fleet.say(&id("bank", "1"), "self", Status::Unhealthy);
    fleet.measure(&id("bank", "1"), "cpu_ratio", 0.5);
    fleet.measure(&id("bank", "2"), "cpu_ratio", 0.25);
    let (mut all, mut pieces): (Vec<Detail>, _) = (Vec::new(), 0);
    loop {
        let found = fleet.engine.details(all.last().map(|detail| &detail.service), 1);
        if found.is_empty() {
            break;
        }
        all.extend(found);
        pieces += 1;
    }
    assert_eq!((all.clone(), pieces), (fleet.engine.details(None, 10), 2));
    for (detail, service) in all.iter().zip(fleet.engine.services(None)) {
        assert_eq!(detail.service, service.name);
        assert_eq!(detail.causes, service.causes);
        assert_eq!(detail.dependencies, service.dependencies);
        let counts = service.instances;
        let by_status = [counts.healthy, counts.unknown, counts.degraded, counts.unhealthy];
        assert_eq!(detail.instances, by_status);
    }
    let [bank, till] = &all[..] else {
        panic!("{all:#?}")
    };
    assert_eq!(
        bank.checks[&name("answers")],
        Status::Unhealthy,
        "the worst of two"
    );
    assert_eq!(bank.signals[&name("cpu_ratio")], 0.5, "the greatest of two");
    assert_eq!(till.causes, [name("bank")]);
    assert!(!bank.in_maintenance);
}
