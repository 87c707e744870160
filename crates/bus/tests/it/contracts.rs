//! What a contract says of events: mapped, passed over, or not to be taken for what a listener knows.

use std::sync::Arc;

use madrigal_bus::contract::Outgoing;
use madrigal_bus::message::UNMAPPABLE;
use madrigal_bus::{Message, TopicContract};
use madrigal_conformance::projection_kit::history;
use madrigal_core::{Host, RecordedEvent};
use madrigal_projection::consumer::Item;

/// A topic that hands data on as it is, up to its second form.
fn contract() -> TopicContract {
    let hands_on = |event: &RecordedEvent| Outgoing::about(event, "ItemAdded", &event.event_data).map(Some);
    TopicContract::new("carts", "/tests", &["ItemAdded"], hands_on).up_to(2)
}

async fn added(schema_version: u16) -> RecordedEvent {
    let events = history(&Host::seeded(1), &[("cart-7", "ItemAdded", serde_json::json!({ "item": "lute" }))]).await;
    RecordedEvent { schema_version, ..events[0].clone() }
}

fn parks_its_key(message: &Message) -> bool {
    let poison = message.poison();
    assert_eq!(message.kind == UNMAPPABLE, poison.is_some());
    assert!(poison.is_none_or(|why| why.contains("this program knows up to 2")), "its cause is said");
    message.key == "7" && message.kind == UNMAPPABLE
}

#[tokio::test]
async fn data_of_a_newer_form_than_a_topic_hands_on_parks_its_key_and_is_not_taken_for_the_known_one() {
    for (form, parks) in [(1, false), (2, false), (3, true), (u16::MAX, true)] {
        let message = contract().message(&added(form).await).unwrap();
        assert_eq!(parks_its_key(&message), parks, "form {form}: {message:?}");
    }
}

#[tokio::test]
async fn what_an_upcaster_brings_to_a_known_form_is_told() {
    let brought_to =
        |form: u16| contract().upcasting(Arc::new(move |event| Ok(RecordedEvent { schema_version: form, ..event })));
    assert!(!parks_its_key(&brought_to(2).message(&added(9).await).unwrap()));
    assert!(parks_its_key(&brought_to(3).message(&added(1).await).unwrap()), "the form after that counts");
}
