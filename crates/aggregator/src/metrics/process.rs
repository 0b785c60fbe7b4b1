//! What this process takes of its machine, under the names that Prometheus's own clients use.
//!
//! Read from `/proc` when somebody asks; where there is none, nothing is shown. `sysinfo` was not taken: it is a large crate for
//! five numbers.

use std::{fmt, fs};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::collect::Family;

/// Units of times in `/proc` a second: Linux shows programs this many, whatever its own clock does.
const USER_HZ: f64 = 100.0;

/// See the module.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = Family {
            encoder: &mut encoder,
        };
        if let Some(bytes) = resident_bytes() {
            let help = "Resident memory of this process";
            family.gauge("process_resident_memory_bytes", help, bytes)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            let help = "Open file descriptors of this process";
            family.gauge("process_open_fds", help, open.count() as u64)?;
        }
        let Some(Times { cpu, started }) = times() else {
            return Ok(());
        };
        let help = "Processor time that this process took";
        family.counter_f64("process_cpu_seconds", help, cpu)?;
        let help = "When this process started, in seconds since the epoch";
        family.gauge_f64("process_start_time_seconds", help, started)
    }
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

/// In seconds, the second since the epoch.
struct Times {
    cpu: f64,
    started: f64,
}

fn times() -> Option<Times> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let booted: f64 = boot
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()?;
    // Behind the name of the program, which may have anything in it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // proc(5) counts from 1, and two fields stand before: `utime` is its 14th, `stime` its 15th, `starttime` its 22nd.
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some(Times {
        cpu: (ticks(14)? + ticks(15)?) / USER_HZ,
        started: booted + ticks(22)? / USER_HZ,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_what_it_takes() {
        let resident = resident_bytes().unwrap();
        assert!((1 << 20..1 << 34).contains(&resident), "{resident}");
        let times = times().unwrap();
        assert!(times.cpu < 3_600.0, "{}", times.cpu);
        // /proc/self was made with the process, give or take what the clock of boot is rounded by.
        let made = fs::metadata("/proc/self").unwrap().modified().unwrap();
        let made = made.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((times.started - made).abs() < 600.0, "{} {made}", times.started);
    }
}
