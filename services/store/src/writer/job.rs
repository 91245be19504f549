//! A write on its way through the queue, with the place its answer goes to.

use tokio::sync::oneshot;
use tracing::Span;

use crate::{BoxFuture, Error, Tx};

/// A write whose types the writer does not know.
pub(crate) trait Job: Send {
    /// Whether nobody waits for the answer any more. Asked before the job starts; one that has started is committed.
    fn abandoned(&self) -> bool;
    /// Span of the caller's write.
    fn span(&self) -> &Span;
    /// Runs the job and keeps its result. Returns whether its changes shall stay.
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, bool>;
    /// Answers the caller: with the job's own result where the batch of `jobs` was committed.
    fn answer(self: Box<Self>, outcome: &Result<(), Error>, jobs: usize);
}

/// A job with its types.
pub(crate) struct Typed<F, T, E> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
    span: Span,
}

impl<F, T, E> Typed<F, T, E> {
    pub(crate) fn new(work: F, reply: oneshot::Sender<Result<T, E>>, span: Span) -> Self {
        Self {
            work: Some(work),
            result: None,
            reply,
            span,
        }
    }
}

impl<F, T, E> Job for Typed<F, T, E>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn span(&self) -> &Span {
        &self.span
    }

    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return false };
            let result = work(tx).await;
            let keep = result.is_ok();
            self.result = Some(result);
            keep
        })
    }

    fn answer(self: Box<Self>, outcome: &Result<(), Error>, jobs: usize) {
        self.span.record("jobs", jobs);
        let result = match (outcome, self.result) {
            // The job's own failure holds whatever became of the batch.
            (_, Some(Err(error))) => Err(error),
            (Err(error), _) => Err(E::from(error.clone())),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(E::from(Error::defect("a write job panicked"))),
        };
        let _ = self.reply.send(result);
    }
}
