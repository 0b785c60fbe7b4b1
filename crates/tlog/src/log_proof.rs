//! `.tlog-proof`: all that is needed to see that an entry is in a log, in one text, as C2SP `tlog-proof` has it.
//!
//! The entry itself is not in it: whoever verifies has it, and a proof that brought its own would show nothing about theirs.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    Checkpoint, CheckpointError, Hash, MAX_PROOF, ProofError, Verifier, checkpoint::parse_number,
    note::MAX_NOTE_BYTES, verify_inclusion,
};

const TITLE: &str = "c2sp.org/tlog-proof@v1";
/// The longest that is read: the checkpoint, as much again beside it, and the hashes.
const MAX_BYTES: usize = 2 * MAX_NOTE_BYTES + MAX_PROOF * 45;

/// That an entry is in a log, for whoever has the key of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProof {
    /// Which entry of the log.
    pub index: u64,
    /// From the leaf to the root: [`inclusion_proof`](crate::inclusion_proof).
    pub hashes: Vec<Hash>,
    /// The checkpoint, with its signatures.
    pub checkpoint: String,
    /// What an application puts beside it. Nobody has signed it: not to be believed.
    pub extra: Option<Vec<u8>>,
}

/// A proof that shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogProofError {
    /// Not a proof as it is written.
    #[error("is no proof: it has no {0}")]
    Form(&'static str),
    /// The checkpoint in it is not believed.
    #[error("the proof rests on a checkpoint that is not believed")]
    Checkpoint(#[from] CheckpointError),
    /// It does not lead from the entry to the checkpoint.
    #[error("the proof is not of this entry")]
    Proof(#[from] ProofError),
}

impl LogProof {
    /// Of an entry in the log of a signed checkpoint.
    pub fn new(index: u64, hashes: Vec<Hash>, checkpoint: String) -> Self {
        Self {
            index,
            hashes,
            checkpoint,
            extra: None,
        }
    }

    /// As it is kept in a file.
    pub fn encode(&self) -> String {
        let mut text = format!("{TITLE}\n");
        if let Some(extra) = &self.extra {
            text += &format!("extra {}\n", STANDARD.encode(extra));
        }
        text += &format!("index {}\n", self.index);
        for hash in &self.hashes {
            text += &format!("{hash}\n");
        }
        text + "\n" + &self.checkpoint
    }

    /// Reads what is written so. Believes nothing of it.
    ///
    /// # Errors
    ///
    /// If it is written otherwise.
    pub fn parse(text: &str) -> Result<Self, LogProofError> {
        if text.len() > MAX_BYTES {
            return Err(LogProofError::Form("end within what a proof may have"));
        }
        let (proof, checkpoint) = text.split_once("\n\n").ok_or(LogProofError::Form("checkpoint"))?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(TITLE) {
            return Err(LogProofError::Form("first line that says so"));
        }
        let mut lines = lines.peekable();
        let extra = lines
            .next_if(|line| line.starts_with("extra "))
            .map(|line| STANDARD.decode(&line["extra ".len()..]))
            .transpose()
            .map_err(|_| LogProofError::Form("extra data that can be read"))?;
        let index = lines
            .next()
            .and_then(|line| parse_number(line.strip_prefix("index ")?))
            .ok_or(LogProofError::Form("index"))?;
        let hashes: Vec<Hash> = lines
            .take(MAX_PROOF + 1)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| LogProofError::Form("hash where one should be"))?;
        if hashes.len() > MAX_PROOF {
            return Err(LogProofError::Form("end of its hashes"));
        }
        Ok(Self {
            index,
            hashes,
            checkpoint: checkpoint.to_owned(),
            extra,
        })
    }

    /// That the entry with this hash, [`leaf_hash`](crate::leaf_hash), is in the log with this key, and what that log was.
    ///
    /// # Errors
    ///
    /// If that is not shown.
    pub fn verify(&self, leaf: Hash, verifier: &Verifier) -> Result<Checkpoint, LogProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, verifier)?;
        verify_inclusion(leaf, self.index, &checkpoint.head, &self.hashes)?;
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests;
