//! Whether a setting that the service cannot do without is there: a variable, a file with a key, anything else.
//!
//! The value is looked at and dropped. It is shown nowhere, nor its length, nor what a parser says of it: what must be
//! set is a secret more often than not.

use std::{env, fs::File, io, io::Read as _, path::PathBuf, sync::Arc};

use axum::http::Uri;

use super::flight::Flight;
use crate::check::{Check, Verdict};

/// More than any key or address has. Of a file that is longer only as much is read.
const LONGEST_BYTES: u64 = 64 * 1024;

/// A setting is there: not empty, nor white space only.
///
/// Unhealthy if it is not set, empty, not readable as text, or not what it was said to be; the message says which, and
/// never shows any of it.
///
/// ```
/// use ward_sdk::checks::Setting;
///
/// let key = Setting::variable("signing-key", "ORDERS_SIGNING_KEY").check();
/// let token = Setting::file("bank-token", "/run/secrets/bank-token").check();
/// let bank = Setting::variable("bank", "ORDERS_BANK_URL").url().check().advisory();
/// # let vault = std::collections::HashMap::<String, String>::new();
/// let limit = Setting::of("limit", "orders/limit in the vault", move || vault.get("orders/limit").cloned()).number().check();
/// ```
#[derive(Clone)]
pub struct Setting {
    name: String,
    /// What it is, for people.
    what: String,
    source: Source,
    form: Form,
}

#[derive(Clone)]
enum Source {
    Variable(String),
    File(PathBuf),
    Lookup(Arc<dyn Fn() -> Option<String> + Send + Sync>),
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Text,
    Number,
    Url,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setting")
            .field("name", &self.name)
            .field("what", &self.what)
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

impl Setting {
    /// A check called `name` of an environment variable.
    pub fn variable(name: impl Into<String>, variable: impl Into<String>) -> Self {
        let variable = variable.into();
        Self::new(
            name.into(),
            format!("the variable {variable}"),
            Source::Variable(variable),
        )
    }

    /// A check called `name` of a file that holds nothing but the setting, as a mounted secret does. Of what is longer than
    /// 64 KiB the beginning is looked at.
    pub fn file(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::new(
            name.into(),
            format!("the file {}", path.display()),
            Source::File(path),
        )
    }

    /// A check called `name` of anything else: `what` says in messages what it is, `lookup` gives it. `lookup` must not
    /// block.
    pub fn of(
        name: impl Into<String>,
        what: impl Into<String>,
        lookup: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name.into(), what.into(), Source::Lookup(Arc::new(lookup)))
    }

    fn new(name: String, what: String, source: Source) -> Self {
        Self {
            name,
            what,
            source,
            form: Form::Text,
        }
    }

    /// It is a finite number, as in `5`, `0.25` or `1e6`.
    #[must_use]
    pub fn number(self) -> Self {
        Self {
            form: Form::Number,
            ..self
        }
    }

    /// It is a URL with a scheme and a host, as in `https://bank.example/` or `postgres://user:password@db/orders`.
    #[must_use]
    pub fn url(self) -> Self {
        Self {
            form: Form::Url,
            ..self
        }
    }

    /// The check.
    pub fn check(self) -> Check {
        let flight = Flight::new();
        let setting = self.clone();
        Check::new(self.name, move || setting.clone().look(flight.clone()))
    }

    async fn look(self, flight: Flight) -> Verdict {
        let read = match self.source {
            Source::Variable(variable) => Ok(env::var_os(variable).map(|value| value.into_encoded_bytes())),
            Source::Lookup(lookup) => Ok(lookup().map(String::into_bytes)),
            Source::File(path) => read(path, &flight).await,
        };
        match read.map(|value| fault(value, self.form)) {
            Ok(None) => Verdict::healthy(),
            Ok(Some(fault)) => Verdict::unhealthy(format!("{} {fault}", self.what)),
            Err(error) => Verdict::unhealthy(format!("read {}: {error}", self.what)),
        }
    }
}

async fn read(path: PathBuf, flight: &Flight) -> io::Result<Option<Vec<u8>>> {
    let reading = move || -> io::Result<Option<Vec<u8>>> {
        let mut value = Vec::new();
        File::open(path)?.take(LONGEST_BYTES).read_to_end(&mut value)?;
        Ok(Some(value))
    };
    match flight.ask(reading).await? {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read,
    }
}

/// What is wrong with it, if anything is. Says nothing that depends on more of the value than that.
fn fault(value: Option<Vec<u8>>, form: Form) -> Option<&'static str> {
    let Some(value) = value else {
        return Some("is not set");
    };
    let Ok(value) = str::from_utf8(&value) else {
        return Some("is not UTF-8");
    };
    let value = value.trim();
    let number = || value.parse::<f64>().is_ok_and(f64::is_finite);
    let url = || {
        let filled = |part: Option<&str>| part.is_some_and(|part| !part.is_empty());
        let uri = value.parse::<Uri>();
        uri.is_ok_and(|uri| filled(uri.scheme_str()) && filled(uri.host()))
    };
    match form {
        _ if value.is_empty() => Some("is empty"),
        Form::Number if !number() => Some("is not a number"),
        Form::Url if !url() => Some("is not a URL with a scheme and a host"),
        Form::Text | Form::Number | Form::Url => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ward_model::Status;

    use super::*;

    fn of(value: &str, form: Form) -> Option<&'static str> {
        fault(Some(value.into()), form)
    }

    #[test]
    fn what_is_wrong_is_told_by_kind() {
        assert_eq!(fault(None, Form::Text), Some("is not set"));
        assert_eq!(fault(Some(vec![0xff, b'x']), Form::Text), Some("is not UTF-8"));
        for empty in ["", " ", "\n\t"] {
            assert_eq!(of(empty, Form::Url), Some("is empty"));
        }
        for number in ["5", "-0.25", "1e6", " 7\n"] {
            assert_eq!(of(number, Form::Number), None, "{number}");
        }
        for none in ["five", "inf", "NaN", "1,5", "0x10"] {
            assert_eq!(of(none, Form::Number), Some("is not a number"), "{none}");
        }
        for url in [
            "https://bank.example/",
            "postgres://u:p@db:5432/orders",
            "redis://[::1]:6379",
        ] {
            assert_eq!(of(url, Form::Url), None, "{url}");
        }
        for none in ["bank.example", "/path", "https://", "https:///x", "://x", "a b"] {
            assert!(of(none, Form::Url).is_some(), "{none}");
        }
    }

    #[tokio::test]
    async fn a_file_may_come_go_and_be_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let check = Setting::file("token", &path).check();
        let gone = check.look().await;
        assert!(
            gone.status == Status::Unhealthy && gone.message.ends_with("is not set"),
            "{gone:?}"
        );
        fs::write(&path, "hunter2\n").unwrap();
        assert_eq!(check.look().await, Verdict::healthy());
        fs::write(&path, "\n").unwrap();
        assert!(check.look().await.message.ends_with("is empty"));
        let folder = Setting::file("token", folder.path()).check().look().await;
        assert!(folder.message.starts_with("read the file"), "{folder:?}");
    }

    #[tokio::test]
    async fn variables_and_lookups_are_read_each_time() {
        assert_eq!(
            Setting::variable("path", "PATH").check().look().await,
            Verdict::healthy()
        );
        let unset = Setting::variable("x", "WARD_NO_SUCH_VARIABLE")
            .check()
            .look()
            .await;
        assert_eq!(
            unset,
            Verdict::unhealthy("the variable WARD_NO_SUCH_VARIABLE is not set")
        );
        let lookup = Setting::of("limit", "the limit", || Some("12".into())).number();
        assert_eq!(lookup.check().look().await, Verdict::healthy());
    }
}
