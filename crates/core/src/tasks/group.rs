//! Groups of tasks: what a process is to its machine, for simulations that run several processes in one.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    tasks: Vec<AbortHandle>,
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
        let task = tokio::spawn(CURRENT.scope(self.clone(), future));
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
