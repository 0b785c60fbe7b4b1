//! A bearer token between its file and the wire.
//!
//! It is held where no `Debug` shows it, leaves as metadata that is marked sensitive (HPACK puts it in no table), and is
//! quoted by no error: a token that is refused here may be a good one with a slip in it.

use std::{os::unix::fs::MetadataExt as _, path::Path, sync::Arc};

use secrecy::{ExposeSecret as _, SecretString};
use tonic::codegen::http::HeaderValue;

use super::{Field, InvalidCredentials};

/// Longest token.
const TOKEN_BYTES: usize = 512;
/// Longest file: a token, and blanks behind it.
const FILE_BYTES: u64 = 1024;
/// Who may read a file beside its owner.
const OTHERS: u32 = 0o077;

/// Shows a token with each call; or none.
#[derive(Clone, Debug)]
pub struct Bearer {
    // Shared, so that the token is in memory once however many streams there are.
    token: Option<Arc<SecretString>>,
}

impl Bearer {
    /// Shows none.
    pub(crate) fn nobody() -> Self {
        Self { token: None }
    }

    /// The token in `path`, without blanks at its end.
    ///
    /// # Errors
    /// The file cannot be read, or is none of 1 to 512 visible ASCII characters.
    pub fn read(path: &Path) -> Result<Self, InvalidCredentials> {
        let text = Field::TokenFile.read(path, FILE_BYTES)?;
        let token = text.trim_ascii_end();
        let fault = if token.is_empty() {
            "is empty"
        } else if token.len() > TOKEN_BYTES {
            "has more than a token"
        } else if !token.iter().all(u8::is_ascii_graphic) {
            "has more than visible ASCII characters in it"
        } else {
            let token = String::from_utf8_lossy(token).into_owned();
            return Ok(Self {
                token: Some(Arc::new(token.into())),
            });
        };
        Err(Field::TokenFile.invalid(path, fault))
    }

    /// Whether others than its owner may read the file: odd, and no mistake, since containers mount secrets so.
    pub fn is_open(path: &Path) -> bool {
        path.metadata().is_ok_and(|file| file.mode() & OTHERS != 0)
    }

    /// The header `authorization` that shows it, marked sensitive.
    pub fn authorization(&self) -> Option<HeaderValue> {
        let token = self.token.as_ref()?.expose_secret();
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let mut value = value.expect("visible ASCII, seen when it was read");
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_token_is_visible_ascii_and_seen_by_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |text: &[u8]| {
            fs::write(&path, text).unwrap();
            Bearer::read(&path)
        };
        let longest = [b'x'; TOKEN_BYTES];
        for good in [b"hunter2" as &[u8], b"hunter2 \r\n\n", &longest] {
            let bearer = read(good).unwrap();
            assert!(!format!("{bearer:?}").contains("hunter2"), "{bearer:?}");
            let value = bearer.authorization().unwrap();
            assert!(
                value.is_sensitive() && !format!("{value:?}").contains("hunter2"),
                "{value:?}"
            );
            assert_eq!(value.as_bytes(), [b"Bearer ", good.trim_ascii_end()].concat());
        }
        let too_long = [b'x'; TOKEN_BYTES + 1];
        let endless = [b' '; 2 * FILE_BYTES as usize];
        for bad in [
            b"" as &[u8],
            b" \n",
            b" hunter2",
            b"hunter2\nhunter2",
            b"hunter2\x1b",
            "hunter2\u{e9}".as_bytes(),
            &too_long,
            &endless,
        ] {
            let error = read(bad).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(said.contains("token_file") && said.contains("512"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
        assert!(Bearer::nobody().authorization().is_none());
    }

    #[test]
    fn a_file_that_others_may_read_is_seen() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, open) in [(0o600, false), (0o400, false), (0o440, true), (0o444, true)] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Bearer::is_open(file.path()), open, "{mode:o}");
        }
    }
}
