//! Where one can go from an answer.

use serde_json::{Map, Value, json};

/// From an operation's answer to another operation: status, name of the link, operation, parameters.
struct To(&'static str, &'static str, &'static [(&'static str, &'static str)]);

const ORDER: &[(&str, &str)] = &[("orderId", "$response.body#/orderId")];
const PRODUCT: &[(&str, &str)] = &[("productId", "$response.body#/productId")];
const USER: &[(&str, &str)] = &[("id", "$response.body#/id")];

/// The links of the answers to operations, by the operation's name.
const LINKS: &[(&str, &[To])] = &[
    (
        "placeOrder",
        &[
            To("201", "getOrder", ORDER),
            To("201", "getOrderEvents", ORDER),
            To("201", "getOrderStory", ORDER),
            To("201", "cancelOrder", ORDER),
            To("201", "shipOrder", ORDER),
            To("201", "addItem", &[("orderId", "$response.body#/orderId"), ("If-Match", "$response.header.ETag")]),
            To("201", "placeDraft", ORDER),
        ],
    ),
    ("shipOrder", &[To("200", "deliverOrder", ORDER), To("200", "getOrder", ORDER)]),
    (
        "addItem",
        &[
            To(
                "200",
                "removeItem",
                &[
                    ("orderId", "$response.body#/orderId"),
                    ("productId", "$response.body#/items/0/productId"),
                    ("If-Match", "$response.header.ETag"),
                ],
            ),
            To("200", "placeDraft", ORDER),
        ],
    ),
    (
        "createProduct",
        &[
            To("201", "getProduct", PRODUCT),
            To("201", "getStock", PRODUCT),
            To("201", "changeStock", PRODUCT),
            To(
                "201",
                "changeProduct",
                &[("productId", "$response.body#/productId"), ("If-Match", "$response.header.ETag")],
            ),
            To(
                "201",
                "withdrawProduct",
                &[("productId", "$response.body#/productId"), ("If-Match", "$response.header.ETag")],
            ),
        ],
    ),
    (
        "registerUser",
        &[
            To("201", "getUser", USER),
            To("201", "getUserProfile", USER),
            To("201", "listUserEvents", USER),
            To("201", "listOrdersOfUser", &[("userId", "$response.body#/id")]),
            To("201", "changeUser", &[("id", "$response.body#/id"), ("If-Match", "$response.header.ETag")]),
            To("201", "eraseUser", &[("id", "$response.body#/id"), ("If-Match", "$response.header.ETag")]),
        ],
    ),
    ("listSagas", &[To("200", "getSaga", &[("sagaId", "$response.body#/items/0/sagaId")])]),
    ("listMails", &[To("200", "getMail", &[("key", "$response.body#/items/0/key")])]),
];

/// Adds the links of [`LINKS`] where both ends are described, and to every list one to its next page.
pub(super) fn add(paths: &mut Map<String, Value>) {
    let known: Vec<String> =
        operations(paths).filter_map(|operation| Some(operation["operationId"].as_str()?.to_owned())).collect();
    for item in paths.values_mut() {
        for operation in item.as_object_mut().into_iter().flat_map(|item| item.values_mut()) {
            let Some(id) = operation["operationId"].as_str().map(str::to_owned) else { continue };
            let links = LINKS.iter().filter(|(from, _)| *from == id).flat_map(|(_, links)| *links);
            for To(status, to, parameters) in links.filter(|link| known.iter().any(|known| known == link.1)) {
                let parameters: Map<String, Value> =
                    parameters.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
                link(operation, status, to, &json!({ "operationId": to, "parameters": parameters }));
            }
            if operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "cursor")) {
                let mut parameters = path_parameters(operation);
                parameters.insert("cursor".to_owned(), Value::from("$response.body#/next"));
                link(operation, "200", "nextPage", &json!({ "operationId": id, "parameters": parameters }));
            }
        }
    }
}

fn link(operation: &mut Value, status: &str, name: &str, link: &Value) {
    if operation["responses"][status].is_object() {
        operation["responses"][status]["links"][name] = link.clone();
    }
}

/// The same path again.
fn path_parameters(operation: &Value) -> Map<String, Value> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    all.filter(|parameter| parameter["in"] == "path")
        .filter_map(|parameter| parameter["name"].as_str())
        .map(|name| (name.to_owned(), Value::from(format!("$request.path.{name}"))))
        .collect()
}

fn operations(paths: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    paths.values().filter_map(Value::as_object).flat_map(Map::values)
}
