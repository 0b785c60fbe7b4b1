//! The command's standard error on its way to ours, and the last line of it.
//!
//! Bytes are passed on as they come. A reader of ours who is slow makes the command wait, as without us. What cannot be
//! written, because the disk is full or the reader gone, is dropped: the job and its report do not depend on it.

use std::{
    io::{self, Write},
    time::Duration,
};

use tokio::{io::AsyncReadExt, process::ChildStderr, sync::oneshot, task::spawn_blocking, time::timeout};

use crate::output::Escaped;

/// Longest line kept, in bytes, and shown, in characters.
const LINE_BYTES: usize = 4096;
const LINE: usize = 300;
/// Behind the end of the command: what it wrote is there already, so nothing to read for this long is all of it. One that
/// it started and left behind may keep the pipe open for ever.
const QUIET: Duration = Duration::from_millis(50);
/// And how much is read then at most: more than a pipe holds.
const REST: usize = 1 << 20;

/// Passes everything on until the pipe is closed, or drained behind `over`. Returns the last line, harmless.
pub(super) async fn pass(mut from: ChildStderr, mut over: oneshot::Receiver<()>) -> String {
    let mut tail = Tail::default();
    let mut buffer = vec![0; 16 * 1024];
    let mut is_over = false;
    let mut rest = REST;
    while rest > 0 {
        let read = if is_over {
            timeout(QUIET, from.read(&mut buffer)).await.unwrap_or(Ok(0))
        } else {
            tokio::select! {
                biased;
                read = from.read(&mut buffer) => read,
                _ = &mut over => {
                    is_over = true;
                    continue;
                }
            }
        };
        let bytes = match read {
            Ok(count) if count > 0 => &buffer[..count],
            _ => break,
        };
        tail.take(bytes);
        if is_over {
            rest = rest.saturating_sub(bytes.len());
        }
        let bytes = bytes.to_vec();
        // On a thread that may wait, so that signals are heard meanwhile.
        let written = spawn_blocking(move || io::stderr().write_all(&bytes)).await;
        // Closing the pipe for it would end the command by SIGPIPE: a full disk is not its concern, nor a reader who is
        // gone. The last line is wanted either way.
        drop(written);
    }
    tail.line()
}

#[derive(Debug, Default)]
struct Tail {
    /// The last line that says something.
    last: Vec<u8>,
    /// The one under way.
    line: Vec<u8>,
}

impl Tail {
    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            // A carriage return alone begins a line anew, as progress bars do.
            if byte == b'\n' || byte == b'\r' {
                let line = std::mem::take(&mut self.line);
                if says_something(&line) {
                    self.last = line;
                }
            } else if self.line.len() < LINE_BYTES {
                self.line.push(byte);
            }
        }
    }

    fn line(self) -> String {
        let line = if says_something(&self.line) {
            self.line
        } else {
            self.last
        };
        let text = String::from_utf8_lossy(&line);
        // Colours are for terminals; the rest of what is meant for one is shown as what it is.
        let plain = anstream::adapter::strip_str(&text).to_string();
        Escaped(plain.trim()).to_string().chars().take(LINE).collect()
    }
}

fn says_something(line: &[u8]) -> bool {
    line.iter()
        .any(|byte| byte.is_ascii_graphic() || !byte.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(parts: &[&[u8]]) -> String {
        let mut tail = Tail::default();
        parts.iter().for_each(|part| tail.take(part));
        tail.line()
    }

    #[test]
    fn the_last_line_that_says_something() {
        for (parts, line) in [
            (&[] as &[&[u8]], ""),
            (&[b"one\ntw", b"o\n"], "two"),
            (&[b"one\n\n  \n"], "one"),
            (&[b"one\ntwo"], "two"),
            (&[b"10%\r20%\r"], "20%"),
            (&[b"\x1b[31merror:\x1b[0m no disk\x07\n"], "error: no disk"),
            (&[b"a\xffb\n"], "a\u{fffd}b"),
            (&["a\u{202e}b\n".as_bytes()], "a\\u{202e}b"),
        ] {
            assert_eq!(last(parts), line);
        }
        assert_eq!(last(&[&[b'x'; 100_000]]).len(), LINE);
    }
}
