//! Every way to a topic keeps the same contract.

use std::sync::Arc;

use madrigal_bus::{DynTopicSource, HttpTopic, JournalTopic, TopicContract};
use madrigal_event_store::DynEventStore;

use crate::over_http::{Owner, owner_of};

mod in_process {
    madrigal_conformance::topic_source_suite!(super::in_process_source);
}

mod by_long_polling {
    madrigal_conformance::topic_source_suite!(super::long_polled_source);
}

async fn in_process_source(log: DynEventStore, contract: TopicContract) -> (DynTopicSource, ()) {
    (Arc::new(JournalTopic::new(log, contract)), ())
}

async fn long_polled_source(log: DynEventStore, contract: TopicContract) -> (DynTopicSource, Owner) {
    let (topic, owner) = (contract.name(), owner_of(Arc::new(JournalTopic::new(log, contract))).await);
    let source = HttpTopic::new(topic, "test-owner", &owner.base_url, owner.token());
    (Arc::new(source), owner)
}
