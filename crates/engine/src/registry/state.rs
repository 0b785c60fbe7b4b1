//! What a report says about one instance, taken into the world: its checks, its signals, their values.

use ward_model::{
    CheckDeclaration, CheckKind, CheckResult, Hello, Name, Now, SignalDeclaration, SignalValue, Status,
    Update, bounds,
};

use crate::{
    Declaration, Engine,
    leaf::Leaf,
    signal::cross,
    world::{Check, InstanceIx, Signal},
};

impl Engine {
    /// The declarations and the full state of a hello. Returns how many results and values had no place.
    pub(super) fn take_hello_state(&mut self, ix: InstanceIx, hello: Hello, now: Now) -> u32 {
        let instance = &mut self.world.instances[ix];
        instance.version = hello.version;
        instance.labels = hello.labels;
        instance.sequence = hello.sequence;
        self.declare_checks(ix, hello.checks, now);
        self.declare_signals(ix, hello.signals, now);
        let update = Update {
            sequence: hello.sequence,
            full: true,
            results: hello.results,
            values: hello.values,
        };
        self.take_state(ix, update, now)
    }

    /// Changed results and values. Returns how many had no place.
    pub(super) fn take_state(&mut self, ix: InstanceIx, update: Update, now: Now) -> u32 {
        let mut left_out = 0;
        for result in update.results {
            left_out += u32::from(!self.take_result(ix, result, now));
        }
        for value in update.values {
            left_out += u32::from(!self.take_value(ix, value, now));
        }
        left_out
    }

    fn take_result(&mut self, ix: InstanceIx, result: CheckResult, now: Now) -> bool {
        let instance = &mut self.world.instances[ix];
        let at = (now.mono, now.wall);
        match instance.checks.iter().position(|check| check.name == result.name) {
            Some(place) => {
                let check = &mut instance.checks[place];
                let counts = !std::mem::replace(&mut check.pending, false);
                let message_changed = check.message != result.message;
                check.message = result.message;
                let changed = check.leaf.set(result.status, counts, instance.interval, at);
                let subject = check.subject.as_ref().map(|&(_, subject)| subject);
                if changed || message_changed || !counts {
                    subject
                        .into_iter()
                        .for_each(|subject| self.world.touch_service(subject));
                    self.world.touch_service(self.world.instances[ix].service);
                    self.world.touch_instance(ix);
                }
                true
            }
            None if instance.checks.len() < bounds::CHECKS => {
                let leaf = Leaf::new(result.status, now.wall);
                instance.checks.push(Check {
                    message: result.message,
                    leaf,
                    pending: false,
                    ..undeclared(result.name)
                });
                self.world.touch_service(self.world.instances[ix].service);
                self.world.touch_instance(ix);
                true
            }
            None => false,
        }
    }

    /// Stores a value; only crossing a level concerns anybody else.
    fn take_value(&mut self, ix: InstanceIx, value: SignalValue, now: Now) -> bool {
        let instance = &mut self.world.instances[ix];
        let at = (now.mono, now.wall);
        let interval = instance.interval;
        let Some(signal) = instance
            .signals
            .iter_mut()
            .find(|signal| signal.name == value.name)
        else {
            let room = instance.signals.len() < bounds::SIGNALS;
            if room {
                let leaf = Leaf::new(Status::Healthy, now.wall);
                let signal = Signal {
                    name: value.name,
                    value: value.value,
                    degraded: None,
                    unhealthy: None,
                    leaf,
                };
                instance.signals.push(signal);
                self.world.touch_instance(ix);
            }
            return room;
        };
        signal.value = value.value;
        let status = cross(signal.leaf.raw(), value.value, signal.degraded, signal.unhealthy);
        if signal.leaf.set(status, true, interval, at) {
            self.world.touch_service(self.world.instances[ix].service);
            self.world.touch_instance(ix);
        }
        true
    }

    /// Makes an instance's checks those declared; one that was there before keeps its word and its past.
    fn declare_checks(&mut self, ix: InstanceIx, declared: Vec<CheckDeclaration>, now: Now) {
        let service = self.world.instances[ix].service;
        self.world.drop_observations(ix, |_| true);
        let mut before = std::mem::take(&mut self.world.instances[ix].checks);
        for declaration in declared.into_iter().take(bounds::CHECKS) {
            let subject = self.world.subject(service, declaration.subject, now);
            let known = before.iter().position(|check| check.name == declaration.name);
            let check = match known {
                Some(place) => Check {
                    kind: declaration.kind,
                    subject,
                    ..before.swap_remove(place)
                },
                None => Check {
                    kind: declaration.kind,
                    subject,
                    leaf: Leaf::new(Status::Unknown, now.wall),
                    ..undeclared(declaration.name)
                },
            };
            self.world.add_observation(service, &check);
            self.world.instances[ix].checks.push(check);
        }
        self.world.touch_instance(ix);
        self.world.touch_service(service);
    }

    fn declare_signals(&mut self, ix: InstanceIx, declared: Vec<SignalDeclaration>, now: Now) {
        let mut before = std::mem::take(&mut self.world.instances[ix].signals);
        let signals = declared.into_iter().take(bounds::SIGNALS).map(|declaration| {
            let SignalDeclaration {
                name,
                degraded,
                unhealthy,
            } = declaration;
            match before.iter().position(|signal| signal.name == name) {
                Some(place) => Signal {
                    degraded,
                    unhealthy,
                    ..before.swap_remove(place)
                },
                None => Signal {
                    name,
                    value: 0.0,
                    degraded,
                    unhealthy,
                    leaf: Leaf::new(Status::Healthy, now.wall),
                },
            }
        });
        self.world.instances[ix].signals = signals.collect();
    }
}

/// A check as it is before anything is known of it: required, about its own service.
fn undeclared(name: Name) -> Check {
    Check {
        name,
        kind: CheckKind::Required,
        subject: None,
        leaf: Leaf::new(Status::Unknown, ward_model::Wall::default()),
        message: String::new(),
        pending: true,
        counted: None,
    }
}

/// In what a hello differs from what is in force, in words.
pub(super) fn differences(in_force: &Declaration, declared: &Declaration) -> Vec<String> {
    let mut found = Vec::new();
    if let (Some(is), Some(says)) = (in_force.criticality, declared.criticality)
        && is != says
    {
        found.push(format!("criticality {says:?} instead of {is:?}").to_lowercase());
    }
    if let (Some(is), Some(says)) = (in_force.min_healthy, declared.min_healthy)
        && is != says
    {
        found.push(format!("min_healthy {says:?} instead of {is:?}").to_lowercase());
    }
    if let (Some(is), Some(says)) = (&in_force.dependencies, &declared.dependencies)
        && is != says
    {
        let names = |dependencies: &[ward_model::Dependency]| {
            let names: Vec<_> = dependencies
                .iter()
                .map(|dependency| dependency.service.as_str())
                .collect();
            names.join(" ")
        };
        found.push(format!(
            "dependencies [{}] instead of [{}]",
            names(says),
            names(is)
        ));
    }
    found
}
