//! A disk that is really full: a file system of its own, of eight megabytes, that goes with the namespace it is in.

#![cfg(target_os = "linux")]

use std::{env, fs, io::Write, path::PathBuf, process::Command, thread, time::Duration};

use ward_audit::{AppendError, Draft, Kind, Log, Options, Source, Start, State, boot_id, verify::verify};
use ward_chassis::Clock;
use ward_model::{Epoch, Now, Revision};

const DIR: &str = "WARD_AUDIT_FULL";

#[test]
fn a_full_disk_is_said_and_survived() {
    let home = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=8m ward \"$1\" || exit 9; shift; exec \"$@\"";
    let role = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(home.path())
        .arg(env::current_exe().unwrap())
        .args([
            "--exact",
            "be_where_the_disk_is_small",
            "--ignored",
            "--nocapture",
        ])
        .env(DIR, home.path())
        .output();
    match role {
        Ok(role) if role.status.success() => {
            let said = String::from_utf8_lossy(&role.stdout);
            assert!(said.contains("SURVIVED"), "{said}");
        }
        Ok(role) if role.status.code() == Some(101) => panic!(
            "{}{}",
            String::from_utf8_lossy(&role.stdout),
            String::from_utf8_lossy(&role.stderr)
        ),
        refused => {
            // Past libtest's capture, so that it is seen.
            let line =
                format!("NOT RUN: a full disk: no namespace with a file system of its own: {refused:?}\n");
            fs::write("/dev/stderr", line).unwrap();
            assert!(env::var_os("WARD_REQUIRE_ALL").is_none(), "{refused:?}");
        }
    }
}

fn draft(n: u64) -> Draft {
    let long = "x".repeat(4000);
    Draft::new(Kind::Transition, Source::Engine, "a", Now::default())
        .at(Epoch(1), Revision(n))
        .with("message", long)
}

/// Waits for a state that must come.
fn until(what: &str, mut there: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if there() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("{what}: not within 10 s");
}

#[test]
#[ignore = "role: runs where the disk is small"]
fn be_where_the_disk_is_small() {
    let Some(home) = env::var_os(DIR).map(PathBuf::from) else {
        return;
    };
    let dir = home.join("audit");
    let start = || Start {
        clock: Clock::start(),
        boot_id: boot_id(),
        epoch: Epoch(1),
    };
    let (log, _) = Log::open(&dir, Options::default(), start()).unwrap();
    log.append_blocking(draft(0)).unwrap();
    until("the reserve is there", || dir.join("reserve").exists());
    let mut ballast = fs::File::create(home.join("ballast")).unwrap();
    while ballast.write_all(&[0; 4096]).is_ok() {}
    drop(ballast);
    let mut n = 1;
    let refused = loop {
        match log.append_blocking(draft(n)) {
            Ok(_) => n += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, AppendError::Full);
    assert_eq!(log.standing().state, State::Full);
    assert!(n > 100, "what was filled ahead is used: {n}");
    fs::remove_file(home.join("ballast")).unwrap();
    until("there is room again", || log.standing().state == State::Writing);
    log.append_blocking(draft(n)).unwrap();
    let reader = log.reader();
    let last = reader.newest(&Default::default(), 4).unwrap();
    let kinds: Vec<_> = last.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds[..3], ["transition", "log_gap", "log_full"], "{kinds:?}");
    log.close().unwrap();
    let report = verify(&dir, None, None, &mut |_, _| {});
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.verified, n + 3);
    let (log, opened) = Log::open(&dir, Options::default(), start()).unwrap();
    assert_eq!(opened.size, n + 3);
    log.close().unwrap();
    println!("SURVIVED");
}
