//! The directory of one running demo: its addresses, its control socket, its members' logs, the aggregator's data.
//!
//! It stands in a directory of the user's own, so that `ward demo break` in another terminal finds it and nobody else
//! can. A lock in it says that its demo lives, whatever killed it: the lock dies with the process, and the next demo
//! removes what was left behind. A file with a process id would say nothing after the id is given out again.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File, TryLockError},
    io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Where a running demo keeps everything; removed when dropped.
#[derive(Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
    _lock: File,
}

impl RunDir {
    /// Makes one under `home`, after clearing away those of demos that are no more.
    pub(crate) fn create(home: &Path) -> io::Result<Self> {
        // The last demo to end removes the home, perhaps at this very moment: make it again.
        for _ in 0..2 {
            match Self::create_once(home) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                made => return made,
            }
        }
        Self::create_once(home)
    }

    fn create_once(home: &Path) -> io::Result<Self> {
        private_directory(home)?;
        // One at a time: a directory whose lock is not taken yet would look dead.
        let door = File::open(home)?;
        door.lock()?;
        clear_dead(home)?;
        let make = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        let path = unused_path(home);
        make(&path)?;
        let lock = File::create(path.join("lock"))?;
        lock.lock()?;
        for inner in ["registry", "logs", "data"] {
            make(&path.join(inner))?;
        }
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn registry(&self) -> PathBuf {
        self.path.join("registry")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Where a Prometheus finds the shop's processes.
    pub(crate) fn targets(&self) -> PathBuf {
        self.path.join("targets.json")
    }

    pub(crate) fn control(&self) -> PathBuf {
        self.path.join("control")
    }

    /// Says which demo this is: the one whose aggregator listens there. From now on it is found.
    pub(crate) fn publish(&self, grpc: SocketAddr) -> io::Result<()> {
        fs::write(self.path.join("grpc"), grpc.to_string())
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the demo's directory");
        }
        // Refused while another demo is in it, as it should be.
        let home = self.path.parent().map(fs::remove_dir);
        tracing::debug!(?home, "the last one out removes the home");
    }
}

/// Named by the process, for people; by a number as well, for two demos in one process.
fn unused_path(home: &Path) -> PathBuf {
    let process = std::process::id();
    let mut path = home.join(format!("{process}.0"));
    for n in 1.. {
        if !path.exists() {
            break;
        }
        path = home.join(format!("{process}.{n}"));
    }
    path
}

/// A demo that runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) grpc: SocketAddr,
    pub(crate) control: PathBuf,
    started: SystemTime,
}

/// The demos that run under `home`, the newest first.
pub(crate) fn running(home: &Path) -> Vec<Running> {
    let mut found: Vec<_> = directories(home)
        .filter(|path| !is_dead(path))
        .filter_map(|path| describe(&path))
        .collect();
    found.sort_by(|a, b| (b.started, &b.control).cmp(&(a.started, &a.control)));
    found
}

fn describe(path: &Path) -> Option<Running> {
    let grpc = fs::read_to_string(path.join("grpc")).ok()?.parse().ok()?;
    let started = fs::metadata(path.join("lock")).ok()?.modified().ok()?;
    Some(Running {
        grpc,
        control: path.join("control"),
        started,
    })
}

/// The user's own directory for demos: in `XDG_RUNTIME_DIR` if that is there, else among the temporary files.
pub(crate) fn home(runtime: Option<&OsStr>) -> PathBuf {
    match runtime.filter(|runtime| Path::new(runtime).is_absolute() && Path::new(runtime).is_dir()) {
        Some(runtime) => Path::new(runtime).join("ward-demo"),
        None => std::env::temp_dir().join(format!("ward-demo-{}", nix::unistd::getuid())),
    }
}

/// Makes the directory, or makes sure that the one there belongs to this user and admits nobody else: among the
/// temporary files anyone may have made one of that name first.
fn private_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    let found = fs::symlink_metadata(path)?;
    let private =
        found.is_dir() && found.uid() == nix::unistd::getuid().as_raw() && found.mode().trailing_zeros() >= 6;
    match private {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it is not a directory of this user alone",
        )),
    }
}

fn directories(home: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(home).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

/// Its lock can be had: whoever held it is gone. One without a lock is being made or removed at this moment.
fn is_dead(path: &Path) -> bool {
    match File::open(path.join("lock")).map(|lock| lock.try_lock()) {
        Ok(Err(TryLockError::WouldBlock)) => false,
        Ok(taken) => taken.is_ok(),
        Err(_) => false,
    }
}

fn clear_dead(home: &Path) -> io::Result<()> {
    directories(home)
        .filter(|path| is_dead(path))
        .try_for_each(|path| match fs::remove_dir_all(path) {
            // Another demo that starts now clears away as well.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grpc(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn demos_stand_side_by_side_and_leave_nothing() {
        let root = tempfile::tempdir().unwrap();
        let home = home(Some(root.path().as_os_str()));
        let first = RunDir::create(&home).unwrap();
        first.publish(grpc(1)).unwrap();
        let second = RunDir::create(&home).unwrap();
        second.publish(grpc(2)).unwrap();
        let found: Vec<_> = running(&home).into_iter().map(|demo| demo.grpc).collect();
        assert_eq!(found, [grpc(2), grpc(1)]);
        drop((first, second));
        assert!(!home.exists());
    }

    #[test]
    fn what_a_killed_demo_left_is_not_found_and_is_cleared_away() {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let dead = home.path().join("1.0");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("lock"), "").unwrap();
        fs::write(dead.join("grpc"), grpc(1).to_string()).unwrap();
        assert_eq!(running(home.path()), []);
        let alive = RunDir::create(home.path()).unwrap();
        assert!(!dead.exists() && alive.path.exists());
    }

    #[test]
    fn without_a_runtime_directory_the_home_is_among_the_temporary_files() {
        for missing in [
            None,
            Some(OsStr::new("")),
            Some(OsStr::new("run")),
            Some(OsStr::new("/no/such/directory")),
        ] {
            assert!(home(missing).starts_with(std::env::temp_dir()), "{missing:?}");
        }
    }

    #[test]
    fn a_home_that_others_may_enter_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("ward-demo");
        DirBuilder::new().mode(0o755).create(&home).unwrap();
        assert_eq!(
            RunDir::create(&home).unwrap_err().kind(),
            io::ErrorKind::PermissionDenied
        );
    }
}
