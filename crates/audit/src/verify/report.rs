//! What was found.

use std::{io, path::PathBuf};

use ward_tlog::{Hash, Head};

/// Most findings that are kept: who has that many needs no more to know.
const FINDINGS: usize = 100;

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The name of the log; `None` if its checkpoint could not be believed.
    pub origin: Option<String>,
    /// What it has signed.
    pub head: Option<Head>,
    /// How many entries were hashed.
    pub verified: u64,
    /// Whether every entry is the one that was written.
    pub integrity: Verdict,
    /// Whether all are there.
    pub completeness: Verdict,
    /// Whether it is the log that it was.
    pub anchoring: Anchoring,
    /// Durable events behind the checkpoint: of a log that is being written, or was not closed. Nobody has signed them yet.
    pub unsigned: u64,
    /// Bytes at the end of the tail that a crash left: what is cut when the log is opened.
    pub torn: u64,
}

/// The answer to one question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    #[default]
    Sound,
    /// No, and where not: the first hundred places.
    Broken(Vec<Finding>),
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// From which entry on.
    pub index: Option<u64>,
    /// What is wrong with it: goes on from the path.
    pub what: String,
}

/// Whether a log is the one that it was when a checkpoint was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Anchoring {
    /// No checkpoint was given. A log that was cut, and signed anew by whoever has its key, looks like this one.
    #[default]
    Unanchored,
    /// It has all that it had then.
    Anchored {
        /// The head that was kept.
        held: Head,
    },
    /// It is shorter: it was cut or rolled back.
    Cut {
        /// The head that was kept.
        held: Head,
        /// How many it has signed for now.
        size: u64,
    },
    /// What it had then is not what it says now.
    Rewritten {
        /// The head that was kept.
        held: Head,
        /// The root of as many entries now.
        root: Hash,
    },
    /// The checkpoint is of another log.
    OtherLog {
        /// Of which.
        origin: String,
    },
    /// The checkpoint is not signed by the key of this log.
    Unsigned {
        /// What is wrong with it.
        why: String,
    },
    /// The log is too damaged to tell.
    Unknown,
}

impl Report {
    /// Whether nothing is wrong: an anchor may be missing, but must hold if there is one.
    pub fn is_sound(&self) -> bool {
        self.is_whole() && matches!(self.anchoring, Anchoring::Unanchored | Anchoring::Anchored { .. })
    }

    /// Whether the log is whole in itself, whatever it was before.
    pub fn is_whole(&self) -> bool {
        self.integrity == Verdict::Sound && self.completeness == Verdict::Sound
    }

    pub(super) fn damaged(&mut self, path: PathBuf, index: Option<u64>, what: &str) {
        self.integrity.add(Finding {
            path,
            index,
            what: what.to_owned(),
        });
    }

    pub(super) fn missing(&mut self, path: PathBuf, index: Option<u64>) {
        self.completeness.add(Finding {
            path,
            index,
            what: "is missing".to_owned(),
        });
    }

    pub(super) fn unreadable(&mut self, path: PathBuf, index: Option<u64>, error: &io::Error) {
        if error.kind() == io::ErrorKind::NotFound {
            return self.missing(path, index);
        }
        self.completeness.add(Finding {
            path,
            index,
            what: format!("cannot be read: {error}"),
        });
    }
}

impl Report {
    /// Takes the findings of another one.
    pub(super) fn join(&mut self, other: Self) {
        self.integrity.join(other.integrity);
        self.completeness.join(other.completeness);
    }
}

impl Verdict {
    fn join(&mut self, other: Self) {
        if let Self::Broken(findings) = other {
            findings.into_iter().for_each(|finding| self.add(finding));
        }
    }

    fn add(&mut self, finding: Finding) {
        match self {
            Self::Sound => *self = Self::Broken(vec![finding]),
            Self::Broken(findings) if findings.len() < FINDINGS => findings.push(finding),
            Self::Broken(_) => {}
        }
    }

    /// What is wrong.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Sound => &[],
            Self::Broken(findings) => findings,
        }
    }
}
