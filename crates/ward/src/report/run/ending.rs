//! How a command ended: as an exit code, as a sentence, as a report.

use std::{
    io::{Error, ErrorKind},
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    time::Duration,
};

use nix::sys::signal::Signal;
use ward_model::Status;
use ward_proto::v1;

use super::super::{deliver::CHECK, word::CheckWord};
use crate::output::span;

/// What timeout(1) ends with, for the same reason: one that was stopped must not look well, however it took it.
const TIMED_OUT: u8 = 124;
/// As shells say that a command is there and cannot be run.
const NOT_EXECUTABLE: u8 = 126;
/// As shells say that a command is not there.
const NOT_FOUND: u8 = 127;

/// The end of a run.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) how: How,
    pub(super) took: Duration,
    /// Of standard error; harmless, may be empty.
    pub(super) last_line: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum How {
    /// By itself, with this code.
    Exited(u8),
    /// By a signal.
    Killed(i32),
    /// By its timeout, and the signal that it took.
    TimedOut(Duration, Signal),
    /// Never.
    NotStarted(u8, String),
}

impl How {
    pub(super) fn ended(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
            (None, signal) => Self::Killed(signal.unwrap_or_default()),
        }
    }

    pub(super) fn not_started(error: &Error) -> Self {
        let code = match error.kind() {
            ErrorKind::NotFound => NOT_FOUND,
            _ => NOT_EXECUTABLE,
        };
        Self::NotStarted(code, error.to_string())
    }
}

impl Ending {
    /// What this process ends with.
    pub(super) fn code(&self) -> u8 {
        match &self.how {
            How::Exited(code) | How::NotStarted(code, _) => *code,
            How::Killed(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            How::TimedOut(..) => TIMED_OUT,
        }
    }

    pub(super) fn result(&self) -> v1::CheckResult {
        let status = match self.how {
            How::Exited(0) => Status::Healthy,
            _ => Status::Unhealthy,
        };
        let CheckWord(result) = CheckWord::new(CHECK, status, ward_proto::message(self.sentence()));
        result
    }

    pub(super) fn values(&self) -> Vec<v1::SignalValue> {
        let value = |name: &str, value| v1::SignalValue {
            name: name.into(),
            value,
        };
        vec![
            value("duration_seconds", self.took.as_secs_f64()),
            value("exit_code", self.code().into()),
        ]
    }

    fn sentence(&self) -> String {
        let took = took(self.took);
        let how = match &self.how {
            How::Exited(code) => format!("exit code {code} after {took}"),
            How::Killed(signal) => format!("ended by {} after {took}", name(*signal)),
            How::TimedOut(limit, signal) => {
                format!("did not end within {limit:?}, ended by {signal} after {took}")
            }
            How::NotStarted(_, why) => format!("cannot be started: {why}"),
        };
        match (&self.how, self.last_line.as_str()) {
            // What a command that went well has to say is no news.
            (How::Exited(0), _) | (_, "") => how,
            (_, last_line) => format!("{how}: {last_line}"),
        }
    }
}

fn name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |signal| signal.to_string())
}

fn took(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        _ => span(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(how: How, last_line: &str) -> (u8, v1::Status, String) {
        let ending = Ending {
            how,
            took: Duration::from_millis(2_340),
            last_line: last_line.into(),
        };
        let result = ending.result();
        (ending.code(), result.status(), result.message)
    }

    #[test]
    fn every_end_has_a_code_and_a_sentence() {
        let of = |raw| How::ended(ExitStatus::from_raw(raw));
        let missing = Error::from(ErrorKind::NotFound);
        let denied = Error::from(ErrorKind::PermissionDenied);
        let limit = Duration::from_secs(2);
        for (how, last_line, code, sentence) in [
            (of(0), "noise", 0, "exit code 0 after 2.3s"),
            (of(3 << 8), "no disk", 3, "exit code 3 after 2.3s: no disk"),
            (of(255 << 8), "", 255, "exit code 255 after 2.3s"),
            (of(9), "", 137, "ended by SIGKILL after 2.3s"),
            (of(15), "bye", 143, "ended by SIGTERM after 2.3s: bye"),
            (of(64), "", 192, "ended by signal 64 after 2.3s"),
            (
                How::TimedOut(limit, Signal::SIGKILL),
                "",
                124,
                "did not end within 2s, ended by SIGKILL after 2.3s",
            ),
            (
                How::not_started(&missing),
                "",
                127,
                "cannot be started: entity not found",
            ),
            (
                How::not_started(&denied),
                "",
                126,
                "cannot be started: permission denied",
            ),
        ] {
            let status = if code == 0 {
                v1::Status::Healthy
            } else {
                v1::Status::Unhealthy
            };
            assert_eq!(ending(how, last_line), (code, status, sentence.to_owned()));
        }
    }
}
