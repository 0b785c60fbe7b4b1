//! Programs that are not part of the Rust toolchain, and what cannot be checked without each.
//!
//! Looking for one never starts it: a variable that names it, else the folders of `PATH`.

use std::{env, ffi::OsString, fmt, path::PathBuf};

/// A program and what it is for.
pub(crate) struct Requirement {
    /// Its file name.
    pub(crate) program: &'static str,
    /// The environment variable that may say where it is.
    pub(crate) variable: &'static str,
    /// What is not checked without it.
    pub(crate) what: &'static str,
    /// How to get it.
    pub(crate) get: &'static str,
}

/// The linter of protobuf files.
pub(crate) const BUF: Requirement = Requirement {
    program: "buf",
    variable: "BUF",
    what: "the wire contract in proto/ keeps buf's rules",
    get: "npm install --global @bufbuild/buf",
};

/// The checker of dependencies.
pub(crate) const CARGO_DENY: Requirement = Requirement {
    program: "cargo-deny",
    variable: "CARGO_DENY",
    what: "the dependencies are what deny.toml allows",
    get: "cargo install cargo-deny --locked",
};

/// The fuzzer; libFuzzer comes with it, and wants a C++ compiler.
pub(crate) const CARGO_FUZZ: Requirement = Requirement {
    program: "cargo-fuzz",
    variable: "CARGO_FUZZ",
    what: "parsers that outsiders reach take anything (`cargo test` tries what is kept)",
    get: "cargo install cargo-fuzz --locked",
};

impl Requirement {
    /// Where the program is, if it is there.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        self.find_by(|name| env::var_os(name))
    }

    fn find_by(&self, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        if let Some(named) = variable(self.variable) {
            return Some(PathBuf::from(named)).filter(|path| path.is_file());
        }
        let folders = variable("PATH")?;
        env::split_paths(&folders)
            .map(|folder| folder.join(self.program))
            .find(|path| path.is_file())
    }
}

/// What is not checked, and what to do about it.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            program,
            variable,
            what,
            get,
        } = self;
        write!(
            f,
            "that {what}: no {program} on PATH or in ${variable}; get it with `{get}`"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn it_is_found_by_its_variable_then_on_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("buf");
        let path = env::join_paths([folder.path()]).unwrap();
        let on_path = |name: &str| (name == "PATH").then(|| path.clone());
        assert_eq!(BUF.find_by(on_path), None);
        fs::write(&program, "").unwrap();
        assert_eq!(BUF.find_by(on_path), Some(program.clone()));
        assert_eq!(
            BUF.find_by(|name| (name == "BUF").then(|| program.clone().into())),
            Some(program)
        );
    }

    #[test]
    fn a_variable_that_points_nowhere_is_not_made_good_by_the_path() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("buf"), "").unwrap();
        let misled = |name: &str| match name {
            "BUF" => Some(folder.path().join("gone").into()),
            _ => Some(folder.path().into()),
        };
        assert_eq!(BUF.find_by(misled), None);
    }
}
