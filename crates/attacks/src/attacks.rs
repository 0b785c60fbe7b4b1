//! The attacks, in the order of the table.

mod connections;
mod descriptors;
mod floods;
mod handshakes;
mod headers;
mod injection;
mod messages;
mod names;
mod resets;
mod slow;
mod streams;

use std::time::Duration;

pub use self::injection::command;
use self::{connections as conns, resets::caused};
use crate::{
    Setup,
    attack::{Attack, Outcome, Size, Without},
};

const H2: &str = "h2 (0.4.18 and later) guards by itself, and nothing that hyper lets through loosens it";
const CLOSES: &str = "h2 takes it for an error of the connection by itself";
const CONTROL: &str = "`control_frames_per_second`: 10,000 a connection";
const RESETS: &str = "`local_error_resets`: 128 a connection";

fn as_it_is(_: &mut Setup, _: Size) {}

/// An attack on a guard that is loosened with all others.
const BASE: Attack = Attack {
    name: "",
    what: "",
    guard: "",
    without: Without::Loosened,
    setup: as_it_is,
    run: |target, size| Box::pin(streams::attack(target, size)),
};

/// All of them.
pub const ALL: &[Attack] = &[
    Attack {
        name: "nobody",
        what: "nobody attacks",
        guard: "-",
        without: Without::Never("what the machine itself does to the figures"),
        run: |_, size| Box::pin(nobody(size)),
        ..BASE
    },
    Attack {
        name: "rapid-reset",
        what: "HEADERS and RST_STREAM at once (CVE-2023-44487)",
        guard: "`pending_accept_resets`: 20",
        setup: |setup, _| {
            if !setup.guarded {
                setup.pending_accept_resets = Some(usize::MAX);
            }
        },
        run: |target, size| Box::pin(resets::rapid(target, size)),
        ..BASE
    },
    Attack {
        name: "length-mismatch",
        what: "resets caused (CVE-2025-8671): content-length 5 and no body",
        guard: RESETS,
        run: |target, size| Box::pin(caused(target, size, resets::length_mismatch)),
        ..BASE
    },
    Attack {
        name: "past-length",
        what: "resets caused: more DATA than content-length says",
        guard: RESETS,
        run: |target, size| Box::pin(caused(target, size, resets::past_length)),
        ..BASE
    },
    Attack {
        name: "window-overflow",
        what: "resets caused: WINDOW_UPDATE beyond 2^31-1 on a stream",
        guard: RESETS,
        run: |target, size| Box::pin(caused(target, size, resets::window_overflow)),
        ..BASE
    },
    Attack {
        name: "headless",
        what: "resets caused: a request without method and path",
        guard: RESETS,
        run: |target, size| Box::pin(caused(target, size, resets::headless)),
        ..BASE
    },
    Attack {
        name: "self-dependency",
        what: "resets caused: a stream that depends on itself",
        guard: RESETS,
        run: |target, size| Box::pin(caused(target, size, resets::self_dependency)),
        ..BASE
    },
    Attack {
        name: "malformed-header",
        what: "a header name in upper case",
        guard: "h2",
        without: Without::Never(CLOSES),
        run: |target, size| Box::pin(caused(target, size, resets::malformed_header)),
        ..BASE
    },
    Attack {
        name: "window-by-nothing",
        what: "WINDOW_UPDATE by 0 on a stream",
        guard: "h2",
        without: Without::Never(CLOSES),
        run: |target, size| Box::pin(caused(target, size, resets::window_by_nothing)),
        ..BASE
    },
    Attack {
        name: "data-behind-end",
        what: "DATA behind END_STREAM",
        guard: "h2",
        without: Without::Never(CLOSES),
        run: |target, size| Box::pin(caused(target, size, resets::data_behind_end)),
        ..BASE
    },
    Attack {
        name: "continuations",
        what: "CONTINUATION flood (CVE-2024-27316)",
        guard: "h2: 5 frames with `header_bytes` of 8 KiB; without: `header_bytes` of 256 MiB",
        setup: |setup, _| {
            if !setup.guarded {
                setup.header_bytes = Some(256 << 20);
            }
        },
        run: |target, size| Box::pin(floods::continuations(target, size)),
        ..BASE
    },
    Attack {
        name: "empty-data",
        what: "flood of empty DATA frames",
        guard: "h2: 100 a connection",
        without: Without::Never(H2),
        run: |target, size| Box::pin(floods::empty_data(target, size)),
        ..BASE
    },
    Attack {
        name: "tiny-data",
        what: "flood of DATA frames of one byte",
        guard: "h2: a budget for what is not read",
        without: Without::Never(H2),
        run: |target, size| Box::pin(floods::tiny_data(target, size)),
        ..BASE
    },
    Attack {
        name: "pings",
        what: "PING flood",
        guard: CONTROL,
        run: |target, size| Box::pin(floods::pings(target, size)),
        ..BASE
    },
    Attack {
        name: "ping-answers",
        what: "flood of answers to pings that nobody sent",
        guard: CONTROL,
        run: |target, size| Box::pin(floods::ping_answers(target, size)),
        ..BASE
    },
    Attack {
        name: "settings",
        what: "SETTINGS flood",
        guard: CONTROL,
        run: |target, size| Box::pin(floods::settings(target, size)),
        ..BASE
    },
    Attack {
        name: "priorities",
        what: "PRIORITY flood",
        guard: CONTROL,
        run: |target, size| Box::pin(floods::priorities(target, size)),
        ..BASE
    },
    Attack {
        name: "unknown-frames",
        what: "flood of frames of an unknown kind",
        guard: CONTROL,
        run: |target, size| Box::pin(floods::unknown(target, size)),
        ..BASE
    },
    Attack {
        name: "window-updates",
        what: "WINDOW_UPDATE flood on a stream that has ended",
        guard: CONTROL,
        run: |target, size| Box::pin(floods::window_updates(target, size)),
        ..BASE
    },
    Attack {
        name: "reset-frames",
        what: "RST_STREAM flood on a stream that has ended",
        guard: CONTROL,
        run: |target, size| Box::pin(floods::reset_frames(target, size)),
        ..BASE
    },
    Attack {
        name: "header-bomb",
        what: "HPACK bomb: a header of 4 KB repeated 10,000 times in a byte each",
        guard: "`header_bytes`: 8 KiB; without: 256 MiB",
        setup: |setup, _| {
            if !setup.guarded {
                setup.header_bytes = Some(256 << 20);
            }
        },
        run: |target, size| Box::pin(headers::bomb(target, size)),
        ..BASE
    },
    Attack {
        name: "large-header",
        what: "a header of 12 KiB",
        guard: "`header_bytes`: 8 KiB",
        run: |target, size| Box::pin(headers::large(target, size)),
        ..BASE
    },
    Attack {
        name: "streams",
        what: "20,000 streams on one connection",
        guard: "`streams_per_connection`: 128",
        run: |target, size| Box::pin(streams::attack(target, size)),
        ..BASE
    },
    Attack {
        name: "one-address",
        what: "connections from one address",
        guard: "`connections_per_address` (here 32)",
        setup: |setup, _| {
            if setup.guarded {
                setup.connections_per_address = Some(conns::PER_ADDRESS);
            }
        },
        run: |target, size| Box::pin(conns::from_one_address(target, size)),
        ..BASE
    },
    Attack {
        name: "many-addresses",
        what: "connections from 20 addresses",
        guard: "`connections` (here 64)",
        setup: |setup, _| {
            if setup.guarded {
                setup.connections = Some(conns::IN_ALL);
            }
        },
        run: |target, size| Box::pin(conns::from_many_addresses(target, size)),
        ..BASE
    },
    Attack {
        name: "idle-connections",
        what: "10,000 TCP connections that say nothing",
        guard: "`handshake_timeout`: 5 s",
        setup: soon_in_short,
        run: |target, size| Box::pin(conns::idle(target, size)),
        ..BASE
    },
    Attack {
        name: "slow-prefaces",
        what: "1,000 connections that say a byte now and then",
        guard: "`handshake_timeout`: 5 s",
        setup: soon_in_short,
        run: |target, size| Box::pin(conns::dribbled(target, size)),
        ..BASE
    },
    Attack {
        name: "half-open-tls",
        what: "1,000 TLS handshakes that are begun and never finished",
        guard: "`handshake_timeout`: 5 s; `handshakes_per_address`: 256, `handshakes`: 1,024",
        setup: |setup, size| {
            setup.tls = true;
            soon_in_short(setup, size);
        },
        run: |target, size| Box::pin(handshakes::attack(target, size)),
        ..BASE
    },
    Attack {
        name: "descriptors",
        what: "more connections than descriptors",
        guard: "`accept_pause`: 100 ms",
        setup: |setup, _| setup.open_files = Some(descriptors::OPEN_FILES),
        run: |target, size| Box::pin(descriptors::exhaust(target, size)),
        ..BASE
    },
    Attack {
        name: "slow-watches",
        what: "1,000 Watch streams that read nothing, on connections that answer pings",
        guard: "16 watchers a client; `stall_after` (here 2 s), then the connection is cut; `send_buffer_bytes`: 32 KiB",
        setup: stall,
        run: |target, size| Box::pin(slow::watches(target, size)),
        ..BASE
    },
    Attack {
        name: "slow-events",
        what: "1,000 readers of server-sent events that read nothing",
        guard: "`stall_after` (here 2 s), then the connection is cut",
        setup: stall,
        run: |target, size| Box::pin(slow::events(target, size)),
        ..BASE
    },
    Attack {
        name: "64-kib-messages",
        what: "messages of 64 KiB and a byte",
        guard: "`message_bytes_in`: 64 KiB",
        run: |target, size| Box::pin(messages::of_64_kib(target, size)),
        ..BASE
    },
    Attack {
        name: "4-mib-messages",
        what: "messages of 4 MiB and a byte",
        guard: "`message_bytes_in`: 64 KiB; without: 1 GiB",
        setup: |setup, _| {
            if !setup.guarded {
                setup.message_bytes_in = Some(1 << 30);
            }
        },
        run: |target, size| Box::pin(messages::of_4_mib(target, size)),
        ..BASE
    },
    Attack {
        name: "no-messages",
        what: "truncated, not protobuf, compressed with and without an encoding named",
        guard: "no compression is built in; messages are checked",
        without: Without::Never("there is nothing to loosen"),
        run: |target, size| Box::pin(messages::none(target, size)),
        ..BASE
    },
    Attack {
        name: "names",
        what: "a million distinct service names",
        guard: "10,000 services (`bounds::SERVICES`)",
        without: Without::Never("a constant of the model"),
        run: |target, size| Box::pin(names::distinct(target, size)),
        ..BASE
    },
    Attack {
        name: "injection",
        what: "ANSI, CRLF, NUL, JSON, HTML and templates in every field of text, over gRPC and HTTP",
        guard: "checked when taken in, escaped where shown",
        without: Without::Never("nothing turns escaping off"),
        run: |target, size| Box::pin(injection::everywhere(target, size)),
        ..BASE
    },
    Attack {
        name: "injection-json-log",
        what: "the same, with the log as JSON",
        guard: "checked when taken in, escaped where shown",
        without: Without::Never("nothing turns escaping off"),
        setup: |setup, _| setup.json_logs = true,
        run: |target, size| Box::pin(injection::everywhere(target, size)),
    },
];

async fn nobody(size: Size) -> anyhow::Result<Outcome> {
    tokio::time::sleep(size.lasts()).await;
    Ok(Outcome {
        stopped: true,
        happened: "-".to_owned(),
    })
}

/// A bound on time that a short run can wait for.
fn soon_in_short(setup: &mut Setup, size: Size) {
    if setup.guarded && size == Size::Short {
        setup.handshake_timeout = Some(Duration::from_millis(500));
    }
}

fn stall(setup: &mut Setup, _: Size) {
    const NEVER: Duration = Duration::from_secs(3_600);
    setup.stall_after = Some(if setup.guarded { slow::STALL_AFTER } else { NEVER });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_has_a_name_of_its_own() {
        let names: BTreeSet<_> = ALL.iter().map(|attack| attack.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(
            ALL.iter()
                .all(|attack| !attack.what.is_empty() && !attack.guard.is_empty())
        );
    }
}
