//! Names for things that are made of several texts.

use sha2::{Digest as _, Sha256};

/// A hash of texts, in hexadecimal digits. Each goes in with its length, so that no two lists are the same in a row.
pub(crate) fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
