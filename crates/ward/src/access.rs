//! What a command shows to an aggregator, and whom it trusts to be one: flags for the sdk's credentials.
//!
//! A token is never an argument, which others on the machine could read: only the name of its file is.

use std::path::PathBuf;

use clap::{
    Args,
    builder::{PathBufValueParser, TypedValueParser as _},
};
use ward_sdk::{Bearer, Credentials, Field};

use crate::output::Out;

/// For every command that asks an aggregator.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Access {
    /// Speak TLS, and trust these authorities (PEM) instead of the system's
    #[arg(long, value_name = "FILE", env = "WARD_TLS_CA", help_heading = "Access")]
    tls_ca: Option<PathBuf>,
    /// Speak TLS, and show this certificate (PEM, with its chain)
    #[arg(
        long,
        value_name = "FILE",
        env = "WARD_TLS_CERT",
        requires = "tls_key",
        help_heading = "Access"
    )]
    tls_cert: Option<PathBuf>,
    /// The key (PEM) of that certificate
    #[arg(
        long,
        value_name = "FILE",
        env = "WARD_TLS_KEY",
        requires = "tls_cert",
        help_heading = "Access"
    )]
    tls_key: Option<PathBuf>,
    /// Show the bearer token in this file; over TLS only
    #[arg(
        long,
        value_name = "FILE",
        env = "WARD_TOKEN_FILE",
        value_parser = PathBufValueParser::new().map(token_file),
        help_heading = "Access"
    )]
    token_file: Option<PathBuf>,
}

/// As it is. Says what is odd about it, here because each command is read once and may ask several times.
fn token_file(path: PathBuf) -> PathBuf {
    if Bearer::is_open(&path) {
        Out::new().note(&format!(
            "warning: the token in {} can be read by others than its owner: chmod 600, unless it is mounted so",
            path.display()
        ));
    }
    path
}

impl From<Access> for Credentials {
    fn from(access: Access) -> Self {
        let Access {
            tls_ca,
            tls_cert,
            tls_key,
            token_file,
        } = access;
        Self {
            tls_ca,
            tls_cert,
            tls_key,
            token_file,
        }
    }
}

/// The sdk's words, with its settings called as they are typed.
pub(crate) fn as_flags(words: &str) -> String {
    let fields = [Field::TlsCa, Field::TlsCert, Field::TlsKey, Field::TokenFile];
    fields.into_iter().fold(words.to_owned(), |words, field| {
        let flag = format!("--{}", field.name().replace('_', "-"));
        words.replace(&field.to_string(), &flag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_called_as_they_are_typed_and_files_are_left_alone() {
        assert_eq!(
            as_flags("`tls_ca` /etc/tls_ca: see `tls_cert` and `token_file`"),
            "--tls-ca /etc/tls_ca: see --tls-cert and --token-file"
        );
    }
}
