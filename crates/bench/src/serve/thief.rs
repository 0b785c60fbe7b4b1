//! No server: what takes a third of the servers' core away, as a hypervisor does that has sold it twice.
//!
//! It spins for 10 ms and rests for 20. Where it may, it is started with a real-time priority (see `items/soak.rs`), so
//! that the scheduler cannot favour the server that wakes up seldom.

use std::{
    io::{Read, Write},
    thread,
    time::Duration,
};

use ward_chassis::Clock;

const TAKES: Duration = Duration::from_millis(10);
const LEAVES: Duration = Duration::from_millis(20);

/// Steals until standard input ends.
pub(super) fn steal() -> anyhow::Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "stealing")?;
    stdout.flush()?;
    let held = thread::spawn(|| drop(std::io::stdin().read_to_end(&mut Vec::new())));
    let clock = Clock::start();
    while !held.is_finished() {
        let begun = clock.mono();
        while clock.mono().since(begun) < TAKES {
            std::hint::spin_loop();
        }
        thread::sleep(LEAVES);
    }
    Ok(())
}
