//! Answers that come in pieces and are not read: their pieces are joined, so that what waits for a slow caller is bytes and not frames.
//!
//! h2 keeps a slot of some 250 bytes for each frame until somebody reads it, and ends the connection, which is everybody's, when the
//! slots of short ones are too many (its `data_frame_budget`). A service may send ten bytes in each, and a caller need only stop
//! reading a few streams. So whoever drives a connection takes the frames out, now and then, of all answers on it that stream.
//!
//! The decision to question: an answer that streams is behind a lock. The task that reads it and the one that drives the connection are
//! of the same worker, so nobody ever waits for it. Answers of one message have none.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;

/// Answers of one connection that are looked after, before the first look at which of them are over.
const FEW: usize = 32;
/// Bytes that are joined. What is read is given back to the service's window, which sends as much again, while the caller may have room for
/// little of it: so it is read piece by piece.
const PIECE: usize = 16 << 10;

/// The answers on a connection that stream.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Looked>);

#[derive(Debug, Default)]
struct Looked {
    after: Vec<Weak<Mutex<Unread>>>,
    /// How many there may be until those which are over are thrown out.
    most: usize,
}

/// An answer, and what was taken out of h2 and read by nobody.
#[derive(Debug)]
pub(super) struct Unread {
    inner: RecvStream,
    ahead: VecDeque<Bytes>,
    /// The last of it, to which more is added.
    last: BytesMut,
    /// Of the task that reads.
    reader: Waker,
}

impl Answers {
    /// Looks after an answer as long as somebody has it.
    pub(super) fn keep(&self, inner: RecvStream) -> Arc<Mutex<Unread>> {
        let answer = Arc::new(Mutex::new(Unread {
            inner,
            ahead: VecDeque::new(),
            last: BytesMut::new(),
            reader: Waker::noop().clone(),
        }));
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.after.len() >= looked.most.max(FEW) {
            looked.after.retain(|answer| answer.strong_count() > 0);
            looked.most = 2 * looked.after.len();
        }
        looked.after.push(Arc::downgrade(&answer));
        answer
    }

    /// Takes out of h2 what nobody has read.
    pub(super) fn take_out(&self) {
        let looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for answer in looked.after.iter().filter_map(Weak::upgrade) {
            lock(&answer).take_out();
        }
    }
}

/// The answer, which has no state that a panic could leave half done.
pub(super) fn lock(answer: &Mutex<Unread>) -> MutexGuard<'_, Unread> {
    answer.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Unread {
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        if self.ahead.is_empty() {
            self.close();
        }
        if let Some(piece) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        let polled = self.inner.poll_data(cx);
        if polled.is_pending() {
            self.reader.clone_from(cx.waker());
        }
        polled
    }

    /// h2 itself, whose windows are given back as the reader takes what came.
    pub(super) fn inner(&mut self) -> &mut RecvStream {
        &mut self.inner
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.last.is_empty() && self.inner.is_end_stream()
    }

    /// How it ended is left there, and found again.
    fn take_out(&mut self) {
        let reader = self.reader.clone();
        let mut cx = Context::from_waker(&reader);
        while let Poll::Ready(Some(Ok(data))) = self.inner.poll_data(&mut cx) {
            if self.last.len() + data.len() > PIECE {
                self.close();
            }
            if data.len() > PIECE {
                self.ahead.push_back(data);
            } else {
                self.last.extend_from_slice(&data);
            }
        }
    }

    /// Nothing more is added to the last piece.
    fn close(&mut self) {
        if !self.last.is_empty() {
            self.ahead.push_back(mem::take(&mut self.last).freeze());
        }
    }
}
