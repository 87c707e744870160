//! Mails listed, shown and exported, to those who may.

use http::StatusCode;
use madrigal_contracts::notification::{MailContent, MailKind};
use madrigal_http::Role;
use serde_json::json;

use crate::desk::{ANNA, BEN, Desk, mail};

#[tokio::test]
async fn customers_see_their_own_mails_and_operators_all() {
    let desk = Desk::open().await;
    desk.request_for(ANNA, "o-1", MailKind::OrderConfirmation, &mail()).await.unwrap();
    desk.request_for(ANNA, "o-2", MailKind::OrderConfirmation, &mail()).await.unwrap();
    let last = desk.request_for(BEN, "o-3", MailKind::OrderConfirmation, &mail()).await.unwrap();
    let keys = |items: &[serde_json::Value]| -> Vec<String> {
        items.iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
    };
    let all = desk.list("/v1/mails", &last.position).await;
    assert_eq!(keys(&all), ["o-3.order-confirmation", "o-2.order-confirmation", "o-1.order-confirmation"]);
    assert_eq!(keys(&desk.list("/v1/mails?orderId=o-2", &last.position).await), ["o-2.order-confirmation"]);
    let anna = desk.bearer("42", Role::Customer);
    let (_, page) = desk.get(&anna, "/v1/mails?limit=1").await;
    assert_eq!(keys(page["items"].as_array().unwrap()), ["o-2.order-confirmation"]);
    let (_, page) = desk.get(&anna, &format!("/v1/mails?limit=1&cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!(keys(page["items"].as_array().unwrap()), ["o-1.order-confirmation"]);
    assert!(page.get("next").is_none());
    let (_, page) = desk.get(&anna, "/v1/mails?orderId=o-3").await;
    assert_eq!(page["items"], json!([]));
    for key in ["o-3.order-confirmation", "o-3.order-confirmation.eml", "o-9.order-confirmation", "x"] {
        let (status, body) = desk.get(&anna, &format!("/v1/mails/{key}")).await;
        assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("not-found")), "{key}");
    }
    for path in ["/v1/mails", "/v1/mails/o-1.order-confirmation", "/v1/mails/o-1.order-confirmation.eml"] {
        let (status, ..) = madrigal_http::testing::send(&desk.router(), http::Method::GET, path, &[], ()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_mail_is_shown_and_exported() {
    let desk = Desk::open().await;
    desk.request("o-1", MailKind::OrderConfirmation, &mail()).await;
    let shown = desk.settled("o-1.order-confirmation").await;
    assert_eq!(shown["state"], "sent");
    assert_eq!(shown["messageId"], "<o-1.order-confirmation@madrigal.local>");
    assert_eq!(shown["content"]["toEmail"], "anna.lindqvist@example.org");
    let (status, headers, file) = desk.eml(&desk.bearer("42", Role::Customer), "o-1.order-confirmation").await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (StatusCode::OK, "message/rfc822"));
    let file = String::from_utf8(file).unwrap();
    assert!(file.contains("\r\nMessage-ID: <o-1.order-confirmation@madrigal.local>\r\n"), "{file}");
    assert!(file.ends_with("\r\n\r\nThank you, Anna.\r\nIt comes on Tuesday.\r\n"), "{file}");
}

#[tokio::test]
async fn no_content_of_a_mail_becomes_a_header_of_its_export() {
    let desk = Desk::open().await;
    let operator = desk.bearer("anna", Role::Operator);
    let sly = MailContent {
        to_name: "Anna\r\nBcc: all@example.org".to_owned(),
        subject: "Hello\nX-Evil: 1\r\n\r\nbody".to_owned(),
        ..mail()
    };
    desk.request("o-1", MailKind::OrderConfirmation, &sly).await;
    let (status, _, file) = desk.eml(&operator, "o-1.order-confirmation").await;
    assert_eq!(status, StatusCode::OK);
    let file = String::from_utf8(file).unwrap();
    let (head, _) = file.split_once("\r\n\r\n").unwrap();
    let line_begins = |text: &str| head.split("\r\n").any(|line| line.trim_start().starts_with(text));
    assert!(!line_begins("Bcc") && !line_begins("X-Evil") && head.contains("Content-Type: text/plain"), "{head}");
    let address = MailContent { to_email: "a@example.org\r\nBcc: all@example.org".to_owned(), ..mail() };
    desk.request("o-2", MailKind::OrderConfirmation, &address).await;
    let (status, body) = desk.get(&operator, "/v1/mails/o-2.order-confirmation.eml").await;
    assert_eq!((status.as_u16(), &body["code"]), (422, &json!("mail-not-exportable")));
}

#[tokio::test]
async fn the_mail_of_an_erased_person_says_so() {
    let desk = Desk::open().await;
    desk.request("o-1", MailKind::OrderConfirmation, &mail()).await;
    desk.settled("o-1.order-confirmation").await;
    desk.keys.destroy(ANNA);
    let operator = desk.bearer("anna", Role::Operator);
    let (status, body) = desk.get(&operator, "/v1/mails/o-1.order-confirmation").await;
    assert_eq!((status, &body["content"]), (StatusCode::OK, &json!({"erased": true})));
    let (status, body) = desk.get(&operator, "/v1/mails/o-1.order-confirmation.eml").await;
    assert_eq!((status, &body["code"]), (StatusCode::GONE, &json!("person-erased")));
}

#[tokio::test]
async fn bad_questions_are_answered_with_problems() {
    let desk = Desk::open().await;
    let operator = desk.bearer("anna", Role::Operator);
    for (path, status, code) in [
        ("/v1/mails?cursor=x", 400, "bad-cursor"),
        ("/v1/mails?limit=0", 400, "invalid-query"),
        ("/v1/mails?limit=201", 400, "invalid-query"),
        ("/v1/mails?what=1", 400, "invalid-query"),
        ("/v1/mails/nobody.order-confirmation", 404, "not-found"),
        ("/v1/mails/.eml", 404, "not-found"),
    ] {
        let (got, body) = desk.get(&operator, path).await;
        assert_eq!((got.as_u16(), &body["code"]), (status, &json!(code)), "{path}");
    }
}
