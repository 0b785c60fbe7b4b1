//! The order of services, and which are left out.

use ward_model::{Criticality, Reason, Status};

use super::*;
use crate::top::shop::{condition, ill, of, service, well};

fn shown(services: Vec<ServiceState>, choice: &Choice) -> Vec<String> {
    let services: Vec<_> = services.into_iter().map(Arc::new).collect();
    let ordered = ordered(services.iter(), choice);
    ordered.iter().map(|service| service.name.to_string()).collect()
}

#[test]
fn the_worst_first_then_what_matters_most_then_the_name() {
    let suspect = |text: &str| {
        let mut service = service(text);
        service.instances.suspect = 1;
        service
    };
    let services = vec![
        of("c", Status::Healthy, Criticality::Critical),
        suspect("z-suspect"),
        of("b", Status::Unknown, Criticality::Critical),
        of("e", Status::Unhealthy, Criticality::Optional),
        of("d", Status::Unhealthy, Criticality::Important),
        of("a", Status::Unhealthy, Criticality::Important),
        of("f", Status::Unhealthy, Criticality::Critical),
        of("g", Status::Degraded, Criticality::Critical),
    ];
    let order = shown(services, &Choice::default());
    assert_eq!(order, ["f", "a", "d", "e", "g", "b", "z-suspect", "c"]);
}

#[test]
fn by_name_and_by_what_changed_last() {
    let mut choice = Choice {
        sort: Sort::Name,
        ..Choice::default()
    };
    let mut services = well();
    services.reverse();
    let names = ["bank", "cart", "catalog", "payments", "search", "storefront"];
    assert_eq!(shown(services.clone(), &choice), names);
    choice.sort = Sort::Since;
    services[1].condition = condition(Status::Healthy, Reason::Reported, "", 9);
    assert_eq!(shown(services, &choice)[..2], ["search", "bank"]);
}

#[test]
fn bad_ones_are_those_that_are_ill_or_not_heard() {
    let choice = Choice {
        only_bad: true,
        ..Choice::default()
    };
    let order = shown(ill(), &choice);
    assert_eq!(order, ["storefront", "bank", "payments", "search", "cart"]);
    assert_eq!(shown(well(), &choice), Vec::<String>::new());
}

#[test]
fn text_is_found_in_whatever_is_shown() {
    let with = |text: &str| {
        let choice = Choice {
            text: text.into(),
            ..Choice::default()
        };
        shown(ill(), &choice)
    };
    assert_eq!(with("sea"), ["search"]);
    assert_eq!(with("silent"), ["bank"], "its message");
    assert_eq!(with("lost"), ["bank"], "its reason");
    assert_eq!(with("bank"), ["storefront", "bank", "payments"], "its cause");
    assert_eq!(with("degraded"), ["search"]);
    assert_eq!(with("nowhere"), Vec::<String>::new());
}
