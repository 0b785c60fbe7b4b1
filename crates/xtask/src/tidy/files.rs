//! The files that the rules look at: what git tracks, and what is new and not ignored.
//!
//! New files count before they are added, so that a commit is not the first to hear of them. Where there is no git, as
//! in an unpacked archive, the tree is walked.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use super::source::Source;

/// Folders that hold nothing written by hand, for the walk without git.
const MADE: &[&str] = &[".git", "target", "node_modules"];
/// Inputs that are strange on purpose.
const STRANGE: &str = "fuzz/corpus/";

/// All text files of the repository.
#[derive(Default)]
pub(super) struct Files {
    all: Vec<File>,
}

/// One text file.
pub(super) struct File {
    /// From the top of the repository, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// Taken apart, if it is Rust.
    rust: Option<Source>,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let rust = path.ends_with(".rs").then(|| Source::new(text));
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            rust,
        }
    }

    /// The last part of the path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// What comes behind the last dot of the name, if there is one.
    pub(super) fn extension(&self) -> &str {
        self.name()
            .rsplit_once('.')
            .map_or("", |(_, extension)| extension)
    }

    /// The folder below `crates/`, if it is in one.
    pub(super) fn room(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// The whole file is there to test, measure or show.
    pub(super) fn is_test(&self) -> bool {
        self.name() == "tests.rs"
            || self
                .path
                .split('/')
                .any(|part| matches!(part, "tests" | "benches" | "examples"))
    }
}

impl Files {
    /// Reads the repository at `root`. What is not UTF-8 is left out.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let paths = match known_to_git(root) {
            Some(paths) => paths,
            None => walk(root)?,
        };
        let read = |path: String| {
            let text = fs::read(root.join(&path))
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            text.map(|text| File::new(&path, &text))
        };
        Ok(Self {
            all: paths
                .into_iter()
                .filter(|path| !path.starts_with(STRANGE))
                .filter_map(read)
                .collect(),
        })
    }

    /// Files made up for a test of a rule.
    #[cfg(test)]
    pub(super) fn sample(files: &[(&str, &str)]) -> Self {
        Self {
            all: files.iter().map(|(path, text)| File::new(path, text)).collect(),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &File> {
        self.all.iter()
    }

    /// The Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.all().filter_map(|file| Some((file, file.rust.as_ref()?)))
    }

    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.all().find(|file| file.path == path)
    }
}

fn known_to_git(root: &Path) -> Option<Vec<String>> {
    let mut git = Command::new("git");
    git.arg("-C")
        .arg(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().ok().filter(|output| output.status.success())?;
    let listed = String::from_utf8_lossy(&output.stdout);
    Some(listed.split_terminator('\0').map(str::to_owned).collect())
}

fn walk(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let listed = fs::read_dir(root.join(&folder))
            .with_context(|| format!("cannot list the folder {}", folder.display()))?;
        for entry in listed {
            let entry = entry.with_context(|| format!("cannot read the folder {}", folder.display()))?;
            let path = folder.join(entry.file_name());
            let kind = entry
                .file_type()
                .with_context(|| format!("cannot look at {}", path.display()))?;
            if kind.is_dir() && !MADE.iter().any(|made| entry.file_name() == *made) {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_git_the_tree_is_walked_and_made_things_are_left_out() {
        let root = tempfile::tempdir().unwrap();
        for (path, bytes) in [
            ("a/b.rs", &b"//! x"[..]),
            ("target/c.rs", b"//! y"),
            ("image.png", b"\xff\xfe"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        assert_eq!(known_to_git(root.path()), None);
        let files = Files::read(root.path()).unwrap();
        assert_eq!(
            files.all().map(|file| file.path.as_str()).collect::<Vec<_>>(),
            ["a/b.rs"]
        );
        assert_eq!(files.rust().count(), 1);
    }

    #[test]
    fn a_file_knows_its_place() {
        let file = File::new("crates/engine/src/rollup/tests.rs", "");
        assert_eq!(
            (file.name(), file.extension(), file.room()),
            ("tests.rs", "rs", Some("engine"))
        );
        assert!(file.is_test());
        assert!(!File::new("crates/xtask/src/test.rs", "").is_test());
        assert_eq!(File::new("LICENSE", "").extension(), "");
    }
}
