//! What the file says about intervals and levels, declared and taken back while instances run.

use std::time::Duration;

use ward_model::{
    CheckKind, Criticality, Dependency, DependencyKind, Entity, Freshness, Hello, MinHealthy,
    SignalDeclaration, SignalLevel, Status, bounds,
};

use super::fleet::{Fleet, Saying, hello, id, life, name};
use crate::{Config, Declaration, Event, Lease, Levels, Reply, StreamId};

use Status::{Degraded, Healthy, Unhealthy, Unknown};

fn fleet() -> Fleet {
    Fleet::new(Config::default())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn every(interval: Duration) -> Option<Declaration> {
    Some(Declaration {
        interval: Some(interval),
        ..Declaration::default()
    })
}

fn saying(service: &str, interval: Duration) -> Hello {
    let mut hello = hello(service, "1");
    hello.interval = interval;
    hello
}

fn at(raise: f64) -> Option<SignalLevel> {
    Some(SignalLevel { raise, clear: raise })
}

fn levels(
    signal: &str,
    degraded: Option<SignalLevel>,
    unhealthy: Option<SignalLevel>,
) -> Option<Declaration> {
    let levels = [(name(signal), Levels { degraded, unhealthy })].into();
    Some(Declaration {
        levels,
        ..Declaration::default()
    })
}

fn freshness(fleet: &Fleet) -> Freshness {
    fleet.instance("a", "1").freshness
}

#[test]
fn the_files_interval_holds_for_everybody_who_comes() {
    let mut fleet = fleet();
    fleet.declare("a", every(seconds(20)));
    for (instance, stream) in [("1", Some(StreamId(90))), ("2", None)] {
        let hello = Box::new(hello("a", instance));
        let Reply::Registered(registered) = fleet.apply(Event::Hello { stream, hello }) else {
            panic!("not registered");
        };
        let Lease {
            suspect_after,
            lost_after,
        } = Lease::for_interval(seconds(20));
        assert_eq!(registered.interval, seconds(20));
        assert_eq!(
            (registered.suspect_after, registered.lost_after),
            (suspect_after, lost_after)
        );
        assert_eq!(fleet.instance("a", instance).interval_ms, 20_000);
    }
    assert!(!fleet.renewals, "who comes is told in the answer");
    fleet.run(seconds(59), |_| false);
    assert_eq!(freshness(&fleet), Freshness::Fresh);
    fleet.run(seconds(2), |_| false);
    assert_eq!(freshness(&fleet), Freshness::Suspect);
}

#[test]
fn a_shorter_interval_convicts_nobody_who_beats_as_told() {
    let mut fleet = fleet();
    let one = id("a", "1");
    fleet.join(saying("a", seconds(10)));
    fleet.declare("a", every(seconds(1)));
    assert!(fleet.renewals, "the stream has to ask");
    assert_eq!(fleet.instance("a", "1").interval_ms, 1_000);
    for _ in 0..3 {
        fleet.run(seconds(10), |_| false);
        fleet.update(&one, Vec::new(), Vec::new());
    }
    assert_eq!(freshness(&fleet), Freshness::Fresh, "it was not told");
    fleet.renew();
    assert_eq!(fleet.members[&one].0.suspect_after, seconds(3));
    fleet.run(seconds(10), |_| false);
    assert_eq!(
        freshness(&fleet),
        Freshness::Fresh,
        "told just before, and not due by what it was told earlier"
    );
    fleet.beat(&one);
    fleet.run(Duration::from_millis(3_010), |_| false);
    assert_eq!(freshness(&fleet), Freshness::Suspect, "the new lease holds");
    fleet.run(seconds(1), |_| false);
    assert_eq!(freshness(&fleet), Freshness::Lost);
    fleet.renewals = false;
    fleet.renew();
    assert_eq!(
        fleet.members[&one].0.suspect_after,
        seconds(3),
        "nothing is told twice"
    );
}

#[test]
fn a_longer_interval_holds_at_once() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1"));
    fleet.declare("a", every(seconds(60)));
    fleet.run(seconds(5), |_| true);
    fleet.renew();
    fleet.run(seconds(179), |_| false);
    assert_eq!(freshness(&fleet), Freshness::Fresh);
    fleet.run(seconds(2), |_| false);
    assert_eq!(freshness(&fleet), Freshness::Suspect);
    let mut fleet = self::fleet();
    fleet.once(hello("a", "1"));
    fleet.declare("a", every(seconds(60)));
    assert!(!fleet.renewals, "there is no stream to ask");
    fleet.run(seconds(179), |_| false);
    assert_eq!(freshness(&fleet), Freshness::Fresh, "one that reports once");
    fleet.run(seconds(2), |_| false);
    assert_eq!(freshness(&fleet), Freshness::Suspect);
}

#[test]
fn one_that_was_told_to_take_longer_while_late_has_the_time() {
    let mut fleet = fleet();
    fleet.join_all("a", &["1", "2", "3", "4"]);
    fleet.run(Duration::from_millis(3_500), |id| id.instance.as_str() != "1");
    assert_eq!(freshness(&fleet), Freshness::Suspect);
    fleet.declare("a", every(seconds(60)));
    fleet.renew();
    fleet.run(seconds(60), |id| id.instance.as_str() != "1");
    assert_eq!(freshness(&fleet), Freshness::Suspect);
    fleet.update(&id("a", "1"), Vec::new(), Vec::new());
    fleet.run(seconds(170), |id| id.instance.as_str() != "1");
    assert_eq!(freshness(&fleet), Freshness::Fresh, "heard under the new lease");
    assert_eq!(fleet.engine.figures().convictions, 0);
    // And one that comes back with a beat, which asks the engine nothing.
    fleet.run(seconds(20), |id| id.instance.as_str() != "1");
    assert_eq!(freshness(&fleet), Freshness::Suspect);
    fleet.declare("a", every(seconds(90)));
    fleet.renew();
    fleet.beat(&id("a", "1"));
    fleet.run(seconds(271 + 80), |id| id.instance.as_str() != "1");
    assert_eq!(
        freshness(&fleet),
        Freshness::Suspect,
        "not lost for another interval of 90 s"
    );
}

#[test]
fn taken_back_the_instances_own_interval_holds_again() {
    let mut fleet = fleet();
    fleet.declare("a", every(seconds(60)));
    fleet.join(hello("a", "1"));
    fleet.declare("a", None);
    assert_eq!(fleet.instance("a", "1").interval_ms, 1_000);
    fleet.run(seconds(60), |_| false);
    assert_eq!(freshness(&fleet), Freshness::Fresh, "it was not told");
    fleet.renew();
    fleet.beat(&id("a", "1"));
    fleet.run(seconds(4), |_| false);
    assert_eq!(freshness(&fleet), Freshness::Lost);
}

#[test]
fn what_is_declared_again_changes_nothing() {
    let mut fleet = fleet();
    let declaration = Some(Declaration {
        interval: Some(seconds(2)),
        ..levels("load", at(0.5), None).expect("some")
    });
    fleet.declare("a", declaration.clone());
    fleet.join(hello("a", "1").signal("load", 0.1, 0.9));
    fleet.measure(&id("a", "1"), "load", 0.6);
    let before = (fleet.engine.revision(), fleet.engine.service(&name("a")));
    let disagreements = &before.1.as_ref().expect("a service").disagreements;
    assert_eq!(disagreements.len(), 1);
    fleet.renewals = false;
    fleet.declare("a", declaration);
    fleet.declare("nobody", None);
    assert_eq!(
        before,
        (fleet.engine.revision(), fleet.engine.service(&name("a")))
    );
    assert!(!fleet.renewals);
}

#[test]
fn what_is_taken_back_of_a_service_nobody_uses_is_gone() {
    let mut fleet = fleet();
    fleet.declare("a", every(seconds(2)));
    fleet.join(hello("b", "1"));
    fleet.declare("b", levels("load", at(0.5), None));
    assert_eq!(fleet.status("a"), Unknown);
    fleet.declare("a", None);
    fleet.declare("b", None);
    assert!(fleet.engine.service(&name("a")).is_none());
    assert_eq!(fleet.status("b"), Healthy);
}

#[test]
fn what_the_file_says_of_several_is_one_revision_or_nothing() {
    let mut fleet = fleet();
    let service = |fleet: &Fleet, of: &str| fleet.engine.service(&name(of));
    fleet.join(hello("a", "1").signal("load", 0.1, 0.9));
    fleet.measure(&id("a", "1"), "load", 0.6);
    fleet.declare("c", every(seconds(2)));
    let (revision, told) = (fleet.engine.revision(), fleet.told.len());
    let reply = fleet.apply(Event::DeclareAll(vec![
        (name("c"), None),
        (name("a"), levels("load", None, at(0.5))),
        (name("b"), every(seconds(2))),
    ]));
    assert_eq!(reply, Reply::Done);
    assert_eq!(
        (fleet.engine.revision(), fleet.told.len()),
        (revision.next(), told + 1),
        "between two files there is nothing that neither says"
    );
    assert_eq!(fleet.status("a"), Unhealthy);
    assert!(service(&fleet, "b").is_some() && service(&fleet, "c").is_none());

    let before = (
        fleet.engine.revision(),
        service(&fleet, "a"),
        service(&fleet, "b"),
    );
    let mut many = vec![(name("a"), None), (name("b"), None)];
    many.extend((1..bounds::SERVICES).map(|n| (name(&format!("s{n}")), every(seconds(2)))));
    let refused = Reply::Refused(crate::Refusal::TooManyServices(bounds::SERVICES + 1));
    assert_eq!(fleet.apply(Event::DeclareAll(many)), refused);
    let needed = Declaration {
        dependencies: Some((1..bounds::SERVICES).map(needs).collect()),
        ..Declaration::default()
    };
    let refusing = Event::DeclareAll(vec![(name("a"), None), (name("b"), Some(needed))]);
    assert_eq!(fleet.apply(refusing), refused, "what others need counts as well");
    assert_eq!(
        before,
        (
            fleet.engine.revision(),
            service(&fleet, "a"),
            service(&fleet, "b")
        ),
        "none of it"
    );
}

fn needs(n: usize) -> Dependency {
    Dependency {
        service: name(&format!("s{n}")),
        kind: DependencyKind::Hard,
        any_of: None,
    }
}

#[test]
fn the_files_levels_are_in_the_place_of_those_declared() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1").signal("load", 0.1, 0.9));
    fleet.measure(&id("a", "1"), "load", 0.6);
    assert_eq!(fleet.status("a"), Degraded);
    fleet.declare("a", levels("load", None, at(0.5)));
    assert_eq!(fleet.status("a"), Unhealthy, "the value there is judged at once");
    let told = fleet.told.last().expect("a revision").clone();
    assert!(
        told.changes
            .iter()
            .any(|change| change.entity.status() == Unhealthy)
    );
    let chains = fleet.engine.explain(Some(&name("a"))).expect("a service").chains;
    let evidence = &chains[0].links[0].evidence[0];
    assert_eq!((evidence.value, evidence.threshold), (Some(0.6), Some(0.5)));
    let signal = fleet.instance("a", "1").signals.remove(0);
    assert_eq!((signal.degraded, signal.unhealthy), (None, at(0.5)));
    fleet.measure(&id("a", "1"), "load", 0.4);
    assert_eq!(fleet.status("a"), Healthy, "its own levels are not in force");
    fleet.declare("a", None);
    assert_eq!(fleet.status("a"), Degraded, "its own again, at once");
}

#[test]
fn levels_hold_for_signals_that_nobody_declared() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1"));
    fleet.measure(&id("a", "1"), "load", 0.6);
    fleet.declare("a", levels("load", at(0.5), None));
    assert_eq!(fleet.status("a"), Degraded, "of a value that is there");
    fleet.join(hello("a", "2"));
    fleet.declare("b", levels("load", None, at(0.5)));
    fleet.join(hello("b", "1"));
    fleet.measure(&id("b", "1"), "load", 0.6);
    assert_eq!(fleet.status("b"), Unhealthy, "of the first value there is");
    fleet.cut(&id("b", "1"));
    let mut again = hello("b", "1");
    again.sequence = 9;
    fleet.join(again);
    assert_eq!(
        fleet.status("b"),
        Unhealthy,
        "it is still there after another hello"
    );
    fleet.declare("a", None);
    assert_eq!(fleet.status("a"), Healthy);
}

#[test]
fn what_old_levels_had_raised_is_nothing_to_new_ones() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1").signal("load", 0.5, 0.9));
    fleet.measure(&id("a", "1"), "load", 0.6);
    let level = Some(SignalLevel {
        raise: 0.8,
        clear: 0.2,
    });
    fleet.declare("a", levels("load", level, None));
    assert_eq!(fleet.status("a"), Healthy);
}

#[test]
fn a_signal_without_a_value_is_at_no_level() {
    let mut fleet = fleet();
    fleet.declare("a", levels("lag", None, at(0.0)));
    fleet.join(hello("a", "1").signal("lag", 0.0, 0.0));
    assert_eq!(fleet.status("a"), Healthy);
    fleet.measure(&id("a", "1"), "lag", 0.0);
    assert_eq!(fleet.status("a"), Unhealthy);
    fleet.cut(&id("a", "1"));
    fleet.join(hello("a", "1").life("second").signal("lag", 0.0, 0.0));
    fleet.declare("a", levels("lag", at(0.0), None));
    assert_eq!(
        fleet.status("a"),
        Healthy,
        "what another life measured was that life's"
    );
}

#[test]
fn what_is_bad_by_itself_as_well_is_a_cause_from_its_first_value_on() {
    let mut fleet = fleet();
    fleet.declare("a", levels("load", at(0.5), None));
    fleet.join(hello("a", "1").check("sees", CheckKind::Advisory, Some("db")));
    fleet.say(&id("a", "1"), "sees", Unhealthy);
    assert_eq!(fleet.causes("a"), ["db"]);
    fleet.measure(&id("a", "1"), "load", 0.6);
    assert_eq!(fleet.status("a"), Degraded, "as it was before");
    assert_eq!(fleet.causes("a"), ["a", "db"]);
}

#[test]
fn signals_that_a_later_hello_declares_are_told() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1"));
    let told = fleet.told.len();
    let mut again = hello("a", "1");
    again.signals.push(SignalDeclaration {
        name: name("load"),
        degraded: None,
        unhealthy: None,
    });
    fleet.join(again);
    assert_eq!(fleet.told.len(), told + 1);
}

#[test]
fn a_level_crossed_while_flapping_is_told() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1").signal("load", 0.5, 0.9));
    for round in 0..12 {
        let value = [1.0, 0.0][round % 2];
        fleet.measure(&id("a", "1"), "load", value);
        fleet.run(seconds(5), |_| true);
    }
    let told = fleet.told.len();
    fleet.measure(&id("a", "1"), "load", 1.0);
    assert_eq!(fleet.status("a"), Unhealthy, "held at its worst of late");
    assert_eq!(
        fleet.told.len(),
        told + 1,
        "what it is at now stands in its message"
    );
}

#[test]
fn what_flaps_is_believed_again_in_the_time_of_the_interval_in_force() {
    let mut fleet = fleet();
    let one = id("a", "1");
    fleet.declare("a", every(bounds::INTERVAL_MAX));
    fleet.join(hello("a", "1").check("net", CheckKind::Required, None));
    for round in 0..9 {
        fleet.say(&one, "net", [Healthy, Unhealthy][round % 2]);
        fleet.now = fleet.now + bounds::INTERVAL_MAX;
    }
    assert!(fleet.instance("a", "1").checks[0].flapping);
    fleet.declare("a", None);
    assert!(
        fleet.instance("a", "1").checks[0].flapping,
        "what was seen was seen"
    );
    fleet.renew();
    fleet.run(seconds(120), |_| true);
    assert!(!fleet.instance("a", "1").checks[0].flapping);
}

#[test]
fn what_differs_from_the_file_is_shown_in_words() {
    let mut fleet = fleet();
    let declaration = Declaration {
        interval: Some(seconds(20)),
        ..levels("load", at(0.5), None).expect("some")
    };
    fleet.declare("a", Some(declaration));
    fleet.join(hello("a", "1").signal("load", 0.1, 0.9));
    let mut silent = saying("a", bounds::INTERVAL_DEFAULT);
    silent.id.instance = name("2");
    fleet.join(silent);
    let mut same = saying("a", seconds(20));
    same.id.instance = name("3");
    fleet.join(same);
    let service = fleet.engine.service(&name("a")).expect("a service");
    assert_eq!(
        service.disagreements,
        [
            "1 declares interval 1s instead of 20s, levels of load [degraded from 0.1 (clear below 0.08000000000000002) \
             unhealthy from 0.9 (clear below 0.7200000000000001)] instead of [degraded from 0.5]"
        ],
        "who leaves it at the default disagrees with nothing"
    );
    assert_eq!(fleet.engine.figures().disagreements, 1);
    let mut fleet = self::fleet();
    fleet.join(hello("a", "1"));
    let mut other = saying("a", seconds(7));
    other.id.instance = name("2");
    fleet.join(other);
    let service = fleet.engine.service(&name("a")).expect("a service");
    assert!(
        service.disagreements.is_empty(),
        "each instance has its own interval"
    );
}

#[test]
fn what_differs_is_compared_with_each_new_word_of_the_file() {
    let mut fleet = fleet();
    let mut quiet = hello("a", "2");
    (quiet.criticality, quiet.interval) = (None, bounds::INTERVAL_DEFAULT);
    fleet.join(quiet);
    let mut says = saying("a", seconds(7)).signal("load", 0.5, 0.9);
    says.criticality = Some(Criticality::Optional);
    fleet.join(says);
    let told = |fleet: &Fleet| fleet.engine.service(&name("a")).expect("a service").disagreements;
    let critical = Declaration {
        criticality: Some(Criticality::Critical),
        ..Declaration::default()
    };
    fleet.declare("a", Some(critical.clone()));
    let one = "1 declares criticality optional instead of critical";
    assert_eq!(
        told(&fleet),
        [one],
        "without another hello; 2 declares nothing of it"
    );
    let counted = fleet.engine.figures().disagreements;
    fleet.declare(
        "a",
        Some(Declaration {
            min_healthy: Some(MinHealthy::Count(1)),
            ..critical.clone()
        }),
    );
    assert_eq!(told(&fleet), [one], "another key keeps it");
    assert_eq!(
        fleet.engine.figures().disagreements,
        counted,
        "it is the same one"
    );
    fleet.declare("a", every(seconds(9)));
    assert_eq!(told(&fleet), ["1 declares interval 7s instead of 9s"]);
    fleet.declare("a", levels("load", at(0.7), at(0.9)));
    assert_eq!(told(&fleet).len(), 1, "its levels");
    fleet.declare("a", None);
    assert_eq!(told(&fleet), [""; 0], "what it says itself is in force");
}

#[test]
fn who_knows_no_life_of_its_own_goes_on_in_the_present_one() {
    let mut fleet = fleet();
    let life_of = |fleet: &Fleet| fleet.instance("cron", "1").incarnation;
    fleet.anonymous(hello("cron", "1").life("first"));
    fleet.anonymous(hello("cron", "1").life("second"));
    assert_eq!(life_of(&fleet), life("first"));
    fleet.run(seconds(5), |_| true);
    assert_eq!(fleet.status("cron"), Unhealthy);
    fleet.anonymous(hello("cron", "1").life("third"));
    assert_eq!(fleet.status("cron"), Healthy, "late is no crash");
    let goodbye = Event::GoodbyeOnce {
        id: id("cron", "1"),
        incarnation: None,
    };
    assert_eq!(fleet.apply(goodbye.clone()), Reply::Done);
    assert!(matches!(
        fleet.anonymous(hello("cron", "1").life("fourth")),
        Reply::Registered(_)
    ));
    assert_eq!(life_of(&fleet), life("fourth"), "a new life after a clean end");
    fleet.apply(Event::Exited {
        id: id("cron", "1"),
        incarnation: life("fourth"),
        message: "killed".into(),
    });
    fleet.anonymous(hello("cron", "1").life("fifth"));
    assert_eq!(life_of(&fleet), life("fifth"), "what exited does not go on");
    assert_eq!(fleet.apply(goodbye), Reply::Done);
}

#[test]
fn who_knows_no_life_of_its_own_does_not_take_over_a_stream() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1"));
    let exists = Reply::Refused(crate::Refusal::AlreadyExists(id("a", "1")));
    assert_eq!(fleet.anonymous(hello("a", "1").life("other")), exists);
    let goodbye = Event::GoodbyeOnce {
        id: id("a", "1"),
        incarnation: None,
    };
    assert_eq!(fleet.apply(goodbye), exists);
    assert_eq!(fleet.instance("a", "1").incarnation, life("first"));
    fleet.run(seconds(5), |_| false);
    assert!(matches!(
        fleet.anonymous(hello("a", "1").life("other")),
        Reply::Registered(_)
    ));
    assert_eq!(fleet.instance("a", "1").incarnation, life("other"));
}

#[test]
fn other_dependencies_are_told_though_nothing_else_is_another() {
    let mut fleet = fleet();
    // Nobody reports for `a`, and so nobody disagrees.
    for service in ["b", "c"] {
        fleet.join_all(service, &["1"]);
    }
    let needing = |service: &str| {
        let dependency = Dependency {
            service: name(service),
            kind: DependencyKind::Hard,
            any_of: None,
        };
        Some(Declaration {
            dependencies: Some(vec![dependency]),
            ..Declaration::default()
        })
    };
    let told = |fleet: &mut Fleet, services: &[&str]| {
        let from = fleet.told.len();
        let words = services.iter().map(|service| (name("a"), needing(service)));
        fleet.apply(Event::DeclareAll(words.collect()));
        let changes = fleet.told[from..].iter().flat_map(|set| &set.changes);
        let states = changes.filter_map(|change| match &change.entity {
            Entity::Service(state) => {
                Some((state.name.to_string(), state.dependencies[0].service.to_string()))
            }
            _ => None,
        });
        states.collect::<Vec<_>>()
    };
    let a_needs = |service: &str| vec![("a".to_owned(), service.to_owned())];
    assert_eq!(told(&mut fleet, &["b"]), a_needs("b"));
    assert_eq!(told(&mut fleet, &["c"]), a_needs("c"));
    assert_eq!(told(&mut fleet, &["b", "c"]), [], "there and back is no news");
    assert_eq!(told(&mut fleet, &["c", "b"]), a_needs("b"));
}
