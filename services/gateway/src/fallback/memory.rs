//! Answers that were good, by what was asked; bounded, oldest out first.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use logicore::ids::{RoleName, TenantId, UserId};
use tokio::time::Instant;

/// Answers kept at most.
const MOST: usize = 1024;
/// Bytes of answers kept at most.
const MOST_BYTES: usize = 16 << 20;

/// What was asked, by whom, under which roles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) method: Arc<str>,
    pub(super) message: Bytes,
    pub(super) principal: Option<(TenantId, UserId)>,
    pub(super) roles: Arc<[RoleName]>,
    pub(super) policy: u64,
}

/// A good answer: its framed message, and when it came.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) data: Bytes,
    pub(super) since: Instant,
}

impl Kept {
    pub(super) fn new(data: Bytes) -> Self {
        Self {
            data,
            since: Instant::now(),
        }
    }
}

/// The answers.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    kept: HashMap<Question, Kept>,
    order: VecDeque<Question>,
    bytes: usize,
}

impl Memory {
    pub(super) fn find(&self, question: &Question) -> Option<Kept> {
        self.lock().kept.get(question).cloned()
    }

    pub(super) fn keep(&self, question: Question, answer: Kept) {
        let mut inner = self.lock();
        inner.bytes += answer.data.len();
        match inner.kept.insert(question.clone(), answer) {
            Some(old) => inner.bytes -= old.data.len(),
            None => {
                inner.bytes += question.message.len();
                inner.order.push_back(question);
            }
        }
        while inner.order.len() > MOST || inner.bytes > MOST_BYTES {
            let Some(oldest) = inner.order.pop_front() else {
                return;
            };
            let old = inner.kept.remove(&oldest).map_or(0, |k| k.data.len());
            inner.bytes = inner.bytes.saturating_sub(old + oldest.message.len());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(n: usize) -> Question {
        Question {
            method: "/m".into(),
            message: Bytes::from(n.to_string()),
            principal: None,
            roles: Arc::default(),
            policy: 1,
        }
    }

    #[tokio::test]
    async fn the_oldest_go_first() {
        let memory = Memory::default();
        for n in 0..MOST + 10 {
            memory.keep(question(n), Kept::new(Bytes::from_static(b"x")));
        }
        assert!(memory.find(&question(9)).is_none());
        assert!(memory.find(&question(10)).is_some());
    }

    #[tokio::test]
    async fn bytes_are_bounded_and_a_newer_answer_replaces() {
        let memory = Memory::default();
        let large = Bytes::from(vec![0; MOST_BYTES / 4]);
        for n in 0..6 {
            memory.keep(question(0), Kept::new(large.clone()));
            memory.keep(question(n), Kept::new(large.clone()));
        }
        let inner = memory.lock();
        assert!(inner.bytes <= MOST_BYTES && inner.kept.len() == inner.order.len());
        assert!(inner.kept.len() >= 3);
    }
}
