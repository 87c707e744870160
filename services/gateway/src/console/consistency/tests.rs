//! The page's panels from a report with one pair of each verdict.

use madrigal_core::Timestamp;
use serde_json::{Value, json};

use super::report::Report;
use super::{content, pairs};

const EVIL: &str = "<img src=x onerror=alert(1)>";

fn report() -> Report {
    let row = |id: &str, key: &str, issue: &str, owner: Value, copy: Value| json!({"id": id, "key": key, "issue": issue, "owner": owner, "copy": copy});
    let content = |version: u64, content: Value| json!({"key": "k", "version": version, "content": content});
    let same = content(4, json!({"finalAmount": 4213, "currentStatus": "shipped", "totalAmount": 3901}));
    let other = content(4, json!({"finalAmount": 4231, "currentStatus": EVIL, "totalAmount": 3901}));
    let rows = [
        row("d-1", "01a202c8-0000-7000-8000-000000007c1d", "different", same.clone(), other),
        row("d-2", "01a202c4-0000-7000-8000-00000000e0b9", "missing", same, Value::Null),
    ];
    Report::of(&json!({"timestamp": "2026-11-22T10:42:18Z", "overallStatus": "inconsistent", "checks": [
        {"name": "users.index", "verdict": "consistent", "totalEntities": 206_209, "verifiedThrough": "2026-11-22T10:42:17Z"},
        {"name": "stock.events → products.search", "verdict": "unverified", "totalEntities": 49_688, "unverifiedEntities": 300,
            "behindBy": {"by": 74_460, "since": "2026-11-22T10:36:06Z"}, "verifiedThrough": "2026-11-22T10:36:06Z"},
        {"name": "orders.analytics", "verdict": "divergent", "totalEntities": 3_421_083, "inconsistentEntities": 2,
            "verifiedThrough": "2026-11-22T10:42:17Z", "inconsistencies": rows}],
        "metrics": {"totalEntities": 3_676_980, "inconsistentEntities": 2}}))
}

fn page() -> String {
    let now: Timestamp = "2026-11-22T10:42:18Z".parse().unwrap();
    content(&report(), now).into_string()
}

#[test]
fn the_divergent_pair_stands_first_and_its_row_side_by_side_with_what_differs_first() {
    let page = page();
    assert_eq!(pairs::answer(&report()), "One pair differs, one can’t be judged yet");
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text:?} in {page}"));
    assert!(at("orders in analytics") < at("user search"));
    assert!(at("2 rows differ") < at("Row 1 of 2"));
    assert!(at("<th scope=\"row\">currentStatus") < at("<th scope=\"row\">totalAmount"));
    assert_eq!(page.matches("class=\"ne\"").count(), 2, "two fields of the first row differ");
    assert!(page.contains("Both carry version 4, so the copy was changed outside the normal path."));
}

#[test]
fn lag_is_said_as_lag_with_how_much_since_when() {
    let page = page();
    for text in [
        "behind, not judged",
        "74,460 events",
        "10:36:06",
        "6 min 12 s",
        "49,388 rows verified, 300 rows open",
        "It is late, not wrong.",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

#[test]
fn every_row_can_be_looked_at_and_repaired_and_what_it_holds_is_text() {
    let page = page();
    for link in [
        "/consistency/rows/d-1/repair",
        "/consistency/rows/d-2\"",
        "/consistency/rows/d-2/repair",
        "/consistency/check?pair=orders.analytics",
    ] {
        assert!(page.contains(link), "{link}: {page}");
    }
    assert!(page.contains("&lt;img src=x") && !page.contains("<img"), "{page}");
}

#[test]
fn terms_and_headings_have_ids_of_their_own() {
    let page = page();
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
}

#[test]
fn a_report_without_trouble_says_so() {
    let calm = Report::of(&json!({"checks": [{"name": "users.index", "verdict": "consistent"}]}));
    let page = content(&calm, Timestamp::default()).into_string();
    assert!(page.contains("it says what its owner says") && !page.contains("Repair"), "{page}");
}

fn book(name: &str, owner: &Value, copy: &Value) -> Report {
    let entry = |id: &str| json!({"id": id, "key": format!("saga-of-{id}"), "issue": "different", "owner": owner, "copy": copy});
    Report::of(&json!({"checks": [{"name": name, "verdict": "divergent", "inconsistentEntities": 2,
        "inconsistencies": [entry("d-1"), entry("d-2")]}]}))
}

#[test]
fn an_entry_of_a_book_is_told_with_its_meaning_and_its_story_and_cannot_be_repaired() {
    let order = json!({"key": "s", "content": {"orderId": "o/7", "status": "delivered"}});
    let held = json!({"key": "s", "content": {"why": "sold, and no order stands", "standing": EVIL}});
    for name in ["books.reservations", "books.sold", "books.money", "books.late", "books.new"] {
        let page = content(&book(name, &order, &held), Timestamp::default()).into_string();
        for said in [
            "Sold, and no order stands.",
            "2 entries do not balance",
            "href=\"/orders/o%2F7\"",
            "href=\"/sagas/saga-of-d-1\"",
        ] {
            assert!(page.contains(said), "{name} says not {said}: {page}");
        }
        assert!(!page.contains("/repair") && !page.contains("fence") && !page.contains('≠'), "{name}: {page}");
        assert!(page.contains("&lt;img src=x") && !page.contains("<img"), "{page}");
        assert_eq!(page.contains("What to do. "), name != "books.new", "{name}: {page}");
    }
    let stock = json!({"key": "lute", "content": {"onHand": -1}});
    let page = content(&book("books.stock", &Value::Null, &stock), Timestamp::default()).into_string();
    assert!(
        page.contains("/streams?stream=stock-saga-of-d-1") && page.contains("The numbers do not balance."),
        "{page}"
    );
    assert!(!page.contains("/orders/") && !page.contains("/repair"), "{page}");
    let money = content(&book("books.money", &order, &Value::Null), Timestamp::default()).into_string();
    assert!(money.contains("there is none") && money.contains("the books of the money"), "{money}");
}

#[test]
fn a_book_that_is_behind_is_not_called_a_copy_that_is() {
    let report = Report::of(&json!({"checks": [{"name": "books.money", "verdict": "unverified", "totalEntities": 9,
        "unverifiedEntities": 2, "behindBy": 7, "trouble": "7 events were not looked at yet"}]}));
    let page = content(&report, Timestamp::default()).into_string();
    assert!(page.contains("Not every entry was looked at") && page.contains("href=\"/sagas\""), "{page}");
    assert!(!page.contains("The copy has not applied") && !page.contains("/sync#lag"), "{page}");
}
