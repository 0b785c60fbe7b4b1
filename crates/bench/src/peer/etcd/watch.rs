//! etcd's put and watch. Each put goes through raft and is synced to disk before anybody is told of it.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use http::uri::PathAndQuery;
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming, client::Grpc, transport::Channel};
use tonic_prost::ProstCodec;

use crate::flow::connect;

const PUT: &str = "/etcdserverpb.KV/Put";
const WATCH: &str = "/etcdserverpb.Watch/Watch";
const KEY: &[u8] = b"flip";

/// `etcdserverpb.PutRequest`, what is used of it.
#[derive(Clone, PartialEq, Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `etcdserverpb.PutResponse`, of which nothing is used.
#[derive(Clone, PartialEq, Message)]
struct PutResponse {}

/// `etcdserverpb.WatchRequest`, what is used of it.
#[derive(Clone, PartialEq, Message)]
struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    create: Option<WatchCreateRequest>,
}

/// `etcdserverpb.WatchCreateRequest`, what is used of it.
#[derive(Clone, PartialEq, Message)]
struct WatchCreateRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
}

/// `etcdserverpb.WatchResponse`, what is used of it.
#[derive(Clone, PartialEq, Message)]
struct WatchResponse {
    #[prost(bool, tag = "3")]
    created: bool,
    #[prost(message, repeated, tag = "11")]
    events: Vec<Event>,
}

/// `mvccpb.Event`, what is used of it.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(message, optional, tag = "2")]
    kv: Option<KeyValue>,
}

/// `mvccpb.KeyValue`, what is used of it.
#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(bytes = "vec", tag = "5")]
    value: Vec<u8>,
}

/// One who puts.
#[derive(Clone, Debug)]
pub(crate) struct Puts(Grpc<Channel>);

/// One who watches.
#[derive(Debug)]
pub(crate) struct Puttings {
    told: Streaming<WatchResponse>,
    _asked: mpsc::Sender<WatchRequest>,
}

/// Both, each on a connection of its own.
pub(crate) async fn put_and_watch(addr: SocketAddr) -> anyhow::Result<(Puts, Puttings)> {
    let mut grpc = Grpc::new(connect(addr).await?);
    grpc.ready().await?;
    let (asked, requests) = mpsc::channel(1);
    let create = Some(WatchCreateRequest { key: KEY.to_vec() });
    // Before the call: etcd sends no headers until it has something to say.
    asked.send(WatchRequest { create }).await?;
    let request = Request::new(ReceiverStream::new(requests));
    let codec = ProstCodec::<WatchRequest, WatchResponse>::default();
    let answer = grpc
        .streaming(request, PathAndQuery::from_static(WATCH), codec)
        .await?;
    let mut told: Streaming<WatchResponse> = answer.into_inner();
    let created = told.message().await?.context("etcd ended a watch")?;
    ensure!(created.created, "etcd began no watch: {created:?}");
    let puts = Puts(Grpc::new(connect(addr).await?));
    let watch = Puttings { told, _asked: asked };
    Ok((puts, watch))
}

impl Puts {
    /// Puts a number, in as many bytes as a change has elsewhere.
    pub(crate) async fn put(mut self, number: u64) -> anyhow::Result<()> {
        let mut value = number.to_be_bytes().to_vec();
        value.resize(crate::serve::FRAME, 0);
        let key = KEY.to_vec();
        self.0.ready().await?;
        let request = Request::new(PutRequest { key, value });
        let codec = ProstCodec::<PutRequest, PutResponse>::default();
        self.0
            .unary(request, PathAndQuery::from_static(PUT), codec)
            .await?;
        Ok(())
    }
}

impl Puttings {
    /// The numbers that were put next. Cancel safe.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Vec<u64>> {
        let told = self.told.message().await?.context("etcd ended a watch")?;
        let number = |event: Event| {
            let value = event.kv.context("an event without a value")?.value;
            let (number, _) = value.split_first_chunk().context("a value without its number")?;
            Ok(u64::from_be_bytes(*number))
        };
        told.events.into_iter().map(number).collect()
    }
}
