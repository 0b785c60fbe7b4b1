//! The aggregator under attack, in the process that is started for it. The `ward` command cannot be used: nothing it can
//! be told loosens a guard.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
    time::Duration,
};

use anyhow::Context;
use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize};
use ward_access::{ANONYMOUS, Grants, Policy};
use ward_aggregator::{App, ClientLimits, Config};
use ward_chassis::{Limits, TlsFiles, logs};

/// How a server is set up. What is `None` is as shipped, or without guards as the libraries are by themselves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Setup {
    /// Whether the guards are on.
    pub(crate) guarded: bool,
    pub(crate) connections: Option<usize>,
    pub(crate) connections_per_address: Option<usize>,
    pub(crate) pending_accept_resets: Option<usize>,
    pub(crate) control_frames_per_second: Option<u32>,
    pub(crate) header_bytes: Option<u32>,
    pub(crate) message_bytes_in: Option<usize>,
    pub(crate) handshake_timeout: Option<Duration>,
    pub(crate) stall_after: Option<Duration>,
    /// The process's limit of open files.
    pub(crate) open_files: Option<u64>,
    pub(crate) json_logs: bool,
    /// Whether it speaks TLS.
    pub(crate) tls: bool,
}

impl Setup {
    /// With the guards as shipped, or without any.
    pub(crate) fn new(guarded: bool) -> Self {
        Self {
            guarded,
            ..Self::default()
        }
    }

    fn limits(&self) -> Limits {
        let limits = if self.guarded {
            Limits::default()
        } else {
            Limits::unguarded()
        };
        Limits {
            connections: self.connections.unwrap_or(limits.connections),
            connections_per_address: self
                .connections_per_address
                .unwrap_or(limits.connections_per_address),
            pending_accept_resets: self.pending_accept_resets.or(limits.pending_accept_resets),
            control_frames_per_second: self
                .control_frames_per_second
                .or(limits.control_frames_per_second),
            header_bytes: self.header_bytes.unwrap_or(limits.header_bytes),
            message_bytes_in: self.message_bytes_in.unwrap_or(limits.message_bytes_in),
            handshake_timeout: self.handshake_timeout.or(limits.handshake_timeout),
            ..limits
        }
    }
}

/// Where whom to trust stands in the data directory of a server that speaks TLS.
pub(crate) const CA: &str = "ca.pem";

/// A certificate that signed itself, and its key.
fn certificates(dir: &Path) -> anyhow::Result<TlsFiles> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::create_dir_all(dir)?;
    let files = TlsFiles {
        cert: dir.join(CA),
        key: dir.join("server.key"),
        client_ca: None,
        crl: None,
    };
    fs::write(&files.cert, made.cert.pem())?;
    fs::write(&files.key, made.signing_key.serialize_pem())?;
    Ok(files)
}

/// Is the server until standard input ends, and with it whoever started it.
///
/// # Errors
///
/// It could not be started.
pub async fn serve(setup: Setup, data_dir: &Path) -> anyhow::Result<()> {
    let format = if setup.json_logs {
        logs::Format::Json
    } else {
        logs::Format::Compact
    };
    logs::init(format, if setup.guarded { logs::DEFAULT } else { "info" })?;
    let shipped = Config::new(data_dir);
    let tls = setup.tls.then(|| certificates(data_dir)).transpose()?;
    // Attackers and honest clients prove nothing: what they may do is not what is attacked here.
    let anybody = (ANONYMOUS.to_owned(), Grants::all());
    let config = Config {
        tls,
        access: Policy::new([anybody]),
        client_limits: if setup.guarded {
            ClientLimits::default()
        } else {
            ClientLimits::unguarded()
        },
        grpc: ([127, 0, 0, 1], 0).into(),
        http: ([127, 0, 0, 1], 0).into(),
        limits: setup.limits(),
        stall_after: setup.stall_after.unwrap_or(shipped.stall_after),
        ..shipped
    };
    let app = App::start(config).await?;
    if let Some(open_files) = setup.open_files {
        // Only now: it would have taken fewer connections than it has descriptors for.
        setrlimit(Resource::RLIMIT_NOFILE, open_files, open_files)
            .context("lower the limit of open files")?;
    }
    let mut out = io::stdout();
    writeln!(out, "{} {}", app.grpc_addr(), app.http_addr())?;
    out.flush()?;
    tokio::task::spawn_blocking(|| io::stdin().read(&mut [0])).await??;
    app.stop().await;
    Ok(())
}
