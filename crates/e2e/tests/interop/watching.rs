//! A service that comes and goes while Python and Node.js watch it.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use tokio::time::timeout;
use ward_aggregator::{App, Config};
use ward_sdk::Reporter;

use crate::outside::{Outside, SOON, find, not_run};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");

/// An aggregator on free ports, in a directory of its own.
pub(crate) async fn aggregator() -> (App, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let config = Config {
        grpc: any,
        http: any,
        ..Config::new(home.path())
    };
    (App::start(config).await.unwrap(), home)
}

/// A healthy service called `shop`.
pub(crate) fn shop(app: &App) -> Reporter {
    let server = app.grpc_addr().to_string();
    Reporter::builder("shop").server(server).start().unwrap()
}

/// What every client of the standard must see, in this order and nothing else.
async fn a_service_comes_and_goes(program: &Path, script: &str, variables: &[(&str, OsString)]) {
    let (app, _home) = aggregator().await;
    let script = format!("{SCRIPTS}/{script}");
    let addr = app.grpc_addr().to_string();
    let mut client = Outside::start(program, &[&script, &addr, "shop"], variables);
    client.says("check the server: SERVING").await;
    client.says("check shop: NOT_FOUND").await;
    client.says("watch: SERVICE_UNKNOWN").await;
    let reporter = shop(&app);
    client.says("watch: SERVING").await;
    reporter.shutdown().await;
    client.says("watch: SERVICE_UNKNOWN").await;
    let reporter = shop(&app);
    client.says("watch: SERVING").await;
    let stopping = tokio::spawn(app.stop());
    client.says("watch: NOT_SERVING").await;
    client.says("end: OK").await;
    client.ends().await;
    drop(reporter);
    let report = timeout(SOON, stopping).await.unwrap().unwrap();
    assert!(report.is_clean(), "{report:?}");
}

/// An interpreter that has what the scripts import.
pub(crate) fn python() -> Option<PathBuf> {
    let has_packages = |python: &Path| {
        let import = Command::new(python)
            .args(["-c", "import grpc_health.v1.health_pb2_grpc"])
            .output();
        import.is_ok_and(|import| import.status.success())
    };
    find("PYTHON", &["python3"]).filter(|python| has_packages(python))
}

#[tokio::test(flavor = "multi_thread")]
async fn python_grpcio_health_checking() {
    let Some(python) = python() else {
        return not_run(
            "Python",
            "interpreter with grpcio-health-checking as $PYTHON or python3",
        );
    };
    a_service_comes_and_goes(&python, "watch.py", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_grpc_js() {
    let modules =
        std::env::var_os("GRPC_JS").filter(|modules| Path::new(modules).join("@grpc/grpc-js").is_dir());
    let (Some(node), Some(modules)) = (find("NODE", &["node", "nodejs"]), modules) else {
        return not_run(
            "grpc-js",
            "node, or no folder node_modules with @grpc/grpc-js and grpc-health-check as $GRPC_JS",
        );
    };
    a_service_comes_and_goes(&node, "watch.js", &[("NODE_PATH", modules)]).await;
}
