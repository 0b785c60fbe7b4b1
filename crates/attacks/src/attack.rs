//! One attack, run against the server with its guard and without.

use std::{path::Path, pin::Pin, time::Duration};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{Setup, honest::Honest, target::Target};

/// What an honest client's heartbeat may take, at its 99th percentile.
pub(crate) const P99_MS: f64 = 50.0;
/// What an attack may cost the server in memory.
pub(crate) const MEMORY_MB: f64 = 64.0;
/// What it may make the server write: nothing that fills a disk.
const LOG_MB: f64 = 1.0;

/// How large an attack is, and how long it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// For every change: as small as keeps its meaning.
    Short,
    /// For the table.
    Full,
}

impl Size {
    /// One of two figures.
    pub fn of<T>(self, short: T, full: T) -> T {
        match self {
            Self::Short => short,
            Self::Full => full,
        }
    }

    /// For how long an attack goes on at least. In ten seconds an honest client beats and asks some hundred times.
    pub(crate) fn lasts(self) -> Duration {
        self.of(Duration::from_millis(500), Duration::from_secs(10))
    }
}

/// What became of an attacker.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Every one of them was closed, refused or bounded.
    pub(crate) stopped: bool,
    /// In words and figures.
    pub(crate) happened: String,
}

pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Outcome>> + Send + 'a>>;

/// How the server is run without the guard.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Without {
    /// As the libraries are when nobody asks them otherwise, and as [`Attack::setup`] says.
    Loosened,
    /// Not at all, for this reason.
    Never(&'static str),
}

/// One attack.
#[derive(Clone, Copy)]
pub struct Attack {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What the attacker does.
    pub what: &'static str,
    /// What stops it.
    pub guard: &'static str,
    pub(crate) without: Without,
    /// Changes a server for this attack, with its guards or without.
    pub(crate) setup: fn(&mut Setup, Size),
    pub(crate) run: for<'a> fn(&'a Target, Size) -> Running<'a>,
}

impl std::fmt::Debug for Attack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attack")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How an attack went against one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Side {
    /// Whether all attackers were closed, refused or bounded.
    pub stopped: bool,
    /// What became of them.
    pub happened: String,
    /// Of an honest client's heartbeats, in milliseconds: the time from sending 64 to their acknowledgement.
    pub beat_p99_ms: f64,
    /// Of its questions about the system.
    pub ask_p99_ms: f64,
    /// How many such acknowledgements there were.
    pub beats: usize,
    /// What went wrong for the honest client, if something did.
    pub unserved: Option<String>,
    /// The most memory that the server took beyond what it had before.
    pub memory_mb: f64,
    /// What the server logged meanwhile.
    pub log_mb: f64,
    /// CPU time of the server by the second, in cores.
    pub cores: f64,
}

/// An attack with its guard and without.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Of the [`Attack`].
    pub name: String,
    /// Of the [`Attack`].
    pub what: String,
    /// Of the [`Attack`].
    pub guard: String,
    /// With the guard.
    pub guarded: Side,
    /// Without it, or why there is no such thing.
    pub without: Result<Side, String>,
}

impl Attack {
    /// Runs it against servers that `program serve` starts: with the guard, then without.
    ///
    /// # Errors
    ///
    /// What could not be done, such as starting a server. That a guard does not hold is no error.
    pub async fn run(&self, program: &Path, size: Size) -> anyhow::Result<Row> {
        let guarded = self
            .side(program, size, true)
            .await
            .with_context(|| format!("{}, guarded", self.name))?;
        let without = match self.without {
            Without::Never(why) => Err(why.to_owned()),
            Without::Loosened => Ok(self
                .side(program, size, false)
                .await
                .with_context(|| format!("{}, without its guard", self.name))?),
        };
        Ok(Row {
            name: self.name.to_owned(),
            what: self.what.to_owned(),
            guard: self.guard.to_owned(),
            guarded,
            without,
        })
    }

    async fn side(&self, program: &Path, size: Size, guarded: bool) -> anyhow::Result<Side> {
        let mut setup = Setup::new(guarded);
        (self.setup)(&mut setup, size);
        let target = Target::start(program, &setup).context("start the server")?;
        let honest = Honest::start(target.server())
            .await
            .context("be served before the attack")?;
        let before = target.measure()?;
        let outcome = (self.run)(&target, size).await?;
        let after = target.measure().context("look at the server after the attack")?;
        let experience = honest.finish().await?;
        let passed = after.at.since(before.at).as_secs_f64();
        Ok(Side {
            stopped: outcome.stopped,
            happened: outcome.happened,
            beat_p99_ms: experience.beats.p99_ms(),
            ask_p99_ms: experience.asks.p99_ms(),
            beats: experience.beats.count(),
            unserved: experience.unserved,
            memory_mb: after.peak_bytes.saturating_sub(before.bytes) as f64 / 1e6,
            log_mb: target.log_bytes()? as f64 / 1e6,
            cores: (after.cpu.saturating_sub(before.cpu)).as_secs_f64() / passed.max(0.001),
        })
    }
}

impl Row {
    /// For a terminal: what became of whom, with the guard and without.
    pub fn lines(&self) -> Vec<String> {
        let shown = |guard: &str, side: &Side| {
            format!(
                "{guard} {}; honest: p99 {:.1} ms of {} beats, {:.1} ms of questions{}; {:.1} MB more, {:.1} MB of log, {:.2} cores",
                side.happened,
                side.beat_p99_ms,
                side.beats,
                side.ask_p99_ms,
                side.unserved
                    .as_ref()
                    .map_or_else(String::new, |why| format!(" ({why})")),
                side.memory_mb,
                side.log_mb,
                side.cores
            )
        };
        let without = match &self.without {
            Ok(side) => shown("without:", side),
            Err(why) => format!("without: {why}"),
        };
        vec![shown("guarded:", &self.guarded), without]
    }

    /// What the guard owes and did not give, and what is not shown about it. How fast somebody was served is judged only
    /// in full, on a machine that does nothing else.
    pub fn misses(&self, size: Size) -> Vec<String> {
        let side = &self.guarded;
        let mut misses = Vec::new();
        let mut miss = |missed: bool, what: String| {
            if missed {
                misses.push(what);
            }
        };
        miss(!side.stopped, format!("not stopped: {}", side.happened));
        if let Some(unserved) = &side.unserved {
            miss(true, format!("the honest client: {unserved}"));
        }
        miss(
            side.memory_mb > MEMORY_MB,
            format!("{:.0} MB more, {MEMORY_MB} is the bound", side.memory_mb),
        );
        miss(
            side.log_mb > LOG_MB,
            format!("{:.1} MB of log, {LOG_MB} is the bound", side.log_mb),
        );
        miss(
            size == Size::Full && side.beat_p99_ms > P99_MS,
            format!(
                "p99 of heartbeats {:.0} ms, {P99_MS} is the bound",
                side.beat_p99_ms
            ),
        );
        if let Ok(without) = &self.without {
            miss(
                without.stopped,
                format!("stopped without the guard as well: {}", without.happened),
            );
        }
        misses
    }
}
