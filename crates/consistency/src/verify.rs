//! Rows one by one: the owner, a fence, the copy, and the owner again where it may have changed meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use madrigal_core::{Fault, Host};

use crate::check::Check;
use crate::judge::{First, Rules, Second};
use crate::options::CheckOptions;
use crate::pair::Pair;
use crate::row::Row;
use crate::row_set::MAX_KEYS;
use crate::verdict::{Divergence, PairReport};

impl Pair {
    /// Checks these rows, each fenced on its own: rows that were just changed, or are to be repaired.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn check_rows(&self, keys: &[String], options: &CheckOptions, host: &Host) -> PairReport {
        let mut check = Check::new(self, options, host);
        let mut checked = Ok(());
        for keys in keys.chunks(MAX_KEYS) {
            checked = check.verify(keys.to_vec()).await;
            if checked.is_err() {
                break;
            }
        }
        check.ended(checked)
    }
}

/// What is known of a row that is being verified.
#[derive(Debug, Default)]
struct Known {
    /// The owner was seen without it after the copy was seen with it.
    gone: bool,
}

impl Check<'_> {
    /// Verifies rows (at most [`MAX_KEYS`]) and counts each once.
    pub(crate) async fn verify(&mut self, keys: Vec<String>) -> Result<(), Fault> {
        let mut pending: BTreeMap<String, Known> = keys.into_iter().map(|key| (key, Known::default())).collect();
        self.report.cost.rows_judged += pending.len() as u64;
        let mut unverified = 0;
        for _ in 0..self.options.rounds.max(2) {
            if pending.is_empty() {
                break;
            }
            unverified += self.round(&mut pending).await?;
        }
        // Those that moved every time.
        self.report.unverified += unverified + pending.len() as u64;
        Ok(())
    }

    /// Looks at all rows once; what can be said of is taken out of `pending`. How many nothing can be said of.
    async fn round(&mut self, pending: &mut BTreeMap<String, Known>) -> Result<u64, Fault> {
        let detail = self.options.detail;
        let rules = self.pair.rules(detail);
        let keys: Vec<String> = pending.keys().cloned().collect();
        let owned = self.pair.owner.read_keys(keys.clone(), detail).await?;
        let fenced = self.fence(&owned.position).await?;
        let copied = self.pair.copy.read_keys(keys, detail).await?;
        self.report.cost.pages += 2;
        self.report.cost.rows_read += (owned.rows.len() + copied.rows.len()) as u64;
        let (mut owned, mut copied) = (by_key(owned.rows), by_key(copied.rows));
        self.hold(owned.len() + copied.len());
        let mut unverified = 0;
        let mut again = BTreeSet::new();
        pending.retain(|key, known| {
            match rules.first(owned.get(key), copied.get(key), fenced, known.gone) {
                First::Equal => self.is_equal(rules, owned.get(key), copied.get(key)),
                First::Diverges(issue) => {
                    let divergence =
                        Divergence { key: key.clone(), issue, owner: owned.remove(key), copy: copied.remove(key) };
                    self.report.diverges(divergence);
                }
                First::Behind | First::Untold => unverified += 1,
                First::LookAgain => {
                    again.insert(key.clone());
                    return true;
                }
            }
            false
        });
        if again.is_empty() {
            return Ok(unverified);
        }
        let mut read = by_key(self.pair.owner.read_keys(again.iter().cloned().collect(), detail).await?.rows);
        self.report.cost.pages += 1;
        self.report.cost.rows_read += read.len() as u64;
        for key in again {
            let (owner, copy, now) = (owned.get(&key), copied.get(&key), read.get(&key));
            let mut said = rules.second(owner, copy, now);
            if said == Second::AskHistory {
                said = self.ask_history(rules, &key, owner, copy, now).await?;
            }
            match said {
                Second::Equal => self.is_equal(rules, now, copy),
                Second::Diverges(issue) => {
                    let (owner, copy) = (read.remove(&key).or_else(|| owned.remove(&key)), copied.remove(&key));
                    self.report.diverges(Divergence { key: key.clone(), issue, owner, copy });
                }
                Second::Moved | Second::AskHistory => {
                    let here = |row: Option<&Row>| row.is_some_and(|row| !row.deleted);
                    if let Some(known) = pending.get_mut(&key) {
                        known.gone = here(copy) && !here(now);
                    }
                    continue;
                }
            }
            pending.remove(&key);
        }
        Ok(unverified)
    }

    /// Asks the owner what the row was at the copy's version; where the copy has none, between the two reads.
    async fn ask_history(
        &self,
        rules: Rules<'_>,
        key: &str,
        owner: Option<&Row>,
        copy: Option<&Row>,
        now: Option<&Row>,
    ) -> Result<Second, Fault> {
        let version = |row: Option<&Row>| row.and_then(|row| row.version);
        let span = match version(copy).filter(|_| rules.versioned) {
            Some(version) => Some((version, version)),
            None => version(owner).zip(version(now)),
        };
        let Some((first, last)) = span else { return Ok(Second::Moved) };
        let history = self.pair.owner.history(key, first, last).await?;
        Ok(history.map_or(Second::Moved, |history| rules.third(copy, &history)))
    }

    /// Counts a row that is equal, where there is one.
    fn is_equal(&mut self, rules: Rules<'_>, owner: Option<&Row>, copy: Option<&Row>) {
        let here = |row: Option<&Row>| row.is_some_and(|row| !row.deleted);
        let counts = if rules.partial { here(copy) } else { here(owner) || here(copy) };
        self.report.consistent += u64::from(counts);
    }
}

fn by_key(rows: Vec<Row>) -> BTreeMap<String, Row> {
    rows.into_iter().map(|row| (row.key.clone(), row)).collect()
}
