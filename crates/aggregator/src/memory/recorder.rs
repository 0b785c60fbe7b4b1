//! Remembers what was published: each transition in the audit log and in the history, and what is last known of everybody.
//!
//! A thread of its own behind the [`Ear`], so that neither the decision nor an edge ever waits for a disk. It keeps of each
//! instance eight bytes and of each service hardly more, so that only what is new is put. It decides nothing.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::sync::Notify;
use ward_audit::{Draft, Kind, Log, Source};
use ward_model::{EntityKey, Maintenance, Name, Reason, Revision, ServiceState, Status};
use ward_store::{KnownInstance, Store, Transition, Write};

use super::{
    ear::{Ear, Heard, Missed, Thing, Word},
    judged::Judged,
    standing::HELD_UP,
    words::{self, Verdict},
};
use crate::maintenance;

/// How long to gather what comes in a row, so that it is woken for once.
const GATHER: Duration = Duration::from_millis(2);
/// How long to wait for room in the log's queue before looking again: as long as it takes to write a batch.
const ROOM: Duration = Duration::from_millis(1);

/// See the module.
pub(super) struct Recorder {
    ear: Ear,
    log: Option<Log>,
    store: Option<Store>,
    /// Told when something was missed, and what is known has to be looked at anew.
    missed: Arc<Notify>,
    judged: Judged,
    system: Option<(Status, Reason)>,
    services: HashMap<Name, Kept>,
    /// What was put last of each instance, as hashes of its name and of what is known of it.
    instances: HashMap<u64, Print>,
    hashes: RandomState,
}

/// What was put last of an instance, as hashes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Print {
    life: u32,
    rest: u32,
}

/// What was put last of a service.
#[derive(Default)]
struct Kept {
    /// Status, reason and maintenance in its history.
    told: Option<(Status, Reason, bool)>,
    /// As a hash: names and words of ten thousand services are megabytes.
    known: Option<u64>,
    maintenance: Option<Box<Maintenance>>,
}

impl Recorder {
    pub(super) fn new(ear: Ear, log: Option<Log>, store: Option<Store>, missed: Arc<Notify>) -> Self {
        Self {
            ear,
            log,
            store,
            missed,
            judged: Judged::default(),
            system: None,
            services: HashMap::new(),
            instances: HashMap::new(),
            hashes: RandomState::new(),
        }
    }

    /// Until the ear is closed; then the last revision that was heard.
    pub(super) fn run(mut self) -> Revision {
        let me = thread::current();
        let mut last = Revision::default();
        loop {
            let taken = self.ear.take(&me);
            let nothing =
                taken.heard.is_empty() && taken.missed.is_none() && !taken.lost && taken.ill.is_empty();
            if taken.lost {
                self.lose();
            }
            for (key, status) in taken.ill {
                if !self.has_seen(&key) {
                    self.judged.recall(&key, status);
                }
            }
            for heard in taken.heard {
                last = heard.revision;
                self.remember(heard);
            }
            if let Some(missed) = taken.missed {
                self.miss(missed);
            }
            match (nothing, taken.over) {
                (true, true) => return last,
                (true, false) => thread::park(),
                (false, _) => thread::sleep(GATHER),
            }
        }
    }

    /// Who has come back meanwhile was left alone, and is judged already.
    fn has_seen(&self, key: &EntityKey) -> bool {
        match key {
            EntityKey::System => self.system.is_some_and(|(status, _)| status != Status::Unknown),
            EntityKey::Service(name) => self.services.contains_key(name),
            EntityKey::Instance(id) => self.instances.contains_key(&self.hashes.hash_one(id)),
        }
    }

    fn remember(&mut self, heard: Heard) {
        for Word { before, thing } in &heard.words {
            match Verdict::of(thing) {
                Some(verdict) => {
                    if let Some(last) = verdict.last_status {
                        self.judged.recall(&verdict.key, last);
                    }
                    if *before != Some(verdict.status) {
                        self.note(&verdict, *before, &heard);
                    } else if heard.is_look {
                        self.judged.judge(&verdict.key, verdict.status);
                    }
                }
                None => {
                    if let Thing::Removed(key) = thing {
                        self.judged.forget(key);
                    }
                }
            }
            self.keep(thing, &heard);
        }
    }

    /// A status became another: an event.
    fn note(&mut self, verdict: &Verdict<'_>, before: Option<Status>, heard: &Heard) {
        let kind = self.judged.judge(&verdict.key, verdict.status);
        // That an instance came is an event if it came ill. After a restart all of them come.
        let comes = before.is_none() && matches!(verdict.key, EntityKey::Instance(_));
        if comes && kind == Kind::Transition {
            return;
        }
        self.record(
            verdict
                .draft(kind, before, heard.at)
                .at(heard.epoch, heard.revision),
        );
    }

    /// Waits for room: what comes meanwhile waits in the ear, which says so when it is full. Not for a disk that is stuck:
    /// what finds no room is counted by the log then, and the store goes on.
    fn record(&self, draft: Draft) {
        let Some(log) = &self.log else { return };
        while log.is_busy() && log.standing().held_up < HELD_UP {
            thread::sleep(ROOM);
        }
        log.record(draft);
    }

    /// What is known of a thing from now on.
    fn keep(&mut self, thing: &Thing, heard: &Heard) {
        match thing {
            Thing::System(system) => {
                let now = (system.condition.status, system.condition.reason);
                if self.system.replace(now) != Some(now) {
                    let transition = transition(None, &system.condition, false, heard);
                    self.put(Write::Transition(transition));
                }
            }
            Thing::Service(service) => self.keep_service(service, heard),
            Thing::Instance(instance) => {
                if let Some(known) = words::known_instance(instance) {
                    self.keep_instance(known, heard);
                }
            }
            Thing::Removed(key) => self.let_go(key),
        }
    }

    fn keep_service(&mut self, service: &ServiceState, heard: &Heard) {
        let mut kept = self.services.remove(&service.name).unwrap_or_default();
        let in_maintenance = service.maintenance.is_some();
        let now = (service.condition.status, service.condition.reason, in_maintenance);
        if kept.told.replace(now) != Some(now) {
            let name = Some(service.name.clone());
            let transition = transition(name, &service.condition, in_maintenance, heard);
            self.put(Write::Transition(transition));
        }
        if let Some(mut known) = words::known_service(service)
            && kept.known.replace(self.hashes.hash_one(&known)) != Some(self.hashes.hash_one(&known))
        {
            // What is out of sight was ill, and is by the next verdict that it is.
            if known.status == Status::Unknown {
                let key = EntityKey::Service(known.name.clone());
                known.status = self.judged.ill(&key).unwrap_or(Status::Unknown);
            }
            self.put(Write::Service(known));
        }
        if kept.maintenance.as_deref() != service.maintenance.as_ref() {
            let before = kept.maintenance.take();
            self.keep_maintenance(service, before.as_deref(), heard);
            kept.maintenance = service.maintenance.clone().map(Box::new);
        }
        self.services.insert(service.name.clone(), kept);
    }

    /// Windows of the configuration are started again by whoever keeps those.
    fn keep_maintenance(&self, service: &ServiceState, before: Option<&Maintenance>, heard: &Heard) {
        match &service.maintenance {
            Some(window) if window.by != maintenance::BY => self.put(Write::Maintenance(window.clone())),
            _ => self.put(Write::MaintenanceEnded(service.name.clone())),
        }
        // Nobody ended it: its time was up.
        let up = before.filter(|window| window.end.is_some_and(|end| end <= heard.at.wall));
        if let (None, Some(window)) = (&service.maintenance, up) {
            let draft = Draft::new(
                Kind::MaintenanceEnd,
                Source::Engine,
                service.name.as_str(),
                heard.at,
            )
            .at(heard.epoch, heard.revision);
            self.record(
                draft
                    .with("by", window.by.as_str())
                    .with("why", window.why.as_str())
                    .with("reason", "its time was up"),
            );
        }
    }

    fn keep_instance(&mut self, known: KnownInstance, heard: &Heard) {
        let key = self.hashes.hash_one(&known.id);
        let print = self.print(&known);
        let before = self.instances.insert(key, print);
        if before.is_some_and(|before| before.life != print.life) {
            let subject = words::subject(&EntityKey::Instance(known.id.clone()));
            let draft = Draft::new(Kind::Restart, Source::Liveness, subject, heard.at)
                .at(heard.epoch, heard.revision)
                .with("incarnation", known.incarnation.to_string());
            self.record(draft);
        }
        if before != Some(print) {
            self.put(Write::Instance(known));
        }
    }

    fn print(&self, known: &KnownInstance) -> Print {
        // Half of a hash is as good.
        let half = |hash: u64| (hash >> 32) as u32;
        let rest = (known.interval_ms, known.status as u8, known.freshness as u8);
        Print {
            life: half(self.hashes.hash_one(&known.incarnation)),
            rest: half(self.hashes.hash_one(rest)),
        }
    }

    fn let_go(&mut self, key: &EntityKey) {
        match key {
            EntityKey::System => {}
            EntityKey::Service(name) => {
                self.services.remove(name);
                self.put(Write::ServiceGone(name.clone()));
            }
            EntityKey::Instance(id) => {
                self.instances.remove(&self.hashes.hash_one(id));
                self.put(Write::InstanceGone(id.clone()));
            }
        }
    }

    fn put(&self, write: Write) {
        if let Some(store) = &self.store {
            store.put(write);
        }
    }

    /// The store knows nothing any more: all is put again once it is looked at.
    fn lose(&mut self) {
        self.instances.clear();
        for kept in self.services.values_mut() {
            (kept.known, kept.maintenance) = (None, None);
        }
        self.missed.notify_one();
    }

    fn miss(&mut self, missed: Missed) {
        let Missed {
            epoch,
            from,
            to,
            since,
            removed,
        } = missed;
        for key in &removed {
            self.judged.forget(key);
            self.let_go(key);
        }
        tracing::warn!(
            from = from.0,
            to = to.0,
            "more happened at once than can be remembered"
        );
        let draft = Draft::new(Kind::LogGap, Source::Audit, "audit", since)
            .at(epoch, to)
            .with("from_revision", from.0.to_string())
            .with("to_revision", to.0.to_string())
            .with("reason", "more happened at once than can be remembered");
        self.record(draft);
        self.missed.notify_one();
    }
}

fn transition(
    subject: Option<Name>,
    condition: &ward_model::Condition,
    maintenance: bool,
    heard: &Heard,
) -> Transition {
    Transition {
        at: heard.at.wall,
        epoch: heard.epoch,
        revision: heard.revision,
        subject,
        status: condition.status,
        reason: condition.reason,
        message: condition.message.clone(),
        maintenance,
    }
}

#[cfg(test)]
mod tests;
