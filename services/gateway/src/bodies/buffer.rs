//! What has come of a message of a stream. While the rest of a long one is waited for, it has a place.
//!
//! A stream has no deadline, and whoever sends the rest slowly would keep a place for as long. So a message that has one must come in
//! time, by a rate that is far below what its caller's neighbours would notice.

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::BodyExt;
use logicore::{
    Error,
    layer::guard::{Memory, in_time},
};
use tonic::{Status, body::Body};

use super::{Bounds, Place, Quota, SHORT};

/// What has come of a body's message that is not whole yet.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: BytesMut,
    /// Whose memory it is; none where nobody counts it.
    quota: Option<Quota>,
    /// The place of a long message.
    place: Option<Place>,
}

impl Buffer {
    /// One whose long messages take their memory from a quota.
    pub(crate) fn within(quota: Quota) -> Self {
        Self {
            quota: Some(quota),
            ..Self::default()
        }
    }

    /// What is here.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The next frame of a body, for a message that takes `most` bytes at most. Waits for a place first, where so much is here
    /// that it needs one.
    pub(crate) async fn next(&mut self, body: &mut Body, most: usize) -> Option<Result<Frame<Bytes>, Status>> {
        if self.place.is_none()
            && self.bytes.len() > SHORT
            && let Some(quota) = &self.quota
        {
            self.place = quota.place(most).await;
        }
        let frame = async { Ok::<_, Error>(body.frame().await) };
        let frame = in_time(Bounds::until(&self.place), frame).await;
        frame.unwrap_or_else(|slow| Some(Err(slow.into())))
    }

    /// Adds what came, of a message that takes `most` bytes at most.
    pub(crate) fn put(&mut self, data: &[u8], most: usize) {
        let whole = self.bytes.len() + data.len();
        if whole > SHORT && whole > self.bytes.capacity() {
            // By hand, since what doubles by itself does so beyond what was granted.
            let room = (2 * whole).min(most).max(whole);
            let mut grown = BytesMut::with_capacity(room);
            grown.extend_from_slice(&self.bytes);
            self.bytes = grown;
        }
        self.bytes.extend_from_slice(data);
    }

    /// The first bytes, which are a whole message; it gives back its place.
    pub(crate) fn cut(&mut self, length: usize) -> Bytes {
        let message = self.bytes.split_to(length);
        if self.place.take().is_some() {
            // The rest alone: a view of it would keep the memory of the whole.
            self.bytes = BytesMut::from(&self.bytes[..]);
        }
        message.freeze()
    }
}
