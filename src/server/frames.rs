//! Reads the heads of HTTP/2 frames as they go by, and calls it a flood when a peer says more than it does.
//!
//! h2 bounds what it must remember: streams (CVE-2023-44487, CVE-2025-8671), headers and CONTINUATION (CVE-2024-27316).
//! It answers or ignores what is cheap: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty and tiny DATA, frames that nobody knows, and
//! resets of streams that were served. Cheap things without an end are not cheap, so here each costs something, and work earns it back:
//! requests, bytes of bodies, bytes that we send. Whoever runs out of credit is cut off.
//!
//! The decision to question: the wire is read a second time. It costs a few nanoseconds a frame and nothing for its bytes, and no
//! library bounds these.

use std::time::Duration;

use tokio::time::Instant;

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length of a frame's head (RFC 9113, 4.1).
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// What a peer may say beyond its work before it is a flood, and what it gets back each second.
const CREDIT: i64 = 4000;
const CREDIT_A_SECOND: i64 = 1000;
/// A reset takes back a request that was worked for.
const RESET_COSTS: i64 = 10;
/// DATA so small that it is not even a message of gRPC with a few bytes in it: nobody sends many of them who means to say something.
const TINY: usize = 8;
/// Each goes on as a frame of its own.
const TINY_COSTS: i64 = 8;
/// A request is followed by window updates, pings that measure the way, an end.
const REQUEST_EARNS: i64 = 5;
/// Bytes of headers that take one of what a request earns: each may be a header of its own, or stand for one.
const HEADER_BYTES: i64 = 256;
/// Bytes of headers that are as much work as one frame.
const HEADER_WORK: usize = 8;
/// Bytes either way that earn one frame: half of what receivers of big messages acknowledge at once.
const BYTES_EARN: usize = 4 << 10;

/// The frames of one connection. For HTTP/1 it looks at the first bytes and never again.
#[derive(Debug)]
pub(super) struct Frames {
    at: At,
    credit: i64,
    earned: usize,
    refilled: Instant,
    /// Since somebody last asked.
    work: usize,
}

/// Where in the stream of bytes we are.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Nothing is looked at: HTTP/1, or a peer that is believed.
    Off,
    /// After so many bytes of the preface.
    Preface(usize),
    /// After so many bytes of a frame's head.
    Head([u8; HEAD], usize),
    /// Before so many bytes that belong to a frame.
    Payload(usize),
}

/// A peer says more than it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flood;

impl Frames {
    /// Frames of a caller.
    pub(super) fn watched() -> Self {
        Self::new(At::Preface(0))
    }

    /// Frames of a peer that is believed.
    pub(super) fn believed() -> Self {
        Self::new(At::Off)
    }

    fn new(at: At) -> Self {
        Self {
            at,
            credit: CREDIT,
            earned: 0,
            refilled: Instant::now(),
            work: 0,
        }
    }

    /// Takes note of bytes that came.
    pub(super) fn received(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        while !bytes.is_empty() {
            match self.at {
                At::Off => return Ok(()),
                At::Payload(left) => {
                    let skipped = left.min(bytes.len());
                    bytes = &bytes[skipped..];
                    self.at = match left - skipped {
                        0 => At::Head([0; HEAD], 0),
                        left => At::Payload(left),
                    };
                }
                At::Head(head, had) => bytes = self.head(head, had, bytes)?,
                At::Preface(had) => {
                    let more = (PREFACE.len() - had).min(bytes.len());
                    if bytes[..more] != PREFACE[had..had + more] {
                        self.at = At::Off;
                        return Ok(());
                    }
                    bytes = &bytes[more..];
                    self.at = match had + more {
                        24 => At::Head([0; HEAD], 0),
                        had => At::Preface(had),
                    };
                }
            }
        }
        Ok(())
    }

    /// How much work came since this was last asked, in frames.
    pub(super) fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.work)
    }

    /// Takes note of bytes that were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        if !matches!(self.at, At::Off) {
            self.earn(bytes);
        }
    }

    fn head<'a>(&mut self, mut head: [u8; HEAD], had: usize, bytes: &'a [u8]) -> Result<&'a [u8], Flood> {
        let more = (HEAD - had).min(bytes.len());
        head[had..had + more].copy_from_slice(&bytes[..more]);
        if had + more < HEAD {
            self.at = At::Head(head, had + more);
            return Ok(&[]);
        }
        let [.., kind, flags, _, _, _, _] = head;
        let length = payload(&head);
        self.at = match length {
            0 => At::Head([0; HEAD], 0),
            length => At::Payload(length),
        };
        self.frame(kind, flags, length)?;
        Ok(&bytes[more..])
    }

    fn frame(&mut self, kind: u8, flags: u8, length: usize) -> Result<(), Flood> {
        self.work += match kind {
            HEADERS | CONTINUATION => 1 + length / HEADER_WORK,
            _ => 1,
        };
        match kind {
            DATA if length > TINY || flags & END_STREAM != 0 => self.earn(length),
            HEADERS => {
                let headers = i64::try_from(length).unwrap_or(i64::MAX) / HEADER_BYTES;
                if headers > REQUEST_EARNS {
                    return self.pay(headers - REQUEST_EARNS);
                }
                self.credit = (self.credit + REQUEST_EARNS - headers).min(CREDIT);
            }
            RST_STREAM => return self.pay(RESET_COSTS),
            DATA if length > 0 => return self.pay(TINY_COSTS),
            _ => return self.pay(1),
        }
        Ok(())
    }

    fn earn(&mut self, bytes: usize) {
        self.earned += bytes;
        if self.earned >= BYTES_EARN {
            let frames = i64::try_from(self.earned / BYTES_EARN).unwrap_or(CREDIT);
            self.earned %= BYTES_EARN;
            self.credit = (self.credit + frames).min(CREDIT);
        }
    }

    /// The clock is looked at only by those who have used up everything.
    fn pay(&mut self, price: i64) -> Result<(), Flood> {
        self.credit -= price;
        if self.credit >= 0 {
            return Ok(());
        }
        let past = self.refilled.elapsed().min(Duration::from_secs(60));
        let millis = i64::try_from(past.as_millis()).unwrap_or(0);
        self.refilled = Instant::now();
        self.credit = (self.credit + millis * CREDIT_A_SECOND / 1000).min(CREDIT);
        if self.credit >= 0 { Ok(()) } else { Err(Flood) }
    }
}

/// Whether whole frames, as they are written, say only that their sender listens: window updates and pings.
pub(crate) fn only_listens(mut frames: &[u8]) -> bool {
    while let Some((head, behind)) = frames.split_first_chunk::<HEAD>() {
        let rest = behind.get(payload(head)..);
        let (WINDOW_UPDATE | PING, Some(rest)) = (head[3], rest) else {
            return false;
        };
        frames = rest;
    }
    frames.is_empty()
}

/// Bytes behind a frame's head.
fn payload(head: &[u8; HEAD]) -> usize {
    let [high, middle, low, ..] = *head;
    u32::from_be_bytes([0, high, middle, low]) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut bytes = [&length[1..], &[kind, flags, 0, 0, 0, 1]].concat();
        bytes.resize(HEAD + payload, 0xff);
        bytes
    }

    fn http2() -> Frames {
        let mut frames = Frames::watched();
        frames.received(PREFACE).unwrap();
        frames
    }

    /// How many of these frames are borne at once, at most `most`.
    fn borne(frame: &[u8], most: usize) -> usize {
        let mut frames = http2();
        (0..most).take_while(|_| frames.received(frame).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn what_says_much_and_does_nothing_is_a_flood() {
        for (kind, payload) in [
            (DATA, 0),
            (2, 5),
            (4, 0),
            (PING, 8),
            (WINDOW_UPDATE, 4),
            (9, 100),
            (0xbe, 0),
        ] {
            assert_eq!(borne(&frame(kind, 0, payload), 10_000), 4000, "kind {kind}");
        }
        assert_eq!(borne(&frame(RST_STREAM, 0, 4), 10_000), 400);
        assert_eq!(borne(&frame(DATA, 0, 1), 10_000), 500);
        let back = [frame(HEADERS, 5, 30), frame(RST_STREAM, 0, 4)].concat();
        assert_eq!(borne(&back, 10_000), 799, "opened and taken back");
        assert_eq!(
            borne(&frame(HEADERS, 5, 10 << 10), 10_000),
            114,
            "large headers, with nothing else"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn work_earns_what_it_needs() {
        // Requests, each with a ping, two updates and an end.
        let call = [
            frame(HEADERS, 4, 200),
            frame(DATA, END_STREAM, 100),
            frame(PING, 0, 8),
            frame(WINDOW_UPDATE, 0, 4),
            frame(WINDOW_UPDATE, 0, 4),
        ];
        assert_eq!(borne(&call.concat(), 50_000), 50_000);
        assert_eq!(borne(&frame(DATA, 0, 9), 50_000), 50_000, "small messages");
        // A download whose receiver acknowledges every frame twice.
        let mut frames = http2();
        for _ in 0..50_000 {
            frames.sent(16 << 10);
            assert_eq!(frames.received(&frame(WINDOW_UPDATE, 0, 4).repeat(2)), Ok(()));
        }
        // A caller that says little, for long.
        for _ in 0..50_000 {
            tokio::time::advance(Duration::from_millis(2)).await;
            assert_eq!(frames.received(&frame(PING, 0, 8)), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn frames_are_counted_however_they_are_cut() {
        let mut bytes = PREFACE.to_vec();
        for _ in 0..4000 {
            bytes.extend(frame(PING, 0, 8));
            bytes.extend(frame(HEADERS, 4, 0));
        }
        for size in [1, 2, 3, 7, 8, 9, 10, 100, 4096] {
            let mut frames = Frames::watched();
            for piece in bytes.chunks(size) {
                frames.received(piece).unwrap();
            }
            assert_eq!(frames.credit, CREDIT, "pieces of {size}");
            assert!(matches!(frames.at, At::Head(_, 0)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn http1_and_believed_peers_are_left_alone() {
        for (mut frames, first) in [
            (Frames::watched(), &b"PRI * HTTP/1.1\r\n"[..]),
            (Frames::watched(), b"GET / HTTP/1.1\r\n"),
            (Frames::believed(), PREFACE),
        ] {
            frames.received(first).unwrap();
            frames.received(&frame(PING, 0, 8).repeat(100_000)).unwrap();
            assert!(matches!(frames.at, At::Off));
        }
    }

    #[test]
    fn listening_is_told_from_speaking() {
        let update = frame(WINDOW_UPDATE, 0, 4);
        let both = [update.clone(), frame(PING, 1, 8), update.clone()].concat();
        assert!(only_listens(&update) && only_listens(&both));
        assert!(!only_listens(&both[..both.len() - 1]), "not whole");
        for (kind, length) in [(DATA, 3), (HEADERS, 4), (RST_STREAM, 4), (4, 0)] {
            let said = [update.clone(), frame(kind, 0, length)].concat();
            assert!(!only_listens(&said), "{kind}");
        }
    }
}
