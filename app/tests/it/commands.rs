//! Commands and their exit codes.

use madrigal_harness::OneProcess;

use crate::process::{Process, free_address, madrigal, output};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_wrong_command_line_or_configuration_is_exit_code_2_and_names_every_problem() {
    let data = tempfile::tempdir().unwrap();
    let wrong = output(madrigal(data.path()).args(["order", "place"]));
    assert_eq!(wrong.status.code(), Some(2));
    let file = data.path().join("wrong.toml");
    std::fs::write(&file, "lisen = 1\n[order]\nurl = 7\n").unwrap();
    let wrong = output(madrigal(data.path()).args(["config", "show", "--config"]).arg(&file));
    let said = text(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(2), "{said}");
    assert!(said.contains("lisen") && said.contains("order.url"), "{said}");
}

#[test]
fn config_show_says_where_each_value_came_from() {
    let data = tempfile::tempdir().unwrap();
    let shown = output(madrigal(data.path()).args(["config", "show", "--output", "ndjson"]));
    let lines = text(&shown.stdout);
    let row = lines.lines().find(|line| line.contains("\"user.hash_memory_kib\"")).unwrap();
    assert!(row.contains("environment") && row.contains("\"8\""), "{row}");
}

#[test]
fn completions_are_printed() {
    let data = tempfile::tempdir().unwrap();
    let printed = output(madrigal(data.path()).args(["completions", "bash"]));
    assert!(printed.status.success() && text(&printed.stdout).contains("madrigal"));
}

#[test]
fn a_command_whose_output_nobody_reads_ends_without_a_word() {
    let data = tempfile::tempdir().unwrap();
    for args in [
        &["config", "show"][..],
        &["config", "show", "--output", "json"],
        &["config", "show", "--output", "ndjson"],
        &["completions", "bash"],
        &["completions", "bash", "--output", "json"],
        &["token", "issue", "--subject", "anna"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = output(madrigal(data.path()).args(args).stdout(writer).stderr(std::process::Stdio::piped()));
        assert_eq!(text(&ended.stderr), "", "{args:?}");
        let code = if args == ["--help"] { 0 } else { 141 };
        assert_eq!(ended.status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn names_that_no_url_carries_are_refused_before_anything_is_asked() {
    let data = tempfile::tempdir().unwrap();
    let url = format!("http://{}", free_address());
    for args in [
        &["sync", "connectors", "--remove", ".."][..],
        &["sync", "connectors", "--remove", "."],
        &["sync", "connectors", "--remove", ""],
        &["sync", "connectors", "--remove", "a/b"],
        &["sync", "rebuild", ".."],
        &["sync", "parked", "--retry", ".."],
        &["sync", "parked", "--skip", ".", "--reason", "x"],
    ] {
        let refused = output(madrigal(data.path()).args(args).args(["--url", &url]));
        // A shop that was asked and does not answer is 4.
        assert_eq!(refused.status.code(), Some(2), "{args:?}: {}", text(&refused.stderr));
    }
    let bound = output(
        madrigal(data.path())
            .args(["order", "place", "--user", "1", "--url", &url])
            .args(["--item", "lute=99999999999"]),
    );
    assert_eq!(bound.status.code(), Some(2));
    assert!(text(&bound.stderr).contains("from 1 to 1000000"), "{}", text(&bound.stderr));
}

#[test]
fn a_command_without_a_shop_says_how_to_start_one() {
    let data = tempfile::tempdir().unwrap();
    let url = format!("http://{}", free_address());
    let refused = output(madrigal(data.path()).args(["sagas", "list", "--url", &url]));
    assert_eq!(refused.status.code(), Some(4), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("madrigal up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_place_show_ship_cancel_and_read() {
    let shop = OneProcess::start().await.unwrap();
    madrigal_harness::product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anna = madrigal_harness::Customer::register(&shop.shop, "anna").await.unwrap();
    let data = shop.data().to_owned();
    let url = format!("http://{}", shop.address());
    let run = async |args: &[&str]| {
        let mut command = madrigal(&data);
        command.args(["--output", "json", "--url", &url]).args(args);
        tokio::task::spawn_blocking(move || output(&mut command)).await.unwrap()
    };
    let json = |bytes: &[u8]| -> serde_json::Value { serde_json::from_slice(bytes).unwrap() };
    let user = anna.id.to_string();
    let placed = run(&["order", "place", "--user", &user, "--item", "lute=2", "--key", "k"]).await;
    assert!(placed.status.success(), "{}", text(&placed.stderr));
    let order = json(&placed.stdout);
    let again = run(&["order", "place", "--user", &user, "--item", "lute=2", "--key", "k"]).await;
    assert_eq!(json(&again.stdout)["orderId"], order["orderId"]);
    let id = order["orderId"].as_str().unwrap();
    // A command knows no position to wait for: the view may be a moment behind.
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!(json(&run(&["order", "show", id]).await.stdout)["version"], 3);
    let refused = run(&["order", "place", "--user", &user, "--item", "lute=99"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("lute: 99 asked for, 8 there"), "{}", text(&refused.stderr));
    let shipped = run(&["order", "ship", id, "--carrier", "Staffetta", "--tracking", "7"]).await;
    assert_eq!(json(&shipped.stdout)["currentStatus"], "shipped");
    assert_eq!(run(&["order", "cancel", id]).await.status.code(), Some(1));
    let events = json(&run(&["events", "read", "--stream", &format!("order-{id}")]).await.stdout);
    assert_eq!(events.as_array().unwrap().len(), 5);
    let sagas = json(&run(&["sagas", "list", "--definition", "place-order"]).await.stdout);
    let saga = sagas[0]["sagaId"].as_str().unwrap();
    assert!(run(&["sagas", "show", saga]).await.status.success());
    let abandon = run(&["sagas", "abandon", saga, "--reason", "x", "--confirm", "y"]).await;
    assert_eq!(abandon.status.code(), Some(5));
    assert!(run(&["doctor"]).await.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_filled_and_a_second_shop_on_its_data_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut command = madrigal(data.path());
    command.args(["up", "--demo", "--listen", &address.to_string()]);
    let mut process = Process::start(command, address).await;
    let second = output(madrigal(data.path()).args(["up", "--listen", &free_address().to_string()]));
    assert_eq!(second.status.code(), Some(5), "{}", text(&second.stderr));
    let shop = process.shop(data.path());
    let filled = madrigal_core::tasks::within(std::time::Duration::from_secs(30), async {
        while shop.get("/v1/products/last-ticket").await.is_err() {
            madrigal_core::tasks::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert!(filled.await.is_some(), "the demo is not filled");
    assert_eq!(process.terminate(), Some(0));
}
