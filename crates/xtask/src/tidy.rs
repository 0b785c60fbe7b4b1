//! `cargo xtask tidy`: the rules of the house that no linter knows, on the files that git knows.
//!
//! A rule is a function from the repository's files to findings, so that each is tested on a few lines of bad sample.
//! Rules read text, not syntax trees: parsing Rust with `syn` would lose the comments, which half of the rules are about,
//! and what the rest needs ([`source::Source`]) is small. What clippy or rustc can say is left to them.

mod dashboards;
mod files;
mod functions;
mod layout;
mod left_out;
mod purity;
mod rooms;
mod runbooks;
mod shipped;
mod source;
mod text;

use std::fmt;

use anyhow::bail;
use files::Files;

type Rule = fn(&Files) -> Vec<Finding>;

const RULES: &[Rule] = &[
    layout::opening,
    layout::length,
    layout::names,
    functions::length,
    text::whitespace,
    text::machine_paths,
    text::leftovers,
    left_out::reasons,
    text::links,
    dashboards::as_made,
    rooms::each_has_a_place,
    rooms::uses,
    rooms::manifests,
    rooms::map,
    purity::decision,
    purity::clocks,
    runbooks::pages,
    runbooks::rules,
    shipped::lets_nobody_in,
];

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// From 1; 0 for the file as a whole.
    line: usize,
    what: String,
    /// To be looked at, not a failure.
    advice: bool,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
            advice: false,
        }
    }

    fn advice(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            advice: true,
            ..Self::new(path, line, what)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            what,
            advice,
        } = self;
        write!(f, "{path}:")?;
        if *line > 0 {
            write!(f, "{line}:")?;
        }
        write!(f, "{} {what}", if *advice { " (advice)" } else { "" })
    }
}

/// Prints what is found; an error if any of it is more than advice.
pub(crate) fn run() -> anyhow::Result<()> {
    let findings = findings(&Files::read(&crate::root())?);
    for finding in &findings {
        println!("{finding}");
    }
    let failures = findings.iter().filter(|finding| !finding.advice).count();
    if failures > 0 {
        bail!("not tidy, places to mend: {failures}");
    }
    println!(
        "tidy: {} rules hold, {} places to look at",
        RULES.len(),
        findings.len()
    );
    Ok(())
}

/// The names of what is marked as a test and is none: roles that tests start in processes of their own.
pub(crate) fn roles() -> anyhow::Result<Vec<String>> {
    Ok(left_out::roles(&Files::read(&crate::root())?))
}

fn findings(files: &Files) -> Vec<Finding> {
    let mut findings: Vec<_> = RULES.iter().flat_map(|rule| rule(files)).collect();
    findings.sort();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let files = Files::read(&crate::root()).unwrap();
        let failures: Vec<_> = findings(&files)
            .iter()
            .filter(|finding| !finding.advice)
            .map(ToString::to_string)
            .collect();
        assert!(failures.is_empty(), "not tidy:\n{}", failures.join("\n"));
    }

    #[test]
    fn a_finding_says_where() {
        let at_line = Finding::new("crates/x/src/lib.rs", 7, "is odd");
        assert_eq!(at_line.to_string(), "crates/x/src/lib.rs:7: is odd");
        assert_eq!(
            Finding::advice("a.rs", 0, "is long").to_string(),
            "a.rs: (advice) is long"
        );
    }
}
