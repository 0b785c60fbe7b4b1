//! What a service calls in its own loops allocates nothing, whether or not there is an aggregator.
//!
//! How long it takes is measured by the benchmarks, and judged nowhere. That it allocates is a fact, and tested.

use std::{net::TcpListener, time::Duration};

use ward_sdk::{Reporter, Signal, Status};

const CALLS: u32 = 10_000;

/// How often a thread allocates while it calls this again and again.
fn allocations(mut call: impl FnMut(u32)) -> u64 {
    allocation_counter::measure(|| (0..CALLS).for_each(&mut call)).count_total
}

fn reporter(server: &TcpListener) -> Reporter {
    let server = server.local_addr().expect("it is bound");
    Reporter::builder("payments")
        .server(server.to_string())
        .interval(Duration::from_millis(100))
        .signal(Signal::new("queue_depth"))
        .heartbeat("consumer", Duration::from_secs(1))
        .start()
        .expect("what is declared is sound")
}

fn calls_allocate_nothing(reporter: &Reporter) {
    let long = "the standby card processor is slow ".repeat(100);
    let words = [
        (Status::Healthy, ""),
        (Status::Degraded, "running on the standby"),
        (Status::Degraded, long.as_str()),
        (Status::Unhealthy, "a bell\u{7}"),
    ];
    assert_eq!(
        allocations(|number| {
            let (status, message) = words[number as usize % words.len()];
            reporter.set_status(status, message);
        }),
        0
    );
    assert_eq!(allocations(|_| reporter.set_status(Status::Degraded, "again")), 0);
    assert_eq!(allocations(|_| reporter.heartbeat("consumer").beat()), 0);
    assert_eq!(
        allocations(|number| reporter.signal("queue_depth").set(f64::from(number))),
        0
    );
    assert!(allocations(|_| drop(reporter.health())) > 0, "it is counted");
    assert_eq!(reporter.health().components["self"].message, "again");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let reporter = reporter(&listener);
    drop(listener);
    calls_allocate_nothing(&reporter);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let reporter = reporter(&listener);
    let _connection = listener.accept().unwrap();
    calls_allocate_nothing(&reporter);
}
