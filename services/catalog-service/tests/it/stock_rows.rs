//! Stocks and products as the monitor reads them: from their streams, going on where they were read before.

use std::sync::Arc;

use madrigal_catalog_service::commands::{Command, ProductChange};
use madrigal_catalog_service::row_sets::{ProductEvents, StockEvents};
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{Detail, KeyRange, Row, RowSet};
use madrigal_core::{CallContext, EventType, ExpectedVersion, Host, JsonBytes, NewEvent, RowVersion, StreamVersion};
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

    /// Streams that were not looked at before.
    async fn index(&self, file: &str) -> StreamIndex {
        let store = Arc::clone(&self.store) as DynEventStore;
        StreamIndex::open(self.dir.path().join(file), store, &["product", "stock", "rating"]).await.unwrap()
    }

    async fn stocks(&self, file: &str) -> StockEvents {
        StockEvents::new(self.index(file).await)
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

#[tokio::test]
async fn a_stock_is_of_a_product_or_has_events_and_one_that_nothing_happened_to_costs_no_read() {
    let shop = Shop::new().await;
    shop.desk.create("viol", 0).await;
    let stocks = shop.stocks("kept").await;
    let keys = ["viol", "harp", "lute"].map(str::to_owned).to_vec();
    for reads in [1, 0] {
        shop.store.events_read();
        let rows = stocks.by_key(keys.clone(), Detail::Content).await.unwrap();
        assert_eq!(shop.store.events_read(), reads);
        let told: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.version.unwrap().count())).collect();
        assert_eq!(told, [("lute", 1), ("viol", 0)]);
        assert_eq!(rows[1].content.as_ref().unwrap().get("onHand"), Some(&serde_json::json!(0)));
    }
}

#[tokio::test]
async fn products_are_listed_by_versions_and_read_again_where_they_moved_only() {
    let shop = Shop::new().await;
    shop.desk.create("viol", 0).await;
    let products = ProductEvents::new(shop.index("kept").await);
    let list = async |products: &ProductEvents| {
        let range = KeyRange { after: None, through: None };
        let rows = products.page(PageRead { range, limit: 100, detail: Detail::Versions }).await.unwrap();
        rows.into_iter().map(|row| (row.key, row.version.unwrap().count(), row.deleted)).collect::<Vec<_>>()
    };
    let mut expected = vec![("lute".to_owned(), 1, false), ("viol".to_owned(), 1, false)];
    for reads in [2, 0] {
        shop.store.events_read();
        assert_eq!((list(&products).await, shop.store.events_read()), (expected.clone(), reads));
    }
    let change = ProductChange::Withdraw { expected: StreamVersion(1) };
    shop.desk.ask(Command::ChangeProduct { product: id("viol"), change }).await.unwrap();
    expected[1] = ("viol".to_owned(), 2, true);
    for reads in [2, 0] {
        shop.store.events_read();
        assert_eq!((list(&products).await, shop.store.events_read()), (expected.clone(), reads));
    }
    assert_eq!(list(&ProductEvents::new(shop.index("fresh").await)).await, expected);
}
