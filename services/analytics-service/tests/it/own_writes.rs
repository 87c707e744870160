//! Who wrote a user reads it on the dashboard: it counts users, of whom it has a copy.

use std::task::{Context, Waker};

use axum::Router;
use http::Method;
use madrigal_analytics_service::users::Users;
use madrigal_contracts::copies::{AppliedThrough, ApplyRows, CopyKeeper, CopyRow, fresh};
use madrigal_core::{Host, LogEpoch, LogName, Position, PositionToken, RowVersion};
use madrigal_http::Role;
use madrigal_http::testing::{bearer, edge, send};
use serde_json::{Value, json};

use crate::support::Desk;

struct Reader {
    desk: Desk,
    router: Router,
    operator: String,
    epoch: LogEpoch,
}

impl Reader {
    async fn open() -> Self {
        let (desk, host) = (Desk::open().await, Host::system());
        let (edge, signer) = edge(&host);
        let router = edge.wrap(desk.service.router());
        let operator = bearer(&signer, &host, "anna", Role::Operator);
        Self { desk, router, operator, epoch: LogEpoch::new(&host) }
    }

    /// Registers a user of this number at this position, in the copy.
    async fn apply(&self, number: u64) {
        let row = json!({ "id": number, "createdAt": "2026-11-22T10:00:00.000000Z" });
        let row = CopyRow { key: number.to_string(), version: RowVersion::new(1, 1).unwrap(), row: Some(row) };
        let through = AppliedThrough { log: users_log(), epoch: self.epoch, position: Position(number) };
        let call = ApplyRows { copy: "users.analytics".to_owned(), rows: vec![row], through: Some(through) };
        Users::new(self.desk.service.database().clone()).apply(call).await.unwrap();
    }

    async fn dashboard(&self, seen: &PositionToken) -> (u16, Value) {
        let path = "/v1/analytics/dashboard?from=2026-11-22&to=2026-11-23";
        let seen = seen.to_string();
        let headers = [("authorization", self.operator.as_str()), ("madrigal-position", seen.as_str())];
        let (status, _, body) = send(&self.router, Method::GET, path, &headers, ()).await;
        (status.as_u16(), body)
    }
}

fn users_log() -> LogName {
    LogName::parse(fresh::USERS_LOG).unwrap()
}

#[tokio::test]
async fn a_dashboard_waits_for_the_users_that_its_reader_wrote() {
    let reader = Reader::open().await;
    reader.apply(1).await;
    let seen = PositionToken::of(users_log(), reader.epoch, Position(2));
    let mut reading = std::pin::pin!(reader.dashboard(&seen));
    // Long enough for an answer to come that does not wait: this one is done with its reads before the other goes on.
    let known = PositionToken::of(users_log(), reader.epoch, Position(1));
    for _ in 0..3 {
        assert!(reading.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "it lacks a user");
        assert_eq!(reader.dashboard(&known).await.0, 200);
    }
    reader.apply(2).await;
    let (status, body) = reading.await;
    assert_eq!((status, &body["registeredUsers"]), (200, &json!(2)), "{body}");
}

#[tokio::test]
async fn a_dashboard_refuses_another_history_of_the_users() {
    let reader = Reader::open().await;
    reader.apply(1).await;
    let other = PositionToken::of(users_log(), LogEpoch::new(&Host::system()), Position(1));
    let (status, problem) = reader.dashboard(&other).await;
    assert_eq!((status, &problem["code"]), (412, &json!("other-epoch")));
}
