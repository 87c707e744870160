//! Whom the blows strike, and when.

use std::time::Duration;

use crate::draw::Draw;
use crate::options::Mode;

/// Of a hundred blows, so many strike what was just started and may not be ready yet.
const WHILE_STARTING: usize = 20;
/// Of a hundred blows on services, so many strike two at once.
const TWO_AT_ONCE: usize = 25;

/// From when the pause before a blow counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// From the moment at which everything is ready.
    Ready,
    /// From the start of the victims of the blow before: they are struck while they recover, or soon after.
    Started,
}

/// Processes that are killed at the same moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blow {
    /// Whom it strikes, by their index; each once.
    pub victims: Vec<usize>,
    /// From when the pause counts.
    pub after: After,
    /// How long until it strikes.
    pub pause: Duration,
    /// How long the victims stay away.
    pub away: Duration,
}

/// The blows of a run: the first one strikes during the very first start, before there is anything to recover.
pub fn plan(seed: u64, mode: Mode, kills: usize, processes: usize) -> Vec<Blow> {
    let draw = Draw::new(seed, mode.name());
    let mut blows: Vec<Blow> = Vec::new();
    let mut left = kills;
    while left > 0 {
        let starting = blows.is_empty() || draw.percent(WHILE_STARTING);
        let mut victims = match blows.last() {
            Some(last) if starting => last.victims.clone(),
            _ => victims(&draw, mode, processes),
        };
        victims.truncate(left);
        left -= victims.len();
        let (after, pause) =
            if starting { (After::Started, draw.pause(3, 700)) } else { (After::Ready, draw.pause(5, 3_000)) };
        let away = if mode == Mode::Services { draw.pause(1, 500) } else { Duration::ZERO };
        blows.push(Blow { victims, after, pause, away });
    }
    blows
}

fn victims(draw: &Draw, mode: Mode, processes: usize) -> Vec<usize> {
    let first = draw.below(processes);
    if mode == Mode::Services && processes > 1 && draw.percent(TWO_AT_ONCE) {
        return vec![first, (first + 1 + draw.below(processes - 1)) % processes];
    }
    vec![first]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_as_many_kills_as_asked_for_and_follows_from_its_seed() {
        for (mode, processes) in [(Mode::Whole, 1), (Mode::Services, 6)] {
            for kills in [1, 2, 100] {
                let blows = plan(11, mode, kills, processes);
                assert_eq!(blows.iter().map(|blow| blow.victims.len()).sum::<usize>(), kills);
                assert_eq!(blows, plan(11, mode, kills, processes));
                assert_eq!(blows[0].after, After::Started, "the first start is struck");
            }
        }
        assert_ne!(plan(11, Mode::Services, 100, 6), plan(12, Mode::Services, 100, 6));
    }

    #[test]
    fn every_service_is_struck_some_pairs_too_and_some_while_they_start() {
        let blows = plan(3, Mode::Services, 100, 6);
        assert!((0..6).all(|service| blows.iter().any(|blow| blow.victims.contains(&service))));
        assert!(blows.iter().any(|blow| blow.victims.len() == 2 && blow.victims[0] != blow.victims[1]));
        assert!(blows.iter().skip(1).any(|blow| blow.after == After::Started));
        assert!(blows.iter().any(|blow| blow.after == After::Ready));
    }
}
