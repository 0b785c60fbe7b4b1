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
    /// A program that it runs, and the variable that may name another instead.
    pub(crate) runs: Option<(&'static str, &'static str)>,
    /// What is not checked without it.
    pub(crate) what: &'static str,
    /// How to get it.
    pub(crate) get: &'static str,
}

/// The linter of protobuf files.
pub(crate) const BUF: Requirement = Requirement {
    program: "buf",
    variable: "BUF",
    runs: None,
    what: "the wire contract in proto/ keeps buf's rules",
    get: "npm install --global @bufbuild/buf",
};

/// The checker of dependencies.
pub(crate) const CARGO_DENY: Requirement = Requirement {
    program: "cargo-deny",
    variable: "CARGO_DENY",
    runs: None,
    what: "the dependencies are what deny.toml allows",
    get: "cargo install cargo-deny --locked",
};

/// The checker of what Prometheus is given.
pub(crate) const PROMTOOL: Requirement = Requirement {
    program: "promtool",
    variable: "PROMTOOL",
    runs: None,
    what: "rules of Prometheus fire where they should and nowhere else",
    get: "apt install prometheus",
};

/// The checker of what Alertmanager is given.
pub(crate) const AMTOOL: Requirement = Requirement {
    program: "amtool",
    variable: "AMTOOL",
    runs: None,
    what: "alerts go to whom they are for",
    get: "apt install prometheus-alertmanager",
};

/// The fuzzer; libFuzzer comes with it, and wants a C++ compiler.
pub(crate) const CARGO_FUZZ: Requirement = Requirement {
    program: "cargo-fuzz",
    variable: "CARGO_FUZZ",
    runs: Some(("c++", "CXX")),
    what: "parsers that outsiders reach take anything (`cargo test` tries what is kept)",
    get: "cargo install cargo-fuzz --locked",
};

/// The engine of containers, with its plugin `compose`.
pub(crate) const DOCKER: Requirement = Requirement {
    program: "docker",
    variable: "DOCKER",
    runs: None,
    what: "the stack of docker-compose.yml comes up, tells of an outage and heals",
    get: "https://docs.docker.com/engine/install/",
};

impl Requirement {
    /// Where the program is, if it is there and can run.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        self.find_by(|name| env::var_os(name))
    }

    fn find_by(&self, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let on_path = |program| {
            env::split_paths(&variable("PATH")?)
                .map(|folder| folder.join(program))
                .find(|path| path.is_file())
        };
        if let Some((program, named)) = self.runs
            && variable(named).is_none()
        {
            on_path(program)?;
        }
        match variable(self.variable) {
            Some(named) => Some(PathBuf::from(named)).filter(|path| path.is_file()),
            None => on_path(self.program),
        }
    }
}

/// What is not checked, and what to do about it.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            program,
            variable,
            runs,
            what,
            get,
        } = self;
        write!(f, "that {what}: no {program} on PATH or in ${variable}")?;
        if let Some((runs, variable)) = runs {
            write!(f, ", or no {runs} on PATH or in ${variable}")?;
        }
        write!(f, "; get it with `{get}`")
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
    fn a_program_without_what_it_runs_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name| fs::write(folder.path().join(name), "").unwrap();
        let on_path = |name: &str| (name == "PATH").then(|| folder.path().into());
        file("cargo-fuzz");
        assert_eq!(CARGO_FUZZ.find_by(on_path), None);
        let named = |name: &str| on_path(name).or((name == "CXX").then(|| "clang++".into()));
        assert!(CARGO_FUZZ.find_by(named).is_some());
        file("c++");
        assert!(CARGO_FUZZ.find_by(on_path).is_some());
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
