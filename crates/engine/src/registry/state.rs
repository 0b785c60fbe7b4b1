//! What a report says about one instance, taken into the world: its checks, its signals, their values.

use ward_model::{
    CheckDeclaration, CheckKind, CheckResult, Hello, MinHealthy, Mono, Name, Now, SignalDeclaration,
    SignalLevel, SignalValue, Status, Update, Wall, bounds,
};

use crate::{
    Declaration, Engine, Levels,
    leaf::Leaf,
    world::{Check, InstanceIx, Signal, Subject},
};

impl Engine {
    /// The declarations and the full state of a hello. Returns how many results and values had no place.
    pub(super) fn take_hello_state(&mut self, ix: InstanceIx, hello: Hello, now: Now) -> u32 {
        let instance = &mut self.world.instances[ix];
        instance.sequence = hello.sequence;
        self.declare_checks(ix, hello.checks, now.mono + hello.startup_deadline, now);
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
                let message_changed = *check.message != *result.message;
                check.message = result.message.into();
                let changed = check
                    .leaf
                    .set(result.status, counts, instance.pace.interval(), at);
                let subject = check.subject.map(Subject::ix);
                if changed || message_changed || !counts {
                    subject
                        .into_iter()
                        .for_each(|subject| self.world.touch_service(subject));
                    self.world.touch_service(self.world.instances[ix].service());
                    self.world.touch_instance(ix);
                }
                true
            }
            None if instance.checks.len() < bounds::CHECKS => {
                let leaf = Leaf::new(result.status, now.wall);
                let name = self.world.services[instance.service()].shared(result.name);
                let bare = undeclared(name, now.wall);
                let mut checks = std::mem::take(&mut instance.checks).into_vec();
                checks.reserve_exact(1);
                checks.push(Check {
                    message: result.message.into(),
                    leaf,
                    pending: false,
                    ..bare
                });
                instance.checks = checks.into();
                self.world.touch_service(self.world.instances[ix].service());
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
        let interval = instance.pace.interval();
        let service = instance.service();
        let Some(signal) = instance
            .signals
            .iter_mut()
            .find(|signal| signal.name == value.name)
        else {
            let room = instance.signals.len() < bounds::SIGNALS;
            if room {
                let levels = self.world.services[service].levels(&value.name, Levels::default());
                let mut signal = Signal {
                    value: Some(value.value),
                    levels,
                    ..valueless(value.name, now.wall)
                };
                signal.leaf = Leaf::new(signal.at_level(Status::Healthy), now.wall);
                instance.signals.push(signal);
                self.world.services[service].signals = true;
                self.world.touch_service(service);
                self.world.touch_instance(ix);
            }
            return room;
        };
        signal.value = Some(value.value);
        let status = signal.at_level(signal.leaf.raw());
        // While it flaps, crossing a level changes what is said of it though not its status.
        let crossed = status != signal.leaf.raw();
        if signal.leaf.set(status, true, interval, at) || crossed {
            self.world.touch_service(self.world.instances[ix].service());
            self.world.touch_instance(ix);
        }
        true
    }

    /// Makes an instance's checks those declared; one that was there before keeps its word and its past. Those that
    /// were never declared stay.
    fn declare_checks(&mut self, ix: InstanceIx, declared: Vec<CheckDeclaration>, deadline: Mono, now: Now) {
        let service = self.world.instances[ix].service();
        if self.is_declared(ix, &declared) {
            return;
        }
        self.world.drop_observations(ix);
        let mut before = std::mem::take(&mut self.world.instances[ix].checks).into_vec();
        let mut checks = Vec::with_capacity(declared.len().min(bounds::CHECKS));
        for declaration in declared.into_iter().take(bounds::CHECKS) {
            let subject = self.world.subject(service, declaration.subject, now);
            let known = before.iter().position(|check| check.name == declaration.name);
            let check = match known {
                Some(place) => before.swap_remove(place),
                None => {
                    self.world.instances[ix].startup_due = deadline;
                    undeclared(self.world.services[service].shared(declaration.name), now.wall)
                }
            };
            let check = Check {
                kind: declaration.kind,
                subject,
                declared: true,
                ..check
            };
            self.world.add_observation(service, &check);
            checks.push(check);
        }
        let room = bounds::CHECKS - checks.len();
        checks.extend(before.into_iter().filter(|check| !check.declared).take(room));
        self.world.instances[ix].checks = checks.into();
        self.world.touch_instance(ix);
        self.world.touch_service(service);
    }

    /// The checks of an instance are those declared already, and no others.
    fn is_declared(&self, ix: InstanceIx, declared: &[CheckDeclaration]) -> bool {
        let services = &self.world.services;
        let same = |(check, declaration): (&Check, &CheckDeclaration)| {
            let subject = check.subject.map(|subject| &services[subject.ix()].name);
            (&check.name, check.kind, subject)
                == (&declaration.name, declaration.kind, declaration.subject.as_ref())
        };
        let checks = self.world.instances[ix].checks.iter();
        let before = checks.filter(|check| check.declared);
        before.clone().count() == declared.len() && before.zip(declared).all(same)
    }

    /// The same for signals; of those that were never declared with a level the value stays.
    fn declare_signals(&mut self, ix: InstanceIx, declared: Vec<SignalDeclaration>, now: Now) {
        let instance = &mut self.world.instances[ix];
        let shown =
            |signals: &[Signal]| -> Vec<Name> { signals.iter().map(|signal| signal.name.clone()).collect() };
        let names = shown(&instance.signals);
        let mut before = instance.signals.take();
        for SignalDeclaration {
            name,
            degraded,
            unhealthy,
        } in declared.into_iter().take(bounds::SIGNALS)
        {
            let known = before.iter().position(|signal| signal.name == name);
            let signal = known.map_or_else(|| valueless(name, now.wall), |place| before.swap_remove(place));
            instance.signals.push(Signal {
                declared: Levels { degraded, unhealthy },
                ..signal
            });
        }
        let room = bounds::SIGNALS - instance.signals.len();
        let bare = |signal: &Signal| signal.declared == Levels::default();
        let others = before.into_iter().filter(bare).take(room);
        others.for_each(|signal| instance.signals.push(signal));
        self.world.services[instance.service()].signals |= !instance.signals.is_empty();
        if shown(&instance.signals) != names {
            self.world.touch_instance(ix);
        }
        self.set_levels(ix, now);
    }

    /// Makes the levels of an instance's signals those in force: the file's, or those declared. A new level holds for the
    /// value that is there, whatever an old one had raised. True if any is another.
    pub(super) fn set_levels(&mut self, ix: InstanceIx, now: Now) -> bool {
        let instance = &mut self.world.instances[ix];
        let service = &self.world.services[instance.service()];
        let mut changed = false;
        for signal in instance.signals.iter_mut() {
            let levels = service.levels(&signal.name, signal.declared);
            if std::mem::replace(&mut signal.levels, levels) != levels {
                let (status, at) = (signal.at_level(Status::Healthy), (now.mono, now.wall));
                signal.leaf.set(status, false, instance.pace.interval(), at);
                changed = true;
            }
        }
        if changed {
            self.world.touch_instance(ix);
            self.world.touch_service(self.world.instances[ix].service());
        }
        changed
    }
}

/// A check as it is before anything is known of it: required, about its own service.
fn undeclared(name: Name, wall: Wall) -> Check {
    Check {
        name,
        kind: CheckKind::Required,
        subject: None,
        leaf: Leaf::new(Status::Unknown, wall),
        message: Box::default(),
        pending: true,
        declared: false,
        counted: None,
    }
}

/// A signal as it is before it has a value: idle, and no reason to doubt anything.
fn valueless(name: Name, wall: Wall) -> Signal {
    Signal {
        name,
        value: None,
        declared: Levels::default(),
        levels: Levels::default(),
        leaf: Leaf::new(Status::Healthy, wall),
    }
}

/// In what a hello differs from what is in force, in words.
pub(super) fn differences(in_force: &Declaration, declared: &Declaration, instead: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let (Some(is), Some(says)) = (in_force.criticality, declared.criticality)
        && is != says
    {
        found.push(format!("criticality {says:?} {instead} {is:?}").to_lowercase());
    }
    if let (Some(is), Some(says)) = (in_force.min_healthy, declared.min_healthy)
        && is != says
    {
        found.push(format!("min_healthy {} {instead} {}", amount(says), amount(is)));
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
            "dependencies [{}] {instead} [{}]",
            names(says),
            names(is)
        ));
    }
    if let (Some(is), Some(says)) = (in_force.interval, declared.interval)
        && is != says
    {
        found.push(format!("interval {says:?} {instead} {is:?}"));
    }
    for (signal, says) in &declared.levels {
        if let Some(is) = in_force.levels.get(signal).filter(|is| *is != says) {
            found.push(format!(
                "levels of {signal} {} {instead} {}",
                words(says),
                words(is)
            ));
        }
    }
    found
}

/// The same as one sentence; nothing of one that differs in nothing.
pub(super) fn disagreement(instance: &Name, differences: &[String]) -> Option<String> {
    (!differences.is_empty()).then(|| format!("{instance} declares {}", differences.join(", ")))
}

/// What a hello declares of what the file can overrule. Who leaves the interval at its default, or a signal without
/// levels, declares nothing of the kind.
pub(super) fn declared_by(hello: &Hello) -> Declaration {
    let levels = hello.signals.iter().map(|signal| {
        let &SignalDeclaration {
            degraded, unhealthy, ..
        } = signal;
        (signal.name.clone(), Levels { degraded, unhealthy })
    });
    Declaration {
        interval: Some(hello.interval).filter(|&interval| interval != bounds::INTERVAL_DEFAULT),
        levels: levels
            .filter(|(_, levels)| *levels != Levels::default())
            .collect(),
        criticality: hello.criticality,
        min_healthy: hello.min_healthy,
        dependencies: Some(hello.dependencies.clone()),
    }
}

/// Levels as people say them: `[degraded from 0.01 (clear below 0.005)]`.
fn words(levels: &Levels) -> String {
    let level = |status: &str, level: Option<SignalLevel>| {
        let level = level?;
        let clear = (level.clear != level.raise).then(|| format!(" (clear below {})", level.clear));
        Some(format!(
            "{status} from {}{}",
            level.raise,
            clear.unwrap_or_default()
        ))
    };
    let both = [
        level("degraded", levels.degraded),
        level("unhealthy", levels.unhealthy),
    ];
    let said: Vec<_> = both.into_iter().flatten().collect();
    format!("[{}]", said.join(" "))
}

fn amount(wanted: MinHealthy) -> String {
    match wanted {
        MinHealthy::Count(count) => count.to_string(),
        MinHealthy::Percent(percent) => format!("{percent}%"),
    }
}
