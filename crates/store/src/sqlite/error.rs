//! What SQLite says, as what to do about it.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::fault::{Fault, OpenError, chain};

/// Why the file could not be opened.
pub(crate) fn refusal(path: &Path, error: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NoDatabase(path),
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged {
            path,
            why: error.to_string(),
        },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => OpenError::ReadOnly(path),
        Some(ErrorCode::DiskFull) => OpenError::Full(path),
        _ => OpenError::Sqlite { path, source: error },
    }
}

/// Why it could not be used.
pub(super) fn fault(path: &Path, error: rusqlite::Error) -> Fault {
    let why = match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
            return Fault::Refused(error.to_string());
        }
        Some(ErrorCode::DiskFull) => "the disk is full; make room".into(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            format!("it is damaged ({error}); stop Ward, move it away, and `ward restore` a backup")
        }
        Some(ErrorCode::ReadOnly) => "it has become read-only; make it writable".into(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program holds its lock; end that".into()
        }
        Some(ErrorCode::SystemIoFailure) => format!("the disk fails ({error}); look at the system's log"),
        _ => chain(&error),
    };
    Fault::Away(format!("the database {path:?}: {why}"))
}
