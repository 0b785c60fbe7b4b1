//! Readings that are made up, the disk of this machine, and a file system that is full.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

use ward_model::Status;

use super::*;

fn watch(levels: Levels) -> Watch {
    Watch {
        path: "/data".into(),
        handle: SignalHandle::default(),
        clock: Clock::start(),
        judge: Mutex::new(Judge::new(levels)),
        flight: Flight::new(),
        misses: Misses::default(),
    }
}

fn store(used: u64, available: u64) -> Store {
    Store { used, available }
}

#[test]
fn the_nearer_end_counts_and_is_named() {
    let watch = watch(Levels::new().degraded(0.9, 0.88));
    let told = |space, inodes| watch.verdict("/data", space, inodes, Mono::default());
    let gib = 1 << 30;
    assert_eq!(
        told(store(50 * gib, 50 * gib), store(10, 90)),
        Verdict::new(Status::Healthy, "/data has 50.0 % used, 50.0 GiB left")
    );
    assert_eq!(watch.handle.get(), Some(0.5));
    assert_eq!(
        told(store(50 * gib, 50 * gib), store(95, 5)),
        Verdict::degraded("/data has 95.0 % of its inodes used, 5 left")
    );
    assert_eq!(watch.handle.get(), Some(0.95));
    assert_eq!(
        told(store(89 * gib, 11 * gib), store(0, 0)),
        Verdict::degraded("/data has 89.0 % used, 11.0 GiB left")
    );
    assert_eq!(told(store(87, 13), store(0, 0)).status, Status::Healthy);
    assert_eq!(told(store(0, 0), store(0, 0)).status, Status::Unknown);
}

#[tokio::test]
async fn this_disk_can_be_read() {
    let check = Disk::new("disk", std::env::temp_dir())
        .levels(Levels::new())
        .check();
    let verdict = check.look().await;
    assert_eq!(verdict.status, Status::Healthy, "{verdict:?}");
    let ratio = check.signals[0].handle().get().unwrap();
    assert!((0.0..=1.0).contains(&ratio), "{ratio}");
    let proc = Disk::new("disk", "/proc").check().look().await;
    assert_eq!(proc.status, Status::Unknown, "{proc:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_a_finding_the_third_time_in_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let check = Disk::new("disk", &path).levels(Levels::new()).check();
    let gone = format!("look at {}: No such file or directory", path.display());
    for _ in 0..2 {
        for status in [Status::Unknown, Status::Unknown, Status::Unhealthy] {
            assert_eq!(check.look().await, Verdict::new(status, gone.as_str()));
        }
        std::fs::create_dir(&path).unwrap();
        assert_eq!(check.look().await.status, Status::Healthy);
        std::fs::remove_dir(&path).unwrap();
    }
    let hung = Disk::new("disk", &path).check();
    for status in [Status::Unknown, Status::Unknown, Status::Unhealthy] {
        // A run that is given up.
        drop(hung.run());
        assert_eq!(hung.timed_out(Duration::from_secs(5)).status, status);
    }
}

/// A small file system in namespaces of its own, which go with the process that holds them.
struct Small(Child);

impl Small {
    /// `None` where namespaces are not to be had.
    fn mount(options: &str) -> Option<Self> {
        let script = format!("mount -t tmpfs -o {options} none /mnt && echo ready && read line");
        let mut child = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let said = BufReader::new(child.stdout.take()?).read_line(&mut line);
        let small = Self(child);
        (said.is_ok() && line == "ready\n").then_some(small)
    }

    fn path(&self) -> PathBuf {
        format!("/proc/{}/root/mnt", self.0.id()).into()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // It ends when its input does; waited for, so that none is left behind.
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

fn small(options: &str) -> Option<Small> {
    let small = Small::mount(options);
    if small.is_none() {
        let all = std::env::var("WARD_REQUIRE_ALL").is_ok_and(|value| value == "1");
        assert!(
            !all,
            "a small file system needs user namespaces (unshare --user --mount)"
        );
        // Past libtest's capture, which `println!` is not; xtask counts the line.
        let line = b"\nNOT RUN: a full file system: no user namespaces (unshare --user --mount)\n";
        std::io::stdout().write_all(line).unwrap();
    }
    small
}

#[tokio::test]
async fn a_full_file_system_is_found_and_an_emptied_one_forgiven() {
    let Some(small) = small("size=1m") else { return };
    let check = Disk::new("disk", small.path()).check();
    assert_eq!(check.look().await.status, Status::Healthy);
    let file = small.path().join("big");
    let full = std::fs::write(&file, vec![1; 2 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let verdict = check.look().await;
    assert_eq!(verdict.status, Status::Degraded, "{verdict:?}");
    assert!(
        verdict.message.ends_with("has 100.0 % used, 0.0 MiB left"),
        "{verdict:?}"
    );
    assert_eq!(check.signals[0].handle().get(), Some(1.0));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(check.look().await.status, Status::Healthy);
}

#[tokio::test]
async fn a_file_system_without_inodes_is_as_full() {
    let Some(small) = small("size=1m,nr_inodes=20") else {
        return;
    };
    let check = Disk::new("disk", small.path()).check();
    assert_eq!(check.look().await.status, Status::Healthy);
    let last = (0..40).find(|number| std::fs::write(small.path().join(number.to_string()), "").is_err());
    assert!(last.is_some());
    let verdict = check.look().await;
    assert_eq!(verdict.status, Status::Degraded, "{verdict:?}");
    assert!(verdict.message.contains("inodes"), "{verdict:?}");
}
