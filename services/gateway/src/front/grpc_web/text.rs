//! Base64 in both directions, in pieces that are cut anywhere.
//!
//! Every piece of an answer is padded by itself, so that none of it waits for the next one; a request may be padded anywhere for
//! the same reason.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use base64::{
    Engine as _,
    alphabet::STANDARD as ALPHABET,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};
use logicore::{Error, Reason};
use tonic::{Status, body::Body};

/// Characters that stand for three bytes.
const GROUP: usize = 4;
const PAD: u8 = b'=';

/// Takes the last group with padding or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A piece of an answer in base64.
pub(super) fn encoded(data: &Bytes) -> Bytes {
    STANDARD.encode(data).into()
}

/// The bytes of a body that comes in base64.
pub(super) struct Decoded {
    inner: Body,
    decoder: Decoder,
    done: bool,
}

impl Decoded {
    pub(super) fn new(inner: Body) -> Self {
        let done = inner.is_end_stream();
        Self {
            inner,
            decoder: Decoder::default(),
            done,
        }
    }

    fn end(&mut self) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.done = true;
        Poll::Ready(match self.decoder.end() {
            Ok(rest) if rest.is_empty() => None,
            Ok(rest) => Some(Ok(Frame::data(rest))),
            Err(error) => Some(Err(error.into())),
        })
    }
}

impl HttpBody for Decoded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        while !this.done {
            let Some(frame) = ready!(Pin::new(&mut this.inner).poll_frame(cx)?) else {
                return this.end();
            };
            let Ok(data) = frame.into_data() else { continue };
            let bytes = this.decoder.feed(&data)?;
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.done
    }
}

/// Decodes what has come, and keeps the beginning of a group.
#[derive(Default)]
struct Decoder {
    group: [u8; GROUP],
    have: usize,
}

impl Decoder {
    fn feed(&mut self, mut data: &[u8]) -> Result<Bytes, Error> {
        let mut out = BytesMut::with_capacity((self.have + data.len()) / GROUP * 3);
        if self.have > 0 {
            let taken = (GROUP - self.have).min(data.len());
            self.group[self.have..self.have + taken].copy_from_slice(&data[..taken]);
            self.have += taken;
            data = &data[taken..];
            if self.have < GROUP {
                return Ok(Bytes::new());
            }
            decode(&self.group, &mut out)?;
            self.have = 0;
        }
        let (mut groups, rest) = data.split_at(data.len() / GROUP * GROUP);
        while let Some(pad) = groups.iter().position(|b| *b == PAD) {
            let (padded, after) = groups.split_at((pad / GROUP + 1) * GROUP);
            decode(padded, &mut out)?;
            groups = after;
        }
        decode(groups, &mut out)?;
        self.group[..rest.len()].copy_from_slice(rest);
        self.have = rest.len();
        Ok(out.freeze())
    }

    fn end(&mut self) -> Result<Bytes, Error> {
        let mut out = BytesMut::new();
        decode(&self.group[..self.have], &mut out)?;
        self.have = 0;
        Ok(out.freeze())
    }
}

fn decode(groups: &[u8], out: &mut BytesMut) -> Result<(), Error> {
    let start = out.len();
    out.resize(start + base64::decoded_len_estimate(groups.len()), 0);
    let written = LENIENT
        .decode_slice(groups, &mut out[start..])
        .map_err(|e| Error::new(Reason::MalformedMessage, "the body is not base64").because(e))?;
    out.truncate(start + written);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fed(text: &[u8], cut: usize) -> Result<Vec<u8>, Error> {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for piece in text.chunks(cut) {
            out.extend_from_slice(&decoder.feed(piece)?);
        }
        out.extend_from_slice(&decoder.end()?);
        Ok(out)
    }

    proptest! {
        #[test]
        fn what_was_encoded_in_pieces_is_decoded_from_any_others(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            cut in 1_usize..50,
        ) {
            let text: Vec<u8> = pieces.iter().flat_map(|p| encoded(&Bytes::copy_from_slice(p))).collect();
            prop_assert_eq!(fed(&text, cut).unwrap(), pieces.concat());
        }

        #[test]
        fn nothing_makes_it_panic(text in prop::collection::vec(any::<u8>(), 0..60), cut in 1_usize..9) {
            let _ = fed(&text, cut);
        }
    }

    #[test]
    fn the_last_group_needs_no_padding() {
        for cut in 1..8 {
            assert_eq!(fed(b"AAECAwQ", cut).unwrap(), [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn what_is_no_base64_is_told() {
        for bad in ["A", "AAAAA", "AA=A", "A===", "====", "AAA\n", "AA-_", "AAEC\0AAA"] {
            for cut in 1..9 {
                let error = fed(bad.as_bytes(), cut).unwrap_err();
                assert_eq!(error.reason(), Reason::MalformedMessage, "{bad:?} in pieces of {cut}");
            }
        }
    }
}
