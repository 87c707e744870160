//! Stocks as the monitor reads them: folded from their streams, going on where they were folded before.

use std::sync::Arc;

use madrigal_catalog_service::row_sets::StockEvents;
use madrigal_consistency::{Detail, Row, RowSet};
use madrigal_core::{CallContext, EventType, ExpectedVersion, Host, JsonBytes, NewEvent, RowVersion};
use madrigal_event_store::{DynEventStore, EventStore, StreamAppend};
use madrigal_sqlite::StreamIndex;

use crate::support::{Desk, Troubled, id};

struct Shop {
    host: Host,
    store: Arc<Troubled>,
    desk: Desk,
    dir: tempfile::TempDir,
}

impl Shop {
    async fn new() -> Self {
        let host = Host::system();
        let store = Troubled::new(&host);
        let desk = Desk::on(Arc::clone(&store) as DynEventStore, &host);
        desk.create("lute", 1_000).await;
        Self { host, store, desk, dir: tempfile::tempdir().unwrap() }
    }

    /// Stocks that were not looked at before.
    async fn stocks(&self, file: &str) -> StockEvents {
        let store = Arc::clone(&self.store) as DynEventStore;
        let index = StreamIndex::open(self.dir.path().join(file), store, &["product", "stock", "rating"]);
        StockEvents::new(index.await.unwrap())
    }

    async fn change(&self, times: i64) {
        for change in 1..=times {
            self.desk.change("lute", change).await;
        }
    }

    /// Appends what is no event of a stock.
    async fn scribble(&self) {
        let event_type = EventType::parse("Scribbled").unwrap();
        let data = JsonBytes::of(&serde_json::json!({})).unwrap();
        let event = NewEvent::fresh(&self.host, event_type, 1, data, &CallContext::new(&self.host));
        let (stream, expected) = (id("lute").stock_stream(), ExpectedVersion::Any);
        let append = StreamAppend { stream, expected, events: vec![event] };
        self.store.append_many(vec![append]).await.unwrap();
    }
}

async fn row(stocks: &StockEvents) -> Row {
    stocks.by_key(vec!["lute".to_owned()], Detail::Content).await.unwrap().pop().unwrap()
}

async fn history(stocks: &StockEvents, first: u64, last: u64) -> Vec<Row> {
    let version = |version| RowVersion::new(1, version).unwrap();
    stocks.history("lute", version(first), version(last)).await.unwrap().unwrap()
}

#[tokio::test]
async fn looking_at_a_stock_once_more_reads_what_happened_since() {
    let shop = Shop::new().await;
    let stocks = shop.stocks("kept").await;
    shop.change(30).await;
    row(&stocks).await;
    shop.store.events_read();
    for news in [0, 2, 5, 1] {
        shop.change(news).await;
        shop.store.events_read();
        let row = row(&stocks).await;
        assert_eq!(shop.store.events_read(), usize::try_from(news).unwrap());
        let on_hand = shop.desk.stock("lute").await.on_hand;
        assert_eq!(row.content.unwrap().get("onHand"), Some(&serde_json::json!(on_hand)));
    }
}

#[tokio::test]
async fn whatever_was_read_before_the_history_is_that_of_the_stream() {
    let shop = Shop::new().await;
    let kept = shop.stocks("kept").await;
    for news in [3, 0, 4, 2] {
        shop.change(news).await;
        row(&kept).await;
        let fresh = shop.stocks(&format!("fresh-{news}")).await;
        let latest = row(&fresh).await;
        assert_eq!(row(&kept).await, latest);
        let end = latest.version.unwrap().count();
        for first in 1..=end {
            let told = shop.stocks(&format!("{news}-{first}")).await;
            assert_eq!(history(&kept, first, end).await, history(&told, first, end).await, "from {first} to {end}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told_whatever_was_read_before() {
    let shop = Shop::new().await;
    let kept = shop.stocks("kept").await;
    row(&kept).await;
    shop.scribble().await;
    for _ in 0..2 {
        assert!(row(&kept).await.content.unwrap().get("unreadable").is_some());
    }
    let fresh = shop.stocks("fresh").await;
    assert_eq!(history(&kept, 1, 2).await, history(&fresh, 1, 2).await);
}
