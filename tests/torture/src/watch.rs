//! A watcher: it reads versions of rows of every copy while processes die, one read after the other, and says where a row went
//! back, even for a moment.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use madrigal_client::{AskError, Shop};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_invariants::Violation;
use reqwest::Method;
use serde_json::Value;

use crate::customers::wares;
use crate::draw::Draw;
use crate::facts::Facts;
use crate::verdict::{ANSWERS_ARE_SOUND, COPIES_NEVER_GO_BACK, ERASED_STAYS_ERASED};

/// The copies of users that have a route for their rows as they are stored.
pub const COPIES: [&str; 4] = ["users.key-value", "users.index", "users.analytics", "users.activity"];
/// Persons, and orders, that are watched at a time: the newest. More would be looked at too seldom.
const RECENT: usize = 40;
/// How long one read may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A rest where nobody answers.
const NOBODY: Duration = Duration::from_millis(10);

/// What there is to watch: the newest persons and orders; products are few.
#[derive(Debug, Default)]
pub struct Watched {
    lists: Mutex<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    persons: VecDeque<i64>,
    orders: VecDeque<String>,
}

impl Watched {
    /// A person was registered.
    pub fn person(&self, user: i64) {
        keep(&mut self.lists().persons, user);
    }

    /// An order was placed.
    pub fn order(&self, order: &str) {
        keep(&mut self.lists().orders, order.to_owned());
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn targets(&self, kind: Kind) -> Vec<Target> {
        let lists = self.lists();
        match kind {
            Kind::Persons => lists.persons.iter().flat_map(|user| of_person(*user)).collect(),
            Kind::Orders => lists.orders.iter().map(|order| Target::view(&format!("/v1/orders/{order}"))).collect(),
            Kind::Products => wares()
                .flat_map(|ware| {
                    let path = format!("/v1/products/{ware}");
                    [Target::view(&path), Target::view(&format!("{path}/stock"))]
                })
                .collect(),
        }
    }
}

fn keep<T>(list: &mut VecDeque<T>, new: T) {
    if list.len() == RECENT {
        list.pop_front();
    }
    list.push_back(new);
}

fn of_person(user: i64) -> impl Iterator<Item = Target> {
    let copied = COPIES.iter().map(move |copy| Target {
        path: format!("/v1/sync/copies/{copy}/{user}"),
        told: Told::Copy,
        keeps_tombstones: true,
    });
    let owner = Target { path: format!("/v1/users/{user}"), told: Told::Document, keeps_tombstones: false };
    copied.chain([owner])
}

/// What one watcher looks at: the groups are read at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Persons at their owner and in their copies.
    Persons,
    /// The view of orders.
    Orders,
    /// The view of products and of stock, cached.
    Products,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Persons, Self::Orders, Self::Products];
}

/// A row of a copy by the route that shows it.
#[derive(Debug, Clone)]
struct Target {
    path: String,
    told: Told,
    /// Whether a deleted row is shown as such; else it is not found any more.
    keeps_tombstones: bool,
}

#[derive(Debug, Clone, Copy)]
enum Told {
    /// The row as it is stored.
    Copy,
    /// A document with its version.
    Document,
}

impl Target {
    /// A row that is never deleted in a run.
    fn view(path: &str) -> Self {
        Self { path: path.to_owned(), told: Told::Document, keeps_tombstones: true }
    }

    /// What an answer says of the row; none where it says nothing.
    fn look(&self, status: u16, body: &Value) -> Option<Look> {
        let number = |name: &str| body[name].as_u64();
        match (status, self.told) {
            (200, Told::Copy) => {
                let version = (number("epoch")?, number("version")?);
                Some(if body["deleted"] == true { Look::Deleted(version) } else { Look::There(version) })
            }
            (200, Told::Document) => Some(Look::There((0, number("version")?))),
            (404, _) if !self.keeps_tombstones => Some(Look::Deleted((u64::MAX, 0))),
            (404, _) => Some(Look::NotThere),
            _ => None,
        }
    }
}

/// What one read says of a row: epoch and count of its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It is there in this version.
    There((u64, u64)),
    /// It was deleted.
    Deleted((u64, u64)),
    /// It was never there.
    NotThere,
}

/// What was seen of a row so far, by reads one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    last: Option<Look>,
}

impl Seen {
    /// Takes a read in; the rule that it breaks, and how.
    pub fn look(&mut self, now: Look) -> Option<(&'static str, String)> {
        let broken = match (self.last?, now) {
            (Look::Deleted(_), Look::There(version)) => {
                Some((ERASED_STAYS_ERASED, format!("it was deleted, and is there again in version {version:?}")))
            }
            (Look::There(before) | Look::Deleted(before), Look::There(after) | Look::Deleted(after))
                if after < before =>
            {
                Some((COPIES_NEVER_GO_BACK, format!("version {after:?} after {before:?}")))
            }
            (Look::There(before), Look::NotThere) => {
                Some((COPIES_NEVER_GO_BACK, format!("it was there in version {before:?} and is not any more")))
            }
            (Look::Deleted(before), Look::NotThere) => {
                Some((COPIES_NEVER_GO_BACK, format!("its tombstone of version {before:?} is gone")))
            }
            _ => None,
        };
        if broken.is_none() {
            self.last = Some(now);
        }
        broken
    }

    /// Takes the first read in.
    const fn first(now: Look) -> Self {
        Self { last: Some(now) }
    }
}

/// Reads what there is of a kind, again and again until `stop`; what it saw goes into its facts.
pub async fn watch(shop: Shop, watched: Arc<Watched>, kind: Kind, seed: u64, stop: StopSignal) -> Facts {
    let draw = Draw::new(seed, &format!("watcher of {kind:?}"));
    let mut facts = Facts::default();
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    while !stop.is_cancelled() {
        let targets = watched.targets(kind);
        seen.retain(|path, _| targets.iter().any(|target| target.path == *path));
        if targets.is_empty() {
            tasks::sleep_or_stopped(NOBODY, &stop).await;
            continue;
        }
        // A few of them several times in a row: a row that goes back only for a moment is seen going.
        for _ in 0..targets.len() {
            let target = draw.one_of(&targets);
            for _ in 0..=draw.below(3) {
                if stop.is_cancelled() {
                    return facts;
                }
                read(&shop, target, &mut seen, &mut facts, &stop).await;
            }
        }
    }
    facts
}

async fn read(shop: &Shop, target: &Target, seen: &mut BTreeMap<String, Seen>, facts: &mut Facts, stop: &StopSignal) {
    let asked = tasks::within(PATIENCE, shop.send(shop.request(Method::GET, &target.path))).await;
    let answer = match asked {
        Some(Ok(answer)) => answer,
        Some(Err(AskError::NotJson { status, .. })) => {
            let words = format!("{status} without JSON");
            facts.surprise(Violation::new(ANSWERS_ARE_SOUND, [target.path.as_str()], words));
            return;
        }
        Some(Err(_)) | None => {
            tasks::sleep_or_stopped(NOBODY, stop).await;
            return;
        }
    };
    let status = answer.status.as_u16();
    let Some(now) = target.look(status, &answer.body) else {
        if matches!(status, 429 | 502..=504) {
            tasks::sleep_or_stopped(NOBODY, stop).await;
        } else {
            facts.surprise(Violation::new(ANSWERS_ARE_SOUND, [target.path.as_str()], answer.problem()));
        }
        return;
    };
    match now {
        Look::There(_) => facts.versions_watched += 1,
        Look::Deleted(_) => {
            facts.versions_watched += 1;
            facts.deletions_watched += 1;
        }
        Look::NotThere => {}
    }
    match seen.get_mut(&target.path) {
        Some(seen) => {
            if let Some((rule, words)) = seen.look(now) {
                facts.surprise(Violation::new(rule, [target.path.as_str()], words));
            }
        }
        None => drop(seen.insert(target.path.clone(), Seen::first(now))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(looks: &[Look]) -> Option<&'static str> {
        let mut seen = Seen::first(looks[0]);
        looks[1..].iter().find_map(|look| seen.look(*look)).map(|(rule, _)| rule)
    }

    #[test]
    fn versions_that_rise_and_a_deletion_at_the_end_are_as_they_should_be() {
        use Look::{Deleted, NotThere, There};
        assert_eq!(broken(&[NotThere, There((1, 1)), There((1, 1)), There((1, 7)), Deleted((1, 8))]), None);
        assert_eq!(broken(&[There((1, 9)), There((2, 1))]), None, "another epoch is newer");
        assert_eq!(broken(&[NotThere, Deleted((u64::MAX, 0)), Deleted((u64::MAX, 0))]), None);
    }

    #[test]
    fn whatever_goes_back_is_named() {
        use Look::{Deleted, NotThere, There};
        for (looks, rule) in [
            ([There((1, 2)), There((1, 1))], COPIES_NEVER_GO_BACK),
            ([There((2, 1)), There((1, 9))], COPIES_NEVER_GO_BACK),
            ([There((1, 2)), NotThere], COPIES_NEVER_GO_BACK),
            ([Deleted((1, 3)), NotThere], COPIES_NEVER_GO_BACK),
            ([There((1, 3)), Deleted((1, 2))], COPIES_NEVER_GO_BACK),
            ([Deleted((1, 3)), There((1, 4))], ERASED_STAYS_ERASED),
            ([Deleted((1, 3)), There((1, 2))], ERASED_STAYS_ERASED),
        ] {
            assert_eq!(broken(&looks), Some(rule), "{looks:?}");
        }
    }

    #[test]
    fn a_row_is_read_as_its_route_shows_it() {
        let copy = of_person(7).next().unwrap();
        let row = serde_json::json!({ "epoch": 1, "version": 3, "deleted": false });
        assert_eq!(copy.look(200, &row), Some(Look::There((1, 3))));
        let tombstone = serde_json::json!({ "epoch": 1, "version": 4, "deleted": true });
        assert_eq!(copy.look(200, &tombstone), Some(Look::Deleted((1, 4))));
        assert_eq!(copy.look(404, &Value::Null), Some(Look::NotThere));
        assert_eq!(copy.look(503, &Value::Null), None);
        let owner = of_person(7).last().unwrap();
        assert!(matches!(owner.look(404, &Value::Null), Some(Look::Deleted(_))), "an erased person's id never returns");
    }
}
