//! Every limit of a listener, in one struct.
//!
//! [`Limits::default`] are the guards; nothing in a configuration file maps to them. [`Limits::unguarded`] is what the
//! libraries below do when nobody asks them otherwise, so that each attack can also be run without its guard, to show
//! that the guard is what holds. Settings spread over the places that use them were the alternative: nobody can then
//! say what is bounded. Where the numbers come from: the comment at each; "measured" is tonic 0.14.9 on h2 0.4.20.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors that a process needs beside its connections: files, timers, its own clients.
const DESCRIPTORS_KEPT: u64 = 128;

/// What the descriptors are shared between: every Ward process listens for gRPC and for HTTP.
const LISTENERS: u64 = 2;

/// The bounds of one listener and of everything that comes in through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once. The one above is closed as soon as it is accepted: a refusal that the peer sees, and
    /// backs off from, instead of a queue in which it hangs.
    pub connections: usize,
    /// Connections open at once from one address (IPv6: one /64, which is what one customer is given). An eighth of
    /// all, and enough for a thousand reporters behind one NAT or in one test.
    pub connections_per_address: usize,
    /// TLS handshakes under way at once. Each holds some 20 KB and costs half a millisecond of computing; a fleet that
    /// comes back after a restart has as many as arrive within a round trip.
    pub handshakes: usize,
    /// TLS handshakes under way at once from one address: those who never finish leave the rest to others.
    pub handshakes_per_address: usize,
    /// HTTP/2 streams open at once on one connection. A reporter needs one or two, a watcher few. Measured without:
    /// 20,000 watches on one connection, 6.3 kB each.
    pub streams_per_connection: Option<u32>,
    /// Streams of one connection that this side may have reset because of the peer's mistakes, before the connection is
    /// closed (RUSTSEC-2024-0003). Measured without: 20,000 malformed requests, 20,000 resets, no end.
    pub local_error_resets: Option<usize>,
    /// Streams the peer may reset before this side took them up (rapid reset, CVE-2023-44487). `None` is h2's own 20.
    pub pending_accept_resets: Option<usize>,
    /// Frames of one HTTP/2 connection in a second that carry nothing: PING, SETTINGS, PRIORITY, RST_STREAM, kinds nobody
    /// knows, and WINDOW_UPDATE beyond what was written to the peer. Past it the connection is cut. A client that probes the
    /// bandwidth (grpc-go) sends a ping for what it reads, thousands a second at most. Measured without: two million a
    /// second, and a line in the log for each ping answered that was never sent.
    pub control_frames_per_second: Option<u32>,
    /// Bytes that are read of one HTTP/2 connection before others have their turn. `None` is a MiB, which takes 10 ms to
    /// handle if it is of small frames.
    pub bytes_per_turn: Option<usize>,
    /// Bytes of the headers of one request, decoded. Never under 8 KiB on HTTP/1, whose parser needs that much.
    pub header_bytes: u32,
    /// Bytes of one HTTP/2 frame.
    pub frame_bytes: u32,
    /// Flow-control window of one stream: what a peer may send that nobody has read yet.
    pub stream_window_bytes: u32,
    /// Flow-control window of one connection.
    pub connection_window_bytes: u32,
    /// Bytes this side keeps for one stream whose peer does not read (hyper: 400 KiB), and what is handed over last on top:
    /// a piece of whatever size, so bodies that go on for long come in small ones.
    pub send_buffer_bytes: usize,
    /// Pings on HTTP/2 connections; without, a dead peer looks alive.
    pub keepalive: Option<Keepalive>,
    /// A connection this old is told to go (GOAWAY, give or take a tenth so that a fleet does not return all at once).
    /// By age alone: its streams may finish, for a grace period here would cut them without a word.
    pub connection_age: Option<Duration>,
    /// Bytes of one message coming in (tonic: 4 MiB). Applied by whoever adds the gRPC service:
    /// `max_decoding_message_size`.
    pub message_bytes_in: usize,
    /// Bytes of one message going out: `max_encoding_message_size`.
    pub message_bytes_out: usize,
    /// Time in which a TLS handshake must be over, and then an HTTP/2 connection must have shown its preface.
    pub handshake_timeout: Option<Duration>,
    /// Time in which the headers of an HTTP/1 request must be complete; also how long an idle connection stays.
    pub header_timeout: Option<Duration>,
    /// Time in which a connection over TLS without a certificate must have had something let in ([`Peer::admit`]); after that it
    /// is told to go. Whoever shows a token shows it with the first call. Without, a stranger that answers pings keeps its place
    /// for the age of a connection, and eight addresses keep all of them.
    ///
    /// [`Peer::admit`]: crate::Peer::admit
    pub admitted_within: Option<Duration>,
    /// Pause after an accept that failed for want of descriptors or memory. `None` tries again at once: measured, one
    /// core burns for as long as the shortage lasts.
    pub accept_pause: Option<Duration>,
    /// How long connections may take to finish once the server stops; after that they are cut.
    pub stop_timeout: Duration,
}

/// How a peer's life is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before a ping.
    pub interval: Duration,
    /// Time in which it must be answered.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 2_048,
            handshakes: 1_024,
            handshakes_per_address: 256,
            streams_per_connection: Some(128),
            local_error_resets: Some(128),
            pending_accept_resets: Some(20),
            control_frames_per_second: Some(10_000),
            bytes_per_turn: Some(64 * 1024),
            header_bytes: 8 * 1024,
            frame_bytes: 16 * 1024,
            stream_window_bytes: 64 * 1024,
            connection_window_bytes: 256 * 1024,
            send_buffer_bytes: 32 * 1024,
            keepalive: Some(Keepalive {
                interval: Duration::from_secs(10),
                timeout: Duration::from_secs(5),
            }),
            connection_age: Some(Duration::from_secs(30 * 60)),
            message_bytes_in: 64 * 1024,
            message_bytes_out: 1024 * 1024,
            handshake_timeout: Some(Duration::from_secs(5)),
            header_timeout: Some(Duration::from_secs(10)),
            admitted_within: Some(Duration::from_secs(30)),
            accept_pause: Some(Duration::from_millis(100)),
            stop_timeout: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// What tonic 0.14.9 and hyper 1.12 do when nothing is set.
    ///
    /// **For tests only**, to show what a guard prevents.
    pub fn unguarded() -> Self {
        Self {
            connections: usize::MAX,
            connections_per_address: usize::MAX,
            handshakes: usize::MAX,
            handshakes_per_address: usize::MAX,
            streams_per_connection: None,
            local_error_resets: None,
            pending_accept_resets: None,
            control_frames_per_second: None,
            bytes_per_turn: None,
            header_bytes: 16 * 1024,
            frame_bytes: 16 * 1024,
            stream_window_bytes: 1024 * 1024,
            connection_window_bytes: 1024 * 1024,
            send_buffer_bytes: 400 * 1024,
            keepalive: None,
            connection_age: None,
            message_bytes_in: 4 * 1024 * 1024,
            message_bytes_out: usize::MAX,
            handshake_timeout: None,
            header_timeout: None,
            admitted_within: None,
            accept_pause: None,
            // Not a guard: without an end to it no test would end either.
            stop_timeout: Duration::from_secs(5),
        }
    }

    /// Raises this process's soft limit of open files as far as these limits need and the hard limit allows, and lowers
    /// `connections` to what then fits twice, so that descriptors never run out before connections are refused. For the
    /// composition root, before the first listener: it changes the whole process.
    #[must_use]
    pub fn fit_descriptors(mut self) -> Self {
        let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
            return self;
        };
        let connections = u64::try_from(self.connections).unwrap_or(u64::MAX);
        let wanted = connections
            .saturating_mul(LISTENERS)
            .saturating_add(DESCRIPTORS_KEPT);
        let reachable = wanted.min(hard).max(soft);
        let granted = match setrlimit(Resource::RLIMIT_NOFILE, reachable, hard) {
            Ok(()) => reachable,
            Err(_) => soft,
        };
        let room = (granted.saturating_sub(DESCRIPTORS_KEPT) / LISTENERS).max(1);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if room < self.connections {
            tracing::warn!(
                open_files = granted,
                connections = room,
                wanted = self.connections,
                "fewer connections than planned: the limit of open files is low (ulimit -n, LimitNOFILE)"
            );
            self.connections = room;
            self.connections_per_address = self.connections_per_address.min(room);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_never_exceed_descriptors() {
        let (before, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let fitted = Limits::unguarded().fit_descriptors();
        let (after, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(after >= before, "never lowered");
        assert_eq!(fitted.connections as u64, (after - DESCRIPTORS_KEPT) / LISTENERS);
        assert_eq!(fitted.connections_per_address, fitted.connections);
    }
}
