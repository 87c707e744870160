//! The topic `products`: what listeners are told.

use madrigal_bus::message::UNMAPPABLE;
use madrigal_catalog_service::domain::event::SCHEMA_VERSION;
use madrigal_catalog_service::topics::contract;
use madrigal_core::{CallContext, EventType, ExpectedVersion, Host, JsonBytes, LogName, NewEvent};
use madrigal_event_store::{EventStore, MemoryEventStore};

/// Its data goes out as it is: whoever knows the older form would take it for that.
#[tokio::test]
async fn an_event_of_a_newer_form_is_not_told_as_one_that_listeners_know() {
    let host = Host::seeded(1);
    let log = MemoryEventStore::new(LogName::parse("tests").unwrap(), &host);
    for kind in ["ProductCreated", "PriceChanged", "ProductWithdrawn"] {
        for newer in [false, true] {
            let (kind, form) = (EventType::parse(kind).unwrap(), SCHEMA_VERSION + u16::from(newer));
            let data = JsonBytes::of(&serde_json::json!({})).unwrap();
            let event = NewEvent::fresh(&host, kind.clone(), form, data, &CallContext::new(&host));
            let before = log.end();
            log.append("product-7".parse().unwrap(), ExpectedVersion::Any, vec![event]).await.unwrap();
            let read = log.read_log(before, 1).await.unwrap();
            let message = contract().message(&read.events[0]).unwrap();
            let told = if newer { UNMAPPABLE } else { kind.as_str() };
            assert_eq!((message.kind.as_str(), message.key.as_str()), (told, "7"), "form {form}");
        }
    }
}
