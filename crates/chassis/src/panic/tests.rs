//! Panics as peers and operators see them.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::Arc,
};

use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use tower::{ServiceExt, service_fn};
use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// What was logged while it is the subscriber of this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().clone())
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn request(content_type: &'static str) -> Request<()> {
    Request::builder()
        .uri("/v1/thing")
        .header(CONTENT_TYPE, content_type)
        .body(())
        .unwrap()
}

async fn panics(_: Request<()>) -> Result<Response<Full<Bytes>>, io::Error> {
    panic!("secret \u{1b}[31mstate");
}

#[tokio::test]
async fn http_gets_a_problem_whose_id_is_in_the_log_once() {
    let log = Log::default();
    let _capturing = log.capture();
    let service = CatchPanicLayer::new(false).layer(service_fn(panics));
    let response = service.oneshot(request("application/json")).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let id = problem["id"].as_str().unwrap();
    assert_eq!(id.len(), 16);
    assert!(problem.get("detail").is_none() && !String::from_utf8_lossy(&body).contains("secret"));
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(id) && lines[0].contains("secret") && lines[0].contains("panic/tests.rs"));
    assert!(!lines[0].contains('\u{1b}'), "escaped");
}

#[tokio::test]
async fn debug_shows_what_was_said() {
    let _capturing = Log::default().capture();
    let service = CatchPanicLayer::new(true).layer(service_fn(panics));
    let response = service.oneshot(request("text/plain")).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert!(problem["detail"].as_str().unwrap().starts_with("secret"));
}

#[tokio::test]
async fn what_a_panic_repeats_of_a_request_is_cut_in_the_log() {
    let log = Log::default();
    let _capturing = log.capture();
    let repeats = |request: Request<()>| async move {
        let said = request.uri().path().to_owned();
        panic!("{said}");
        #[expect(unreachable_code, reason = "names the types")]
        Ok::<_, io::Error>(Response::new(Full::new(Bytes::new())))
    };
    let long = format!("/{}", "x".repeat(60_000));
    let request = Request::builder().uri(&long).body(()).unwrap();
    let service = CatchPanicLayer::new(false).layer(service_fn(repeats));
    assert_eq!(service.oneshot(request).await.unwrap().status(), 500);
    let lines = log.lines();
    let repeated = |bytes| lines[0].contains(&"x".repeat(bytes));
    assert!(
        lines.len() == 1 && repeated(1_000) && !repeated(1_025),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_panic_shows_nothing_of_the_query_and_the_headers() {
    for kind in ["application/json", "application/grpc"] {
        let log = Log::default();
        let _capturing = log.capture();
        let request = Request::builder()
            .uri("/v1/thing?token=hunter2")
            .header(CONTENT_TYPE, kind)
            .header("authorization", "Bearer hunter2");
        let service = CatchPanicLayer::new(true).layer(service_fn(panics));
        let answer = service.oneshot(request.body(()).unwrap()).await.unwrap();
        let headers = format!("{:?}", answer.headers());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let said = headers + &String::from_utf8_lossy(&body) + &log.lines().concat();
        assert!(said.contains("/v1/thing") && !said.contains("hunter2"), "{said}");
    }
}

#[tokio::test]
async fn grpc_gets_internal_in_the_headers() {
    let log = Log::default();
    let _capturing = log.capture();
    let service = CatchPanicLayer::new(false).layer(service_fn(panics));
    let response = service.oneshot(request("application/grpc+proto")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "13");
    let message = response.headers()["grpc-message"].to_str().unwrap();
    let id = message.strip_prefix("internal error, id ").unwrap();
    assert!(response.body().is_end_stream());
    assert!(log.lines()[0].contains(id));
}

/// Yields its frames, then panics.
struct Doomed(VecDeque<&'static str>);

impl Body for Doomed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, io::Error>>> {
        let next = self.0.pop_front().expect("out of frames");
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from(next)))))
    }
}

async fn doomed(_: Request<()>) -> Result<Response<Doomed>, io::Error> {
    Ok(Response::new(Doomed(["one"].into())))
}

#[tokio::test]
async fn a_grpc_stream_that_panics_ends_with_internal() {
    let log = Log::default();
    let _capturing = log.capture();
    let service = CatchPanicLayer::new(false).layer(service_fn(doomed));
    let mut body = service
        .oneshot(request("application/grpc"))
        .await
        .unwrap()
        .into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "13");
    assert!(body.frame().await.is_none(), "not polled again");
    assert_eq!(log.lines().len(), 1);
}

#[tokio::test]
async fn an_http_body_that_panics_breaks_off() {
    // Each test here captures: one without a subscriber could switch the log line off for one that begins meanwhile.
    let _capturing = Log::default().capture();
    let service = CatchPanicLayer::new(false).layer(service_fn(doomed));
    let body = service.oneshot(request("text/plain")).await.unwrap().into_body();
    let error = body.collect().await.unwrap_err();
    assert!(error.is::<BodyPanicked>(), "{error}");
}
