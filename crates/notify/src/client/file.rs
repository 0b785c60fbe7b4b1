//! Reading the files that a receiver needs. They may stand on a file system that never answers: only on a thread that may
//! wait.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// What is in a file of at most so many bytes. Pipes and devices are none: who reads them may wait for ever, or for nobody.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is longer than {most} bytes")));
    }
    Ok(bytes)
}
