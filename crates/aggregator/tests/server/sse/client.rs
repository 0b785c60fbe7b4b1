//! A client of server-sent events that shows what is on the wire: where a connection is cut is up to the test, and
//! nothing is retried behind its back.

use std::{collections::BTreeMap, net::SocketAddr};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::harness::SOON;

/// One event, or what else stood between two blank lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sent {
    pub(crate) event: String,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<u64>,
    pub(crate) data: Value,
}

impl Sent {
    pub(crate) fn is_last(&self) -> bool {
        self.data["last"] == true
    }

    fn parse(text: &str) -> Self {
        let mut sent = Self::default();
        for line in text.lines() {
            let (field, value) = line.split_once(": ").unwrap_or_else(|| panic!("a line {line:?}"));
            match field {
                "event" => sent.event = value.to_owned(),
                "id" => sent.id = Some(value.to_owned()),
                "retry" => sent.retry = Some(value.parse().unwrap()),
                "data" => sent.data = serde_json::from_str(value).unwrap(),
                _ => panic!("a field {field:?}"),
            }
        }
        sent
    }
}

/// A response under way.
pub(crate) struct Response {
    stream: TcpStream,
    /// Status line and headers.
    pub(crate) head: String,
    raw: Vec<u8>,
    text: Vec<u8>,
    ended: bool,
}

impl Response {
    /// Asks with these headers, each a line. The socket takes little that is not read, if it is told so.
    pub(crate) async fn of(
        address: SocketAddr,
        request: &str,
        headers: &[&str],
        receive_buffer: Option<u32>,
    ) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let mut stream = socket.connect(address).await.unwrap();
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let request = format!("{request} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = Self {
            stream,
            head: String::new(),
            raw: Vec::new(),
            text: Vec::new(),
            ended: false,
        };
        let head = loop {
            if let Some(end) = find(&response.raw, b"\r\n\r\n") {
                break response.raw.drain(..end + 4).collect::<Vec<_>>();
            }
            assert!(response.read().await, "the connection ends before an answer");
        };
        response.head = String::from_utf8(head).unwrap().to_lowercase();
        response
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// All of a body that has a length.
    pub(crate) async fn body(mut self) -> String {
        let length = self
            .head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        while self.raw.len() < length && self.read().await {}
        String::from_utf8(self.raw).unwrap()
    }

    /// Whether there was more.
    async fn read(&mut self) -> bool {
        let mut buffer = vec![0; 64 << 10];
        let read = timeout(SOON, self.stream.read(&mut buffer))
            .await
            .expect("something, or the end");
        // A reset is an end as well.
        let count = read.unwrap_or(0);
        self.raw.extend_from_slice(&buffer[..count]);
        count > 0
    }

    /// Moves whole chunks from what was read to the text.
    fn unchunk(&mut self) {
        while let Some(line) = find(&self.raw, b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&self.raw[..line]).unwrap(), 16).unwrap();
            if self.raw.len() < line + 2 + size + 2 {
                return;
            }
            self.text.extend_from_slice(&self.raw[line + 2..line + 2 + size]);
            self.raw.drain(..line + 2 + size + 2);
            self.ended |= size == 0;
        }
    }

    /// The next event; `None` behind a proper end.
    pub(crate) async fn next(&mut self) -> Option<Sent> {
        loop {
            self.unchunk();
            if let Some(end) = find(&self.text, b"\n\n") {
                let event: Vec<u8> = self.text.drain(..end + 2).collect();
                return Some(Sent::parse(std::str::from_utf8(&event[..end]).unwrap()));
            }
            if self.ended {
                assert!(self.text.is_empty(), "an event is left unfinished");
                return None;
            }
            assert!(self.read().await, "the connection breaks");
        }
    }

    /// The next that is part of a step; opening and bookmarks are passed over.
    pub(crate) async fn delta(&mut self) -> Sent {
        loop {
            let sent = self.next().await.expect("not the end");
            match sent.event.as_str() {
                "snapshot" | "revision" | "coalesced" => return sent,
                "bookmark" | "" => {}
                other => panic!("a {other}: {sent:?}"),
            }
        }
    }

    /// Reads without looking, until the other side breaks the connection off.
    pub(crate) async fn until_cut(mut self) {
        while self.read().await {
            self.raw.clear();
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// What a client knows that believes every promise, and fails where one is broken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Knowledge {
    pub(crate) state: BTreeMap<String, Value>,
    /// The id of the last event that had one: what an `EventSource` would resume from.
    pub(crate) id: Option<String>,
    epoch: Option<String>,
    revision: u64,
    gathered: Vec<Value>,
    /// Kinds of the steps taken, in order.
    pub(crate) steps: Vec<String>,
}

impl Knowledge {
    /// As a client that has lost its connection.
    pub(crate) fn break_off(&mut self) {
        self.gathered.clear();
    }

    /// Takes one event; says whether a step is whole with it.
    pub(crate) fn take(&mut self, sent: &Sent) -> bool {
        match sent.event.as_str() {
            "snapshot" | "revision" | "coalesced" => self.take_delta(sent),
            "bookmark" => {
                assert!(
                    sent.data["revision"].as_u64().unwrap() >= self.revision,
                    "ordered"
                );
                self.mark(sent, &sent.data["revision"]);
                true
            }
            _ => {
                assert_eq!(sent.id, None);
                false
            }
        }
    }

    fn take_delta(&mut self, sent: &Sent) -> bool {
        let data = &sent.data;
        assert_eq!(data["kind"], *sent.event);
        if sent.event != "snapshot" {
            let at = (data["epoch"].as_str(), data["from"].as_u64().unwrap());
            assert_eq!(at, (self.epoch.as_deref(), self.revision), "reliable: a gap");
            assert!(data["to"].as_u64().unwrap() > self.revision, "ordered and unique");
        }
        self.gathered
            .extend(data["entities"].as_array().unwrap().iter().cloned());
        assert_eq!(sent.id.is_some(), sent.is_last(), "atomic: an id within a step");
        if !sent.is_last() {
            return false;
        }
        if sent.event == "snapshot" {
            self.state.clear();
        }
        for entity in std::mem::take(&mut self.gathered) {
            self.apply(entity);
        }
        self.mark(sent, &data["to"]);
        self.steps.push(sent.event.clone());
        true
    }

    fn mark(&mut self, sent: &Sent, revision: &Value) {
        let epoch = sent.data["epoch"].as_str().unwrap();
        self.revision = revision.as_u64().unwrap();
        self.epoch = Some(epoch.to_owned());
        assert_eq!(sent.id, Some(format!("{epoch}-{revision}")));
        self.id.clone_from(&sent.id);
    }

    fn apply(&mut self, entity: Value) {
        let (kind, state) = entity.as_object().unwrap().iter().next().unwrap();
        let word = |key: &str| state[key].as_str().unwrap_or_default().to_owned();
        let key = match kind.as_str() {
            "system" => "system".to_owned(),
            "service" => word("name"),
            _ => format!("{}/{}", word("service"), word("instance")),
        };
        match kind.as_str() {
            "removed" => self.state.remove(key.trim_end_matches('/')),
            _ => self.state.insert(key, state.clone()),
        };
    }
}
