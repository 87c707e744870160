use std::sync::Mutex;
use std::time::Duration;

use madrigal_contracts::catalog::Undone;
use madrigal_core::{
    CallContext, Currency, EventId, Fault, Fingerprint, LogName, PersonId, PersonKey, Position, PositionToken,
    StreamVersion,
};
use madrigal_event_store::MemoryEventStore;
use madrigal_http::{Answer, Calls, Neighbour};
use madrigal_saga::{MemoryDirectory, SagaEngine, SagaId, SagaOptions, SagaState, StartSaga};

use super::*;
use crate::aggregates::order;
use crate::aggregates::order::{Order, Placing};
use crate::events::{OrderCreated, PaymentProcessed};

const LONG: Duration = Duration::from_secs(60);

/// Remembers for which sagas something was taken back.
struct Asked {
    sagas: Mutex<Vec<String>>,
    position: PositionToken,
}

impl Asked {
    fn undone(&self, saga_id: String) -> Undone {
        self.sagas.lock().unwrap().push(saga_id);
        Undone { nothing_to_undo: false, position: self.position.clone() }
    }
}

#[async_trait]
impl Answer<ReturnStock> for Asked {
    async fn answer(&self, _context: CallContext, call: ReturnStock) -> Result<Undone, Fault> {
        Ok(self.undone(call.saga_id))
    }
}

#[async_trait]
impl Answer<RefundPayment> for Asked {
    async fn answer(&self, _context: CallContext, call: RefundPayment) -> Result<Undone, Fault> {
        Ok(self.undone(call.saga_id))
    }
}

/// The events of a draft, and those that place it.
fn history(customer: &Sealed<Customer>) -> (Vec<OrderEvent>, Vec<OrderEvent>) {
    let amount = madrigal_core::Money { amount: 100, currency: Currency::EUR };
    let items = vec![order::item("lute".into(), "Lute".into(), amount, madrigal_core::BasisPoints::ZERO, 1)];
    let summary = order::totals(&items, Currency::EUR).unwrap();
    let created = OrderEvent::Created(OrderCreated {
        order_id: "o-1".into(),
        user_id: PersonId(7),
        customer: customer.clone(),
        items: items.clone(),
        currency: Currency::EUR,
        summary,
        draft: true,
        saga_id: None,
        fingerprint: None,
    });
    let payment = PaymentProcessed { payment_id: "ch_1".into(), amount, last_four: "4242".into() };
    let placing = Placing {
        items,
        summary,
        customer: customer.clone(),
        saga_id: "placed-by".into(),
        payment,
        estimated_delivery: None,
    };
    let draft = Order::evolve(None, &created).unwrap();
    (vec![created], draft.decide(OrderCommand::Place(placing)).unwrap())
}

#[tokio::test]
async fn a_draft_that_was_placed_before_the_pivot_gives_stock_and_money_back() {
    let host = Host::seeded(1);
    let store: DynEventStore = Arc::new(MemoryEventStore::new(LogName::parse("order").unwrap(), &host));
    let position = PositionToken::of(store.log().clone(), store.epoch(), Position(1));
    let asked = Arc::new(Asked { sagas: Mutex::default(), position });
    let taking_back = Calls::new("shop").on::<ReturnStock>(Arc::clone(&asked)).on::<RefundPayment>(Arc::clone(&asked));
    let shop = Neighbour::in_process(Arc::new(taking_back));
    // Keys and mails are not answered: the mail waits, which is not this test's business.
    let neighbours =
        OrderNeighbours { users: shop.clone(), catalog: shop.clone(), payments: shop.clone(), notifications: shop };
    let key = PersonKey::generate(&host);
    let anna = Customer { name: "Anna".into(), email: "anna@example.org".into(), shipping_address: None };
    let customer = Sealed::seal(&host, PersonId(7), &key, &anna).unwrap();

    // The caller saw a draft; by the time of the pivot it is placed.
    let (draft, placed) = history(&customer);
    let context = CallContext::new(&host);
    let stream = StreamName::new(OrderEvent::CATEGORY, "o-1").unwrap();
    let events = draft.iter().chain(&placed).map(|event| event.encode(EventId::new(&host), &context).unwrap());
    store.append(stream, ExpectedVersion::Exact(StreamVersion::NONE), events.collect()).await.unwrap();
    let input = CancelOrder { order_id: "o-1".into(), placed_by: None, reason: "too loud".into(), customer };

    let definition = definition(store.clone(), &neighbours, neighbours.person_keys(&host), host.clone()).unwrap();
    let directory = Arc::new(MemoryDirectory::new(store.clone()));
    let engine = SagaEngine::new(store, vec![definition], directory, host, SagaOptions::default());
    let id = SagaId::derive("order-service", CANCEL_ORDER, "o-1");
    let start = StartSaga {
        id,
        definition: CANCEL_ORDER,
        input: serde_json::to_value(&input).unwrap(),
        fingerprint: Fingerprint::of(b"o-1"),
        owner: None,
        call: context,
    };
    engine.start(start).await.unwrap();
    let taken_back = async {
        loop {
            let story = engine.show(&id).await.unwrap().unwrap();
            let done = |name: &str| story.steps.iter().any(|step| &*step.name == name && step.state == "done");
            if story.state == SagaState::Completed || (done("return-stock") && done("refund-payment")) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    madrigal_core::tasks::within(LONG, taken_back).await.unwrap();
    assert_eq!(*asked.sagas.lock().unwrap(), ["placed-by", "placed-by"]);
}
