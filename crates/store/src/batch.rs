//! What is written in one transaction.
//!
//! Rows as they are kept, without the ids that names have in a database: those are the session's. A batch that is refused is
//! taken apart here, and written piece by piece.

use std::mem;

use ward_model::{Freshness, Incarnation, InstanceId, Maintenance, Name, SpanReason, Status, Wall};

use crate::write::{Kept, KnownService};

/// A transition as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptTransition {
    pub(crate) subject: Option<Name>,
    pub(crate) at: Wall,
    pub(crate) epoch: u64,
    pub(crate) revision: u64,
    pub(crate) status: Status,
    pub(crate) reason: SpanReason,
    pub(crate) message: String,
    pub(crate) maintenance: bool,
}

/// An instance without its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) incarnation: Incarnation,
    pub(crate) interval_ms: u32,
    pub(crate) status: Status,
    pub(crate) freshness: Freshness,
}

/// A record with its place among those of this life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptRecord {
    pub(crate) at: Wall,
    /// Keeps order within a millisecond, and lets a row that is written twice be known for the same.
    pub(crate) seq: u64,
    pub(crate) subject: Option<Name>,
    pub(crate) body: String,
}

/// What is written in one transaction. Written twice it changes nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    /// All last known state is to be dropped first.
    pub(crate) forget: bool,
    pub(crate) transitions: Vec<KeptTransition>,
    pub(crate) services: Vec<(Name, Option<KnownService>)>,
    pub(crate) instances: Vec<(InstanceId, Option<Instance>)>,
    pub(crate) maintenance: Vec<(Name, Option<Maintenance>)>,
    pub(crate) kept: Vec<((Kept, String), Option<String>)>,
    pub(crate) records: Vec<KeptRecord>,
    /// The end of a hole in what was recorded.
    pub(crate) hole: Option<Wall>,
    pub(crate) alive: Option<Wall>,
}

impl Batch {
    pub(crate) fn rows(&self) -> usize {
        let known = self.services.len() + self.instances.len() + self.maintenance.len();
        self.transitions.len() + known + self.kept.len() + self.records.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows() == 0 && self.alive.is_none() && self.hole.is_none() && !self.forget
    }

    /// Its second half, to be written behind it.
    pub(crate) fn split_off(&mut self) -> Self {
        let mut keep = self.rows() / 2;
        Self {
            forget: false,
            transitions: behind(&mut self.transitions, &mut keep),
            services: behind(&mut self.services, &mut keep),
            instances: behind(&mut self.instances, &mut keep),
            maintenance: behind(&mut self.maintenance, &mut keep),
            kept: behind(&mut self.kept, &mut keep),
            records: behind(&mut self.records, &mut keep),
            hole: self.hole.take(),
            alive: self.alive.take(),
        }
    }

    /// Drops its only row; in the place of a transition, or behind a record, it says that one is missing. `false` if that is what was dropped.
    pub(crate) fn leave_out(&mut self) -> bool {
        let (forget, alive) = (self.forget, self.alive);
        let mut all = mem::take(self);
        let (lost, record) = (all.transitions.pop(), all.records.pop());
        (self.forget, self.alive) = (forget, alive);
        self.hole = all.hole.max(record.map(|record| record.at));
        let counted = lost
            .as_ref()
            .is_some_and(|lost| lost.reason == SpanReason::NotRecorded);
        self.transitions
            .extend(lost.filter(|_| !counted).map(not_recorded));
        !counted
    }
}

/// All but the first `keep`, which then counts those that are yet to be kept.
fn behind<T>(rows: &mut Vec<T>, keep: &mut usize) -> Vec<T> {
    let rest = rows.split_off(rows.len().min(*keep));
    *keep -= rows.len();
    rest
}

/// What stands for a transition that is left out.
pub(crate) fn not_recorded(lost: KeptTransition) -> KeptTransition {
    KeptTransition {
        status: Status::Unknown,
        reason: SpanReason::NotRecorded,
        message: String::new(),
        maintenance: false,
        ..lost
    }
}
