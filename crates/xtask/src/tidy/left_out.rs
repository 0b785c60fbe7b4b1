//! Tests that a plain run leaves out, and why each may be.
//!
//! Two kinds: long ones, which `cargo xtask test --long` runs, and roles: not tests at all, but what a test runs in a
//! process of its own by starting its own binary again. Libtest knows one kind only, so that `--include-ignored` alone
//! would play the roles without a test around them.

use super::{
    Finding,
    files::{File, Files},
    source::{Source, numbered},
};

/// How an attribute that leaves a test out goes on.
const LONG: &str = "#[ignore = \"long: ";
const ROLE: &str = "#[ignore = \"role: ";

/// The places where a test is left out: number and text of the line.
fn places<'a>(file: &'a File, source: &'a Source) -> impl Iterator<Item = (usize, &'a str)> {
    let lines = numbered(&source.code).zip(file.text.lines());
    lines
        .filter(|((_, code), _)| code.contains("#[ignore"))
        .map(|((number, _), line)| (number, line))
}

/// A test is left out only for being long or a role, and every example is compiled.
pub(super) fn reasons(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in files.rust() {
        for (number, _) in
            places(file, source).filter(|(_, line)| !line.contains(LONG) && !line.contains(ROLE))
        {
            let what =
                "leaves a test out: only `#[ignore = \"long: ...\"]` and `#[ignore = \"role: ...\"]` may";
            findings.push(Finding::new(&file.path, number, what));
        }
        let fence = concat!("```", "ignore");
        for (number, _) in numbered(&source.comments).filter(|(_, line)| line.contains(fence)) {
            findings.push(Finding::new(
                &file.path,
                number,
                "has an example that is not compiled: `no_run` or `text`",
            ));
        }
    }
    findings
}

/// The names of the roles.
pub(super) fn roles(files: &Files) -> Vec<String> {
    let mut roles = Vec::new();
    for (file, source) in files.rust() {
        for (number, _) in places(file, source).filter(|(_, line)| line.contains(ROLE)) {
            let function = source
                .code
                .lines()
                .skip(number)
                .find_map(|line| line.split_once("fn "));
            let name = function.and_then(|(_, behind)| behind.split_once('('));
            roles.extend(name.map(|(name, _)| name.to_owned()));
        }
    }
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Files {
        Files::sample(&[("a.rs", text)])
    }

    #[test]
    fn a_test_is_left_out_only_for_being_long_or_a_role() {
        for text in [
            "#[ignore = \"long: 3 min\"]\n",
            "#[ignore = \"role: a server\"]\n",
            "// #[ignore]\n",
        ] {
            assert!(reasons(&file(text)).is_empty(), "{text}");
        }
        for text in ["#[ignore]", "#[ignore = \"flaky\"]", concat!("//! ```", "ignore")] {
            assert_eq!(reasons(&file(text)).len(), 1, "{text}");
        }
    }

    #[test]
    fn roles_are_known_by_name() {
        let text = "#[test]\n#[ignore = \"role: x\"]\nasync fn be_a_server() {}\n#[ignore = \"long: x\"]\nfn b() {}\n";
        assert_eq!(roles(&file(text)), ["be_a_server"]);
    }
}
