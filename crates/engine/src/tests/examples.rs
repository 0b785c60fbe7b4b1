//! The health model's rules by example, each through the whole engine.

use std::time::Duration;

use ward_model::{CheckKind, Criticality, DependencyKind, Freshness, MinHealthy, Reason, Status};

use super::fleet::{Fleet, Saying, hello, id, life, name};
use crate::{Config, Declaration, Event, Refusal, Reply};

use CheckKind::{Advisory, Required};
use DependencyKind::{Hard, Soft};
use Status::{Degraded, Healthy, Unhealthy, Unknown};

fn fleet() -> Fleet {
    Fleet::new(Config::default())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// storefront -> payments -> bank (hard), storefront -> recommendations (soft), payments observes the bank.
fn shop() -> Fleet {
    let mut fleet = fleet();
    fleet.join(
        hello("storefront", "s1")
            .critical()
            .needs("payments", Hard)
            .needs("recommendations", Soft),
    );
    fleet.join(
        hello("payments", "p1")
            .needs("bank", Hard)
            .check("bank", Required, Some("bank")),
    );
    fleet.join(hello("bank", "b1"));
    fleet.join(hello("recommendations", "r1"));
    fleet.say(&id("payments", "p1"), "bank", Healthy);
    fleet
}

fn instance(fleet: &Fleet, service: &str) -> ward_model::InstanceState {
    fleet.engine.instances(&name(service), 10).remove(0)
}

#[test]
fn a_broken_bank_is_the_cause_of_a_sick_storefront() {
    let mut fleet = shop();
    assert_eq!(fleet.system(), Healthy);
    fleet.say(&id("bank", "b1"), "ledger", Unhealthy);
    fleet.say(&id("payments", "p1"), "bank", Unhealthy);
    assert_eq!(
        (fleet.status("storefront"), fleet.system()),
        (Unhealthy, Unhealthy)
    );
    assert_eq!(fleet.causes("storefront"), ["bank"], "payments is only a victim");
    let chain = &fleet
        .engine
        .explain(Some(&name("storefront")))
        .expect("a service")
        .chains[0];
    let services: Vec<_> = chain.links.iter().map(|link| link.service.as_str()).collect();
    assert_eq!(services, ["storefront", "payments", "bank"]);
    assert_eq!(chain.links[2].via, Some(Hard));
    let evidence: Vec<_> = chain.links[2]
        .evidence
        .iter()
        .map(|e| (e.service.as_str(), e.name.as_ref()))
        .collect();
    assert_eq!(
        evidence,
        [("bank", Some(&name("ledger"))), ("payments", Some(&name("bank")))]
    );
    assert_eq!(
        fleet.engine.explain(None).expect("the system").chains[0]
            .links
            .len(),
        3
    );
}

#[test]
fn a_soft_dependency_degrades() {
    let mut fleet = shop();
    fleet.say(&id("recommendations", "r1"), "model", Unhealthy);
    assert_eq!((fleet.status("storefront"), fleet.system()), (Degraded, Degraded));
    assert_eq!(fleet.causes("storefront"), ["recommendations"]);
}

#[test]
fn a_cycle_recovers() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1").needs("b", Hard));
    fleet.join(hello("b", "1").needs("a", Hard));
    fleet.say(&id("a", "1"), "disk", Unhealthy);
    assert_eq!(
        (fleet.status("b"), fleet.causes("b")),
        (Unhealthy, vec!["a".to_owned()])
    );
    fleet.say(&id("a", "1"), "disk", Healthy);
    assert_eq!((fleet.status("a"), fleet.status("b")), (Healthy, Healthy));
}

#[test]
fn any_of_counts_the_best() {
    let mut fleet = fleet();
    fleet.join(hello("api", "1").any_of("region", &["east", "west"]));
    fleet.join(hello("east", "1"));
    fleet.join(hello("west", "1"));
    fleet.say(&id("east", "1"), "up", Unhealthy);
    assert_eq!(fleet.status("api"), Healthy);
    fleet.say(&id("west", "1"), "up", Degraded);
    assert_eq!(fleet.status("api"), Degraded);
}

#[test]
fn what_nobody_reports_is_unknown_and_what_is_observed_is_as_seen() {
    let mut fleet = fleet();
    fleet.join(
        hello("catalog", "1")
            .needs("search", Hard)
            .check("db", Required, Some("catalog-db")),
    );
    assert_eq!(
        (fleet.status("search"), fleet.status("catalog-db")),
        (Unknown, Unknown)
    );
    fleet.say(&id("catalog", "1"), "db", Unhealthy);
    let database = fleet.engine.service(&name("catalog-db")).expect("the subject");
    assert_eq!(
        (database.condition.status, database.condition.reason),
        (Unhealthy, Reason::Observed)
    );
    assert!(!database.reported);
    assert_eq!(fleet.causes("catalog"), ["catalog-db", "search"]);
}

#[test]
fn one_observing_service_can_degrade_a_reporting_subject_and_two_can_condemn_it() {
    let mut fleet = fleet();
    fleet.join(hello("db", "1"));
    fleet.join(hello("x", "1").check("db", Advisory, Some("db")));
    fleet.say(&id("x", "1"), "db", Unhealthy);
    assert_eq!(fleet.status("db"), Degraded);
    fleet.join(hello("y", "1").check("db", Advisory, Some("db")));
    fleet.say(&id("y", "1"), "db", Unhealthy);
    assert_eq!(fleet.status("db"), Unhealthy);
    fleet.cut(&id("y", "1"));
    fleet.run(seconds(3), |_| true);
    assert_eq!(fleet.status("db"), Degraded, "a lost observer is unsure");
}

#[test]
fn starting_is_unknown_until_the_deadline() {
    let mut fleet = fleet();
    let mut starting = hello("a", "1").check("warm", Required, None);
    starting.startup_deadline = seconds(10);
    fleet.join(starting);
    let state = instance(&fleet, "a");
    assert_eq!(
        (state.condition.status, state.condition.reason),
        (Unknown, Reason::Starting)
    );
    fleet.run(seconds(11), |_| true);
    let state = instance(&fleet, "a");
    assert_eq!(
        (state.condition.status, state.condition.reason),
        (Unhealthy, Reason::StartupTimeout)
    );
    fleet.say(&id("a", "1"), "warm", Healthy);
    assert_eq!(fleet.status("a"), Healthy);
}

#[test]
fn missing_seats_are_unknown_then_unhealthy() {
    let mut fleet = fleet();
    let mut first = hello("a", "1");
    (first.min_healthy, first.startup_deadline) = (Some(MinHealthy::Count(2)), seconds(5));
    fleet.join(first);
    assert_eq!(fleet.status("a"), Unknown);
    fleet.run(seconds(6), |_| true);
    let own = fleet.engine.service(&name("a")).expect("a service").own;
    assert_eq!((own.status, own.reason), (Unhealthy, Reason::Quorum));
    fleet.join(hello("a", "2"));
    assert_eq!(fleet.status("a"), Healthy);
}

#[test]
fn silence_makes_suspect_then_lost_and_a_beat_brings_back() {
    let mut fleet = fleet();
    fleet.join_all("a", &["1", "2", "3", "4"]);
    let silent = id("a", "1");
    fleet.run(seconds(4), |_| true);
    fleet.beat(&silent);
    let last_beat = fleet.now;
    let freshness = |fleet: &Fleet| {
        let states = fleet.engine.instances(&name("a"), 10);
        states
            .iter()
            .find(|state| state.id == silent)
            .expect("still there")
            .freshness
    };
    let mut seen = Vec::new();
    while fleet.now < last_beat + seconds(5) {
        fleet.run(Duration::from_millis(10), |id| *id != silent);
        if seen.last().is_none_or(|(_, last)| *last != freshness(&fleet)) {
            seen.push((fleet.now.since(last_beat).as_millis(), freshness(&fleet)));
        }
    }
    assert_eq!(
        seen[1..],
        [(3_000, Freshness::Suspect), (4_000, Freshness::Lost)],
        "3 x interval, then one more"
    );
    assert_eq!(fleet.status("a"), Degraded);
    fleet.beat(&silent);
    fleet.tick();
    assert_eq!(fleet.status("a"), Healthy);
}

#[test]
fn a_broken_stream_has_two_seconds_to_come_back() {
    let mut fleet = fleet();
    fleet.join_all("a", &["1", "2", "3", "4"]);
    fleet.cut(&id("a", "1"));
    assert_eq!(
        fleet
            .engine
            .service(&name("a"))
            .expect("a service")
            .instances
            .suspect,
        1
    );
    fleet.run(Duration::from_millis(1_900), |_| true);
    assert_eq!(fleet.status("a"), Healthy);
    fleet.join(hello("a", "1"));
    fleet.run(seconds(2), |_| true);
    assert_eq!(fleet.status("a"), Healthy);
    fleet.cut(&id("a", "2"));
    fleet.run(Duration::from_millis(2_010), |_| true);
    assert_eq!(fleet.status("a"), Degraded);
    assert_eq!(
        instance(&fleet, "a").condition.message,
        "its stream broke and it did not come back"
    );
}

#[test]
fn a_clean_goodbye_is_not_a_loss_and_its_life_does_not_come_back() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1"));
    let slot = fleet.members[&id("a", "1")].0.slot;
    assert_eq!(fleet.apply(Event::Goodbye { slot }), Reply::Done);
    let service = fleet.engine.service(&name("a")).expect("remembered");
    assert_eq!(
        (service.condition.status, service.condition.reason),
        (Unknown, Reason::NoInstances)
    );
    assert_eq!(
        fleet.join(hello("a", "1")),
        Reply::Refused(Refusal::Superseded(id("a", "1")))
    );
    assert!(matches!(
        fleet.join(hello("a", "1").life("second")),
        Reply::Registered(_)
    ));
    assert_eq!(fleet.status("a"), Healthy);
}

#[test]
fn a_crash_loop_is_seen_as_one() {
    let mut fleet = fleet();
    fleet.join_all("a", &["1", "2", "3", "4"]);
    fleet.join(hello("b", "1").check("up", Required, None).result("up", Healthy));
    for restart in 0..3 {
        fleet.cut(&id("b", "1"));
        fleet.run(Duration::from_millis(500), |_| true);
        fleet.join(
            hello("b", "1")
                .life(&format!("life{restart}"))
                .check("up", Required, None),
        );
        let state = instance(&fleet, "b");
        assert_eq!(
            (state.condition.status, state.condition.reason),
            (Unhealthy, Reason::Lost)
        );
    }
    fleet.say(&id("b", "1"), "up", Healthy);
    assert_eq!(fleet.status("b"), Healthy, "until its first healthy word");
}

#[test]
fn two_instances_cannot_hold_one_id() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1"));
    assert_eq!(
        fleet.join(hello("a", "1").life("other")),
        Reply::Refused(Refusal::AlreadyExists(id("a", "1")))
    );
    fleet.cut(&id("a", "1"));
    assert!(matches!(
        fleet.join(hello("a", "1").life("other")),
        Reply::Registered(_)
    ));
    assert_eq!(
        fleet.join(hello("a", "1")),
        Reply::Refused(Refusal::Superseded(id("a", "1")))
    );
}

#[test]
fn sequences_grow_by_one() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1"));
    let slot = fleet.members[&id("a", "1")].0.slot;
    let mut send = |sequence, full| {
        let update = ward_model::Update {
            sequence,
            full,
            ..Default::default()
        };
        fleet.apply(Event::Update { slot, update })
    };
    assert_eq!(send(2, false), Reply::Updated { left_out: 0 });
    assert_eq!(
        send(2, false),
        Reply::Refused(Refusal::Replayed { got: 2, last: 2 })
    );
    assert_eq!(send(5, false), Reply::FullStateWanted);
    assert_eq!(send(9, true), Reply::Updated { left_out: 0 });
    assert_eq!(send(10, false), Reply::Updated { left_out: 0 });
}

#[test]
fn an_agents_word_is_final() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1"));
    let message = "killed by signal 9".to_owned();
    fleet.apply(Event::Exited {
        id: id("a", "1"),
        incarnation: life("first"),
        message,
    });
    let state = instance(&fleet, "a");
    assert_eq!(
        (state.condition.status, state.condition.reason),
        (Unhealthy, Reason::Exited)
    );
    assert_eq!(state.condition.message, "killed by signal 9");
    fleet.run(seconds(5), |_| true);
    assert_eq!(
        instance(&fleet, "a").freshness,
        Freshness::Exited,
        "its beats are those of a ghost"
    );
    assert!(matches!(
        fleet.join(hello("a", "1").life("second")),
        Reply::Registered(_)
    ));
}

#[test]
fn maintenance_caps_what_a_service_does_to_the_system_and_ends() {
    let mut fleet = shop();
    fleet.say(&id("storefront", "s1"), "pages", Unhealthy);
    assert_eq!(fleet.system(), Unhealthy);
    let (by, why) = ("ops".to_owned(), "new disks".to_owned());
    let service = name("storefront");
    fleet.apply(Event::StartMaintenance {
        service,
        by,
        why,
        duration: Some(seconds(60)),
    });
    assert_eq!(
        (fleet.status("storefront"), fleet.system()),
        (Unhealthy, Degraded)
    );
    fleet.run(seconds(59), |_| true);
    assert_eq!(fleet.system(), Degraded);
    fleet.run(seconds(2), |_| true);
    assert_eq!(fleet.system(), Unhealthy);
    assert!(
        fleet
            .engine
            .service(&name("storefront"))
            .expect("a service")
            .maintenance
            .is_none()
    );
}

#[test]
fn who_takes_verdicts_only_forgets_as_well() {
    let mut fleet = Fleet::new(Config::default());
    fleet.tells = false;
    fleet.join_all("a", &["i0", "i1"]);
    fleet.run(Duration::from_secs(10), |id| id.instance == name("i0"));
    assert_eq!(fleet.instance("a", "i1").freshness, Freshness::Lost);
    fleet.run(Duration::from_secs(601), |id| id.instance == name("i0"));
    assert_eq!(fleet.engine.instances(&name("a"), usize::MAX).len(), 1);
}

#[test]
fn a_lost_instance_is_forgotten_if_enough_remain() {
    let mut fleet = fleet();
    fleet.join_all("a", &["1", "2", "3", "4"]);
    fleet.join(hello("b", "1"));
    fleet.cut(&id("a", "1"));
    fleet.cut(&id("b", "1"));
    fleet.run(seconds(590), |_| true);
    assert_eq!((fleet.status("a"), fleet.status("b")), (Degraded, Unhealthy));
    fleet.run(seconds(20), |_| true);
    assert_eq!(
        (fleet.status("a"), fleet.status("b")),
        (Healthy, Unhealthy),
        "b has nobody else"
    );
    let (service, instance) = (name("b"), None);
    assert_eq!(
        fleet.apply(Event::Forget { service, instance }),
        Reply::Forgotten(1)
    );
    assert!(fleet.engine.service(&name("b")).is_none());
}

#[test]
fn what_is_heard_cannot_be_forgotten() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1"));
    let (service, instance) = (name("a"), Some(name("1")));
    assert_eq!(
        fleet.apply(Event::Forget { service, instance }),
        Reply::Refused(Refusal::Alive(id("a", "1")))
    );
}

#[test]
fn a_signal_over_its_level_is_a_check() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1").signal("error_ratio", 0.01, 0.05));
    let told = fleet.told.len();
    fleet.measure(&id("a", "1"), "error_ratio", 0.005);
    assert_eq!(
        fleet.told.len(),
        told,
        "a value within its level is nobody's news"
    );
    fleet.measure(&id("a", "1"), "error_ratio", 0.02);
    let state = instance(&fleet, "a");
    assert_eq!(
        (state.condition.status, state.condition.reason),
        (Degraded, Reason::Threshold)
    );
    fleet.measure(&id("a", "1"), "error_ratio", 0.06);
    assert_eq!(fleet.status("a"), Unhealthy);
    let chains = fleet.engine.explain(Some(&name("a"))).expect("a service").chains;
    let evidence = &chains[0].links[0].evidence[0];
    assert_eq!((evidence.value, evidence.threshold), (Some(0.06), Some(0.05)));
}

#[test]
fn a_flapping_check_is_one_transition() {
    let mut fleet = fleet();
    fleet.join(
        hello("a", "1")
            .check("net", Required, None)
            .result("net", Healthy),
    );
    fleet.join_all("a", &["2", "3", "4"]);
    let mut changes = 0;
    for round in 0..30 {
        let before = fleet.status("a");
        fleet.say(
            &id("a", "1"),
            "net",
            if round % 2 == 0 { Unhealthy } else { Healthy },
        );
        changes += u32::from(fleet.status("a") != before);
        fleet.run(seconds(5), |_| true);
    }
    assert!(changes < 10, "{changes} changes of 30 came through");
    let state = instance(&fleet, "a");
    assert!(state.checks[0].flapping && state.checks[0].condition.reason == Reason::Flapping);
    fleet.run(seconds(120), |_| true);
    assert_eq!(fleet.status("a"), Healthy);
}

#[test]
fn the_file_wins_and_disagreement_shows() {
    let mut fleet = fleet();
    let declaration = Some(Declaration {
        criticality: Some(Criticality::Critical),
        ..Declaration::default()
    });
    fleet.declare("a", declaration);
    let mut says = hello("a", "1");
    says.criticality = Some(Criticality::Optional);
    fleet.join(says);
    let service = fleet.engine.service(&name("a")).expect("a service");
    assert_eq!(service.criticality, Criticality::Critical);
    assert_eq!(
        service.disagreements,
        ["1 declares criticality optional instead of critical"]
    );
    assert_eq!(fleet.engine.figures().disagreements, 1);
}

#[test]
fn a_slot_that_lost_its_instance_says_so() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1"));
    fleet.join_all("a", &["2", "3", "4"]);
    let slot = fleet.members[&id("a", "1")].0.slot;
    fleet.run(seconds(5), |id| id.instance.as_str() != "1");
    let (service, instance) = (name("a"), Some(name("1")));
    assert_eq!(
        fleet.apply(Event::Forget { service, instance }),
        Reply::Forgotten(1)
    );
    let slab = fleet.engine.leases.slab.clone();
    assert!(slab.is_orphaned(slot), "its stream still holds it");
    let update = ward_model::Update {
        sequence: 2,
        ..Default::default()
    };
    assert_eq!(
        fleet.apply(Event::Update { slot, update }),
        Reply::Refused(Refusal::Forgotten)
    );
}

#[test]
fn what_says_the_same_again_is_nobodys_news() {
    let mut fleet = fleet();
    let once = hello("cron", "1")
        .check("ran", Required, None)
        .result("ran", Healthy)
        .result("extra", Healthy);
    fleet.apply(Event::Hello {
        stream: None,
        hello: Box::new(once.clone()),
    });
    let told = fleet.told.len();
    for _ in 0..10 {
        fleet.apply(Event::Hello {
            stream: None,
            hello: Box::new(once.clone()),
        });
    }
    assert_eq!(fleet.told.len(), told);
}

#[test]
fn nothing_is_left_behind_by_those_who_come_and_go() {
    let mut fleet = fleet();
    for life in 0..2_000 {
        let mut hello = hello("a", "1")
            .life(&format!("life{life}"))
            .check("up", Required, None);
        hello.startup_deadline = seconds(24 * 3_600);
        fleet.join(hello);
        let (registered, ..) = fleet.members[&id("a", "1")];
        fleet.apply(Event::Goodbye {
            slot: registered.slot,
        });
        let (service, by, why) = (name("a"), "ops".to_owned(), "test".to_owned());
        fleet.apply(Event::StartMaintenance {
            service,
            by,
            why,
            duration: Some(seconds(60)),
        });
    }
    assert!(
        fleet.engine.wakes.len() <= 3,
        "{} wakes",
        fleet.engine.wakes.len()
    );
}

#[test]
fn two_streams_that_fight_over_an_instance_use_two_slots() {
    let mut fleet = fleet();
    let mut slots = std::collections::BTreeSet::new();
    for turn in 0..1_000 {
        let stream = Some(crate::StreamId(turn % 2));
        let reply = fleet.apply(Event::Hello {
            stream,
            hello: Box::new(hello("a", "1")),
        });
        let Reply::Registered(registered) = reply else {
            panic!("{reply:?}")
        };
        slots.insert(registered.slot);
    }
    assert_eq!(slots.len(), 2);
}

#[test]
fn the_last_sequence_there_is_can_be_refused() {
    let mut fleet = fleet();
    let mut last = hello("a", "1");
    last.sequence = u64::MAX;
    fleet.join(last);
    let slot = fleet.members[&id("a", "1")].0.slot;
    let reply = fleet.apply(Event::Update {
        slot,
        update: ward_model::Update::default(),
    });
    let Reply::Refused(refusal) = reply else {
        panic!("{reply:?}")
    };
    assert!(refusal.to_string().contains("was seen before"), "{refusal}");
}

#[test]
fn a_new_level_holds_for_the_value_that_is_there() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1").signal("load", 0.1, 0.9));
    fleet.measure(&id("a", "1"), "load", 0.2);
    assert_eq!(fleet.status("a"), Degraded);
    fleet.cut(&id("a", "1"));
    let mut again = hello("a", "1").signal("load", 0.5, 0.9);
    again.sequence = 3;
    fleet.join(again);
    assert_eq!(fleet.status("a"), Healthy);
}

#[test]
fn one_broken_root_under_many_is_found_in_one_pass() {
    let mut fleet = fleet();
    let services: Vec<String> = (0..400).map(|number| format!("s{number:03}")).collect();
    for number in (0..400usize).rev() {
        let below = (number + 1..400).take(16);
        let hello = below.fold(hello(&services[number], "1"), |hello, other| {
            hello.needs(&services[other], Hard)
        });
        fleet.join(hello);
    }
    fleet.say(&id("s399", "1"), "disk", Unhealthy);
    assert_eq!(fleet.causes("s000"), ["s399"]);
    fleet.say(&id("s399", "1"), "disk", Healthy);
    assert_eq!(fleet.status("s000"), Healthy);
}

#[test]
fn a_goodbye_said_beside_a_stream_gives_its_slot_to_nobody() {
    let mut fleet = fleet();
    fleet.join(hello("a", "1"));
    let slot = fleet.members[&id("a", "1")].0.slot;
    let reply = fleet.apply(Event::GoodbyeOnce {
        id: id("a", "1"),
        incarnation: Some(life("first")),
    });
    assert_eq!(reply, Reply::Done);
    assert!(fleet.engine.leases.slab.is_orphaned(slot));
    fleet.join(hello("b", "1"));
    assert_ne!(fleet.members[&id("b", "1")].0.slot, slot);
}

#[test]
fn of_equally_bad_instances_the_same_is_named_whoever_failed_first() {
    let mut fleet = fleet();
    for instance in ["b1", "b2"] {
        fleet.join(hello("bank", instance));
    }
    let named = |fleet: &Fleet| {
        let bank = fleet.engine.service(&name("bank")).expect("a service");
        bank.own.message.split(':').next().map(str::to_owned)
    };
    for (instance, expected) in [("b2", "b2"), ("b1", "b1")] {
        fleet.say(&id("bank", instance), "ledger", Degraded);
        assert_eq!(named(&fleet).as_deref(), Some(expected));
    }
}

#[test]
fn a_service_has_so_many_instances_whoever_brought_them_and_others_have_their_places() {
    let mut fleet = Fleet::new(Config {
        instances_of_service: 2,
        ..Config::default()
    });
    fleet.join_all("bank", &["1", "2"]);
    let refusal = Refusal::TooManyOfService(name("bank"), 2);
    assert!(refusal.to_string().contains("bank has 2"), "{refusal}");
    let full = Reply::Refused(refusal);
    assert_eq!(fleet.join(hello("bank", "3")), full);
    // What a stream brought stays when the stream is gone.
    let stream = fleet.members[&id("bank", "2")].1;
    fleet.apply(Event::StreamEnded {
        stream,
        by_peer: false,
    });
    assert_eq!(fleet.join(hello("bank", "3")), full);
    fleet.join_all("bank", &["2"]);
    fleet.join_all("shop", &["1", "2"]);
    let goodbye = Event::GoodbyeOnce {
        id: id("bank", "1"),
        incarnation: Some(life("first")),
    };
    assert_eq!(fleet.apply(goodbye), Reply::Done);
    fleet.join_all("bank", &["3"]);
}
