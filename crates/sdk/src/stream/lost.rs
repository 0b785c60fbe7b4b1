//! How a connection to the aggregator ends, and what people can do about it.
//!
//! Which kind of trouble it is says how often it is told and how soon it is tried again; what exactly happened is told as it
//! came.

use std::{error::Error, time::Duration};

use tonic::{Code, Status};

use crate::server::{ConnectError, causes, is_of_tls};

/// How many kinds of [`Trouble`] there are.
pub(super) const TROUBLES: usize = 4;

#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("connect to the aggregator")]
    Connect(#[source] ConnectError),
    #[error("the aggregator refuses this service: {} ({:?})", .0.message().escape_debug(), .0.code())]
    Denied(Box<Status>),
    #[error("the aggregator did not answer within {0:?}")]
    Unanswered(Duration),
    #[error("the aggregator ended the call: {} ({:?})", .0.message().escape_debug(), .0.code())]
    Call(Box<Status>),
    #[error("the aggregator ended the stream")]
    Over,
}

/// What people can do about a loss differs.
#[derive(Clone, Copy)]
pub(super) enum Trouble {
    Away,
    Tls,
    Credentials,
    Denied,
}

impl Trouble {
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::Away | Self::Tls => "",
            Self::Credentials => ": the file is read again for each attempt",
            Self::Denied => {
                ", slowly: grant it the right, or show another certificate (tls_cert, tls_key) or token (token_file)"
            }
        }
    }
}

impl Lost {
    pub(super) fn call(status: Status) -> Self {
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => Self::Denied(Box::new(status)),
            _ => Self::Call(Box::new(status)),
        }
    }

    pub(super) fn trouble(&self) -> Trouble {
        match self {
            Self::Denied(_) => Trouble::Denied,
            Self::Connect(error) if error.of_credentials().is_some() => Trouble::Credentials,
            lost if lost.causes().any(is_of_tls) => Trouble::Tls,
            _ => Trouble::Away,
        }
    }

    /// The innermost reason: what the system, or TLS, said.
    pub(super) fn cause(&self) -> Option<String> {
        self.causes().last().map(ToString::to_string)
    }

    fn causes(&self) -> Box<dyn Iterator<Item = &(dyn Error + 'static)> + '_> {
        match self {
            Self::Call(status) => Box::new(causes(&**status)),
            lost => Box::new(causes(lost)),
        }
    }
}
