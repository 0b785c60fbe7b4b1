//! The files of rules that a file names: found, bounded, read.
//!
//! A `*` in the last part of a path and nothing else: what is read must be seen at a glance, and a tree of folders never is.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use ward_alerts::Rule;

use super::{FILE_BYTES, Loading, read};
use crate::{
    file::{self, Changes},
    mistake::escaped,
    reading::{At, Reading},
    value::{RuleFiles, Wrong},
};

/// Most files of rules: as many as there may be rules.
const FILES: usize = 256;
/// Most entries of a folder that are looked at: one with more is no folder of rules.
const ENTRIES: usize = 10_000;

impl Loading {
    /// Reads the files that `named`, in `file` of this text, stands for.
    pub(super) fn rule_files(
        &mut self,
        (file, text): (&Path, &str),
        named: Vec<At<RuleFiles>>,
        rules: &mut Changes,
    ) {
        let shown = file.to_string_lossy();
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut left = Left {
            files: FILES,
            bytes: FILE_BYTES,
            known: BTreeSet::new(),
        };
        for said in named {
            let mut reading = Reading::new(&shown, text);
            let mut wrong = |message: String, help: Option<String>| {
                reading.wrong(&said.path, &said.span, message).help = help;
            };
            match found(folder, &said.value.0) {
                Ok(found) if found.is_empty() => {
                    let pattern = escaped(&said.value.0);
                    self.warnings.push(format!(
                        "[alerting] rule_files: there is no file \"{pattern}\" yet"
                    ));
                }
                Ok(found) => {
                    for path in found {
                        if let Err(failed) = self.rule_file(&path, &mut left, rules) {
                            let path = escaped(&path.to_string_lossy());
                            wrong(format!("names {path}: {}", failed.message), failed.help);
                        }
                    }
                }
                Err(failed) => wrong(failed.message, failed.help),
            }
            self.mistakes.and(reading.mistakes);
        }
    }

    fn rule_file(&mut self, path: &Path, left: &mut Left, rules: &mut Changes) -> Result<(), Wrong> {
        // One that is not there is told of when it is read.
        if !left
            .known
            .insert(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
        {
            return Ok(());
        }
        left.files = left
            .files
            .checked_sub(1)
            .ok_or_else(|| too_much(format!("there are more than {FILES} files")))?;
        // A pipe or a device can be read once, or without an end.
        if fs::metadata(path).is_ok_and(|file| !file.is_file() && !file.is_dir()) {
            return Err(too_much("this is a pipe or a device".to_owned()));
        }
        let bytes = read(path).map_err(|wrong| Wrong { help: None, ..wrong })?;
        let most = || {
            too_much(format!(
                "files of rules have more than {} MiB together",
                FILE_BYTES >> 20
            ))
        };
        left.bytes = left.bytes.checked_sub(bytes.len() as u64).ok_or_else(most)?;
        let shown = path.to_string_lossy().into_owned();
        let Some(text) = self.utf8(&shown, bytes) else {
            return Ok(());
        };
        let (mistakes, lines) = file::read_rules(&shown, &text, rules);
        self.mistakes.and(mistakes);
        self.came_from(
            &shown,
            lines
                .into_iter()
                .map(|(key, line)| (format!("alerting.{key}"), line)),
        );
        self.keep(&shown, &text);
        Ok(())
    }
}

/// What may still be read.
struct Left {
    files: usize,
    bytes: u64,
    known: BTreeSet<PathBuf>,
}

fn too_much(message: String) -> Wrong {
    Wrong { message, help: None }
}

/// A warning of a rule that is to be held and is never.
pub(super) fn held_in_vain(rule: &Rule) -> Option<String> {
    let rule = rule.spec();
    let is_vain = rule.for_.is_zero() && rule.hold.as_ref().is_some_and(|hold| hold.trim() != "false");
    is_vain.then(|| {
        let name = &rule.name;
        format!("[alerting.rules.{name}] hold has no effect: it lasts as long as `for` at most, which is 0s")
    })
}

/// The file of that name, or those that a name with `*` stands for, in order. Names that begin with a dot are left out, as
/// shells do: editors and mounted volumes keep things of their own there.
fn found(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, Wrong> {
    let whole = folder.join(pattern);
    let name = whole
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    if !name.contains('*') {
        return Ok(vec![whole]);
    }
    let folder = whole
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let cannot = |error: io::Error| Wrong {
        message: format!(
            "stands for files in {}, which cannot be read: {error}",
            escaped(&folder.to_string_lossy())
        ),
        help: None,
    };
    let mut found = Vec::new();
    for (index, entry) in fs::read_dir(folder).map_err(cannot)?.enumerate() {
        if index == ENTRIES {
            return Err(too_much(format!(
                "stands for files in a folder with more than {ENTRIES} entries"
            )));
        }
        let entry = entry.map_err(cannot)?;
        let of_entry = entry.file_name().to_string_lossy().into_owned();
        let path = whole.with_file_name(entry.file_name());
        if !of_entry.starts_with('.') && is_like(&of_entry, &name) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether `name` is `pattern`, in which `*` stands for any letters. Each part between two stars is taken where it comes
/// first, which leaves the most to the others; so it takes no longer than both are.
fn is_like(name: &str, pattern: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else {
        return name == pattern;
    };
    let Some(mut name) = name.strip_prefix(begin) else {
        return false;
    };
    let mut parts: Vec<_> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
    }
    name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::is_like;

    #[test]
    fn a_star_stands_for_any_letters() {
        for (name, pattern) in [
            ("a.toml", "*.toml"),
            ("a.toml", "a*"),
            ("ab", "a*b"),
            ("ab", "*"),
            ("abab", "*ab"),
            ("aXbYb", "a*b*b"),
        ] {
            assert!(is_like(name, pattern), "{name} {pattern}");
        }
        for (name, pattern) in [
            ("a.tom", "*.toml"),
            ("a", "a*a"),
            ("ab", "b*"),
            ("aXb", "a*b*b"),
            ("a", "b"),
        ] {
            assert!(!is_like(name, pattern), "{name} {pattern}");
        }
    }

    proptest! {
        #[test]
        fn it_is_what_trying_everything_finds(name in "[ab]{0,6}", pattern in "[ab*]{0,6}") {
            fn tried(name: &str, pattern: &str) -> bool {
                match pattern.strip_prefix('*') {
                    Some(rest) => (0..=name.len()).any(|at| tried(&name[at..], rest)),
                    None => match (name.chars().next(), pattern.chars().next()) {
                        (Some(a), Some(b)) => a == b && tried(&name[1..], &pattern[1..]),
                        (a, b) => a == b,
                    },
                }
            }
            prop_assert_eq!(is_like(&name, &pattern), tried(&name, &pattern));
        }
    }
}
