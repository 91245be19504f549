//! Request bodies that came compressed with gzip (RFC 1952).
//!
//! Input is taken in small pieces, so that what one of them becomes is bounded before anybody counts it.

use std::{
    io::Write,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, header};
use http_body::{Body as HttpBody, Frame};
use logicore::{Error, Reason};
use tonic::{Status, body::Body};

/// What is decompressed at once: deflate makes at most about a thousand times as much of it.
const PIECE: usize = 256;

/// The body as it was before its content coding.
///
/// # Errors
/// `UNSUPPORTED_MEDIA_TYPE` for a coding that is not read here.
pub(super) fn inflated(headers: &HeaderMap, body: Body) -> Result<Body, Error> {
    match coded(headers)? {
        true => Ok(Body::new(Inflate {
            inner: body,
            unread: Bytes::new(),
            decoder: Some(MultiGzDecoder::new(Vec::new())),
        })),
        false => Ok(body),
    }
}

/// Whether the body is compressed.
///
/// # Errors
/// As [`inflated`].
pub(super) fn coded(headers: &HeaderMap) -> Result<bool, Error> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(false) };
    let text = coding.as_bytes();
    match () {
        () if codings.next().is_some() => Err("several codings are".to_owned()),
        () if text.eq_ignore_ascii_case(b"gzip") || text.eq_ignore_ascii_case(b"x-gzip") => Ok(true),
        () if text.eq_ignore_ascii_case(b"identity") => Ok(false),
        () => Err(format!("content-encoding {coding:?} is")),
    }
    .map_err(|what| Error::new(Reason::UnsupportedMediaType, format!("{what} not read here: send gzip")))
}

struct Inflate {
    inner: Body,
    unread: Bytes,
    /// None once the end was told.
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
}

impl Inflate {
    /// Decompresses what is there until something comes out of it.
    fn some(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(None);
        };
        while !self.unread.is_empty() {
            let piece = self.unread.split_to(PIECE.min(self.unread.len()));
            decoder.write_all(&piece).map_err(not_gzip)?;
            if !decoder.get_ref().is_empty() {
                return Ok(Some(std::mem::take(decoder.get_mut()).into()));
            }
        }
        Ok(None)
    }

    fn rest(&mut self) -> Result<Bytes, Status> {
        let rest = self.decoder.take().map(MultiGzDecoder::finish);
        Ok(rest.transpose().map_err(not_gzip)?.unwrap_or_default().into())
    }
}

impl HttpBody for Inflate {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            match this.some() {
                Ok(Some(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(None) if this.decoder.is_none() => return Poll::Ready(None),
                Ok(None) => {}
                Err(status) => {
                    this.decoder = None;
                    return Poll::Ready(Some(Err(status)));
                }
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                // Trailers of a request say nothing here.
                Some(Ok(frame)) => this.unread = frame.into_data().unwrap_or_default(),
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(Some(this.rest().map(Frame::data))),
            }
        }
    }
}

fn not_gzip(cause: std::io::Error) -> Status {
    Error::new(
        Reason::MalformedMessage,
        "the body is not gzip, though `content-encoding` says so",
    )
    .because(cause)
    .into()
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};
    use futures_util::FutureExt;
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn headers(coding: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_ENCODING, coding.parse().unwrap())])
    }

    fn read(body: Body) -> Result<Bytes, Status> {
        Ok(body.collect().now_or_never().unwrap()?.to_bytes())
    }

    #[test]
    fn a_body_is_read_wherever_it_is_cut() {
        let plain: Vec<u8> = (0..20_000u32).flat_map(u32::to_le_bytes).collect();
        let mut packed = gzip(&plain[..30_000]);
        packed.extend(gzip(&plain[30_000..]));
        for cut in [1, 7, 300, 100_000] {
            let pieces: Vec<_> = packed.chunks(cut).map(Bytes::copy_from_slice).collect();
            let frames = pieces.into_iter().map(|p| Ok::<_, Status>(Frame::data(p)));
            let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
            assert!(
                read(inflated(&headers("gzip"), body).unwrap()).unwrap() == plain,
                "{cut}"
            );
        }
    }

    #[tokio::test]
    async fn what_comes_out_at_once_is_bounded() {
        let packed = gzip(&vec![0; 64 << 20]);
        let mut body = inflated(&headers("GZIP"), Body::new(Full::from(packed))).unwrap();
        let mut whole = 0;
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() < 1 << 20, "{}", data.len());
            whole += data.len();
        }
        assert_eq!(whole, 64 << 20);
    }

    #[test]
    fn what_is_no_gzip_is_the_callers_fault() {
        let mut broken = gzip(b"hello");
        broken.truncate(broken.len() - 1);
        for bytes in [&b"hello"[..], &b"\x1f\x8b"[..], &broken] {
            let body = Body::new(Full::from(bytes.to_vec()));
            let status = read(inflated(&headers("gzip"), body).unwrap()).unwrap_err();
            assert_eq!(Error::reason_of(&status), Some(Reason::MalformedMessage), "{bytes:?}");
        }
    }

    #[test]
    fn other_codings_are_refused() {
        for coding in ["br", "deflate", "zstd", "gzip, gzip", "gzip, identity", "x", ""] {
            let error = inflated(&headers(coding), Body::empty()).unwrap_err();
            assert_eq!(error.reason(), Reason::UnsupportedMediaType, "{coding}");
        }
        assert!(!coded(&headers("Identity")).unwrap());
        assert!(!coded(&HeaderMap::new()).unwrap());
    }
}
