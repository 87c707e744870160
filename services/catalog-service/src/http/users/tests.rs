use std::path::Path;
use std::sync::Arc;

use futures::FutureExt as _;
use http::Method;
use madrigal_contracts::copies::{AppliedThrough, ApplyRows, CopyKeeper, CopyRow};
use madrigal_core::{Host, LogEpoch, LogName, Position, PositionToken, RowVersion};
use madrigal_http::testing::{self, bearer};
use madrigal_http::{Role, TokenSigner};
use serde_json::json;

use super::*;

/// The index behind the edge.
struct Desk {
    index: UsersIndex,
    router: Router,
    signer: Arc<TokenSigner>,
    host: Host,
    epoch: LogEpoch,
}

impl Desk {
    async fn open(dir: &Path) -> Self {
        let host = Host::system();
        let index = UsersIndex::open(dir, host.clone()).await.unwrap();
        let (edge, signer) = testing::edge(&host);
        let epoch = LogEpoch::new(&host);
        Self { router: edge.wrap(router(index.clone())), index, signer, host, epoch }
    }

    fn token(&self, log: &str, position: u64) -> PositionToken {
        PositionToken::of(LogName::parse(log).unwrap(), self.epoch, Position(position))
    }

    /// Has everything through this position, with a user of this name at it.
    async fn apply(&self, name: &str, position: u64) {
        let row = json!({"id": position, "email": format!("{name}@example.org"), "username": name, "profile": {}, "version": 1});
        let row = CopyRow { key: position.to_string(), version: RowVersion::new(1, 1).unwrap(), row: Some(row) };
        let log = LogName::parse(fresh::USERS_LOG).unwrap();
        let through = AppliedThrough { log, epoch: self.epoch, position: Position(position) };
        let call = ApplyRows { copy: self.index.copy().to_owned(), rows: vec![row], through: Some(through) };
        self.index.apply(call).await.unwrap();
    }

    /// Status, and the code of a refusal or the number of users that were found.
    async fn search(&self, name: &str, seen: &str) -> (u16, String) {
        let bearer = bearer(&self.signer, &self.host, "anna", Role::Operator);
        let headers = [("authorization", bearer.as_str()), ("madrigal-position", seen)];
        let path = format!("/v1/users/search?q={name}");
        let (status, _, body) = testing::send(&self.router, Method::GET, &path, &headers, ()).await;
        let found = body["items"].as_array().map(|items| items.len().to_string());
        (status.as_u16(), found.unwrap_or_else(|| body["code"].as_str().unwrap().to_owned()))
    }
}

#[tokio::test]
async fn a_search_waits_until_the_copy_has_what_its_reader_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path()).await;
    let seen = desk.token(fresh::USERS_LOG, 2).to_string();
    // Before the copy was ever told anything it waits too.
    let searching = desk.search("berta", &seen);
    tokio::pin!(searching);
    assert_eq!(searching.as_mut().now_or_never(), None);
    desk.apply("anna", 1).await;
    assert_eq!(desk.search("anna", &desk.token(fresh::USERS_LOG, 1).to_string()).await, (200, "1".to_owned()));
    assert_eq!(searching.as_mut().now_or_never(), None, "one is not two");
    desk.apply("berta", 2).await;
    assert_eq!(searching.await, (200, "1".to_owned()));
    // Other logs are not this copy's.
    assert_eq!(desk.search("berta", &desk.token("order", 1_000).to_string()).await, (200, "1".to_owned()));
}

#[tokio::test]
async fn a_search_says_that_the_copy_does_not_come_so_far_and_refuses_other_histories() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path()).await;
    desk.apply("anna", 1).await;
    let behind = desk.token(fresh::USERS_LOG, 4).to_string();
    assert_eq!(desk.search("anna", &behind).await, (503, "not-yet-visible".to_owned()));
    let log = LogName::parse(fresh::USERS_LOG).unwrap();
    let other = PositionToken::of(log, LogEpoch::new(&desk.host), Position(1)).to_string();
    assert_eq!(desk.search("anna", &other).await, (412, "other-epoch".to_owned()));
    assert_eq!(desk.search("anna", "nonsense").await, (400, "invalid-header".to_owned()));
}
