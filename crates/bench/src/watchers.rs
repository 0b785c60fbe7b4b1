//! Many watchers in one cheap client, whatever they speak, and the board on which they note what they heard.
//!
//! A client that costs as much as the server it measures shows itself. So a connection here is a task that walks frames
//! where they XX

pub(crate) mod h2;
pub(crate) mod text;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Handle,
    sync::Notify,
    task::JoinSet,
    time::timeout,
};
use ward_chassis::Clock;
use ward_model::Mono;

/// Nothing that is waited for takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Room for what is read at once.
const READ: usize = 32 << 10;

/// What one connection of watchers says and hears.
pub(crate) trait Wire: Send + 'static {
    /// What it sends first.
    fn opening(&self) -> Vec<u8>;

    /// Takes in what is whole of `bytes` and says how much that was. What it has to say goes into `out`.
    fn take_in(&mut self, bytes: &[u8], out: &mut Vec<u8>, board: &Board) -> anyhow::Result<usize>;
}

/// What all watchers of one server have heard.
#[derive(Debug)]
pub(crate) struct Board {
    clock: Clock,
    watchers: usize,
    /// Changes made so far.
    made: AtomicU64,
    /// How many watchers wait for nothing: no change, or at first no greeting.
    content: AtomicUsize,
    /// When the last of them did: nanoseconds of [`Mono`].
    at: AtomicU64,
    all: Notify,
    failure: Mutex<Option<anyhow::Error>>,
}

/// What one watcher has heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    changes: u64,
    greeted: bool,
}

impl Board {
    fn new(watchers: usize) -> Self {
        Self {
            clock: Clock::start(),
            watchers,
            made: AtomicU64::new(0),
            content: AtomicUsize::new(0),
            at: AtomicU64::new(0),
            all: Notify::new(),
            failure: Mutex::default(),
        }
    }

    /// So many changes more.
    fn make(&self, changes: u64) {
        self.made.fetch_add(changes, Relaxed);
    }

    /// This watcher is there: it hears what comes from now on.
    pub(crate) fn greet(&self, place: &mut Place) {
        if !std::mem::replace(&mut place.greeted, true) {
            self.another();
        }
    }

    /// This watcher heard of another change; of how many by now.
    pub(crate) fn hear(&self, place: &mut Place) -> anyhow::Result<u64> {
        place.changes += 1;
        let made = self.made.load(Relaxed);
        ensure!(
            place.greeted && place.changes <= made,
            "a watcher heard of {} changes, and there were {made}",
            place.changes
        );
        if place.changes == made {
            self.another();
        }
        Ok(place.changes)
    }

    fn another(&self) {
        if self.content.fetch_add(1, Relaxed) + 1 == self.watchers {
            self.at.store(self.clock.mono().0, Relaxed);
            self.all.notify_one();
        }
    }

    fn fail(&self, error: anyhow::Error) {
        *self.failure.lock().expect("nobody panics while holding it") = Some(error);
        self.all.notify_one();
    }

    /// Until all are content; when the last of them was.
    async fn all(&self) -> anyhow::Result<Mono> {
        let waited = timeout(PATIENCE, self.all.notified()).await;
        if let Some(error) = self
            .failure
            .lock()
            .expect("nobody panics while holding it")
            .take()
        {
            return Err(error);
        }
        let content = self.content.load(Relaxed);
        if waited.is_err() {
            bail!(
                "{content} of {} watchers heard everything within {PATIENCE:?}",
                self.watchers
            );
        }
        Ok(Mono(self.at.load(Relaxed)))
    }
}

/// Connected watchers. Dropping them ends their connections.
#[derive(Debug)]
pub(crate) struct Watchers {
    board: Arc<Board>,
    _connections: JoinSet<()>,
}

impl Watchers {
    /// Connects, one connection for each wire, `watchers` in all; returns when each of them is greeted.
    pub(crate) async fn connect<W: Wire>(
        addr: SocketAddr,
        wires: impl IntoIterator<Item = W>,
        watchers: usize,
    ) -> anyhow::Result<Self> {
        let board = Arc::new(Board::new(watchers));
        let mut connections = JoinSet::new();
        for wire in wires {
            let stream = TcpStream::connect(addr).await.context("connect a watcher")?;
            stream.set_nodelay(true)?;
            let board = board.clone();
            let watch = async move {
                if let Err(error) = watch(stream, wire, &board).await {
                    board.fail(error);
                }
            };
            connections.spawn_on(watch, &Handle::current());
        }
        board.all().await?;
        Ok(Self {
            board,
            _connections: connections,
        })
    }

    /// From before `make` makes so many changes to when the last watcher has heard of the last of them.
    pub(crate) async fn hear(
        &self,
        changes: u64,
        make: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<Duration> {
        let board = &self.board;
        board.content.store(0, Relaxed);
        board.make(changes);
        let begun = board.clock.mono();
        make.await?;
        Ok(board.all().await?.since(begun))
    }
}

async fn watch(mut stream: TcpStream, mut wire: impl Wire, board: &Board) -> anyhow::Result<()> {
    stream.write_all(&wire.opening()).await?;
    let (mut bytes, mut out) = (Vec::with_capacity(READ), Vec::new());
    loop {
        bytes.reserve(READ);
        ensure!(
            stream.read_buf(&mut bytes).await? > 0,
            "the server ended a connection of watchers"
        );
        let taken = wire.take_in(&bytes, &mut out, board)?;
        bytes.drain(..taken);
        if !out.is_empty() {
            stream.write_all(&out).await?;
            out.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_hears_too_much_is_found_out_and_the_last_is_waited_for() {
        let board = Board::new(2);
        let mut places = [Place::default(), Place::default()];
        assert!(board.hear(&mut places[0]).is_err(), "not greeted");
        let mut places = places.map(|_| Place::default());
        places.iter_mut().for_each(|place| board.greet(place));
        board.all().await.unwrap();
        board.content.store(0, Relaxed);
        board.make(2);
        assert_eq!(board.hear(&mut places[0]).unwrap(), 1);
        assert_eq!(board.content.load(Relaxed), 0, "that was not the last");
        assert_eq!(board.hear(&mut places[0]).unwrap(), 2);
        places[1].changes = 1;
        assert_eq!(board.hear(&mut places[1]).unwrap(), 2);
        board.all().await.unwrap();
        assert!(board.hear(&mut places[1]).is_err(), "one too many");
    }
}
