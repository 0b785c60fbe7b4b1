//! Checks as a service writes them: an asynchronous function with a rhythm.
//!
//! Here is only what one says about a check. Running it is `run`'s, counting its results the engine's `Debounce`. A
//! trait to implement was not taken: a closure that returns a `Result` is what people have at hand.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use ward_engine::Debounce;
use ward_model::{CheckKind, Status};
use ward_proto::Invalid;

use crate::signal::Signal;

/// What a check found, or what a service says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How well it is.
    pub status: Status,
    /// Why, for people. Control characters become spaces, and it is cut at 512 bytes.
    pub message: String,
}

impl Verdict {
    /// A status and why.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// Works.
    pub fn healthy() -> Self {
        Self::new(Status::Healthy, "")
    }

    /// Works, but not as it should.
    pub fn degraded(message: impl Into<String>) -> Self {
        Self::new(Status::Degraded, message)
    }

    /// Does not work.
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self::new(Status::Unhealthy, message)
    }

    /// Cannot be told. Moves no counter of the debouncing; a check that says nothing else for long becomes unknown.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(Status::Unknown, message)
    }
}

impl From<()> for Verdict {
    fn from((): ()) -> Self {
        Self::healthy()
    }
}

impl From<Status> for Verdict {
    fn from(status: Status) -> Self {
        Self::new(status, "")
    }
}

/// An error is unhealthy, with its text (and, if it is an `anyhow` one, those of its sources) as the message.
impl<T: Into<Self>, E: fmt::Display> From<Result<T, E>> for Verdict {
    fn from(result: Result<T, E>) -> Self {
        result.map_or_else(|error| Self::unhealthy(format!("{error:#}")), Into::into)
    }
}

type Run = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// Something to look at again and again.
///
/// ```
/// # use std::{io, time::Duration};
/// # use ward_sdk::Check;
/// # async fn ping() -> io::Result<()> { Ok(()) }
/// let check = Check::new("database", || async { ping().await })
///     .period(Duration::from_secs(2))
///     .timeout(Duration::from_millis(500))
///     .subject("orders-db");
/// ```
#[derive(Clone)]
pub struct Check {
    pub(crate) name: String,
    pub(crate) kind: CheckKind,
    pub(crate) subject: String,
    pub(crate) period: Duration,
    pub(crate) timeout: Option<Duration>,
    pub(crate) rise: u32,
    pub(crate) fall: u32,
    /// What it sets as it runs.
    pub(crate) signals: Vec<Signal>,
    /// Why it cannot be run: told by `start()`, as any mistake in a declaration is.
    pub(crate) mistake: Option<Invalid>,
    /// What a run that brought no verdict (late, blocked, panicked) says.
    late: Arc<dyn Fn() -> Status + Send + Sync>,
    run: Arc<dyn Fn() -> Run + Send + Sync>,
}

impl Check {
    /// How often a check runs that does not say.
    pub const PERIOD: Duration = Duration::from_secs(5);
    /// The longest a check may take that does not say; its period, if that is shorter.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
    const PERIOD_MIN: Duration = Duration::from_millis(10);

    /// A required check. `check` returns a [`Verdict`] or what becomes one: a [`Status`], a `Result` whose error says
    /// what is wrong. It runs on the runtime that started the reporter and must not block its thread.
    pub fn new<F, R, V>(name: impl Into<String>, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = V> + Send + 'static,
        V: Into<Verdict>,
    {
        let run = move || -> Run {
            let run = check();
            Box::pin(async { run.await.into() })
        };
        Self {
            name: name.into(),
            kind: CheckKind::Required,
            subject: String::new(),
            period: Self::PERIOD,
            timeout: None,
            rise: Debounce::RISE,
            fall: Debounce::FALL,
            signals: Vec::new(),
            mistake: None,
            late: Arc::new(|| Status::Unhealthy),
            run: Arc::new(run),
        }
    }

    /// How often it runs, 10 ms or more. Silent for three periods it is unknown.
    #[must_use]
    pub fn period(self, period: Duration) -> Self {
        Self {
            period: period.max(Self::PERIOD_MIN),
            ..self
        }
    }

    /// How long a run may take; one that takes longer is given up and counts as unhealthy (of the ready-made checks of the
    /// host, as unknown: that this process was slow to look says nothing about what it looks at).
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    /// A worse status is believed after `rise` results in a row (3 unless said), a better one after `fall` (2).
    #[must_use]
    pub fn debounce(self, rise: u32, fall: u32) -> Self {
        Self { rise, fall, ..self }
    }

    /// It is about another service, on which this one thereby depends: softly if the check is advisory.
    #[must_use]
    pub fn subject(self, service: impl Into<String>) -> Self {
        Self {
            subject: service.into(),
            ..self
        }
    }

    /// At most degrades the instance, and does not count for readiness.
    #[must_use]
    pub fn advisory(self) -> Self {
        Self {
            kind: CheckKind::Advisory,
            ..self
        }
    }

    /// A number that the check sets as it runs; it is declared with the check. What it means need not be said twice:
    /// give the levels to one of the two.
    ///
    /// ```
    /// # use ward_sdk::{Check, Signal, Verdict};
    /// # fn messages_waiting() -> u32 { 3 }
    /// let depth = Signal::new("queue_depth");
    /// let handle = depth.handle();
    /// let check = Check::new("queue", move || {
    ///     let waiting = messages_waiting();
    ///     handle.set(f64::from(waiting));
    ///     async move { if waiting < 1_000 { Verdict::healthy() } else { Verdict::degraded("nobody reads") } }
    /// })
    /// .sets(depth);
    /// ```
    #[must_use]
    pub fn sets(mut self, signal: Signal) -> Self {
        self.signals.push(signal);
        self
    }

    /// Looks once, within its timeout: for the tests of a service, or to wait for something before it starts. What it
    /// finds is told to nobody and not debounced. May be dropped at any time.
    ///
    /// # Panics
    ///
    /// If its function does.
    pub async fn look(&self) -> Verdict {
        let limit = self.effective_timeout();
        match tokio::time::timeout(limit, self.run()).await {
            Ok(verdict) => verdict,
            Err(_) => self.timed_out(limit),
        }
    }

    /// What a run that brings no verdict says, unhealthy unless said. Where one result is believed at once, one such run
    /// is not enough for that.
    #[cfg(any(feature = "host", feature = "certificate"))]
    pub(crate) fn late(self, late: impl Fn() -> Status + Send + Sync + 'static) -> Self {
        Self {
            late: Arc::new(late),
            ..self
        }
    }

    /// The verdict of a run that brought none.
    pub(crate) fn without_verdict(&self, message: impl Into<String>) -> Verdict {
        Verdict::new((self.late)(), message)
    }

    pub(crate) fn timed_out(&self, limit: Duration) -> Verdict {
        self.without_verdict(format!("timed out after {limit:?}"))
    }

    /// A check that never runs, because `start()` tells what is wrong with it.
    pub(crate) fn mistaken(name: impl Into<String>, mistake: Invalid) -> Self {
        Self {
            mistake: Some(mistake),
            ..Self::new(name, || async {
                Verdict::unknown("the check is not as it must be")
            })
        }
    }

    pub(crate) fn effective_timeout(&self) -> Duration {
        self.timeout.unwrap_or(Self::TIMEOUT.min(self.period))
    }

    pub(crate) fn run(&self) -> Run {
        (self.run)()
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("subject", &self.subject)
            .field("period", &self.period)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
