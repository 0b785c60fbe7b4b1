//! Protobuf as tonic's own codec has it, with small buffers.
//!
//! tonic's 8 KiB would be most of what an idle watch costs: ten thousand of them would hold 80 MB for messages of two
//! bytes.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstDecoder, ProstEncoder};

/// Holds a status and most names. Longer messages grow the buffer by as much again.
const BUFFER: usize = 128;
/// Messages that are ready together leave in one write, up to this.
const WRITE: usize = 32 << 10;

/// The codec of the generated code.
#[derive(Debug)]
pub(crate) struct SmallCodec<E, D>(PhantomData<(E, D)>);

impl<E, D> Default for SmallCodec<E, D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E, D> Codec for SmallCodec<E, D>
where
    E: Message + 'static,
    D: Message + Default + 'static,
{
    type Encode = E;
    type Decode = D;
    type Encoder = ProstEncoder<E>;
    type Decoder = ProstDecoder<D>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::new(BUFFER, WRITE))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::new(BUFFER, WRITE))
    }
}
