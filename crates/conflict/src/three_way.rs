//! Texts and lists that both sides changed, piece by piece.
//!
//! # Source
//! Khanna, Kunal, Pierce: *A Formal Investigation of Diff3* (2007): pieces that both sides kept are the anchors; between two
//! anchors a part that one side left alone is the other side's.

use crate::record::ConflictCause;

/// The most pieces of one side that are compared with those of the base, multiplied: 4 MiB of table.
const MAX_CELLS: usize = 1 << 20;

/// Merges texts word by word: a word with the space after it is a piece, so that changes of two neighbouring words meet.
pub(crate) fn texts(base: &str, current: &str, proposed: &str) -> Result<String, ConflictCause> {
    let [base, current, proposed] =
        [base, current, proposed].map(|text| text.split_inclusive(char::is_whitespace).collect::<Vec<_>>());
    pieces(&base, &current, &proposed).map(|words| words.concat())
}

/// Merges lists of pieces.
pub(crate) fn pieces<T: PartialEq + Clone>(base: &[T], current: &[T], proposed: &[T]) -> Result<Vec<T>, ConflictCause> {
    let (in_current, in_proposed) = (places(base, current)?, places(base, proposed)?);
    let mut merged = Vec::with_capacity(current.len().max(proposed.len()));
    let mut from = [0, 0, 0];
    let anchors = (0..base.len()).filter_map(|at| Some([at, in_current[at]?, in_proposed[at]?]));
    for anchor in anchors.chain([[base.len(), current.len(), proposed.len()]]) {
        let between = [&base[from[0]..anchor[0]], &current[from[1]..anchor[1]], &proposed[from[2]..anchor[2]]];
        merged.extend_from_slice(part(between)?);
        merged.extend(base.get(anchor[0]).cloned());
        from = anchor.map(|at| at + 1);
    }
    Ok(merged)
}

/// The part between two anchors.
fn part<T: PartialEq>([base, current, proposed]: [&[T]; 3]) -> Result<&[T], ConflictCause> {
    if proposed == base || proposed == current {
        Ok(current)
    } else if current == base {
        Ok(proposed)
    } else {
        Err(ConflictCause::BothChanged)
    }
}

/// Where each piece of `base` stands in `side`, by a longest common subsequence.
fn places<T: PartialEq>(base: &[T], side: &[T]) -> Result<Vec<Option<usize>>, ConflictCause> {
    let head = base.iter().zip(side).take_while(|(one, other)| one == other).count();
    let tail = base[head..].iter().rev().zip(side[head..].iter().rev()).take_while(|(one, other)| one == other).count();
    let mut places: Vec<Option<usize>> = vec![None; base.len()];
    for (at, place) in places.iter_mut().enumerate() {
        if at < head {
            *place = Some(at);
        } else if at >= base.len() - tail {
            *place = Some(side.len() - (base.len() - at));
        }
    }
    let (middle, of_side) = (&base[head..base.len() - tail], &side[head..side.len() - tail]);
    let width = of_side.len() + 1;
    if (middle.len() + 1).saturating_mul(width) > MAX_CELLS {
        return Err(ConflictCause::TooLong);
    }
    // Cell (i, j): how long the longest common subsequence of middle[i..] and of_side[j..] is.
    let mut longest = vec![0_u32; (middle.len() + 1) * width];
    for i in (0..middle.len()).rev() {
        for j in (0..of_side.len()).rev() {
            longest[i * width + j] = if middle[i] == of_side[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < middle.len() && j < of_side.len() {
        if middle[i] == of_side[j] {
            places[head + i] = Some(head + j);
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_in_two_places_of_a_text_both_stand() {
        let base = "A tea from the north of Italy, dried in the sun.";
        let merged =
            texts(base, "A tea from the south of Italy, dried in the sun.", &format!("Fresh: {base} Organic."));
        assert_eq!(merged.unwrap(), "Fresh: A tea from the south of Italy, dried in the sun. Organic.");
    }

    #[test]
    fn changes_that_meet_are_a_conflict() {
        for (current, proposed) in
            [("a green tea", "a black tea"), ("a red old tea", "a red new tea"), ("a red", "a big tea")]
        {
            assert_eq!(texts("a red tea", current, proposed), Err(ConflictCause::BothChanged), "{current}, {proposed}");
        }
    }

    #[test]
    fn the_same_change_twice_is_one() {
        assert_eq!(texts("a red tea", "a green tea", "a green tea"), Ok("a green tea".to_owned()));
        assert_eq!(pieces(&[1, 2, 3], &[1, 3], &[0, 1, 3]), Ok(vec![0, 1, 3]));
    }

    #[test]
    fn what_is_too_long_is_a_persons() {
        let long: Vec<u32> = (0..2_000).collect();
        let other: Vec<u32> = (10_000..12_000).collect();
        assert_eq!(pieces(&long, &other, &[]), Err(ConflictCause::TooLong));
        // Only what lies between the first and the last difference counts.
        let mut one = long.clone();
        one[7] = 99_999;
        let mut last = long.clone();
        last[1_990] = 99_998;
        assert_eq!(pieces(&long, &one, &last).map(|merged| (merged[7], merged[1_990])), Ok((99_999, 99_998)));
    }
}
