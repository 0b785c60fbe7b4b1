//! The machine: what it is, and who may have how much of it.

use std::{fs, io, process::Command};

use nix::unistd::gettid;
use tokio::runtime::{Builder, Runtime};

/// A runtime whose threads take only what time others leave. In life attackers have machines of their own; here they
/// would take half of the one that the server and the honest client run on.
///
/// # Errors
///
/// There are no threads to be had.
pub fn attackers() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(step_back)
        .build()
}

/// A program for it because the call is unsafe. Without that program the figures are worse than they could be.
fn step_back() {
    let thread = gettid().to_string();
    drop(Command::new("renice").args(["-n", "19", "-p", &thread]).output());
}

/// Processor and kernel, in a line.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unknown processor", |(_, model)| model);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores of {model}, Linux {}", kernel.trim())
}
