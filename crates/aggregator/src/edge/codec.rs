//! Codecs for the two streams, where the generated ones do too much for each message.
//!
//! - `Watch`: what is sent was encoded when it was published; a generated message would be built and encoded again for
//!   each watcher.
//! - `Report`: a message of beats is walked where it lies; a generated one is a list on the heap for each message.
//!
//! Both start with small buffers: tonic's 8 KiB in each direction would be most of what an idle stream costs.

use std::marker::PhantomData;

use bytes::{Buf, Bytes};
use prost::Message;
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use tonic_prost::{ProstDecoder, ProstEncoder};
use ward_proto::v1;

use crate::hub::Outgoing;

/// Holds a beat or a small change. Larger messages grow the buffer by as much again.
const BUFFER: usize = 512;
/// Messages that are ready together leave in one write, up to this.
const WRITE: usize = 32 << 10;

fn buffers() -> BufferSettings {
    BufferSettings::new(BUFFER, WRITE)
}

/// Encodes what the hub hands out.
#[derive(Debug, Default)]
pub(super) struct WatchCodec;

impl Codec for WatchCodec {
    type Encode = Outgoing;
    type Decode = v1::WatchRequest;
    type Encoder = OutgoingEncoder;
    type Decoder = ProstDecoder<v1::WatchRequest>;

    fn encoder(&mut self) -> Self::Encoder {
        OutgoingEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(buffers())
    }
}

#[derive(Debug)]
pub(super) struct OutgoingEncoder;

impl Encoder for OutgoingEncoder {
    type Item = Outgoing;
    type Error = Status;

    fn encode(&mut self, message: Outgoing, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.size_hint());
        message.encode(buffer);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers()
    }
}

/// Hands out requests undecoded.
#[derive(Debug)]
pub(super) struct RawCodec<E>(PhantomData<E>);

impl<E> Default for RawCodec<E> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E: Message + 'static> Codec for RawCodec<E> {
    type Encode = E;
    type Decode = Bytes;
    type Encoder = ProstEncoder<E>;
    type Decoder = RawDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(buffers())
    }

    fn decoder(&mut self) -> Self::Decoder {
        RawDecoder
    }
}

#[derive(Debug)]
pub(super) struct RawDecoder;

impl Decoder for RawDecoder {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        // Shares the stream's buffer, which is used again once this is dropped.
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers()
    }
}
