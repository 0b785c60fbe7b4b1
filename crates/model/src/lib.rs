//! The vocabulary of Ward: what is said by reporters, what is known of the system, and the order of badness.
//!
//! Plain data. It knows nothing of the wire, of time sources or of how a verdict is reached, and depends on nothing but
//! serde, so that every other room can speak it. What has an invariant ([`Name`], [`Incarnation`]) can only be made
//! through its check; everything else has public fields.

mod alert;
mod audit;
pub mod bounds;
mod change;
mod explain;
mod history;
mod known;
mod name;
mod report;
mod spiffe;
mod state;
mod status;
mod time;

pub use alert::{
    Acknowledgement, Alert, AlertKey, AlertState, InvalidRuleName, RuleName, Severity, Suppression,
};
pub use audit::AuditHead;
pub use change::{Change, ChangeSet, Entity, EntityKey};
pub use explain::{CausalChain, CausalLink, Evidence, Explanation};
pub use history::{Day, History, HistoryDay, HistorySpan, InvalidDay, SpanReason, Uptime};
pub use known::{KnownInstance, KnownService};
pub use name::{Incarnation, InstanceId, InvalidName, Name};
pub use report::{
    CheckDeclaration, CheckKind, CheckResult, Criticality, Dependency, DependencyKind, Hello, MinHealthy,
    SignalDeclaration, SignalLevel, SignalValue, Update,
};
pub use spiffe::{SPIFFE_ID_BYTES, is_spiffe_id};
pub use state::{
    CheckState, InstanceCounts, InstanceState, Maintenance, ObserverState, ServiceCounts, ServiceState,
    SignalState, SystemState,
};
pub use status::{Condition, Freshness, Reason, Status};
pub use time::{Epoch, Mono, Now, Revision, Wall};
