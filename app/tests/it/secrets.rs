//! No secret is anywhere but where it belongs: not in a copy, a topic, a log line (at `debug` too), a metric, an answer, or a
//! file of another service.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use madrigal::client::Shop;
use madrigal_core::{Host, tasks};
use madrigal_http::{Role, TokenSigner};
use reqwest::Method;
use serde_json::{Value, json};

use crate::process::{Process, free_address};
use crate::several::{SERVICES, Several};

const FIRST: &str = "first-4711-password";
const SECOND: &str = "second-4712-password";
const WRONG: &str = "wrong-4713-password";
const MALFORMED: &str = "malformed-4714-password";
const CONNECTOR: &str = "connector-4715-password";
const REFUSED: &str = "refused-4716-password";
const STOLEN: &str = "stolen-4717-token";
/// How every token of the shop begins, those of services too: `{"sub":` in base64.
const TOKEN: &str = "eyJzdWIiOi";
/// What a card is charged by: known to those who order and pay, and to nobody else.
const CARD: &str = "tok_visa";
/// Nothing here takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where something may be.
type Allowed<'a> = dyn Fn(&str) -> bool + 'a;

/// A text, and what it was found in.
struct Seen {
    place: String,
    bytes: Vec<u8>,
}

impl Seen {
    fn holds(&self, needle: &[u8]) -> bool {
        // Where the first byte is rare, most of a file is skipped by the standard library's search for it.
        let mut rest = self.bytes.as_slice();
        while let Some(at) = rest.iter().position(|byte| *byte == needle[0]) {
            if rest[at..].starts_with(needle) {
                return true;
            }
            rest = &rest[at + 1..];
        }
        false
    }
}

fn files_below(room: &Path) -> Vec<PathBuf> {
    let (mut files, mut pending) = (Vec::new(), vec![room.to_owned()]);
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { pending.push(path) } else { files.push(path) }
        }
    }
    files
}

/// The shop as processes whose logs are kept, at `debug`.
struct Logged {
    processes: Vec<(String, Process)>,
    gateway: Process,
}

impl Logged {
    async fn start(several: &Several, data: &Path, logs: &Path) -> Self {
        let log = |name: &str| File::create(logs.join(format!("{name}.log"))).unwrap();
        let mut processes = Vec::new();
        for service in SERVICES {
            let mut command = several.command(data, &format!("{service}-service"));
            command.env("MADRIGAL_LOG__LEVEL", "debug");
            let process = Process::start_logging(command, several.address(service), log(service)).await;
            processes.push((service.to_owned(), process));
        }
        let address = free_address();
        let mut command = several.command(data, "gateway");
        command.args(["--listen", &address.to_string()]).env("MADRIGAL_LOG__LEVEL", "debug");
        let gateway = Process::start_logging(command, address, log("gateway")).await;
        Self { processes, gateway }
    }
}

/// Every answer that the shop gives is looked at, too.
struct Asker {
    shop: Shop,
    seen: Vec<Seen>,
}

impl Asker {
    async fn ask(
        &mut self,
        shop: &Shop,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Value) {
        let mut request = shop.request(method.clone(), path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() {
            request = request.header("Content-Type", "application/json").body(body.to_owned());
        }
        let (status, bytes) = shop.send_for_text(request).await.unwrap();
        let value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        self.seen.push(Seen { place: format!("the answer to {method} {path}"), bytes });
        (status.as_u16(), value)
    }

    async fn post(&mut self, shop: &Shop, path: &str, body: &Value) -> (u16, Value) {
        self.ask(shop, Method::POST, path, &[("Idempotency-Key", "once"), ("Prefer", "wait=10")], &body.to_string())
            .await
    }
}

/// Everything that has to do with a secret, done rightly and wrongly. Returns the user whom all copies have then, and tokens.
async fn use_secrets(asker: &mut Asker) -> (i64, Vec<String>) {
    let operator = asker.shop.clone();
    let nobody = Shop::at(operator.url(), None).unwrap();
    let register = |name: &str, password: &str| json!({ "email": format!("{name}@customers.example"), "username": name, "password": password, "profile": {} });
    let log_in = |password: &str| json!({ "login": "anna", "password": password });
    let (status, anna) = asker.post(&nobody, "/v1/users", &register("anna", FIRST)).await;
    assert_eq!(status, 201, "{anna}");
    let id = anna["id"].as_i64().unwrap();
    assert_eq!(asker.post(&nobody, "/v1/users", &register("anna", REFUSED)).await.0, 409);
    assert_eq!(
        asker.post(&nobody, "/v1/users", &json!({ "username": "b", "password": REFUSED, "pass": REFUSED })).await.0,
        422
    );
    let cut = format!("{{\"username\":\"b\",\"password\":\"{MALFORMED}");
    assert_eq!(asker.ask(&nobody, Method::POST, "/v1/users", &[], &cut).await.0, 400);
    assert_eq!(asker.post(&nobody, "/v1/sessions", &log_in(WRONG)).await.0, 401);

    // The answer to a log-in is the one place that has a token.
    let session = |password: &str| nobody.request(Method::POST, "/v1/sessions").json(&log_in(password));
    let mut tokens = vec![nobody.send(session(FIRST)).await.unwrap().body["token"].as_str().unwrap().to_owned()];
    let change = |current: &str| json!({ "current": current, "new": SECOND });
    let customer = operator.with_token(tokens[0].clone());
    assert_eq!(asker.post(&customer, &format!("/v1/users/{id}/password"), &change(WRONG)).await.0 / 100, 4);
    assert_eq!(asker.post(&customer, &format!("/v1/users/{id}/password"), &change(FIRST)).await.0, 204);
    tokens.push(nobody.send(session(SECOND)).await.unwrap().body["token"].as_str().unwrap().to_owned());
    let customer = operator.with_token(tokens[1].clone());
    for stolen in [STOLEN.to_owned(), format!("{}{STOLEN}", tokens[1])] {
        assert_eq!(asker.ask(&operator.with_token(stolen), Method::GET, "/v1/orders", &[], "").await.0, 401);
    }

    let product = json!({
        "productId": "lute", "name": "Lute", "description": "", "category": [], "attributes": [], "tags": [],
        "price": { "amount": 1_000, "currency": "EUR", "discount": 0 }, "status": "active", "initialStock": 100,
    });
    assert_eq!(asker.post(&operator, "/v1/products", &product).await.0, 201);
    let order = |card: &str| {
        json!({ "items": [{ "productId": "lute", "quantity": 1 }], "paymentMethod": { "token": card },
            "shippingAddress": { "city": "Cremona" } })
    };
    let (status, placed) = asker.post(&customer, "/v1/orders", &order(CARD)).await;
    assert_eq!(status, 201, "{placed}");
    let declined = [("Idempotency-Key", "twice"), ("Prefer", "wait=10")];
    let body = order("tok_declined").to_string();
    assert_eq!(asker.ask(&customer, Method::POST, "/v1/orders", &declined, &body).await.0, 402);
    let cancel = format!("/v1/orders/{}/cancel", placed["orderId"].as_str().unwrap());
    assert_eq!(asker.post(&customer, &cancel, &json!({})).await.0, 200);

    let declared = include_str!("../../../services/sync-service/config/postgres-connector.json");
    let mut declared: Value = serde_json::from_str(declared).unwrap();
    declared["config"]["database.password"] = json!(CONNECTOR);
    assert_eq!(asker.post(&operator, "/v1/sync/connectors", &declared).await.0, 201);
    declared["config"]["slot.name"] = json!("unknown");
    assert_eq!(asker.post(&operator, "/v1/sync/connectors", &declared).await.0, 422);
    declared["config"]["database.password"] = json!([CONNECTOR]);
    assert_eq!(asker.post(&operator, "/v1/sync/connectors", &declared).await.0, 422);

    let version = anna_version(&operator, id).await;
    let patch = json!({ "profile": { "firstName": "Anna" } }).to_string();
    let path = format!("/v1/users/{id}");
    let based_on = format!("\"{version}\"");
    assert_eq!(asker.ask(&operator, Method::PATCH, &path, &[("If-Match", &based_on)], &patch).await.0, 200);
    // Nobody else has a password in a copy either once it was gone.
    let (_, bruno) = asker.post(&nobody, "/v1/users", &register("bruno", FIRST)).await;
    let path = format!("/v1/users/{}", bruno["id"]);
    assert_eq!(asker.ask(&operator, Method::DELETE, &path, &[("If-Match", "\"1\"")], "").await.0, 204);
    (id, tokens)
}

async fn anna_version(operator: &Shop, id: i64) -> u64 {
    operator.get(&format!("/v1/users/{id}")).await.unwrap()["version"].as_u64().unwrap()
}

/// Everything that operators and services can read.
async fn read_everything(asker: &mut Asker, several: &Several, user: i64, service_token: &str) {
    let operator = asker.shop.clone();
    let version = anna_version(&operator, user).await;
    for copy in ["users.key-value", "users.index", "users.analytics", "users.activity"] {
        let path = format!("/v1/sync/copies/{copy}/{user}");
        let caught_up = tasks::within(PATIENCE, async {
            loop {
                let (status, row) = asker.ask(&operator, Method::GET, &path, &[], "").await;
                let there = copy == "users.activity" || row["version"].as_u64() >= Some(version);
                if status == 200 && there {
                    break;
                }
                tasks::sleep(Duration::from_millis(50)).await;
            }
        });
        caught_up.await.unwrap_or_else(|| panic!("{copy} does not have user {user}"));
    }
    let mut paths = vec!["/v1/sync/connectors".to_owned(), "/v1/sync/parked".to_owned(), "/v1/sync/lag".to_owned()];
    paths.extend(["/v1/users", "/v1/users/search?q=anna", "/v1/mails", "/v1/orders"].map(str::to_owned));
    paths.extend(["", "/profile", "/events", "/conflicts"].map(|part| format!("/v1/users/{user}{part}")));
    for path in paths {
        assert_eq!(asker.ask(&operator, Method::GET, &path, &[], "").await.0, 200, "{path}");
    }
    let topics = [("user", "users"), ("user", "user_events"), ("order", "orders"), ("catalog", "products")];
    for (service, topic) in topics {
        let shop = Shop::at(&format!("http://{}", several.address(service)), Some(service_token.to_owned())).unwrap();
        let path = format!("/internal/topics/{topic}?start=earliest&limit=500");
        let (status, told) = asker.ask(&shop, Method::GET, &path, &[], "").await;
        assert_eq!(status, 200, "{topic}: {told}");
        assert!(!told["messages"].as_array().unwrap().is_empty(), "{topic} tells nothing: {told}");
    }
    for service in SERVICES {
        let shop = Shop::at(&format!("http://{}", several.address(service)), None).unwrap();
        let shop = shop.with_token(service_token.to_owned());
        assert_eq!(asker.ask(&shop, Method::GET, "/metrics", &[], "").await.0, 200, "{service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_copy_a_topic_a_log_a_metric_or_a_file_of_another_service() {
    let (data, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let several = Several::plan(data.path());
    let mut shop = Logged::start(&several, data.path(), logs.path()).await;
    let key_file = data.path().join("auth/signing.key");
    let signing = std::fs::read_to_string(&key_file).unwrap().trim().to_owned();
    let signer = TokenSigner::from_text(&signing).unwrap();
    let issue = |name: &str, role| signer.issue(&Host::system(), name, role, Duration::from_secs(3_600)).0;
    let operator = issue("tests", Role::Operator);
    let url = format!("http://{}", shop.gateway.address);
    let mut asker = Asker { shop: Shop::at(&url, Some(operator.clone())).unwrap(), seen: Vec::new() };
    let (user, mut tokens) = use_secrets(&mut asker).await;
    madrigal_invariants::check_at_rest(&asker.shop).await.unwrap();
    let service_token = issue("tests", Role::Service);
    read_everything(&mut asker, &several, user, &service_token).await;
    assert_eq!(shop.gateway.terminate(), Some(0));
    for (name, process) in shop.processes.iter_mut().rev() {
        assert_eq!(process.terminate(), Some(0), "{name}");
    }

    let mut seen = asker.seen;
    let in_data = |file: &Path| file.strip_prefix(data.path()).unwrap().display().to_string();
    let files = files_below(data.path()).into_iter();
    seen.extend(files.map(|file| Seen { place: in_data(&file), bytes: std::fs::read(&file).unwrap() }));
    for file in files_below(logs.path()) {
        let place = format!("the log {}", file.file_name().unwrap().display());
        let bytes = std::fs::read(&file).unwrap();
        assert!(String::from_utf8_lossy(&bytes).to_lowercase().contains("debug"), "{place} is not of debug");
        seen.push(Seen { place, bytes });
    }
    let master_file = "user-service/keys/master.key";
    let master = std::fs::read_to_string(data.path().join(master_file)).unwrap().trim().to_owned();
    tokens.extend([operator, service_token]);
    let table = |place: &str| place.starts_with("user-service/users.sqlite");
    let nowhere = |_: &str| false;
    let in_its_file = |place: &str| place == "auth/signing.key";
    let in_the_masters = |place: &str| place == master_file;
    let where_it_is_charged =
        |place: &str| ["order-service/", "payment-service/"].iter().any(|room| place.starts_with(room));
    // What is searched for, and where it may be.
    let mut secrets: Vec<(&str, &str, &Allowed<'_>)> = vec![
        ("a hash of a password", "$argon2", &table),
        ("a token", TOKEN, &nowhere),
        ("the signing key", &signing, &in_its_file),
        ("the master key", &master, &in_the_masters),
        ("a card's token", CARD, &where_it_is_charged),
    ];
    for told in [FIRST, SECOND, WRONG, MALFORMED, CONNECTOR, REFUSED, STOLEN] {
        secrets.push(("what was told in confidence", told, &nowhere));
    }
    secrets.extend(tokens.iter().map(|token| ("a token", token.as_str(), &nowhere as &Allowed<'_>)));
    let mut found = Vec::new();
    for (what, secret, may) in &secrets {
        for seen in seen.iter().filter(|seen| !may(&seen.place) && seen.holds(secret.as_bytes())) {
            found.push(format!("{what} ({secret}) is in {}", seen.place));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    // The search would find them.
    for (what, secret, _) in
        secrets.iter().filter(|(what, ..)| *what != "a token" && !what.starts_with("what was told"))
    {
        assert!(seen.iter().any(|seen| seen.holds(secret.as_bytes())), "{what} is found nowhere: is the test right?");
    }
}
