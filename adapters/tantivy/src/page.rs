//! The next documents in an order, after a place in it.
//!
//! Within a segment every part of an order is a number that sorts alike: the bits of a score, an integer, the ordinal of a
//! text. The place to go on from becomes such numbers too (a text that the segment does not have lies between two
//! ordinals), so that a page costs one pass over what is found, however deep it is. Documents are then put in order across
//! segments by their values.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{ColumnValues, StrColumn};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader, i64_to_u64};

use crate::request::{Direction, Place, Sort, SortValue};
use crate::schema::KEY;

/// The parts of an order, and the key.
const PARTS: usize = 3;
type Rank = [u64; PARTS];

/// Collects the first `limit` documents after a place.
pub(crate) struct Page {
    pub(crate) sort: Vec<Sort>,
    pub(crate) after: Option<Place>,
    pub(crate) limit: usize,
}

pub(crate) struct SegmentPage {
    parts: Vec<Part>,
    key: Option<StrColumn>,
    after: Option<Rank>,
    limit: usize,
    best: BinaryHeap<(Rank, DocId)>,
}

/// A part of an order within a segment.
enum Part {
    Score,
    Integer(Arc<dyn ColumnValues<i64>>, Direction),
    Text(Option<StrColumn>, Direction),
}

impl Collector for Page {
    type Fruit = Vec<Place>;
    type Child = SegmentPage;

    fn for_segment(&self, _: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<SegmentPage> {
        let columns = reader.fast_fields();
        let mut parts = Vec::with_capacity(self.sort.len());
        for sort in &self.sort {
            parts.push(match sort {
                Sort::Relevance => Part::Score,
                Sort::Integer(field, direction) => {
                    Part::Integer(columns.i64(field)?.first_or_default_col(i64::MIN), *direction)
                }
                Sort::Keyword(field, direction) => Part::Text(columns.str(field)?, *direction),
            });
        }
        let key = columns.str(KEY)?;
        let after = self.after.as_ref().map(|place| rank_of(place, &parts, key.as_ref())).transpose()?;
        Ok(SegmentPage { parts, key, after, limit: self.limit, best: BinaryHeap::new() })
    }

    fn requires_scoring(&self) -> bool {
        self.sort.contains(&Sort::Relevance)
    }

    fn merge_fruits(&self, segments: Vec<tantivy::Result<Vec<Place>>>) -> tantivy::Result<Vec<Place>> {
        let mut all = Vec::new();
        for segment in segments {
            all.extend(segment?);
        }
        all.sort_by(|one, other| in_order(&self.sort, one, other));
        all.truncate(self.limit);
        Ok(all)
    }
}

impl SegmentCollector for SegmentPage {
    type Fruit = tantivy::Result<Vec<Place>>;

    fn collect(&mut self, doc: DocId, score: Score) {
        let rank = self.rank(doc, score);
        if self.after.is_some_and(|after| rank <= after) {
            return;
        }
        if self.best.len() < self.limit {
            self.best.push((rank, doc));
        } else if let Some(mut worst) = self.best.peek_mut()
            && rank < worst.0
        {
            *worst = (rank, doc);
        }
    }

    fn harvest(mut self) -> Self::Fruit {
        let best = std::mem::take(&mut self.best).into_sorted_vec();
        best.into_iter().map(|(rank, doc)| self.place(&rank, doc)).collect()
    }
}

impl SegmentPage {
    fn rank(&self, doc: DocId, score: Score) -> Rank {
        let mut rank = [0; PARTS];
        for (rank, part) in rank.iter_mut().zip(&self.parts) {
            *rank = match part {
                // Best first. Scores are never negative, so that their bits sort as they do.
                Part::Score => !u64::from(score.to_bits()),
                Part::Integer(values, direction) => turned(i64_to_u64(values.get_val(doc)), *direction),
                Part::Text(column, direction) => turned(text_rank(ordinal(column.as_ref(), doc)), *direction),
            };
        }
        rank[PARTS - 1] = text_rank(ordinal(self.key.as_ref(), doc));
        rank
    }

    fn place(&self, rank: &Rank, doc: DocId) -> tantivy::Result<Place> {
        let mut values = Vec::with_capacity(self.parts.len());
        for (part, rank) in self.parts.iter().zip(rank) {
            values.push(match part {
                Part::Score => SortValue::Score((!rank & u64::from(u32::MAX)) as u32),
                Part::Integer(column, _) => SortValue::Integer(column.get_val(doc)),
                Part::Text(column, _) => SortValue::Text(text(column.as_ref(), doc)?),
            });
        }
        let key = text(self.key.as_ref(), doc)?.unwrap_or_default();
        Ok(Place { values, key })
    }
}

fn ordinal(column: Option<&StrColumn>, doc: DocId) -> Option<u64> {
    column.and_then(|column| column.ords().first(doc))
}

fn text(column: Option<&StrColumn>, doc: DocId) -> tantivy::Result<Option<String>> {
    let (Some(column), Some(ordinal)) = (column, ordinal(column, doc)) else { return Ok(None) };
    let mut text = String::new();
    column.ord_to_str(ordinal, &mut text)?;
    Ok(Some(text))
}

/// Even numbers are texts of the segment, odd ones lie between them, 0 is none.
const fn text_rank(ordinal: Option<u64>) -> u64 {
    match ordinal {
        Some(ordinal) => 2 * ordinal + 2,
        None => 0,
    }
}

const fn turned(rank: u64, direction: Direction) -> u64 {
    match direction {
        Direction::Up => rank,
        Direction::Down => !rank,
    }
}

fn rank_of(place: &Place, parts: &[Part], key: Option<&StrColumn>) -> tantivy::Result<Rank> {
    let mut rank = [0; PARTS];
    for ((rank, part), value) in rank.iter_mut().zip(parts).zip(&place.values) {
        *rank = match (part, value) {
            (Part::Score, SortValue::Score(bits)) => !u64::from(*bits),
            (Part::Integer(_, direction), SortValue::Integer(number)) => turned(i64_to_u64(*number), *direction),
            (Part::Text(column, direction), SortValue::Text(text)) => {
                turned(rank_of_text(column.as_ref(), text.as_deref())?, *direction)
            }
            _ => return Err(tantivy::TantivyError::InvalidArgument("a place in another order".to_owned())),
        };
    }
    rank[PARTS - 1] = rank_of_text(key, Some(&place.key))?;
    Ok(rank)
}

fn rank_of_text(column: Option<&StrColumn>, text: Option<&str>) -> tantivy::Result<u64> {
    let (Some(column), Some(text)) = (column, text) else { return Ok(0) };
    if let Some(ordinal) = column.dictionary().term_ord(text)? {
        return Ok(text_rank(Some(ordinal)));
    }
    // The text lies before the first one of the segment that is greater.
    Ok(2 * crate::facets::first_at_or_after(column, text)? + 1)
}

/// The order of two places.
fn in_order(sort: &[Sort], one: &Place, other: &Place) -> Ordering {
    for ((sort, one), other) in sort.iter().zip(&one.values).zip(&other.values) {
        let up = one.cmp(other);
        let ordering = match sort {
            Sort::Relevance | Sort::Integer(_, Direction::Down) | Sort::Keyword(_, Direction::Down) => up.reverse(),
            Sort::Integer(_, Direction::Up) | Sort::Keyword(_, Direction::Up) => up,
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    one.key.cmp(&other.key)
}
