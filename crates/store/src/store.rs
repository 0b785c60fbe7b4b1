//! The handle: made by opening, shared by cloning, done when stopped or when the last is dropped.

use std::{
    hash::{BuildHasher as _, RandomState},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use secrecy::SecretString;
use tokio::{
    runtime,
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use ward_chassis::Clock;
use ward_model::{History, Maintenance, Name, Wall};

use crate::{
    backup::{BackupError, backup},
    fault::{OpenError, ReadError},
    history::Question,
    position::Position,
    postgres,
    queue::Queue,
    reader::{self, ANSWER, Answer, Ask, PIECES, Reader, WAITING},
    recorded::Recorded,
    roll::Retention,
    session::ThisLife,
    sqlite,
    standing::{Standing, State},
    timeline::Window,
    write::{Kept, KnownInstance, KnownService, Write},
    writer::{self, Told, Writer},
};

/// Most transitions in one history, whatever is asked: some 10 MB.
const LIMIT: usize = 50_000;

/// Where things are kept.
#[derive(Clone, Debug)]
pub enum Place {
    /// In this file, made if it is not there. The folder has to be this process's alone: its lock is the caller's.
    Sqlite(PathBuf),
    /// On a server: `postgresql://user:password@host:port/name`. The tables are in its schema `ward`.
    Postgres(SecretString),
}

/// Where things are kept, and how long.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where.
    pub place: Place,
    /// How long.
    pub retention: Retention,
}

/// The store. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    queue: Arc<Queue>,
    told: Arc<Told>,
    clock: Clock,
    life: ThisLife,
    retention: Retention,
    asks: mpsc::Sender<Ask>,
    /// Until it is stopped.
    writer: Mutex<Option<Running>>,
}

/// The writer's thread: to stop it, and what it left.
#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<Duration>,
    left: oneshot::Receiver<usize>,
}

impl Store {
    /// Opens it. SQLite: opens the file, checks it and brings it up to date, which blocks; PostgreSQL: reads the address and
    /// connects in the background, however long that takes.
    ///
    /// # Errors
    ///
    /// The file cannot be used, or the address cannot be understood: see [`OpenError`], which says what to do.
    pub fn open(config: Config, clock: Clock) -> Result<Self, OpenError> {
        let place = config.place.clone();
        let (writes, reads) = match config.place {
            Place::Sqlite(path) => {
                let opened = sqlite::Connection::write(&path)?;
                let writes = writer::Place::Sqlite(path.clone(), Some(opened));
                (writes, reader::Place::Sqlite(path))
            }
            Place::Postgres(address) => {
                let writes = writer::Place::Postgres(postgres::Server::new(&address)?);
                (writes, reader::Place::Postgres(postgres::Server::new(&address)?))
            }
        };
        let life = ThisLife {
            // Random enough to be nobody else's.
            id: RandomState::new().hash_one(()).cast_signed(),
            started: clock.wall(),
        };
        let (queue, told) = (Arc::new(Queue::new()), Arc::new(Told::new()));
        let writer = Writer {
            place: writes,
            queue: Arc::clone(&queue),
            told: Arc::clone(&told),
            clock: clock.clone(),
            life,
            retention: config.retention,
        };
        let (stop, stopped) = oneshot::channel();
        let (leaves, left) = oneshot::channel();
        on_thread("ward-store", move || async move {
            // Nobody is left to be told if that fails.
            leaves.send(writer.run(stopped).await).ok();
        })?;
        let (asks, asked) = mpsc::channel(WAITING);
        on_thread("ward-store-read", move || Reader::new(reads).run(asked))?;
        Ok(Self(Arc::new(Inner {
            place,
            queue,
            told,
            clock,
            life,
            retention: config.retention,
            asks,
            writer: Mutex::new(Some(Running { stop, left })),
        })))
    }

    /// Remembers something: at once in memory, in the database within some hundred milliseconds if that is there. Never waits
    /// and never blocks.
    pub fn put(&self, write: Write) {
        self.0.queue.put(write, || self.0.clock.wall());
    }

    /// What `put` puts with [`Write::Keep`] goes into one transaction: a crash leaves all of it or nothing. The writer waits for
    /// `put`, which must not wait for anything, and must not call this again.
    pub fn together<T>(&self, put: impl FnOnce() -> T) -> T {
        self.0.queue.together(put)
    }

    /// Whether all that was put before the call is in the database, and on its disk: `true` as soon as it is, `false` if it is
    /// not `within` that time. It is written at once and not gathered with what follows. What was refused for good, or found
    /// no room, is not waited for: [`Standing`] tells.
    ///
    /// Nothing is undone if the future is dropped.
    pub fn durable(&self, within: Duration) -> impl Future<Output = bool> + Send + use<> {
        self.reached(self.0.queue.ask(), within)
    }

    /// As [`durable`](Self::durable), of what is kept by key alone. That goes whole into the next transaction, however many
    /// instances, transitions and records wait: what has to be prompt when everything changes at once.
    pub fn durable_kept(&self, within: Duration) -> impl Future<Output = bool> + Send + use<> {
        self.reached(self.0.queue.ask().of_keys(), within)
    }

    fn reached(&self, position: Position, within: Duration) -> impl Future<Output = bool> + Send + use<> {
        let told = Arc::clone(&self.0.told);
        async move { timeout(within, told.reached(position)).await.is_ok() }
    }

    /// How it stands with the database.
    pub fn standing(&self) -> Standing {
        self.0.told.standing(&self.0.queue)
    }

    /// Wakes when the state changes, and when all has to be put anew ([`Standing::resend`]).
    pub fn on_change(&self) -> watch::Receiver<State> {
        self.0.told.changes()
    }

    /// The services known from before, by name. Read them before the instances, so that those find theirs.
    ///
    /// # Errors
    ///
    /// The database cannot be asked now: see [`ReadError`].
    pub async fn services(&self) -> Result<Vec<KnownService>, ReadError> {
        self.ask(Ask::Services).await
    }

    /// The windows of maintenance known from before, by the name of the service.
    ///
    /// # Errors
    ///
    /// As of [`services`](Self::services).
    pub async fn maintenance(&self) -> Result<Vec<Maintenance>, ReadError> {
        self.ask(Ask::Maintenance).await
    }

    /// All that is kept of a kind, by key: what is in the database, as of everything that is read. What was put and waits is
    /// not in it yet ([`durable`](Self::durable)).
    ///
    /// # Errors
    ///
    /// As of [`services`](Self::services).
    pub async fn kept(&self, kind: Kept) -> Result<Vec<(String, String)>, ReadError> {
        self.ask(|to| Ask::Kept(kind, to)).await
    }

    /// What was recorded from `since` until `until`, which is not in it, in order of time; and before that the last record of
    /// each subject from before `since`, which says how it was then. Asks nothing until the first is taken.
    pub fn recorded(&self, since: Wall, until: Wall) -> Recorded {
        Recorded::new(self.clone(), Window { since, until })
    }

    /// When the aggregator was last known to live, before this life.
    ///
    /// # Errors
    ///
    /// As of [`services`](Self::services).
    pub async fn last_alive(&self) -> Result<Option<Wall>, ReadError> {
        self.ask(|to| Ask::LastAlive(self.0.life.id, to)).await
    }

    /// The instances known from before, in pieces of some thousands, those of a service one after the other. The database
    /// waits for who takes them.
    ///
    /// # Errors
    ///
    /// As of [`services`](Self::services).
    pub fn known(&self) -> Result<Known, ReadError> {
        let (pieces, coming) = mpsc::channel(PIECES);
        let (to, told) = oneshot::channel();
        self.send(Ask::Instances(pieces, to))?;
        Ok(Known { coming, told })
    }

    /// How the system (`None`) or a service was from `since` until `until`, by at most `limit` transitions, the newest. A
    /// name that is not known has an empty history.
    ///
    /// # Errors
    ///
    /// As of [`services`](Self::services).
    pub async fn history(
        &self,
        subject: Option<Name>,
        since: Wall,
        until: Wall,
        limit: usize,
    ) -> Result<History, ReadError> {
        let now = self.0.clock.wall();
        let question = Question {
            subject,
            window: Window { since, until },
            limit: limit.clamp(1, LIMIT),
            life: self.0.life,
            now,
            kept: self.0.retention.all(now).start(),
        };
        self.ask(|to| Ask::History(question, to)).await
    }

    /// Writes all that is in the database to the new file `to`, as [`backup`](crate::backup) does, without holding anybody
    /// up. What waits to be written is not in it.
    ///
    /// # Errors
    ///
    /// See [`BackupError`]; nothing stands at `to` then.
    pub async fn backup_to(&self, to: PathBuf) -> Result<(), BackupError> {
        let place = self.0.place.clone();
        let done = tokio::task::spawn_blocking(move || backup(&place, &to, |_| {}));
        done.await.unwrap_or_else(|error| {
            Err(BackupError::Database {
                doing: "make a backup",
                why: error.to_string(),
            })
        })
    }

    /// Writes what waits, for `within` at most (longer only if the disk does not come back from a call), and ends. Gives back
    /// how many rows were not written. What is put afterwards is lost.
    pub async fn stop(&self, within: Duration) -> usize {
        let Some(running) = self.0.writer.lock().take() else {
            return self.0.queue.queued();
        };
        // One that has ended by itself has nothing to be told.
        running.stop.send(within).ok();
        match timeout(within + GRACE, running.left).await {
            Ok(Ok(left)) => left,
            _ => self.0.queue.queued(),
        }
    }

    pub(crate) async fn ask<T>(&self, ask: impl FnOnce(Answer<T>) -> Ask) -> Result<T, ReadError> {
        let (to, told) = oneshot::channel();
        self.send(ask(to))?;
        match timeout(ANSWER, told).await {
            Ok(told) => told.unwrap_or(Err(ReadError::Stopped)),
            Err(_) => Err(ReadError::Late),
        }
    }

    fn send(&self, ask: Ask) -> Result<(), ReadError> {
        self.0.asks.try_send(ask).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ReadError::Busy,
            mpsc::error::TrySendError::Closed(_) => ReadError::Stopped,
        })
    }
}

/// Instances as they are read.
#[derive(Debug)]
pub struct Known {
    coming: mpsc::Receiver<Vec<KnownInstance>>,
    told: oneshot::Receiver<Result<usize, ReadError>>,
}

impl Known {
    /// The next piece; `None` behind the last.
    ///
    /// # Errors
    ///
    /// The database cannot be asked now. What came until then may come again when it is asked anew.
    pub async fn next(&mut self) -> Result<Option<Vec<KnownInstance>>, ReadError> {
        match timeout(ANSWER, self.coming.recv()).await {
            Ok(Some(piece)) => return Ok(Some(piece)),
            Ok(None) => {}
            Err(_) => return Err(ReadError::Late),
        }
        let told = (&mut self.told).await.unwrap_or(Err(ReadError::Stopped));
        told.map(|_| None)
    }
}

/// For the writer to end after its time is up: it tries once in any case.
const GRACE: Duration = Duration::from_secs(1);

/// Runs `work` on a thread of its own, where it may block as long as a disk does.
fn on_thread<F: Future<Output = ()>>(
    name: &str,
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<(), OpenError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(OpenError::Thread)?;
    let thread = thread::Builder::new().name(name.into());
    let started = thread.spawn(move || runtime.block_on(work()));
    started.map(drop).map_err(OpenError::Thread)
}
