//! Every attack in short: what becomes of the attacker, with the guard and without; that an honest client is served all the
//! time and never doubted; that the server takes no more than 64 MB. How fast it serves is printed, not judged, for this
//! machine may be busy. One test for all, one attack after the other: side by side they would disturb each other.

#![cfg(target_os = "linux")]

use std::{
    env,
    io::{self, Write},
    path::Path,
};

use ward_attacks::{ALL, Size};

/// Says that a part is not run, past the capture of output, so that `cargo xtask test` can name it at the end.
fn not_run(what: &str, wanted: &str) {
    let is_set = |name| env::var(name).is_ok_and(|value| ["1", "true"].contains(&value.as_str()));
    assert!(
        !is_set("WARD_REQUIRE_ALL") && !is_set("CI"),
        "{what} needs {wanted}"
    );
    io::stdout()
        .write_all(format!("\nNOT RUN: {what}: no {wanted}\n").as_bytes())
        .expect("somebody reads what tests print");
}

/// The attacks on text leave out what `ward` prints where cargo did not build it: a build of this crate alone does not.
#[test]
fn what_the_command_prints_is_searched_as_well() {
    if ward_attacks::command().is_none() {
        not_run(
            "what `ward` prints is searched for what was injected",
            "`ward` beside the tests: cargo build -p ward",
        );
    }
}

#[test]
fn each_guard_holds_and_is_what_holds() {
    let program = Path::new(env!("CARGO_BIN_EXE_ward-attacks"));
    let runtime = ward_attacks::attackers().unwrap();
    let mut missed = Vec::new();
    for attack in ALL {
        let run = runtime.spawn(attack.run(program, Size::Short));
        match runtime.block_on(run).unwrap() {
            Ok(row) => {
                let misses = row.misses(Size::Short);
                // Only of what missed: of all of them nobody would find it. The command shows all.
                if !misses.is_empty() {
                    let told = row.lines().join("\n  ");
                    missed.push(format!("{}: {}\n  {told}", attack.name, misses.join("; ")));
                }
            }
            Err(error) => missed.push(format!("{}: {error:#}", attack.name)),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
