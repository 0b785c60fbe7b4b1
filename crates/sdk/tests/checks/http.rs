//! HTTP: statuses, JSON, slowness, redirects, and servers that are broken.

use std::time::Duration;

use ward_sdk::{
    Status::{Degraded, Healthy, Unhealthy},
    checks::{Http, Json},
};

use super::{
    leaves_nothing, says,
    server::{Server, Trick, answer},
};

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_good_answer_is_healthy_and_a_bad_one_says_why() {
    let server = Server::start(answer("200 OK", r#"{"status":"up","queue":{"waiting":7}}"#)).await;
    let get = || Http::get("api", server.url("/status"));
    says(&get().check(), Healthy, "took").await;
    says(&Http::head("api", server.url("/")).check(), Healthy, "").await;
    let up = || get().json("/status", Json::equals("up"));
    says(
        &up().json("/queue/waiting", Json::AtMost(7.0)).check(),
        Healthy,
        "",
    )
    .await;
    says(
        &up().json("/queue/waiting", Json::Below(7.0)).check(),
        Unhealthy,
        "/queue/waiting is 7, expected less",
    )
    .await;
    says(
        &get().json("/nothing", Json::Exists).check(),
        Unhealthy,
        "/nothing is not in its JSON",
    )
    .await;
    says(
        &get().status(204..=204).check(),
        Unhealthy,
        "answered 200 OK, expected 204 to 204",
    )
    .await;
    says(
        &get().json("", Json::Exists).body_bytes(10).check(),
        Unhealthy,
        "over 10 bytes",
    )
    .await;
}

#[tokio::test]
async fn statuses_count_and_redirects_are_not_followed() {
    let broken = Server::start(answer("503 Service Unavailable", "")).await;
    says(
        &Http::get("api", broken.url("/")).check(),
        Unhealthy,
        "answered 503",
    )
    .await;
    says(
        &Http::get("api", broken.url("/")).status(200..=599).check(),
        Healthy,
        "",
    )
    .await;

    let goal = Server::start(answer("200 OK", "")).await;
    let location = goal.url("/goal?token=hunter2");
    let moved = format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    let sends = Server::start(Trick::Answer(moved.into())).await;
    let get = || Http::get("api", sends.url("/"));
    let told = says(&get().check(), Unhealthy, "answered 302").await;
    assert!(!told.message.contains("hunter2"), "{told:?}");
    assert!(goal.requests.lock().await.is_empty());
    says(&get().redirects(1).check(), Healthy, "").await;
    assert_eq!(goal.requests.lock().await.len(), 1);
}

#[tokio::test]
async fn where_a_redirect_leads_nobody_learns_where_it_came_from() {
    let goal = Server::start(answer("200 OK", "")).await;
    let location = goal.url("/goal");
    let moved = format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    let sends = Server::start(Trick::Answer(moved.into())).await;
    let check = Http::get("api", sends.url("/status?token=hunter2")).redirects(1);
    says(&check.check(), Healthy, "").await;
    assert!(sends.requests.lock().await[0].contains("hunter2"));
    let heard = goal.requests.lock().await;
    assert!(heard.len() == 1 && !heard[0].contains("hunter2"), "{heard:?}");
}

#[tokio::test]
async fn a_header_goes_to_no_other_server() {
    let goal = Server::start(answer("200 OK", "")).await;
    let moved = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        goal.url("/")
    );
    let sends = Server::start(Trick::Answer(moved.into())).await;
    let check = Http::get("api", sends.url("/"))
        .header("x-key", "hunter2")
        .redirects(3)
        .check();
    says(&check, Unhealthy, "answered 302").await;
    assert!(sends.requests.lock().await[0].contains("x-key: hunter2"));
    assert!(goal.requests.lock().await.is_empty());
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let round = Trick::Answer(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n".to_vec());
    let server = Server::start(round).await;
    says(
        &Http::get("api", server.url("/")).redirects(5).check(),
        Unhealthy,
        "answered 302",
    )
    .await;
    assert_eq!(server.requests.lock().await.len(), 6);
}

#[tokio::test]
async fn slowness_has_levels_and_an_end() {
    let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
    let server = Server::start(Trick::Slow(Duration::from_millis(200), ok)).await;
    let get = || Http::get("api", server.url("/"));
    let ms = Duration::from_millis;
    says(&get().degraded_over(ms(50)).check(), Degraded, "more than 50ms").await;
    says(
        &get().degraded_over(ms(50)).unhealthy_over(ms(100)).check(),
        Unhealthy,
        "more than 100ms",
    )
    .await;
    says(&get().check().timeout(ms(50)), Unhealthy, "timed out after 50ms").await;
}

#[tokio::test]
async fn what_is_broken_is_unhealthy_and_leaves_nothing_behind() {
    let hangs = Server::start(Trick::Hang).await;
    let check = Http::get("api", hangs.url("/"))
        .check()
        .timeout(Duration::from_millis(30));
    says(&check, Unhealthy, "timed out").await;
    leaves_nothing(&check, 20).await;

    let resets = Server::start(Trick::Reset).await;
    says(&Http::get("api", resets.url("/")).check(), Unhealthy, "").await;
    for (garbage, words) in [
        ("\x15\x03\x01 this is no HTTP\r\n\r\n", ""),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"cut\":", ""),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull",
            "not in its JSON",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n<html", "is not JSON"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "is not JSON"),
    ] {
        let server = Server::start(Trick::Answer(garbage.into())).await;
        says(
            &Http::get("api", server.url("/"))
                .json("/up", Json::Exists)
                .check(),
            Unhealthy,
            words,
        )
        .await;
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    says(
        &Http::get("api", format!("http://{closed}/")).check(),
        Unhealthy,
        "refused",
    )
    .await;
    says(
        &Http::get("api", "http://no-such-name.invalid/").check(),
        Unhealthy,
        "no-such-name.invalid:80",
    )
    .await;
}

#[tokio::test]
async fn an_endless_body_is_cut_short() {
    let start = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    let server = Server::start(Trick::Endless(start)).await;
    let get = || Http::get("api", server.url("/"));
    says(
        &get().json("", Json::Exists).check(),
        Unhealthy,
        "over 262144 bytes",
    )
    .await;
    says(&get().check(), Healthy, "").await;
    let headers = Server::start(Trick::Endless(b"HTTP/1.1 200 OK\r\nx: ".to_vec())).await;
    says(
        &Http::get("api", headers.url("/")).check().timeout(SHORT * 10),
        Unhealthy,
        "",
    )
    .await;
}

/// Deep nesting must not reach the end of the stack.
#[tokio::test]
async fn nested_json_is_refused() {
    let server = Server::start(answer("200 OK", &"[".repeat(100_000))).await;
    says(
        &Http::get("api", server.url("/")).json("", Json::Exists).check(),
        Unhealthy,
        "is not JSON",
    )
    .await;
}
