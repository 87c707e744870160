//! The books of stock, as they are served: what must hold in every row, whatever owner and copy agree on.

use madrigal_consistency::row_set::{MAX_PAGE, PageRead};
use madrigal_consistency::{Content, Detail, Divergence, Issue, KeyRange, Pair, PairReport, Row};
use madrigal_core::{Fault, Host};

use super::STOCK;

/// Looks through the copy's rows.
pub(in crate::monitor) async fn check(stocks: &Pair, host: &Host) -> PairReport {
    let began = host.now();
    let mut report = PairReport::failed(STOCK.name, Detail::Content, began, String::new());
    report.trouble = read(stocks, &mut report).await.err().map(|fault| fault.chain());
    report.ended_at = host.now();
    report
}

async fn read(stocks: &Pair, report: &mut PairReport) -> Result<(), Fault> {
    let mut after = None;
    loop {
        let range = KeyRange { after, through: None };
        let read = PageRead { range, limit: MAX_PAGE, detail: Detail::Content };
        let rows = stocks.copy().read_page(read).await?.rows;
        let ended = rows.len() < MAX_PAGE;
        after = rows.last().map(|row| row.key.clone());
        report.cost.pages += 1;
        report.cost.rows_read += rows.len() as u64;
        for row in rows {
            if balances(&row) {
                report.consistent += 1;
                continue;
            }
            report.divergent += 1;
            if report.divergences.len() < PairReport::MAX_LISTED {
                let key = row.key.clone();
                report.divergences.push(Divergence { key, issue: Issue::Different, owner: None, copy: Some(row) });
            }
        }
        if ended {
            return Ok(());
        }
    }
}

fn balances(row: &Row) -> bool {
    let number = |field: &str| row.content.as_ref().and_then(|content: &Content| content.get(field)?.as_i64());
    let all = ["received", "adjusted", "onHand", "reserved", "sold", "available"].map(number);
    let [Some(received), Some(adjusted), Some(on_hand), Some(reserved), Some(sold), Some(available)] = all else {
        return false;
    };
    on_hand.checked_sub(reserved) == Some(available)
        && received.checked_add(adjusted) == on_hand.checked_add(sold)
        && [on_hand, reserved, sold, available].iter().all(|number| *number >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stock(numbers: [i64; 6]) -> Row {
        let names = ["received", "adjusted", "onHand", "reserved", "sold", "available"];
        let content =
            names.into_iter().zip(numbers).fold(Content::new(), |content, (name, number)| content.with(name, number));
        Row::new("lute", None).with_content(content)
    }

    #[test]
    fn a_stock_balances_or_it_is_named() {
        assert!(balances(&stock([10, -2, 5, 1, 3, 4])));
        for wrong in [[10, -2, 6, 1, 3, 5], [10, -2, 5, 1, 3, 5], [10, -2, 9, 1, -1, 8], [10, -2, 5, 6, 3, -1]] {
            assert!(!balances(&stock(wrong)), "{wrong:?}");
        }
        assert!(!balances(&Row::new("lute", None)), "a row without numbers balances nothing");
    }
}
