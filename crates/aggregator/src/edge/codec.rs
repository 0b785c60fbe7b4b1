//! The codec of `Report`, where the generated one does too much for each message: a message of beats is walked where it
//! lies, while a generated one is a list on the heap.
//!
//! It starts with small buffers: tonic's 8 KiB in each direction would be most of what an idle stream costs.

use std::marker::PhantomData;

use bytes::{Buf, Bytes};
use prost::Message;
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder},
};
use tonic_prost::ProstEncoder;

/// Holds a beat or a small change. Larger messages grow the buffer by as much again.
const BUFFER: usize = 512;
/// Messages that are ready together leave in one write, up to this.
const WRITE: usize = 32 << 10;

fn buffers() -> BufferSettings {
    BufferSettings::new(BUFFER, WRITE)
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
