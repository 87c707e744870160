//! `madrigal bench`: each benchmark runs end to end with small numbers and writes what it measured. No figure is judged.

use std::path::Path;

use serde_json::{Value, json};

use crate::process::{madrigal, output};

/// Runs a benchmark with small numbers in a directory; what it wrote.
fn bench(dir: &Path, arguments: &[&str]) -> Value {
    let json = dir.join("figures.json");
    let mut command = madrigal(dir);
    command.arg("bench").args(arguments).args(["--device-seconds", "0.01", "--dir"]).arg(dir.join("measured"));
    let ended = output(command.arg("--json").arg(&json));
    assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    assert!(!ended.stdout.is_empty(), "{arguments:?} printed no table");
    let left: Vec<_> = std::fs::read_dir(dir.join("measured")).unwrap().collect();
    assert!(left.is_empty(), "{arguments:?} left {left:?}");
    let figures: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    for field in ["machine/cores", "machine/fileSystem", "machine/kernel", "machine/memory", "commit/id", "durability"]
    {
        assert!(!at(&figures, field).is_null(), "{arguments:?} does not say {field}: {figures:#}");
    }
    assert!(figures["settings"].is_object() && figures["goals"].is_array());
    assert!(at(&figures, "device/0/p99Micros").is_u64());
    figures
}

fn at<'a>(figures: &'a Value, path: &str) -> &'a Value {
    figures.pointer(&format!("/{path}")).unwrap_or(&Value::Null)
}

/// These fields are numbers above zero.
fn measured(figures: &Value, paths: &[&str]) {
    for path in paths {
        let figure = at(figures, path).as_f64();
        assert!(figure.is_some_and(|figure| figure > 0.0), "{path} is {figure:?} in {figures:#}");
    }
}

#[test]
fn the_journal_is_measured_beside_the_device_and_sqlite_and_opened_by_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let small = [
        "--appenders",
        "1,3",
        "--bytes",
        "200",
        "--batches",
        "1,10",
        "--seconds",
        "0.05",
        "--rounds",
        "2",
        "--records",
        "2000",
    ];
    let figures = bench(dir.path(), &[&["journal"], &small[..]].concat());
    assert_eq!(figures["appends"].as_array().unwrap().len(), 4);
    measured(
        &figures,
        &["appends/0/journal/recordsPerSecond", "appends/3/rawByGroup/recordsPerSecond", "appends/0/ofRawByBatch"],
    );
    measured(
        &figures,
        &[
            "appends/0/journal/latency/p999Micros",
            "appends/0/rawByBatch/latency/p999Micros",
            "sqlite/1/sqlite/recordsPerSecond",
        ],
    );
    assert_eq!(figures["appends"][1]["journal"]["failures"], 0);
    assert_eq!(figures["long"]["opened"]["cold"]["records"], 2_000);
    measured(&figures, &["long/opened/warm/residentBytes", "long/opened/cold/seconds"]);
}

#[test]
fn the_store_is_measured_with_and_without_snapshots_and_opened_by_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let small = ["--appenders", "2", "--seconds", "0.05", "--streams", "10,1500", "--loads", "5", "--events", "3000"];
    let figures = bench(dir.path(), &[&["store"], &small[..]].concat());
    let loads = figures["loads"].as_array().unwrap();
    let read = |snapshot: bool| -> Vec<u64> {
        let of = loads.iter().filter(|row| row["snapshot"] == snapshot && row["files"] == "cold");
        of.map(|row| row["eventsRead"].as_u64().unwrap()).collect()
    };
    assert_eq!((read(false), read(true)), (vec![10, 1_500], vec![10, 10]));
    measured(&figures, &["appends/0/eventsPerSecond", "scanEventsPerSecond/cold", "opened/warm/seconds"]);
    assert_eq!(figures["opened"]["cold"]["events"], 3_020);
}

#[test]
fn the_order_view_is_folded_everywhere_and_read_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let figures = bench(dir.path(), &["projection", "--events", "6000", "--reads", "2000"]);
    for measured in ["decodeAndFold", "memoryFromNothing", "memory", "sqlite", "sqliteBeside"] {
        assert_eq!(figures[measured]["events"], 6_000, "{measured}");
    }
    measured(&figures, &["memory/eventsPerSecond", "sqlite/cpuMicrosPerEvent", "sqlite/reads/latency/p99Micros"]);
    assert_eq!(figures["sqlite"]["reads"]["failures"], 0);
}

#[test]
fn a_shop_is_loaded_in_every_way_and_its_books_balance() {
    let dir = tempfile::tempdir().unwrap();
    let loops = ["--connections", "2", "--half", "--open-connections", "4", "--seconds", "0.5", "--warm-up", "0.1"];
    let shop = ["--products", "20", "--customers", "3", "--until", "25", "--until-connections", "4"];
    let figures = bench(dir.path(), &[&["orders"], &loops[..], &shop[..]].concat());
    // How many orders half a second is long enough for depends on the machine: perhaps none.
    assert!(at(&figures, "loads/0/ordersPerSecond").is_f64() && at(&figures, "loads/1/latencyMillis/p99").is_f64());
    measured(&figures, &["loads/0/residentBytes"]);
    assert_eq!(figures["loads"].as_array().unwrap().len(), 2);
    assert_eq!(figures["growth"][0]["orders"], 25);
    measured(&figures, &["growth/0/serverCpuMicrosPerOrder", "growth/0/residentBytes", "bytesOnDisk"]);
    assert_eq!(figures["check"]["balanced"], true, "{figures:#}");
    assert_eq!(figures["check"]["orders"], figures["acknowledgedOrders"]);
}

#[test]
fn a_year_that_changes_is_checked_without_a_false_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let retail = dir.path().join("retail");
    std::fs::create_dir(&retail).unwrap();
    let write = |name: &str, lines: Vec<Value>| {
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        std::fs::write(retail.join(name), lines.join("\n") + "\n").unwrap();
    };
    let price = json!({ "amount": 349, "currency": "USD", "discount": 0 });
    write("products.ndjson", (0..300).map(|number| json!({
        "productId": format!("{number}"), "name": format!("Ware {number}"), "description": "Sold by weight",
        "category": [{ "id": "grocery", "name": "Grocery", "path": "Grocery" }], "price": price.clone(), "attributes": [],
        "tags": [], "brand": "National", "status": "active", "initialStock": 1_000,
    })).collect());
    write("users.ndjson", (0..120).map(|number| json!({
        "email": format!("household-{number}@retail.example"), "username": format!("household-{number}"),
        "password": "not-a-secret-000001", "profile": { "firstName": "Emil" }, "createdAt": "2017-01-01T00:00:00Z",
    })).collect());
    write("orders.ndjson", (0..200).map(|number| json!({
        "importKey": format!("basket-{number}"), "customer": { "username": format!("household-{}", number % 120) },
        "createdAt": "2017-01-01T11:53:26Z", "currency": "USD",
        "items": [{ "productId": format!("{number}"), "name": format!("Ware {number}"), "quantity": 1, "lineTotal": 349 }],
    })).collect());
    let path = retail.to_str().unwrap();
    let small = ["year", "--retail", path, "--changes", "60", "--checks", "12", "--deep-each", "3"];
    let figures = bench(dir.path(), &small);
    let changed = json!({ "users": 60, "prices": 60, "ordersPlaced": 60, "ordersCancelled": 60 });
    assert_eq!((&figures["changed"], &figures["atRest"]["repairs"]), (&changed, &json!(0)));
    assert_eq!((&figures["checks"]["checks"], &figures["checks"]["byContent"]), (&json!(12), &json!(4)));
    for pair in figures["checks"]["pairs"].as_array().unwrap() {
        assert_eq!(pair["divergent"], 0, "{pair}");
    }
    let at_rest = figures["atRest"]["check"]["pairs"].as_array().unwrap();
    let rows = |name: &str| at_rest.iter().find(|pair| pair["pair"] == name).unwrap()["rows"].as_u64().unwrap();
    assert_eq!((rows("users.index"), rows("products.search"), rows("orders.analytics")), (120, 300, 260));
    let targets: Vec<&str> =
        figures["latency"].as_array().unwrap().iter().map(|one| one["target"].as_str().unwrap()).collect();
    for target in
        ["users.key-value", "users.index", "users.analytics", "order-view", "orders.analytics", "products.search"]
    {
        assert!(targets.contains(&target), "{target} is not measured: {targets:?}");
    }
}

#[test]
fn an_idle_shop_is_looked_at_and_so_is_an_existing_one() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let wrong = output(madrigal(dir.path()).args(["bench", "footprint", "--data"]).arg(data.path()));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("is not the data directory of a shop"), "{wrong:?}");
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "nothing is made in it");
    std::fs::create_dir(data.path().join("auth")).unwrap();
    let data = data.path().to_str().unwrap().to_owned();
    let figures = bench(dir.path(), &["footprint", "--idle", "0", "--data", &data]);
    let shops: Vec<_> = figures["shops"].as_array().unwrap().iter().map(|shop| shop["shop"].clone()).collect();
    assert_eq!(shops, ["empty, first start", "empty, again", "demo shop, filled", "demo shop, again", "existing"]);
    measured(&figures, &["shops/4/readyMillis", "shops/4/residentBytes", "binaryBytes"]);
}

#[test]
fn what_cannot_be_measured_is_refused_before_anything_is_begun() {
    let dir = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| output(madrigal(dir.path()).arg("bench").args(arguments)).status.code();
    assert_eq!(code(&["journal", "--appenders", "0"]), Some(2));
    assert_eq!(code(&["journal", "--seconds", "-1"]), Some(2));
    assert_eq!(code(&["orders", "--rates", "fast"]), Some(2));
    assert_eq!(code(&["projection", "--events", "0"]), Some(2));
    for arguments in [&["journal", "--open", "nowhere"][..], &["orders", "--binary", "nothing"]] {
        let mut command = madrigal(dir.path());
        let refused = output(command.arg("bench").args(arguments).args(["--device-seconds", "0"]));
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(arguments[2]), "{refused:?}");
    }
}

#[test]
fn an_interrupt_stops_the_shop_that_was_started_and_removes_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let measured = dir.path().join("measured");
    let mut command = madrigal(dir.path());
    command.args([
        "bench",
        "orders",
        "--seconds",
        "600",
        "--products",
        "5",
        "--customers",
        "1",
        "--device-seconds",
        "0",
    ]);
    command.arg("--dir").arg(&measured).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut bench = command.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(bench.stdout.take().unwrap()));
    let line = lines.find(|line| line.as_ref().unwrap().starts_with("shop")).unwrap().unwrap();
    let shop: u32 = line.split([' ', ',']).find_map(|word| word.parse().ok()).unwrap();
    assert!(Path::new(&format!("/proc/{shop}")).exists());
    let interrupt = std::process::Command::new("kill").args(["-INT", &bench.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let ended = bench.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("interrupted"), "{ended:?}");
    assert!(!Path::new(&format!("/proc/{shop}")).exists(), "the shop goes on");
    assert_eq!(std::fs::read_dir(&measured).unwrap().count(), 0, "its data is left");
}
