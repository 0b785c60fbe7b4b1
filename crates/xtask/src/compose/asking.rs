//! Asking again until the answer is there, within a bound; and JSON over plain HTTP.
//!
//! HTTP/1.0, so that an answer ends with its connection: all there is to ask are servers that the test started itself, on
//! loopback. A client of HTTP would be the only large dependency of this program.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde_json::Value;

/// Between two times.
const PAUSE: Duration = Duration::from_millis(250);
/// For one answer, on a machine that has much to do.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks until there is something, for so long at most; how long that took. `Err` of what is asked is an answer that is not there
/// yet, and the last one is told if none comes.
pub(super) fn until<T>(
    what: &str,
    bound: Duration,
    mut ask: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<(T, Duration)> {
    let started = now();
    loop {
        match ask() {
            Ok(answer) => return Ok((answer, started.elapsed())),
            Err(error) if started.elapsed() >= bound => {
                return Err(error.context(format!("{what}: not within {bound:?}")));
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the workshop bounds how long it waits; nothing is decided by it"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// The JSON at that path.
pub(super) fn get(address: SocketAddr, path: &str) -> anyhow::Result<Value> {
    let asked = || format!("ask http://{address}{path}");
    let text = exchange(address, path).with_context(asked)?;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .context("the answer has no end of its head")
        .with_context(asked)?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("http://{address}{path} answered {status}");
    }
    serde_json::from_str(body).with_context(asked)
}

fn exchange(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(
        format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n").as_bytes(),
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn what_never_comes_is_told_with_its_last_answer() {
        let mut asked = 0;
        let failed = until("luck", Duration::ZERO, || -> anyhow::Result<()> {
            asked += 1;
            bail!("none")
        });
        assert_eq!(format!("{:#}", failed.unwrap_err()), "luck: not within 0ns: none");
        assert_eq!(asked, 1);
        let came = until("luck", PATIENCE, || {
            asked += 1;
            if asked > 2 { Ok(asked) } else { bail!("none") }
        });
        assert_eq!(came.unwrap().0, 3);
    }

    #[test]
    fn json_over_http() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            for answer in [
                "200 OK\r\n\r\n{\"a\": [1]}",
                "503 Busy\r\n\r\n{}",
                "200 OK\r\n\r\nno json",
            ] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = [0; 256];
                let asked_bytes = stream.read(&mut asked).unwrap();
                assert!(asked[..asked_bytes].starts_with(b"GET /x?y=1 HTTP/1.0\r\n"));
                stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).unwrap();
            }
        });
        assert_eq!(get(address, "/x?y=1").unwrap()["a"][0], 1);
        assert!(get(address, "/x?y=1").unwrap_err().to_string().contains("503"));
        assert!(get(address, "/x?y=1").is_err());
        serving.join().unwrap();
    }
}
