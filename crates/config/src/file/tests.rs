//! What a file may say, and all that is said about what it may not.

use super::*;
use crate::{Errors, Source};

fn load(text: &str) -> Result<Settings, Errors> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ward.toml");
    std::fs::write(&path, text).unwrap();
    let source = Source {
        file: Some(path),
        ..Source::default()
    };
    source.load().map(|loaded| loaded.settings)
}

#[test]
fn an_empty_file_says_nothing() {
    assert_eq!(load("").unwrap(), Settings::default());
}
