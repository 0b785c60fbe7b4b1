//! Where things that are remembered are: for the aggregator, and for commands that work on the same files.

use std::{io, path::Path};

use ward_config::Store as Settings;
use ward_store::Place;

/// The audit log, in the data directory.
pub const AUDIT_DIR: &str = "audit";
/// The database, in the data directory, unless another one is configured.
pub const DATABASE_FILE: &str = "ward.db";

/// The database that is configured, or the file in `data_dir`.
///
/// # Errors
///
/// The file that holds its address cannot be read, or holds none.
pub fn store_place(settings: &Settings, data_dir: &Path) -> io::Result<Place> {
    Ok(match settings.address()? {
        Some(address) => Place::Postgres(address.expose().into()),
        None => Place::Sqlite(data_dir.join(DATABASE_FILE)),
    })
}
