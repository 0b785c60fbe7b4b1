//! How a command ends: every exit code, and the one line that says why.
//!
//! The codes are a promise to scripts. 0 to 3 are verdicts, so a failure is never one of them; 64, 65, 70 and 77 are those of
//! sysexits.h. anyhow alone would make all failures 1, which is `degraded`. Where another promise is older (`check` ends
//! as grpc_health_probe does, `report --run` as the command it ran) that one is kept.

use std::{error::Error, fmt, io, process::ExitCode};

use ward_config::Errors;
use ward_model::Status;
use ward_sdk::{InvalidServer, watch};

use crate::{
    access::as_flags,
    output::{Escaped, Out},
};

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; for `status`: healthy. 0.
    Good,
    /// The verdict of `status` is degraded. 1.
    Degraded,
    /// The verdict of `status` is unhealthy. 2.
    Unhealthy,
    /// The verdict of `status` is unknown. 3.
    Unknown,
    /// The aggregator, or the demo, cannot be reached. 4.
    Unreachable,
    /// The audit log of the aggregator is not the one that was seen before. 65.
    Rewritten,
    /// The command was not understood, or asks for what makes no sense there. 64.
    Usage,
    /// Anything else went wrong. 70.
    Failed,
    /// The aggregator does not let this client do it. 77.
    Denied,
    /// As another promise has it.
    As(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Good => 0,
            Exit::Degraded => 1,
            Exit::Unhealthy => 2,
            Exit::Unknown => 3,
            Exit::Unreachable => 4,
            Exit::Usage => 64,
            Exit::Rewritten => 65,
            Exit::Failed => 70,
            Exit::Denied => 77,
            Exit::As(code) => code,
        })
    }
}

impl From<Status> for Exit {
    fn from(status: Status) -> Self {
        match status {
            Status::Healthy => Self::Good,
            Status::Degraded => Self::Degraded,
            Status::Unhealthy => Self::Unhealthy,
            Status::Unknown => Self::Unknown,
        }
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The parser has something to say: a mistake, or the help that was asked for.
    Parse {
        /// What it says.
        error: clap::Error,
        /// With what a mistake ends.
        mistake: Exit,
    },
    /// Something in the command that only the aggregator, or the demo, could know to be wrong.
    Usage(String),
    /// Mistakes in the configuration.
    Config(Box<Errors>),
    /// Nobody answers there.
    Unreachable {
        /// Where.
        server: String,
        /// What happened instead.
        why: String,
    },
    /// Somebody does, and refuses this client.
    Denied {
        /// Where.
        server: String,
        /// Why, in its words.
        said: String,
        /// It does not know who this is; else it knows, and the right is missing.
        stranger: bool,
    },
    /// No demo to speak to.
    NoDemo(String),
    /// Anything else.
    Other(anyhow::Error),
}

impl Failure {
    pub(crate) fn runtime(error: io::Error) -> Self {
        Self::Other(anyhow::Error::new(error).context("start the async runtime"))
    }

    /// Says it, and with what to end.
    pub(crate) fn tell(self, out: &mut Out) -> Exit {
        match self {
            Self::Parse { error, mistake } => {
                let exit = if error.use_stderr() { mistake } else { Exit::Good };
                // A reader that is gone has had enough.
                drop(error.print());
                exit
            }
            failure => {
                if let Self::Config(errors) = &failure {
                    out.note(&format!("{}\n", errors.styled()));
                }
                let exit = match failure {
                    Self::Usage(_) | Self::Config(_) => Exit::Usage,
                    Self::Unreachable { .. } | Self::NoDemo(_) => Exit::Unreachable,
                    Self::Denied { .. } => Exit::Denied,
                    _ => Exit::Failed,
                };
                out.error(&failure.to_string());
                exit
            }
        }
    }
}

/// Harmless on a terminal.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse { error, .. } => write!(f, "{}", Escaped(&error.to_string())),
            Self::Usage(message) => f.write_str(message),
            Self::Config(errors) => {
                let count = errors.count();
                let mistakes = if count == 1 { "mistake" } else { "mistakes" };
                write!(f, "the configuration cannot be used: {count} {mistakes}")
            }
            // Somebody is there, and what to do is said.
            Self::Unreachable { server, why } if why.starts_with("TLS: ") => {
                let (server, why) = (Escaped(server), Escaped(why));
                write!(f, "no connection to the aggregator at {server}: {why}")
            }
            Self::Unreachable { server, why } => {
                let (server, why) = (Escaped(server), Escaped(why));
                write!(
                    f,
                    "no aggregator at {server} ({why}): start one with `ward demo` or `ward aggregator`, or name another \
                     with --server"
                )
            }
            Self::Denied {
                server,
                said,
                stranger,
            } => {
                let (server, said) = (Escaped(server), Escaped(said));
                let what = match stranger {
                    true => "does not know who asks",
                    false => "does not allow this",
                };
                write!(
                    f,
                    "the aggregator at {server} {what} ({said}): show a certificate with --tls-cert and --tls-key, or a \
                     token with --token-file, that has the right"
                )
            }
            Self::NoDemo(why) => write!(f, "{}", Escaped(why)),
            Self::Other(error) => write!(f, "{}", Escaped(&format!("{error:#}"))),
        }
    }
}

impl From<Errors> for Failure {
    fn from(errors: Errors) -> Self {
        Self::Config(Box::new(errors))
    }
}

impl From<InvalidServer> for Failure {
    fn from(invalid: InvalidServer) -> Self {
        Self::Usage(Escaped(&as_flags(&invalid.to_string())).to_string())
    }
}

/// Of a watch that did not start.
impl From<watch::Error> for Failure {
    fn from(error: watch::Error) -> Self {
        match error {
            watch::Error::Address(invalid) => invalid.into(),
            error => Self::Other(error.into()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// The innermost reason: what the system said, without the layers that carried it.
pub(crate) fn root(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
