//! A sweep over a pair: digest, descend, compare, verify.
//!
//! The owner is always read first, with a position that covers everything the read saw; where the copy differs it is waited
//! for until it has applied that much, and read again. What still differs is cut into smaller chunks, and at last compared row
//! by row ([`crate::verify`]). Equal is equal whether the copy is behind or not. In memory: the digests of
//! [`CheckOptions::chunks`] chunks, and at a leaf a page of rows of each side.

use std::time::Duration;

use madrigal_core::tasks::{self, Instant};
use madrigal_core::{Fault, Host, PositionToken};

use crate::options::CheckOptions;
use crate::pace::Pace;
use crate::pair::Pair;
use crate::row::{KeyRange, Row};
use crate::row_set::{ChunkDigest, Cut, DigestAsk, MAX_KEYS, MAX_PAGE, PageRead, Reached};
use crate::verdict::{Behind, PairReport};

/// Into how many parts a chunk that differs is cut.
const PARTS: u64 = 16;
/// The shortest rest that is worth it.
const SHORTEST_REST: Duration = Duration::from_millis(5);

impl Pair {
    /// Checks all rows of the pair. What breaks on the way is in the report ([`PairReport::trouble`]); what was found until
    /// then stays in it.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn check(&self, options: &CheckOptions, host: &Host) -> PairReport {
        let mut check = Check::new(self, options, host);
        let swept = if self.described().partial { check.sweep_copy().await } else { check.sweep().await };
        check.ended(swept)
    }
}

/// A check under way.
pub(crate) struct Check<'a> {
    pub(crate) pair: &'a Pair,
    pub(crate) options: &'a CheckOptions,
    pub(crate) host: &'a Host,
    pub(crate) report: PairReport,
    seed: u64,
    /// What is left to wait for the copy.
    patience: Duration,
    /// Since when it works without a rest, the times of waiting left out.
    working: Instant,
    /// How far behind the copy was when it was last seen.
    behind: Option<Behind>,
}

impl<'a> Check<'a> {
    pub(crate) fn new(pair: &'a Pair, options: &'a CheckOptions, host: &'a Host) -> Self {
        Self {
            pair,
            options,
            host,
            report: PairReport::begun(pair.name(), options.detail, host.now()),
            seed: host.random_u64(),
            patience: options.patience,
            working: tasks::instant(),
            behind: None,
        }
    }

    pub(crate) fn ended(mut self, swept: Result<(), Fault>) -> PairReport {
        self.report.cost.worked += self.working.elapsed();
        self.report.ended_at = self.host.now();
        self.report.trouble = swept.err().map(|fault| fault.chain());
        self.report.behind = self.behind.filter(|_| self.report.unverified > 0);
        self.report
    }

    async fn sweep(&mut self) -> Result<(), Fault> {
        let mut after = None;
        loop {
            let range = KeyRange { after: after.take(), through: None };
            let cut = Cut::Every { rows: self.options.chunk_rows.max(1), chunks: self.options.chunks.max(1) };
            let ended = self.digest(range, cut, &mut after).await?;
            if ended {
                return Ok(());
            }
            self.rest().await;
        }
    }

    /// Compares the chunks of a range as the owner cuts it; true where the range is done, else `after` is where it goes on.
    async fn digest(&mut self, range: KeyRange, cut: Cut, after: &mut Option<String>) -> Result<bool, Fault> {
        self.report.cost.pages += 2;
        let owned = self.pair.owner.digests(self.ask(range.clone(), cut)).await?;
        let Some(last) = owned.chunks.last() else { return Ok(true) };
        let through = if owned.ended { range.through.clone() } else { last.through.clone() };
        let bounds: Vec<String> = owned.chunks.iter().rev().skip(1).rev().filter_map(|it| it.through.clone()).collect();
        let whole = KeyRange { after: range.after.clone(), through: through.clone() };
        let copied = self.pair.copy.digests(self.ask(whole, Cut::After(bounds))).await?;
        let mut fenced = None;
        let mut from = range.after;
        for (at, owned_chunk) in owned.chunks.iter().enumerate() {
            let to = if at + 1 == owned.chunks.len() { through.clone() } else { owned_chunk.through.clone() };
            let chunk = KeyRange { after: from, through: to.clone() };
            from = to;
            let copied_chunk = copied.chunks.get(at);
            let rows = owned_chunk.digest.count;
            self.report.cost.digested += rows + copied_chunk.map_or(0, |copied| copied.digest.count);
            if self.equal(owned_chunk, copied_chunk) {
                continue;
            }
            let reached = match fenced {
                Some(reached) => reached,
                None => *fenced.insert(self.fence(&owned.position).await?),
            };
            if reached {
                self.report.cost.pages += 1;
                let again = self.pair.copy.digests(self.ask(chunk.clone(), Cut::After(Vec::new()))).await?;
                self.report.cost.digested += again.chunks.first().map_or(0, |again| again.digest.count);
                if self.equal(owned_chunk, again.chunks.first()) {
                    continue;
                }
            }
            Box::pin(self.descend(chunk, rows)).await?;
        }
        *after = from;
        Ok(owned.ended)
    }

    fn equal(&mut self, owned: &ChunkDigest, copied: Option<&ChunkDigest>) -> bool {
        let equal = copied.is_some_and(|copied| copied.digest == owned.digest);
        if equal {
            self.report.consistent += owned.digest.count;
        }
        equal
    }

    /// Looks closer at a chunk that differs, of about so many rows.
    async fn descend(&mut self, chunk: KeyRange, rows: u64) -> Result<(), Fault> {
        let leaf = self.options.leaf_rows.clamp(1, MAX_PAGE as u64);
        if rows <= leaf {
            return self.compare(chunk).await;
        }
        let cut = || Cut::Every { rows: (rows / PARTS).max(leaf), chunks: PARTS as usize * 2 };
        let mut after = chunk.after;
        loop {
            let rest = KeyRange { after: after.take(), through: chunk.through.clone() };
            if self.digest(rest, cut(), &mut after).await? {
                return Ok(());
            }
        }
    }

    /// Compares a chunk row by row, a page of the owner at a time.
    async fn compare(&mut self, chunk: KeyRange) -> Result<(), Fault> {
        let mut after = chunk.after;
        loop {
            let range = KeyRange { after: after.take(), through: chunk.through.clone() };
            let read = PageRead { range: range.clone(), limit: MAX_PAGE, detail: self.options.detail };
            let owned = self.pair.owner.read_page(read).await?;
            let ended = owned.rows.len() < MAX_PAGE;
            let last = owned.rows.last().map(|row| row.key.clone());
            let through = if ended { chunk.through.clone() } else { last.clone() };
            self.report.cost.pages += 1;
            self.report.cost.rows_read += owned.rows.len() as u64;
            self.merge(owned.rows, KeyRange { after: range.after, through }).await?;
            if ended {
                return Ok(());
            }
            after = last;
        }
    }

    /// Compares the owner's rows of a range with the copy's, and verifies those that are not the same.
    async fn merge(&mut self, owned: Vec<Row>, range: KeyRange) -> Result<(), Fault> {
        let held = owned.len();
        let mut owned = owned.into_iter().peekable();
        let mut after = range.after;
        let rules = self.pair.rules(self.options.detail);
        loop {
            let page = KeyRange { after: after.take(), through: range.through.clone() };
            let read = PageRead { range: page, limit: MAX_PAGE, detail: self.options.detail };
            let copied = self.pair.copy.read_page(read).await?.rows;
            let ended = copied.len() < MAX_PAGE;
            self.report.cost.pages += 1;
            self.report.cost.rows_read += copied.len() as u64;
            self.hold(held + copied.len());
            after = copied.last().map(|row| row.key.clone());
            let mut doubted: Vec<String> = Vec::new();
            for copy in copied {
                while let Some(owner) = owned.next_if(|owner| owner.key < copy.key) {
                    doubted.extend((!owner.deleted).then_some(owner.key));
                }
                match owned.next_if(|owner| owner.key == copy.key) {
                    Some(owner) if rules.agree(&owner, &copy) => {
                        self.report.consistent += u64::from(!owner.deleted);
                    }
                    _ => doubted.push(copy.key),
                }
            }
            if ended {
                doubted.extend(owned.by_ref().filter(|owner| !owner.deleted).map(|owner| owner.key));
            }
            for keys in doubted.chunks(MAX_KEYS) {
                self.verify(keys.to_vec()).await?;
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// A copy that holds a part only says itself which rows are to be looked at. It is read before its owner here, which is
    /// enough to see that a row agrees; those that do not are verified.
    async fn sweep_copy(&mut self) -> Result<(), Fault> {
        let rules = self.pair.rules(self.options.detail);
        let mut after = None;
        loop {
            let range = KeyRange { after: after.take(), through: None };
            let read = PageRead { range, limit: MAX_KEYS, detail: rules.detail };
            let copied = self.pair.copy.read_page(read).await?.rows;
            let ended = copied.len() < MAX_KEYS;
            after = copied.last().map(|row| row.key.clone());
            let keys: Vec<String> = copied.iter().filter(|row| !row.deleted).map(|row| row.key.clone()).collect();
            let owned = match keys.is_empty() {
                true => Vec::new(),
                false => self.pair.owner.read_keys(keys, rules.detail).await?.rows,
            };
            self.report.cost.pages += 2;
            self.report.cost.rows_read += (copied.len() + owned.len()) as u64;
            self.hold(copied.len() + owned.len());
            let mut owned = owned.into_iter().peekable();
            let mut doubted = Vec::new();
            for copy in copied.into_iter().filter(|copy| !copy.deleted) {
                while owned.next_if(|owner| owner.key < copy.key).is_some() {}
                match owned.next_if(|owner| owner.key == copy.key) {
                    Some(owner) if rules.agree(&owner, &copy) => self.report.consistent += 1,
                    _ => doubted.push(copy.key),
                }
            }
            if !doubted.is_empty() {
                self.verify(doubted).await?;
            }
            if ended {
                return Ok(());
            }
            self.rest().await;
        }
    }

    /// Waits until the copy has applied everything up to `position`, as long as there is patience; whether it has.
    pub(crate) async fn fence(&mut self, position: &PositionToken) -> Result<bool, Fault> {
        let began = tasks::instant();
        let reached = self.pair.copy.wait_for(position, self.patience).await?;
        let waited = began.elapsed();
        self.patience = self.patience.saturating_sub(waited);
        // Waiting is no work that others would have to make room for.
        self.working += waited;
        self.report.cost.fences += 1;
        self.behind = self.pair.noted(&reached, self.host.now()).or(self.behind);
        Ok(reached == Reached::Yes)
    }

    pub(crate) fn hold(&mut self, rows: usize) {
        self.report.cost.most_rows_held = self.report.cost.most_rows_held.max(rows as u64);
    }

    fn ask(&self, range: KeyRange, cut: Cut) -> DigestAsk {
        let rules = self.pair.rules(self.options.detail);
        DigestAsk {
            range,
            cut,
            detail: rules.detail,
            fields: rules.fields.to_vec(),
            versions: rules.versioned,
            seed: self.seed,
        }
    }

    /// Leaves the machine to others for its share of the time.
    async fn rest(&mut self) {
        let (worked, share) = (self.working.elapsed(), self.options.pace.share_now());
        self.report.cost.least_share = self.report.cost.least_share.min(share);
        let rest = Pace::rest(worked, share);
        if rest < SHORTEST_REST {
            return;
        }
        self.report.cost.worked += worked;
        self.report.cost.rested += rest;
        tasks::sleep(rest).await;
        self.working = tasks::instant();
    }
}
