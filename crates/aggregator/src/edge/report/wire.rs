//! Reads a `ReportRequest` without building the list of its beats.
//!
//! Beats are handed out as they are found; the rest is left to prost. In a message that turns out to be malformed some
//! beats may have been handed out already: they were beats.

use bytes::{Buf, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, decode_key, decode_varint},
};
use ward_proto::v1;

/// Field number of `ReportRequest.beats`; a test compares with what prost makes of it.
const BEATS: u32 = 1;

/// Calls `beat` with each handle and returns the rest of the request.
pub(in crate::edge) fn read(
    mut message: Bytes,
    mut beat: impl FnMut(u32),
) -> Result<v1::ReportRequest, DecodeError> {
    let mut rest = v1::ReportRequest::default();
    while message.has_remaining() {
        let (field, wire_type) = decode_key(&mut message)?;
        match (field, wire_type) {
            (BEATS, WireType::LengthDelimited) => read_packed(&mut message, &mut beat)?,
            // As prost does: what is over 32 bits is cut.
            (BEATS, WireType::Varint) => beat(decode_varint(&mut message)? as u32),
            _ => rest.merge_field(field, wire_type, &mut message, DecodeContext::default())?,
        }
    }
    Ok(rest)
}

fn read_packed(message: &mut Bytes, beat: &mut impl FnMut(u32)) -> Result<(), DecodeError> {
    let length = decode_varint(message)?;
    let remaining = message.remaining() as u64;
    let Some(end) = remaining.checked_sub(length) else {
        return Err(truncated());
    };
    while message.remaining() as u64 > end {
        beat(decode_varint(message)? as u32);
    }
    if (message.remaining() as u64) < end {
        return Err(truncated());
    }
    Ok(())
}

/// prost's own error for this cannot be made outside of it; decoding a length that is not there makes one.
fn truncated() -> DecodeError {
    let cut: &[u8] = &[0x0a, 0x01];
    v1::ReportRequest::decode(cut).expect_err("a length without its bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The request as prost reads it, and as read here.
    fn both(bytes: &[u8]) -> (Option<v1::ReportRequest>, Option<v1::ReportRequest>) {
        let mut beats = Vec::new();
        let rest = read(Bytes::copy_from_slice(bytes), |handle| beats.push(handle)).ok();
        let here = rest.map(|rest| v1::ReportRequest { beats, ..rest });
        (v1::ReportRequest::decode(bytes).ok(), here)
    }

    proptest! {
        #[test]
        fn garbage_is_read_as_prost_reads_it(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let (prost, here) = both(&bytes);
            prop_assert_eq!(prost, here);
        }

        #[test]
        fn requests_are_read_as_prost_reads_them(
            beats in prop::collection::vec(any::<u32>(), 0..40), handle: u32, cut in 0usize..200, spoil: (u8, u8),
        ) {
            let goodbyes = vec![v1::Goodbye { handle, reason: "over".into() }];
            let request = v1::ReportRequest { beats, goodbyes, ..Default::default() };
            let mut bytes = request.encode_to_vec();
            prop_assert_eq!(both(&bytes), (Some(request.clone()), Some(request)));
            bytes.truncate(cut);
            if let Some(byte) = bytes.get_mut(usize::from(spoil.0)) {
                *byte = spoil.1;
            }
            let (prost, here) = both(&bytes);
            prop_assert_eq!(prost, here);
        }
    }

    #[test]
    fn unpacked_beats_are_beats() {
        let (prost, here) = both(&[0x08, 5, 0x08, 6]);
        assert_eq!(prost, here);
        assert_eq!(here.unwrap().beats, [5, 6]);
    }
}
