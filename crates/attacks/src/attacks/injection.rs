//! Text that means something to whatever shows it: a terminal, a log, a page, a template.
//!
//! It is put into every field of text there is, over gRPC and over HTTP; then all that is shown is searched: answers, pages,
//! events, the log, and what `ward` prints.

mod fields;
mod search;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
    time::{sleep, timeout},
};

use self::search::Search;
use crate::{Size, attack::Outcome, target::Target};

/// What is put everywhere. The word is what is searched for.
const PAYLOADS: [&str; 9] = [
    "\u{1b}[31mcanary\u{1b}[0m\u{7}",
    "\u{9b}31mcanary\u{7f}",
    "x\r\ncanary: injected\r\n\r\n<html>",
    "x\n2026-01-01T00:00:00Z ERROR canary",
    "canary\0behind",
    "\",\"canary\":{\"x\":\"",
    "<script>canary()</script>",
    "'\"><img src=x onerror=canary()>",
    "{{7*191}}${7*191}<%= 7*191 %>canary",
];

const PAGES: [&str; 15] = [
    "/",
    "/metrics",
    "/health",
    "/health/metrics",
    "/livez",
    "/readyz",
    "/api/v1/system",
    "/api/v1/explain",
    "/api/v1/services?page_size=1000",
    "/api/v1/maintenance",
    "/api/v2/summary.json",
    "/api/v2/components.json",
    "/api/v2/incidents.json",
    "/badge/system.svg",
    "/api/v1/<script>canary()</script>",
];

pub(crate) async fn everywhere(target: &Target, _: Size) -> anyhow::Result<Outcome> {
    let mut search = Search::default();
    let mut victims = fields::over_grpc(target.grpc, &mut search).await?;
    victims.extend(fields::over_http(target.http, &mut search).await?);
    for page in PAGES {
        search.answer(page, &get(target.http, page).await?);
    }
    for (at, victim) in victims.iter().enumerate() {
        let mut pages = vec![format!("/api/v1/services/{victim}")];
        // A page for each of some: they differ in no more than the name.
        if at % 10 == 0 {
            pages.push(format!("/api/v1/services/{victim}/explain"));
            pages.push(format!("/badge/{victim}.svg"));
        }
        for page in pages {
            search.answer(&page, &get(target.http, &page).await?);
        }
    }
    let page = "/api/v1/watch?level=instance";
    search.answer(page, &begin(target.http, page).await?);
    let printed = print(target.grpc, victims.first(), &mut search).await?;
    search.lines("the log", &target.log()?);
    let injected = victims.len();
    Ok(Outcome {
        stopped: search.found.is_empty() && search.seen > 0,
        happened: if search.found.is_empty() {
            format!(
                "{injected} reports with it; in {} answers, pages and logs nothing raw{printed}",
                search.texts
            )
        } else {
            search.found.join("; ")
        },
    })
}

/// Where the command `ward` is, if it was built: beside this program or above it, where cargo puts all.
pub fn command() -> Option<PathBuf> {
    let this = std::env::current_exe().ok()?;
    let folders = this.ancestors().skip(1).take(2);
    folders
        .map(|folder| folder.join("ward"))
        .find(|path| path.is_file())
}

/// What the command shows, if it is there.
async fn print(
    addr: SocketAddr,
    victim: Option<&String>,
    search: &mut Search,
) -> anyhow::Result<&'static str> {
    let Some(ward) = command() else {
        return Ok("; `ward` is not built, so what it prints was not searched");
    };
    let victim = victim.context("nobody was injected")?;
    for arguments in [
        vec!["status"],
        vec!["status", victim],
        vec!["explain"],
        vec!["explain", victim],
        vec!["maintenance", "list"],
    ] {
        let output = Command::new(&ward)
            .args(&arguments)
            .env("WARD_SERVER", addr.to_string())
            .output()
            .await?;
        let what = format!("ward {}", arguments.join(" "));
        search.lines(&what, &output.stdout);
        search.lines(&what, &output.stderr);
    }
    Ok("")
}

/// The answer to a question, head and all.
pub(super) async fn get(addr: SocketAddr, page: &str) -> anyhow::Result<Vec<u8>> {
    exchange(addr, &question(addr, page), Duration::from_secs(30)).await
}

/// Of an answer that does not end by itself, what comes in a moment.
async fn begin(addr: SocketAddr, page: &str) -> anyhow::Result<Vec<u8>> {
    exchange(addr, &question(addr, page), Duration::from_secs(2)).await
}

/// HTTP/1.0, so that bodies come as they are and end with their connection.
fn question(addr: SocketAddr, page: &str) -> String {
    format!("GET {page} HTTP/1.0\r\nhost: {addr}\r\n\r\n")
}

/// What is answered until that ends, or for so long. Comes again when told to.
async fn exchange(addr: SocketAddr, request: &str, patience: Duration) -> anyhow::Result<Vec<u8>> {
    loop {
        let mut tcp = TcpStream::connect(addr).await?;
        tcp.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        match timeout(patience, tcp.read_to_end(&mut answer)).await {
            Ok(Err(error)) if answer.is_empty() => return Err(error).context("read an answer"),
            _ => {}
        }
        if !answer.starts_with(b"HTTP/1.0 429") && !answer.starts_with(b"HTTP/1.1 429") {
            return Ok(answer);
        }
        sleep(Duration::from_millis(100)).await;
    }
}
