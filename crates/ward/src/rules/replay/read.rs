//! A recording, as an aggregator tells it: page after page, in order of time.

use std::time::Duration;

use tonic::Streaming;
use ward_alerts::{Recorded, Window};
use ward_model::Wall;
use ward_proto::v1::{self, ReadRecordingResponse};

use crate::{
    Failure,
    client::{self, Server},
    progress::Bar,
};

/// How long to wait for each page: the first one takes a look at all that there is.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Recording {
    server: Server,
    stream: Streaming<ReadRecordingResponse>,
    /// It says from when on there is anything, so it is read before anything is played.
    first: Option<ReadRecordingResponse>,
    /// What is told of what was asked for.
    pub(super) window: Window,
    /// Lines within it.
    pub(super) read: u64,
    /// Lines that only a newer version understands.
    pub(super) not_understood: u64,
}

impl Recording {
    pub(super) async fn open(server: &Server, asked: Window) -> Result<Self, Failure> {
        let request = v1::ReadRecordingRequest {
            since_unix_ms: asked.since.0,
            until_unix_ms: asked.until.0,
        };
        let mut client = server.connect().await?;
        let opened = server.in_time(PATIENCE, async {
            let stream = client.alerts.read_recording(request).await;
            let mut stream = stream.map_err(|status| client.failed(&status))?.into_inner();
            let first = stream.message().await.map_err(|status| client.failed(&status))?;
            Ok((stream, first))
        });
        let (stream, first) = opened.await?;
        Ok(Self {
            server: server.clone(),
            window: told(first.as_ref(), asked),
            stream,
            first,
            read: 0,
            not_understood: 0,
        })
    }

    /// The next lines; `None` behind the last.
    pub(super) async fn next(&mut self, bar: &Bar) -> Result<Option<Vec<Recorded>>, Failure> {
        let page = match self.first.take() {
            Some(first) => Some(first),
            None => self.page().await?,
        };
        let Some(page) = page else { return Ok(None) };
        let lines: Vec<_> = page.recorded.iter().filter_map(|line| self.line(line)).collect();
        if let Some(last) = lines.last() {
            let passed = |at: Wall| u64::try_from(at.0.saturating_sub(self.window.since.0)).unwrap_or(0);
            bar.at(passed(last.at), passed(self.window.until));
        }
        Ok(Some(lines))
    }

    async fn page(&mut self) -> Result<Option<ReadRecordingResponse>, Failure> {
        let server = self.server.clone();
        let page = async {
            let page = self.stream.message().await;
            page.map_err(|status| client::failed(&server, &status))
        };
        server.in_time(PATIENCE, page).await
    }

    fn line(&mut self, line: &v1::RecordedFacts) -> Option<Recorded> {
        let at = Wall(line.at_unix_ms);
        match serde_json::from_slice(&line.facts) {
            Ok(facts) => {
                self.read += u64::from(at >= self.window.since);
                Some(Recorded { at, facts })
            }
            Err(_) => {
                self.not_understood += 1;
                None
            }
        }
    }
}

/// What there is of what was asked for, which is never more. Before the first line nothing is known.
fn told(first: Option<&ReadRecordingResponse>, asked: Window) -> Window {
    let Some(first) = first else { return asked };
    let begins = first.recorded.first().map_or(0, |line| line.at_unix_ms);
    let since = asked.since.max(Wall(first.since_unix_ms.max(begins)));
    let until = match first.until_unix_ms {
        0 => asked.until,
        until => asked.until.min(Wall(until)),
    };
    let since = since.min(until);
    Window { since, until }
}
