//! Tells one state of a file from another, without reading it.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// What a file was like when it was looked at: device and inode, length, and when it was changed; or that there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(Option<(u64, u64, u64, i64, i64)>);

impl Stamp {
    /// Of the file at `path`, behind links. Take it before reading: what changes meanwhile is then seen by the next look.
    pub fn of(path: &Path) -> Self {
        let file = fs::metadata(path).ok();
        Self(file.map(|file| {
            let (changed, nanos) = (file.mtime(), file.mtime_nsec());
            (file.dev(), file.ino(), file.len(), changed, nanos)
        }))
    }
}
