//! Damage that is written into the copies' own files while the shop is stopped: found by name, cured, nothing else touched.
//!
//! Of the eleven copies nine have files. `products.cache` and `stock.cache` are in memory and go with the process: they are
//! damaged by the hook (`damage.rs`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use madrigal_catalog_service::search::fields;
use madrigal_core::tasks;
use madrigal_harness::OneProcess;
use madrigal_sqlite::sql::{Connection, Value, params};
use madrigal_tantivy::index::Change;
use madrigal_tantivy::{Document, SearchIndex};

use crate::checks::{check, verdict};
use crate::world::{Rows, filled, left_alone, named, never, pairs, repaired};

/// A copy in a table, and the statement for each kind of damage: `?1` is the row's key there, and for the row that is added
/// `?2` that of another one.
struct InTable {
    copy: &'static str,
    /// The file, and how the table's name begins.
    table: (&'static str, &'static str),
    change: &'static str,
    delete: Option<&'static str>,
    add: Option<&'static str>,
    older: &'static str,
    newer: &'static str,
    /// The first of the rows that are damaged.
    first: usize,
}

/// `{}` is the table. Views of products and of stocks are the same rows: each kind of damage is on other ones, but for the row
/// that is deleted and the one that is added, which both miss and have too much.
const TABLES: [InTable; 7] = [
    InTable {
        copy: "users.key-value",
        table: ("user-service/read-models.sqlite", "key_values"),
        change: "UPDATE {} SET value = json_set(value, '$.username', 'somebody') WHERE key = ?1",
        delete: Some("DELETE FROM {} WHERE key = ?1"),
        add: Some(
            "INSERT INTO {} SELECT ?1, version, json_set(value, '$.id', CAST(substr(?1, 6) AS INTEGER)) FROM {} WHERE key = ?2",
        ),
        older: "UPDATE {} SET version = version - 1, value = json_set(value, '$.profile.lastName', 'Before') WHERE key = ?1",
        newer: "UPDATE {} SET version = version + 1000 WHERE key = ?1",
        first: 0,
    },
    InTable {
        copy: "users.index",
        table: ("catalog-service/users-index.sqlite", "users"),
        change: "UPDATE {} SET row = json_set(row, '$.email', 'else@example.org') WHERE id = ?1",
        delete: Some("DELETE FROM {} WHERE id = ?1"),
        add: Some(
            "INSERT INTO {} SELECT ?1, version, json_set(row, '$.id', CAST(?1 AS INTEGER)) FROM {} WHERE id = ?2",
        ),
        older: "UPDATE {} SET version = version - 1, row = json_set(row, '$.profile.lastName', 'Before') WHERE id = ?1",
        // Not even JSON any more.
        newer: "UPDATE {} SET version = version + 1000, row = 'gibberish' WHERE id = ?1",
        first: 0,
    },
    InTable {
        copy: "users.analytics",
        table: ("analytics-service/analytics.sqlite", "users"),
        change: "UPDATE {} SET created_at = created_at + 1000000 WHERE user_id = ?1",
        delete: Some("DELETE FROM {} WHERE user_id = ?1"),
        add: Some(
            "INSERT INTO {} (user_id, version, deleted, created_at) SELECT ?1, version, deleted, created_at FROM {} WHERE user_id = ?2",
        ),
        older: "UPDATE {} SET version = version - 1 WHERE user_id = ?1",
        newer: "UPDATE {} SET version = version + 1000 WHERE user_id = ?1",
        first: 0,
    },
    InTable {
        copy: "orders.view",
        table: ("order-service/views.sqlite", "view_order_view_"),
        change: "UPDATE {} SET body = json_set(body, '$.summary.finalAmount', 1) WHERE key = ?1",
        delete: Some("DELETE FROM {} WHERE key = ?1"),
        add: Some(
            "INSERT INTO {} (key, version, position, body, c_user_id, c_status)
              SELECT ?1, version, position, replace(body, ?2, ?1), c_user_id, c_status FROM {} WHERE key = ?2",
        ),
        older: "UPDATE {} SET version = version - 1, body = json_set(body, '$.currentStatus', 'created') WHERE key = ?1",
        newer: "UPDATE {} SET version = version + 1000 WHERE key = ?1",
        first: 0,
    },
    InTable {
        copy: "orders.analytics",
        table: ("analytics-service/analytics.sqlite", "orders"),
        change: "UPDATE {} SET final_amount = final_amount + 1 WHERE order_id = ?1",
        delete: Some("DELETE FROM {} WHERE order_id = ?1"),
        add: Some(
            "INSERT INTO {} SELECT ?1, version, user_id, currency, status, imported, created_at, placed_at, item_count,
                total_amount, discount_amount, tax_amount, final_amount, lines FROM {} WHERE order_id = ?2",
        ),
        older: "UPDATE {} SET version = version - 1 WHERE order_id = ?1",
        newer: "UPDATE {} SET version = version + 1000 WHERE order_id = ?1",
        first: 0,
    },
    InTable {
        copy: "products.view",
        table: ("catalog-service/views.sqlite", "view_products_"),
        change: "UPDATE {} SET body = json_set(body, '$.product.price.amount', 1) WHERE key = ?1",
        delete: Some("DELETE FROM {} WHERE key = ?1"),
        add: Some(
            "INSERT INTO {} (key, version, position, body)
              SELECT ?1, version, position, replace(body, ?2, ?1) FROM {} WHERE key = ?2",
        ),
        older: "UPDATE {} SET body = json_set(body, '$.version', json_extract(body, '$.version') - 1) WHERE key = ?1",
        newer: "UPDATE {} SET body = json_set(body, '$.version', json_extract(body, '$.version') + 1000) WHERE key = ?1",
        first: 0,
    },
    InTable {
        copy: "stock.view",
        table: ("catalog-service/views.sqlite", "view_products_"),
        change: "UPDATE {} SET body = json_set(body, '$.stock.onHand', 7) WHERE key = ?1",
        delete: None,
        add: None,
        older: "UPDATE {} SET body = json_set(body, '$.stockVersion', json_extract(body, '$.stockVersion') - 1) WHERE key = ?1",
        newer: "UPDATE {} SET body = json_set(body, '$.stockVersion', json_extract(body, '$.stockVersion') + 1000) WHERE key = ?1",
        first: 5,
    },
];

/// Tables that are compared before and after, row by row: those of the copies, and what is kept beside them.
const COMPARED: [(&str, &str, &str); 11] = [
    ("user-service/read-models.sqlite", "key_values", "key"),
    ("catalog-service/users-index.sqlite", "users", "id"),
    ("catalog-service/users-index.sqlite", "terms", "term, id"),
    ("analytics-service/analytics.sqlite", "users", "user_id"),
    ("analytics-service/analytics.sqlite", "orders", "order_id"),
    ("analytics-service/analytics.sqlite", "products", "id"),
    ("analytics-service/analytics.sqlite", "hourly", "hour, currency"),
    ("analytics-service/analytics.sqlite", "daily", "day, currency"),
    ("order-service/views.sqlite", "view_order_view_", "key"),
    ("order-service/views.sqlite", "view_order_sagas_", "key"),
    ("catalog-service/views.sqlite", "view_products_", "key"),
];

type Named = BTreeMap<String, String>;
/// What a sweep must name, by pair.
type Expected = BTreeMap<&'static str, Named>;

/// The table whose name is this, or begins so and ends with the number of a generation.
fn table(connection: &Connection, name: &str) -> String {
    let mut select = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
    let names = select.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
    let is = |found: &String| {
        let rest = found.strip_prefix(name);
        rest.is_some_and(|rest| {
            rest.is_empty() || (name.ends_with('_') && rest.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    let mut found: Vec<String> = names.filter(is).collect();
    assert_eq!(found.len(), 1, "{name}");
    found.remove(0)
}

/// The key of a row as its copy has it.
fn stored_key(copy: &str, key: &str) -> Value {
    match copy {
        "users.key-value" => Value::Text(format!("user:{}", key.parse::<i64>().unwrap())),
        "users.index" | "users.analytics" => Value::Integer(key.parse().unwrap()),
        _ => Value::Text(key.to_owned()),
    }
}

/// Damages five rows of a table; what a deep check must say of it, and what a sweep by versions must.
fn damage_table(dir: &Path, of: &InTable, rows: &[String]) -> [Named; 2] {
    let connection = Connection::open(dir.join(of.table.0)).unwrap();
    let table = table(&connection, of.table.1);
    let (mut deep, mut light) = (Named::new(), Named::new());
    let mut done = |statement: &str, key: &str, other: Option<&str>, issue: &str, by_version: bool| {
        let statement = statement.replace("{}", &table);
        let (stored, other) = (stored_key(of.copy, key), other.map(|other| stored_key(of.copy, other)));
        let changed = match other {
            Some(other) => connection.execute(&statement, params![stored, other]),
            None => connection.execute(&statement, params![stored]),
        };
        assert_eq!(changed.unwrap(), 1, "{} {key}: {statement}", of.copy);
        deep.insert(key.to_owned(), issue.to_owned());
        if by_version {
            light.insert(key.to_owned(), issue.to_owned());
        }
    };
    let at = |place: usize| rows[of.first + place].as_str();
    done(of.change, at(0), None, "different", false);
    // The views of products and of stocks are one: what is deleted or added is so in both.
    let (missing, extra) = (rows[1].as_str(), never(&rows[2]));
    if let Some(delete) = of.delete {
        done(delete, missing, None, "missing", true);
        done(of.older, at(3), None, "stale", true);
        done(of.newer, at(4), None, "different", true);
    } else {
        done(of.older, at(1), None, "stale", true);
        done(of.newer, at(2), None, "different", true);
        for named in [&mut deep, &mut light] {
            named.insert(missing.to_owned(), "missing".to_owned());
            named.insert(extra.clone(), "extra".to_owned());
        }
    }
    if let Some(add) = of.add {
        let statement = add.replace("{}", &table);
        let (stored, other) = (stored_key(of.copy, &extra), stored_key(of.copy, &rows[2]));
        assert_eq!(connection.execute(&statement, params![stored, other]).unwrap(), 1, "{}: {statement}", of.copy);
        for named in [&mut deep, &mut light] {
            named.insert(extra.clone(), "extra".to_owned());
        }
    }
    [deep, light]
}

async fn search_index(dir: &Path) -> SearchIndex {
    let search = dir.join("catalog-service/search");
    let generations: Vec<PathBuf> = std::fs::read_dir(search)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("generation-"))
        .collect();
    assert_eq!(generations.len(), 1, "{generations:?}");
    // The last task that held the index may still be letting go of it.
    let opened = tasks::within(Duration::from_secs(10), async {
        loop {
            match SearchIndex::open_existing(&generations[0], &fields::schema()).await {
                Ok(index) => return index.unwrap(),
                Err(_) => tasks::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    opened.await.unwrap()
}

/// The digest of every document.
async fn documents(dir: &Path) -> BTreeMap<String, u64> {
    search_index(dir).await.snapshot().digests(None, 1_000).await.unwrap().into_iter().collect()
}

/// A document as far as it is kept beside the index, with one field given another value.
async fn document(index: &SearchIndex, key: &str, of: &str, field: &str, value: &str) -> Document {
    let shown = index.snapshot().shown(of).await.unwrap().unwrap();
    let mut document = Document::new(key);
    for (name, values) in shown {
        let values = if name == field { vec![value.to_owned()] } else { values };
        for value in values {
            document = match name {
                "inStock" => document.with(name, value == "true"),
                "nameWords" | "price" | "rating" | "createdAt" | "version" => {
                    document.with(name, value.parse::<i64>().unwrap())
                }
                _ => document.with(name, value.as_str()),
            };
        }
    }
    document
}

/// Damages documents; what must be said of products and of stocks, deep and light.
async fn damage_search(dir: &Path, rows: &[String]) -> [[Named; 2]; 2] {
    let index = search_index(dir).await;
    let extra = never(&rows[2]);
    let version = |shown: &BTreeMap<&'static str, Vec<String>>, by: i64| {
        (shown["version"][0].parse::<i64>().unwrap() + by).to_string()
    };
    let shown = index.snapshot().shown(&rows[3]).await.unwrap().unwrap();
    let changes = vec![
        Change::Upsert(document(&index, &rows[0], &rows[0], "nameKeyword", "Nobody's product").await),
        Change::Delete(rows[1].clone()),
        Change::Upsert(document(&index, &extra, &rows[2], "", "").await),
        Change::Upsert(document(&index, &rows[3], &rows[3], "version", &version(&shown, -1)).await),
        Change::Upsert(document(&index, &rows[4], &rows[4], "version", &version(&shown, 1_000)).await),
        Change::Upsert(document(&index, &rows[5], &rows[5], "inStock", "false").await),
    ];
    let checkpoint = index.checkpoint().unwrap().unwrap();
    index.commit(changes, checkpoint).await.unwrap();
    let of = |said: &[(&String, &str)]| -> Named {
        said.iter().map(|(key, issue)| ((*key).clone(), (*issue).to_owned())).collect()
    };
    let by_version = [(&rows[1], "missing"), (&extra, "extra"), (&rows[3], "stale"), (&rows[4], "different")];
    let mut deep = of(&by_version);
    deep.insert(rows[0].clone(), "different".to_owned());
    // Stocks have no versions there, and a product that is not there is missed as a product.
    [[deep, of(&by_version)], [of(&[(&extra, "extra"), (&rows[5], "different")]), of(&[(&extra, "extra")])]]
}

/// The rows of all compared tables, but for numbers that a row gets anew each time it is put.
fn tables(dir: &Path) -> BTreeMap<String, Vec<Vec<Value>>> {
    let mut all = BTreeMap::new();
    for (file, name, order) in COMPARED {
        let connection = Connection::open(dir.join(file)).unwrap();
        let table = table(&connection, name);
        let mut select = connection.prepare(&format!("SELECT * FROM {table} ORDER BY {order}")).unwrap();
        let skipped = usize::from(name.starts_with("view_"));
        let columns = select.column_count();
        let rows = select
            .query_map([], |row| (skipped..columns).map(|column| row.get::<_, Value>(column)).collect())
            .unwrap()
            .map(|row| row.unwrap());
        all.insert(format!("{file} {name}"), rows.map(written).collect());
    }
    all
}

/// A row without the time at which it was written, and its times in the form that all have.
fn written(mut row: Vec<Value>) -> Vec<Value> {
    for value in &mut row {
        if let Value::Text(text) = value
            && let Ok(serde_json::Value::Object(mut fields)) = serde_json::from_str(text)
            && fields.remove("lastSyncAt").is_some()
        {
            for time in ["createdAt", "updatedAt"] {
                let parsed = fields[time].as_str().unwrap().parse::<madrigal_core::Timestamp>().unwrap();
                fields.insert(time.to_owned(), parsed.to_string().into());
            }
            *text = serde_json::Value::Object(fields).to_string();
        }
    }
    row
}

async fn damage_everything(dir: &Path, rows: &Rows) -> [Expected; 2] {
    let (mut deep, mut light) = (Expected::new(), Expected::new());
    for of in &TABLES {
        let [by_content, by_version] = damage_table(dir, of, rows.of(of.copy));
        deep.insert(of.copy, by_content);
        light.insert(of.copy, by_version);
    }
    let [products, stocks] = damage_search(dir, &rows.products).await;
    for (copy, [by_content, by_version]) in [("products.search", products), ("stock.search", stocks)] {
        deep.insert(copy, by_content);
        light.insert(copy, by_version);
    }
    [deep, light]
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_the_files_of_a_stopped_shop_is_named_exactly_and_cured_and_nothing_else_is_touched() {
    let shop = OneProcess::start_configured(left_alone).await.unwrap();
    let rows = filled(&shop).await;
    let clean = verdict(&shop.shop).await;
    assert_eq!(clean["overallStatus"], "consistent", "{clean:#}");
    let (mut before, mut expected) = (None, None);
    let shop = shop.restart_after(async |dir| {
        before = Some((tables(dir), documents(dir).await));
        expected = Some(damage_everything(dir, &rows).await);
        Ok(())
    });
    let shop = shop.await.unwrap();
    let [deep, light] = expected.unwrap();
    // No page is in memory yet.
    let names: Vec<String> = pairs(&clean).into_iter().filter(|name| !name.ends_with(".cache")).collect();
    assert_eq!(names.len(), deep.len(), "every copy with a file is damaged: {names:?}");
    for name in &names {
        let report = check(&shop.shop, false, Some(name)).await;
        assert_eq!(named(&report, name), light[name.as_str()], "{name} by versions: {report:#}");
        let report = check(&shop.shop, true, Some(name)).await;
        assert_eq!(named(&report, name), deep[name.as_str()], "{name} by contents: {report:#}");
    }
    // Views first: the index is made from them.
    let (views, others): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| name.ends_with(".view"));
    for name in views.into_iter().chain(others) {
        let report = repaired(&shop.shop, name).await;
        let record = shop.shop.get("/v1/consistency/repairs").await.unwrap();
        assert_eq!(named(&report, name), Named::new(), "{name} is cured: {record:#}");
    }
    let after = verdict(&shop.shop).await;
    assert_eq!(after["overallStatus"], "consistent", "{after:#}");
    let mut left = None;
    let stopped = shop.restart_after(async |dir| {
        left = Some((tables(dir), documents(dir).await));
        Ok(())
    });
    drop(stopped.await.unwrap());
    let ((tables_before, documents_before), (tables_after, documents_after)) = (before.unwrap(), left.unwrap());
    for (name, rows) in &tables_before {
        assert_eq!(&tables_after[name], rows, "{name}: cured rows are as they were, the others were not touched");
    }
    assert_eq!(documents_after, documents_before);
}
