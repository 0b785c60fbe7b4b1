//! Who we are, from its file to the header that shows it.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use super::file;
use crate::Auth;

/// Longest file: a long token, and blanks behind it.
const FILE_BYTES: u64 = 8 * 1024;

/// The header that shows it, marked sensitive. Errors quote the name of the file and never what is in it.
pub(super) fn read(auth: &Auth) -> Result<Option<HeaderValue>, String> {
    let value = match auth {
        Auth::None => return Ok(None),
        Auth::Basic {
            username,
            password_file,
        } => {
            let password = secret("the password", password_file)?;
            let both = format!("{username}:{}", password.expose_secret());
            SecretString::from(format!("Basic {}", STANDARD.encode(both)))
        }
        Auth::Bearer { token_file } => {
            let token = secret("the token", token_file)?;
            SecretString::from(format!("Bearer {}", token.expose_secret()))
        }
    };
    let value = HeaderValue::from_str(value.expose_secret());
    let mut value = value.map_err(|_| "use the token: it has more than visible ASCII characters in it")?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn secret(what: &str, path: &Path) -> Result<SecretString, String> {
    let told = |error: String| format!("read {what} from {path:?}: {error}");
    let bytes = file::read(path, FILE_BYTES).map_err(|error| told(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| told("it is not text".into()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(told("it is empty".into()));
    }
    Ok(text.into())
}
