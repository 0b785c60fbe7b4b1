//! What is put into the store: plain data.

use ward_model::{
    Criticality, Dependency, Epoch, Freshness, Incarnation, InstanceId, Maintenance, MinHealthy, Name,
    Reason, Revision, Status, Wall,
};

/// One thing to remember.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// The system or a service became something else: its status, its reason or its maintenance. At most one of a subject in
    /// a revision.
    Transition(Transition),
    /// A service as it is now.
    Service(KnownService),
    /// A service is no more; its instances are told each for itself. Ends its history until its next transition.
    ServiceGone(Name),
    /// An instance as it is now.
    Instance(KnownInstance),
    /// An instance is no more.
    InstanceGone(InstanceId),
    /// A window of maintenance, in force or to come; one for each service.
    Maintenance(Maintenance),
    /// The window of a service ended, or was called off.
    MaintenanceEnded(Name),
    /// Something that is kept for its owner, who alone knows what it means, or (`None`) no more: the last word of a kind and a
    /// key.
    Keep {
        /// Of which kind.
        kind: Kept,
        /// Under which key; no longer than a thousand bytes, because a PostgreSQL refuses those of some thousands.
        key: String,
        /// What; `None` if it is no more.
        body: Option<String>,
    },
    /// What was seen of the system (`None`) or a service, for looking at it again later. Newer than all that was put before.
    Record {
        /// When.
        at: Wall,
        /// Of what.
        subject: Option<Name>,
        /// What, as whoever looks at it again understands it.
        body: String,
    },
    /// The aggregator lives and watches. Put every few seconds: what passes between the last of these and the next start is
    /// time in which nobody watched.
    Alive(Wall),
}

/// What is kept by key for its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kept {
    /// An alert. Restoring a backup drops it: see [`restore`](crate::restore).
    Alert,
    /// What is yet to be delivered to somebody. Restoring a backup drops it as well.
    Owed,
    /// That somebody works on alerts.
    Acknowledgement,
}

/// What was recorded, as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Wall,
    /// Of what; `None` for the system.
    pub subject: Option<Name>,
    /// What.
    pub body: String,
}

/// The system or a service became something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Wall,
    /// In which life of the aggregator.
    pub epoch: Epoch,
    /// In which revision.
    pub revision: Revision,
    /// What; `None` for the system.
    pub subject: Option<Name>,
    /// Its status from now on.
    pub status: Status,
    /// Why, for machines.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
    /// Whether it is in maintenance from now on.
    pub maintenance: bool,
}

/// What is worth knowing of a service after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KnownService {
    /// Its name.
    pub name: Name,
    /// How much it matters.
    pub criticality: Criticality,
    /// How many instances are wanted.
    pub min_healthy: MinHealthy,
    /// What it needs.
    pub dependencies: Vec<Dependency>,
    /// Its last status.
    pub status: Status,
    /// Why, for machines.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
    /// Since when.
    pub since: Wall,
}

/// What is worth knowing of an instance after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownInstance {
    /// Who.
    pub id: InstanceId,
    /// In which life.
    pub incarnation: Incarnation,
    /// How often it is to be heard, in milliseconds.
    pub interval_ms: u32,
    /// Its last status.
    pub status: Status,
    /// Whether one still heard from it.
    pub freshness: Freshness,
}
