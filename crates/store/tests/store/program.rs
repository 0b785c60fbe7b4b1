//! Outside programs that the tests run: found, started, frozen, killed, and gone when the test is, however it ends.
//!
//! Each runs under a shell that waits for the end of its input, which is a pipe from the test: a test that is killed closes
//! it too.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{
        fs::chown,
        process::{CommandExt as _, ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User, geteuid},
};

/// Where `program` is: in the variable that names it or its folder, else on the path. Without it a test is not run, which
/// is a failure where everything is required.
pub(crate) fn find(program: &str, variable: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from);
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = match named {
        Some(path) if path.is_dir() => Some(path.join(program)).filter(|path| path.is_file()),
        Some(path) => Some(path).filter(|path| path.is_file()),
        None => env::split_paths(&folders)
            .map(|folder| folder.join(program))
            .find(|path| path.is_file()),
    };
    if found.is_none() {
        not_run(&format!("no {program} on PATH or in ${variable}"));
    }
    found
}

/// Says that a test was not run, which is a failure where everything is required.
pub(crate) fn not_run(why: &str) {
    let set = |name| env::var(name).is_ok_and(|value| ["1", "true"].contains(&value.as_str()));
    assert!(!set("WARD_REQUIRE_ALL") && !set("CI"), "{why}");
    // Past libtest's capture, which `println!` is not; xtask counts the line.
    let line = format!("\nNOT RUN: a check of the store against the real thing: {why}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// Whom to run as: PostgreSQL refuses to be root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account(Option<(u32, u32)>);

impl Account {
    pub(crate) fn unprivileged() -> Self {
        if !geteuid().is_root() {
            return Self(None);
        }
        let user = ["postgres", "nobody"]
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten());
        let user = user.expect("one of the users postgres and nobody");
        Self(Some((user.uid.as_raw(), user.gid.as_raw())))
    }

    /// A folder of its own.
    pub(crate) fn folder(self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        if let Some((user, group)) = self.0 {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        folder
    }

    /// Writes a file that belongs to it, and that nobody else may read.
    pub(crate) fn write(self, path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        if let Some((user, group)) = self.0 {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }

    pub(crate) fn command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command
    }
}

/// A program that runs, until it is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    shell: Child,
    process: i32,
}

impl Program {
    pub(crate) fn start(account: Account, folder: &Path, program: &Path, arguments: &[String]) -> Self {
        let log = fs::File::create(folder.join("log")).unwrap();
        let script = r#""$@" >&2 & echo $!; read -r line; kill -9 $! 2>/dev/null; wait"#;
        let mut shell = account
            .command("sh")
            .args(["-c", script, "sh"])
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            shell,
            process: line.trim().parse().unwrap(),
        }
    }

    /// The process and its children, as PostgreSQL has one for each connection.
    fn all(&self) -> Vec<Pid> {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.process));
        let children = children.unwrap_or_default();
        let numbers = children
            .split_whitespace()
            .filter_map(|number| number.parse().ok());
        std::iter::once(self.process)
            .chain(numbers)
            .map(Pid::from_raw)
            .collect()
    }

    fn send(&self, signal: Signal) {
        for process in self.all() {
            // One that has ended meanwhile needs none.
            kill(process, signal).ok();
        }
    }

    pub(crate) fn freeze(&self) {
        self.send(Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.send(Signal::SIGCONT);
    }

    /// Lets it stop in its own way, and waits for that.
    pub(crate) fn stop(self) {
        kill(Pid::from_raw(self.process), Signal::SIGINT).unwrap();
        let started = std::path::PathBuf::from(format!("/proc/{}", self.process));
        for _ in 0..3_000 {
            let state = fs::read_to_string(started.join("stat")).unwrap_or_default();
            // Ended, but not yet waited for by the shell.
            if state.is_empty() || state.contains(") Z") {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("it did not stop in time");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.thaw();
        drop(self.shell.stdin.take());
        let ended = self.shell.wait();
        assert!(std::thread::panicking() || ended.is_ok_and(|status| status.signal().is_none()));
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
