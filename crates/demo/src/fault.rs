//! The ways a member can be broken, and the layer that does it to its requests.
//!
//! A fault changes what a member does, never what anyone says about it: health is measured beside it, by code that does
//! not know it is there. Crash and freeze happen to processes and not to requests: the first in `service`, the second by
//! a signal from the supervisor.

use std::{
    fmt,
    future::pending,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// A way to break a member of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It answers 500 to four requests of five.
    Errors,
    /// It takes two seconds more for each request.
    Slow,
    /// It accepts and never answers.
    Hang,
    /// Its process dies, and dies again each time it is started.
    Crash,
    /// Its process is stopped (SIGSTOP): it is there and does nothing.
    Freeze,
}

impl How {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Errors, Self::Slow, Self::Hang, Self::Crash, Self::Freeze];

    /// The lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Slow => "slow",
            Self::Hang => "hang",
            Self::Crash => "crash",
            Self::Freeze => "freeze",
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not one of the words of [`How`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected errors, slow, hang, crash or freeze")]
pub struct UnknownHow;

impl FromStr for How {
    type Err = UnknownHow;

    fn from_str(text: &str) -> Result<Self, UnknownHow> {
        Self::ALL
            .into_iter()
            .find(|how| how.as_str() == text)
            .ok_or(UnknownHow)
    }
}

/// How much longer a slow member takes.
const SLOWNESS: Duration = Duration::from_secs(2);

/// The fault a member has now, as its requests meet it.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    now: watch::Receiver<Option<How>>,
    turn: Arc<AtomicU32>,
}

impl Fault {
    pub(crate) fn new(now: watch::Receiver<Option<How>>) -> Self {
        Self {
            now,
            turn: Arc::default(),
        }
    }

    /// One request in five gets through: a service that fails always would be the easier case.
    fn spares(&self) -> bool {
        self.turn.fetch_add(1, Relaxed).is_multiple_of(5)
    }
}

/// The layer: does to a request what the fault says.
pub(crate) async fn strike(State(fault): State<Fault>, request: Request, next: Next) -> Response {
    let how = *fault.now.borrow();
    match how {
        Some(How::Errors) if !fault.spares() => {
            return (StatusCode::INTERNAL_SERVER_ERROR, "broken: errors\n").into_response();
        }
        Some(How::Slow) => tokio::time::sleep(SLOWNESS).await,
        Some(How::Hang) => pending().await,
        _ => {}
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for how in How::ALL {
            assert_eq!(how.to_string().parse(), Ok(how));
            assert_eq!(serde_json::to_string(&how).unwrap(), format!("\"{how}\""));
        }
        assert_eq!("Hang".parse::<How>(), Err(UnknownHow));
    }
}
