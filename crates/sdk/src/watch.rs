//! A client of `HealthService.Watch` for anyone: what the aggregator says, as events, across its restarts.
//!
//! A [`Watcher`] keeps the state it was told in a map, resumes behind the last revision after a broken connection, and
//! turns snapshots into the differences to what its owner knew. A restarted aggregator has forgotten who reports; while
//! it says that it is still settling, absence is not told as news (see `settling`), so its restart raises no false alarm.
//!
//! It decides nothing about health and starts no task: [`Watcher::next`] does the work, and a slow owner makes the
//! aggregator coalesce instead of growing a queue here. The obvious alternative, handing out the generated stream, leaves
//! to each user what all get wrong: torn snapshots, resuming, and telling a restart from a catastrophe.

mod differ;
mod event;
mod link;
mod settling;
mod wire;
mod witness;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    path::PathBuf,
    time::Duration,
};

use ward_model::{AuditHead, Entity, EntityKey, Epoch, Name, Status};
use ward_tlog::Hash;

use differ::Differ;
pub use differ::Disorder;
pub use event::{Changed, Cursor, Error, Event, Level, Update, UpdateKind};
use link::{Link, Message, Proving};
pub use witness::{Finding, HEADS};
use witness::{Question, Witness};

use crate::{backoff, credentials::Credentials, server::Wanted};

/// What to watch, and where.
#[derive(Clone, Debug)]
pub struct Builder {
    server: Wanted,
    names: Vec<Name>,
    level: Level,
    least_severity: Status,
    witness: Witness,
    // How long a connection may say nothing; tests do not wait half a minute.
    silence: Duration,
}

impl Builder {
    /// Speak TLS, and trust the authorities in this PEM file instead of the system's. Unless said `WARD_TLS_CA`.
    ///
    /// This file and those below are read anew for each connection, so that what is rotated is taken up without a
    /// restart.
    #[must_use]
    pub fn tls_ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.server.credentials.tls_ca = Some(file.into());
        self
    }

    /// Speak TLS, and show the certificate in this PEM file, with its chain, and the key in that one (mTLS). Unless said
    /// `WARD_TLS_CERT` and `WARD_TLS_KEY`.
    #[must_use]
    pub fn tls_cert(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.server.credentials.tls_cert = Some(cert.into());
        self.server.credentials.tls_key = Some(key.into());
        self
    }

    /// Show the bearer token in this file. It goes over TLS only. Unless said `WARD_TOKEN_FILE`.
    #[must_use]
    pub fn token_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.server.credentials.token_file = Some(file.into());
        self
    }

    /// All of these at once, and the environment is not asked for what is left out.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.server.credentials = credentials;
        self.server.complete = true;
        self
    }

    /// Only these services, with the system; all when empty, which is the default.
    #[must_use]
    pub fn names(mut self, names: impl IntoIterator<Item = Name>) -> Self {
        self.names = names.into_iter().collect();
        self
    }

    /// How deep. Default: the system and its services.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Only what is, or was until now, at least this bad. Default: healthy, which is everything.
    #[must_use]
    pub fn least_severity(mut self, least: Status) -> Self {
        self.least_severity = least;
        self
    }

    /// Begin with what was held of audit logs before, as [`Watcher::audit_heads`] told it, so that a log that was rewritten
    /// between two watches is noticed. Unless said, the first head shown is taken as it is.
    #[must_use]
    pub fn audit_heads(mut self, held: impl IntoIterator<Item = AuditHead>) -> Self {
        self.witness = Witness::holding(held);
        self
    }

    /// Do not be a witness of the audit log: no [`Event::Audit`], and no proof is asked for.
    #[must_use]
    pub fn no_witness(mut self) -> Self {
        self.witness = Witness::blind();
        self
    }

    /// A watcher that connects at its first [`Watcher::next`].
    ///
    /// # Errors
    /// [`Error::Address`] if the server is not an address, or a file cannot be used. That it does not answer is an
    /// [`Event::Lost`].
    pub fn start(self) -> Result<Watcher, Error> {
        let server = self.server.clone().server("")?;
        Ok(Watcher {
            differ: Differ::new(self.least_severity),
            link: Link::new(&self, server),
            witness: self.witness,
            question: None,
            queue: VecDeque::new(),
            lost: None,
        })
    }
}

/// One watch on an aggregator, for as long as it is kept.
#[derive(Debug)]
pub struct Watcher {
    differ: Differ,
    link: Link,
    witness: Witness,
    question: Option<Asked>,
    // At most four: one message gives a `Restored`, an `Update` or `Bookmark`, and two findings; and the queue is empty before
    // the next.
    queue: VecDeque<Event>,
    // The epoch last heard from before the connection was lost, while it is.
    lost: Option<Option<Epoch>>,
}

impl Watcher {
    /// Watches the aggregator at `server`: `host:port`, or `https://host:port` for TLS.
    pub fn builder(server: impl Into<String>) -> Builder {
        Builder {
            server: Wanted {
                address: Some(server.into()),
                ..Wanted::default()
            },
            names: Vec::new(),
            level: Level::default(),
            least_severity: Status::Healthy,
            witness: Witness::default(),
            silence: link::SILENCE,
        }
    }

    /// The next event. Never ends: a lost connection is told once and then restored, however long that takes.
    ///
    /// Cancel safe: a dropped call loses nothing, the next one goes on.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return event;
            }
            // The stream first: an answer that comes when it is broken may be that of another aggregator.
            let message = tokio::select! {
                biased;
                message = self.link.message(self.differ.resume()) => message,
                answer = answer(&mut self.question) => {
                    self.answered(answer);
                    continue;
                }
            };
            let step = match message {
                Ok(message) => self.take(message).inspect(|()| self.link.proven()),
                Err(error) => Err(error),
            };
            if let Err(error) = step {
                self.fail(error);
            }
        }
    }

    /// Everything known, as it was told.
    pub fn state(&self) -> &BTreeMap<EntityKey, Entity> {
        self.differ.told()
    }

    /// The place that [`state`](Self::state) is of; `None` before the first snapshot.
    pub fn cursor(&self) -> Option<Cursor> {
        self.differ.cursor()
    }

    /// What is held of audit logs, the one shown last at the end: what the next watch may begin with. At most [`HEADS`].
    pub fn audit_heads(&self) -> &[AuditHead] {
        self.witness.heads()
    }

    fn take(&mut self, message: Message) -> Result<(), Error> {
        match message {
            Message::Step(step) => {
                let epoch = step.epoch;
                let Some(update) = self.differ.step(step)? else {
                    return Ok(());
                };
                self.restored(epoch);
                self.queue.extend(update.map(Event::Update));
            }
            Message::Bookmark {
                cursor,
                observer,
                audit,
            } => {
                let update = self.differ.bookmark(cursor, observer)?;
                self.restored(cursor.epoch);
                self.queue
                    .push_back(update.map_or(Event::Bookmark { cursor, observer }, Event::Update));
                self.shown(audit);
            }
        }
        Ok(())
    }

    /// Looks at the head of the audit log that came with a bookmark.
    fn shown(&mut self, audit: Option<AuditHead>) {
        let Some(shown) = audit else { return };
        let (found, question) = self.witness.see(shown);
        self.queue.extend(found.into_iter().map(Event::Audit));
        // While one is asked about, the next bookmark will do: it is 10 s away, and an answer takes half of that at most.
        if self.question.is_none() {
            self.question = question.and_then(|question| {
                let proving = self.link.prove(question.held.size, question.shown.size)?;
                Some(Asked { question, proving })
            });
        }
    }

    fn answered(&mut self, answer: Result<Vec<Hash>, Error>) {
        if let Some(Asked { question, .. }) = self.question.take() {
            let found = self.witness.answered(question, answer);
            self.queue.extend(found.map(Event::Audit));
        }
    }

    fn restored(&mut self, epoch: Epoch) {
        if let Some(before) = self.lost.take() {
            let epoch_changed = before.is_some_and(|before| before != epoch);
            self.queue.push_back(Event::Restored { epoch_changed });
        }
    }

    fn fail(&mut self, error: Error) {
        if matches!(error, Error::Disorder(_)) {
            self.differ.lose_place();
        }
        self.differ.drop_unfinished();
        self.question = None;
        self.link.retry(match error {
            Error::Closing { retry_after, .. } => retry_after,
            // Only people can mend it.
            Error::Denied(_) => backoff::ASKED_MAX,
            _ => Duration::ZERO,
        });
        if self.lost.is_none() {
            self.lost = Some(self.differ.cursor().map(|cursor| cursor.epoch));
            self.queue.push_back(Event::Lost { error });
        }
    }
}

/// What the witness waits for.
struct Asked {
    question: Question,
    proving: Proving,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.question.fmt(f)
    }
}

/// Cancel safe: what was asked stays asked.
async fn answer(asked: &mut Option<Asked>) -> Result<Vec<Hash>, Error> {
    match asked {
        Some(asked) => asked.proving.as_mut().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
