//! What becomes an event of which kind, by a real log.

use tempfile::TempDir;
use ward_audit::{Filter, Options, Start};
use ward_chassis::Clock;
use ward_model::{Condition, Epoch, Freshness, Incarnation, InstanceId, Mono, Now, SystemState, Wall};

use super::{super::ear::Instance, *};

struct Bench {
    ear: Ear,
    log: Log,
    thread: thread::JoinHandle<Revision>,
    revision: u64,
    _home: TempDir,
}

fn begin() -> Bench {
    let home = tempfile::tempdir().unwrap();
    let start = Start {
        clock: Clock::start(),
        boot_id: "boot".into(),
        epoch: Epoch(1),
    };
    let (log, _) = Log::open(&home.path().join("audit"), Options::default(), start).unwrap();
    let ear = Ear::default();
    let recorder = Recorder::new(ear.clone(), Some(log.clone()), None, Arc::default());
    Bench {
        ear,
        log,
        thread: thread::spawn(move || recorder.run()),
        revision: 0,
        _home: home,
    }
}

fn id() -> InstanceId {
    InstanceId {
        service: Name::service("bank").unwrap(),
        instance: Name::instance("b1").unwrap(),
    }
}

fn instance(life: &str, status: Status, last_status: Option<Status>) -> Thing {
    Thing::Instance(Box::new(Instance {
        id: id(),
        incarnation: Incarnation::new(life).unwrap(),
        interval_ms: 1_000,
        status,
        reason: Reason::Reported,
        message: String::new(),
        last_status,
        freshness: Freshness::Fresh,
    }))
}

fn service(status: Status, last_status: Option<Status>) -> Thing {
    Thing::Service(Box::new(ServiceState {
        name: Name::service("bank").unwrap(),
        own: Condition::default(),
        condition: Condition {
            status,
            ..Condition::default()
        },
        causes: Vec::new(),
        criticality: Default::default(),
        dependencies: Vec::new(),
        instances: Default::default(),
        min_healthy: 1,
        maintenance: None,
        reported: true,
        disagreements: Vec::new(),
        up_since: None,
        last_status,
    }))
}

fn system(status: Status) -> Thing {
    Thing::System(Box::new(SystemState {
        condition: Condition {
            status,
            ..Condition::default()
        },
        ..SystemState::default()
    }))
}

impl Bench {
    fn hear(&mut self, before: Option<Status>, thing: Thing) {
        self.tell(before, thing, false);
    }

    fn tell(&mut self, before: Option<Status>, thing: Thing, is_look: bool) {
        self.revision += 1;
        self.ear.look_at(Heard {
            epoch: Epoch(1),
            revision: Revision(self.revision),
            at: Now {
                mono: Mono(0),
                wall: Wall(1),
            },
            is_look,
            words: vec![Word { before, thing }],
        });
        self.ear.wake();
    }

    /// The kinds of all events, in order.
    fn kinds(self) -> Vec<Kind> {
        self.ear.close();
        assert_eq!(self.thread.join().unwrap(), Revision(self.revision));
        self.log.close().unwrap();
        let events = self.log.reader().newest(&Filter::default(), 100).unwrap();
        events.iter().rev().map(|event| event.kind).collect()
    }
}

use Status::{Healthy, Unhealthy, Unknown};

#[test]
fn what_the_file_declares_is_recalled_as_all_else_is() {
    let mut heard = begin();
    // There from the first revision on, and then known to have been ill.
    heard.hear(None, service(Unknown, None));
    heard.hear(Some(Unknown), service(Unknown, Some(Unhealthy)));
    heard.hear(Some(Unknown), service(Unhealthy, None));
    heard.hear(Some(Unhealthy), service(Healthy, None));
    assert_eq!(heard.kinds(), [Kind::Transition, Kind::Transition, Kind::Recover]);
}

#[test]
fn what_is_looked_at_anew_is_no_event_and_is_judged_by() {
    let mut heard = begin();
    heard.hear(None, service(Healthy, None));
    heard.tell(Some(Unhealthy), service(Unhealthy, None), true);
    heard.hear(Some(Unhealthy), service(Healthy, None));
    assert_eq!(heard.kinds(), [Kind::Transition, Kind::Recover]);
}

#[test]
fn who_was_back_before_it_was_recalled_is_judged_by_what_it_is() {
    let mut heard = begin();
    heard.hear(None, instance("a", Healthy, None));
    while heard.ear.waiting() > 0 {
        thread::yield_now();
    }
    heard.ear.recall([(EntityKey::Instance(id()), Unhealthy)]);
    heard.hear(Some(Healthy), instance("a", Unhealthy, None));
    assert_eq!(heard.kinds(), [Kind::Degrade]);
}

#[test]
fn who_was_ill_before_the_start_has_not_degraded() {
    let mut heard = begin();
    heard.ear.recall([(EntityKey::Instance(id()), Unhealthy)]);
    heard.hear(Some(Unknown), instance("a", Unhealthy, None));
    assert_eq!(heard.kinds(), [Kind::Transition]);
}

#[test]
fn the_system_is_judged_by_what_it_was_unless_it_has_been_judged() {
    let ill = || [(EntityKey::System, Unhealthy)];
    let mut before = begin();
    before.hear(None, system(Unknown));
    before.ear.recall(ill());
    before.hear(Some(Unknown), system(Unhealthy));
    assert_eq!(before.kinds(), [Kind::Transition, Kind::Transition]);
    let mut behind = begin();
    behind.hear(None, system(Healthy));
    while behind.ear.waiting() > 0 {
        thread::yield_now();
    }
    behind.ear.recall(ill());
    behind.hear(Some(Healthy), system(Unhealthy));
    assert_eq!(behind.kinds(), [Kind::Transition, Kind::Degrade]);
}

#[test]
fn another_life_is_a_restart() {
    let mut heard = begin();
    heard.hear(None, instance("a", Healthy, None));
    heard.hear(Some(Healthy), instance("b", Healthy, None));
    heard.hear(Some(Healthy), instance("b", Healthy, None));
    assert_eq!(heard.kinds(), [Kind::Restart]);
}
