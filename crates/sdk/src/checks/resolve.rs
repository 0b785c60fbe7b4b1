//! From `host:port` to addresses, by the system's resolver.
//!
//! That resolver blocks for as long as it likes, which is why it is asked through a [`Flight`]. A resolver of our own was
//! not taken: a check has to see the names that the service sees.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
};

use super::flight::Flight;

/// More addresses than a name sensibly has; trying all of them would take longer than any check may.
const MOST: usize = 16;

/// The addresses of `target`, at least one.
pub(crate) async fn resolve(flight: &Flight, target: &str) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = target.parse() {
        return Ok(vec![address]);
    }
    let name = target.to_owned();
    let addresses: Vec<_> = flight
        .ask(move || name.to_socket_addrs().map(|found| found.take(MOST).collect()))
        .await
        .map_err(io::Error::from)??;
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(addresses)
}

/// What is wrong with `target` as `host:port`, if anything is.
pub(crate) fn fault(target: &str) -> Option<&'static str> {
    let (host, port) = target.rsplit_once(':').unwrap_or((target, ""));
    let fault = || "must be host:port, as in db.internal:5432 or [::1]:5432";
    let bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    let wrong = host.is_empty()
        || bare_v6
        || host.contains(['/', '@'])
        || host.contains(char::is_whitespace)
        || !port.parse::<u16>().is_ok_and(|port| port != 0);
    wrong.then(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_host_and_port() {
        for good in ["db:5432", "127.0.0.1:1", "[::1]:65535", "a.b.example:80"] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in [
            "",
            "db",
            "db:",
            ":80",
            "db:0",
            "db:65536",
            "::1:80",
            "http://db:80",
            "a b:1",
            "u@db:1",
        ] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }

    #[tokio::test]
    async fn names_and_addresses_are_found() {
        let flight = Flight::new();
        let found = resolve(&flight, "localhost:80").await.unwrap();
        assert!(
            found
                .iter()
                .all(|address| address.ip().is_loopback() && address.port() == 80)
        );
        assert_eq!(resolve(&flight, "[::1]:7").await.unwrap().len(), 1);
        assert!(resolve(&flight, "no-such-name.invalid:80").await.is_err());
    }
}
