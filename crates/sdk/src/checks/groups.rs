//! What the control groups of this process allow it: its share of memory and of processors.
//!
//! Reads the files of Linux's control groups, of version 2 and, for memory, of version 1. Without any there is no limit.
//! Groups are nested and each may have a limit; the tightest is the one that will be met. sysinfo's reading was not
//! taken: it looks at the group of the root only and counts the page cache as used, which is given up when asked for.

use std::{
    fs,
    path::{Component, Path, PathBuf},
    str::FromStr,
    time::Duration,
};

/// Version 1 says "no limit" as the largest number of pages.
const NO_LIMIT: u64 = 1 << 60;

/// The groups that this process is in.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    /// Where they are mounted.
    root: PathBuf,
    /// What `/proc/self/cgroup` says: `hierarchy:controllers:path` lines.
    own: String,
}

/// Memory of a group, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) used: u64,
    pub(crate) limit: u64,
}

/// Time on processors, of a group that is limited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quota {
    /// Since the group was made.
    pub(crate) used: Duration,
    /// How many processors' worth it may use.
    pub(crate) processors: f64,
}

/// What the files of one version are called.
struct MemoryFiles {
    limit: &'static str,
    usage: &'static str,
    reclaimable: &'static str,
}

const V1: MemoryFiles = MemoryFiles {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file",
};

const V2: MemoryFiles = MemoryFiles {
    limit: "memory.max",
    usage: "memory.current",
    reclaimable: "inactive_file",
};

impl Groups {
    /// Those of this process. Where there are none, all below is `None`.
    pub(crate) fn here() -> Self {
        Self {
            root: "/sys/fs/cgroup".into(),
            own: fs::read_to_string("/proc/self/cgroup").unwrap_or_default(),
        }
    }

    /// Memory against the limit that is nearest.
    pub(crate) fn memory(&self) -> Option<Memory> {
        let v1 = self
            .path("memory")
            .map(|path| (self.root.join("memory"), path, V1));
        let v2 = || self.path("").map(|path| (self.root.clone(), path, V2));
        let (root, path, files) = v1.or_else(v2)?;
        let limited = upwards(&root, &path).filter_map(|folder| files.read(&folder));
        limited.max_by(|a, b| {
            let ratio = |memory: &Memory| memory.used as f64 / memory.limit as f64;
            ratio(a).total_cmp(&ratio(b))
        })
    }

    /// Processors against each quota, by the folder of its group: one of many processors may be met before one of few, as
    /// others use it too. Version 2 only.
    pub(crate) fn processors(&self) -> Vec<(PathBuf, Quota)> {
        let Some(path) = self.path("") else {
            return Vec::new();
        };
        let folders = upwards(&self.root, &path);
        folders
            .filter_map(|folder| quota(&folder).map(|quota| (folder, quota)))
            .collect()
    }

    /// Where the process is in the hierarchy of `controller`; of version 2 if that is empty.
    fn path(&self, controller: &str) -> Option<PathBuf> {
        self.own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            let named = controllers.split(',').any(|name| name == controller);
            // A group outside of what is mounted is shown as `/../..`.
            let plain = Path::new(path)
                .components()
                .filter(|part| matches!(part, Component::Normal(_)));
            named.then(|| plain.collect())
        })
    }
}

/// The folder at `path` and each above it, up to `root`. In a container the path may be one that only the host sees; its
/// limits are then those at the root.
fn upwards<'a>(root: &'a Path, path: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
    path.ancestors().map(|above| root.join(above))
}

impl MemoryFiles {
    fn read(&self, folder: &Path) -> Option<Memory> {
        let limit = number(&folder.join(self.limit)).filter(|&limit| limit > 0 && limit < NO_LIMIT)?;
        let usage: u64 = number(&folder.join(self.usage))?;
        let reclaimable = field(&folder.join("memory.stat"), self.reclaimable).unwrap_or_default();
        Some(Memory {
            used: usage.saturating_sub(reclaimable),
            limit,
        })
    }
}

fn quota(folder: &Path) -> Option<Quota> {
    let max = fs::read_to_string(folder.join("cpu.max")).ok()?;
    let (quota, period) = max.trim().split_once(' ')?;
    // "max" where there is none.
    let quota: f64 = quota.parse().ok()?;
    let period: f64 = period.parse().ok().filter(|&period| period > 0.0)?;
    Some(Quota {
        used: Duration::from_micros(field(&folder.join("cpu.stat"), "usage_usec")?),
        processors: quota / period,
    })
}

fn number<T: FromStr>(path: &Path) -> Option<T> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number behind `name` in a file of `name number` lines.
fn field(path: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.find(|(key, _)| *key == name)?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(own: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, Groups) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = folder.path().to_owned();
        (
            folder,
            Groups {
                root,
                own: own.into(),
            },
        )
    }

    #[test]
    fn the_tightest_of_nested_limits_counts_without_the_cache() {
        let (_folder, groups) = groups(
            "0::/shop.slice/orders.service\n",
            &[
                ("shop.slice/memory.max", "1000\n"),
                ("shop.slice/memory.current", "900\n"),
                ("shop.slice/memory.stat", "anon 800\ninactive_file 50\n"),
                ("shop.slice/orders.service/memory.max", "1000\n"),
                ("shop.slice/orders.service/memory.current", "500\n"),
                ("cpu.max", "max 100000\n"),
                ("shop.slice/cpu.max", "400000 100000\n"),
                ("shop.slice/cpu.stat", "usage_usec 9000000\n"),
                ("shop.slice/orders.service/cpu.max", "150000 100000\n"),
                (
                    "shop.slice/orders.service/cpu.stat",
                    "usage_usec 2500000\nuser_usec 1\n",
                ),
            ],
        );
        assert_eq!(
            groups.memory(),
            Some(Memory {
                used: 850,
                limit: 1000
            })
        );
        let quota = |folder: &str, used, processors| {
            let used = Duration::from_millis(used);
            (groups.root.join(folder), Quota { used, processors })
        };
        let quotas = [
            quota("shop.slice/orders.service", 2_500, 1.5),
            quota("shop.slice", 9_000, 4.0),
        ];
        assert_eq!(groups.processors(), quotas);
    }

    #[test]
    fn version_1_in_a_container_that_does_not_see_its_own_path() {
        let (_folder, groups) = groups(
            "9:name=systemd:/\n4:memory:/docker/0123\n0::/\n",
            &[
                ("memory/memory.limit_in_bytes", "2000\n"),
                ("memory/memory.usage_in_bytes", "1500\n"),
                ("memory/memory.stat", "inactive_file 1\ntotal_inactive_file 500\n"),
            ],
        );
        assert_eq!(
            groups.memory(),
            Some(Memory {
                used: 1000,
                limit: 2000
            })
        );
        assert_eq!(groups.processors(), []);
    }

    #[test]
    fn no_limit_and_nonsense_are_no_limit() {
        let unlimited = [
            ("memory.max", "max\n"),
            ("memory.current", "5\n"),
            ("cpu.max", "max 100000\n"),
        ];
        for (own, files) in [
            ("0::/\n", &unlimited[..]),
            (
                "4:memory:/\n",
                &[
                    ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
                    ("memory/memory.usage_in_bytes", "5\n"),
                ],
            ),
            (
                "0::/../..\n",
                &[
                    ("memory.max", "\n"),
                    ("cpu.max", "1 0\n"),
                    ("cpu.stat", "usage_usec 1\n"),
                ],
            ),
            ("", &[]),
            ("garbage", &[]),
        ] {
            let (_folder, groups) = groups(own, files);
            assert_eq!((groups.memory(), groups.processors()), (None, vec![]), "{own:?}");
        }
    }
}
