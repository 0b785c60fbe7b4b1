//! What stands in the text of any file: blanks, places of one machine, work left undone, links.

use std::path::{Component, Path, PathBuf};

use super::{
    Finding,
    files::{File, Files},
    source::{has_word, numbered},
};

/// Kinds of files that are written by hand. Others, such as the lock file or recorded samples, are as they are.
const WRITTEN: &[&str] = &[
    "rs", "toml", "md", "proto", "sh", "yml", "yaml", "json", "html", "css", "js", "py",
];
/// Folders that one machine has and another has not. In two parts, so that this file does not find itself.
const MACHINE: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];
const UNDONE: &[&str] = &["TODO", "FIXME", "XXX"];

fn written(files: &Files) -> impl Iterator<Item = &File> {
    files
        .all()
        .filter(|file| WRITTEN.contains(&file.extension()) || file.path.starts_with(".ci/"))
}

/// No tabs, nothing blank at the end of a line, one line end at the end of the file.
pub(super) fn whitespace(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in written(files) {
        // Not `lines`, which would take a carriage return for part of the line end.
        for (number, line) in (1..).zip(file.text.split('\n')) {
            if line.contains('\t') {
                findings.push(Finding::new(&file.path, number, "has a tab"));
            }
            if line.ends_with([' ', '\r']) {
                findings.push(Finding::new(&file.path, number, "ends with a blank"));
            }
        }
        if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
            findings.push(Finding::new(&file.path, 0, "should end with one line end"));
        }
    }
    findings
}

/// Nothing names a folder of the machine it was written on.
pub(super) fn machine_paths(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.all() {
        for (number, line) in numbered(&file.text) {
            for folder in MACHINE.iter().filter(|folder| starts_a_path(line, folder)) {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("names {folder}, a folder of one machine"),
                ));
            }
        }
    }
    findings
}

fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}/".contains(c)))
}

/// What is left for later has an issue that says so. The macros for it, and `dbg!`, have no place at all: clippy sees
/// those only in code that is compiled on the system at hand.
pub(super) fn leftovers(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in files.rust() {
        for (number, line) in numbered(&source.code) {
            for name in ["todo", "unimplemented", "dbg"] {
                if has_word(line, name) && line.contains(&format!("{name}!")) {
                    findings.push(Finding::new(&file.path, number, format!("has a {name}!")));
                }
            }
        }
        findings.extend(undone(file, &source.comments));
    }
    for file in written(files).filter(|file| !matches!(file.extension(), "rs" | "md")) {
        findings.extend(undone(file, &file.text));
    }
    findings
}

fn undone(file: &File, text: &str) -> Vec<Finding> {
    let names_an_issue = |line: &str| {
        line.split('#')
            .skip(1)
            .any(|behind| behind.starts_with(|c: char| c.is_ascii_digit()))
    };
    let left = |line: &str| UNDONE.iter().any(|mark| has_word(line, mark)) && !names_an_issue(line);
    numbered(text)
        .filter(|(_, line)| left(line))
        .map(|(number, _)| {
            Finding::new(
                &file.path,
                number,
                "leaves work for later without the number of an issue",
            )
        })
        .collect()
}

/// Links within the repository lead somewhere.
pub(super) fn links(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.all().filter(|file| file.extension() == "md") {
        for (number, line) in numbered(&file.text) {
            for target in line
                .split("](")
                .skip(1)
                .filter_map(|behind| behind.split([')', '#']).next())
            {
                let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
                let path = resolved(&folder.join(target));
                let found = |other: &File| Path::new(&other.path).starts_with(&path);
                if !target.is_empty() && !target.contains("://") && !files.all().any(found) {
                    findings.push(Finding::new(
                        &file.path,
                        number,
                        format!("links to {target}, which is not there"),
                    ));
                }
            }
        }
    }
    findings
}

/// Without `..`, but for what would lead out of the repository.
fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir && resolved.file_name().is_some() {
            resolved.pop();
        } else {
            resolved.push(part);
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Files {
        Files::sample(&[(path, text)])
    }

    #[test]
    fn blanks_are_found() {
        assert!(whitespace(&file("a.md", "a\n\nb\n")).is_empty());
        for text in ["a \n", "a\t\n", "a", "a\n\n", "a\r\n"] {
            assert_eq!(whitespace(&file(".ci/run", text)).len(), 1, "{text:?}");
        }
        assert!(whitespace(&file("sample.bin", "\t \n")).is_empty());
    }

    #[test]
    fn folders_of_a_machine_are_found() {
        for folder in MACHINE {
            assert_eq!(
                machine_paths(&file("a.md", &format!("see {folder}main"))).len(),
                1
            );
            assert!(machine_paths(&file("a.md", &format!("https://a.example{folder}b"))).is_empty());
        }
    }

    #[test]
    fn work_left_undone_is_found_in_comments_and_code() {
        for text in [
            "// TODO: later",
            "/* a\n FIXME */",
            "fn f() { todo!() }",
            "dbg!(x);",
            "x::unimplemented!()",
        ] {
            assert_eq!(leftovers(&file("a.rs", text)).len(), 1, "{text}");
        }
        for text in [
            "// TODO(#12): later",
            "f(\"TODO\")",
            "// dbg! is not for here",
            "fn todo() {}",
        ] {
            assert!(leftovers(&file("a.rs", text)).is_empty(), "{text}");
        }
        assert_eq!(leftovers(&file("a.toml", "# TODO later")).len(), 1);
    }

    #[test]
    fn links_lead_somewhere() {
        let files = |text| Files::sample(&[("docs/a.md", text), ("docs/b/c.md", ""), ("d.md", "")]);
        for text in [
            "[c](b/c.md#top)",
            "[b](b)",
            "[d](../d.md)",
            "[x](https://a.example/b)",
            "[top](#top)",
        ] {
            assert!(links(&files(text)).is_empty(), "{text}");
        }
        assert_eq!(links(&files("[gone](c.md) and [c](b/c.md)")).len(), 1);
        assert_eq!(links(&files("[outside](../../d.md)")).len(), 1);
    }
}
