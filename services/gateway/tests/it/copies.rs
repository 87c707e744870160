//! The pages about copies behind a made-up monitor and a made-up sync: what they show as text, what they ask before they do
//! something, and that they never fail because the other side does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use madrigal_http::Role;
use serde_json::{Value, json};

use super::console::{EVIL, HOST, ORIGIN, csrf, shop_and};

fn divergence() -> Value {
    let row = |value: Value| json!({"key": EVIL, "version": (1u64 << 48) + 4, "content": {EVIL: value, "same": EVIL}});
    json!({"id": "d-1", "pair": "orders.view", "key": EVIL, "issue": "different", "foundAt": "2026-11-22T10:39:44Z",
        "owner": row(json!(EVIL)), "copy": row(json!([EVIL]))})
}

fn entry_of_a_book() -> Value {
    let side = |content: Value| json!({"key": EVIL, "content": content});
    json!({"id": "b-1", "pair": "books.money", "key": EVIL, "issue": "different", "foundAt": "2026-11-22T10:39:44Z",
        "owner": side(json!({"orderId": EVIL, "status": EVIL})), "copy": side(json!({"why": EVIL, "charges": [EVIL]}))})
}

fn report() -> Value {
    let check = |name: &str, verdict: &str| {
        json!({"name": name, "verdict": verdict, "totalEntities": 10, "inconsistentEntities": 1,
        "unverifiedEntities": 1, "behindBy": 7, "behindSince": "2026-11-22T10:36:06Z", "verifiedThrough": "2026-11-22T10:36:06Z",
        "checkedAt": "2026-11-22T10:36:06Z", "sweep": EVIL, "trouble": EVIL, "inconsistencies": [divergence()]})
    };
    json!({"timestamp": "2026-11-22T10:42:18Z", "overallStatus": "inconsistent",
        "checks": [check("orders.view", "divergent"), check(EVIL, "unverified"), check("users.index", "consistent")],
        "metrics": {"totalEntities": 30, "inconsistentEntities": 1}})
}

/// What was asked of the monitor and of sync, and how often the report was read.
#[derive(Default)]
struct Asked {
    reports: AtomicUsize,
    posts: Mutex<Vec<(String, Value)>>,
}

fn copies(asked: &Arc<Asked>) -> Router {
    let page = |items: Value| Json(json!({"items": items, "next": null}));
    let lag = json!({"copy": "users.index", "source": EVIL, "state": EVIL, "detail": EVIL, "behind": 9, "seconds": 372.0,
        "appliedThrough": 1, "end": 10, "parkedKeys": 1, "snapshotRows": null});
    let parked = json!({"id": "users:7", "position": 3, "kind": EVIL, "cause": EVIL, "attempts": 2,
        "firstAt": "2026-11-22T10:29:10Z", "lastAt": "2026-11-22T10:29:10Z", "skipped": null});
    let connector = json!({"name": EVIL, "state": EVIL, "detail": EVIL, "class": EVIL, "tables": [{"table": EVIL, "topic": EVIL}],
        "config": {"database.service": EVIL}, "declaredAt": EVIL});
    let repair = json!({"pair": EVIL, "at": EVIL, "by": EVIL, "reason": EVIL, "divergence": {"key": EVIL, "issue": EVIL},
        "outcome": {"outcome": EVIL, "why": EVIL}});
    let (reads, writes, settles, causes) = (Arc::clone(asked), Arc::clone(asked), Arc::clone(asked), Arc::clone(asked));
    Router::new()
        .route(
            "/v1/consistency/report",
            get(async move || {
                reads.reports.fetch_add(1, Ordering::SeqCst);
                Json(report())
            }),
        )
        .route("/v1/consistency/divergences", get(async move || page(json!([divergence(), entry_of_a_book()]))))
        .route("/v1/consistency/repairs", get(async move || page(json!([repair]))))
        .route(
            "/v1/consistency/divergences/{id}/repair",
            post(async move |Path(id): Path<String>, Json(body): Json<Value>| {
                let outcome = if body["apply"] == true { "repaired" } else { "wouldRepair" };
                writes.posts.lock().unwrap().push((format!("repair {id}"), body));
                Json(json!({"pair": "orders.view", "divergence": divergence(), "outcome": {"outcome": outcome}}))
            }),
        )
        .route("/v1/sync/lag", get(async move || page(json!([lag]))))
        .route("/v1/sync/parked", get(async move || page(json!([parked]))))
        .route("/v1/sync/connectors", get(async move || page(json!([connector]))))
        .route(
            "/v1/sync/parked/retry",
            post(async move |Json(body): Json<Value>| {
                causes.posts.lock().unwrap().push(("retry all".to_owned(), body));
                let settled = json!({"id": "users:7", "applied": 1, "waiting": 0, "cause": null});
                Json(json!({"items": [settled, settled]}))
            }),
        )
        .route(
            "/v1/sync/parked/{id}/{verb}",
            post(async move |Path((id, verb)): Path<(String, String)>, Json(body): Json<Value>| {
                settles.posts.lock().unwrap().push((format!("{verb} {id}"), body));
                Json(json!({"id": id, "applied": 2, "waiting": 0, "cause": null}))
            }),
        )
}

const PAGES: [&str; 10] = [
    "/",
    "/consistency",
    "/consistency/rows/d-1",
    "/consistency/rows/d-1/repair",
    "/consistency/rows/b-1",
    "/consistency/repair?pair=orders.view",
    "/consistency/check?pair=orders.view",
    "/sync",
    "/sync/parked/retry?id=users%3A7",
    "/sync/parked/skip?id=users%3A7",
];

#[tokio::test]
async fn whatever_copies_hold_is_shown_as_text() {
    let shop = shop_and(copies(&Arc::default()));
    let cookie = shop.operator();
    for path in PAGES {
        let (status, _, page) = shop.see(path, &cookie).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        for inline in ["<img", "onerror=alert(1)>\"", "style=\"", " onclick", "<iframe"] {
            assert!(!page.contains(inline), "{path} has {inline}");
        }
        assert!(page.contains("1<span class=\"word\">\u{a0}divergent"), "{path}: the bar counts the verdicts: {page}");
        assert!(page.contains(", 1 divergent pair") && page.contains(", 1 parked key"), "{path}: the rail does");
    }
}

#[tokio::test]
async fn pages_about_copies_are_for_operators() {
    let shop = shop_and(copies(&Arc::default()));
    let customer = format!("madrigal_session={}", shop.token(Role::Customer, Duration::from_secs(600)));
    for path in &PAGES[1..] {
        assert_eq!(shop.see(path, &customer).await.0, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(shop.see(path, "").await.0, StatusCode::SEE_OTHER, "{path}");
    }
    for topic in ["consistency", "sync"] {
        assert_eq!(shop.see(&format!("/console/live?page={topic}"), &customer).await.0, StatusCode::FORBIDDEN);
    }
    let (_, _, page) = shop.see("/", &customer).await;
    assert!(!page.contains("divergent") && !page.contains("/consistency"), "customers are told nothing of it: {page}");
}

#[tokio::test]
async fn without_the_monitor_and_without_sync_the_pages_say_so() {
    let shop = shop_and(Router::new());
    let cookie = shop.operator();
    for (path, said) in
        [("/consistency", "The monitor is not part of this shop."), ("/sync", "Sync is not part of this shop.")]
    {
        let (status, _, page) = shop.see(path, &cookie).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(page.contains(said) && !page.contains("consistent</span>"), "{path}: {page}");
    }
}

#[tokio::test]
async fn where_they_do_not_answer_the_pages_say_so_and_claim_nothing() {
    let down = async || {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({"code": "upstream-unavailable", "title": "down", "retryable": true})),
        )
    };
    let shop = shop_and(
        Router::new()
            .route("/v1/consistency/{*rest}", get(down).post(down))
            .route("/v1/sync/{*rest}", get(down).post(down)),
    );
    let cookie = shop.operator();
    for path in PAGES {
        let (status, _, page) = shop.see(path, &cookie).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(page.contains("verdicts not known"), "{path}: {page}");
        assert!(!page.contains("\u{a0}consistent"), "{path}: {page}");
    }
    for (path, said) in [("/consistency", "The monitor does not answer."), ("/sync", "Sync does not answer.")] {
        assert!(shop.see(path, &cookie).await.2.contains(said), "{path}");
    }
}

#[tokio::test]
async fn a_repair_shows_its_dry_run_first_and_is_done_only_with_a_reason() {
    let asked = Arc::<Asked>::default();
    let shop = shop_and(copies(&asked));
    let cookie = shop.operator();
    let own = [HOST, ORIGIN, ("cookie", &*cookie)];
    let (_, _, page) = shop.see("/consistency/rows/d-1/repair", &cookie).await;
    assert!(
        page.contains("What the repair would do")
            && page.contains("4 → 4")
            && page.contains("Nothing has been done yet"),
        "{page}"
    );
    let path = "/consistency/rows/d-1/repair";
    let (status, _, page) = shop.form(path, &own, &format!("csrf={}&reason=+", csrf(&page))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("Nothing was done."), "{page}");
    assert!(asked.posts.lock().unwrap().iter().all(|(_, body)| body["apply"] == false), "nothing was changed so far");
    let (status, headers, _) = shop.form(path, &own, &format!("csrf={}&reason=seen", csrf(&page))).await;
    assert_eq!((status, &headers["location"]), (StatusCode::SEE_OTHER, &"/consistency?said=repaired".parse().unwrap()));
    let last = asked.posts.lock().unwrap().last().cloned().unwrap();
    assert_eq!(last, ("repair d-1".to_owned(), json!({"apply": true, "reason": "seen"})));
    let (_, _, page) = shop.see("/consistency?said=repaired", &cookie).await;
    assert!(page.contains("Repaired: the copy says what its owner says."), "{page}");
}

#[tokio::test]
async fn whoever_asks_to_repair_an_entry_of_a_book_is_told_why_not_and_nothing_is_asked_of_the_monitor() {
    let asked = Arc::<Asked>::default();
    let shop = shop_and(copies(&asked));
    let cookie = shop.operator();
    let (_, _, page) = shop.see("/consistency/rows/b-1", &cookie).await;
    assert!(
        page.contains("does not balance") && page.contains("The order’s story") && !page.contains("/repair"),
        "{page}"
    );
    for path in ["/consistency/rows/b-1/repair", "/consistency/repair?pair=books.money"] {
        let (status, _, page) = shop.see(path, &cookie).await;
        assert_eq!(status, StatusCode::CONFLICT, "{path}");
        assert!(
            page.contains("An entry of a book cannot be repaired") && page.contains("What to do."),
            "{path}: {page}"
        );
    }
    let own = [HOST, ORIGIN, ("cookie", &*cookie)];
    for (path, form) in [("/consistency/rows/b-1/repair", ""), ("/consistency/repair", "&pair=books.money")] {
        let (status, ..) = shop.form(path, &own, &format!("csrf={}&reason=seen{form}", csrf(&page))).await;
        assert_eq!(status, StatusCode::CONFLICT, "{path}");
    }
    assert!(asked.posts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn all_rows_of_a_pair_are_repaired_with_one_reason_after_a_dry_run_of_each() {
    let asked = Arc::<Asked>::default();
    let shop = shop_and(copies(&asked));
    let cookie = shop.operator();
    let own = [HOST, ORIGIN, ("cookie", &*cookie)];
    let (_, _, page) = shop.see("/consistency/repair?pair=orders.view", &cookie).await;
    assert!(page.contains("Repair 1 row") && page.contains("1 field becomes what the owner says"), "{page}");
    assert_eq!(shop.see("/consistency/repair?pair=users.index", &cookie).await.0, StatusCode::SEE_OTHER);
    let form = |reason: &str| format!("csrf={}&pair=orders.view&reason={reason}", csrf(&page));
    let (status, ..) = shop.form("/consistency/repair", &own, &form("")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(asked.posts.lock().unwrap().iter().all(|(_, body)| body["apply"] == false), "nothing was changed so far");
    let (status, headers, _) = shop.form("/consistency/repair", &own, &form("seen")).await;
    let back = "/consistency?said=repaired-all&done=1&open=0";
    assert_eq!((status, headers["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, back));
    let last = asked.posts.lock().unwrap().last().cloned().unwrap();
    assert_eq!(last, ("repair d-1".to_owned(), json!({"apply": true, "reason": "seen"})));
    assert!(shop.see(back, &cookie).await.2.contains("1 row says what the owner says."));
}

#[tokio::test]
async fn parked_keys_are_retried_and_skipped_by_key_and_by_cause() {
    let asked = Arc::<Asked>::default();
    let shop = shop_and(copies(&asked));
    let cookie = shop.operator();
    let own = [HOST, ORIGIN, ("cookie", &*cookie)];
    let (_, _, page) = shop.see("/sync/parked/skip?id=users%3A7", &cookie).await;
    let token = csrf(&page);
    let (status, ..) =
        shop.form("/sync/parked/skip", &own, &format!("csrf={token}&id=users%3A7&reason=known&typed=users%3A8")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "another key was typed");
    assert!(asked.posts.lock().unwrap().is_empty());
    let cause = percent_encoding::utf8_percent_encode(EVIL, percent_encoding::NON_ALPHANUMERIC);
    let forms = [
        ("skip", "id=users%3A7&reason=known&typed=users%3A7".to_owned()),
        ("retry", "id=users%3A7".to_owned()),
        ("retry-all", format!("cause={cause}")),
    ];
    for (verb, form) in forms {
        let (status, headers, _) =
            shop.form(&format!("/sync/parked/{verb}"), &own, &format!("csrf={token}&{form}")).await;
        let back = format!("/sync?said={verb}&applied=2&waiting=0");
        assert_eq!((status, headers["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, &*back));
    }
    let expected = [
        ("skip users:7".to_owned(), json!({"reason": "known"})),
        ("retry users:7".to_owned(), json!({})),
        ("retry all".to_owned(), json!({"cause": EVIL})),
    ];
    assert_eq!(*asked.posts.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_hundred_pages_in_a_second_read_the_report_at_most_twice() {
    let asked = Arc::<Asked>::default();
    let shop = shop_and(copies(&asked));
    let cookie = shop.operator();
    let began = tokio::time::Instant::now();
    for _ in 0..100 {
        shop.see("/login", &cookie).await;
    }
    // One a second, and one in the second that had begun.
    let most = usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
    let read = asked.reports.load(Ordering::SeqCst);
    assert!((1..=most).contains(&read), "{read} readings");
}
