//! What shows that something is in an audit log: proofs and checkpoints in a text, keys, and the names of files.

use ward_tlog::{Checkpoint, LogProof, LogProofError, TileId, Verifier, leaf_hash, parse_entries_path};

/// A key of nobody: what is signed with it is nothing that a fuzzer can find.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

/// A proof, which has a checkpoint in it, which is a signed note. There is one way to write each, and none of them shows
/// anything.
pub(crate) fn log_proof(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let key: Verifier = KEY.parse().expect("a key of our own");
    match LogProof::parse(text) {
        Ok(proof) => {
            assert_eq!(proof.encode(), text);
            let error = proof
                .verify(leaf_hash(b""), &key)
                .expect_err("nobody has signed it");
            super::is_harmless(&error.to_string());
            if let LogProofError::Checkpoint(error) = error {
                super::is_harmless(&error.to_string());
            }
            checkpoint(&proof.checkpoint);
        }
        Err(error) => super::is_harmless(&error.to_string()),
    }
    checkpoint(text);
    names(text);
}

fn checkpoint(text: &str) {
    match Checkpoint::parse_unverified(text) {
        Ok(checkpoint) => {
            let written = checkpoint.text();
            assert!(text.starts_with(&written), "{text:?} is read as {written:?}");
            assert_eq!(Checkpoint::from_text(&written), Ok(checkpoint));
        }
        Err(error) => super::is_harmless(&error.to_string()),
    }
}

fn names(text: &str) {
    match text.parse::<Verifier>() {
        Ok(key) => assert_eq!(key.vkey(), text.trim_ascii_end()),
        Err(error) => super::is_harmless(&error.to_string()),
    }
    if let Some(tile) = TileId::parse(text) {
        assert_eq!(tile.path(), text);
    }
    if let Some((index, width)) = parse_entries_path(text) {
        assert_eq!(ward_tlog::entries_path(index, width), text);
    }
}
