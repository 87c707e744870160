//! `stock.events`: the streams of stock, folded when they are asked for, with the rule of the books and not with a projection.
//!
//! A stock that sells well has a long stream, and it is the one that is asked for most often. What folding it came to is kept,
//! with what it came to the time before, and folding goes on there: looking at a row costs what happened since.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use madrigal_consistency::row_set::{MAX_PAGE, PageRead, of_versions};
use madrigal_consistency::{Changed, Content, Detail, Row, RowSet, SetDescription};
use madrigal_core::{Fault, PositionToken, RecordedEvent, RowVersion, StreamVersion};
use madrigal_sqlite::StreamIndex;

use super::remembered::Remembered;
use super::streams::{READS_AT_ONCE, changed, events, position};
use crate::domain::{Stock, StockEvent};

/// The fields of a stock's content.
pub(super) const STOCK_FIELDS: &[&str] =
    &["received", "adjusted", "onHand", "reserved", "sold", "available", "inStock"];

/// The stocks as their streams tell them: one for each product, empty where it has no stream.
#[derive(Debug, Clone)]
pub struct StockEvents {
    index: StreamIndex,
    kept: Arc<Kept>,
}

pub(super) fn stock_content(stock: &Stock) -> Content {
    let available = stock.on_hand - stock.reserved;
    Content::new()
        .with("received", stock.received)
        .with("adjusted", stock.adjusted)
        .with("onHand", stock.on_hand)
        .with("reserved", stock.reserved)
        .with("sold", stock.sold)
        .with("available", available)
        .with("inStock", available > 0)
}

/// The stock after an event, or why nobody can say.
fn after(stock: &Stock, event: &RecordedEvent) -> Result<Stock, String> {
    let read = StockEvent::read(event).map_err(|error| error.to_string())?;
    stock.after(&read).map_err(|error| error.to_string())
}

/// What a stream tells of a stock up to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Folded {
    version: StreamVersion,
    stock: Stock,
}

impl Folded {
    /// Before the first event.
    fn nothing() -> Self {
        Self { version: StreamVersion::NONE, stock: Stock::default() }
    }
}

/// What folding came to the last two times, the later one last.
#[derive(Debug)]
struct Kept(Remembered<[Folded; 2]>);

impl Kept {
    fn of(&self, key: &str) -> [Folded; 2] {
        self.0.get(key).unwrap_or_else(|| [Folded::nothing(); 2])
    }

    fn latest(&self, key: &str) -> Folded {
        self.of(key)[1]
    }

    /// The later one of those up to a version.
    fn up_to(&self, key: &str, version: StreamVersion) -> Folded {
        let [before, latest] = self.of(key);
        let found = [latest, before].into_iter().find(|folded| folded.version <= version);
        found.unwrap_or_else(Folded::nothing)
    }

    fn keep(&self, key: &str, folded: Folded) {
        self.0.change(key, |kept| {
            let latest = kept.map_or_else(Folded::nothing, |[_, latest]| latest);
            // Another one who folded it may have been faster.
            (latest.version < folded.version).then_some([latest, folded])
        });
    }
}

impl StockEvents {
    /// The stocks of these streams, among them those of the categories `product` and `stock`.
    pub fn new(index: StreamIndex) -> Self {
        Self { index, kept: Arc::new(Kept(Remembered::new())) }
    }

    pub(super) async fn events(&self, key: &str) -> Result<Vec<RecordedEvent>, Fault> {
        events(&self.index, "stock", key, StreamVersion::NONE).await
    }

    /// The row at `from`, and after each event behind it.
    async fn told(&self, key: &str, from: Folded) -> Result<Vec<Row>, Fault> {
        let mut folded = from;
        let mut rows =
            vec![Row::new(key, RowVersion::of_stream(from.version)).with_content(stock_content(&from.stock))];
        let mut unreadable = None;
        for event in events(&self.index, "stock", key, from.version).await? {
            if unreadable.is_none() {
                match after(&folded.stock, &event) {
                    Ok(stock) => folded = Folded { version: event.version(), stock },
                    // What comes behind it cannot be told either.
                    Err(told) => unreadable = Some(told),
                }
            }
            let version = RowVersion::of_stream(event.version());
            rows.push(match &unreadable {
                None => Row::new(key, version).with_content(stock_content(&folded.stock)),
                Some(told) => Row::unreadable(key, version, told),
            });
        }
        if unreadable.is_none() {
            self.kept.keep(key, folded);
        }
        Ok(rows)
    }

    /// The row as it is, where the stream is at `version`: nothing is read where it was folded as far.
    async fn last(&self, key: &str, version_now: StreamVersion) -> Result<Option<Row>, Fault> {
        let kept = self.kept.latest(key);
        if kept.version >= version_now {
            return Ok(Some(
                Row::new(key, RowVersion::of_stream(kept.version)).with_content(stock_content(&kept.stock)),
            ));
        }
        Ok(self.told(key, kept).await?.pop())
    }
}

#[async_trait]
impl RowSet for StockEvents {
    fn description(&self) -> SetDescription {
        SetDescription::owner("stock.events", STOCK_FIELDS)
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        Ok(position(&self.index))
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        let range = read.range;
        let page = self.index.page("product", range.after.clone(), range.through, read.limit).await?;
        let keys: Vec<String> = page.into_iter().map(|(key, _)| key).collect();
        if read.detail == Detail::Content {
            return self.by_key(keys, read.detail).await;
        }
        let Some(last) = keys.last().cloned() else { return Ok(Vec::new()) };
        // Every stock is of a product: as many keys at most.
        let stocks = self.index.page("stock", range.after, Some(last), MAX_PAGE).await?;
        let stocks: BTreeMap<String, StreamVersion> = stocks.into_iter().collect();
        let at = |key: &String| stocks.get(key).copied().unwrap_or(StreamVersion::NONE);
        Ok(keys.iter().map(|key| Row::new(key, RowVersion::of_stream(at(key)))).collect())
    }

    async fn by_key(&self, mut keys: Vec<String>, _: Detail) -> Result<Vec<Row>, Fault> {
        keys.sort_unstable();
        let stocks = self.index.versions("stock", keys.clone()).await?;
        // Without events it is the stock of a product, or of none.
        let untouched = keys.iter().filter(|key| !stocks.contains_key(*key)).cloned().collect();
        let products = self.index.versions("product", untouched).await?;
        keys.retain(|key| stocks.contains_key(key) || products.contains_key(key));
        let at = |key: &str| stocks.get(key).copied().unwrap_or(StreamVersion::NONE);
        let last = |key: String| {
            let at = at(&key);
            async move { self.last(&key, at).await }
        };
        let read = futures::stream::iter(keys.into_iter().map(last)).buffered(READS_AT_ONCE);
        let rows: Vec<Result<Option<Row>, Fault>> = read.collect().await;
        rows.into_iter().filter_map(Result::transpose).collect()
    }

    async fn changed(&self, after: Option<PositionToken>, limit: usize) -> Result<Option<Changed>, Fault> {
        changed(&self.index, "stock", after, limit).await.map(Some)
    }

    async fn history(&self, key: &str, first: RowVersion, last: RowVersion) -> Result<Option<Vec<Row>>, Fault> {
        let from = self.kept.up_to(key, StreamVersion(first.count()));
        Ok(of_versions(self.told(key, from).await?, first, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(version: u64) -> Folded {
        let sold = i64::try_from(version).unwrap();
        Folded { version: StreamVersion(version), stock: Stock { sold, ..Stock::default() } }
    }

    #[test]
    fn folding_goes_on_where_it_ended_and_history_where_it_ended_before() {
        let kept = Kept(Remembered::new());
        assert_eq!((kept.latest("lute"), kept.up_to("lute", StreamVersion(9))), (Folded::nothing(), Folded::nothing()));
        for version in [100, 104, 104, 103] {
            kept.keep("lute", at(version));
        }
        assert_eq!(kept.latest("lute"), at(104));
        let up_to = |version| kept.up_to("lute", StreamVersion(version)).version.0;
        assert_eq!([99, 100, 103, 104, 200].map(up_to), [0, 100, 100, 104, 104]);
        assert_eq!(kept.latest("shawm"), Folded::nothing());
    }
}
