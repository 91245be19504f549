//! What is held, for how long, and in which writes it leaves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Wake,
};

use super::*;

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Something that says this, and keeps each write apart.
struct Peer(&'static [u8], Vec<Vec<u8>>);

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        buf.put_slice(std::mem::take(&mut self.0));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.1.push(buf.to_vec());
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A connection, and the turns of its task.
struct Task {
    io: Gathered<Peer>,
    woken: Arc<Woken>,
}

impl Task {
    /// Past its handshake.
    fn new(says: &'static [u8]) -> Self {
        let mut task = Self {
            io: Gathered::accepted(Peer(says, Vec::new())),
            woken: Arc::default(),
        };
        task.turn(&[]);
        task.turn(&[]);
        task
    }

    /// Reads, writes, and flushes after each write, as h2 does.
    fn turn(&mut self, writes: &[&[u8]]) {
        let waker = Arc::clone(&self.woken).into();
        let cx = &mut Context::from_waker(&waker);
        let mut io = Pin::new(&mut self.io);
        assert!(io.as_mut().poll_read(cx, &mut ReadBuf::new(&mut [0; 64])).is_ready());
        for write in writes {
            assert!(matches!(io.as_mut().poll_write(cx, write), Poll::Ready(Ok(n)) if n == write.len()));
            assert!(io.as_mut().poll_flush(cx).is_ready());
        }
        assert!(io.as_mut().poll_flush(cx).is_ready());
    }

    fn written(&self) -> Vec<&[u8]> {
        self.io.io.1.iter().map(Vec::as_slice).collect()
    }

    fn woken(&self) -> usize {
        self.woken.0.load(Relaxed)
    }
}

const H2: &[u8] = b"PRI * HTTP/2.0";

#[test]
fn what_is_said_within_a_turn_leaves_with_the_next_flush() {
    let mut task = Task::new(H2);
    task.turn(&[b"a", b"b"]);
    assert_eq!((task.written().len(), task.woken()), (0, 1), "the task runs again");
    task.turn(&[]);
    assert_eq!((task.written(), task.woken()), (vec![&b"ab"[..]], 1));
}

#[test]
fn a_large_write_goes_at_once_behind_what_is_held() {
    let mut task = Task::new(H2);
    let large = vec![7; ENOUGH];
    task.turn(&[b"a", &large]);
    assert_eq!(task.written(), [&b"a"[..], &large]);
}

#[test]
fn no_more_is_held_than_is_allowed() {
    let mut task = Task::new(H2);
    let piece = vec![7; ENOUGH - 1];
    task.turn(&[piece.as_slice(); 3]);
    assert_eq!(task.written()[0].len(), 2 * piece.len());
    assert!(task.io.held.bytes.len() <= MOST);
}

#[test]
fn four_frames_of_the_usual_size_leave_together() {
    let mut task = Task::new(H2);
    let frame = vec![7; (16 << 10) + 9];
    task.turn(&[frame.as_slice(); 4]);
    task.turn(&[]);
    assert_eq!(task.written(), [&frame.repeat(4)]);
}

#[test]
fn room_for_much_is_given_back_by_who_says_little() {
    let mut task = Task::new(H2);
    task.turn(&[&[7; 10 << 10]]);
    task.turn(&[]);
    assert!(task.io.held.bytes.capacity() >= MOST);
    task.turn(&[b"a"]);
    task.turn(&[]);
    assert!(task.io.held.bytes.capacity() <= KEPT);
}

#[test]
fn the_handshake_and_http_1_do_not_wait() {
    let mut task = Task::new(b"POST / HTTP/1.1");
    task.turn(&[b"a"]);
    assert_eq!((task.written(), task.woken()), (vec![&b"a"[..]], 0));
    let mut early = Task {
        io: Gathered::http2(Peer(b"", Vec::new())),
        woken: Arc::default(),
    };
    early.turn(&[b"settings"]);
    assert_eq!(early.written(), [b"settings"]);
}

#[test]
fn the_end_writes_what_is_held() {
    let mut task = Task::new(H2);
    task.turn(&[b"last"]);
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    assert!(Pin::new(&mut task.io).poll_shutdown(cx).is_ready());
    assert_eq!(task.written(), [b"last"]);
}

/// Takes so many bytes with each write, of all pieces that are offered.
struct Narrow(usize, Vec<Vec<u8>>);

impl AsyncWrite for Narrow {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = bufs.iter().flat_map(|buf| buf.iter().copied());
        let taken: Vec<u8> = all.take(self.0).collect();
        let bytes = taken.len();
        self.1.push(taken);
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Writes a small piece, which is held, and a large one behind it, to a peer that takes so many bytes at once.
fn written_to(width: usize) -> Vec<Vec<u8>> {
    let mut io = Gathered::http2(Narrow(width, Vec::new()));
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    let large: Vec<u8> = (0..=255).cycle().take(ENOUGH).collect();
    let polled = Pin::new(&mut io).poll_write(cx, b"small");
    assert!(matches!(polled, Poll::Ready(Ok(5))));
    let mut rest = large.as_slice();
    while !rest.is_empty() {
        let bufs = [
            io::IoSlice::new(&rest[..rest.len() / 2]),
            io::IoSlice::new(&rest[rest.len() / 2..]),
        ];
        let Poll::Ready(Ok(bytes)) = Pin::new(&mut io).poll_write_vectored(cx, &bufs) else {
            panic!("it is ready");
        };
        assert!(bytes > 0, "nothing written is an error to callers");
        rest = &rest[bytes..];
    }
    // What a narrow peer left over may be held anew.
    assert!(Pin::new(&mut io).poll_shutdown(cx).is_ready());
    assert!(
        io.io.1.concat() == [b"small", large.as_slice()].concat(),
        "all, and in its order"
    );
    io.io.1
}

#[test]
fn what_is_held_leaves_with_what_ends_the_hold() {
    assert_eq!(written_to(usize::MAX).len(), 1);
}

#[test]
fn a_peer_that_takes_parts_gets_every_byte_once() {
    for width in [1, 4, 5, 6, 1000, ENOUGH, ENOUGH + 4, ENOUGH + 5] {
        written_to(width);
    }
}
