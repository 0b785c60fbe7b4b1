//! `deploy/compose/setup`, cut off at any place: the next start makes good what is missing or half there.
//!
//! It runs as it is, in a folder, with stand-ins for what it calls. The `ward` of these ends after so many files, as a machine that
//! is switched off would end it; what the real one makes is tried by its own tests.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::root;

/// In the order in which `ward cert dev` writes them.
const MADE: &[&str] = &[
    "ca.pem",
    "server.pem",
    "server.key",
    "operator.pem",
    "operator.key",
    "ward.toml",
];
const WARD: &str = r#"#!/bin/sh
case "$1 $2" in
  "cert dev")
    left=$ROOM
    for file in $MADE; do
      [ "$left" -gt 0 ] || exit 70
      left=$((left - 1))
      echo "$RUN" >"$file"
    done
    [ "$left" -gt 0 ] || exit 70 ;;
  "token list") ;;
  "token new")
    until [ "$1" = --out ]; do shift; done
    echo "ward_id_secret" >"$2" ;;
esac
"#;

/// A folder for what is made, and one for the stand-ins.
struct Place {
    identity: tempfile::TempDir,
    programs: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let programs = tempfile::tempdir().unwrap();
        // Groups are given to by root alone.
        for (name, text) in [("ward", WARD), ("chgrp", "#!/bin/sh\n")] {
            let path = programs.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let identity = tempfile::tempdir().unwrap();
        Self { identity, programs }
    }

    /// Runs it, with room for so many certificates and keys; whether it came to its end.
    fn set_up(&self, run: &str, room: usize, arguments: &[&str]) -> bool {
        let path = std::env::var("PATH").unwrap();
        let status = Command::new("sh")
            .arg(root().join("deploy/compose/setup"))
            .args(arguments)
            .env("PATH", format!("{}:{path}", self.programs.path().display()))
            .env("WARD_IDENTITY_DIR", self.identity.path())
            .env("GRAFANA_PASSWORD", "")
            .env("RUN", run)
            .env("ROOM", room.to_string())
            .env("MADE", MADE.join(" "))
            .status();
        status.unwrap().success()
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.identity.path().join(file)
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_was_cut_off_is_made_good_at_the_next_start() {
    let all = MADE.len();
    for arguments in [&[][..], &["renew"]] {
        for room in 0..=all {
            let place = Place::new();
            if !arguments.is_empty() {
                assert!(place.set_up("first", all + 1, &[]));
            }
            assert!(!place.set_up("second", room, arguments));
            assert!(
                place.set_up("third", all + 1, &[]),
                "{arguments:?} cut off at {room}"
            );

            let pair = &MADE[..5];
            let runs = pair
                .iter()
                .map(|file| fs::read_to_string(place.path(file)).unwrap());
            let mut runs: Vec<_> = runs.collect();
            runs.dedup();
            assert_eq!(runs.len(), 1, "{arguments:?} cut off at {room}: of {runs:?}");
            assert_eq!(mode(&place.path("ca.pem")), 0o644, "{arguments:?} at {room}");
            assert_eq!(mode(&place.path("server.key")), 0o600);
            assert_eq!(mode(&place.path("catalog.url")), 0o640);
        }
    }
}

#[test]
fn what_is_in_use_stays_as_it_is() {
    let place = Place::new();
    let all = MADE.len() + 1;
    assert!(place.set_up("first", all, &[]));
    let password = fs::read_to_string(place.path("postgres.password")).unwrap();
    assert!(place.set_up("second", all, &[]));
    assert_eq!(fs::read_to_string(place.path("server.pem")).unwrap(), "first\n");
    assert_eq!(
        fs::read_to_string(place.path("postgres.password")).unwrap(),
        password
    );
    assert!(place.set_up("third", all, &["renew"]));
    assert_eq!(fs::read_to_string(place.path("server.pem")).unwrap(), "third\n");
}
