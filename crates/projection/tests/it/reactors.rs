//! Reactors act on events once they have happened, and are never rebuilt.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use madrigal_core::{Host, RecordedEvent};
use madrigal_event_store::DynEventStore;
use madrigal_projection::consumer::Start;
use madrigal_projection::{
    ConsumerOptions, Delivery, DynOffsets, HandleError, MemoryOffsets, ParkedFilter, Reactor, ReactorRunner,
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
    let reactor = Arc::clone(reactor) as Arc<dyn Reactor>;
    let (log, offsets) = (Arc::clone(log), Arc::clone(offsets));
    ReactorRunner::new(reactor, log, start, offsets, Host::system(), None, ConsumerOptions::default())
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
