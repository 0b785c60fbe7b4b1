//! How remembering stands, in metrics.

use std::{fmt, sync::Arc};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use ward_model::AuditHead;
use ward_tlog::Hash;

use super::collect::Family;
use crate::memory::Part;

/// What is shown of it.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) parts: [Part; 2],
    pub(super) head: Option<Arc<AuditHead>>,
}

impl Collector for Memory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = Family {
            encoder: &mut encoder,
        };
        let each = |value: fn(&Part) -> u64| {
            let parts = self.parts.iter();
            parts.map(move |part| ([("part", part.name)], value(part)))
        };
        let help = "1 while what is to be remembered is written";
        family.gauges(
            "ward_memory_up",
            help,
            each(|part| u64::from(part.wrong.is_none())),
        )?;
        let help = "What waits to be written";
        family.gauges("ward_memory_queued", help, each(|part| part.queued))?;
        let help = "What was left out, being too much or not to be written";
        family.counters("ward_memory_left_out", help, each(|part| part.left_out))?;
        let Some(head) = &self.head else { return Ok(()) };
        family.gauge("ward_audit_events", "Durable events of the audit log", head.size)?;
        let root = Hash(head.root).to_string();
        let labels = [("origin", head.origin.as_str()), ("root", root.as_str())];
        let help = "The root of the audit log over its durable events, in base64";
        family.gauges("ward_audit_head_info", help, [(labels, 1)])
    }
}
