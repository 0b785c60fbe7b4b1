//! Whether Redis answers, and, where asked, whether it can do what it is there for.
//!
//! Everything but the PING is asked for by the user: what is wrong with a cache that is full, or with a replica, depends
//! on what the service does with it.

mod info;

use std::{fmt, sync::Arc, time::Duration};

use redis::{
    Client, FromRedisValue, RedisError, RedisResult, aio::ConnectionLike, aio::ConnectionManager, cmd,
};
use ward_model::Status;
use ward_proto::Invalid;

use super::chain;
use crate::check::{Check, Verdict};
use info::{Expected, Info};

/// How long what is written is kept.
const WRITTEN_MS: u64 = 60_000;

/// Redis answers PING; where asked, it is a primary, its replication is not behind, its memory is not used up, and it takes
/// writes.
///
/// Unhealthy if it cannot be reached, refuses, is loading its data, or is not what was asked for; the message says which.
/// Degraded if replication is behind ([`replication`](Self::replication)) or memory is getting short
/// ([`memory`](Self::memory)).
///
/// ```
/// use ward_sdk::{Check, checks::Redis};
///
/// fn cache(connection: redis::aio::ConnectionManager) -> Check {
///     Redis::manager("cache", connection).memory(0.9).check().subject("cache").advisory()
/// }
///
/// fn sessions() -> Result<Check, redis::RedisError> {
///     let client = redis::Client::open("redis://sessions.internal/")?;
///     Ok(Redis::client("sessions", client).primary().writes("health:orders").check().subject("sessions"))
/// }
/// ```
#[derive(Clone)]
pub struct Redis {
    name: String,
    source: Source,
    expected: Expected,
    writes: Option<String>,
}

#[derive(Clone)]
enum Source {
    Client(Client),
    Manager(ConnectionManager),
}

/// The address of a connection may have a password in it.
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("name", &self.name)
            .field("expected", &self.expected)
            .field("writes", &self.writes)
            .finish_non_exhaustive()
    }
}

impl Redis {
    /// A check called `name` over a new connection each run, as a new client would make: it also sees what only those see, a
    /// password that was changed or `maxclients` reached.
    pub fn client(name: impl Into<String>, client: Client) -> Self {
        Self::new(name.into(), Source::Client(client))
    }

    /// A check called `name` over the connection that the service uses. Its response timeout (500 ms unless the manager
    /// was told otherwise) holds here too.
    pub fn manager(name: impl Into<String>, manager: ConnectionManager) -> Self {
        Self::new(name.into(), Source::Manager(manager))
    }

    fn new(name: String, source: Source) -> Self {
        Self {
            name,
            source,
            expected: Expected::default(),
            writes: None,
        }
    }

    /// It is a primary: a replica is unhealthy.
    #[must_use]
    pub fn primary(mut self) -> Self {
        self.expected.primary = true;
        self
    }

    /// A replica hears its primary, and a primary each of its replicas, at least once in `lag`, or it is degraded; so is a primary
    /// that has none connected. Redis counts whole seconds, and they ping every 10 s (`repl-ping-replica-period`).
    #[must_use]
    pub fn replication(mut self, lag: Duration) -> Self {
        self.expected.lag = Some(lag);
        self
    }

    /// Degraded if `ratio` (0 to 1) of `maxmemory` is used, where that means that writes will be refused: with the policy
    /// `noeviction`, and `volatile-*` as far as keys without expiry go. With `allkeys-*` full is what a cache should be.
    /// That writes are refused is [`writes`](Self::writes)' to say: it begins a little before all is used.
    #[must_use]
    pub fn memory(mut self, ratio: f64) -> Self {
        self.expected.memory = Some(ratio);
        self
    }

    /// It takes writes: `key` is set, to expire after a minute. Says it when memory, a disk or missing replicas stop them.
    /// In a cluster's node the key must be one of its own.
    #[must_use]
    pub fn writes(self, key: impl Into<String>) -> Self {
        Self {
            writes: Some(key.into()),
            ..self
        }
    }

    /// The check.
    pub fn check(self) -> Check {
        if self
            .expected
            .memory
            .is_some_and(|ratio| !(ratio > 0.0 && ratio <= 1.0))
        {
            return Check::mistaken(
                self.name,
                Invalid::new("memory", "must be more than 0 and at most 1"),
            );
        }
        let name = self.name.clone();
        let this = Arc::new(self);
        Check::new(name, move || Arc::clone(&this).look())
    }

    async fn look(self: Arc<Self>) -> Verdict {
        let told = match &self.source {
            Source::Manager(manager) => self.ask(&mut manager.clone()).await,
            Source::Client(client) => match client.get_multiplexed_async_connection().await {
                Ok(mut connection) => self.ask(&mut connection).await,
                Err(error) => Err(error),
            },
        };
        told.unwrap_or_else(|error| Verdict::unhealthy(failure(&error)))
    }

    async fn ask(&self, connection: &mut impl ConnectionLike) -> RedisResult<Verdict> {
        let _: redis::Value = cmd("PING").query_async(connection).await?;
        if let Some(key) = &self.writes {
            let mut set = cmd("SET");
            set.arg(key)
                .arg("written by a health check")
                .arg("PX")
                .arg(WRITTEN_MS);
            if let Err(error) = set.query_async::<redis::Value>(connection).await {
                return Ok(Verdict::unhealthy(format!(
                    "does not take writes: {}",
                    failure(&error)
                )));
            }
        }
        if self.expected.is_empty() {
            return Ok(Verdict::healthy());
        }
        let text = cmd("INFO").query_async::<redis::Value>(connection).await?;
        let text = String::from_redis_value(text).unwrap_or_default();
        Ok(self.expected.verdict(&Info::new(&text)))
    }
}

fn failure(error: &RedisError) -> String {
    let advice = match error.code() {
        Some("LOADING") => "is loading its data",
        Some("MASTERDOWN") => "is a replica that has lost its primary",
        Some("READONLY") => "is a replica",
        Some("OOM") => "has no memory left (maxmemory)",
        Some("MISCONF") => "cannot save to its disk",
        Some("NOREPLICAS") => "has too few replicas",
        Some("NOAUTH" | "WRONGPASS") => "does not let the user in",
        Some("NOPERM") => {
            "does not let the user do that: allow PING, and INFO and SET where they are asked for"
        }
        _ => return chain(error),
    };
    format!("{advice}: {}", chain(error))
}

impl Verdict {
    fn worse(self, other: Self) -> Self {
        if other.status > self.status { other } else { self }
    }
}

/// Of several, the worst; healthy of none.
fn worst(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    verdicts
        .into_iter()
        .fold(Verdict::new(Status::Healthy, ""), Verdict::worse)
}
