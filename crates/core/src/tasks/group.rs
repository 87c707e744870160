//! Groups of tasks: what a process is to its machine, for simulations that run several processes in one.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::task::{AbortHandle, JoinHandle};

tokio::task_local! {
    static CURRENT: TaskGroup;
}

/// Tasks that die together: everything that is spawned by a task of the group belongs to it as well. Cheap to clone.
///
/// Outside of simulations nobody makes a group, and tasks belong to none.
#[derive(Clone, Default)]
pub struct TaskGroup(Arc<Mutex<Members>>);

#[derive(Default)]
struct Members {
    killed: bool,
    frozen: bool,
    tasks: Vec<AbortHandle>,
    /// Tasks that were woken while the group was frozen, in that order.
    woken: Vec<Waker>,
}

/// From so many on, ended tasks are forgotten now and then.
const MANY: usize = 256;

impl TaskGroup {
    /// A group without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `future` as a task of the group. In a group that was killed it never runs.
    #[expect(clippy::disallowed_methods, reason = "the place that spawns for simulations")]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let future = Box::pin(CURRENT.scope(self.clone(), future));
        let task = tokio::spawn(Freezable { group: self.clone(), future });
        let mut members = self.members();
        if members.killed {
            task.abort();
        } else {
            if members.tasks.len() >= MANY {
                members.tasks.retain(|task| !task.is_finished());
            }
            members.tasks.push(task.abort_handle());
        }
        task
    }

    /// Ends every task of the group where it stands, as the end of a process would: none is polled again.
    pub fn kill(&self) {
        let tasks = {
            let mut members = self.members();
            members.killed = true;
            std::mem::take(&mut members.tasks)
        };
        tasks.iter().for_each(AbortHandle::abort);
    }

    /// From now on no task of the group is polled, as in a process that stands still while the world goes on: it neither
    /// learns what came meanwhile nor how long it took, until [`TaskGroup::thaw`].
    pub fn freeze(&self) {
        self.members().frozen = true;
    }

    /// Lets the tasks of a frozen group go on, in the order in which they were woken meanwhile.
    pub fn thaw(&self) {
        let woken = {
            let mut members = self.members();
            members.frozen = false;
            std::mem::take(&mut members.woken)
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// Whether it was killed.
    pub fn is_killed(&self) -> bool {
        self.members().killed
    }

    /// The group of the task that asks.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that stands still while its group is frozen.
struct Freezable<F> {
    group: TaskGroup,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Freezable<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        {
            let mut members = self.group.members();
            if members.frozen {
                members.woken.push(context.waker().clone());
                return Poll::Pending;
            }
        }
        self.future.as_mut().poll(context)
    }
}

impl std::fmt::Debug for TaskGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskGroup").field("killed", &self.is_killed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::tasks;

    #[tokio::test]
    async fn what_a_task_of_the_group_spawns_dies_with_it() {
        let group = TaskGroup::new();
        let alive = Arc::new(AtomicU32::new(0));
        let (inner, outer) = (Arc::clone(&alive), Arc::clone(&alive));
        group
            .spawn(async move {
                tasks::spawn("inner", async move {
                    let _guard = Counted::new(inner);
                    std::future::pending::<()>().await;
                });
            })
            .await
            .unwrap();
        let task = group.spawn(async move {
            let _guard = Counted::new(outer);
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        assert_eq!(alive.load(Ordering::SeqCst), 2);
        group.kill();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(group.spawn(std::future::pending::<()>()).await.unwrap_err().is_cancelled());
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_frozen_group_stands_still_and_goes_on_where_it_stood() {
        let group = TaskGroup::new();
        let steps = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&steps);
        let (step, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let task = group.spawn(async move {
            while asked.recv().await.is_some() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        step.send(()).unwrap();
        tokio::task::yield_now().await;
        assert_eq!(steps.load(Ordering::SeqCst), 1);
        group.freeze();
        for _ in 0..3 {
            step.send(()).unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(steps.load(Ordering::SeqCst), 1);
        group.thaw();
        drop(step);
        task.await.unwrap();
        assert_eq!(steps.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn a_frozen_group_can_be_killed() {
        let group = TaskGroup::new();
        let task = group.spawn(std::future::pending::<()>());
        group.freeze();
        tokio::task::yield_now().await;
        group.kill();
        assert!(task.await.unwrap_err().is_cancelled());
    }

    struct Counted(Arc<AtomicU32>);

    impl Counted {
        fn new(count: Arc<AtomicU32>) -> Self {
            count.fetch_add(1, Ordering::SeqCst);
            Self(count)
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
