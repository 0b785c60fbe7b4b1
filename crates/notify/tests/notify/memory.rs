//! An outbox in memory, that remembers what it was like before each thing that was done to it.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use ward_notify::{Later, Outbox};

pub(crate) type Kept = BTreeMap<String, String>;

type Watcher = Box<dyn FnMut(&Kept) + Send>;

#[derive(Default)]
pub(crate) struct Memory {
    kept: Mutex<Kept>,
    /// What `durable` says is false.
    pub(crate) away: Mutex<bool>,
    asked: Mutex<usize>,
    watcher: Mutex<Option<Watcher>>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

impl Memory {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn with(kept: Kept) -> Arc<Self> {
        let memory = Self::default();
        *memory.kept.lock() = kept;
        Arc::new(memory)
    }

    pub(crate) fn kept(&self) -> Kept {
        self.kept.lock().clone()
    }

    /// It is another one.
    pub(crate) fn lose(&self) {
        self.kept.lock().clear();
    }

    /// How often it was asked whether all is on disk.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.lock()
    }

    /// Is shown what is kept before anything is done.
    pub(crate) fn watch(&self, watcher: impl FnMut(&Kept) + Send + 'static) {
        *self.watcher.lock() = Some(Box::new(watcher));
    }

    fn show(&self) {
        if let Some(watcher) = &mut *self.watcher.lock() {
            watcher(&self.kept());
        }
    }
}

impl Outbox for Memory {
    fn keep(&self, key: String, body: Option<String>) {
        self.show();
        let mut kept = self.kept.lock();
        match body {
            Some(body) => kept.insert(key, body),
            None => kept.remove(&key),
        };
    }

    fn durable(&self) -> Later<'_, bool> {
        self.show();
        *self.asked.lock() += 1;
        let away = *self.away.lock();
        Box::pin(async move { !away })
    }

    fn kept(&self) -> Later<'_, Vec<(String, String)>> {
        let kept = self.kept().into_iter().collect();
        Box::pin(async move { kept })
    }
}
