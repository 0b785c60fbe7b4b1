//! Checkpoints: heads that a log has signed, as C2SP `tlog-checkpoint` has them.
//!
//! The text is the origin, the size and the root, a line each. Lines behind those are passed over, as the format allows, and
//! never written: nobody could check them against the log.

use crate::{
    Hash, Head, MAX_SIZE, NoteError, Signer, Verifier,
    note::{self, told},
};

/// A head, and of which log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: never two of the same. It is the name of the key as well.
    pub origin: String,
    /// How long it is, and its root.
    pub head: Head,
}

/// Why a checkpoint is not believed, or cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not signed as it must be.
    #[error("the checkpoint {0}")]
    Note(#[from] NoteError),
    /// Signed, and no checkpoint.
    #[error("the checkpoint has no {0}")]
    Form(&'static str),
    /// Of another log.
    #[error("the checkpoint is of the log {found}, expected {expected}")]
    Origin {
        /// How the name begins of whom it is from.
        found: String,
        /// The name of the key.
        expected: String,
    },
}

impl Checkpoint {
    /// What is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.head.size, self.head.root)
    }

    /// Reads what [`text`](Self::text) wrote: for a head that one keeps oneself, without a signature.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn from_text(text: &str) -> Result<Self, CheckpointError> {
        parse(text)
    }

    /// The checkpoint as it is kept and handed out.
    ///
    /// # Errors
    ///
    /// If the signer has another name than the log, or the log cannot have that size.
    pub fn sign(&self, signer: &Signer) -> Result<String, CheckpointError> {
        parse(&self.text())?.of(signer.name())?;
        Ok(signer.sign(&self.text())?)
    }

    /// Reads one that the log with this key has signed. Signatures of others, such as witnesses, may stand beside.
    ///
    /// # Errors
    ///
    /// If it has not, or it is of another log.
    pub fn open(text: &str, verifier: &Verifier) -> Result<Self, CheckpointError> {
        parse(note::open(text, std::slice::from_ref(verifier))?)?.of(verifier.name())
    }

    /// Reads one without asking who signed it: to say what is wrong with it, never to act on.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn parse_unverified(text: &str) -> Result<Self, CheckpointError> {
        parse(note::text_unverified(text)?)
    }

    fn of(self, expected: &str) -> Result<Self, CheckpointError> {
        if self.origin == expected {
            return Ok(self);
        }
        Err(CheckpointError::Origin {
            found: told(&self.origin),
            expected: expected.to_owned(),
        })
    }
}

fn parse(text: &str) -> Result<Checkpoint, CheckpointError> {
    let mut lines = text.lines();
    let mut line = |what| {
        lines
            .next()
            .filter(|line| !line.is_empty())
            .ok_or(CheckpointError::Form(what))
    };
    let origin = line("origin")?.to_owned();
    let size = parse_number(line("size")?)
        .filter(|size| *size <= MAX_SIZE)
        .ok_or(CheckpointError::Form("size that a log can have"))?;
    let root: Hash = line("root")?
        .parse()
        .map_err(|_| CheckpointError::Form("root that is a hash"))?;
    if size == 0 && root != Hash::EMPTY {
        return Err(CheckpointError::Form("root that an empty log can have"));
    }
    if lines.any(str::is_empty) {
        return Err(CheckpointError::Form("end: there is an empty line in its text"));
    }
    Ok(Checkpoint {
        origin,
        head: Head { size, root },
    })
}

/// Decimal, with no other way to write the same number.
pub(crate) fn parse_number(text: &str) -> Option<u64> {
    text.parse()
        .ok()
        .filter(|number: &u64| number.to_string() == text)
}

#[cfg(test)]
mod tests;
