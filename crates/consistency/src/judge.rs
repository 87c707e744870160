//! The rule for one row: what may be said when an owner's row, the copy's row and, where need be, the owner's row once
//! more are known.

use crate::canonical::Content;
use crate::row::{Detail, Row};
use crate::verdict::Issue;

/// What is said after the owner was read, then the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// They agree.
    Equal,
    /// They certainly diverge.
    Diverges(Issue),
    /// The copy lacks something, and has not applied all that the owner's read saw.
    Behind,
    /// The owner cannot read its own row: nobody can say what the copy should have.
    Untold,
    /// The owner may have changed since it was read: read it again.
    LookAgain,
}

/// What is said after the owner was read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Second {
    Equal,
    Diverges(Issue),
    /// The row moved: begin anew.
    Moved,
    /// The owner is to say what the row was between its two reads, or at the copy's version.
    AskHistory,
}

/// How a pair is compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) detail: Detail,
    /// Whether the copy keeps versions.
    pub(crate) versioned: bool,
    /// Whether the copy holds a part only.
    pub(crate) partial: bool,
    pub(crate) fields: &'a [String],
}

impl Rules<'_> {
    /// Judges `copy`, read after `owner`; `fenced` says whether the copy had applied all that the owner's read saw.
    /// `gone` says that the owner was seen without the row after the copy was seen with it: as ids never return, a copy
    /// that is fenced may not have it any more.
    pub(crate) fn first(self, owner: Option<&Row>, copy: Option<&Row>, fenced: bool, gone: bool) -> First {
        if owner.is_some_and(Row::is_unreadable) {
            return First::Untold;
        }
        let behind = |issue| if fenced { First::Diverges(issue) } else { First::Behind };
        match (live(owner), live(copy)) {
            (None, None) => First::Equal,
            (Some(_), None) if self.partial => First::Equal,
            (Some(owner), None) => match copy {
                // A tombstone that is older than the owner's row.
                Some(tombstone) if self.versioned && tombstone.version < owner.version => behind(Issue::Missing),
                Some(_) if self.versioned || fenced => First::LookAgain,
                None if fenced => First::LookAgain,
                _ => First::Behind,
            },
            (None, Some(copy)) => match owner {
                Some(tombstone) if self.versioned && copy.version <= tombstone.version => behind(Issue::Extra),
                Some(_) if self.versioned => First::LookAgain,
                _ if !fenced => First::Behind,
                _ if gone => First::Diverges(Issue::Extra),
                _ => First::LookAgain,
            },
            (Some(owner), Some(copy)) if self.versioned => match copy.version.cmp(&owner.version) {
                std::cmp::Ordering::Less => behind(Issue::Stale),
                std::cmp::Ordering::Equal => self.content(owner, copy),
                std::cmp::Ordering::Greater => First::LookAgain,
            },
            (Some(owner), Some(copy)) => match self.content(owner, copy) {
                First::Equal => First::Equal,
                _ if fenced => First::LookAgain,
                _ => First::Behind,
            },
        }
    }

    /// Judges after [`First::LookAgain`], with the owner's row `again`, read after the copy. The copy had applied all that
    /// the first read saw, or has a version beyond it.
    pub(crate) fn second(self, owner: Option<&Row>, copy: Option<&Row>, again: Option<&Row>) -> Second {
        if again.is_some_and(Row::is_unreadable) {
            return Second::Moved;
        }
        match (live(owner), live(copy), live(again)) {
            // Ids never return: what was there before and after was there all the time.
            (Some(_), None, Some(again)) => match copy {
                Some(tombstone) if self.versioned && tombstone.version < again.version => Second::Moved,
                _ => Second::Diverges(Issue::Missing),
            },
            (None, Some(copy), None) => match again {
                // A version that the owner has not even reached with its deletion.
                Some(tombstone) if self.versioned && copy.version > tombstone.version => Second::Diverges(Issue::Extra),
                Some(_) if !self.versioned && owner.is_some() => Second::Diverges(Issue::Extra),
                _ => Second::Moved,
            },
            (Some(_), Some(copy), Some(again)) if self.versioned => match copy.version.cmp(&again.version) {
                std::cmp::Ordering::Greater => Second::Diverges(Issue::Different),
                std::cmp::Ordering::Equal => match self.content(again, copy) {
                    First::Equal => Second::Equal,
                    _ => Second::Diverges(Issue::Different),
                },
                std::cmp::Ordering::Less if self.detail == Detail::Versions => Second::Equal,
                std::cmp::Ordering::Less => Second::AskHistory,
            },
            (Some(owner), Some(_), Some(again)) if owner.version == again.version => Second::Diverges(Issue::Different),
            (Some(_), Some(_), Some(_)) => Second::AskHistory,
            _ => Second::Moved,
        }
    }

    /// Judges after [`Second::AskHistory`]: whether the copy has what the row was at one of these versions.
    pub(crate) fn third(self, copy: Option<&Row>, history: &[Row]) -> Second {
        let Some(copy) = copy else { return Second::Moved };
        let was = |row: &Row| !row.deleted && self.same(row, copy) && (!self.versioned || row.version == copy.version);
        if history.iter().any(was) { Second::Equal } else { Second::Diverges(Issue::Different) }
    }

    /// Whether two rows of one key agree as they were read, whenever that was.
    pub(crate) fn agree(self, owner: &Row, copy: &Row) -> bool {
        match (owner.deleted, copy.deleted) {
            _ if owner.is_unreadable() => false,
            (true, true) => true,
            (false, false) => (!self.versioned || owner.version == copy.version) && self.same(owner, copy),
            _ => false,
        }
    }

    fn content(self, owner: &Row, copy: &Row) -> First {
        if self.same(owner, copy) { First::Equal } else { First::Diverges(Issue::Different) }
    }

    fn same(self, owner: &Row, copy: &Row) -> bool {
        let empty = Content::new();
        let of = |row: &Row| row.content.as_ref().unwrap_or(&empty).clone().only(self.fields);
        self.detail == Detail::Versions || of(owner) == of(copy)
    }
}

fn live(row: Option<&Row>) -> Option<&Row> {
    row.filter(|row| !row.deleted)
}

#[cfg(test)]
mod tests {
    use madrigal_core::RowVersion;

    use super::*;

    const RULES: Rules<'static> = Rules { detail: Detail::Content, versioned: true, partial: false, fields: &[] };

    fn row(version: u64, content: i64) -> Row {
        Row::new("k", RowVersion::new(1, version).ok()).with_content(Content::new().with("c", content))
    }

    fn tombstone(version: u64) -> Row {
        Row::tombstone("k", RowVersion::new(1, version).ok())
    }

    #[test]
    fn lag_is_never_divergence_and_divergence_is_never_lag() {
        let of = |owner: &Row, copy: Option<&Row>, fenced| RULES.first(Some(owner), copy, fenced, false);
        assert_eq!(of(&row(5, 1), Some(&row(4, 1)), false), First::Behind);
        assert_eq!(of(&row(5, 1), Some(&row(4, 1)), true), First::Diverges(Issue::Stale));
        assert_eq!(of(&row(5, 1), None, false), First::Behind);
        assert_eq!(of(&row(5, 1), None, true), First::LookAgain);
        for fenced in [false, true] {
            assert_eq!(of(&row(5, 1), Some(&row(5, 1)), fenced), First::Equal);
            assert_eq!(of(&row(5, 1), Some(&row(5, 2)), fenced), First::Diverges(Issue::Different));
            assert_eq!(of(&row(5, 1), Some(&row(6, 2)), fenced), First::LookAgain);
        }
        assert_eq!(of(&tombstone(5), Some(&row(4, 1)), false), First::Behind);
        assert_eq!(of(&tombstone(5), Some(&row(4, 1)), true), First::Diverges(Issue::Extra));
        assert_eq!(of(&row(5, 1), Some(&tombstone(3)), true), First::Diverges(Issue::Missing));
    }

    #[test]
    fn a_copy_that_is_newer_diverges_only_if_the_owner_never_was_there() {
        let of = |again: &Row| RULES.second(Some(&row(5, 1)), Some(&row(7, 2)), Some(again));
        assert_eq!(of(&row(6, 1)), Second::Diverges(Issue::Different));
        assert_eq!(of(&row(7, 2)), Second::Equal);
        assert_eq!(of(&row(7, 3)), Second::Diverges(Issue::Different));
        assert_eq!(of(&row(8, 3)), Second::AskHistory);
        assert_eq!(RULES.third(Some(&row(7, 2)), &[row(7, 2)]), Second::Equal);
        assert_eq!(RULES.third(Some(&row(7, 2)), &[row(7, 9)]), Second::Diverges(Issue::Different));
        let versions = Rules { detail: Detail::Versions, ..RULES };
        assert_eq!(versions.second(Some(&row(5, 1)), Some(&row(7, 2)), Some(&row(8, 3))), Second::Equal);
    }

    #[test]
    fn what_the_owner_does_not_have_is_extra_only_when_it_cannot_have_come_and_gone_meanwhile() {
        let copy = row(1, 1);
        assert_eq!(RULES.first(None, Some(&copy), true, false), First::LookAgain);
        assert_eq!(RULES.second(None, Some(&copy), None), Second::Moved, "it may have come and gone between the reads");
        assert_eq!(RULES.first(None, Some(&copy), true, true), First::Diverges(Issue::Extra));
        assert_eq!(RULES.first(None, Some(&copy), false, true), First::Behind);
        assert_eq!(RULES.second(None, Some(&copy), Some(&row(1, 1))), Second::Moved);
        assert_eq!(
            RULES.second(Some(&tombstone(5)), Some(&row(7, 1)), Some(&tombstone(5))),
            Second::Diverges(Issue::Extra)
        );
    }

    #[test]
    fn what_the_copy_does_not_have_is_missing_only_while_the_owner_has_it() {
        let owner = row(5, 1);
        assert_eq!(RULES.second(Some(&owner), None, Some(&owner)), Second::Diverges(Issue::Missing));
        assert_eq!(RULES.second(Some(&owner), None, None), Second::Moved);
        assert_eq!(RULES.second(Some(&owner), None, Some(&tombstone(6))), Second::Moved);
        assert_eq!(
            RULES.second(Some(&owner), Some(&tombstone(9)), Some(&owner)),
            Second::Diverges(Issue::Missing),
            "a tombstone of a deletion that never was"
        );
        let partial = Rules { partial: true, ..RULES };
        assert_eq!(partial.first(Some(&owner), None, true, false), First::Equal);
    }

    #[test]
    fn a_copy_without_versions_diverges_if_it_has_what_the_row_never_was() {
        let rules = Rules { versioned: false, ..RULES };
        let copy = Row { version: None, ..row(0, 2) };
        assert_eq!(rules.first(Some(&row(5, 2)), Some(&copy), false, false), First::Equal);
        assert_eq!(rules.first(Some(&row(5, 1)), Some(&copy), false, false), First::Behind);
        assert_eq!(rules.first(Some(&row(5, 1)), Some(&copy), true, false), First::LookAgain);
        assert_eq!(rules.second(Some(&row(5, 1)), Some(&copy), Some(&row(5, 1))), Second::Diverges(Issue::Different));
        assert_eq!(rules.second(Some(&row(5, 1)), Some(&copy), Some(&row(9, 1))), Second::AskHistory);
        assert_eq!(rules.third(Some(&copy), &[row(5, 1), row(6, 2), row(9, 1)]), Second::Equal);
        assert_eq!(rules.third(Some(&copy), &[row(5, 1), row(9, 1)]), Second::Diverges(Issue::Different));
    }
}
