//! How remembering begins and ends.

use std::{
    error::Error,
    io,
    iter::successors,
    path::Path,
    sync::{Arc, OnceLock, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, watch},
    task::{JoinHandle, spawn_blocking},
    time::{interval, sleep, timeout},
};
use ward_audit::{Draft, Event, Kind, Log, Opened, Options, QueryError, Reader, Source, Start, boot_id};
use ward_chassis::Clock;
use ward_config::Store as Settings;
use ward_model::{AuditHead, Epoch, Revision};
use ward_store::{Retention, Store, Write};

use super::{
    AUDIT_DIR, Ear, Memory, READERS, Why,
    apart::{self, gap},
    commanded::Commanded,
    look, recall,
    recorder::Recorder,
    store_place,
};
use crate::{
    decider::{Decider, Life},
    hub::Hub,
};

/// How often it is noted that the aggregator lives: so exact is the history about when it ended.
const ALIVE: Duration = Duration::from_secs(5);
/// How often watchers are told another head of the log: a bookmark comes every ten seconds.
const WITNESSED: Duration = Duration::from_secs(2);
/// How many events are looked through for what was under way when the aggregator before this one ended.
const NEWEST: u64 = 1 << 14;
/// How long a start waits for the disk to take that it starts.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it waits for a log or a database to be opened: behind a crash under load, on a slow disk, seconds of writing.
/// What is not there then is done without for this life.
const OPENING: Duration = Duration::from_secs(20);
/// How long a stop waits for the database to take what waits.
const LAST_WRITES: Duration = Duration::from_secs(3);

/// What runs as long as there is something to remember.
#[derive(Debug)]
pub(crate) struct Running {
    ear: Ear,
    recorder: Option<thread::JoinHandle<Revision>>,
    tasks: Vec<JoinHandle<()>>,
}

/// What is in force at a start: what changed since the last one shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct InForce {
    /// The hash of the configuration.
    pub(crate) config: String,
    /// The hash of all tokens, without their secrets.
    pub(crate) tokens: String,
}

/// What a log ended with before this start.
#[derive(Debug, Default)]
struct Newest {
    /// Not what opening it has put behind: that its end was torn.
    last: Option<Event>,
    /// Intents and outcomes, and acknowledgements that ended, the newest first.
    intents: Vec<Event>,
}

/// What the text of such an event has in it.
const TOLD: [&str; 2] = ["\"intent\"", "\"unacknowledge\""];

impl Newest {
    fn read(reader: &Reader, now: Epoch) -> Result<Self, QueryError> {
        let size = reader.size()?;
        let mut newest = Self::default();
        reader.each(size.saturating_sub(NEWEST), &mut |index, entry| {
            let is_last = index + 2 >= size;
            // Most are neither, and need not be parsed.
            let is_one = str::from_utf8(entry).is_ok_and(|text| TOLD.iter().any(|word| text.contains(word)));
            if is_last || is_one {
                let event = reader.event_of(index, entry)?;
                if is_last && event.epoch != now {
                    newest.last = Some(event.clone());
                }
                if is_one {
                    newest.intents.push(event);
                }
            }
            Ok(true)
        })?;
        newest.intents.reverse();
        Ok(newest)
    }
}

impl Memory {
    /// Opens the log and the store in a data directory. What cannot be opened is said, and done without.
    pub(crate) async fn open(settings: &Settings, dir: &Path, life: &Life) -> Self {
        let Life { epoch, clock, ear } = life.clone();
        let start = Start {
            clock: clock.clone(),
            boot_id: boot_id(),
            epoch,
        };
        let audit = dir.join(AUDIT_DIR);
        let log = opened("audit log", move || Log::open(&audit, Options::default(), start));
        let (settings, dir) = (settings.clone(), dir.to_owned());
        let clock_of_store = clock.clone();
        let store = opened("store", move || open_store(&settings, &dir, clock_of_store));
        // Each waits for the disk several times.
        let (log, store) = tokio::join!(log, store);
        Self {
            log: log.map(|(log, opened)| {
                tell_torn(&opened);
                log
            }),
            store,
            readers: Arc::new(Semaphore::new(READERS)),
            provers: Arc::new(Semaphore::new(READERS)),
            epoch,
            ear,
            clock,
            lost: watch::Sender::new(()),
            acknowledged: OnceLock::new(),
        }
    }

    /// Begins to remember, and tells the engine what was known before: when this returns it knows, or goes on without.
    pub(crate) async fn start(&self, decider: &Decider, hub: &Hub, of: InForce) -> io::Result<Running> {
        let missed = Arc::new(Notify::new());
        let again = look::look_again(
            missed.clone(),
            decider.clone(),
            self.ear.clone(),
            self.clock.clone(),
        );
        let mut tasks = vec![tokio::spawn(again)];
        if let Ok(log) = &self.log {
            tasks.push(tokio::spawn(witness(log.clone(), hub.clone())));
        }
        let newest = self.newest().await;
        self.say_gap(newest.last.as_ref());
        self.end_orphans(&newest.intents);
        self.say_start(of).await;
        let (log, store) = (self.log.clone().ok(), self.store.clone().ok());
        let recorder = Recorder::new(self.ear.clone(), log, store, missed);
        let thread = thread::Builder::new()
            .name("ward-memory".into())
            .spawn(move || recorder.run())?;
        let commanded = Commanded::read(&newest.intents);
        self.remember_acknowledged(commanded.acknowledged().clone());
        recall::commanded(&commanded, decider).await;
        if let Ok(store) = &self.store {
            self.recall(store, decider, commanded, &mut tasks).await;
            if let (Ok(log), Some(last)) = (&self.log, newest.last) {
                tasks.push(tokio::spawn(apart::compare(
                    store.clone(),
                    log.clone(),
                    last,
                    self.clock.clone(),
                )));
            }
        }
        Ok(Running {
            ear: self.ear.clone(),
            recorder: Some(thread),
            tasks,
        })
    }

    async fn recall(
        &self,
        store: &Store,
        decider: &Decider,
        commanded: Commanded,
        tasks: &mut Vec<JoinHandle<()>>,
    ) {
        let told = recall::Told {
            decider: decider.clone(),
            ear: self.ear.clone(),
            watched: Arc::default(),
        };
        let watched = told.watched.clone();
        let recall = recall::recall(store.clone(), told, self.clock.clone(), commanded);
        let mut recalling = tokio::spawn(recall);
        if timeout(recall::PATIENCE, &mut recalling).await.is_err() {
            tracing::warn!("what was known before the start is not told yet: going on without");
            tasks.push(recalling);
        }
        // From here on whoever calls is served.
        watched.store(true, Relaxed);
        tasks.push(tokio::spawn(notice_loss(
            store.clone(),
            self.ear.clone(),
            self.lost.clone(),
        )));
        tasks.push(tokio::spawn(live(store.clone(), self.clock.clone())));
    }

    /// What the log ends with.
    async fn newest(&self) -> Newest {
        let Ok(log) = &self.log else {
            return Newest::default();
        };
        let (reader, now) = (log.reader(), self.epoch);
        match spawn_blocking(move || Newest::read(&reader, now)).await {
            Ok(Ok(newest)) => newest,
            Ok(Err(error)) => {
                let why = chain(&error);
                tracing::error!(why, "what was under way before the start cannot be read");
                Newest::default()
            }
            Err(_) => Newest::default(),
        }
    }

    /// The life before did not end cleanly: what it decided last may not be in the log.
    fn say_gap(&self, last: Option<&Event>) {
        let Some(last) = last.filter(|last| last.kind != Kind::AggregatorStop) else {
            return;
        };
        self.record(gap(last, &self.clock).with(
            "reason",
            "the aggregator ended without a word: what it decided behind this may be missing",
        ));
    }

    async fn say_start(&self, of: InForce) {
        let now = self.clock.now();
        let draft = Draft::new(Kind::AggregatorStart, Source::Aggregator, "aggregator", now)
            .at(self.epoch, Revision(0))
            .with("version", crate::edge::VERSION)
            .with("config", of.config)
            .with("tokens", of.tokens);
        if self.log.is_ok()
            && let Ok(Err(error)) = timeout(PATIENCE, self.durable(draft)).await
        {
            tracing::error!(%error, "the start is not in the audit log");
        }
    }

    /// The end: what is heard is remembered, and all of it durable.
    pub(crate) async fn stop(&self, mut running: Running) {
        running.ear.close();
        let mut last = Revision::default();
        if let Some(recorder) = running.recorder.take() {
            match spawn_blocking(move || recorder.join()).await {
                Ok(Ok(heard)) => last = heard,
                _ => tracing::error!("remembering had failed before the stop"),
            }
        }
        if let Ok(store) = &self.store {
            store.put(Write::Alive(self.clock.wall()));
            let left = store.stop(LAST_WRITES).await;
            if left > 0 {
                tracing::warn!(left, "the store did not take all that was to be remembered");
            }
        }
        if let Ok(log) = &self.log {
            let draft = Draft::new(
                Kind::AggregatorStop,
                Source::Aggregator,
                "aggregator",
                self.clock.now(),
            )
            .at(self.epoch, last)
            .with("left_out", log.standing().left_out.to_string());
            drop(self.durable(draft).await);
            let log = log.clone();
            if let Ok(Err(error)) = spawn_blocking(move || log.close()).await {
                tracing::error!(%error, "the audit log was not closed as it should be");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ear.close();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// In the database that is configured, or in a file of the data directory.
fn open_store(settings: &Settings, dir: &Path, clock: Clock) -> Result<Store, NoStore> {
    let place = store_place(settings, dir).map_err(NoStore::Address)?;
    let retention = Retention {
        transitions: settings.keep_history,
        days: settings.keep_days,
        recorded: settings.keep_recorded,
    };
    Ok(Store::open(ward_store::Config { place, retention }, clock)?)
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
enum NoStore {
    /// The file with its address.
    #[error("read the address of the database from `[store] url_file`")]
    Address(#[source] io::Error),
    /// The database.
    #[error(transparent)]
    Open(#[from] ward_store::OpenError),
}

/// Reads files, which may be on a disk that hangs.
async fn opened<T: Send + 'static, E: Error + Send + 'static>(
    what: &'static str,
    open: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Why> {
    let lost = |why: String| {
        tracing::error!(why, "there is no {what}: going on without");
        Why::from(why)
    };
    match timeout(OPENING, spawn_blocking(open)).await {
        Ok(Ok(Ok(opened))) => Ok(opened),
        Ok(Ok(Err(error))) => Err(lost(chain(&error))),
        Ok(Err(_)) => Err(lost("to open it failed; the panic is in the log".to_owned())),
        Err(_) => Err(lost(format!(
            "the disk did not answer within {} s",
            OPENING.as_secs()
        ))),
    }
}

/// An error with what is behind it, as one sentence.
fn chain(error: &dyn Error) -> String {
    let causes = successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
}

fn tell_torn(opened: &Opened) {
    if let Some(torn) = &opened.torn {
        tracing::warn!(
            bytes = torn.bytes,
            kept = torn.kept,
            "the end of the audit log was torn by a crash and is cut: nothing in it had been acknowledged"
        );
    }
}

/// Tells watchers how much of the log is durable.
async fn witness(log: Log, hub: Hub) {
    let mut heads = log.heads();
    let origin = log.origin().to_owned();
    loop {
        let head = *heads.borrow_and_update();
        hub.witness(AuditHead {
            origin: origin.clone(),
            size: head.size,
            root: head.root.0,
        });
        if heads.changed().await.is_err() {
            return;
        }
        // So that those who watch ask for the same proofs.
        sleep(WITNESSED).await;
    }
}

/// Has all put again when the store has lost what it knew: there was too much while it was away, or it is another one.
async fn notice_loss(store: Store, ear: Ear, told: watch::Sender<()>) {
    let (mut changes, mut lost) = (store.on_change(), store.standing().resend);
    while changes.changed().await.is_ok() {
        let now = store.standing().resend;
        if now != lost {
            lost = now;
            ear.lose();
            told.send_replace(());
        }
    }
}

/// Notes every few seconds that somebody watches.
async fn live(store: Store, clock: Clock) {
    let mut beats = interval(ALIVE);
    loop {
        beats.tick().await;
        store.put(Write::Alive(clock.wall()));
    }
}
