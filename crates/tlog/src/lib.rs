//! Transparency logs: what makes a log that nobody can quietly rewrite.
//!
//! A log is a Merkle tree over its entries (RFC 6962, section 2.1). Its [`Head`], a size and 32 bytes, stands for all of
//! it: an inclusion proof shows that an entry is in it, a consistency proof that a later head has all of an earlier one.
//! How heads, hashes and proofs are written down is that of C2SP: `tlog-tiles`, `signed-note`, `tlog-checkpoint`,
//! `tlog-proof`. So verifiers that share no code with Ward read what Ward writes.
//!
//! Pure: no files, no sockets, no clock, no randomness; hashes come through [`Tiles`]. It knows nothing of health or of
//! what an entry says. Everything that reads what others wrote refuses rather than guesses, never panics, and does a bounded
//! amount of work.
//!
//! Written here rather than taken: the crates there are bring a second set of digests and a second Ed25519, for about 500
//! lines. The tests hold it to the vectors of others instead.

mod checkpoint;
mod hash;
mod log_proof;
pub mod note;
mod prove;
mod tile;
mod tree;
mod verify;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use hash::{Hash, InvalidHash, leaf_hash, node_hash};
pub use log_proof::{LogProof, LogProofError};
pub use note::{KeyError, NoteError, Signer, Verifier};
pub use prove::{ProveError, consistency_proof, inclusion_proof};
pub use tile::{TILE_WIDTH, TileId, Tiles, entries_path, parse_entries_path, tiles_between};
pub use tree::{Head, InvalidFrontier, Tree};
pub use verify::{ProofError, verify_consistency, verify_inclusion};

/// The largest log: what others hold in a signed 64-bit number. At a million entries a second it is full in 292,000 years.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// The longest proof: no tree of [`MAX_SIZE`] is higher, and a consistency proof has one hash more than its path.
pub const MAX_PROOF: usize = 64;

#[cfg(test)]
mod testing;
