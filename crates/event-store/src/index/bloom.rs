//! A filter that says *no* for sure and *perhaps* with a small error: most lookups end here.
//!
//! # Source
//! Blocked Bloom filter: Putze, Sanders, Singler, "Cache-, hash- and space-efficient Bloom filters", 2007. One block of
//! 64 bytes per key, 6 bits in it, 10 bits of filter per key at least: about 2 % of *perhaps* are wrong at most.

pub(crate) const BLOCK: usize = 64;
const BITS_PER_KEY: usize = 10;
const BITS_SET: u32 = 6;
/// A filter has a multiple of so many, so that it can be folded.
const BLOCKS_AT_ONCE: usize = 16;

/// How many bytes the filter of so many keys has.
pub(crate) fn bytes_for(keys: usize) -> usize {
    (keys * BITS_PER_KEY).div_ceil(BLOCK * 8).next_multiple_of(BLOCKS_AT_ONCE).max(BLOCKS_AT_ONCE) * BLOCK
}

/// Halves the filter as long as it is large enough for so many keys: the same key was inserted more than once.
///
/// Of twice as many blocks, a key chooses one of the two that its block in the smaller filter is made of: see
/// [`block_of`]. Which bits it sets there does not depend on the filter's size.
pub(crate) fn fold(filter: &mut Vec<u8>, keys: usize) {
    while filter.len() >= 2 * bytes_for(keys) && (filter.len() / BLOCK).is_multiple_of(2) {
        for block in 0..filter.len() / BLOCK / 2 {
            for byte in 0..BLOCK {
                filter[block * BLOCK + byte] =
                    filter[2 * block * BLOCK + byte] | filter[(2 * block + 1) * BLOCK + byte];
            }
        }
        filter.truncate(filter.len() / 2);
    }
    filter.shrink_to_fit();
}

/// Where a key's block begins in a filter of so many bytes.
pub(crate) fn block_of(key: u64, bytes: usize) -> usize {
    let blocks = (bytes / BLOCK) as u64;
    // The high half of the product: as uniform as the key, without a division.
    (((u128::from(key) * u128::from(blocks)) >> 64) as usize) * BLOCK
}

/// The bits of a key in its block: (byte, mask).
fn bits(key: u64) -> impl Iterator<Item = (usize, u8)> {
    // Other bits than those that chose the block: keys of a block share their high ones.
    let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    (0..BITS_SET).map(move |n| {
        let bit = (mixed >> (n * 9)) as usize & 511;
        (bit / 8, 1u8 << (bit % 8))
    })
}

pub(crate) fn insert(filter: &mut [u8], key: u64) {
    let start = block_of(key, filter.len());
    for (byte, mask) in bits(key) {
        filter[start + byte] |= mask;
    }
}

/// Whether the block of a key may contain it.
pub(crate) fn may_contain(block: &[u8], key: u64) -> bool {
    bits(key).all(|(byte, mask)| block[byte] & mask != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::stream_key;

    #[test]
    fn a_filter_never_denies_what_was_inserted_and_seldom_affirms_what_was_not() {
        let mut filter = vec![0; bytes_for(10_000)];
        let key = |n: u32| stream_key(&format!("order-{n}"));
        (0..10_000).for_each(|n| insert(&mut filter, key(n)));
        let says = |n| {
            let start = block_of(key(n), filter.len());
            may_contain(&filter[start..start + BLOCK], key(n))
        };
        assert!((0..10_000).all(says));
        let wrong = (10_000..110_000).filter(|n| says(*n)).count();
        assert!(wrong < 4_000, "{wrong} of 100,000");
    }

    #[test]
    fn a_filter_is_folded_to_what_different_keys_need_and_denies_none_of_them() {
        let key = |n: u32| stream_key(&format!("order-{n}"));
        for repeats in [1, 2, 3, 5, 40] {
            let mut filter = vec![0; bytes_for(3_000 * repeats)];
            (0..3_000).for_each(|n| insert(&mut filter, key(n)));
            fold(&mut filter, 3_000);
            let may = |n| {
                let start = block_of(key(n), filter.len());
                may_contain(&filter[start..start + BLOCK], key(n))
            };
            assert!((0..3_000).all(may), "{repeats} events a stream");
            let wrong = (3_000..103_000).filter(|n| may(*n)).count();
            assert!(wrong < 4_000, "{wrong} of 100,000 with {repeats} events a stream");
            assert!(repeats == 40 || filter.len() < 2 * bytes_for(3_000), "{} bytes", filter.len());
        }
    }
}
