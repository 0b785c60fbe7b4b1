//! Addresses as people type them: `HOST:PORT`, and `NAME=HOST:PORT` for one of the shop.
//!
//! The host stays a name: it is looked up for each connection, since a container that comes back may have another
//! address. Looking it up once, at the start, would be sooner to tell a typing error, and would lose who moved.

use std::{fmt, net::SocketAddr, str::FromStr};

/// A host, by name or number, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority(String);

/// Not a [`Authority`] or a [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct InvalidAddress(&'static str);

impl FromStr for Authority {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = InvalidAddress("HOST:PORT, such as storefront:8080");
        let (host, port) = text.rsplit_once(':').ok_or(invalid)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_well_formed = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(number) => number.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(is_name),
        };
        match port.parse::<u16>() {
            Ok(1..) if is_well_formed => Ok(Self(text.into())),
            _ => Err(invalid),
        }
    }
}

impl From<SocketAddr> for Authority {
    fn from(address: SocketAddr) -> Self {
        Self(address.to_string())
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where one of the shop listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub(crate) name: String,
    pub(crate) at: Authority,
}

impl FromStr for Place {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = InvalidAddress("NAME=HOST:PORT, such as bank=bank.internal:8080");
        let (name, at) = text.split_once('=').ok_or(invalid)?;
        Ok(Self {
            name: name.into(),
            at: at.parse().map_err(|_| invalid)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_numbers_and_ports_are_said() {
        for good in ["bank:8080", "10.0.0.1:1", "[::1]:65535", "my_bank.internal:80"] {
            assert_eq!(good.parse::<Authority>().unwrap().to_string(), good);
        }
        for bad in [
            "bank",
            "bank:",
            ":80",
            "bank:0",
            "bank:65536",
            "::1:80",
            "a b:1",
            "a/b:1",
            "u@bank:1",
            "[bank]:1",
        ] {
            assert!(bad.parse::<Authority>().is_err(), "{bad}");
        }
        let place: Place = "bank=10.0.0.1:80".parse().unwrap();
        assert_eq!(
            (place.name.as_str(), place.at.to_string().as_str()),
            ("bank", "10.0.0.1:80")
        );
        assert!("bank:80".parse::<Place>().is_err());
    }
}
