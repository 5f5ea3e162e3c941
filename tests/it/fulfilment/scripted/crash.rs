//! A worker that dies at any step: a future that is dropped after so many polls.

use std::pin::Pin;
use std::task::{Context, Poll};

/// Polls what it holds so often, and then no more; none where it was not done by then.
pub struct Dies<F> {
    inner: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Dies<F> {
    pub fn after(polls: usize, inner: F) -> Self {
        Self { inner: Box::pin(inner), polls }
    }
}

impl<F: Future> Future for Dies<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.inner.as_mut().poll(context).map(Some)
    }
}
