//! The owner's end of long polling: who may ask, and what comes back when it is gone.

use std::sync::Arc;
use std::time::Duration;

use madrigal_bus::{DynTopicSource, HttpTopic, JournalTopic, PollError, PollFrom, Start, TopicSource, long_poll};
use madrigal_conformance::bus::{contract, log};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{FaultOutcome, FaultRetry, Host};
use madrigal_http::auth::FixedToken;
use madrigal_http::{Edge, Role, ServiceToken, TokenSigner};
use tokio::net::TcpListener;

/// A served topic; it stops when it is dropped.
pub(crate) struct Owner {
    pub(crate) base_url: String,
    signer: TokenSigner,
    stop: StopSignal,
}

impl Owner {
    pub(crate) fn token(&self) -> Arc<dyn ServiceToken> {
        self.token_of(Role::Service)
    }

    fn token_of(&self, role: Role) -> Arc<dyn ServiceToken> {
        let (token, _) = self.signer.issue(&Host::system(), "1", role, Duration::from_secs(600));
        Arc::new(FixedToken::new(&token))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) async fn owner_of(topic: DynTopicSource) -> Owner {
    let host = Host::system();
    let (signer, stop) = (TokenSigner::generate(&host), StopSignal::new());
    let edge = Edge::new(Arc::new(signer.verifier()), host);
    let router = edge.wrap(long_poll::router(vec![topic]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(tasks::spawn("owner", madrigal_http::serve(listener, router, stop.clone())));
    Owner { base_url, signer, stop }
}

const EARLIEST: PollFrom = PollFrom::Start(Start::Earliest);

async fn ask(source: &HttpTopic) -> String {
    match source.poll(EARLIEST, 10, Duration::ZERO).await.unwrap_err() {
        PollError::Fault(fault) => {
            assert_eq!(fault.outcome, FaultOutcome::NotApplied);
            assert_ne!(fault.retry, FaultRetry::Never, "an owner may be mended while its listeners ask");
            fault.chain()
        }
        odd => panic!("{odd}"),
    }
}

#[tokio::test]
async fn only_services_may_listen() {
    let owner = owner_of(Arc::new(JournalTopic::new(log(), contract()))).await;
    let asking = |token| HttpTopic::new("things", "owner", &owner.base_url, token);
    assert!(asking(owner.token()).poll(EARLIEST, 10, Duration::ZERO).await.is_ok());
    assert!(ask(&asking(owner.token_of(Role::Customer))).await.contains("403"));
    assert!(ask(&asking(owner.token_of(Role::Operator))).await.contains("403"));
    assert!(ask(&asking(Arc::new(FixedToken::new("no.such.token")))).await.contains("401"));
}

#[tokio::test]
async fn an_unknown_topic_and_an_owner_that_is_gone_are_faults() {
    let owner = owner_of(Arc::new(JournalTopic::new(log(), contract()))).await;
    let other = HttpTopic::new("others", "owner", &owner.base_url, owner.token());
    assert!(ask(&other).await.contains("404"));
    // A port on which nobody listens: bound, learned, and closed.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gone = HttpTopic::new("things", "owner", &format!("http://{closed}"), owner.token());
    ask(&gone).await;
}

#[tokio::test]
async fn odd_queries_are_refused_as_such() {
    let owner = owner_of(Arc::new(JournalTopic::new(log(), contract()))).await;
    let client = reqwest::Client::new();
    for query in
        ["", "start=never", "after=3", "epoch=x&after=1", "start=latest&after=1", "start=earliest&limit=-1", "x=1"]
    {
        let url = format!("{}/internal/topics/things?{query}", owner.base_url);
        let answer = client.get(url).bearer_auth(owner.token().bearer()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 400, "{query}");
    }
}
