//! What is known and how fresh that is, after what the watcher said.

use ward_model::{ServiceState, Status};
use ward_sdk::watch::Event;

use super::*;
use crate::top::shop::{at, ill, lost, mark, system, update, well};

fn opened() -> Model {
    let mut model = Model::default();
    let services = well();
    let first = update(&[], system(Status::Healthy, 0, &services), &services);
    assert!(model.apply(first, at(10)));
    model
}

fn told(model: &Model) -> Vec<String> {
    let changes = model.changes.newest();
    let line = |change: &Change| {
        let word = |status: Option<Status>| status.map_or("-", Status::as_str);
        let (from, to) = (word(change.from), word(change.to));
        format!("{} {from} {to} {}", change.what, change.why)
    };
    changes.map(line).collect()
}

#[test]
fn what_is_there_at_first_is_no_change() {
    let model = opened();
    assert_eq!(model.services.len(), 6);
    assert_eq!(told(&model), Vec::<String>::new());
}

#[test]
fn changes_say_what_differs_the_system_first() {
    let mut model = opened();
    let services = ill();
    model.apply(
        update(&well(), system(Status::Unhealthy, 62, &services), &services),
        at(62),
    );
    assert_eq!(
        told(&model),
        [
            "system healthy unhealthy cause: bank; Dependency: storefront is unhealthy: payments is unhealthy",
            "bank healthy unhealthy 2 lost, 1 suspect; Lost: silent for 15s",
            "cart healthy healthy 1 suspect",
            "payments healthy unhealthy cause: bank; Dependency: bank is unhealthy",
            "search healthy degraded maintenance by anna: new index; Reported: so it is",
            "storefront healthy unhealthy cause: bank; Dependency: payments is unhealthy",
        ]
    );
    let since = model.changes.newest().nth(3).unwrap().at;
    assert_eq!(since, at(61).wall, "when it happened, not when it was told");

    let again = update(&ill(), system(Status::Healthy, 70, &well()), &well());
    model.apply(again, at(70));
    let told = told(&model);
    assert_eq!(told[0], "bank unhealthy healthy all heard again");
    assert_eq!(told[3], "search degraded healthy maintenance ended");
}

#[test]
fn a_number_that_moves_and_another_reason_are_no_news() {
    let mut model = opened();
    let mut services = ill();
    let system = |services: &[ServiceState]| system(Status::Unhealthy, 62, services);
    model.apply(update(&well(), system(&services), &services), at(62));
    let count = model.changes.count;
    services[0].instances.unhealthy = 3;
    services[3].condition.message = "bank is still unhealthy".into();
    model.apply(update(&ill(), system(&services), &services), at(63));
    // Only the system, which the fixture tells as if it had been well.
    assert_eq!(model.changes.count, count + 1);
    assert_eq!(model.services[&services[0].name].instances.unhealthy, 3);
}

#[test]
fn what_is_gone_is_no_longer_there_and_told() {
    let mut model = opened();
    let bank = well().remove(0);
    let mut event = update(&[], system(Status::Healthy, 0, &[]), &[]);
    if let Event::Update(update) = &mut event {
        update.changes = vec![ward_sdk::watch::Changed {
            entity: Entity::Removed(EntityKey::Service(bank.name.clone())),
            before: Some(Entity::Service(bank)),
        }];
    }
    assert!(model.apply(event, at(20)));
    assert_eq!(model.services.len(), 5);
    assert_eq!(told(&model), ["bank healthy - forgotten, or left"]);
}

#[test]
fn silence_and_loss_are_stale_until_the_next_word() {
    let mut model = Model::default();
    assert_eq!(model.hearing(at(5).mono), Hearing::Connecting);
    model = opened();
    let seconds = Duration::from_secs;
    assert_eq!(model.hearing(at(21).mono), Hearing::Live(seconds(11)));
    assert_eq!(model.hearing(at(22).mono), Hearing::Silent(seconds(12)));
    assert_eq!(model.known_at(at(22)), at(10), "how it was");
    model.apply(mark(), at(22));
    assert_eq!(model.hearing(at(22).mono), Hearing::Live(seconds(0)));
    assert_eq!(model.known_at(at(23)), at(23));

    model.apply(lost(), at(25));
    let why = "the aggregator ended the stream";
    let heard = seconds(3);
    assert_eq!(model.hearing(at(25).mono), Hearing::Lost { heard, why });
    assert!(!model.restarted);
    model.apply(Event::Restored { epoch_changed: true }, at(30));
    assert_eq!(model.hearing(at(30).mono), Hearing::Live(seconds(0)));
    assert!(model.restarted, "what was known is shown until it settles");
    model.apply(mark(), at(31));
    assert!(!model.restarted);
    assert_eq!(
        told(&model),
        [
            "(aggregator) - - connected again: the aggregator was restarted",
            "(aggregator) - - connection lost: the aggregator ended the stream",
        ]
    );
}

#[test]
fn changes_are_bounded() {
    let mut model = opened();
    let (mut before, mut after) = (well(), ill());
    for _ in 0..100 {
        model.apply(
            update(&before, system(Status::Degraded, 20, &after), &after),
            at(20),
        );
        std::mem::swap(&mut before, &mut after);
    }
    assert!(model.changes.count > 500, "{}", model.changes.count);
    assert_eq!(model.changes.newest().count(), 200);
}

#[test]
fn a_connection_that_comes_and_goes_pushes_nothing_out() {
    let mut model = opened();
    model.apply(
        update(&well(), system(Status::Degraded, 20, &ill()), &ill()),
        at(20),
    );
    let before = model.changes.newest().count();
    for second in 30..330 {
        model.apply(lost(), at(second));
        model.apply(Event::Restored { epoch_changed: false }, at(second));
    }
    assert_eq!(model.changes.newest().count(), before + 2);
    assert!(told(&model)[0].contains("connected again") && told(&model)[1].contains("connection lost"));
}
