//! The one that reads: a second thread, with a connection that cannot write.
//!
//! Whoever asks waits for an answer without holding up a thread of theirs; one question is answered at a time. What is
//! asked is bounded by [`WAITING`], and how long an answer may take by [`ANSWER`].

use std::{path::PathBuf, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use ward_model::{History, Maintenance, Wall};

use crate::{
    connection::Connection,
    fault::{Fault, ReadError},
    history::{self, Question},
    known, postgres,
    recorded::{self, Key, Page},
    sqlite,
    write::{Kept, KnownInstance, KnownService, Record},
};

/// Questions that wait: more is a flood, and each answer may be a thousand rows.
pub(crate) const WAITING: usize = 64;
/// How long an answer may take; for all instances, each piece of it.
pub(crate) const ANSWER: Duration = Duration::from_secs(15);
/// Pieces on their way to whoever asked for all instances.
pub(crate) const PIECES: usize = 4;

pub(crate) type Answer<T> = oneshot::Sender<Result<T, ReadError>>;

/// What can be asked.
#[derive(Debug)]
pub(crate) enum Ask {
    Services(Answer<Vec<KnownService>>),
    Maintenance(Answer<Vec<Maintenance>>),
    LastAlive(i64, Answer<Option<Wall>>),
    History(Question, Answer<History>),
    Kept(Kept, Answer<Vec<(String, String)>>),
    RecordedBefore(Wall, Answer<Vec<Record>>),
    Recorded(Key, Wall, Answer<Page>),
    RecordedHole(Answer<Option<Wall>>),
    Instances(mpsc::Sender<Vec<KnownInstance>>, Answer<usize>),
}

/// Where the reader connects.
#[derive(Debug)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(postgres::Server),
}

#[derive(Debug)]
pub(crate) struct Reader {
    place: Place,
    connection: Option<Connection>,
}

impl Reader {
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place,
            connection: None,
        }
    }

    /// Answers until nobody is left who could ask.
    pub(crate) async fn run(mut self, mut asked: mpsc::Receiver<Ask>) {
        while let Some(ask) = asked.recv().await {
            self.answer(ask).await;
        }
    }

    async fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Services(to) => self.tell(to, async |db| known::services(db).await).await,
            Ask::Maintenance(to) => self.tell(to, async |db| known::maintenance(db).await).await,
            Ask::LastAlive(this, to) => self.tell(to, async |db| known::last_alive(db, this).await).await,
            Ask::History(question, to) => {
                self.tell(to, async |db| history::read(db, question.clone()).await)
                    .await;
            }
            Ask::Kept(kind, to) => self.tell(to, async |db| known::kept(db, kind).await).await,
            Ask::RecordedBefore(since, to) => {
                self.tell(to, async |db| recorded::last_before(db, since).await)
                    .await;
            }
            Ask::Recorded(after, until, to) => {
                self.tell(to, async |db| recorded::page(db, after, until).await)
                    .await;
            }
            Ask::RecordedHole(to) => self.tell(to, async |db| recorded::hole(db).await).await,
            Ask::Instances(pieces, to) => {
                let all = async |db: &mut Connection| {
                    known::instances(db, async |piece| {
                        let gone = |_| Fault::Refused("whoever asked is gone".into());
                        pieces.send(piece).await.map_err(gone)
                    })
                    .await
                };
                let told = self.ask(all).await;
                drop(to.send(told));
            }
        }
    }

    /// Of somebody who has gone meanwhile nothing is asked.
    async fn tell<T>(&mut self, to: Answer<T>, ask: impl AsyncFn(&mut Connection) -> Result<T, Fault>) {
        if to.is_closed() {
            return;
        }
        let told = match timeout(ANSWER, self.ask(ask)).await {
            Ok(told) => told,
            Err(_) => Err(ReadError::Late),
        };
        drop(to.send(told));
    }

    /// A connection that was open may have been lost unnoticed: then once more, over a new one.
    async fn ask<T>(
        &mut self,
        ask: impl AsyncFn(&mut Connection) -> Result<T, Fault>,
    ) -> Result<T, ReadError> {
        if let Some(mut connection) = self.connection.take()
            && connection.is_there()
            && let Ok(told) = ask(&mut connection).await
        {
            self.connection = Some(connection);
            return Ok(told);
        }
        let mut connection = self.connect().await?;
        let told = ask(&mut connection).await?;
        self.connection = Some(connection);
        Ok(told)
    }

    async fn connect(&self) -> Result<Connection, Fault> {
        match &self.place {
            Place::Sqlite(path) => Ok(Connection::Sqlite(sqlite::Connection::read(path)?)),
            Place::Postgres(server) => Ok(Connection::Postgres(server.read().await?)),
        }
    }
}
