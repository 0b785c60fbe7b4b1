//! Looks every second at what is kept in files: tokens, certificates, keys, revocations.
//!
//! What is wrong in a file changes nothing: who was let in before still is, and nobody else. It is said once, and a metric
//! says it for as long as it lasts.
//!
//! Expiries wait for no file: they go by what was read last. Tokens and certificates are looked at apart, so that a disk
//! that hangs with the ones does not keep the others from being revoked.

use std::{error::Error, sync::Arc, time::Duration};

use tokio::time::interval;
use ward_access::{Record, StoreError, TokenStore};
use ward_audit::{Draft, Kind, Source};
use ward_chassis::{Stamp, Tls, tls::Look};
use ward_model::Wall;

use super::{
    Access,
    look::{Blind, Looks},
};
use crate::{edge::Edge, metrics::AccessMetrics};

/// How often: a revoked token is good for so long.
const LOOK: Duration = Duration::from_secs(1);

/// Who writes in the data directory: its owner, or somebody who could be.
const OWNER: &str = "the owner of the data directory";

/// See the module.
#[derive(Debug)]
pub(crate) struct Keeper {
    store: TokenStore,
    /// Of what was read last.
    stamp: Stamp,
    records: Vec<Record>,
    /// Of those, so many are in force: the wall clock decides, and can be set.
    live: usize,
    /// What was wrong at the last look, said once.
    wrong: Option<String>,
    tls: Option<Arc<Tls>>,
}

impl Keeper {
    /// Reads the tokens of `store` and puts them in force.
    ///
    /// # Errors
    ///
    /// They cannot be read: to start without them would lock everybody out, and nobody would know why.
    pub(crate) fn start(
        store: TokenStore,
        tls: Option<Arc<Tls>>,
        access: &Access,
        metrics: &AccessMetrics,
        now: Wall,
    ) -> Result<Self, StoreError> {
        let stamp = Stamp::of(&store.path());
        let records = store.load()?;
        let live = count(&records, now);
        access.replace_tokens(&records, now);
        metrics.tokens_are(live);
        if let Some(tls) = &tls {
            metrics.tls_renewed(tls.expires());
        }
        Ok(Self {
            store,
            stamp,
            records,
            live,
            wrong: None,
            tls,
        })
    }

    /// Of all tokens there are, so that a start shows whether they are others: their secrets are not in it, and cannot be
    /// guessed from it.
    pub(crate) fn hash(&self) -> String {
        let records = serde_json::to_vec(&self.records).unwrap_or_default();
        ward_tlog::leaf_hash(&records).to_string()
    }

    /// For ever.
    pub(crate) async fn run(self, edge: Arc<Edge>) {
        let tls = self.tls.clone();
        tokio::join!(self.keep_tokens(&edge), keep_certificates(tls, &edge));
    }

    async fn keep_tokens(mut self, edge: &Edge) {
        let (mut ticks, mut looks) = (interval(LOOK), Looks::new(LOOK));
        loop {
            ticks.tick().await;
            if count(&self.records, edge.clock.wall()) != self.live {
                self.put_in_force(edge);
            }
            let (store, last) = (self.store.clone(), self.stamp);
            match looks.look(move || read(&store, last)).await {
                Some(Ok(read)) => self.take_over(read, edge),
                Some(Err(blind)) => self.blame(&blind, edge),
                None => {}
            }
        }
    }

    fn take_over(&mut self, read: Option<Result<(Stamp, Vec<Record>), StoreError>>, edge: &Edge) {
        match read {
            Some(Ok((stamp, records))) => {
                self.stamp = stamp;
                let before = std::mem::replace(&mut self.records, records);
                remember(&before, &self.records, edge);
                self.wrong = None;
            }
            Some(Err(error)) => return self.blame(&error, edge),
            None if self.wrong.is_none() => return,
            // What was wrong was put back.
            None => self.wrong = None,
        }
        self.put_in_force(edge);
    }

    /// What was read last, but for what has expired.
    fn put_in_force(&mut self, edge: &Edge) {
        let now = edge.clock.wall();
        self.live = count(&self.records, now);
        if edge.access.replace_tokens(&self.records, now) {
            tracing::info!(tokens = self.live, "other tokens are in force");
        }
        if self.wrong.is_none() {
            edge.metrics.access.tokens_are(self.live);
        }
    }

    fn blame(&mut self, error: &dyn Error, edge: &Edge) {
        edge.metrics.access.tokens_failed();
        let said = error.to_string();
        if self.wrong.as_ref() != Some(&said) {
            let cause = cause(error);
            tracing::error!(
                error = said,
                cause,
                "the tokens were not read again; those in force stay"
            );
            self.wrong = Some(said);
        }
    }
}

/// The tokens, if their file is not as it was when it was last read. One that cannot be read is tried again.
fn read(store: &TokenStore, last: Stamp) -> Option<Result<(Stamp, Vec<Record>), StoreError>> {
    let stamp = Stamp::of(&store.path());
    (stamp != last).then(|| store.load().map(|records| (stamp, records)))
}

async fn keep_certificates(tls: Option<Arc<Tls>>, edge: &Edge) {
    let Some(tls) = tls else { return };
    let (mut ticks, mut looks) = (interval(LOOK), Looks::new(LOOK));
    // Why nothing was seen at the last look, said once.
    let mut blind = None;
    loop {
        ticks.tick().await;
        let looking = Arc::clone(&tls);
        match looks.look(move || looking.look()).await {
            Some(Ok(Look::Unchanged)) if blind.take().is_some() => {
                tell(&tls, &Look::Renewed, &edge.metrics.access);
            }
            Some(Ok(look)) => {
                blind = None;
                tell(&tls, &look, &edge.metrics.access);
            }
            Some(Err(error)) if blind.replace(error) != Some(error) => {
                tell_blind(error, &edge.metrics.access);
            }
            Some(Err(_)) | None => {}
        }
    }
}

/// Tokens are made and revoked in a file, by whoever may write there: the log says which, and when they came into force.
fn remember(before: &[Record], after: &[Record], edge: &Edge) {
    let draft = |kind, record: &Record| {
        let cursor = edge.hub.head();
        Draft::new(
            kind,
            Source::Operator,
            format!("token {}", record.id),
            edge.clock.now(),
        )
        .at(cursor.epoch, cursor.revision)
        .by(OWNER)
        .with("grants", record.grants.summary())
        .with("note", record.note.as_str())
    };
    let differs = |records: &[Record], record: &Record| !records.contains(record);
    for record in before.iter().filter(|record| differs(after, record)) {
        edge.memory.record(draft(Kind::TokenRevoked, record));
    }
    for record in after.iter().filter(|record| differs(before, record)) {
        edge.memory.record(draft(Kind::TokenCreated, record));
    }
}

/// What a look at certificates has come to, for people and for metrics.
pub(crate) fn tell(tls: &Tls, look: &Look, metrics: &AccessMetrics) {
    match look {
        Look::Unchanged | Look::StillFailed => {}
        Look::Renewed => {
            metrics.tls_renewed(tls.expires());
            tracing::info!("certificates were read again, and are in force for new connections");
        }
        Look::Failed(error) => {
            metrics.tls_failed();
            let cause = cause(error);
            tracing::error!(%error, cause, "certificates were not read again; those in force stay");
        }
    }
}

fn tell_blind(error: Blind, metrics: &AccessMetrics) {
    metrics.tls_failed();
    tracing::error!(%error, "certificates were not read again; those in force stay");
}

fn cause(error: &dyn Error) -> Option<String> {
    error.source().map(ToString::to_string)
}

fn count(records: &[Record], now: Wall) -> usize {
    records.iter().filter(|record| record.is_live(now)).count()
}
