//! Many rows in one small value, that is equal where the rows are.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::row::Row;

/// Count, XOR and wrapping sum of the 64-bit hashes of rows, in any order.
///
/// Two sets of rows with equal digests are the same, but for collisions: one row that differs goes unnoticed in one of
/// 2^64 checks (each check draws a seed of its own, so that it would be noticed by the next one; of contents alone, which are
/// hashed without a seed, one pair in 2^64 is taken as equal). Several rows that differ must agree in XOR and in sum at once.
/// Not made against somebody who chooses contents to collide.
///
/// # Source
/// XXH3 (Yann Collet), 64 bits, by the crate `xxhash-rust`. XOR alone would lose a row that stands twice, a sum alone two
/// changes that undo each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Digest {
    /// How many rows.
    pub count: u64,
    /// The XOR of their hashes.
    pub xor: u64,
    /// The sum of their hashes, modulo 2^64.
    pub sum: u64,
}

impl Digest {
    /// Takes one more row in.
    pub fn add(&mut self, hash: u64) {
        self.count += 1;
        self.xor ^= hash;
        self.sum = self.sum.wrapping_add(hash);
    }

    /// Takes all rows of another digest in.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.xor ^= other.xor;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// What of a row is hashed.
#[derive(Debug, Clone, Copy)]
pub struct Hashing<'a> {
    /// Drawn for each check.
    pub seed: u64,
    /// Whether versions count; not where a copy has none.
    pub versions: bool,
    /// The fields of content that count, all where none is named; `None` leaves content out.
    pub fields: Option<&'a [String]>,
}

impl Hashing<'_> {
    /// The hash of a row.
    pub fn of(&self, row: &Row) -> u64 {
        let version = if self.versions { row.version.map_or(0, |version| version.packed() + 1) } else { 0 };
        let content = match (self.fields, &row.content) {
            (Some(fields), Some(content)) => content.hash(fields),
            _ => 0,
        };
        // The key is the only part of its own length; the others become the seed of its hash.
        let seed = mix(self.seed ^ mix(version) ^ content.rotate_left(32));
        xxh3_64_with_seed(row.key.as_bytes(), seed)
    }
}

/// # Source
/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a permutation of 64 bits.
const fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use madrigal_core::RowVersion;

    use super::*;
    use crate::canonical::Content;

    fn row(key: &str, version: u64, content: &str) -> Row {
        Row::new(key, RowVersion::new(1, version).ok()).with_content(Content::new().with("c", content))
    }

    #[test]
    fn key_version_and_content_each_count() {
        let all = Hashing { seed: 7, versions: true, fields: Some(&[]) };
        let mut seen = HashSet::new();
        for key in ["a", "b", "ab"] {
            for version in [1, 2, 3] {
                for content in ["x", "y"] {
                    assert!(seen.insert(all.of(&row(key, version, content))));
                }
            }
        }
        let versions = Hashing { fields: None, ..all };
        assert_eq!(versions.of(&row("a", 1, "x")), versions.of(&row("a", 1, "y")));
        let contents = Hashing { versions: false, ..all };
        assert_eq!(contents.of(&row("a", 1, "x")), contents.of(&row("a", 2, "x")));
        assert_ne!(all.of(&row("a", 1, "x")), Hashing { seed: 8, ..all }.of(&row("a", 1, "x")));
    }

    #[test]
    fn the_order_of_rows_does_not_count_and_each_row_does() {
        let (mut one, mut other, mut twice) = (Digest::default(), Digest::default(), Digest::default());
        for hash in [3, 5, 9] {
            one.add(hash);
        }
        for hash in [9, 3] {
            other.add(hash);
        }
        let mut rest = Digest::default();
        rest.add(5);
        assert_ne!(one, other);
        other.merge(rest);
        assert_eq!(one, other);
        for hash in [3, 5, 9, 9, 9] {
            twice.add(hash);
        }
        assert_ne!(one, twice);
    }
}
