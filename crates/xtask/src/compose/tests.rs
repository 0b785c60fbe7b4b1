//! What the files of the stack say to each other, as far as that can be seen without an engine.

use std::{collections::BTreeSet, fs};

use crate::root;

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The names behind each `prefix`.
fn names<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let behind = text.split(prefix).skip(1);
    behind
        .map(|rest| {
            rest.split(|c: char| !c.is_ascii_uppercase() && c != '_')
                .next()
                .unwrap_or_default()
        })
        .collect()
}

#[test]
fn what_can_be_set_is_explained() {
    let compose = read("docker-compose.yml");
    // Two are for who builds images.
    let mut read_by_compose = names(&compose, "${");
    read_by_compose.retain(|name| !["WARD_IMAGE", "WARD_PROFILE"].contains(name));
    let example = read(".env.example");
    let explained: BTreeSet<_> = example
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once('='))
        .map(|(name, _)| name)
        .filter(|name| !name.contains(' '))
        .collect();
    assert_eq!(read_by_compose, explained);
}
