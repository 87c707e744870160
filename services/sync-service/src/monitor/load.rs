//! How busy the machine is: how much of its processors' time is in use, by whomever.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use madrigal_core::tasks::{self, Instant};

/// A shorter time says nothing: the kernel counts in hundredths of a second.
const SHORTEST: Duration = Duration::from_millis(250);
/// After a longer time without a look, the time before it counts no more.
const LONGEST: Duration = Duration::from_secs(10);

/// What was looked at last.
struct Looked {
    at: Instant,
    ticks: Ticks,
    busy: u32,
}

/// What the processors did since the machine was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Ticks {
    idle: u64,
    all: u64,
}

static LAST: Mutex<Option<Looked>> = Mutex::new(None);

/// How much of the processors' time was in use lately, in percent: between the last two looks, at least a quarter of a
/// second apart. 0 where nobody can tell: before the second look, and where there is no `/proc/stat`.
///
/// Reads one small file of the kernel, at most four times a second. Counts the whole machine, whatever part of it a container
/// may use.
pub(super) fn busy() -> u32 {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let now = tasks::instant();
    let since = last.as_ref().map(|looked| now.duration_since(looked.at));
    if let (Some(looked), Some(since)) = (&*last, since)
        && since < SHORTEST
    {
        return looked.busy;
    }
    let Some(ticks) = std::fs::read_to_string("/proc/stat").ok().and_then(|text| Ticks::read(&text)) else { return 0 };
    let before = last.as_ref().filter(|_| since.is_some_and(|since| since <= LONGEST));
    let busy = before.map_or(0, |before| ticks.busy_since(before.ticks));
    *last = Some(Looked { at: now, ticks, busy });
    busy
}

impl Ticks {
    /// # Source
    /// proc_stat(5): the line `cpu` sums up all processors: user, nice, system, idle, iowait, irq, softirq, steal (and guest
    /// times, which are in user's already).
    fn read(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line.split_ascii_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
        let idle = ticks.get(3)? + ticks.get(4).unwrap_or(&0);
        Some(Self { idle, all: ticks.iter().sum() })
    }

    fn busy_since(self, before: Self) -> u32 {
        let all = self.all.saturating_sub(before.all);
        let idle = self.idle.saturating_sub(before.idle).min(all);
        (100 * (all - idle)).checked_div(all).map_or(0, |busy| u32::try_from(busy).unwrap_or(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_idle_nor_waiting_for_a_disk_is_busy() {
        let read = |text: &str| Ticks::read(text);
        let before = read("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n").unwrap();
        assert_eq!(before, Ticks { idle: 850, all: 1_000 });
        let after = read("cpu  150 0 75 820 55 0 0 0 0 0\n").unwrap();
        assert_eq!(after.busy_since(before), 75);
        assert_eq!(after.busy_since(after), 0);
        assert_eq!((read(""), read("cpu one two"), read("intr 5")), (None, None, None));
    }
}
