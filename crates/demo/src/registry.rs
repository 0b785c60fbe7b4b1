//! Who listens where: one small file a member, in the demo's own directory.
//!
//! Each member binds to a port the system chooses and writes the address down; callers read it at each call, so that a
//! member that was started again is found again. Fixed ports would be simpler, and two demos could not stand side by
//! side.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The directory of addresses.
#[derive(Clone, Debug)]
pub(crate) struct Registry(PathBuf);

impl Registry {
    pub(crate) fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// Writes down where `name` listens. A reader sees the old address or the new one, never half of one.
    pub(crate) fn publish(&self, name: &str, address: SocketAddr) -> io::Result<()> {
        let draft = self.0.join(format!(".{name}"));
        std::fs::write(&draft, address.to_string())?;
        std::fs::rename(draft, self.0.join(name))
    }

    /// Where `name` listens, or listened last; `None` if it never did.
    pub(crate) async fn look_up(&self, name: &str) -> Option<SocketAddr> {
        tokio::fs::read_to_string(self.0.join(name))
            .await
            .ok()?
            .parse()
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_address_published_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let registry = Registry::new(directory.path());
        assert_eq!(registry.look_up("bank").await, None);
        for port in [1, 2] {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            registry.publish("bank", address).unwrap();
            assert_eq!(registry.look_up("bank").await, Some(address));
        }
    }
}
