//! What is kept of alerts in the store, so that a restart goes on with them.

use ward_model::{Acknowledgement, Alert, AlertState, Name};
use ward_store::{Kept, Write};

use crate::memory::Memory;

/// An alert as it is now; nothing of one that is over.
pub(super) fn alert(memory: &Memory, alert: &Alert) {
    memory.put(Write::Keep {
        kind: Kept::Alert,
        key: alert.key.to_string(),
        body: (!is_over(alert)).then(|| json(alert)),
    });
}

/// What `put` keeps, of alerts and of what is owed about them, is in the store as a whole or not at all.
pub(super) fn together(memory: &Memory, put: impl FnOnce()) {
    match memory.store() {
        Ok(store) => store.together(put),
        Err(_) => put(),
    }
}

/// Whether this is the machine's last word on it.
pub(super) fn is_over(alert: &Alert) -> bool {
    alert.state == AlertState::Resolved && alert.fired.is_none()
}

/// What is in force of a service, or nothing.
pub(super) fn acknowledgement(memory: &Memory, service: Option<&Name>, said: Option<&Acknowledgement>) {
    memory.put(Write::Keep {
        kind: Kept::Acknowledgement,
        key: service.map_or("system", Name::as_str).to_owned(),
        body: said.map(json),
    });
}

fn json(what: &impl serde::Serialize) -> String {
    serde_json::to_string(what).expect("strings, numbers and maps of strings make JSON")
}
