use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::{Future, Outcome, State};
use crate::{StopLevel, TaskError, Unsupported, context, panic};

/// The future that [`Future::then`] gives.
#[must_use = "a future does nothing by itself"]
pub struct Then<Fut, G, F>
where
    Fut: Future,
{
    chain: Arc<Chain<Fut, G, F>>,
    /// The waker of the last poll, to be replaced by the next and forgotten on drop.
    polled: Option<Waker>,
    unsubscribe: fn(&Chain<Fut, G, F>, &Waker),
}

/// Two steps, the second made from the value of the first. Whoever sees the first one done
/// makes the second; usually the callback that `new` leaves with the first.
struct Chain<Fut, G, F> {
    first: Fut,
    /// Both change together, under the lock, when the second step is made: then what waited for the
    /// first moves on.
    step: Mutex<Step<F>>,
    second: OnceLock<Result<G, TaskError>>,
}

struct Step<F> {
    f: Option<F>,
    wakers: Vec<Waker>,
    callbacks: Vec<Box<dyn FnOnce(Outcome) + Send>>,
}

impl<Fut, G, F> Then<Fut, G, F>
where
    Fut: Future + Sync + 'static,
    G: Future + Sync + 'static,
    F: FnOnce(Fut::Value) -> G + Send + 'static,
{
    pub(super) fn new(first: Fut, f: F) -> Self {
        let step = Step {
            f: Some(f),
            wakers: Vec::new(),
            callbacks: Vec::new(),
        };
        let chain = Arc::new(Chain {
            first,
            step: Mutex::new(step),
            second: OnceLock::new(),
        });
        // The callback keeps the chain, and the chain the first future: until that is done.
        let callback = Arc::clone(&chain);
        chain.first.on_done(move |_| callback.advance());
        Self {
            chain,
            polled: None,
            unsubscribe: Chain::unsubscribe,
        }
    }
}

impl<Fut, G, F> Chain<Fut, G, F>
where
    Fut: Future,
    G: Future + 'static,
    F: FnOnce(Fut::Value) -> G,
{
    /// Makes the second step; the first must be done.
    fn advance(&self) {
        // `f` runs outside the lock: it may look at this very future. Whoever takes it makes the step.
        let Some(f) = self.lock().f.take() else {
            return;
        };
        let second = match self.first.take() {
            Some(Ok(value)) => panic::catch(|| f(value)),
            Some(Err(error)) => Err(error),
            None => Err(TaskError::lost()),
        };
        let second = self.second.get_or_init(|| second);
        let (wakers, callbacks) = {
            let mut step = self.lock();
            (
                std::mem::take(&mut step.wakers),
                std::mem::take(&mut step.callbacks),
            )
        };
        for waker in wakers {
            // A blocking waiter wants to be woken for the new step too: it may be able to help.
            if let Ok(second) = second {
                second.subscribe(&waker);
            }
            panic::guard(|| waker.wake());
        }
        for callback in callbacks {
            match second {
                Ok(second) => second.on_done(callback),
                Err(error) => panic::guard(|| callback(outcome_of(error))),
            }
        }
    }

    fn unsubscribe(&self, waker: &Waker) {
        self.lock().wakers.retain(|old| !old.will_wake(waker));
        if let Some(Ok(second)) = self.second.get() {
            second.unsubscribe(waker);
        }
    }
}

impl<Fut, G, F> Chain<Fut, G, F> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Step<F>> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Fut, G, F> Future for Then<Fut, G, F>
where
    Fut: Future + Sync + 'static,
    G: Future + Sync + 'static,
    F: FnOnce(Fut::Value) -> G + Send + 'static,
{
    type Value = G::Value;

    fn state(&self) -> State {
        match self.chain.second.get() {
            Some(Ok(second)) => second.state(),
            Some(Err(error)) => State::Done(outcome_of(error)),
            None => match self.chain.first.state() {
                // Whoever settled the first step is making the second at this moment.
                State::Done(_) => State::Running,
                state => state,
            },
        }
    }

    // Not by the state: a backend may have to wait for the answer, and a wait on this thread may take the wake-up that
    // was meant for whoever asks.
    fn is_done(&self) -> bool {
        match self.chain.second.get() {
            Some(Ok(second)) => second.is_done(),
            Some(Err(_)) => true,
            None => false,
        }
    }

    fn cancel(&self) -> bool {
        match self.chain.second.get() {
            Some(Ok(second)) => second.cancel(),
            Some(Err(_)) => false,
            None => self.chain.first.cancel(),
        }
    }

    fn stop(&self, level: StopLevel) -> Result<(), Unsupported> {
        match self.chain.second.get() {
            Some(Ok(second)) => second.stop(level),
            Some(Err(_)) => Ok(()),
            None => self.chain.first.stop(level),
        }
    }

    fn take(&self) -> Option<Result<Self::Value, TaskError>> {
        match self.chain.second.get()? {
            Ok(second) => second.take(),
            Err(error) => Some(Err(error.clone())),
        }
    }

    fn peek_error(&self) -> Option<TaskError> {
        match self.chain.second.get()? {
            Ok(second) => second.peek_error(),
            Err(error) => Some(error.clone()),
        }
    }

    fn subscribe(&self, waker: &Waker) -> bool {
        let mut step = self.chain.lock();
        match self.chain.second.get() {
            None => {
                if !step.wakers.iter().any(|old| old.will_wake(waker)) {
                    step.wakers.push(waker.clone());
                }
                true
            }
            Some(Ok(second)) => {
                drop(step);
                second.subscribe(waker)
            }
            Some(Err(_)) => false,
        }
    }

    fn unsubscribe(&self, waker: &Waker) {
        self.chain.unsubscribe(waker);
    }

    fn help(&self) -> bool {
        match self.chain.second.get() {
            Some(Ok(second)) => second.help(),
            Some(Err(_)) => false,
            None => self.chain.first.help(),
        }
    }

    fn would_deadlock(&self) -> bool {
        match self.chain.second.get() {
            Some(Ok(second)) => second.would_deadlock(),
            Some(Err(_)) => false,
            // The first is done, but its callback, which makes the second, is not called on a thread
            // that waits for it here.
            None => self.chain.first.would_deadlock() || context::settles(),
        }
    }

    fn on_done(&self, callback: impl FnOnce(Outcome) + Send + 'static) {
        let mut step = self.chain.lock();
        match self.chain.second.get() {
            None => step.callbacks.push(Box::new(callback)),
            Some(second) => {
                drop(step);
                match second {
                    Ok(second) => second.on_done(callback),
                    Err(error) => panic::guard(|| callback(outcome_of(error))),
                }
            }
        }
    }

    fn expires(&self) -> Option<Instant> {
        match self.chain.second.get() {
            Some(Ok(second)) => second.expires(),
            Some(Err(_)) => None,
            None => self.chain.first.expires(),
        }
    }
}

impl<Fut, G, F> std::future::Future for Then<Fut, G, F>
where
    Fut: Future + Sync + 'static,
    G: Future + Sync + 'static,
    F: FnOnce(Fut::Value) -> G + Send + 'static,
{
    type Output = Result<G::Value, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while self.help() {}
        if let Some(old) = self.polled.take_if(|old| !old.will_wake(cx.waker())) {
            self.unsubscribe(&old);
        }
        if !self.is_done() && Future::subscribe(&*self, cx.waker()) {
            self.polled = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.polled = None;
        Poll::Ready(
            self.take()
                .expect("a future was polled after it had given its result"),
        )
    }
}

impl<Fut: Future, G, F> Drop for Then<Fut, G, F> {
    fn drop(&mut self) {
        if let Some(waker) = self.polled.take() {
            (self.unsubscribe)(&self.chain, &waker);
        }
    }
}

impl<Fut: Future + fmt::Debug, G, F> fmt::Debug for Then<Fut, G, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Then").field(&self.chain.first).finish()
    }
}

fn outcome_of(error: &TaskError) -> Outcome {
    if error.is_cancelled() {
        Outcome::Cancelled
    } else {
        Outcome::Failed
    }
}
