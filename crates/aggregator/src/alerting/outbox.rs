//! What is owed to receivers, kept in the store.

use std::{pin::Pin, sync::Arc, time::Duration};

use ward_notify::Outbox;
use ward_store::{Kept, Write};

use crate::memory::Memory;

/// How long a page waits to be on disk before it leaves without. The audit log has it by then.
const PATIENCE: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct StoreOutbox(pub(super) Arc<Memory>);

impl Outbox for StoreOutbox {
    fn keep(&self, key: String, body: Option<String>) {
        self.0.put(Write::Keep {
            kind: Kept::Owed,
            key,
            body,
        });
    }

    fn durable(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async {
            match self.0.store() {
                Ok(store) => store.durable_kept(PATIENCE).await,
                Err(_) => false,
            }
        })
    }

    fn kept(&self) -> Pin<Box<dyn Future<Output = Vec<(String, String)>> + Send + '_>> {
        Box::pin(super::restore::kept(&self.0, Kept::Owed))
    }
}
