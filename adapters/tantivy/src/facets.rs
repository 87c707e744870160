//! Counting over everything that is found: every value, in every segment, so that counts are exact.
//!
//! Memory: four bytes for each value that a counted field has in a segment, and the values that were found.

use std::collections::HashMap;
use std::ops::Range;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use crate::request::{Facet, FacetCount};

/// Counts facets.
pub(crate) struct Counting {
    pub(crate) facets: Vec<Facet>,
}

/// What was counted: how many documents, and for each facet.
pub(crate) struct Counted {
    pub(crate) total: u64,
    pub(crate) facets: Vec<Vec<FacetCount>>,
}

pub(crate) struct SegmentCounting {
    total: u64,
    parts: Vec<Part>,
}

enum Part {
    Values { column: StrColumn, prefix: usize, ordinals: Range<u64>, counts: Vec<u32> },
    Ranges { column: Column<i64>, ranges: Vec<(i64, i64)>, counts: Vec<u32> },
    Nothing,
}

type SegmentCounts = (u64, Vec<Vec<(String, u64)>>);

impl Collector for Counting {
    type Fruit = Counted;
    type Child = SegmentCounting;

    fn for_segment(&self, _: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<SegmentCounting> {
        let columns = reader.fast_fields();
        let mut parts = Vec::with_capacity(self.facets.len());
        for facet in &self.facets {
            parts.push(match facet {
                Facet::Values { field, prefix, .. } => match columns.str(field)? {
                    Some(column) => {
                        let ordinals = beginning_so(&column, prefix)?;
                        let counts = vec![0; usize::try_from(ordinals.end - ordinals.start).unwrap_or(usize::MAX)];
                        Part::Values { column, prefix: prefix.len(), ordinals, counts }
                    }
                    None => Part::Nothing,
                },
                Facet::Ranges { field, ranges } => {
                    let end =
                        |(from, to): &(Option<i64>, Option<i64>)| (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX));
                    let ranges: Vec<_> = ranges.iter().map(end).collect();
                    Part::Ranges { column: columns.i64(field)?, counts: vec![0; ranges.len()], ranges }
                }
            });
        }
        Ok(SegmentCounting { total: 0, parts })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<tantivy::Result<SegmentCounts>>) -> tantivy::Result<Counted> {
        let mut total = 0;
        let mut sums: Vec<HashMap<String, u64>> = self.facets.iter().map(|_| HashMap::new()).collect();
        for segment in segments {
            let (documents, parts) = segment?;
            total += documents;
            for (sum, part) in sums.iter_mut().zip(parts) {
                for (value, count) in part {
                    *sum.entry(value).or_default() += count;
                }
            }
        }
        let facets = self.facets.iter().zip(sums).map(|(facet, sum)| match facet {
            Facet::Values { most, .. } => {
                let mut counts: Vec<_> = sum.into_iter().map(|(value, count)| FacetCount { value, count }).collect();
                counts.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.value.cmp(&other.value)));
                counts.truncate(*most);
                counts
            }
            Facet::Ranges { ranges, .. } => {
                let named = (0..ranges.len()).map(|index| index.to_string());
                named.map(|value| FacetCount { count: sum.get(&value).copied().unwrap_or(0), value }).collect()
            }
        });
        Ok(Counted { total, facets: facets.collect() })
    }
}

impl SegmentCollector for SegmentCounting {
    type Fruit = tantivy::Result<SegmentCounts>;

    fn collect(&mut self, doc: DocId, _: Score) {
        self.total += 1;
        for part in &mut self.parts {
            match part {
                Part::Values { column, ordinals, counts, .. } => {
                    for ordinal in column.term_ords(doc) {
                        if ordinals.contains(&ordinal)
                            && let Ok(index) = usize::try_from(ordinal - ordinals.start)
                        {
                            counts[index] += 1;
                        }
                    }
                }
                Part::Ranges { column, ranges, counts } => {
                    if let Some(number) = column.first(doc) {
                        for ((from, to), count) in ranges.iter().zip(counts) {
                            *count += u32::from((*from..=*to).contains(&number));
                        }
                    }
                }
                Part::Nothing => {}
            }
        }
    }

    fn harvest(self) -> Self::Fruit {
        let parts = self.parts.into_iter().map(named).collect::<tantivy::Result<Vec<_>>>()?;
        Ok((self.total, parts))
    }
}

fn named(part: Part) -> tantivy::Result<Vec<(String, u64)>> {
    let counted = |counts: Vec<u32>| {
        let counts = counts.into_iter().zip(0_u64..).filter(|(count, _)| *count > 0);
        counts.map(|(count, index)| (index, u64::from(count)))
    };
    match part {
        Part::Nothing => Ok(Vec::new()),
        Part::Ranges { counts, .. } => Ok(counted(counts).map(|(index, count)| (index.to_string(), count)).collect()),
        Part::Values { column, prefix, ordinals, counts } => {
            let counts: Vec<(u64, u64)> =
                counted(counts).map(|(index, count)| (ordinals.start + index, count)).collect();
            let mut values = Vec::with_capacity(counts.len());
            let mut text = String::new();
            for (ordinal, count) in counts {
                column.ord_to_str(ordinal, &mut text)?;
                values.push((text.get(prefix..).unwrap_or_default().to_owned(), count));
            }
            Ok(values)
        }
    }
}

/// The ordinals of the values that begin so.
fn beginning_so(column: &StrColumn, prefix: &str) -> tantivy::Result<Range<u64>> {
    if prefix.is_empty() {
        return Ok(0..column.num_terms() as u64);
    }
    let start = first_at_or_after(column, prefix)?;
    let end = first_at_or_after(column, &format!("{prefix}{}", char::MAX))?;
    Ok(start..end.max(start))
}

/// The ordinal of the first value that is not smaller; how many there are where all are.
pub(crate) fn first_at_or_after(column: &StrColumn, text: &str) -> tantivy::Result<u64> {
    let all = column.num_terms() as u64;
    let (mut low, mut high) = (0, all);
    let mut value = Vec::new();
    while low < high {
        let middle = low + (high - low) / 2;
        column.ord_to_bytes(middle, &mut value)?;
        if value.as_slice() < text.as_bytes() {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
