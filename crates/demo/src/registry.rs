//! Who listens where: told once, or found in one small file a member, in the demo's own directory.
//!
//! In `ward demo` each member binds to a port the system chooses and writes the address down; callers read it at each
//! call, so that a member that was started again is found again. Fixed ports would be simpler, and two demos could not
//! stand side by side. In containers each has a host of its own, and what is told is its name.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::address::Authority;

/// Where the members of a shop are.
#[derive(Clone, Debug)]
pub(crate) enum Registry {
    /// A file each.
    Directory(PathBuf),
    /// As it was told.
    Told(Arc<BTreeMap<&'static str, Authority>>),
}

impl Registry {
    pub(crate) fn new(directory: &Path) -> Self {
        Self::Directory(directory.to_owned())
    }

    pub(crate) fn told(places: BTreeMap<&'static str, Authority>) -> Self {
        Self::Told(Arc::new(places))
    }

    /// Writes down where `name` listens, if there is a directory for it. A reader sees the old address or the new one,
    /// never half of one.
    pub(crate) fn publish(&self, name: &str, address: SocketAddr) -> io::Result<()> {
        let Self::Directory(directory) = self else {
            return Ok(());
        };
        let draft = directory.join(format!(".{name}"));
        std::fs::write(&draft, address.to_string())?;
        std::fs::rename(draft, directory.join(name))
    }

    /// Where `name` listens, or listened last; `None` if it never did.
    pub(crate) async fn look_up(&self, name: &str) -> Option<Authority> {
        match self {
            Self::Directory(directory) => {
                let text = tokio::fs::read_to_string(directory.join(name)).await.ok()?;
                text.parse().ok()
            }
            Self::Told(places) => places.get(name).cloned(),
        }
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
            assert_eq!(registry.look_up("bank").await, Some(address.into()));
        }
    }

    #[tokio::test]
    async fn what_was_told_is_found_and_nothing_is_written_over_it() {
        let bank: Authority = "bank:8080".parse().unwrap();
        let registry = Registry::told(BTreeMap::from([("bank", bank.clone())]));
        registry
            .publish("bank", SocketAddr::from(([127, 0, 0, 1], 1)))
            .unwrap();
        assert_eq!(registry.look_up("bank").await, Some(bank));
        assert_eq!(registry.look_up("cart").await, None);
    }
}
