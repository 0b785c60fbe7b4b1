//! The carts in Redis, and what is known of them while it is away: to be read, not written.
//!
//! One connection serves all, as Redis has it, and connects anew by itself; how many may use it at once is bounded, and so
//! is every wait. A choice that cannot be kept is refused, and the refusal says that nothing else is wrong: what is then
//! sold without a cart is for the storefront to decide. Keeping choices here until Redis is back was not taken: a cart of
//! two memories is one that nobody can trust.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use redis::{
    Client, Pipeline, RedisError, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
    pipe,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::Semaphore, time::timeout};
use tracing::{Instrument, Span, field::Empty, info_span};
use ward_chassis::Clock;
use ward_sdk::{Check, Status, Verdict, checks::Redis};

use crate::{
    breaker::Breaker,
    calls::Calls,
    measure::Waited,
    metrics::{Metrics, Outcome, Pooled, Usage},
    plan::REDIS,
    upstream::Failure,
};

/// Commands under way at once: twenty customers a second need one.
const COMMANDS: usize = 16;
/// How long one waits for its turn, for a connection, and for an answer; and for all of it: less than the storefront's
/// patience.
const WAIT: Duration = Duration::from_millis(300);
const CONNECT: Duration = Duration::from_millis(900);
const ANSWER: Duration = Duration::from_millis(900);
const ALL: Duration = Duration::from_millis(1_200);
/// Most carts known: ten times as many customers as there are. The cart of one more is not known while Redis is away.
const KNOWN: usize = 1_000;
/// How long a cart is kept that nobody touches, in seconds: a day. Customers who never come back would fill Redis otherwise.
const KEPT: u64 = 86_400;
/// What the check writes, for a minute.
const PROBE: &str = "cart:health";

/// A URL that is none. What it says is left out: it has a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected redis://:PASSWORD@HOST:PORT")]
pub(crate) struct InvalidUrl;

/// A cart, and whether that is what was known of it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cart {
    pub(crate) choices: u64,
    pub(crate) stale: bool,
}

/// The carts. Clones are the same.
#[derive(Clone)]
pub(crate) struct Carts(Arc<Inner>);

struct Inner {
    client: Client,
    connection: Mutex<ConnectionManager>,
    turns: Semaphore,
    waiting: AtomicUsize,
    check: Check,
    clock: Clock,
    metrics: Metrics,
    calls: Mutex<Calls>,
    breaker: Mutex<Breaker>,
    known: Mutex<HashMap<u32, u64>>,
}

/// The client's own output has the address in it, with its password.
impl fmt::Debug for Carts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carts")
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

impl Carts {
    /// Connects to nothing yet. On a tokio runtime.
    pub(crate) fn new(url: &SecretString, clock: Clock, metrics: Metrics) -> Result<Self, InvalidUrl> {
        let client = Client::open(url.expose_secret()).map_err(|_| InvalidUrl)?;
        let check = Redis::client(REDIS, client.clone())
            .primary()
            .writes(PROBE)
            .check();
        Ok(Self(Arc::new(Inner {
            connection: Mutex::new(connection(&client).map_err(|_| InvalidUrl)?),
            client,
            turns: Semaphore::new(COMMANDS),
            waiting: AtomicUsize::new(0),
            check: check.timeout(ALL),
            clock,
            metrics,
            calls: Mutex::new(Calls::new()),
            breaker: Mutex::default(),
            known: Mutex::default(),
        })))
    }

    /// Puts one more thing into a cart; how many are in it then.
    pub(crate) async fn choose(&self, waited: &Waited, customer: u32) -> Result<u64, Failure> {
        let choices = self
            .ask(waited, adding(customer))
            .await
            .map_err(|failure| Failure {
                read_only: failure.culprit == REDIS,
                ..failure
            })?;
        self.learn(customer, choices.unwrap_or_default());
        Ok(choices.unwrap_or_default())
    }

    /// How many things are in a cart, or were when it was seen last.
    pub(crate) async fn read(&self, waited: &Waited, customer: u32) -> Result<Cart, Failure> {
        let mut get = pipe();
        get.cmd("GET").arg(key(customer));
        let failure = match self.ask(waited, get).await {
            Ok(choices) => {
                let choices = choices.unwrap_or_default();
                self.learn(customer, choices);
                return Ok(Cart {
                    choices,
                    stale: false,
                });
            }
            Err(failure) => failure,
        };
        let known = self.0.known.lock().get(&customer).copied();
        known.map(|choices| Cart { choices, stale: true }).ok_or(failure)
    }

    fn learn(&self, customer: u32, choices: u64) {
        let mut known = self.0.known.lock();
        if known.len() < KNOWN || known.contains_key(&customer) {
            known.insert(customer, choices);
        }
    }

    /// The look at the server: a question of its own, as a new client would ask; if that is answered, what the calls of the
    /// last seconds say.
    pub(crate) async fn check(&self) -> Verdict {
        let told = self.0.check.look().await;
        let mut calls = self.0.calls.lock();
        if told.status == Status::Healthy && calls.looked_bad() {
            // The manager would have one more command fail before it does.
            self.connect_anew();
        }
        calls.with_look(self.0.clock.mono(), told)
    }

    async fn ask(&self, waited: &Waited, commands: Pipeline) -> Result<Option<u64>, Failure> {
        if !self.0.breaker.lock().lets_through(self.0.clock.mono()) {
            return Err(Failure::of(REDIS, "is away"));
        }
        let span = info_span!("call", otel.kind = "client", upstream = REDIS, outcome = Empty);
        let asked = async {
            let waiting = waited.waiting(&self.0.clock);
            let result = timeout(ALL, self.in_turn(commands))
                .await
                .unwrap_or_else(|_| Err(late()));
            let took = self.0.clock.mono().since(waiting.since());
            self.count(took, result.as_ref().err());
            result
        };
        asked.instrument(span).await
    }

    /// What the first of the commands is answered.
    async fn in_turn(&self, mut commands: Pipeline) -> Result<Option<u64>, Failure> {
        let waiting = Waiting::new(&self.0.waiting);
        let turn = timeout(WAIT, self.0.turns.acquire()).await;
        // The cart's own fault, not that of Redis.
        let _turn = turn.map_err(|_| Failure::of("cart", "all its commands to redis are under way"))?;
        drop(waiting);
        let mut connection = self.0.connection.lock().clone();
        // Each with its own error: that of the whole would have no code.
        let told: RedisResult<Vec<RedisResult<_>>> =
            commands.ignore_errors().query_async(&mut connection).await;
        let first = told.and_then(|told| told.into_iter().next().unwrap_or(Ok(None)));
        first.map_err(|error| refusal(&error))
    }

    fn count(&self, took: Duration, failure: Option<&Failure>) {
        let inner = &self.0;
        let now = inner.clock.mono();
        let outcome = failure.map_or(Outcome::Ok, Failure::outcome);
        Span::current().record("outcome", outcome.as_str());
        inner.metrics.called(REDIS, outcome, took);
        let failure = failure.filter(|failure| failure.culprit == REDIS);
        inner
            .calls
            .lock()
            .count(now, took, failure.map(|failure| failure.what.as_str()));
        inner.breaker.lock().record(now, failure.is_some());
        if failure.is_some_and(|failure| failure.late) {
            self.connect_anew();
        }
    }

    /// The manager does so when a connection breaks, and keeps one that is merely silent: to a machine that is gone, for
    /// a quarter of an hour.
    fn connect_anew(&self) {
        match connection(&self.0.client) {
            Ok(anew) => *self.0.connection.lock() = anew,
            Err(error) => tracing::warn!(error = %refusal(&error).what, "cannot connect anew"),
        }
    }
}

/// Counts one who waits, until dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Pooled for Carts {
    fn name(&self) -> &'static str {
        REDIS
    }

    fn usage(&self) -> Usage {
        let idle = self.0.turns.available_permits();
        Usage {
            idle,
            used: COMMANDS - idle,
            most: COMMANDS,
            waiting: self.0.waiting.load(Relaxed),
        }
    }
}

/// One way there and back for both.
fn adding(customer: u32) -> Pipeline {
    let mut both = pipe();
    both.cmd("INCR").arg(key(customer));
    both.cmd("EXPIRE").arg(key(customer)).arg(KEPT).ignore();
    both
}

fn key(customer: u32) -> String {
    format!("cart:{customer}")
}

/// One that connects when it is first used. It tries once: who waits for more tries waits longer than a customer.
fn connection(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(ANSWER));
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

fn late() -> Failure {
    Failure {
        late: true,
        ..Failure::of(REDIS, "no answer in time")
    }
}

/// In words that have no address: the error of a connection may name it.
fn refusal(error: &RedisError) -> Failure {
    if error.is_timeout() {
        return late();
    }
    let what = match error.code() {
        Some(code) => format!("refuses: {code}"),
        None if error.is_connection_refusal() => "cannot be connected to".into(),
        None if error.is_io_error() => "broke off".into(),
        None => format!("{:?}", error.kind()),
    };
    Failure::of(REDIS, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "hunter2-of-redis";

    #[tokio::test]
    async fn without_redis_carts_are_read_as_they_were_known_and_nothing_says_the_password() {
        // Nobody listens there.
        let url = SecretString::from(format!("redis://:{SECRET}@127.0.0.1:1/"));
        let carts = Carts::new(&url, Clock::start(), Metrics::default()).unwrap();
        let waited = Waited::default();
        carts.learn(7, 3);
        let failure = carts.choose(&waited, 7).await.unwrap_err();
        assert!(failure.read_only && failure.culprit == REDIS, "{failure:?}");
        let known = carts.read(&waited, 7).await.unwrap();
        assert_eq!(
            known,
            Cart {
                choices: 3,
                stale: true
            }
        );
        let unknown = carts.read(&waited, 8).await.unwrap_err();
        assert_eq!(unknown.culprit, REDIS);
        let said = format!("{carts:?} {failure:?} {unknown:?} {:?}", carts.check().await);
        assert!(!said.contains(SECRET), "{said}");
        let invalid = Carts::new(&SecretString::from(SECRET), Clock::start(), Metrics::default());
        assert!(!format!("{:?}", invalid.unwrap_err()).contains(SECRET));
    }

    #[test]
    fn a_cart_that_nobody_touches_ends_after_a_day() {
        let sent = String::from_utf8(adding(7).get_packed_pipeline()).unwrap();
        let words: Vec<_> = sent
            .lines()
            .filter(|line| !line.starts_with(['*', '$']))
            .collect();
        assert_eq!(words, ["INCR", "cart:7", "EXPIRE", "cart:7", "86400"]);
    }

    #[tokio::test]
    async fn no_more_carts_are_known_than_there_is_room_for() {
        let url = SecretString::from("redis://127.0.0.1:1/");
        let carts = Carts::new(&url, Clock::start(), Metrics::default()).unwrap();
        (0..2_000).for_each(|customer| carts.learn(customer, 1));
        carts.learn(0, 2);
        let known = carts.0.known.lock();
        assert_eq!((known.len(), known[&0]), (KNOWN, 2));
    }
}
