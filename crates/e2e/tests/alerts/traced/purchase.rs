//! A purchase goes through the members of the shop, each a process of its own, and is one trace.

use std::{collections::BTreeMap, process::Command};

use tokio::time::{Instant, sleep};

use super::{Collector, ENDPOINT, Process, SOON, Told};
use crate::{
    people::{GLANCE, PATIENCE},
    ward::program,
};

/// Who serves a part of it, and who calls for that part.
const CALLS: [(&str, &str); 5] = [
    ("catalog", "storefront"),
    ("catalog-db", "catalog"),
    ("cart", "storefront"),
    ("payments", "storefront"),
    ("bank", "payments"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_one_trace_over_the_members_of_the_shop() {
    let collector = Collector::start().await;
    let home = tempfile::tempdir().unwrap();
    let endpoint = format!("http://{}", collector.address);
    let mut demo = Command::new(program());
    demo.args(["demo", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"])
        .env("XDG_RUNTIME_DIR", home.path())
        .env_remove("WARD_SERVER");
    let _demo = Process::start(&mut demo, &[(ENDPOINT, &endpoint), SOON]);
    let end = Instant::now() + PATIENCE;
    while !is_whole(&collector.spans()) {
        assert!(Instant::now() < end, "{:#?}", collector.spans());
        sleep(GLANCE).await;
    }
}

/// Of some trace each request was called for by the one who calls.
fn is_whole(spans: &[Told]) -> bool {
    let mut traces: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    for span in spans {
        traces.entry(&span.trace).or_default().push(span);
    }
    traces.values().any(|spans| {
        CALLS.iter().all(|(served, by)| {
            let called = |parent: &str| {
                let calls = |span: &&&Told| span.name == "call" && span.by == *by && span.id == parent;
                spans.iter().any(|span| calls(&span))
            };
            let serves = |span: &&&Told| span.name == "request" && span.by == *served;
            spans.iter().filter(serves).any(|span| called(&span.parent))
        })
    })
}
