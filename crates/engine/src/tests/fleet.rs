//! A small fleet to drive an engine with: it owns the clock and says hello, updates and beats.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ward_model::{
    ChangeSet, CheckDeclaration, CheckKind, CheckResult, Criticality, Dependency, DependencyKind, Epoch,
    Hello, Incarnation, InstanceId, InstanceState, Mono, Name, Now, SignalDeclaration, SignalLevel,
    SignalValue, Status, Update, Wall,
};

use crate::{Config, Declaration, Engine, Event, Outcome, Registered, Reply, Slab, StreamId, Tick};

pub(super) fn name(text: &str) -> Name {
    Name::new(text).expect("a valid name")
}

pub(super) fn id(service: &str, instance: &str) -> InstanceId {
    InstanceId {
        service: name(service),
        instance: name(instance),
    }
}

pub(super) fn life(text: &str) -> Incarnation {
    Incarnation::new(text).expect("a valid incarnation")
}

pub(super) fn hello(service: &str, instance: &str) -> Hello {
    Hello {
        id: id(service, instance),
        incarnation: life("first"),
        version: String::new(),
        interval: Duration::from_secs(1),
        labels: BTreeMap::new(),
        criticality: None,
        dependencies: Vec::new(),
        checks: Vec::new(),
        signals: Vec::new(),
        min_healthy: None,
        startup_deadline: Duration::from_secs(300),
        sequence: 1,
        results: Vec::new(),
        values: Vec::new(),
    }
}

/// Saying more in a hello.
pub(super) trait Saying {
    fn life(self, text: &str) -> Self;
    fn critical(self) -> Self;
    fn needs(self, service: &str, kind: DependencyKind) -> Self;
    fn any_of(self, group: &str, services: &[&str]) -> Self;
    fn check(self, check: &str, kind: CheckKind, subject: Option<&str>) -> Self;
    fn result(self, check: &str, status: Status) -> Self;
    fn signal(self, signal: &str, degraded: f64, unhealthy: f64) -> Self;
}

impl Saying for Hello {
    fn life(mut self, text: &str) -> Self {
        self.incarnation = life(text);
        self
    }

    fn critical(mut self) -> Self {
        self.criticality = Some(Criticality::Critical);
        self
    }

    fn needs(mut self, service: &str, kind: DependencyKind) -> Self {
        self.dependencies.push(Dependency {
            service: name(service),
            kind,
            any_of: None,
        });
        self
    }

    fn any_of(mut self, group: &str, services: &[&str]) -> Self {
        self.dependencies
            .extend(services.iter().map(|service| Dependency {
                service: name(service),
                kind: DependencyKind::Hard,
                any_of: Some(name(group)),
            }));
        self
    }

    fn check(mut self, check: &str, kind: CheckKind, subject: Option<&str>) -> Self {
        self.checks.push(CheckDeclaration {
            name: name(check),
            kind,
            subject: subject.map(name),
        });
        self
    }

    fn result(mut self, check: &str, status: Status) -> Self {
        self.results.push(CheckResult {
            name: name(check),
            status,
            message: format!("{check} says {status}"),
        });
        self
    }

    fn signal(mut self, signal: &str, degraded: f64, unhealthy: f64) -> Self {
        let level = |raise: f64| {
            Some(SignalLevel {
                raise,
                clear: raise * 0.8,
            })
        };
        self.signals.push(SignalDeclaration {
            name: name(signal),
            degraded: level(degraded),
            unhealthy: level(unhealthy),
        });
        self
    }
}

#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) engine: Engine,
    slab: Arc<Slab>,
    pub(super) now: Mono,
    ingress: u64,
    entropy: u64,
    /// Live members: what they beat and the sequence they are at.
    pub(super) members: BTreeMap<InstanceId, (Registered, StreamId, u64)>,
    next_stream: u64,
    /// Streams were told to ask for renewals, and did not.
    pub(super) renewals: bool,
    pub(super) told: Vec<ChangeSet>,
    /// It hears what is said of instances; else verdicts only.
    pub(super) tells: bool,
}

impl Fleet {
    pub(super) fn new(config: Config) -> Self {
        let slab = Arc::new(Slab::default());
        let now = Mono(1_000_000_000);
        let engine = Engine::new(config, Epoch(1), slab.clone(), at(now));
        let members = BTreeMap::new();
        Self {
            engine,
            slab,
            now,
            ingress: 0,
            entropy: 7,
            members,
            next_stream: 0,
            renewals: false,
            told: Vec::new(),
            tells: true,
        }
    }

    pub(super) fn apply(&mut self, event: Event) -> Reply {
        self.ingress += 1;
        let outcome = self.decide(event);
        self.renewals |= outcome.renewals;
        self.told.extend(outcome.changes);
        outcome.reply
    }

    fn decide(&mut self, event: Event) -> Outcome {
        let now = at(self.now);
        if self.tells {
            self.engine.apply(event, now)
        } else {
            self.engine.decide(event, now)
        }
    }

    pub(super) fn join(&mut self, hello: Hello) -> Reply {
        let stream = StreamId(self.next_stream);
        self.next_stream += 1;
        let (id, sequence) = (hello.id.clone(), hello.sequence);
        let reply = self.apply(Event::Hello {
            stream: Some(stream),
            hello: Box::new(hello),
        });
        if let Reply::Registered(registered) = reply {
            self.members.insert(id, (registered, stream, sequence));
        }
        reply
    }

    pub(super) fn join_all(&mut self, service: &str, instances: &[&str]) {
        for instance in instances {
            assert!(matches!(
                self.join(hello(service, instance)),
                Reply::Registered(_)
            ));
        }
    }

    pub(super) fn say(&mut self, id: &InstanceId, check: &str, status: Status) -> Reply {
        let result = CheckResult {
            name: name(check),
            status,
            message: format!("{check} says {status}"),
        };
        self.update(id, vec![result], Vec::new())
    }

    pub(super) fn measure(&mut self, id: &InstanceId, signal: &str, value: f64) -> Reply {
        self.update(
            id,
            Vec::new(),
            vec![SignalValue {
                name: name(signal),
                value,
            }],
        )
    }

    pub(super) fn update(
        &mut self,
        id: &InstanceId,
        results: Vec<CheckResult>,
        values: Vec<SignalValue>,
    ) -> Reply {
        let (registered, _, sequence) = self.members.get_mut(id).expect("a member");
        *sequence += 1;
        let update = Update {
            sequence: *sequence,
            full: false,
            results,
            values,
        };
        let slot = registered.slot;
        self.apply(Event::Update { slot, update })
    }

    pub(super) fn once(&mut self, hello: Hello) -> Reply {
        self.apply(Event::Hello {
            stream: None,
            hello: Box::new(hello),
        })
    }

    pub(super) fn anonymous(&mut self, hello: Hello) -> Reply {
        self.apply(Event::HelloAnonymous {
            hello: Box::new(hello),
        })
    }

    pub(super) fn declare(&mut self, service: &str, declaration: Option<Declaration>) {
        let reply = self.apply(Event::DeclareAll(vec![(name(service), declaration)]));
        assert_eq!(reply, Reply::Done);
    }

    /// Every stream asks which intervals are others now, and beats by them.
    pub(super) fn renew(&mut self) {
        self.renewals = false;
        let streams: Vec<_> = self.members.values().map(|&(_, stream, _)| stream).collect();
        for stream in streams {
            let Reply::Renewed(renewed) = self.apply(Event::Renew { stream }) else {
                panic!("renewals are the answer");
            };
            for registered in renewed {
                let mut members = self.members.values_mut();
                let member = members.find(|(known, ..)| known.slot == registered.slot);
                member.expect("a member of the stream").0 = registered;
            }
        }
    }

    pub(super) fn instance(&self, service: &str, instance: &str) -> InstanceState {
        let states = self.engine.instances(&name(service), usize::MAX);
        let of = |state: &InstanceState| state.id.instance.as_str() == instance;
        states.into_iter().find(of).expect("an instance")
    }

    /// Its connection breaks.
    pub(super) fn cut(&mut self, id: &InstanceId) {
        if let Some((_, stream, _)) = self.members.remove(id) {
            self.apply(Event::StreamEnded {
                stream,
                by_peer: true,
            });
        }
    }

    pub(super) fn beat(&mut self, id: &InstanceId) {
        if let Some((registered, ..)) = self.members.get(id) {
            self.ingress += 1;
            self.slab
                .touch(registered.slot, self.now + registered.suspect_after);
        }
    }

    pub(super) fn tick(&mut self) {
        self.entropy = self
            .entropy
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let tick = Tick {
            entropy: self.entropy,
            ingress: self.ingress,
            suspended: Duration::ZERO,
        };
        let outcome = self.decide(Event::Tick(tick));
        self.told.extend(outcome.changes);
    }

    /// Lets time pass in ticks; those for whom `beats` says so beat every half second.
    pub(super) fn run(&mut self, time: Duration, beats: impl Fn(&InstanceId) -> bool) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + Duration::from_millis(10);
            if self.now.0 % 500_000_000 < 10_000_000 {
                let members: Vec<_> = self.members.keys().filter(|id| beats(id)).cloned().collect();
                members.iter().for_each(|id| self.beat(id));
            }
            self.tick();
        }
    }

    /// The same in longer steps, in which everybody for whom `beats` says so beats.
    pub(super) fn stride(&mut self, time: Duration, step: Duration, beats: impl Fn(&InstanceId) -> bool) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + step;
            let members: Vec<_> = self.members.keys().filter(|id| beats(id)).cloned().collect();
            members.iter().for_each(|id| self.beat(id));
            self.tick();
        }
    }

    pub(super) fn status(&self, service: &str) -> Status {
        self.engine
            .service(&name(service))
            .expect("a service")
            .condition
            .status
    }

    pub(super) fn system(&self) -> Status {
        self.engine.system().condition.status
    }

    pub(super) fn causes(&self, service: &str) -> Vec<String> {
        let service = self.engine.service(&name(service)).expect("a service");
        service.causes.iter().map(Name::to_string).collect()
    }
}

pub(super) fn at(mono: Mono) -> Now {
    Now {
        mono,
        wall: Wall(i64::try_from(mono.0 / 1_000_000).expect("a short history")),
    }
}
