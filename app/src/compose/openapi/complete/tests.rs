use std::collections::HashSet;

use serde_json::Value;

fn described() -> Value {
    super::super::openapi()
}

/// Every operation as (what to call it, itself).
fn operations(described: &Value) -> Vec<(String, &Value)> {
    let paths = described["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
}

#[test]
fn operations_have_a_name_of_their_own_and_a_text() {
    let described = described();
    let mut names = HashSet::new();
    for (at, operation) in operations(&described) {
        let name = operation["operationId"].as_str().unwrap_or_else(|| panic!("{at} has no name"));
        assert!(names.insert(name.to_owned()), "{at}: {name} is taken");
        let said = operation["summary"].as_str().or(operation["description"].as_str());
        assert!(said.is_some_and(|text| !text.is_empty()), "{at} has no text");
    }
}

#[test]
fn every_refusal_is_said_by_its_status_and_is_a_problem() {
    let described = described();
    for (at, operation) in operations(&described) {
        let responses = operation["responses"].as_object().unwrap();
        for status in ["400", "401", "429", "500", "503"] {
            assert!(responses.contains_key(status), "{at} does not say {status}");
        }
        for (status, response) in responses {
            assert!(status.parse::<u16>().is_ok(), "{at}: {status} is no status");
            let response = match response["$ref"].as_str() {
                Some(name) => described.pointer(name.trim_start_matches('#')).unwrap(),
                None => response,
            };
            if status.starts_with(['4', '5']) {
                let schema = &response["content"]["application/problem+json"]["schema"];
                assert!(schema.is_object(), "{at}: {status} is no problem");
            }
        }
    }
}

#[test]
fn every_parameter_has_a_text_and_limits() {
    let described = described();
    for (at, operation) in operations(&described) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let (name, schema) = (&parameter["name"], &parameter["schema"]);
            assert!(parameter["description"].as_str().is_some_and(|text| !text.is_empty()), "{at}: {name} has no text");
            assert!(schema.is_object(), "{at}: {name} has no schema");
            if name == "limit" {
                assert!(schema["minimum"] == 1 && schema["maximum"].is_number(), "{at}: the limit has no limits");
            }
        }
    }
}

#[test]
fn every_answer_and_every_body_has_a_schema_and_every_body_an_example() {
    let described = described();
    for (at, operation) in operations(&described) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            if status.starts_with('2') && status != "204" {
                let content =
                    response["content"].as_object().unwrap_or_else(|| panic!("{at}: {status} has no content"));
                assert!(content.values().all(|content| content["schema"].is_object()), "{at}: {status} has no schema");
            }
        }
        for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            let schema = &content["schema"];
            let schema = match schema["$ref"].as_str() {
                Some(name) => described.pointer(name.trim_start_matches('#')).unwrap(),
                None => schema,
            };
            let text = matches!(kind.as_str(), "application/x-ndjson" | "text/plain");
            assert!(text || !schema["example"].is_null() || !content["example"].is_null(), "{at} has no example");
        }
    }
}

#[test]
fn the_example_of_a_connector_is_one_that_is_accepted() {
    use madrigal_sync_service::connectors::ConnectorDefinition;
    let described = described();
    let example = &described["components"]["schemas"]["ConnectorBody"]["example"];
    let read = ConnectorDefinition::read_for(example, &Default::default());
    assert!(read.is_ok(), "{read:?}");
}
