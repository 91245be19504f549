//! Reads the one message of a call into memory, and asks for that memory first where more than its beginning has to be waited for.
//!
//! The decision to question: what is asked for is what the message's prefix says, since gRPC has no content length. So a body that
//! goes on behind the end of its message is refused as soon as that shows, as is one whose message will be too long.

use bytes::Bytes;
use http::Extensions;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::{Instant, timeout_at};
use tonic::{Status, body::Body};

use super::too_large;
use crate::{
    error::{Error, Reason},
    framing::{PREFIX, Prefix},
    layer::body::unreadable,
};

/// Room for so much is there from the first on; for more as it comes, since what is announced may never come.
pub(super) const FIRST: usize = 64 << 10;

/// Says when there is memory for a message.
pub trait Memory: Clone + Send + Sync + 'static {
    /// Memory that is taken; free again when dropped.
    type Taken: Send;

    /// Waits until a message of so many bytes may be collected for the caller in a request's extensions.
    fn take(&self, extensions: &Extensions, bytes: usize) -> impl Future<Output = Self::Taken> + Send;

    /// When the message must be here whose memory it is: a stream has no deadline, and who sends slowly would keep it from others.
    fn until(_: &Self::Taken) -> Option<Instant> {
        None
    }
}

/// What is done until then, or the error of who was too slow.
///
/// # Errors
/// `DEADLINE_EXCEEDED`, and those of what is done.
pub async fn in_time<T>(until: Option<Instant>, done: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match until {
        None => done.await,
        Some(until) => timeout_at(until, done).await.unwrap_or_else(|_| {
            let message = "a long message came too slowly, and others wait for its memory";
            Err(Error::new(Reason::DeadlineExceeded, message))
        }),
    }
}

/// Memory that nobody counts.
#[derive(Clone, Copy, Debug)]
pub struct Uncounted;

impl Memory for Uncounted {
    type Taken = ();

    async fn take(&self, _: &Extensions, _: usize) {}
}

/// The body with a message of at most `limit` bytes.
///
/// # Errors
/// `MESSAGE_TOO_LARGE`, `MESSAGE_COUNT` where it goes on behind its message, and what broke it off.
pub(super) async fn collect<M: Memory>(
    body: Body,
    limit: usize,
    memory: &M,
    extensions: &Extensions,
) -> Result<Bytes, Error> {
    let mut body = Limited::new(body, limit.saturating_add(PREFIX));
    let Some(first) = next(&mut body, limit).await? else {
        return Ok(Bytes::new());
    };
    let mut length = whole(&first, limit)?;
    // Most are: they are in memory already.
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut all = Vec::from(first);
    let mut taken = None;
    loop {
        if let (None, Some(length)) = (&taken, length) {
            taken = Some(memory.take(extensions, length).await);
            all = within(length, &all);
        }
        let until = taken.as_ref().and_then(M::until);
        let Some(more) = in_time(until, next(&mut body, limit)).await? else {
            return Ok(all.into());
        };
        if length.is_some_and(|length| all.len() + more.len() > length) {
            return Err(too_many());
        }
        add(&mut all, &more, length.unwrap_or_default());
        length = whole(&all, limit)?;
    }
}

/// What has come, apart from the memory that it came in.
pub(super) fn within(length: usize, so_far: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(length.min(FIRST.max(so_far.len())));
    all.extend_from_slice(so_far);
    all
}

/// Adds what comes to a message of this length, which never gets more room than that: what doubles by itself goes beyond what was
/// granted.
pub(super) fn add(all: &mut Vec<u8>, more: &[u8], length: usize) {
    let whole = all.len() + more.len();
    if whole > all.capacity() {
        let room = (2 * whole).min(length).max(whole);
        all.reserve_exact(room - all.len());
    }
    all.extend_from_slice(more);
}

/// The next data; none at the end.
async fn next(body: &mut Limited<Body>, limit: usize) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.downcast::<Status>() {
            Ok(status) => unreadable(*status),
            Err(error) if error.is::<LengthLimitError>() => too_large(limit),
            Err(error) => Error::new(Reason::CallerGone, "the request broke off").because(error),
        })?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Length of the body, as the prefix of its message says it, once that is there.
fn whole(so_far: &[u8], limit: usize) -> Result<Option<usize>, Error> {
    let Some(prefix) = so_far.first_chunk() else {
        return Ok(None);
    };
    let length = Prefix::read(*prefix).length;
    if length > limit {
        return Err(too_large(limit));
    }
    let whole = PREFIX + length;
    match so_far.len() > whole {
        true => Err(too_many()),
        false => Ok(Some(whole)),
    }
}

fn too_many() -> Error {
    Error::new(Reason::MessageCount, "the call must carry one message")
}
