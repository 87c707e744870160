//! Shapes that the types of the services do not describe: answers of blocks that know no OpenAPI, rules between fields, and
//! an example of every body.

use serde_json::{Map, Value, json};

/// What operations answer, by their names: status and schema.
const ANSWERS: &[(&str, &str, &str)] = &[
    ("listOrders", "200", "PageOfOrders"),
    ("listOrdersOfUser", "200", "PageOfOrders"),
    ("getOrderEvents", "200", "PageOfEvents"),
    ("placeOrder", "202", "Pending"),
    ("placeDraft", "202", "Pending"),
    ("cancelOrder", "202", "Pending"),
    ("listSagas", "200", "PageOfSagas"),
    ("getSaga", "200", "Saga"),
    ("operateSaga", "200", "Saga"),
    ("checkConsistency", "202", "CheckUnderWay"),
    ("getConsistencyCheck", "202", "CheckUnderWay"),
    ("repairDivergence", "200", "RepairEntry"),
    ("listRepairs", "200", "PageOfRepairs"),
    ("damageCopy", "200", "DamagedRow"),
];

/// Adds the schemas of [`ANSWERS`] and what the types cannot say about bodies.
pub(super) fn add(all: &mut Value) {
    let schemas = &mut all["components"]["schemas"];
    for (name, schema) in answers() {
        schemas[name] = schema;
    }
    refine(schemas);
    for (name, example) in examples() {
        if let Some(schema) = schemas.get_mut(name).and_then(Value::as_object_mut) {
            schema.entry("example").or_insert(example);
        }
    }
    let operations = all["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in operations.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        for (_, status, schema) in ANSWERS.iter().filter(|(of, ..)| *of == id) {
            if let Some(response) = operation["responses"].get_mut(*status).filter(|response| response.is_object()) {
                response["content"] = json!({ "application/json": { "schema": of(schema) } });
            }
        }
    }
}

fn of(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn page(items: &str, description: &str) -> Value {
    json!({
        "type": "object", "description": description, "required": ["items"],
        "properties": {
            "items": { "type": "array", "items": of(items) },
            "next": { "type": ["string", "null"], "description": "Where the next page begins; none at the end." },
        },
    })
}

fn object(description: &str, required: &[&str], properties: &Value) -> Value {
    json!({ "type": "object", "description": description, "required": required, "properties": properties })
}

fn answers() -> [(&'static str, Value); 13] {
    let text = json!({ "type": "string" });
    let text_or_none = json!({ "type": ["string", "null"] });
    let time = json!({ "type": "string", "format": "date-time" });
    let time_or_none = json!({ "type": ["string", "null"], "format": "date-time" });
    let number = json!({ "type": "integer", "format": "int64" });
    let state = json!({ "type": "string", "enum": SAGA_STATES });
    let event = object(
        "Something that happened.",
        &["eventId", "aggregateType", "aggregateId", "eventType", "schemaVersion", "eventData", "metadata", "position"],
        &json!({
            "eventId": { "type": "string", "format": "uuid" }, "aggregateType": text, "aggregateId": text,
            "eventType": text, "schemaVersion": number, "eventData": { "type": "object" },
            "metadata": { "type": "object" }, "position": number,
        }),
    );
    let attempts = json!({ "type": "array", "items": of("SagaAttempt") });
    let attempt = object(
        "One attempt of a step: when it began, how it ended.",
        &["startedAt"],
        &json!({ "startedAt": time, "endedAt": time_or_none, "outcome": text_or_none, "detail": {} }),
    );
    let step = object(
        "What happened to one step.",
        &["name", "state", "attempts", "undo"],
        &json!({ "name": text, "kind": text_or_none, "state": text, "attempts": attempts, "undo": attempts }),
    );
    let saga = object(
        "A saga with its steps and their attempts.",
        &["sagaId", "definition", "definitionHash", "state", "startedAt", "lastProgressAt", "steps"],
        &json!({
            "sagaId": text, "definition": text, "definitionVersion": number, "definitionHash": text, "state": state,
            "reason": text_or_none, "cause": {}, "owner": { "type": ["integer", "null"] },
            "correlationId": text_or_none, "startedAt": time, "lastProgressAt": time, "committedAt": time_or_none,
            "epoch": number, "steps": { "type": "array", "items": of("SagaStep") },
            "operator": { "type": "array", "items": { "type": "object" } },
        }),
    );
    let summary = object(
        "A saga in a list.",
        &["sagaId", "definition", "definitionHash", "state", "startedAt", "lastProgressAt", "currentSteps"],
        &json!({
            "sagaId": text, "definition": text, "definitionHash": text, "state": state,
            "owner": { "type": ["integer", "null"] }, "startedAt": time, "lastProgressAt": time,
            "currentSteps": { "type": "array", "items": text }, "reason": text_or_none, "pausedFrom": text_or_none,
        }),
    );
    let pending = object(
        "Under way: where to look.",
        &["sagaId", "status", "saga"],
        &json!({ "sagaId": text, "status": { "type": "string", "enum": ["pending"] }, "saga": text }),
    );
    let check = object("A check under way.", &["checkId", "state"], &json!({ "checkId": text, "state": text }));
    let outcome = json!({ "type": "object", "required": ["outcome"], "properties": {
        "outcome": { "type": "string", "enum": REPAIR_OUTCOMES }, "why": text,
    } });
    let repair = object(
        "A repair, or what one would do.",
        &["pair", "at", "by", "divergence", "outcome"],
        &json!({ "pair": text, "at": time, "by": text, "divergence": { "type": "object" }, "outcome": outcome,
                 "reason": text_or_none }),
    );
    let damaged = object(
        "A row that was damaged.",
        &["copy", "key", "done"],
        &json!({ "copy": text, "key": text, "done": { "type": "boolean" } }),
    );
    [
        ("CheckUnderWay", check),
        ("RepairEntry", repair),
        ("PageOfRepairs", page("RepairEntry", "Repairs, newest first.")),
        ("DamagedRow", damaged),
        ("Event", event),
        ("SagaAttempt", attempt),
        ("SagaStep", step),
        ("Saga", saga),
        ("SagaSummary", summary),
        ("Pending", pending),
        ("PageOfOrders", page("OrderAnswer", "Orders, newest first.")),
        ("PageOfEvents", page("Event", "Events, oldest first.")),
        ("PageOfSagas", page("SagaSummary", "Sagas, newest first.")),
    ]
}

/// The states of sagas, as in JSON.
/// What becomes of a row's repair.
const REPAIR_OUTCOMES: &[&str] =
    &["wouldRepair", "repaired", "healed", "unverified", "contended", "stillDivergent", "refused"];

const SAGA_STATES: [&str; 9] = [
    "running",
    "compensating",
    "paused",
    "stuck",
    "parked",
    "completed",
    "compensated",
    "compensatedByHand",
    "abandoned",
];

/// Rules between fields, and of values that are no range.
fn refine(schemas: &mut Value) {
    if let Some(change) = schemas.pointer_mut("/StockChange/properties/change").and_then(Value::as_object_mut) {
        change.insert("not".to_owned(), json!({ "const": 0 }));
    }
    if let Some(order) = schemas.get_mut("PlaceOrderBody").and_then(Value::as_object_mut) {
        let draft = json!({ "required": ["draft"], "properties": { "draft": { "const": true } } });
        let paid = json!({
            "required": ["paymentMethod"],
            "properties": { "paymentMethod": { "type": "object" }, "items": { "minItems": 1 } },
        });
        order.insert("anyOf".to_owned(), json!([paid, draft]));
    }
    for (body, removes) in [("NewUser", false), ("UserPatch", true)] {
        if let Some(fields) = schemas[body].get_mut("properties").and_then(Value::as_object_mut) {
            refine_field(fields, "profile", &profile(removes));
            refine_field(fields, "email", &json!({ "type": "string", "format": "email" }));
            refine_field(fields, "username", &json!({ "type": "string" }));
        }
    }
}

fn refine_field(fields: &mut Map<String, Value>, name: &str, refinement: &Value) {
    if let (Some(Value::Object(field)), Value::Object(refinement)) = (fields.get_mut(name), refinement) {
        field.extend(refinement.clone());
    }
}

/// The rules of a profile; in a patch, null removes a field.
fn profile(removes: bool) -> Value {
    let text = json!({ "type": "string", "maxLength": 1_000, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$" });
    let number = json!({ "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX });
    let or_null = |mut choices: Vec<Value>| {
        choices.extend(removes.then(|| json!({ "type": "null" })));
        json!({ "anyOf": choices })
    };
    let name = or_null(vec![text.clone()]);
    json!({
        "type": "object", "maxProperties": 32, "propertyNames": { "pattern": "^[A-Za-z0-9_]{1,64}$" },
        "properties": { "firstName": name, "lastName": name, "avatar": name },
        "additionalProperties": or_null(vec![text, json!({ "type": "boolean" }), number]),
    })
}

/// What a body looks like, by the name of its schema.
fn examples() -> Vec<(&'static str, Value)> {
    let line = json!({ "productId": "lute", "quantity": 1 });
    let visa = json!({ "token": "tok_visa" });
    let address = json!({ "street": "Via dei Liutai 12", "city": "Cremona", "country": "IT" });
    let strings = json!({ "name": "Gut strings, set", "price": { "amount": 6800, "currency": "EUR", "discount": 0 } });
    vec![
        ("PlaceOrderBody", json!({ "items": [line.clone()], "paymentMethod": visa, "shippingAddress": address })),
        ("LineBody", line),
        ("PlaceDraftBody", json!({ "paymentMethod": visa })),
        ("ShipBody", json!({ "carrier": "Staffetta", "trackingNumber": "IT-4711" })),
        ("CancelBody", json!({ "reason": "ordered twice" })),
        ("CheckBody", json!({ "deep": true, "pair": "orders.view" })),
        ("RepairBody", json!({ "apply": false })),
        (
            "DamageBody",
            json!({ "copy": "orders.view", "key": "01a20534-22c5-7001-bb8f-b4b0e4af2b38", "damage": "change" }),
        ),
        (
            "ConnectorBody",
            json!({
                "name": "users-of-the-branch",
                "config": {
                    "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "topic.prefix": "branch",
                    "database.hostname": "postgres", "database.user": "debezium", "database.password": "dbz",
                    "database.dbname": "userdb", "table.include.list": "public.users", "transforms": "route",
                    "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
                    "transforms.route.regex": "branch\\.public\\.(.*)", "transforms.route.replacement": "$1",
                },
            }),
        ),
        ("SkipBody", json!({ "reason": "the row was removed by hand" })),
        ("CauseBody", json!({ "cause": "profile is no JSON" })),
        ("ChooseBody", json!({ "choice": "loser" })),
        ("SwitchBody", json!({ "reason": "the rows were looked at" })),
        ("KeyBody", json!({ "key": "order-01a20534-22c5-7001-bb8f-b4b0e4af2b38", "reason": "the cause is mended" })),
        (
            "NoteBody",
            json!({ "stream": "note-incident-17", "eventType": "NoteTaken", "eventData": { "text": "called" } }),
        ),
        ("VerbBody", json!({ "reason": "the provider is back" })),
        ("NewProduct", strings),
        ("ProductPatchBody", json!({ "name": "Gut strings, full set" })),
        ("NewRating", json!({ "stars": 5 })),
        ("StockChange", json!({ "change": 50, "reason": "delivery 4711" })),
        ("LogIn", json!({ "login": "clara", "password": "sing-along-2026" })),
        (
            "NewUser",
            json!({
                "email": "anna.rossi@example.org", "username": "anna.rossi", "password": "six crotchets rest",
                "profile": { "firstName": "Anna", "lastName": "Rossi" },
            }),
        ),
        ("UserPatch", json!({ "profile": { "lastName": "Bianchi", "avatar": null } })),
        ("NewPassword", json!({ "current": "six crotchets rest", "new": "seven crotchets rest" })),
    ]
}
