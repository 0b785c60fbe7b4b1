//! What an instance is called that was not given a name.

use std::{env, fs};

use ward_model::{Name, bounds::NAME_BYTES};

/// After the host: a cron job is the same instance every night.
pub(super) fn instance() -> Name {
    let kernel = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    named_after(&kernel.or_else(|| env::var("HOSTNAME").ok()).unwrap_or_default())
}

/// A valid name, whatever the host is called.
fn named_after(host: &str) -> Name {
    let fold = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' => c,
        _ => '-',
    };
    let host: String = host.trim().chars().map(fold).take(NAME_BYTES).collect();
    let host = match host.trim_matches('-') {
        "" => "host",
        host => host,
    };
    Name::instance(host).expect("made of what names are made of")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_host_makes_a_valid_name() {
        assert_eq!(named_after("Web-1.example\n").as_str(), "web-1.example");
        assert_eq!(named_after("B\u{fc}ro_PC").as_str(), "b-ro-pc");
        for host in ["", "___", "\u{1b}[2J", &"x".repeat(300)] {
            assert!(!named_after(host).as_str().is_empty(), "{host}");
        }
    }
}
