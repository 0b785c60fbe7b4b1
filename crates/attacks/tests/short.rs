//! Every attack in short: what becomes of the attacker, with the guard and without; that an honest client is served all the
//! time and never doubted; that the server takes no more than 64 MB. How fast it serves is printed, not judged, for this
//! machine may be busy. One test for all, one attack after the other: side by side they would disturb each other.

#![cfg(target_os = "linux")]

use std::path::Path;

use ward_attacks::{ALL, Size};

#[test]
fn each_guard_holds_and_is_what_holds() {
    let program = Path::new(env!("CARGO_BIN_EXE_ward-attacks"));
    let runtime = ward_attacks::attackers().unwrap();
    let mut missed = Vec::new();
    for attack in ALL {
        println!("{}: {}", attack.name, attack.what);
        let run = runtime.spawn(attack.run(program, Size::Short));
        match runtime.block_on(run).unwrap() {
            Ok(row) => {
                row.lines().iter().for_each(|line| println!("  {line}"));
                let misses = row.misses(Size::Short).into_iter();
                missed.extend(misses.map(|miss| format!("{}: {miss}", attack.name)));
            }
            Err(error) => missed.push(format!("{}: {error:#}", attack.name)),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
