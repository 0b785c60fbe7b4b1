//! Addresses to listen at, names of this server, and origins of web pages.

use std::net::SocketAddr;

use serde_json::{Value as Json, json};

use super::{Text, Wrong, is_not};

/// Longest name of a host, in bytes: DNS has none that is longer.
const HOST_BYTES: usize = 253;

impl Text for SocketAddr {
    const EXPECTED: &'static str = "an IP address and a port, such as \"127.0.0.1:7700\" or \"[::1]:7700\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| {
            let port = text.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok());
            let host = text.strip_suffix(port.unwrap_or_default()).unwrap_or_default();
            let help = port.and_then(|port| match host {
                "" | ":" => Some(format!("for this machine alone write \"127.0.0.1:{port}\"")),
                "localhost:" => Some(format!(
                    "names are not looked up here: write \"127.0.0.1:{port}\""
                )),
                "*:" => Some(format!(
                    "for all addresses of this machine write \"0.0.0.0:{port}\""
                )),
                _ => None,
            });
            is_not(text, "address").help(help)
        })
    }

    fn schema() -> Json {
        let byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
        let port = "0*([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";
        json!({
            "type": "string",
            "pattern": format!(r"^({byte}(\.{byte}){{3}}|\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%[0-9]+)?\]):{port}$"),
        })
    }
}

/// An origin as browsers send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebOrigin(pub(crate) String);

impl Text for WebOrigin {
    const EXPECTED: &'static str =
        "an origin, such as \"https://status.example.org\" or \"http://localhost:3000\", or \"*\" for all";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let host = |rest: &str| {
            let (host, port) = rest.rsplit_once(':').unwrap_or((rest, "1"));
            let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
            !host.is_empty() && host.chars().all(letter) && port.parse::<u16>().is_ok()
        };
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        if text == "*" || rest.is_some_and(host) {
            return Ok(Self(text.to_owned()));
        }
        let shorter = rest
            .and_then(|rest| rest.split('/').next())
            .filter(|rest| host(rest));
        let help = match (shorter, rest) {
            (Some(_), Some(rest)) => {
                let until = text.len() - rest.len() + rest.find('/').unwrap_or(rest.len());
                Some(format!("an origin has no path: write \"{}\"", &text[..until]))
            }
            (None, None) if host(text) && text.contains('.') => Some(format!("write \"https://{text}\"")),
            _ => None,
        };
        Err(is_not(text, "origin").help(help))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?)$" })
    }
}

/// A name that this server is asked for by, or all names below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostName(pub(crate) String);

impl Text for HostName {
    const EXPECTED: &'static str =
        "the name of a host, such as \"ward.example.org\", or \"*.internal\" for all below one";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let is_host = |text: &str| {
            let name = text.strip_prefix("*.").unwrap_or(text);
            let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
            let label = |label: &str| !label.is_empty() && label.chars().all(letter);
            text == "*" || (text.len() <= HOST_BYTES && name.split('.').all(label))
        };
        if is_host(text) {
            return Ok(Self(text.to_owned()));
        }
        // What was taken from the address bar: without scheme, path, port and capitals it is one.
        let rest = text.rsplit("://").next().unwrap_or_default();
        let host = rest.split(['/', ':']).next().unwrap_or_default().to_lowercase();
        let help = is_host(&host).then(|| format!("write \"{host}\""));
        Err(is_not(text, "name of a host").help(help))
    }

    fn schema() -> Json {
        let pattern = r"^(\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*)$";
        json!({ "type": "string", "pattern": pattern, "maxLength": HOST_BYTES })
    }
}
