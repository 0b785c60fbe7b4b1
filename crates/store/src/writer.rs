//! The one that writes: a thread of its own, with the only connection that does.
//!
//! It takes what waits, writes it in one transaction, and begins anew; a batch that failed is kept and written first when
//! the database is back. It sees to retention when it has nothing else to do, and in between if that never comes. Nobody
//! waits for it but whoever stops it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{oneshot, watch},
    time::{sleep, timeout},
};
use tracing::{info, warn};
use ward_chassis::Clock;
use ward_model::{Mono, Wall};

use crate::{
    batch::Batch,
    connection::Connection,
    fault::Fault,
    position::Position,
    postgres,
    queue::Queue,
    roll::{self, Retention, Step},
    session::{Session, ThisLife},
    sqlite,
    standing::{Standing, State},
};

/// Between two transactions, unless much waits: ten a second cost the disk little, and nobody asks for less than that back.
const PACE: Duration = Duration::from_millis(100);
/// How much is much: what is more than one transaction takes is written without a pause.
const MUCH: usize = 2_048;
/// Between two looks at what is past its time.
const ROLL: Duration = Duration::from_secs(1);
/// How long that waits for a moment with nothing to write: under a steady load there is none, and history would grow without
/// end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries to reach a database, doubling from the one to the other.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// Where the writer connects.
#[derive(Debug)]
pub(crate) enum Place {
    /// With the connection that was opened at the start.
    Sqlite(PathBuf, Option<sqlite::Connection>),
    Postgres(postgres::Server),
}

impl Place {
    async fn connect(&mut self) -> Result<Connection, Fault> {
        match self {
            Self::Sqlite(path, opened) => match opened.take() {
                Some(opened) => Ok(Connection::Sqlite(opened)),
                None => Ok(Connection::Sqlite(sqlite::Connection::write(path)?)),
            },
            Self::Postgres(server) => Ok(Connection::Postgres(server.write().await?)),
        }
    }
}

/// What the writer tells, and the store shows.
#[derive(Debug)]
pub(crate) struct Told {
    state: watch::Sender<State>,
    last_write: Mutex<Option<Wall>>,
    /// Rows that were taken and are not yet written.
    taken: AtomicUsize,
    resend: Mutex<u64>,
    /// How far what was put is written.
    reached: watch::Sender<Position>,
}

impl Told {
    pub(crate) fn new() -> Self {
        Self {
            state: watch::Sender::new(State::Connecting),
            last_write: Mutex::default(),
            taken: AtomicUsize::new(0),
            resend: Mutex::default(),
            reached: watch::Sender::default(),
        }
    }

    pub(crate) fn changes(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(crate) fn standing(&self, queue: &Queue) -> Standing {
        Standing {
            state: self.state.borrow().clone(),
            queued: queue.queued() + self.taken.load(Ordering::Relaxed),
            left_out: queue.left_out(),
            recorded_dropped: queue.records_dropped(),
            last_write: *self.last_write.lock(),
            resend: *self.resend.lock(),
        }
    }

    fn resend(&self) {
        *self.resend.lock() += 1;
        // Whoever watches has something to do, whether the state changed or not.
        self.state.send_modify(|_| {});
    }

    /// Waits until all up to `position` is written.
    pub(crate) async fn reached(&self, position: Position) {
        let mut reached = self.reached.subscribe();
        // This holds the other end.
        drop(reached.wait_for(|is| is.reaches(&position)).await);
    }

    /// The same fault has one beginning, and is logged once.
    fn down(&self, fault: &Fault, now: Wall) {
        let why = fault.to_string();
        self.state.send_if_modified(|state| {
            let since = match state {
                State::Down { why: was, .. } if *was == why => return false,
                State::Down { since, .. } => *since,
                _ => now,
            };
            warn!(%why, "the store cannot write; what is put waits");
            *state = State::Down {
                since,
                why: why.clone(),
            };
            true
        });
    }

    fn up(&self) {
        self.state.send_if_modified(|state| {
            if *state == State::Up {
                return false;
            }
            info!("the store writes");
            *state = State::Up;
            true
        });
    }
}

/// An order to stop: until when what waits may be written.
pub(crate) type Stop = oneshot::Receiver<Duration>;

#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) place: Place,
    pub(crate) queue: Arc<Queue>,
    pub(crate) told: Arc<Told>,
    pub(crate) clock: Clock,
    pub(crate) life: ThisLife,
    pub(crate) retention: Retention,
}

/// What stands between two turns of the loop.
struct Work {
    session: Option<Session>,
    /// Taken, and not yet written.
    batch: Batch,
    /// Split off it, the next one last. Halves of halves: no more than a batch has bits in its number of rows.
    behind: Vec<Batch>,
    /// How far all that was taken reaches.
    position: Position,
    /// Batches of this life that were acknowledged.
    batches: i64,
    retry: Duration,
    /// When there was last nothing past its time.
    rolled: Mono,
    /// See [`PATIENCE`].
    patience: Duration,
}

impl Work {
    fn rows(&self) -> usize {
        self.batch.rows() + self.behind.iter().map(Batch::rows).sum::<usize>()
    }
}

impl Writer {
    /// Writes until it is told to stop, or until nobody is left who could; gives back how many rows it leaves.
    pub(crate) async fn run(mut self, mut stop: Stop) -> usize {
        let mut work = Work {
            session: None,
            batch: Batch::default(),
            behind: Vec::new(),
            position: Position::default(),
            batches: 0,
            retry: RETRY.0,
            rolled: self.clock.mono(),
            patience: PATIENCE,
        };
        let within = tokio::select! {
            within = &mut stop => within.unwrap_or_default(),
            () = async { loop { self.turn(&mut work).await } } => Duration::ZERO,
        };
        // A turn that was interrupted left its connection in the middle of something.
        let until = self.clock.mono() + within;
        self.flush(work, until).await
    }

    /// Tries once in any case.
    async fn flush(&mut self, mut work: Work, until: Mono) -> usize {
        loop {
            self.take(&mut work);
            if work.batch.is_empty() {
                return 0;
            }
            let left = until.since(self.clock.mono()).max(RETRY.0);
            let done = timeout(left, self.write(&mut work)).await;
            let well = matches!(done, Ok(Ok(())));
            if self.clock.mono() >= until && !(well && self.queue.queued() == 0) {
                return work.rows() + self.queue.queued();
            }
            if !well {
                work.session = None;
                sleep(RETRY.0).await;
            }
        }
    }

    async fn turn(&mut self, work: &mut Work) {
        let began = self.clock.mono();
        self.take(work);
        let idle = work.batch.is_empty() && work.session.is_some();
        let done = match idle {
            true => self.idle(work).await,
            false => self.write_and_roll(work).await,
        };
        match done {
            Ok(()) => {
                work.retry = RETRY.0;
                let hurry = self.queue.queued() >= MUCH || self.queue.is_awaited_behind(&work.position);
                if !idle && !hurry {
                    self.gather((began + PACE).since(self.clock.mono())).await;
                }
            }
            Err(fault) => {
                work.session = None;
                self.told.down(&fault, self.clock.wall());
                sleep(work.retry).await;
                work.retry = (work.retry * 2).min(RETRY.1);
            }
        }
    }

    /// Lets more come, unless somebody waits for what is there.
    async fn gather(&self, pause: Duration) {
        drop(timeout(pause, self.queue.asked()).await);
    }

    /// Only if what was taken before is written: that comes first.
    fn take(&self, work: &mut Work) {
        if work.batch.is_empty() {
            (work.batch, work.position) = self.queue.take();
            self.told.taken.store(work.batch.rows(), Ordering::Relaxed);
            self.tell_reached(work);
        }
    }

    /// Nothing that was taken is left to be written, or there was nothing.
    fn tell_reached(&self, work: &Work) {
        if work.batch.is_empty() {
            self.told.reached.send_replace(work.position);
        }
    }

    /// Writes the batch, over a new connection if there is none. An empty one only connects.
    async fn write(&mut self, work: &mut Work) -> Result<(), Fault> {
        // Out of the way while it is used: what is interrupted is dropped with it.
        let mut session = match work.session.take() {
            Some(session) => session,
            None => self.begin(work).await?,
        };
        while !work.batch.is_empty() {
            match session.write(&work.batch).await {
                Ok(()) => self.wrote(work, session.batches()),
                Err(Fault::Refused(why)) => {
                    session.undo().await?;
                    self.narrow(work, why)?;
                }
                Err(fault) => return Err(fault),
            }
        }
        work.session = Some(session);
        self.told.up();
        self.tell_reached(work);
        Ok(())
    }

    /// What was split off the batch is the next.
    fn wrote(&self, work: &mut Work, batches: i64) {
        work.batches = batches;
        let next = work.behind.pop().unwrap_or_default();
        let forgot = std::mem::replace(&mut work.batch, next).forget;
        self.told.taken.store(work.rows(), Ordering::Relaxed);
        *self.told.last_write.lock() = Some(self.clock.wall());
        if forgot {
            self.told.resend();
        }
    }

    /// Of a batch that is refused halves are tried, down to the row that is meant; that one is left out, and all others are
    /// kept. To ask for all of it anew would bring the same row again.
    fn narrow(&self, work: &mut Work, why: String) -> Result<(), Fault> {
        match work.batch.rows() {
            // Not for a row.
            0 => return Err(Fault::Away(why)),
            1 => {
                if work.batch.leave_out() {
                    warn!(%why, "the database refuses a row; it is left out");
                    self.queue.leave_out(1);
                }
            }
            _ => work.behind.push(work.batch.split_off()),
        }
        if work.batch.is_empty() {
            work.batch = work.behind.pop().unwrap_or_default();
        }
        self.told.taken.store(work.rows(), Ordering::Relaxed);
        Ok(())
    }

    async fn begin(&mut self, work: &mut Work) -> Result<Session, Fault> {
        let connection = self.place.connect().await?;
        let (session, continued) = Session::begin(connection, self.life, work.batches).await?;
        if !continued {
            warn!("the database is not as it was left: all last known state is written anew");
            work.batch.forget = true;
        }
        Ok(session)
    }

    /// One step of retention behind a batch, if it has waited too long for its turn.
    async fn write_and_roll(&mut self, work: &mut Work) -> Result<(), Fault> {
        self.write(work).await?;
        match self.clock.mono() > work.rolled + work.patience {
            true => self.roll(work).await,
            false => Ok(()),
        }
    }

    /// Waits for something to write, and sees to what is past its time meanwhile.
    async fn idle(&mut self, work: &mut Work) -> Result<(), Fault> {
        let wait = (work.rolled + ROLL).since(self.clock.mono());
        tokio::select! {
            biased;
            () = self.queue.filled() => Ok(()),
            () = self.queue.asked() => Ok(()),
            () = sleep(wait) => self.roll(work).await,
        }
    }

    async fn roll(&mut self, work: &mut Work) -> Result<(), Fault> {
        let Some(mut session) = work.session.take() else {
            return Ok(());
        };
        let step = roll::step(&mut session.connection, self.retention, self.clock.wall()).await?;
        if step == Step::Day {
            session.forget_ids();
        }
        work.session = Some(session);
        // While there is more it goes on, behind whatever waits.
        if step == Step::Done {
            work.rolled = self.clock.mono();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
