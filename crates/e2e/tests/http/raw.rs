//! Bytes that are no HTTP, or hardly.

use crate::target::{start, unhurried};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hardly_http_gets_an_answer_and_an_end() {
    let target = start(unhurried()).await;
    let long = "a".repeat(5_000);
    let endless = "a".repeat(200_000);
    let chunked = "POST /api/v1/report HTTP/1.1\r\nhost: ward\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("HTTP/1.0", b"GET /livez HTTP/1.0\r\n\r\n".into(), "HTTP/1.0 200"),
        ("no version", b"GET /livez\r\n\r\n".into(), "HTTP/1.1 400"),
        (
            "garbage",
            b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".into(),
            "HTTP/1.1 400",
        ),
        (
            "a bad header",
            b"GET /livez HTTP/1.1\r\nhost: ward\r\nb\x00d: x\r\n\r\n".into(),
            "HTTP/1.1 400",
        ),
        (
            "a long path",
            format!("GET /{long} HTTP/1.1\r\nhost: ward\r\nconnection: close\r\n\r\n").into(),
            "HTTP/1.1 414",
        ),
        (
            "a long query",
            format!("GET /livez?{long} HTTP/1.1\r\nhost: ward\r\nconnection: close\r\n\r\n").into(),
            "HTTP/1.1 414",
        ),
        (
            "an endless header",
            format!("GET /livez HTTP/1.1\r\nhost: ward\r\nx: {endless}\r\n\r\n").into(),
            "HTTP/1.1 431",
        ),
        (
            "chunks that are none",
            format!("{chunked}zz\r\n{{}}\r\n0\r\n\r\n").into(),
            "HTTP/1.1 400",
        ),
        (
            "a chunk that lies",
            format!("{chunked}2\r\n{{\"service\":\"new\"}}\r\n0\r\n\r\n").into(),
            "HTTP/1.1 400",
        ),
        (
            "a chunk beyond measure",
            format!("{chunked}ffffffffffffffff1\r\n{{}}\r\n0\r\n\r\n").into(),
            "HTTP/1.1 400",
        ),
        (
            "two lengths",
            b"POST /api/v1/report HTTP/1.1\r\nhost: ward\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"
                .into(),
            "HTTP/1.1 400",
        ),
        (
            "a length below zero",
            b"POST /api/v1/report HTTP/1.1\r\nhost: ward\r\ncontent-length: -1\r\n\r\n{}".into(),
            "HTTP/1.1 400",
        ),
    ];
    for (what, bytes, expected) in cases {
        let answer = target.raw(&bytes).await;
        assert!(
            answer.starts_with(expected),
            "{what}: {}",
            answer.lines().next().unwrap_or("nothing")
        );
    }
    target.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_changes_nothing() {
    use tokio::io::AsyncWriteExt;
    let target = start(unhurried()).await;
    let whole = "{\"service\":\"new\",\"status\":\"healthy\"}";
    for sent in 0..whole.len() {
        let head = format!(
            "POST /api/v1/report HTTP/1.1\r\nhost: ward\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            whole.len()
        );
        let mut stream = tokio::net::TcpStream::connect(target.app.http_addr())
            .await
            .unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&whole.as_bytes()[..sent]).await.unwrap();
        drop(stream);
    }
    target.is_unharmed().await;
}
