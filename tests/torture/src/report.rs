//! What a run came to, for people and for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use madrigal_invariants::Violation;
use serde_json::{Value, json};

use crate::facts::{Facts, Outcome, Wish};
use crate::findings::Findings;
use crate::options::Mode;
use crate::verdict::{self, RULES};

/// How many violations of one rule are shown to people; the document has all.
const SHOWN: usize = 5;

/// All runs.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// One for each mode.
    pub runs: Vec<RunReport>,
    /// Where everything lies, where it was kept.
    pub kept: Option<PathBuf>,
}

/// One run.
#[derive(Debug)]
pub struct RunReport {
    /// What was killed.
    pub mode: Mode,
    /// Customers.
    pub clients: usize,
    /// Processes that were killed.
    pub kills: usize,
    /// Those that were not ready yet.
    pub while_starting: usize,
    /// How long customers ordered.
    pub load: Duration,
    /// How long it took after that until nothing was open.
    pub rest: Duration,
    /// Sagas that an operator had to move on.
    pub helped: usize,
    /// From the start of a process until it was ready, each.
    pub recoveries: Vec<Duration>,
    /// Counts of what customers did and were told, by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// Rows that were compared with a rebuild, by projection.
    pub projections: BTreeMap<String, u64>,
    /// Rows that were compared with their owner's by content, by pair.
    pub pairs: BTreeMap<String, u64>,
    /// Acknowledged and not there, or not as acknowledged.
    pub lost: usize,
    /// Orders, charges and mails beyond the first.
    pub doubled: usize,
    /// Sagas that have not ended.
    pub open: usize,
    /// Everything that does not hold.
    pub violations: Vec<Violation>,
}

impl RunReport {
    /// Counts what customers know and what was found.
    pub fn count(&mut self, facts: &Facts, findings: &Findings) {
        let mut counts: BTreeMap<&'static str, u64> = [
            "ordersAcknowledged",
            "ordersRefused",
            "outcomesUnknown",
            "cancellationsAcknowledged",
            "shipmentsAcknowledged",
            "changesRefused",
            "personsRegistered",
            "personsErased",
            "versionsOfPersons",
        ]
        .into_iter()
        .map(|name| (name, 0))
        .collect();
        let mut add = |name: &'static str, count: u64| *counts.entry(name).or_default() += count;
        for wanted in &facts.wanted {
            add("requestsUnanswered", u64::from(wanted.unanswered));
            match &wanted.outcome {
                Outcome::Unknown => add("outcomesUnknown", 1),
                Outcome::Refused(_) => add("ordersRefused", 1),
                Outcome::Placed(placed) => {
                    add("ordersAcknowledged", 1);
                    for (wish, name) in
                        [(placed.cancelled, "cancellationsAcknowledged"), (placed.shipped, "shipmentsAcknowledged")]
                    {
                        match wish {
                            Wish::Granted => add(name, 1),
                            Wish::Refused | Wish::RefusedLate => add("changesRefused", 1),
                            Wish::Never | Wish::Asked => {}
                        }
                    }
                }
            }
        }
        for person in facts.persons.iter().filter(|person| person.user.is_some()) {
            add("personsRegistered", 1);
            add("personsErased", u64::from(person.erased));
            add("versionsOfPersons", person.version);
        }
        add("pricesChanged", facts.prices);
        add("versionsWatched", facts.versions_watched);
        add("deletionsWatched", facts.deletions_watched);
        add("outcomesResolved", facts.resolved);
        add("readsOfOwnWrites", facts.reads);
        let books = &findings.books;
        for (status, name) in
            [("confirmed", "ordersConfirmed"), ("shipped", "ordersShipped"), ("cancelled", "ordersCancelled")]
        {
            add(name, books.in_status(status).count() as u64);
        }
        add("mails", books.mails.values().sum::<usize>() as u64);
        add("charges", books.ledger.values().map(|account| account.charges.len()).sum::<usize>() as u64);
        self.counts = counts;
        self.projections = findings.rebuilt.iter().map(|one| (one.name.clone(), one.rows)).collect();
        self.pairs.clone_from(&findings.copied.pairs);
        self.open = findings.open.len();
    }

    /// Takes the violations in, and counts what is lost and doubled by them.
    pub fn judged(&mut self, violations: Vec<Violation>, findings: &Findings) {
        let of = |rules: &[&str]| violations.iter().filter(|violation| rules.contains(&violation.rule)).count();
        self.lost = of(&[
            verdict::ACKNOWLEDGED_IS_THERE,
            verdict::AS_ACKNOWLEDGED,
            verdict::STATE_STANDS,
            verdict::PERSONS_STAND,
        ]);
        let extra_mails: usize = findings.books.mails.values().map(|count| count.saturating_sub(1)).sum();
        self.doubled = of(&[verdict::ONE_ORDER_PER_KEY, madrigal_invariants::rules::CHARGED_ONCE]) + extra_mails;
        self.violations = violations;
    }

    /// A recovery that was not exceeded by so many in a hundred; zero where there was none.
    pub fn recovery(&self, percentile: usize) -> Duration {
        let mut sorted = self.recoveries.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percentile).div_ceil(100).max(1) - 1;
        sorted.get(rank).copied().unwrap_or_default()
    }

    fn json(&self) -> Value {
        let millis = |duration: Duration| duration.as_millis() as u64;
        let broken: BTreeMap<&str, usize> = RULES
            .iter()
            .map(|rule| (*rule, self.violations.iter().filter(|violation| violation.rule == *rule).count()))
            .collect();
        let violations: Vec<Value> = self
            .violations
            .iter()
            .map(|violation| json!({ "rule": violation.rule, "ids": violation.ids, "found": violation.found }))
            .collect();
        json!({
            "mode": self.mode.name(), "clients": self.clients, "kills": self.kills,
            "killsWhileStarting": self.while_starting, "loadMillis": millis(self.load), "restMillis": millis(self.rest),
            "sagasMovedOnByOperator": self.helped,
            "recoveryMillis": {
                "count": self.recoveries.len(), "p50": millis(self.recovery(50)), "p99": millis(self.recovery(99)),
                "max": millis(self.recovery(100)),
            },
            "counts": self.counts, "rowsEqualToRebuild": self.projections,
            "rowsComparedWithOwner": self.pairs,
            "lost": self.lost, "doubled": self.doubled, "open": self.open,
            "violationsByRule": broken, "violations": violations,
        })
    }

    fn table(&self, out: &mut String) {
        let seconds = |duration: Duration| format!("{:.1} s", duration.as_secs_f64());
        let recovery = |percentile| format!("{} ms", self.recovery(percentile).as_millis());
        let mut rows = vec![
            ("mode".to_owned(), self.mode.name().to_owned()),
            ("kills".to_owned(), format!("{} ({} while starting)", self.kills, self.while_starting)),
            ("clients".to_owned(), self.clients.to_string()),
            ("load, then rest".to_owned(), format!("{}, {}", seconds(self.load), seconds(self.rest))),
            (
                "recovery".to_owned(),
                format!(
                    "p50 {}, p99 {}, max {} ({} starts)",
                    recovery(50),
                    recovery(99),
                    recovery(100),
                    self.recoveries.len()
                ),
            ),
        ];
        rows.extend(self.counts.iter().map(|(name, count)| (in_words(name), count.to_string())));
        rows.push(("sagas moved on by an operator".to_owned(), self.helped.to_string()));
        let projections: Vec<String> = self.projections.iter().map(|(name, rows)| format!("{name} {rows}")).collect();
        rows.push(("rows equal to a rebuild".to_owned(), projections.join(", ")));
        let pairs: Vec<String> = self.pairs.iter().map(|(name, rows)| format!("{name} {rows}")).collect();
        rows.push(("rows compared with their owner".to_owned(), pairs.join(", ")));
        rows.extend([
            ("lost".to_owned(), self.lost.to_string()),
            ("doubled".to_owned(), self.doubled.to_string()),
            ("open".to_owned(), self.open.to_string()),
        ]);
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in rows {
            let _ = writeln!(out, "{name:width$}  {value}");
        }
        for rule in RULES {
            let broken: Vec<&Violation> = self.violations.iter().filter(|violation| violation.rule == rule).collect();
            let verdict =
                if broken.is_empty() { "holds".to_owned() } else { format!("VIOLATED {} times", broken.len()) };
            let _ = writeln!(out, "{rule:width$}  {verdict}");
            for violation in broken.iter().take(SHOWN) {
                let _ = writeln!(out, "    {}  [{}]", violation.found, violation.ids.join(", "));
            }
            if broken.len() > SHOWN {
                let _ = writeln!(out, "    … and {} more: see --json", broken.len() - SHOWN);
            }
        }
    }
}

impl Report {
    /// How many rules were found broken, counted each time.
    pub fn violations(&self) -> usize {
        self.runs.iter().map(|run| run.violations.len()).sum()
    }

    /// The whole as a document.
    pub fn json(&self) -> Value {
        let runs: Vec<Value> = self.runs.iter().map(RunReport::json).collect();
        json!({
            "seed": self.seed, "runs": runs, "violations": self.violations(),
            "kept": self.kept.as_ref().map(|dir| dir.display().to_string()),
        })
    }

    /// The whole for people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        for run in &self.runs {
            run.table(&mut out);
            out.push('\n');
        }
        let _ = writeln!(out, "seed {}: {} violations", self.seed, self.violations());
        if let Some(dir) = &self.kept {
            let _ = writeln!(out, "data, logs and what customers know are kept in {}", dir.display());
        }
        out
    }
}

/// `ordersAcknowledged` as `orders acknowledged`.
fn in_words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}
