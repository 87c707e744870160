//! Reactors act on events once they have happened, and are never rebuilt.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Host, Position, RecordedEvent};
use madrigal_event_store::DynEventStore;
use madrigal_projection::consumer::Start;
use madrigal_projection::{
    ConsumerOptions, Delivery, DynOffsets, GroupBatch, HandleError, MemoryOffsets, ParkedFilter, Reactor, ReactorRunner,
};

use crate::shop::{cart, item, log};

/// Writes down the carts that were created; refuses some.
#[derive(Default)]
struct Welcomes {
    welcomed: Mutex<Vec<String>>,
    refuses: Mutex<Option<&'static str>>,
}

#[async_trait]
impl Reactor for Welcomes {
    fn name(&self) -> &'static str {
        "welcomes"
    }

    fn interested(&self, event: &RecordedEvent) -> bool {
        event.event_type == *"CartCreated"
    }

    async fn react(&self, event: &RecordedEvent, delivery: &Delivery) -> Result<(), HandleError> {
        assert_eq!(delivery.id, event.event_id.to_string());
        let refused = *self.refuses.lock().unwrap();
        match refused {
            Some("panic") => panic!("as told"),
            Some(id) if id == event.stream.id() => return Err(HandleError::poison("not this one")),
            _ => {}
        }
        self.welcomed.lock().unwrap().push(event.stream.id().to_owned());
        Ok(())
    }
}

fn runner(reactor: &Arc<Welcomes>, log: &DynEventStore, start: Start, offsets: &DynOffsets) -> ReactorRunner {
    runner_with(ConsumerOptions::default(), reactor, log, start, offsets)
}

fn runner_with(
    options: ConsumerOptions,
    reactor: &Arc<Welcomes>,
    log: &DynEventStore,
    start: Start,
    offsets: &DynOffsets,
) -> ReactorRunner {
    let reactor = Arc::clone(reactor) as Arc<dyn Reactor>;
    let (log, offsets) = (Arc::clone(log), Arc::clone(offsets));
    ReactorRunner::new(reactor, log, start, offsets, Host::system(), None, options)
}

async fn ids(log: &DynEventStore) -> Vec<String> {
    let page = log.read_log(Position::START, 100).await.unwrap();
    page.events.iter().map(|event| event.event_id.to_string()).collect()
}

#[tokio::test]
async fn ids_are_remembered_with_an_inbox_only() {
    for inbox in [true, false] {
        let (log, reactor): (_, Arc<Welcomes>) = (log(), Arc::default());
        let offsets: DynOffsets = Arc::new(MemoryOffsets::new());
        for id in ["a", "b"] {
            cart(&log, id, 1).await;
        }
        *reactor.refuses.lock().unwrap() = Some("b");
        let options = ConsumerOptions { inbox, ..ConsumerOptions::default() };
        let runner = runner_with(options, &reactor, &log, Start::Earliest, &offsets);
        runner.catch_up().await.unwrap();
        *reactor.refuses.lock().unwrap() = None;
        runner.control().retry("cart-b").await.unwrap();
        let handled = offsets.handled(runner.control().group(), ids(&log).await).await.unwrap();
        assert_eq!(handled.len(), if inbox { 2 } else { 0 }, "inbox: {inbox}");
    }
}

#[tokio::test]
async fn ids_are_forgotten_after_a_week() {
    let (log, reactor): (_, Arc<Welcomes>) = (log(), Arc::default());
    let offsets: DynOffsets = Arc::new(MemoryOffsets::new());
    cart(&log, "a", 1).await;
    let first = runner(&reactor, &log, Start::Earliest, &offsets);
    let at = first.catch_up().await.unwrap();
    let group = first.control().group().clone();
    let now = Host::system().now();
    for (id, days) in [("six", 6), ("eight", 8)] {
        let handled = vec![id.to_owned()];
        let then = now.minus(Duration::from_secs(days * 24 * 3_600));
        offsets.commit(&group, GroupBatch { handled, ..GroupBatch::at(at, then) }).await.unwrap();
    }
    cart(&log, "b", 1).await;
    runner(&reactor, &log, Start::Earliest, &offsets).catch_up().await.unwrap();
    let known = offsets.handled(&group, ["six", "eight"].map(str::to_owned).to_vec()).await.unwrap();
    assert_eq!(known, HashSet::from(["six".to_owned()]));
}

#[tokio::test]
async fn a_reactor_acts_once_on_what_concerns_it_across_restarts() {
    let (log, reactor): (_, Arc<Welcomes>) = (log(), Arc::default());
    let offsets: DynOffsets = Arc::new(MemoryOffsets::new());
    for id in ["a", "b", "c"] {
        cart(&log, id, 1).await;
        item(&log, id, 1).await;
        runner(&reactor, &log, Start::Earliest, &offsets).catch_up().await.unwrap();
    }
    assert_eq!(*reactor.welcomed.lock().unwrap(), ["a", "b", "c"]);
    let at = runner(&reactor, &log, Start::Earliest, &offsets).catch_up().await.unwrap();
    assert_eq!(at.position, log.end(), "what does not concern it moves its checkpoint too");
}

#[tokio::test]
async fn a_new_reactor_may_begin_with_what_comes() {
    let (log, reactor): (_, Arc<Welcomes>) = (log(), Arc::default());
    let offsets: DynOffsets = Arc::new(MemoryOffsets::new());
    cart(&log, "old", 1).await;
    runner(&reactor, &log, Start::Latest, &offsets).catch_up().await.unwrap();
    cart(&log, "new", 1).await;
    runner(&reactor, &log, Start::Latest, &offsets).catch_up().await.unwrap();
    assert_eq!(*reactor.welcomed.lock().unwrap(), ["new"]);
}

#[tokio::test]
async fn a_refused_event_and_a_panic_park_their_stream() {
    for (refusal, lanes) in [("b", vec!["cart-b"]), ("panic", vec!["cart-a", "cart-b"])] {
        let (log, reactor): (_, Arc<Welcomes>) = (log(), Arc::default());
        let offsets: DynOffsets = Arc::new(MemoryOffsets::new());
        *reactor.refuses.lock().unwrap() = Some(refusal);
        cart(&log, "a", 1).await;
        cart(&log, "b", 1).await;
        let runner = runner(&reactor, &log, Start::Earliest, &offsets);
        runner.catch_up().await.unwrap();
        let parked = runner.control().parked(ParkedFilter::default()).await.unwrap();
        assert_eq!(parked.iter().map(|event| event.lane.as_str()).collect::<Vec<_>>(), lanes);
        *reactor.refuses.lock().unwrap() = None;
        for lane in lanes {
            assert_eq!(runner.control().retry(lane).await.unwrap().applied, 1);
        }
        let mut welcomed = reactor.welcomed.lock().unwrap().clone();
        welcomed.sort();
        assert_eq!(welcomed, ["a", "b"]);
    }
}
