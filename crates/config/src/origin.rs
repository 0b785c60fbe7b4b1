//! Where values came from.

use std::{collections::BTreeMap, fmt};

/// Who said it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: it is what holds when nothing is said.
    #[default]
    Default,
    /// The file.
    File {
        /// Which, as it was named.
        path: String,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable of this name.
    Variable(String),
    /// A flag, such as `--grpc`.
    Flag(String),
}

/// What it is called by people; escaped.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", crate::mistake::escaped(path)),
            Self::Variable(name) => write!(f, "${name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Where each value came from that somebody gave, by its key as it is written in messages (`services.bank.interval`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(pub(crate) BTreeMap<String, Origin>);

impl Origins {
    /// Where the value of `key` came from.
    pub fn of(&self, key: &str) -> Origin {
        self.0.get(key).cloned().unwrap_or_default()
    }
}
