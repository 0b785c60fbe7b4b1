//! Programs from outside: where they are, and what they say.

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// Starting an interpreter on a busy machine takes seconds; what takes longer than this is not coming.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// The program that the environment names by `variable`, else one of `names` on `PATH`.
pub(crate) fn find(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(named) = env::var_os(variable) {
        return Some(PathBuf::from(named)).filter(|path| path.is_file());
    }
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    let all = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    all.into_iter().find(|path| path.is_file())
}

/// Says that a test is not run and for want of what, past the capture of output, so that `cargo xtask test` can name it
/// at the end.
pub(crate) fn not_run(what: &str, wanted: &str) {
    let is_set = |name| env::var(name).is_ok_and(|value| ["1", "true"].contains(&value.as_str()));
    assert!(
        !is_set("WARD_REQUIRE_ALL") && !is_set("CI"),
        "{what} needs {wanted}"
    );
    io::stdout()
        .write_all(format!("\nNOT RUN: {what}: no {wanted}\n").as_bytes())
        .unwrap();
}

/// A running program. Killed with its test.
pub(crate) struct Outside {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Outside {
    pub(crate) fn start(program: &Path, arguments: &[&str], variables: &[(&str, OsString)]) -> Self {
        let mut process = Command::new(program)
            .args(arguments)
            .envs(variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The next line it prints, which must be this one.
    pub(crate) async fn says(&mut self, expected: &str) {
        let line = timeout(SOON, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("it did not say {expected:?}"));
        assert_eq!(line.unwrap().as_deref(), Some(expected));
    }

    /// The next line it prints.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(SOON, self.lines.next_line()).await;
        line.expect("it says something")
            .unwrap()
            .expect("it has not ended")
    }

    /// It ends by itself, content.
    pub(crate) async fn ends(mut self) {
        let status = timeout(SOON, self.process.wait()).await.expect("it ends");
        assert!(status.unwrap().success());
    }
}
