//! What is in force, and how something else comes into force while the aggregator runs.
//!
//! A reload is decided as a whole before any of it takes effect: read, checked, compared with what is in force. What is
//! wrong changes nothing. Services whose declaration is the same hear nothing of it and keep their state; a service that the
//! file no longer names goes on with what it declares itself. Addresses and the data directory are held since the start:
//! what a reload says about them is named in the log and waits for a restart.

mod told;

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, watch},
    time,
};
use ward_audit::Draft;
use ward_config::{Errors, Loaded, Settings, Source};
use ward_engine::{Declaration, Event, Refusal, Reply};
use ward_model::{Name, Now};

use crate::{
    decider::{Decider, Unavailable},
    hub::Hub,
    memory::{Memory, NotRecorded},
    metrics::ConfigMetrics,
};

use told::Changed;

/// Reading takes milliseconds; what takes this long is not coming: a file system that has gone away.
const READING: Duration = Duration::from_secs(30);

/// What is in force, with its hash.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) settings: Settings,
    pub(crate) hash: String,
}

/// Holds what is in force, and tells who asks when that changes.
#[derive(Debug)]
pub(crate) struct Reloader {
    source: Option<Source>,
    now: watch::Sender<Arc<InForce>>,
    /// One reload at a time: each compares with what the one before made.
    one: Mutex<()>,
}

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Services that the configuration names and did not name before.
    pub added: Vec<Name>,
    /// Services about which it says something else than before.
    pub changed: Vec<Name>,
    /// Services that it no longer names. Those that are reported for go on with what they declare.
    pub removed: Vec<Name>,
    /// Keys of `[aggregator]`, and `[store]`, that say something else than at the start, and take a restart.
    pub waiting_for_restart: Vec<&'static str>,
    /// SHA-256 of what is in force now.
    pub hash: String,
}

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It was started with settings that came from nowhere.
    #[error("read the configuration again: it was given by the program, and there is no file to read")]
    NoSource,
    /// What was read at the start cannot be read twice: it would be empty now.
    #[error(
        "read the configuration again: {0:?} is a pipe or a device, which can be read once: start with --config FILE"
    )]
    NotAFile(PathBuf),
    /// Whoever keeps the file does not answer.
    #[error("read the configuration again: it was not read within {} s: is the file system there?", .0.as_secs())]
    TimedOut(Duration),
    /// Something in it is wrong.
    #[error("read the configuration again: {} wrong in it", things(.0.count()))]
    Invalid(#[source] Errors),
    /// It cannot come into force, such as one that names too many services with those that are there already.
    #[error("take over the configuration")]
    Refused(#[source] Refusal),
    /// It cannot be written down, and so does not come into force.
    #[error("take over the configuration: {0}")]
    NotRecorded(String),
    /// The aggregator is stopping.
    #[error("take over the configuration")]
    Unavailable,
}

impl From<NotRecorded> for ReloadError {
    fn from(error: NotRecorded) -> Self {
        Self::NotRecorded(error.to_string())
    }
}

impl From<Unavailable> for ReloadError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

fn things(count: usize) -> String {
    match count {
        1 => "one thing is".into(),
        count => format!("{count} things are"),
    }
}

impl InForce {
    fn new(settings: Settings) -> Self {
        let hash = settings.hash();
        Self { settings, hash }
    }
}

impl Reloader {
    pub(crate) fn new(settings: Settings, source: Option<Source>) -> Self {
        Self {
            source,
            now: watch::Sender::new(InForce::new(settings).into()),
            one: Mutex::new(()),
        }
    }

    /// What is in force at this moment.
    pub(crate) fn now(&self) -> Arc<InForce> {
        self.now.borrow().clone()
    }

    /// Sees each change, also one from before it looks.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<InForce>> {
        self.now.subscribe()
    }

    /// Reads the source again and brings what it says into force. Once begun it is finished, whoever waits for it.
    pub(crate) async fn reload(
        &self,
        decider: &Decider,
        hub: &Hub,
        memory: &Memory,
        metrics: &ConfigMetrics,
        now: impl Fn() -> Now,
    ) -> Result<Reloaded, ReloadError> {
        let _one = self.one.lock().await;
        let done = self.reload_alone(decider, hub, memory, now()).await;
        match &done {
            Ok(reloaded) => {
                metrics.succeeded(now().wall, &reloaded.hash);
                tell(reloaded);
            }
            Err(error) => {
                metrics.failed();
                blame(error);
            }
        }
        done
    }

    async fn reload_alone(
        &self,
        decider: &Decider,
        hub: &Hub,
        memory: &Memory,
        now: Now,
    ) -> Result<Reloaded, ReloadError> {
        let source = self.source.clone().ok_or(ReloadError::NoSource)?;
        let loaded = within(READING, move || load_again(&source)).await??;
        loaded
            .warnings
            .iter()
            .for_each(|warning| tracing::warn!("{warning}"));
        let before = self.now();
        let (settings, waiting_for_restart) = held(&before.settings, loaded.settings);
        let mut reloaded = differences(&before.settings, &settings);
        reloaded.waiting_for_restart = waiting_for_restart;
        let declarations = declarations(&before.settings, &settings);
        let in_force = InForce::new(settings);
        reloaded.hash.clone_from(&in_force.hash);
        let at = |draft: Draft| {
            let head = hub.head();
            draft.at(head.epoch, head.revision)
        };
        let intent = memory.intend(at(told::change(&before, &in_force, now))).await?;
        match decider.apply(Event::DeclareAll(declarations)).await {
            Ok(Reply::Refused(refusal)) => {
                memory.not_done(intent, &refusal.to_string());
                return Err(ReloadError::Refused(refusal));
            }
            Err(unavailable) => {
                memory.not_done(intent, &unavailable.to_string());
                return Err(unavailable.into());
            }
            Ok(_) => memory.done(intent),
        }
        told::rights(&before.settings.access, &in_force.settings.access, now)
            .into_iter()
            .for_each(|draft| memory.record(at(draft)));
        self.now.send_replace(in_force.into());
        Ok(reloaded)
    }
}

/// What `read` returns, if it does before `limit`. One that does not keeps a thread until it does, if ever: one for each
/// time that somebody asks for a reload and waits for `limit`, and the runtime has a bound for them.
async fn within<T: Send + 'static>(
    limit: Duration,
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ReloadError> {
    let reading = tokio::task::spawn_blocking(read);
    let read = time::timeout(limit, reading).await;
    read.map_err(|_| ReloadError::TimedOut(limit))?
        .map_err(|_| ReloadError::Unavailable)
}

/// At the start a pipe is a way to hand over a configuration. Read again it has ended, or waits for a writer.
fn load_again(source: &Source) -> Result<Loaded, ReloadError> {
    let is_once = |file: &PathBuf| fs::metadata(file).is_ok_and(|file| !file.is_file() && !file.is_dir());
    if let Some(file) = source.file().filter(is_once) {
        return Err(ReloadError::NotAFile(file));
    }
    source.load().map_err(ReloadError::Invalid)
}

/// `wanted` with what takes a restart as it is, and the keys of that.
fn held(before: &Settings, mut wanted: Settings) -> (Settings, Vec<&'static str>) {
    let mut waiting = Vec::new();
    fn hold<T: Clone + PartialEq>(
        waiting: &mut Vec<&'static str>,
        key: &'static str,
        before: &T,
        wanted: &mut T,
    ) {
        if before != wanted {
            waiting.push(key);
            wanted.clone_from(before);
        }
    }
    let (old, new) = (&before.aggregator, &mut wanted.aggregator);
    hold(&mut waiting, "grpc", &old.grpc, &mut new.grpc);
    hold(&mut waiting, "http", &old.http, &mut new.http);
    hold(&mut waiting, "data_dir", &old.data_dir, &mut new.data_dir);
    hold(&mut waiting, "insecure", &old.insecure, &mut new.insecure);
    hold(
        &mut waiting,
        "server_cert",
        &old.server_cert,
        &mut new.server_cert,
    );
    hold(&mut waiting, "server_key", &old.server_key, &mut new.server_key);
    hold(&mut waiting, "client_ca", &old.client_ca, &mut new.client_ca);
    hold(&mut waiting, "client_crl", &old.client_crl, &mut new.client_crl);
    hold(&mut waiting, "debug", &old.debug, &mut new.debug);
    hold(
        &mut waiting,
        "cors_origins",
        &old.cors_origins,
        &mut new.cors_origins,
    );
    hold(&mut waiting, "hosts", &old.hosts, &mut new.hosts);
    hold(&mut waiting, "[store]", &before.store, &mut wanted.store);
    (wanted, waiting)
}

fn differences(before: &Settings, after: &Settings) -> Reloaded {
    let services = Changed::new(before.services.iter(), after.services.iter());
    let owned = |names: Vec<&Name>| names.into_iter().cloned().collect();
    Reloaded {
        added: owned(services.added),
        changed: owned(services.changed),
        removed: owned(services.removed),
        ..Reloaded::default()
    }
}

/// What the engine must hear.
fn declarations(before: &Settings, after: &Settings) -> Vec<(Name, Option<Declaration>)> {
    let known = |name: &Name| before.services.get(name).map(|service| &service.declaration);
    let removed = before
        .services
        .keys()
        .filter(|name| !after.services.contains_key(*name));
    let said = after
        .services
        .iter()
        .filter(|(name, service)| known(name) != Some(&service.declaration));
    removed
        .map(|name| (name.clone(), None))
        .chain(said.map(|(name, service)| (name.clone(), Some(service.declaration.clone()))))
        .collect()
}

fn tell(reloaded: &Reloaded) {
    let Reloaded {
        added,
        changed,
        removed,
        waiting_for_restart,
        hash,
    } = reloaded;
    tracing::info!(
        added = added.len(),
        changed = changed.len(),
        removed = removed.len(),
        hash,
        "the configuration was read again"
    );
    if !waiting_for_restart.is_empty() {
        let keys = waiting_for_restart.join(", ");
        tracing::warn!(keys, "changed and not in force: that takes a restart");
    }
}

fn blame(error: &ReloadError) {
    tracing::error!(%error, "the configuration was not read again; what was in force stays");
    match error {
        ReloadError::Invalid(errors) => errors
            .mistakes()
            .iter()
            .for_each(|mistake| tracing::error!("{mistake}")),
        ReloadError::Refused(refusal) => tracing::error!("{refusal}"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_file_that_is_not_read_is_not_waited_for_for_ever() {
        let (release, released) = mpsc::channel::<()>();
        let limit = Duration::from_millis(10);
        let stuck = within(limit, move || released.recv()).await;
        assert!(matches!(stuck, Err(ReloadError::TimedOut(_))), "{stuck:?}");
        drop(release);
        assert_eq!(within(READING, || 7).await.unwrap(), 7);
    }
}
