//! A notification-service in a temporary directory, with the keys of its persons at hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use http::{Method, Request, StatusCode};
use madrigal_contracts::notification::{MailContent, MailKind, MailStored, RequestMail};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{CallContext, Fault, Host, PersonId, PersonKey, PersonKeys, PositionToken, Sealed};
use madrigal_http::calls::Neighbour;
use madrigal_http::testing::send;
use madrigal_http::{Edge, Role, TokenSigner};
use madrigal_notification_service::{
    MailSender, NotificationConfig, NotificationNeighbours, NotificationService, Showcase,
};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ANNA: PersonId = PersonId(42);
pub(crate) const BEN: PersonId = PersonId(43);

/// Keys in memory: made when first asked for, until they are destroyed.
#[derive(Default)]
pub(crate) struct TestKeys {
    keys: Mutex<HashMap<PersonId, Option<PersonKey>>>,
}

impl TestKeys {
    pub(crate) fn of(&self, person: PersonId) -> Option<PersonKey> {
        let mut keys = self.keys.lock().unwrap();
        keys.entry(person).or_insert_with(|| Some(PersonKey::generate(&Host::system()))).clone()
    }

    pub(crate) fn destroy(&self, person: PersonId) {
        self.keys.lock().unwrap().insert(person, None);
    }
}

#[async_trait]
impl PersonKeys for TestKeys {
    async fn person_key(&self, person: PersonId) -> Result<Option<PersonKey>, Fault> {
        Ok(self.of(person))
    }
}

/// The service at work.
pub(crate) struct Desk {
    pub(crate) service: Arc<NotificationService>,
    pub(crate) keys: Arc<TestKeys>,
    pub(crate) host: Host,
    signer: TokenSigner,
    sender: Arc<dyn MailSender>,
    stop: StopSignal,
    running: tokio::task::JoinHandle<()>,
    dir: TempDir,
}

impl Desk {
    pub(crate) async fn open() -> Self {
        Self::with(Arc::new(Showcase)).await
    }

    pub(crate) async fn with(sender: Arc<dyn MailSender>) -> Self {
        let host = Host::system();
        let signer = TokenSigner::generate(&host);
        Self::start(tempfile::tempdir().unwrap(), Arc::default(), sender, signer, host).await
    }

    async fn start(
        dir: TempDir,
        keys: Arc<TestKeys>,
        sender: Arc<dyn MailSender>,
        signer: TokenSigner,
        host: Host,
    ) -> Self {
        let neighbours = NotificationNeighbours { keys: keys.clone(), sender: Arc::clone(&sender) };
        let config = NotificationConfig::in_dir(dir.path());
        let service = Arc::new(NotificationService::open(config, neighbours, host.clone()).await.unwrap());
        let stop = StopSignal::new();
        let running = {
            let (service, stop) = (Arc::clone(&service), stop.clone());
            tasks::spawn("notification", async move { service.run(stop).await })
        };
        Self { service, keys, host, signer, sender, stop, running, dir }
    }

    /// Stops the service and opens it again on what is on disk.
    pub(crate) async fn reopen(self) -> Self {
        let sender = Arc::clone(&self.sender);
        self.reopen_with(sender).await
    }

    pub(crate) async fn reopen_with(self, sender: Arc<dyn MailSender>) -> Self {
        let Self { service, keys, host, signer, stop, running, dir, .. } = self;
        stop.cancel();
        running.await.unwrap();
        drop(service);
        Self::start(dir, keys, sender, signer, host).await
    }

    /// As after `kill -9`: nothing is told to stop.
    pub(crate) async fn kill_and_reopen_with(self, sender: Arc<dyn MailSender>) -> Self {
        let Self { service, keys, host, signer, running, dir, .. } = self;
        running.abort();
        let _ = running.await;
        drop(service);
        Self::start(dir, keys, sender, signer, host).await
    }

    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(crate) async fn request(&self, order: &str, kind: MailKind, content: &MailContent) -> MailStored {
        self.request_for(ANNA, order, kind, content).await.unwrap()
    }

    /// As the order service asks: sealed anew every time.
    pub(crate) async fn request_for(
        &self,
        person: PersonId,
        order: &str,
        kind: MailKind,
        content: &MailContent,
    ) -> Result<MailStored, Fault> {
        let key = self.keys.of(person).unwrap();
        let content = Sealed::seal(&self.host, person, &key, content).unwrap();
        let call = RequestMail { order_id: order.to_owned(), kind, person, content };
        Neighbour::in_process(self.service.calls()).call(&CallContext::new(&self.host), call).await
    }

    pub(crate) fn router(&self) -> Router {
        Edge::new(Arc::new(self.signer.verifier()), self.host.clone()).wrap(self.service.router())
    }

    pub(crate) fn bearer(&self, sub: &str, role: Role) -> String {
        format!("Bearer {}", self.signer.issue(&self.host, sub, role, Duration::from_secs(600)).0)
    }

    pub(crate) async fn get(&self, bearer: &str, path: &str) -> (StatusCode, Value) {
        let (status, _, body) = send(&self.router(), Method::GET, path, &[("authorization", bearer)], ()).await;
        (status, body)
    }

    /// The list once it has seen the position.
    pub(crate) async fn list(&self, path: &str, seen: &PositionToken) -> Vec<Value> {
        let (bearer, seen) = (self.bearer("anna", Role::Operator), seen.to_string());
        let headers = [("authorization", bearer.as_str()), ("madrigal-position", seen.as_str())];
        let (status, _, body) = send(&self.router(), Method::GET, path, &headers, ()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["items"].as_array().unwrap().clone()
    }

    /// The mail once it is no longer `requested`; looks again until it is.
    pub(crate) async fn settled(&self, key: &str) -> Value {
        let bearer = self.bearer("anna", Role::Operator);
        let looking = async {
            loop {
                let (status, body) = self.get(&bearer, &format!("/v1/mails/{key}")).await;
                assert_eq!(status, StatusCode::OK, "{body}");
                if body["state"] != "requested" {
                    return body;
                }
                tokio::task::yield_now().await;
            }
        };
        // A guard against looking for ever, far beyond what any machine needs.
        tasks::within(Duration::from_secs(60), looking).await.unwrap()
    }

    /// The exported file and its headers.
    pub(crate) async fn eml(&self, bearer: &str, key: &str) -> (StatusCode, http::HeaderMap, Vec<u8>) {
        use http_body_util::BodyExt;
        use tower::ServiceExt;
        let request = Request::get(format!("/v1/mails/{key}.eml"))
            .header("authorization", bearer)
            .body(axum::body::Body::empty())
            .unwrap();
        let response = self.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
    }
}

pub(crate) fn mail() -> MailContent {
    MailContent {
        to_name: "Anna Lindqvist".to_owned(),
        to_email: "anna.lindqvist@example.org".to_owned(),
        subject: "Your order of a harpsichord".to_owned(),
        text: "Thank you, Anna.\nIt comes on Tuesday.".to_owned(),
    }
}
