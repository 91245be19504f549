//! An upstream that pushes is read in paces: what comes in ten thousand small pieces a second may gather for a moment.
//!
//! Short messages of long streams come one by one where their sender is slower than we are. Each wakes us, is read and written alone,
//! and wakes the caller, which costs several times what is done with it, and slows the sender down where they share a core. Network
//! cards met the same, and wait for the next packets before they interrupt (`rx-usecs` of ethtool); so does this, where nobody waits
//! for an answer: not while a call on the connection has none yet, and not soon after anything was said that the peer may answer.
//!
//! The decision to question: messages of such a flow come later by [`WAIT`] and a tick of tokio's clock at most, two milliseconds, and
//! a message of another stream that says little on the same connection may, too. A call whose service says nothing at all before its
//! first message counts as one without an answer, and holds off the pace of its connection.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::server::only_listens;

/// So many small pieces within [`SPAN`] make a flow steady: ten thousand a second.
const STEADY: usize = 64;
const SPAN: Duration = Duration::from_micros(6400);
/// After something was said, what comes may be the answer.
const PATIENCE: Duration = Duration::from_millis(10);
/// How long pieces gather. tokio's clock ticks each millisecond, and sleeps whole ones: on a quiet worker it is one to two.
const WAIT: Duration = Duration::from_micros(500);
/// Bytes that are worth a turn of their own: who sends as much at once is not slower than we are.
const ENOUGH: usize = 16 << 10;
/// Where a wait brings less than so many of the usual pieces, the flow is over.
const WORTH: usize = 4;

/// What a connection's parts tell each other.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Calls that wait for their answers to begin, or, where there is one message, to end.
    pub(super) unanswered: AtomicUsize,
    /// Bytes that came.
    pub(super) came: AtomicUsize,
}

pin_project! {
    /// A connection to an upstream, read in paces.
    pub(super) struct Paced<I> {
        #[pin]
        io: I,
        pace: Pace,
    }
}

#[derive(Debug)]
struct Pace {
    tally: Arc<Tally>,
    /// When something was said last that the peer may answer.
    said: Option<Instant>,
    /// Bytes that came since there was nothing to read.
    came: usize,
    flow: Flow,
    /// Nothing is read before.
    until: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// What came had time to gather.
    gathered: bool,
}

/// What is known of the pieces that come.
#[derive(Clone, Copy, Debug)]
enum Flow {
    /// Looked at since then: so many, and so long together.
    Looked(Option<Instant>, usize, usize),
    /// Pieces of so many bytes, without an end.
    Steady(usize),
}

const UNKNOWN: Flow = Flow::Looked(None, 0, 0);

impl Pace {
    /// Waits until it is time to read.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.until else {
            return Poll::Ready(());
        };
        if !self.asked() {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            ready!(timer.as_mut().poll(cx));
            self.gathered = true;
        }
        self.until = None;
        Poll::Ready(())
    }

    /// Whether somebody waits for an answer.
    fn asked(&self) -> bool {
        self.tally.unanswered.load(Relaxed) > 0
    }

    /// There is nothing more to read.
    fn drained(&mut self) {
        let (came, gathered) = (std::mem::take(&mut self.came), std::mem::take(&mut self.gathered));
        if self.asked() {
            self.flow = UNKNOWN;
        } else if came > 0 {
            self.flow = self.flow.with(came, gathered, self.said);
            if came < ENOUGH && matches!(self.flow, Flow::Steady(_)) {
                self.until = Some(Instant::now() + WAIT);
            }
        }
    }

    /// What is said to the peer; it may answer, and somebody may wait for that.
    fn says<'a>(&mut self, cx: &Context<'_>, mut bufs: impl Iterator<Item = &'a [u8]>) {
        if bufs.all(only_listens) {
            return;
        }
        (self.flow, self.said) = (UNKNOWN, Some(Instant::now()));
        if self.until.take().is_some() {
            // What came while nothing was read is to be read now.
            cx.waker().wake_by_ref();
        }
    }
}

impl Flow {
    fn with(self, came: usize, gathered: bool, said: Option<Instant>) -> Self {
        let quiet = || said.is_none_or(|said| said.elapsed() >= PATIENCE);
        match self {
            Self::Steady(usual) if gathered && came < WORTH * usual => UNKNOWN,
            Self::Looked(..) if came >= ENOUGH => UNKNOWN,
            Self::Steady(_) => self,
            Self::Looked(None, ..) => Self::Looked(Some(Instant::now()), 1, came),
            Self::Looked(Some(since), pieces, bytes) => match (pieces + 1, bytes + came) {
                (STEADY, bytes) if since.elapsed() <= SPAN && quiet() => Self::Steady(bytes / STEADY),
                (STEADY, _) => UNKNOWN,
                (pieces, bytes) => Self::Looked(Some(since), pieces, bytes),
            },
        }
    }
}

impl<I> Paced<I> {
    /// While `unanswered` is more than nothing, all is read as it comes.
    pub(super) fn new(io: I, tally: Arc<Tally>) -> Self {
        Self {
            io,
            pace: Pace {
                tally,
                said: None,
                came: 0,
                flow: UNKNOWN,
                until: None,
                timer: None,
                gathered: false,
            },
        }
    }
}

impl<I: AsyncRead> AsyncRead for Paced<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        ready!(this.pace.poll_due(cx));
        let before = buf.filled().len();
        let polled = this.io.poll_read(cx, buf);
        match polled {
            Poll::Ready(_) => {
                let came = buf.filled().len() - before;
                this.pace.came += came;
                this.pace.tally.came.fetch_add(came, Relaxed);
            }
            Poll::Pending => this.pace.drained(),
        }
        polled
    }
}

impl<I: AsyncWrite> AsyncWrite for Paced<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        this.pace.says(cx, std::iter::once(buf));
        this.io.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        this.pace.says(cx, bufs.iter().map(|buf| &**buf));
        this.io.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    };

    use super::*;

    const PIECE: [u8; 100] = [0; 100];
    const HEADERS: [u8; 10] = [0, 0, 1, 1, 4, 0, 0, 0, 1, 0x82];
    const WINDOW_UPDATE: [u8; 13] = [0, 0, 4, 8, 0, 0, 0, 0, 1, 0, 0, 0, 1];

    /// An upstream, and a task that reads what it sends.
    struct Upstream {
        io: DuplexStream,
        read: UnboundedReceiver<usize>,
        says: UnboundedSender<&'static [u8]>,
        tally: Arc<Tally>,
    }

    impl Upstream {
        fn new() -> Self {
            let (io, ours) = tokio::io::duplex(1 << 20);
            let tally = Arc::default();
            let mut ours = Paced::new(ours, Arc::clone(&tally));
            let ((reads, read), (says, mut said)) = (unbounded_channel(), unbounded_channel::<&[u8]>());
            tokio::spawn(async move {
                let mut buf = [0; 64 << 10];
                loop {
                    tokio::select! {
                        bytes = ours.read(&mut buf) => reads.send(bytes.unwrap()).unwrap(),
                        Some(frame) = said.recv() => ours.write_all(frame).await.unwrap(),
                    }
                }
            });
            Self { io, read, says, tally }
        }

        /// One that pushes.
        async fn steady() -> Self {
            let mut upstream = Self::new();
            for _ in 0..STEADY {
                assert_eq!(upstream.push(&PIECE).await, Duration::ZERO);
            }
            upstream
        }

        /// How long it takes until this is read.
        async fn push(&mut self, bytes: &[u8]) -> Duration {
            let start = Instant::now();
            self.io.write_all(bytes).await.unwrap();
            assert_eq!(self.read.recv().await, Some(bytes.len()));
            start.elapsed()
        }

        async fn say(&self, frame: &'static [u8]) {
            self.says.send(frame).unwrap();
            tokio::task::yield_now().await;
        }
    }

    fn waits(time: Duration) -> bool {
        (WAIT..=WAIT + Duration::from_millis(1)).contains(&time)
    }

    #[tokio::test(start_paused = true)]
    async fn small_pieces_without_an_end_gather() {
        let mut upstream = Upstream::steady().await;
        for _ in 0..10 {
            let start = Instant::now();
            for _ in 0..8 {
                upstream.io.write_all(&PIECE).await.unwrap();
                tokio::task::yield_now().await;
            }
            assert_eq!(upstream.read.recv().await, Some(8 * PIECE.len()));
            assert!(waits(start.elapsed()), "{:?}", start.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_that_come_now_and_then_do_not_wait() {
        let mut upstream = Upstream::new();
        for _ in 0..4 * STEADY {
            assert_eq!(upstream.push(&PIECE).await, Duration::ZERO);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_brings_little_is_not_waited_for_again() {
        let mut upstream = Upstream::steady().await;
        assert!(waits(upstream.push(&PIECE).await));
        assert_eq!(upstream.push(&PIECE).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn much_at_once_is_followed_by_no_wait() {
        let mut upstream = Upstream::steady().await;
        assert!(waits(upstream.push(&[0; ENOUGH]).await));
        assert_eq!(upstream.push(&PIECE).await, Duration::ZERO);
        assert!(waits(upstream.push(&PIECE.repeat(WORTH)).await), "it is still steady");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_while_a_call_has_no_answer() {
        let mut upstream = Upstream::steady().await;
        upstream.tally.unanswered.store(1, Relaxed);
        for _ in 0..4 * STEADY {
            assert_eq!(upstream.push(&PIECE).await, Duration::ZERO);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_said_ends_the_wait() {
        let mut upstream = Upstream::steady().await;
        let start = Instant::now();
        upstream.io.write_all(&PIECE).await.unwrap();
        tokio::task::yield_now().await;
        assert!(upstream.read.is_empty(), "it waits");
        upstream.say(&HEADERS).await;
        assert_eq!(upstream.read.recv().await, Some(PIECE.len()));
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..4 * STEADY {
            assert_eq!(upstream.push(&PIECE).await, Duration::ZERO, "the answer may still come");
        }
        tokio::time::sleep(PATIENCE).await;
        let mut waited = false;
        for _ in 0..2 * STEADY {
            waited |= waits(upstream.push(&PIECE).await);
        }
        assert!(waited, "it is steady again");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_what_comes_has_said_nothing() {
        let mut upstream = Upstream::steady().await;
        upstream.say(&WINDOW_UPDATE).await;
        assert!(waits(upstream.push(&PIECE).await));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_seen() {
        let mut upstream = Upstream::steady().await;
        let start = Instant::now();
        upstream.io.shutdown().await.unwrap();
        assert_eq!(upstream.read.recv().await, Some(0));
        assert!(start.elapsed() <= WAIT + Duration::from_millis(1));
    }
}
