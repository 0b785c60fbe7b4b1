//! etcd's leases, kept alive over the same client as everything else.
//!
//! A keepalive names one lease; there is no message for many. It does not go through raft and nothing is written for it,
//! which makes it the fair thing to put beside a beat; granting the lease is what is synced to disk. The messages are
//! written down here, field by field, as a client crate would bring a client of its own.

pub(crate) mod watch;

use std::{net::SocketAddr, sync::Arc};

use anyhow::ensure;
use http::uri::PathAndQuery;
use prost::{Message, bytes::Bytes};
use tokio::runtime::Runtime;
use tonic::{Request, client::Grpc, transport::Channel};
use tonic_prost::ProstCodec;

use super::{ETCD, Peer};
use crate::flow::{Flow, Flows, connect};

const GRANT: &str = "/etcdserverpb.Lease/LeaseGrant";
const KEEP_ALIVE: &str = "/etcdserverpb.Lease/LeaseKeepAlive";
/// Seconds; longer than a row takes.
const TTL: i64 = 3_600;

/// `etcdserverpb.LeaseGrantRequest`.
#[derive(Clone, PartialEq, Message)]
struct LeaseGrantRequest {
    #[prost(int64, tag = "1")]
    ttl: i64,
}

/// `etcdserverpb.LeaseGrantResponse`, what is used of it.
#[derive(Clone, PartialEq, Message)]
struct LeaseGrantResponse {
    #[prost(int64, tag = "2")]
    id: i64,
    #[prost(string, tag = "4")]
    error: String,
}

/// `etcdserverpb.LeaseKeepAliveRequest`.
#[derive(Clone, PartialEq, Message)]
struct LeaseKeepAliveRequest {
    #[prost(int64, tag = "1")]
    id: i64,
}

/// `etcdserverpb.LeaseKeepAliveResponse`, what is used of it.
#[derive(Clone, PartialEq, Message)]
struct LeaseKeepAliveResponse {
    #[prost(int64, tag = "2")]
    id: i64,
    #[prost(int64, tag = "3")]
    ttl: i64,
}

/// Streams of keepalives to one etcd.
#[derive(Debug)]
pub(crate) struct Keepalives {
    pub(crate) peer: Peer,
    pub(crate) flows: Flows,
}

impl Keepalives {
    /// `connections` with a stream each, and `leases` on each of those; `None` if etcd is not installed.
    pub(crate) fn start(
        runtime: &Runtime,
        connections: usize,
        leases: usize,
        window: u64,
    ) -> anyhow::Result<Option<Self>> {
        let Some(peer) = ETCD.start()? else {
            return Ok(None);
        };
        let flows = runtime.block_on(async {
            let granter = connect(peer.addr()).await?;
            let mut flows = Vec::new();
            let mut requests: Vec<Arc<[Bytes]>> = Vec::new();
            for _ in 0..connections {
                let leases = grant(&granter, leases).await?;
                requests.push(leases.iter().map(|&id| keep_alive(id)).collect());
                flows.push(open(peer.addr(), leases, window).await?);
            }
            let flows = Flows(flows);
            flows.settle(1).await?;
            flows.play(|place| requests[place].clone());
            anyhow::Ok(flows)
        })?;
        Ok(Some(Self { peer, flows }))
    }
}

fn keep_alive(id: i64) -> Bytes {
    LeaseKeepAliveRequest { id }.encode_to_vec().into()
}

/// The stream's first request is about its first lease, and then it goes round all of them.
async fn open(addr: SocketAddr, leases: Vec<i64>, window: u64) -> anyhow::Result<Arc<Flow>> {
    let mut answered: u64 = 0;
    let first = keep_alive(leases[0]);
    let take = move |answer: LeaseKeepAliveResponse| {
        let expected = leases[answered.saturating_sub(1) as usize % leases.len()];
        ensure!(
            answer.id == expected,
            "lease {} answered for {expected}",
            answer.id
        );
        ensure!(
            answer.ttl == TTL,
            "a lease of {TTL} s was renewed for {} s",
            answer.ttl
        );
        answered += 1;
        Ok(answered)
    };
    Flow::open(addr, KEEP_ALIVE, first, window, take).await
}

async fn grant(channel: &Channel, leases: usize) -> anyhow::Result<Vec<i64>> {
    let mut grpc = Grpc::new(channel.clone());
    let mut granted = Vec::with_capacity(leases);
    for _ in 0..leases {
        grpc.ready().await?;
        let request = Request::new(LeaseGrantRequest { ttl: TTL });
        let codec = ProstCodec::<LeaseGrantRequest, LeaseGrantResponse>::default();
        let answer = grpc
            .unary(request, PathAndQuery::from_static(GRANT), codec)
            .await?;
        let LeaseGrantResponse { id, error } = answer.into_inner();
        ensure!(error.is_empty() && id != 0, "grant a lease: {error}");
        granted.push(id);
    }
    Ok(granted)
}
