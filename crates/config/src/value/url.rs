//! Addresses on the web: where alerts are sent, and what links in them begin with.
//!
//! Services that take webhooks tell who may send by the path or the query, so what is shown of an address ends with the first
//! part of its path. Nothing here knows which addresses hold a secret: none is shown whole.

use std::net::Ipv6Addr;

use serde_json::{Value as Json, json};

use super::{Text, Wrong, is_not, masked};

/// Longest address, in bytes: servers take none that is much longer.
const URL_BYTES: usize = 2_048;
/// What may stand in a path; a `?` begins a query where there may be one.
const PATH: &str = r"A-Za-z0-9._~!$&'()*+,;=:@%/-";

/// The address of a receiver, which may hold a secret. Shown up to the first part of its path, everywhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ReceiverUrl(pub(crate) String);

impl ReceiverUrl {
    /// All of it, for whoever connects.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Without what may be secret.
    pub fn shown(&self) -> String {
        match secret(&self.0) {
            at if at < self.0.len() => format!("{}***", &self.0[..at]),
            _ => self.0.clone(),
        }
    }
}

impl std::fmt::Debug for ReceiverUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ReceiverUrl").field(&self.shown()).finish()
    }
}

/// Where in an address that begin which may be secret: behind the first part of the path, or in the query.
pub(super) fn secret(url: &str) -> usize {
    let scheme = url.find("://").map_or(0, |at| at + 3);
    let signs = ['/', '?', '#'];
    let Some(path) = url[scheme..].find(signs).map(|at| scheme + at) else {
        return url.len();
    };
    let behind = path + 1;
    match url[path..].starts_with('/').then(|| url[behind..].find(signs)) {
        Some(Some(at)) => behind + at + 1,
        Some(None) => url.len(),
        None => behind,
    }
}

/// An address that others are below: without a query.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl(pub(crate) String);

/// An address that is asked as it is.
#[derive(Clone, Debug)]
pub(crate) struct HookUrl(pub(crate) String);

impl Text for BaseUrl {
    const EXPECTED: &'static str = "an address such as \"https://ward.example.org\", without a query";

    fn parse(text: &str) -> Result<Self, Wrong> {
        checked(text, false).map(Self)
    }

    fn schema() -> Json {
        schema("")
    }
}

impl Text for HookUrl {
    const EXPECTED: &'static str = "an address such as \"https://hooks.example.org/ward\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        checked(text, true).map(Self)
    }

    fn schema() -> Json {
        schema("?")
    }
}

/// The host and the port of an address that was checked.
pub(crate) fn host_and_port(url: &str) -> String {
    let (scheme, authority, _) = parts(url).unwrap_or_default();
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.ends_with(']'));
    match (has_port, scheme) {
        (true, _) => authority.to_owned(),
        (false, "https") => format!("{authority}:443"),
        (false, _) => format!("{authority}:80"),
    }
}

/// Whether what is sent there can be read on the way: in clear text, to another machine.
pub(crate) fn is_open(url: &str) -> bool {
    let name = host_and_port(url);
    let host = name.rsplit_once(':').map_or("", |(host, _)| host);
    let is_here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    url.starts_with("http://") && !is_here
}

/// Scheme, authority, and what is behind it.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    Some((scheme, authority, path))
}

fn checked(text: &str, may_ask: bool) -> Result<String, Wrong> {
    let known = parts(text).filter(|(scheme, ..)| matches!(*scheme, "http" | "https"));
    // Somebody may have put a password into it, and then none of it is told.
    if text.contains('@')
        && known.is_none_or(|(_, authority, _)| authority.contains('@') || !is_authority(authority))
    {
        return Err(Wrong {
            message: "has a name or a password in it, which would be shown with it".to_owned(),
            help: Some(
                "leave it out, up to `@`: a receiver has `username` and `password_file`, or `token_file`"
                    .to_owned(),
            ),
        });
    }
    let in_path = |c: char| c.is_ascii_alphanumeric() || PATH.contains(c) || (may_ask && c == '?');
    match known {
        Some((_, authority, path))
            if text.len() <= URL_BYTES && is_authority(authority) && path.chars().all(in_path) =>
        {
            Ok(text.to_owned())
        }
        Some(_) => Err(is_not(&shown(text), "address")),
        None => {
            let like = format!("http://{text}");
            let help = !text.contains("://") && checked(&like, may_ask).is_ok();
            let help = help.then(|| format!("write \"{}\"", shown(&like)));
            Err(is_not(&shown(text), "address").help(help))
        }
    }
}

/// A text that should be an address, in a message.
fn shown(text: &str) -> String {
    masked(&ReceiverUrl(text.to_owned()).shown())
}

/// A host with or without a port.
fn is_authority(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, "1"),
    };
    let is_port = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(letter),
    };
    is_port && is_host
}

fn schema(query: &str) -> Json {
    let host = r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?";
    let pattern = format!("^https?://{host}([/{query}][{query}{PATH}]*)?$");
    json!({ "type": "string", "maxLength": URL_BYTES, "pattern": pattern })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_called_by_where_it_is() {
        for (url, name) in [
            ("http://127.0.0.1:9093", "127.0.0.1:9093"),
            ("https://am.example.org/prefix", "am.example.org:443"),
            ("http://[::1]/?a=b", "[::1]:80"),
            ("http://[::1]:9093", "[::1]:9093"),
        ] {
            assert!(HookUrl::parse(url).is_ok(), "{url}");
            assert_eq!(host_and_port(url), name);
        }
    }

    #[test]
    fn what_goes_to_another_machine_without_tls_can_be_read() {
        let open = ["http://am:9093", "http://10.0.0.1", "http://localhost.example"];
        let closed = [
            "https://am:9093",
            "http://127.0.0.1:9093",
            "http://localhost/a",
            "http://[::1]:1",
        ];
        assert!(open.into_iter().all(is_open));
        assert!(!closed.into_iter().any(is_open));
    }

    #[test]
    fn an_address_is_shown_up_to_where_a_secret_may_be() {
        for (url, shown) in [
            ("https://am:9093", "https://am:9093"),
            ("https://am/", "https://am/"),
            ("https://am/prefix", "https://am/prefix"),
            ("https://am/prefix/", "https://am/prefix/"),
            ("https://h/services/T0/B0/x", "https://h/services/***"),
            ("https://h/ward?token=x", "https://h/ward?***"),
            ("https://h?token=x", "https://h?***"),
            ("h.example/services/x", "h.example/services/***"),
            ("", ""),
        ] {
            let url = ReceiverUrl(url.to_owned());
            assert_eq!(url.shown(), shown);
            assert_eq!(format!("{url:?}"), format!("ReceiverUrl({shown:?})"));
        }
    }

    #[test]
    fn nothing_of_a_password_is_told() {
        for text in [
            "http://ward:hunter2@am",
            "http://hunter2@am",
            "http://ward:hunt@er2@am",
            "ward:hunter2@am",
            "ftp://ward:hunter2@am",
            "http://ward:hunter2/x@am",
            "http://ward:hunter2?@am",
        ] {
            let wrong = BaseUrl::parse(text).unwrap_err();
            assert!(!wrong.message.contains("hunt"), "{}", wrong.message);
            assert!(wrong.help.unwrap().contains("password_file"), "{text}");
        }
        assert!(BaseUrl::parse("https://hooks.example/@ward").is_ok());
    }
}
