//! How files open, how long they are and what they are called.

use super::{Finding, files::Files};

/// Lines before tests.
const LONG: usize = 300;
const TOO_LONG: usize = 400;
/// Lines of inline tests, from where a file of their own reads better.
const LONG_TESTS: usize = 150;
/// Names that say nothing and so collect everything.
const DRAWERS: &[&str] = &[
    "util.rs",
    "utils.rs",
    "helper.rs",
    "helpers.rs",
    "common.rs",
    "misc.rs",
];

/// Every Rust file opens with what it is for.
pub(super) fn opening(files: &Files) -> Vec<Finding> {
    let silent = files.rust().filter(|(file, _)| !file.text.starts_with("//! "));
    silent
        .map(|(file, _)| Finding::new(&file.path, 1, "does not open with `//!` and what it is for"))
        .collect()
}

/// Files stay readable in one sitting.
pub(super) fn length(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in files.rust().filter(|(file, _)| !file.is_test()) {
        let lines = source.lines_before_tests();
        let tests = source.code.lines().count() - lines;
        if lines > TOO_LONG {
            let what = format!("{lines} lines before its tests, {TOO_LONG} is the most");
            findings.push(Finding::new(&file.path, 0, what));
        } else if lines > LONG {
            findings.push(Finding::advice(
                &file.path,
                0,
                format!("{lines} lines before its tests"),
            ));
        }
        if tests > LONG_TESTS {
            let what = format!("{tests} lines of tests: move them to a tests.rs below it");
            findings.push(Finding::advice(&file.path, lines + 1, what));
        }
    }
    findings
}

/// Files are called by what is in them, and `foo.rs` stands beside `foo/`.
pub(super) fn names(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, _) in files.rust() {
        if DRAWERS.contains(&file.name()) {
            findings.push(Finding::new(
                &file.path,
                0,
                "is a drawer without a name: call it by what is in it",
            ));
        }
        if file.name() == "mod.rs" {
            findings.push(Finding::new(
                &file.path,
                0,
                "should be a file beside its folder, under the folder's name",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Files {
        Files::sample(&[(path, text)])
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        assert!(opening(&file("a.rs", "//! For this.\n")).is_empty());
        assert_eq!(opening(&file("a.rs", "use b;\n//! For this.\n")).len(), 1);
        assert_eq!(opening(&file("a.rs", "")).len(), 1);
        assert!(opening(&file("a.py", "")).is_empty());
    }

    #[test]
    fn length_counts_what_comes_before_the_tests() {
        let code = |lines: usize| "fn f() {}\n".repeat(lines);
        let tests = |lines: usize| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", code(lines));
        let found = |text: String| {
            length(&file("a.rs", &text))
                .iter()
                .map(|it| it.advice)
                .collect::<Vec<_>>()
        };
        assert_eq!(found(code(300)), [false; 0]);
        assert_eq!(found(code(301)), [true]);
        assert_eq!(found(code(401)), [false]);
        assert_eq!(found(code(300) + &tests(140)), [false; 0]);
        assert_eq!(found(code(300) + &tests(150)), [true]);
        assert!(length(&file("a/tests.rs", &code(500))).is_empty());
    }

    #[test]
    fn drawers_and_mod_files_are_found() {
        assert_eq!(names(&file("crates/x/src/utils.rs", "")).len(), 1);
        assert_eq!(names(&file("crates/x/src/lease/mod.rs", "")).len(), 1);
        assert!(names(&file("crates/x/src/lease.rs", "")).is_empty());
    }
}
