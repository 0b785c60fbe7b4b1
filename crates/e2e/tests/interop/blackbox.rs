//! The gRPC prober of Prometheus' blackbox exporter.

use std::{fs, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::{
    outside::{Outside, SOON, find, not_run},
    watching::{aggregator, shop},
};

const MODULES: &str = "\
modules:
  server: { prober: grpc, timeout: 10s, grpc: { preferred_ip_protocol: ip4 } }
  shop: { prober: grpc, timeout: 10s, grpc: { service: shop, preferred_ip_protocol: ip4 } }
";

/// The exporter, which cannot say which port it got.
struct Exporter {
    addr: SocketAddr,
    _process: Outside,
}

impl Exporter {
    /// What a probe of `target` brings, as metrics.
    async fn probe(&self, module: &str, target: SocketAddr) -> Option<String> {
        let mut stream = TcpStream::connect(self.addr).await.ok()?;
        let request = format!("GET /probe?module={module}&target={target} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        Some(answer)
    }

    /// Probes until all of these lines are among the metrics.
    async fn finds(&self, module: &str, target: SocketAddr, lines: &[&str]) {
        let mut last = None;
        let found = async {
            while !last
                .as_ref()
                .is_some_and(|text: &String| lines.iter().all(|line| text.lines().any(|said| said == *line)))
            {
                sleep(Duration::from_millis(100)).await;
                last = self.probe(module, target).await;
            }
        };
        let in_time = timeout(SOON, found).await.is_ok();
        assert!(in_time, "{module}: no {lines:?} in {last:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blackbox_exporter() {
    let names = ["prometheus-blackbox-exporter", "blackbox_exporter"];
    let Some(program) = find("BLACKBOX_EXPORTER", &names) else {
        return not_run("blackbox_exporter", "program as $BLACKBOX_EXPORTER or on PATH");
    };
    let (app, home) = aggregator().await;
    let config = home.path().join("blackbox.yml");
    fs::write(&config, MODULES).unwrap();
    // Free a moment ago; should somebody else take it, the exporter ends and nothing answers as it does.
    let addr = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--web.listen-address={addr}"),
    ];
    let exporter = Exporter {
        addr,
        _process: Outside::start(&program, &arguments.each_ref().map(String::as_str), &[]),
    };
    let target = app.grpc_addr();
    let serving = r#"probe_grpc_healthcheck_response{serving_status="SERVING"} 1"#;
    exporter
        .finds("server", target, &["probe_success 1", serving])
        .await;
    let unknown = ["probe_success 0", "probe_grpc_status_code 5"];
    exporter.finds("shop", target, &unknown).await;
    let reporter = shop(&app);
    exporter
        .finds("shop", target, &["probe_success 1", serving])
        .await;
    reporter.shutdown().await;
    exporter.finds("shop", target, &unknown).await;
    let report = timeout(SOON, app.stop()).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}
