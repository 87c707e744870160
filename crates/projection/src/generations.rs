//! Which generations of a view there are, and how that changes: pure, so that a store only has to keep the result.

use madrigal_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::managed::{Compared, Refusal, Verdict};

/// The generations of one name. Each change makes the next revision; a store takes it in one step or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generations {
    /// From 1; every change adds one.
    pub revision: u64,
    /// What reads are served from.
    pub serving: Generation,
    /// What is built beside it.
    pub candidate: Option<Candidate>,
    /// What served before.
    pub previous: Option<Generation>,
    /// The highest number given so far: none is given twice.
    pub last: u32,
    /// Generations that are not needed any more and whose rows may still be there.
    pub dropped: Vec<u32>,
}

/// One generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// Its number, from 1: [`crate::ViewId::generation`].
    pub number: u32,
    /// The version of the code that folds it.
    pub version: u32,
    /// Since when it serves, or no longer does.
    pub since: Timestamp,
}

/// A generation that is being built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Its number.
    pub number: u32,
    /// The version of the code that folds it.
    pub version: u32,
    /// When it was begun.
    pub started_at: Timestamp,
    /// Whether it switches itself when it is found equal: a new version of the code began it, nobody asked for it.
    pub automatic: bool,
    /// The latest comparison; gone when an operator has touched what is parked since.
    pub compared: Option<Compared>,
}

impl Generations {
    /// A name's first generation, which serves from the start.
    pub const fn first(version: u32, now: Timestamp) -> Self {
        let serving = Generation { number: 1, version, since: now };
        Self { revision: 1, serving, candidate: None, previous: None, last: 1, dropped: Vec::new() }
    }

    /// With a candidate of this version.
    ///
    /// # Errors
    /// [`Refusal::CandidateExists`].
    pub fn begun(&self, version: u32, automatic: bool, now: Timestamp) -> Result<Self, Refusal> {
        if let Some(candidate) = &self.candidate {
            return Err(Refusal::CandidateExists { generation: candidate.number });
        }
        let number = self.last + 1;
        let candidate = Some(Candidate { number, version, started_at: now, automatic, compared: None });
        Ok(Self { candidate, last: number, ..self.next() })
    }

    /// As code of this version needs them: what it cannot go on with is dropped, and where what serves was folded by another
    /// version, a candidate of this one is there (the previous generation, where that one is of this version: a step
    /// back). `None` where nothing changes.
    pub fn for_version(&self, version: u32, now: Timestamp) -> Option<Self> {
        let mut next = self.next();
        if let Some(stale) = next.candidate.take_if(|candidate| candidate.version != version) {
            next.dropped.push(stale.number);
        }
        if next.serving.version != version && next.candidate.is_none() {
            let kept = next.previous.take_if(|previous| previous.version == version);
            let number = kept.map_or(next.last + 1, |kept| kept.number);
            next.last = next.last.max(number);
            next.candidate = Some(Candidate { number, version, started_at: now, automatic: true, compared: None });
        }
        (next.candidate != self.candidate).then_some(next)
    }

    /// With the outcome of a comparison, or without one.
    ///
    /// # Errors
    /// [`Refusal::NoCandidate`].
    pub fn compared(&self, compared: Option<Compared>) -> Result<Self, Refusal> {
        let candidate = self.candidate.clone().ok_or(Refusal::NoCandidate)?;
        Ok(Self { candidate: Some(Candidate { compared, ..candidate }), ..self.next() })
    }

    /// With the candidate serving.
    ///
    /// # Errors
    /// [`Refusal::NoCandidate`]; [`Refusal::NotCompared`] and [`Refusal::Different`] as the comparison says, where
    /// differences are not accepted.
    pub fn switched(&self, accepted: bool, now: Timestamp) -> Result<Self, Refusal> {
        let candidate = self.candidate.as_ref().ok_or(Refusal::NoCandidate)?;
        match &candidate.compared {
            None => return Err(Refusal::NotCompared),
            Some(compared) if compared.verdict == Verdict::Different && !accepted => {
                return Err(Refusal::Different { differing: compared.differing });
            }
            Some(_) => {}
        }
        self.replaced(now)
    }

    /// With the candidate serving, whatever a comparison says: where nothing that can be read is served.
    ///
    /// # Errors
    /// [`Refusal::NoCandidate`].
    pub fn replaced(&self, now: Timestamp) -> Result<Self, Refusal> {
        let candidate = self.candidate.as_ref().ok_or(Refusal::NoCandidate)?;
        let mut next = self.next();
        next.dropped.extend(self.previous.as_ref().map(|previous| previous.number));
        next.previous = Some(Generation { since: now, ..self.serving.clone() });
        next.serving = Generation { number: candidate.number, version: candidate.version, since: now };
        next.candidate = None;
        Ok(next)
    }

    /// Without the candidate.
    ///
    /// # Errors
    /// [`Refusal::NoCandidate`].
    pub fn discarded(&self) -> Result<Self, Refusal> {
        let candidate = self.candidate.as_ref().ok_or(Refusal::NoCandidate)?;
        let mut next = Self { candidate: None, ..self.next() };
        next.dropped.push(candidate.number);
        Ok(next)
    }

    /// Without the previous generation.
    ///
    /// # Errors
    /// [`Refusal::NoPrevious`].
    pub fn confirmed(&self) -> Result<Self, Refusal> {
        let previous = self.previous.as_ref().ok_or(Refusal::NoPrevious)?;
        let mut next = Self { previous: None, ..self.next() };
        next.dropped.push(previous.number);
        Ok(next)
    }

    /// Without a dropped generation whose rows are gone.
    #[must_use]
    pub fn cleared(&self, number: u32) -> Self {
        let mut next = self.next();
        next.dropped.retain(|dropped| *dropped != number);
        next
    }

    /// Checks that this may follow what a store has, for every implementation of [`crate::ViewStore::arrange`].
    ///
    /// # Errors
    /// Why it may not, in words.
    pub fn check_follows(&self, stored: Option<&Self>) -> Result<(), String> {
        let stored = stored.map_or(0, |stored| stored.revision);
        if self.revision == stored + 1 {
            return Ok(());
        }
        Err(format!("the generations stand at revision {stored}, revision {} cannot follow", self.revision))
    }

    fn next(&self) -> Self {
        Self { revision: self.revision + 1, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use madrigal_core::Position;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(7);

    fn found(verdict: Verdict, differing: u64) -> Option<Compared> {
        Some(Compared { verdict, position: Position(9), rows: 3, differing })
    }

    #[test]
    fn a_candidate_serves_only_after_it_was_found_equal_or_its_differences_were_accepted() {
        let begun = Generations::first(1, NOW).begun(1, false, NOW).unwrap();
        assert_eq!(begun.switched(true, NOW), Err(Refusal::NotCompared));
        let different = begun.compared(found(Verdict::Different, 2)).unwrap();
        assert_eq!(different.switched(false, NOW), Err(Refusal::Different { differing: 2 }));
        assert_eq!(different.switched(true, NOW).unwrap().serving.number, 2);
        let switched = begun.compared(found(Verdict::Equal, 0)).unwrap().switched(false, NOW).unwrap();
        assert_eq!((switched.serving.number, switched.candidate.clone()), (2, None));
        assert_eq!(switched.previous.map(|previous| previous.number), Some(1));
        assert_eq!(
            begun.compared(found(Verdict::Equal, 0)).unwrap().compared(None).unwrap().candidate,
            begun.candidate
        );
    }

    #[test]
    fn a_number_is_never_given_twice_and_what_goes_is_dropped() {
        let discarded = Generations::first(1, NOW).begun(1, false, NOW).unwrap().discarded().unwrap();
        let again = discarded.begun(1, false, NOW).unwrap();
        assert_eq!((again.candidate.as_ref().map(|candidate| candidate.number), &again.dropped), (Some(3), &vec![2]));
        assert_eq!(again.begun(1, false, NOW), Err(Refusal::CandidateExists { generation: 3 }));
        let once = again.replaced(NOW).unwrap();
        let twice = once.begun(1, false, NOW).unwrap().replaced(NOW).unwrap();
        assert_eq!((twice.serving.number, twice.dropped.clone()), (4, vec![2, 1]));
        let confirmed = twice.confirmed().unwrap().cleared(1);
        assert_eq!((confirmed.previous.clone(), confirmed.dropped.clone()), (None, vec![2, 3]));
        assert_eq!(
            (confirmed.confirmed(), confirmed.discarded()),
            (Err(Refusal::NoPrevious), Err(Refusal::NoCandidate))
        );
        assert_eq!(confirmed.revision, 9);
    }

    #[test]
    fn another_version_of_the_code_builds_its_own_candidate() {
        let first = Generations::first(1, NOW);
        assert_eq!(first.for_version(1, NOW), None);
        let newer = first.for_version(2, NOW).unwrap();
        let candidate = newer.candidate.clone().unwrap();
        assert_eq!((newer.serving.version, candidate.number, candidate.version, candidate.automatic), (1, 2, 2, true));
        assert_eq!(newer.for_version(2, NOW), None, "it goes on after a restart");
        let newest = newer.for_version(3, NOW).unwrap();
        assert_eq!((newest.candidate.clone().unwrap().number, newest.dropped.clone()), (3, vec![2]));
        let back = newest.for_version(1, NOW).unwrap();
        assert_eq!(
            (back.candidate.clone(), back.dropped.clone()),
            (None, vec![2, 3]),
            "the old code needs nothing new"
        );
    }

    #[test]
    fn a_step_back_takes_up_the_previous_generation() {
        let switched = Generations::first(1, NOW).for_version(2, NOW).unwrap().replaced(NOW).unwrap();
        let back = switched.for_version(1, NOW).unwrap();
        assert_eq!((back.candidate.clone().unwrap().number, back.previous.clone(), back.last), (1, None, 2));
    }

    #[test]
    fn a_revision_follows_exactly_the_one_that_is_stored() {
        let first = Generations::first(1, NOW);
        first.check_follows(None).unwrap();
        let next = first.begun(1, false, NOW).unwrap();
        next.check_follows(Some(&first)).unwrap();
        first.check_follows(Some(&first)).unwrap_err();
        next.check_follows(None).unwrap_err();
    }
}
