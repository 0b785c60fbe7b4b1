//! What goes wrong with TLS, in words that say what to do.
//!
//! Settings stand in backticks, as they are called in code (`tls_ca`), so that who calls them otherwise can say so.

use std::io;

use jiff::Timestamp;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, pki_types::UnixTime};

/// Most names of a certificate that are told.
const NAMES: usize = 4;

/// What went wrong.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("TLS: {0}")]
    Said(String),
    #[error(
        "TLS: the server does not speak HTTP/2 over TLS: something else listens there, or a proxy that does not pass on \
         what is asked for (ALPN h2)"
    )]
    NotHttp2,
    #[error(
        "TLS: the server speaks TLS and is spoken to without: begin the address with https://, or name `tls_ca`"
    )]
    Unasked,
}

impl Fault {
    /// Why there was no handshake.
    pub(super) fn of_handshake(error: &io::Error) -> Self {
        match rustls(error) {
            Some(error) => Self::Said(words(error)),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Said(
                "the server closed the connection during the handshake: perhaps it speaks no TLS".into(),
            ),
            None => Self::Said(format!("the handshake failed: {error}")),
        }
    }

    /// What a connection that was there ended with, if TLS has to do with it.
    pub(super) fn of_connection(error: &io::Error) -> Option<Self> {
        rustls(error).map(|error| Self::Said(words(error)))
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}

fn rustls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server speaks no TLS: begin the address with http:// if it is meant to be spoken to without"
                .into()
        }
        Error::NoApplicationProtocol => Fault::NotHttp2.to_string().replacen("TLS: ", "", 1),
        error => error.to_string(),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        // Of an authority that is called as one that is trusted, and is another: made anew, most likely.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate is not trusted: name the authority that issued it with `tls_ca`".into()
        }
        CertificateError::Expired => "the server's certificate has expired: it has to be renewed".into(),
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "the server's certificate has expired at {}: it has to be renewed, unless this machine's clock is wrong",
            time(*not_after)
        ),
        CertificateError::NotValidYet => {
            "the server's certificate is not valid yet: look at the clocks of both machines".into()
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is not valid before {}: look at the clocks of both machines",
            time(*not_before)
        ),
        CertificateError::NotValidForName => {
            "the server's certificate is for another name: ask under one that it has".into()
        }
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the server's certificate is for {}, not for {}: ask under a name that it has",
            names(presented),
            expected.to_str()
        ),
        CertificateError::Revoked => "the server's certificate is revoked".into(),
        error => format!("the server's certificate cannot be trusted: {error}"),
    }
}

/// What rustls tells as `DnsName("ward.example")`.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        inner.unwrap_or(name).trim_matches('"').to_owned()
    };
    let shown: Vec<_> = presented.iter().take(NAMES).map(bare).collect();
    match presented.len() > NAMES {
        true => format!("{} and others", shown.join(", ")),
        false => shown.join(", "),
    }
}

fn of_alert(alert: AlertDescription) -> String {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired => {
            "the server wants to be shown a certificate: name one with `tls_cert` and `tls_key`".into()
        }
        A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA
        | A::AccessDenied
        | A::DecryptError => {
            format!(
                "the server does not accept the certificate it was shown ({alert:?}): name another with `tls_cert`"
            )
        }
        // Without a certificate TLS 1.2 ends so.
        A::HandshakeFailure => {
            "the server refuses the handshake: perhaps it wants a certificate, see `tls_cert` and `tls_key`"
                .into()
        }
        A::NoApplicationProtocol => Fault::NotHttp2.to_string().replacen("TLS: ", "", 1),
        alert => format!("the server ended the connection ({alert:?})"),
    }
}

fn time(at: UnixTime) -> String {
    let at = i64::try_from(at.as_secs())
        .ok()
        .and_then(|at| Timestamp::from_second(at).ok());
    at.map_or_else(|| "a time beyond all calendars".into(), |at| at.to_string())
}
