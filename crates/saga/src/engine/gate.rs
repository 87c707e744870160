//! The budget of one dependency: a dead participant is probed by a few, not hammered by thousands.
//!
//! While the dependency answers, a gate costs two loads of an atomic. After [`THRESHOLD`] unknown outcomes in a row it closes:
//! [`PROBES`] attempts at a time, none before a backoff has passed. Each answer doubles what is let through, each further unknown
//! outcome halves it, and from [`OPEN`] on the gate is open again. Those who wait stand in one queue; only its head has a timer.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use madrigal_core::Host;
use madrigal_core::tasks::{self, Instant};
use tokio::sync::Notify;

use super::backoff;

/// Unknown outcomes in a row that close the gate: more than one saga's bad luck, and few enough to be quick.
const THRESHOLD: u32 = 8;
/// Attempts at a time when it has just closed.
const PROBES: usize = 2;
/// Attempts at a time from which it counts as open.
const OPEN: usize = 1_024;
/// The first and the longest time between probes.
const BETWEEN_PROBES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

#[derive(Default)]
struct Narrow {
    allowed: usize,
    under_way: usize,
    failed_probes: u32,
    not_before: Option<Instant>,
}

/// The budget of the dependency behind one step name.
pub(crate) struct Gate {
    host: Host,
    open: AtomicBool,
    failures: AtomicU32,
    narrow: Mutex<Narrow>,
    queue: tokio::sync::Mutex<()>,
    bell: Notify,
}

/// The right to make one attempt.
pub(crate) struct Permit {
    gate: Option<Arc<Gate>>,
    counted: bool,
}

impl Gate {
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            open: AtomicBool::new(true),
            failures: AtomicU32::new(0),
            narrow: Mutex::default(),
            queue: tokio::sync::Mutex::new(()),
            bell: Notify::new(),
        }
    }

    /// Whether the dependency answers, as far as is known.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// A permit, if there is one at once.
    pub(crate) fn try_enter(self: &Arc<Self>) -> Option<Permit> {
        if self.open.load(Ordering::Relaxed) {
            return Some(Permit { gate: Some(Arc::clone(self)), counted: false });
        }
        let mut narrow = self.narrow();
        let now = tasks::instant();
        if narrow.under_way >= narrow.allowed || narrow.not_before.is_some_and(|moment| now < moment) {
            return None;
        }
        narrow.under_way += 1;
        Some(Permit { gate: Some(Arc::clone(self)), counted: true })
    }

    /// Waits for a permit, first come first served. Dropping the wait gives up the place.
    pub(crate) async fn enter(self: &Arc<Self>) -> Permit {
        let _head = self.queue.lock().await;
        loop {
            let rung = self.bell.notified();
            if let Some(permit) = self.try_enter() {
                return permit;
            }
            match self.until_next() {
                Some(wait) => {
                    let _ = tasks::within(wait, rung).await;
                }
                None => rung.await,
            }
        }
    }

    /// How long until there may be a permit; `None` where only the end of an attempt under way, which rings, can make one.
    fn until_next(&self) -> Option<Duration> {
        let narrow = self.narrow();
        let wait = narrow.not_before.map(|moment| moment.saturating_duration_since(tasks::instant()));
        match wait {
            Some(wait) if !wait.is_zero() => Some(wait),
            _ if narrow.under_way >= narrow.allowed => None,
            _ => Some(Duration::ZERO),
        }
    }

    fn answered(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.open.load(Ordering::Relaxed) {
            return;
        }
        let mut narrow = self.narrow();
        narrow.allowed *= 2;
        narrow.failed_probes = 0;
        narrow.not_before = None;
        if narrow.allowed >= OPEN {
            self.open.store(true, Ordering::Relaxed);
        }
    }

    fn unanswered(&self, counted: bool) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let open = self.open.load(Ordering::Relaxed);
        if open && failures < THRESHOLD {
            return;
        }
        let mut narrow = self.narrow();
        if open {
            if self.open.swap(false, Ordering::Relaxed) {
                narrow.allowed = PROBES;
                narrow.failed_probes = 0;
            }
        } else if counted {
            narrow.allowed = (narrow.allowed / 2).max(1);
            narrow.failed_probes = narrow.failed_probes.saturating_add(1);
        } else {
            return;
        }
        let (first, cap) = BETWEEN_PROBES;
        let wait = backoff(&self.host, first, cap, narrow.failed_probes.saturating_add(1));
        narrow.not_before = Some(tasks::instant() + wait);
    }

    fn narrow(&self) -> MutexGuard<'_, Narrow> {
        self.narrow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Says whether the dependency answered, whatever it said.
    pub(crate) fn settle(self, answered: bool) {
        if let Some(gate) = &self.gate {
            if answered {
                gate.answered();
            } else {
                gate.unanswered(self.counted);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take()
            && self.counted
        {
            let mut narrow = gate.narrow();
            narrow.under_way = narrow.under_way.saturating_sub(1);
            drop(narrow);
            gate.bell.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_dead_dependency_is_probed_by_few_and_opens_again_when_it_answers() {
        let gate = Arc::new(Gate::new(Host::seeded(1)));
        for _ in 0..THRESHOLD {
            gate.try_enter().unwrap().settle(false);
        }
        assert!(gate.try_enter().is_none(), "closed, and no probe before its time");
        let (first, second) = (gate.enter().await, gate.enter().await);
        assert!(gate.try_enter().is_none(), "two probes at a time");
        first.settle(false);
        second.settle(false);
        let probe = gate.enter().await;
        assert!(gate.try_enter().is_none(), "one probe after two more failures");
        probe.settle(true);
        let mut answers = 0;
        while !gate.open.load(Ordering::Relaxed) {
            gate.enter().await.settle(true);
            answers += 1;
        }
        assert!(answers < 16, "each answer doubles what is let through: {answers}");
    }

    /// Counts how often a future asks to be polled again.
    #[derive(Default)]
    struct Wakes(AtomicU32);

    impl futures::task::ArcWake for Wakes {
        fn wake_by_ref(wakes: &Arc<Self>) {
            wakes.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_probes_answers_sleeps() {
        let gate = Arc::new(Gate::new(Host::seeded(1)));
        for _ in 0..THRESHOLD {
            gate.try_enter().unwrap().settle(false);
        }
        let _probes = (gate.enter().await, gate.enter().await);
        tasks::sleep(BETWEEN_PROBES.1).await;
        let wakes = Arc::new(Wakes::default());
        let waker = futures::task::waker(Arc::clone(&wakes));
        let mut third = std::pin::pin!(gate.enter());
        assert!(third.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        tasks::sleep(BETWEEN_PROBES.1).await;
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0, "only a probe's end is worth waking up for");
    }
}
