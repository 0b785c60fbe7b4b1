//! A disk that a test can fill.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// A file system of 16 MiB of its own, seen by the process that holds it.
pub(crate) struct Small(Child);

impl Small {
    /// `None` where namespaces are not to be had.
    pub(crate) fn mount() -> Option<Self> {
        let mut child = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
            .arg("mount -t tmpfs -o size=16m none /mnt && echo ready && read line")
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

    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/{}/root/mnt", self.0.id()).into()
    }

    /// Takes all the room there is.
    pub(crate) fn fill(&self) {
        let mut filler = fs::File::create(self.path().join("filler")).unwrap();
        while filler.write_all(&[0; 4_096]).is_ok() {}
    }

    pub(crate) fn make_room(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // It ends when its input does; waited for, so that none is left behind.
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}
