//! Writes answer the position of their change, and reads look at it.

use axum::http::Method;
use madrigal_cdc::ChangeSource as _;
use madrigal_core::{LogEpoch, Position, PositionToken};
use serde_json::json;

use crate::shop::{Answer, Shop, anybody};

/// The position that an answer names, in this shop's log of changes.
fn position(shop: &Shop, answer: &Answer) -> Position {
    let token: PositionToken = answer.headers["madrigal-position"].to_str().unwrap().parse().unwrap();
    let (epoch, position) = token.component(shop.service.changes().log()).unwrap();
    assert_eq!((epoch, token.components().count()), (shop.service.changes().epoch(), 1));
    position
}

#[tokio::test]
async fn every_write_answers_a_position_that_its_change_is_not_behind() {
    let shop = Shop::open().await;
    let mut last = Position::START;
    let mut rises = async |answer: Answer| {
        assert!(answer.status < 300, "{}", answer.body);
        let (now, end) = (position(&shop, &answer), shop.service.changes().end().await.unwrap());
        assert!(now > last && now == end, "{last} {now} {end}");
        last = now;
    };
    rises(shop.post("/v1/users", &anybody("quinta")).await).await;
    let (path, operator) = ("/v1/users/1", shop.operator());
    rises(shop.patch(path, &operator, 1, &json!({"profile": {"city": "Roma"}})).await).await;
    let passwords = json!({"current": anybody("quinta")["password"], "new": "another one, and long enough"});
    rises(shop.post_as("/v1/users/1/password", &operator, &passwords).await).await;
    let bearer = format!("Bearer {operator}");
    let headers = [("authorization", bearer.as_str()), ("if-match", "\"3\"")];
    rises(shop.send(Method::DELETE, path, &headers, Vec::new()).await).await;
    let refused = shop.patch(path, &operator, 4, &json!({"profile": {"city": "Roma"}})).await;
    assert!(refused.status == 404 && !refused.headers.contains_key("madrigal-position"));
}

#[tokio::test]
async fn a_profile_has_what_its_reader_wrote_and_refuses_other_histories() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let operator = shop.operator();
    let written = shop.patch(&format!("/v1/users/{id}"), &operator, 1, &json!({"username": "sesta"})).await;
    let bearer = format!("Bearer {operator}");
    let path = format!("/v1/users/{id}/profile");
    let read = async |seen: &str| {
        let headers = [("authorization", bearer.as_str()), ("madrigal-position", seen)];
        shop.send(Method::GET, &path, &headers, Vec::new()).await
    };
    let answer = read(written.headers["madrigal-position"].to_str().unwrap()).await;
    assert_eq!((answer.status, &answer.body["username"]), (200, &json!("sesta")));
    assert_eq!(shop.get(&path, &operator).await.headers["madrigal-lag"], "0");
    let (log, epoch) = (shop.service.changes().log().clone(), shop.service.changes().epoch());
    let other = PositionToken::of(log.clone(), LogEpoch::new(&shop.host), Position(1));
    assert_eq!(read(&other.to_string()).await.refusal(), (412, "other-epoch"));
    let beyond = PositionToken::of(log, epoch, position(&shop, &written).next());
    assert_eq!(read(&beyond.to_string()).await.refusal(), (412, "other-epoch"));
    assert_eq!(read("nonsense").await.refusal(), (400, "invalid-header"));
}
