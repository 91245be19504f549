//! How long a connection is kept.
//!
//! The decision to question: one timer for all that may end it. Each would be simpler by itself, but it stands in the task of every
//! connection, and an idle connection is little more than its task.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use rand::Rng;
use tokio::time::{Instant, sleep_until};

use super::{HEAD_TIMEOUT, traffic::Traffic};

/// Length of HTTP/2's preface. Until so much has come hyper does not know the protocol, and waits without a limit of its own.
const PREFACE: usize = 24;
/// A peer that makes no room for an answer for two of these is gone, or means to make us keep it.
const TURN: Duration = Duration::from_secs(60);
/// Share of a connection's age that is added or taken at random, so that connections which came together do not go together.
const JITTER: f64 = 0.1;

/// How long a caller's connection is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) idle: Duration,
    pub(super) age: Duration,
}

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It is cut: its peer says nothing at all, or takes nothing of its answers.
    Cut(&'static str),
    /// It ends in order: it is old, or nobody asks anything any more. What is under way goes on.
    End,
}

/// When a connection is looked at next.
#[derive(Debug)]
pub(super) struct Looks {
    /// At what the peer says and takes.
    peer: Instant,
    /// Not before the first of those looks.
    spoken: bool,
    /// At what is asked; not where that does not end it, or has.
    asked: Option<Asked>,
}

#[derive(Debug)]
struct Asked {
    idle: Duration,
    look: Instant,
    old: Instant,
    /// Requests at the last look.
    requests: usize,
}

impl Looks {
    /// Begins now; without a `life` nothing but its peer ends a connection.
    pub(super) fn new(life: Option<Life>) -> Self {
        let now = Instant::now();
        Self {
            peer: now + HEAD_TIMEOUT,
            spoken: false,
            asked: life.map(|life| Asked {
                idle: life.idle,
                look: now + life.idle,
                old: now + life.age.mul_f64(rand::rng().random_range(1.0 - JITTER..1.0 + JITTER)),
                requests: 0,
            }),
        }
    }

    /// Waits until something is to be done. Nothing is lost when it is dropped and called again.
    pub(super) async fn due(&mut self, traffic: &Traffic) -> Due {
        loop {
            let asked = self.asked.as_ref().map(|asked| asked.look.min(asked.old));
            sleep_until(asked.map_or(self.peer, |at| at.min(self.peer))).await;
            if let Some(due) = self.look(Instant::now(), traffic) {
                return due;
            }
        }
    }

    /// Looks no more at what is asked: the connection ends already.
    pub(super) fn ending(&mut self) {
        self.asked = None;
    }

    fn look(&mut self, now: Instant, traffic: &Traffic) -> Option<Due> {
        if self.peer <= now {
            self.peer = now + TURN;
            if !std::mem::replace(&mut self.spoken, true) {
                if traffic.received.load(Relaxed) < PREFACE {
                    return Some(Due::Cut("silent"));
                }
            } else if traffic.stalled() {
                return Some(Due::Cut("stalled"));
            }
        }
        let asked = self.asked.as_mut()?;
        if asked.old <= now {
            return Some(Due::End);
        }
        if asked.look <= now {
            asked.look = now + asked.idle;
            let before = std::mem::replace(&mut asked.requests, traffic.requests.load(Relaxed));
            return (before == asked.requests).then_some(Due::End);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(25);
    const AGE: Duration = Duration::from_secs(1000);

    fn seconds(start: Instant) -> u64 {
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_cut_and_one_that_speaks_is_looked_at_again() {
        let (traffic, start) = (Traffic::default(), Instant::now());
        traffic.received.store(PREFACE - 1, Relaxed);
        assert_eq!(Looks::new(None).due(&traffic).await, Due::Cut("silent"));
        assert_eq!(start.elapsed(), HEAD_TIMEOUT);

        traffic.received.store(PREFACE, Relaxed);
        let mut looks = Looks::new(None);
        let due = tokio::time::timeout(Duration::from_secs(10_000), looks.due(&traffic)).await;
        assert!(due.is_err(), "a peer is kept for as long as it likes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_asks_nothing_between_two_looks_is_told_to_go() {
        let (traffic, start) = (Traffic::default(), Instant::now());
        traffic.received.store(PREFACE, Relaxed);
        traffic.requests.store(1, Relaxed);
        let life = Life { idle: IDLE, age: AGE };
        let mut looks = Looks::new(Some(life));
        assert_eq!((looks.due(&traffic).await, seconds(start)), (Due::End, 50));
        looks.ending();
        let due = tokio::time::timeout(AGE * 2, looks.due(&traffic)).await;
        assert!(due.is_err(), "and not again");
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_connection_is_told_to_go_whatever_is_asked() {
        let (traffic, start) = (Traffic::default(), Instant::now());
        traffic.received.store(PREFACE, Relaxed);
        let mut looks = Looks::new(Some(Life { idle: IDLE, age: AGE }));
        let asking = async {
            loop {
                traffic.requests.fetch_add(1, Relaxed);
                tokio::time::sleep(IDLE / 2).await;
            }
        };
        let due = tokio::select! {
            due = looks.due(&traffic) => due,
            () = asking => unreachable!("it asks for ever"),
        };
        assert_eq!(due, Due::End);
        assert!((900..=1100).contains(&seconds(start)), "{}", seconds(start));
    }
}
