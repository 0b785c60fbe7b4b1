//! Where log lines go: to stderr, compact for people or JSON for machines.
//!
//! stdout belongs to data. Files and rotation are left to what starts the process (systemd, a container runtime): a
//! second logger would only be a second thing that can fill a disk. What one place in the code may log is bounded, and
//! what it did not say is counted ([`Dropped`]). Values are cut where they are logged, if nothing else bounds them.

mod flood;

use std::{
    env,
    io::{self, IsTerminal},
};

use tracing_subscriber::{
    EnvFilter, filter::ParseError, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

use self::flood::Flood;
pub use self::flood::{Dropped, RECORD};
use crate::Clock;

/// What a server logs when nobody says otherwise. h2 warns of each connection that it closes for a flood, and even of
/// frames: whoever floods it would fill the disk. What was closed is counted, and logged by whoever serves it.
pub const DEFAULT: &str = "info,h2=error";

/// The variables that may hold a filter, the first that is set wins.
const VARIABLES: [&str; 2] = ["WARD_LOG", "RUST_LOG"];

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people; coloured on a terminal, unless `NO_COLOR` is set.
    #[default]
    Compact,
    /// One JSON object a line.
    Json,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// A variable holds something else than a filter.
    #[error(
        "read the log filter in {variable}; expected `info`, or directives such as `warn,ward_engine=debug`"
    )]
    Filter {
        /// Its name.
        variable: &'static str,
        /// What is wrong with it.
        source: ParseError,
    },
    /// This process logs already.
    #[error("begin logging: a log subscriber is already installed")]
    Installed,
}

/// Begins logging for the whole process. `default` is the filter if neither `WARD_LOG` nor `RUST_LOG` is set, such as
/// `"info"`. Returns the counter of what is not written.
pub fn init(format: Format, default: &str) -> Result<Dropped, LogsError> {
    let filter = match VARIABLES
        .iter()
        .find_map(|&name| Some((name, env::var(name).ok().filter(|v| !v.is_empty())?)))
    {
        Some((variable, text)) => {
            EnvFilter::try_new(text).map_err(|source| LogsError::Filter { variable, source })?
        }
        None => EnvFilter::new(default),
    };
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dropped = Dropped::default();
    let lines = registry()
        .with(filter)
        .with(Flood::new(Clock::start(), dropped.clone()));
    let written = fmt::layer().with_writer(io::stderr);
    match format {
        Format::Compact => {
            let ansi = !no_color && io::stderr().is_terminal();
            lines.with(written.compact().with_ansi(ansi)).try_init()
        }
        Format::Json => lines
            .with(written.json().flatten_event(true).with_ansi(false))
            .try_init(),
    }
    .map_err(|_| LogsError::Installed)?;
    Ok(dropped)
}
