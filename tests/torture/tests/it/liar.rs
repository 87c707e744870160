//! A shop that lies, and customers who notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use madrigal_client::Shop;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_torture::customers::{Customer, Progress};
use madrigal_torture::facts::{Facts, Outcome};
use madrigal_torture::verdict;
use madrigal_torture::watch::{Kind, Watched, watch};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is answered to a request by its number, method and path.
type Answer = fn(usize, &str, &str) -> (u16, Value);

/// Answers until the runtime ends, one request per connection.
async fn shop(answer: Answer) -> Shop {
    counting_shop(answer, Arc::default()).await
}

/// The same; counts what it is asked.
async fn counting_shop(answer: Answer, asked: Arc<AtomicUsize>) -> Shop {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tasks::spawn("liar", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asked = asked.clone();
            tasks::spawn("liar", async move { serve(stream, answer, &asked).await });
        }
    });
    Shop::at(&url, None).unwrap()
}

async fn serve(mut stream: TcpStream, answer: Answer, asked: &AtomicUsize) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = String::from_utf8_lossy(&request);
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let (status, body) = answer(asked.fetch_add(1, Ordering::SeqCst), method, path);
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nmadrigal-position: p\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn order(id: usize, version: u64) -> Value {
    json!({ "orderId": format!("order-{id}"), "version": version, "summary": { "finalAmount": 1 } })
}

/// What a customer knows after so many answered orders at a shop that answers like this.
async fn customer_of(answer: Answer, orders: u64) -> Facts {
    let (shop, stop, progress) = (shop(answer).await, StopSignal::new(), Arc::new(Progress::default()));
    let customer = Customer::new(1, 7, shop.clone(), shop);
    let ordering = tasks::spawn("customer", customer.order_until(11, stop.clone(), progress.clone()));
    let enough = tasks::within(Duration::from_secs(60), async {
        while progress.placed.load(Ordering::Relaxed) < orders && !ordering.is_finished() {
            tasks::sleep(Duration::from_millis(5)).await;
        }
    });
    enough.await.unwrap();
    stop.cancel();
    ordering.await.unwrap()
}

fn noticed(facts: &Facts, rule: &str) -> bool {
    facts.surprises.iter().any(|violation| violation.rule == rule && !violation.ids.is_empty())
}

#[tokio::test]
async fn another_order_under_the_same_key_is_noticed() {
    // Each request makes an order of its own, also the repeated one.
    let facts = customer_of(|number, _, _| (if number > 0 { 201 } else { 503 }, order(number, 3)), 60).await;
    assert!(noticed(&facts, verdict::ONE_ORDER_PER_KEY), "{:?}", facts.surprises);
    assert!(facts.resolved > 0, "the first request was repeated");
}

#[tokio::test]
async fn a_read_that_does_not_see_its_write_is_noticed() {
    let forgets: Answer = |_, method, _| if method == "GET" { (404, json!({})) } else { (201, order(1, 3)) };
    assert!(noticed(&customer_of(forgets, 3).await, verdict::READS_SEE_WRITES));
    let is_behind: Answer = |_, method, _| if method == "GET" { (200, order(1, 2)) } else { (201, order(1, 3)) };
    assert!(noticed(&customer_of(is_behind, 3).await, verdict::READS_SEE_WRITES));
    let sees: Answer = |_, method, _| if method == "GET" { (200, order(1, 4)) } else { (201, order(1, 3)) };
    let facts = customer_of(sees, 3).await;
    assert!(!noticed(&facts, verdict::READS_SEE_WRITES) && facts.reads > 0, "{:?}", facts.surprises);
}

/// What a watcher of persons notices at a shop that answers like this, after so many reads.
async fn watcher_of(answer: Answer, reads: usize) -> Facts {
    let counted: Arc<AtomicUsize> = Arc::default();
    let (shop, stop, watched) =
        (counting_shop(answer, counted.clone()).await, StopSignal::new(), Arc::new(Watched::default()));
    watched.person(7);
    let watching = tasks::spawn("watcher", watch(shop, watched, Kind::Persons, 11, stop.clone()));
    let enough = tasks::within(Duration::from_secs(60), async {
        while counted.load(Ordering::SeqCst) < reads && !watching.is_finished() {
            tasks::sleep(Duration::from_millis(5)).await;
        }
    });
    enough.await.unwrap();
    stop.cancel();
    watching.await.unwrap()
}

fn copied(version: usize, deleted: bool) -> (u16, Value) {
    (200, json!({ "epoch": 1, "version": version, "deleted": deleted }))
}

#[tokio::test]
async fn a_copy_that_goes_back_for_a_moment_is_noticed() {
    // Versions rise, and every tenth answer is an old one.
    let facts = watcher_of(|number, _, _| copied(if number % 10 == 9 { 1 } else { 2 + number }, false), 100).await;
    assert!(noticed(&facts, verdict::COPIES_NEVER_GO_BACK), "{:?}", facts.surprises);
    let rises = watcher_of(|number, _, _| copied(2 + number, false), 100).await;
    assert!(rises.surprises.is_empty() && rises.versions_watched >= 100, "{:?}", rises.surprises);
}

#[tokio::test]
async fn a_person_who_comes_back_into_a_copy_is_noticed() {
    let facts = watcher_of(|number, _, _| copied(2 + number, number % 20 < 10), 100).await;
    assert!(noticed(&facts, verdict::ERASED_STAYS_ERASED), "{:?}", facts.surprises);
    let forgets =
        watcher_of(|number, _, _| if number % 5 == 0 { (404, json!({})) } else { copied(3, false) }, 100).await;
    let rules = [verdict::COPIES_NEVER_GO_BACK, verdict::ERASED_STAYS_ERASED];
    assert!(rules.iter().all(|rule| noticed(&forgets, rule)), "{:?}", forgets.surprises);
}

#[tokio::test]
async fn an_answer_that_nobody_may_get_is_noticed_and_the_request_repeated() {
    let facts = customer_of(
        |number, _, _| {
            if number == 0 { (500, json!({ "title": "Internal error" })) } else { (201, order(number, 3)) }
        },
        1,
    )
    .await;
    let sound = facts.surprises.iter().all(|violation| violation.rule != verdict::ANSWERS_ARE_SOUND);
    assert!(!sound, "{:?}", facts.surprises);
    let Outcome::Placed(placed) = &facts.wanted[0].outcome else { panic!("{:?}", facts.wanted[0]) };
    assert!(!placed.order.is_empty());
}
