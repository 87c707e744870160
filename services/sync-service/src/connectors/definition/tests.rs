use super::*;

fn brief() -> Value {
    serde_json::from_str(include_str!("../../../config/postgres-connector.json")).unwrap()
}

fn pointers(declared: &Value) -> Vec<String> {
    ConnectorDefinition::read(declared).unwrap_err().into_iter().map(|misfit| misfit.pointer).collect()
}

fn with(key: &str, value: impl Into<Value>) -> Value {
    let mut declared = brief();
    declared["config"][key] = value.into();
    declared
}

#[test]
fn the_briefs_connector_is_accepted_and_its_tables_come_under_their_own_names() {
    let connector = ConnectorDefinition::read(&brief()).unwrap();
    let topics: Vec<String> = connector.tables.iter().map(|table| connector.topic_of(table)).collect();
    assert_eq!(topics, ["users", "user_events"]);
    assert_eq!(connector.topic_prefix, "userdb", "database.server.name is the old name");
    let expected = ("postgres".to_owned(), 5432, "debezium".to_owned(), "userdb".to_owned());
    let Source::Postgres { hostname, port, user, dbname } = connector.source.clone() else { panic!("{connector:?}") };
    assert_eq!((hostname, port, user, dbname), expected);
}

#[test]
fn a_password_is_neither_kept_nor_shown() {
    let connector = ConnectorDefinition::read(&with("database.password", "s3cret-dbz")).unwrap();
    let everything = format!("{connector:?} {} {:?}", connector.declared(), connector.shown());
    assert!(!everything.contains("s3cret-dbz"), "{everything}");
    let refused = ConnectorDefinition::read(&with("database.password", serde_json::json!(["s3cret-dbz"]))).unwrap_err();
    assert!(!format!("{refused:?}").contains("s3cret-dbz"));
}

#[test]
fn an_unknown_setting_is_named_and_refused() {
    assert_eq!(pointers(&with("slot.name", "s")), ["/config/slot.name"]);
    assert_eq!(pointers(&with("transforms.other.regex", "s")), ["/config/transforms.other.regex"]);
    assert_eq!(pointers(&with("database.service", "user-service")), ["/config/database.service"]);
    let mut declared = brief();
    declared["extra"] = Value::from(1);
    assert_eq!(pointers(&declared), ["/extra"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let mut declared = brief();
    let config = &mut declared["config"];
    for (key, value) in [
        ("database.port", "70000"),
        ("table.include.list", "users,public.users,public.users"),
        ("plugin.name", "wal2json"),
        ("transforms.route.regex", "("),
        ("tasks.max", "2"),
        ("topic.prefix", "other"),
        ("a/b", "x"),
    ] {
        config[key] = Value::from(value);
    }
    declared["name"] = Value::from("");
    let mut found = pointers(&declared);
    found.sort();
    let mut expected = vec![
        "/name",
        "/config/a~1b",
        "/config/database.port",
        "/config/database.server.name",
        "/config/plugin.name",
        "/config/table.include.list",
        "/config/table.include.list",
        "/config/tasks.max",
        "/config/transforms.route.regex",
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn the_embedded_connector_names_the_service_that_owns_the_tables() {
    let declared: Value = serde_json::from_str(include_str!("../../../config/users-connector.json")).unwrap();
    let connector = ConnectorDefinition::read(&declared).unwrap();
    assert_eq!(connector.source, Source::Sqlite { service: "user-service".to_owned() });
    let topics: Vec<String> = connector.tables.iter().map(|table| connector.topic_of(table)).collect();
    assert_eq!(topics, ["users", "user_events"]);
}

#[test]
fn without_a_class_or_a_configuration_nothing_is_read() {
    assert_eq!(pointers(&serde_json::json!([])), [""]);
    assert_eq!(pointers(&serde_json::json!({"name": "x"})), ["/config"]);
    let refused = pointers(&with("connector.class", "io.debezium.connector.mysql.MySqlConnector"));
    assert_eq!(refused, ["/config/connector.class"]);
}

#[test]
fn a_name_that_no_url_carries_is_refused_with_the_rule_and_all_that_is_wrong() {
    let named = |name: &str| {
        let mut declared = brief();
        declared["name"] = Value::from(name);
        ConnectorDefinition::read(&declared)
    };
    for name in ["users-connector", "users.of_the-branch", "7", "_", "-", "a..b", &"n".repeat(100)] {
        assert!(named(name).is_ok(), "{name}");
    }
    let long = format!(".{}/", "n".repeat(200));
    for (name, wrong) in [
        ("", &["it has 0 letters"][..]),
        (".", &["begins or ends with a dot"]),
        ("..", &["begins or ends with a dot"]),
        ("users.", &["begins or ends with a dot"]),
        ("a/b", &["it has '/'"]),
        ("a b", &["it has ' '"]),
        ("a%2e", &["it has '%'"]),
        ("a?", &["it has '?'"]),
        ("viola\u{e9}", &["it has '\u{e9}'"]),
        ("a\n", &["it has '\\n'"]),
        (&long, &["it has 202 letters", "it has '/'", "begins or ends with a dot"]),
    ] {
        let misfits = named(name).unwrap_err();
        assert_eq!((misfits.len(), misfits[0].pointer.as_str()), (1, "/name"), "{misfits:?}");
        for said in wrong.iter().chain(&["dots only inside", "1 to 100 letters"]) {
            assert!(misfits[0].detail.contains(said), "{name:?}: {:?} says not {said}", misfits[0].detail);
        }
    }
    assert_eq!(pointers(&serde_json::json!({"config": brief()["config"]})), ["/name"]);
}
