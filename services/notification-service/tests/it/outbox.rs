//! One mail per order and kind, and nothing readable on disk.

use std::sync::Arc;

use futures::future::join_all;
use madrigal_contracts::notification::{MailContent, MailKind, MailStored};
use madrigal_core::{FaultRetry, tasks};

use crate::desk::{ANNA, BEN, Desk, mail};

#[tokio::test]
async fn the_first_request_counts_and_later_ones_find_it() {
    let desk = Desk::open().await;
    let first = desk.request("o-1", MailKind::OrderConfirmation, &mail()).await;
    assert!(!first.repeated);
    let other = MailContent { subject: "Something else".to_owned(), ..mail() };
    let again = desk.request("o-1", MailKind::OrderConfirmation, &other).await;
    assert_eq!(again, MailStored { repeated: true, position: first.position.clone() });
    let desk = desk.reopen().await;
    let again = desk.request("o-1", MailKind::OrderConfirmation, &mail()).await;
    assert_eq!(again, MailStored { repeated: true, position: first.position });
    assert!(!desk.request("o-1", MailKind::OrderCancellation, &mail()).await.repeated);
    let shown = desk.settled("o-1.order-confirmation").await;
    assert_eq!(shown["content"]["subject"], "Your order of a harpsichord");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_duplicates_at_once_are_one_mail() {
    let desk = Arc::new(Desk::open().await);
    let calls = (0..1_000).map(|_| {
        let desk = Arc::clone(&desk);
        tasks::spawn("duplicate", async move { desk.request("o-1", MailKind::OrderConfirmation, &mail()).await })
    });
    let answers: Vec<MailStored> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
    assert!(answers.iter().all(|answer| answer.position == answers[0].position));
    let listed = desk.list("/v1/mails", &answers[0].position).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
}

#[tokio::test]
async fn odd_requests_are_refused_for_good() {
    let desk = Desk::open().await;
    for order in ["", "a.b", "a b", "a\r\nBcc: x", &"a".repeat(65)] {
        let fault = desk.request_for(ANNA, order, MailKind::OrderConfirmation, &mail()).await.unwrap_err();
        assert_eq!(fault.retry, FaultRetry::Never, "{order:?}");
    }
    let key = desk.keys.of(BEN).unwrap();
    let content = madrigal_core::Sealed::seal(&desk.host, BEN, &key, &mail()).unwrap();
    let call = madrigal_contracts::notification::RequestMail {
        order_id: "o-1".to_owned(),
        kind: MailKind::OrderConfirmation,
        person: ANNA,
        content,
    };
    let context = madrigal_core::CallContext::new(&desk.host);
    let neighbour = madrigal_http::calls::Neighbour::in_process(desk.service.calls());
    assert_eq!(neighbour.call(&context, call).await.unwrap_err().retry, FaultRetry::Never);
}

#[tokio::test]
async fn nothing_personal_is_readable_in_any_file() {
    let desk = Desk::open().await;
    for order in 0..50 {
        desk.request(&format!("o-{order}"), MailKind::OrderConfirmation, &mail()).await;
    }
    desk.settled("o-49.order-confirmation").await;
    // Once more with everything written out by a clean stop.
    let desk = desk.reopen().await;
    let (mut pending, mut found_order, mut files) = (vec![desk.dir().to_path_buf()], false, 0);
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        files += 1;
        let bytes = std::fs::read(&path).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        for personal in ["Lindqvist", "anna.lindqvist", "example.org", "harpsichord", "Tuesday"] {
            assert!(!has(personal), "{personal} in {}", path.display());
        }
        found_order |= has("o-49");
    }
    assert!(found_order && files > 2, "the search looked at the wrong files");
}
