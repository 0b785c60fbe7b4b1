//! Where log lines go: to stderr, compact for people or JSON for machines, and into files if a directory is named.
//!
//! stdout belongs to data. Files are for machines on which nothing collects what processes say (`files`, `rolling`); where
//! systemd or a container runtime does, they would only be a second thing that can fill a disk, so there are none unless
//! asked for. What one place in the code may log is bounded, and what it did not say is counted ([`Dropped`]). Values are
//! cut where they are logged, if nothing else bounds them. Where traces are sent each line says in which it was logged
//! (`line`).

mod admitted;
mod files;
mod flood;
mod line;
mod rolling;

use std::{
    env,
    io::{self, IsTerminal},
    path::Path,
};

use opentelemetry_sdk::trace::SdkTracer;
use tracing_subscriber::{
    EnvFilter, filter::ParseError, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

pub use self::flood::{Dropped, RECORD};
use self::{admitted::Admitted, files::Files, flood::Flood, line::Traced};
use crate::{Clock, telemetry::Lost};

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

/// What is logged, how, and where to.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    /// How lines on standard error look; those in files are JSON.
    pub format: Format,
    /// The filter if neither `WARD_LOG` nor `RUST_LOG` is set, such as `"info"`.
    pub filter: &'a str,
    /// A directory for files of lines as well: `ward.DATE.jsonl`, and errors again in `ward.error.DATE.jsonl`. One process
    /// to a directory.
    pub dir: Option<&'a Path>,
}

/// What has to live for as long as there are lines.
#[derive(Debug)]
pub(crate) struct Logs {
    _files: Option<Files>,
}

/// Begins logging for the whole process, to standard error alone and without traces. `default` is the filter if neither
/// `WARD_LOG` nor `RUST_LOG` is set, such as `"info"`. Returns the counter of what is not written.
pub fn init(format: Format, default: &str) -> Result<Dropped, LogsError> {
    let lines = Lines {
        format,
        filter: default,
        dir: None,
    };
    let lost = Lost::default();
    install(lines, None, &lost)?;
    Ok(lost.lines)
}

/// Begins logging, and with a tracer the making of spans.
pub(crate) fn install(lines: Lines<'_>, tracer: Option<SdkTracer>, lost: &Lost) -> Result<Logs, LogsError> {
    let admitted = Admitted {
        events: filter(lines.filter)?,
        spans: tracer.is_some(),
    };
    let clock = Clock::start();
    let files = lines
        .dir
        .map(|dir| Files::begin(dir, clock.clone(), lost.file_lines.clone()))
        .transpose();
    let (files, failed) = files.map_or_else(|error| (None, Some(error)), |files| (files, None));
    let json = || fmt::format().json().flatten_event(true);
    let in_files = files.as_ref().map(|files| {
        let lines = fmt::layer().json().event_format(Traced(json()));
        lines.with_ansi(false).with_writer(files.writer())
    });
    let for_machines = (lines.format == Format::Json).then(|| {
        let lines = fmt::layer().json().event_format(Traced(json()));
        lines.with_ansi(false).with_writer(io::stderr)
    });
    let for_people = (lines.format == Format::Compact).then(|| {
        let ansi = !is_plain() && io::stderr().is_terminal();
        let compact = fmt::format().compact().with_ansi(ansi);
        let lines = fmt::layer().event_format(Traced(compact));
        lines.with_ansi(ansi).with_writer(io::stderr)
    });
    let traces = tracer.map(|tracer| {
        let spans = tracing_opentelemetry::layer().with_tracer(tracer);
        // Who is busy and where in the code a span is made is more than a trace of health needs.
        spans
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
    });
    registry()
        .with(admitted)
        .with(Flood::new(clock, lost.lines.clone()))
        .with(traces)
        .with(in_files)
        .with(for_machines)
        .with(for_people)
        .try_init()
        .map_err(|_| LogsError::Installed)?;
    if let Some(error) = failed {
        tracing::error!(%error, "cannot begin to write log files: lines are on standard error alone");
    }
    Ok(Logs { _files: files })
}

fn filter(default: &str) -> Result<EnvFilter, LogsError> {
    let set = |name| Some((name, env::var(name).ok().filter(|text| !text.is_empty())?));
    match VARIABLES.into_iter().find_map(set) {
        Some((variable, text)) => {
            EnvFilter::try_new(text).map_err(|source| LogsError::Filter { variable, source })
        }
        None => Ok(EnvFilter::new(default)),
    }
}

/// Whether somebody wants no colour anywhere: <https://no-color.org>.
fn is_plain() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
