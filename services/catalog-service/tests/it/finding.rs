//! Finding products: nested categories and attributes, synonyms, typos, counts, prices, orders, cursors.

use http::Method;
use serde_json::{Value, json};

use crate::shop::Shop;

async fn filled() -> (Shop, String) {
    let shop = Shop::new().await;
    let products = [
        json!({"productId": "cola", "name": "Cola", "category": [{"id": "c1", "name": "Cola", "path": "Drinks/Soft drinks/Cola"}],
            "attributes": [{"name": "size", "value": "500", "unit": "ml"}, {"name": "colour", "value": "brown"}],
            "tags": ["cold", "sweet"], "brand": "Fizz", "price": {"amount": 200, "currency": "EUR", "discount": 5000}}),
        json!({"productId": "tea", "name": "Crème Tea", "category": [{"id": "c2", "name": "Tea", "path": "Drinks/Tea"}],
            "attributes": [{"name": "size", "value": "brown"}, {"name": "colour", "value": "500"}],
            "tags": ["hot"], "brand": "Leaf", "price": {"amount": 150, "currency": "EUR"}, "initialStock": 3}),
        json!({"productId": "ice", "name": "Ice cream", "description": "frozen, with chocolate",
            "category": [{"id": "c3", "name": "Sweets", "path": "Food > Sweets"}], "tags": ["cold"],
            "attributes": [{"name": "size", "value": "1", "unit": "l"}, {"name": "flavour", "value": "mint"}, {"name": "flavour", "value": "lime"}],
            "price": {"amount": 500, "currency": "EUR"}, "status": "inactive"}),
        json!({"productId": "bar", "name": "Chocolate bar", "category": [{"id": "c3", "name": "Sweets", "path": "Food > Sweets"}],
            "price": {"amount": 99, "currency": "EUR"}}),
    ];
    let mut position = String::new();
    for product in products {
        position = shop.create_from(product).await;
    }
    (shop, position)
}

#[tokio::test]
async fn filters_mean_one_category_and_one_attribute() {
    let (shop, position) = filled().await;
    for (query, expected) in [
        ("category=c2", vec!["tea"]),
        ("category=Drinks", vec!["cola", "tea"]),
        ("category=Drinks/Soft%20drinks", vec!["cola"]),
        ("category=Drinks/Soft", vec![]),
        ("category=Food", vec!["bar", "ice"]),
        ("category=Drinks&category=Cola", vec!["cola"]),
        ("category=Drinks&category=Food", vec![]),
        ("attr.size=500", vec!["cola"]),
        ("attr.size=500%20ml", vec!["cola"]),
        ("attr.size=500%20l", vec![]),
        ("attr.colour=500", vec!["tea"]),
        ("attr.size=500&attr.colour=500", vec![]),
        ("attr.size=500&attr.colour=brown", vec!["cola"]),
        ("attr.flavour=mint&attr.flavour=lime", vec!["ice"]),
        ("attr.flavour=mint&attr.flavour=plum", vec![]),
        ("attr.Size=500", vec![]),
        ("tag=cold&tag=sweet", vec!["cola"]),
        ("status=inactive", vec!["ice"]),
        ("status=active&maxPrice=100", vec!["bar", "cola"]),
        ("minPrice=100&maxPrice=100", vec!["cola"]),
        ("minPrice=101&maxPrice=200", vec!["tea"]),
    ] {
        let mut ids = shop.ids(&position, query).await;
        ids.sort_unstable();
        assert_eq!(ids, expected, "{query}");
    }
    assert_eq!(shop.ids(&position, "sort=price").await, ["bar", "cola", "tea", "ice"]);
    assert_eq!(shop.ids(&position, "sort=name").await, ["bar", "cola", "tea", "ice"]);
}

#[tokio::test]
async fn words_may_have_typos_and_synonyms_and_exact_ones_come_first() {
    let (shop, position) = filled().await;
    for (query, expected) in [
        ("q=chocolate", vec!["bar", "ice"]),
        ("q=choclate", vec!["bar", "ice"]),
        ("q=chocoltae%20bra", vec!["bar"]),
        ("q=chclte", vec![]),
        ("q=creme", vec!["tea"]),
        ("q=cr%C3%A9me", vec!["tea"]),
        ("q=cre%CC%80me", vec!["tea"]),
        // Wide letters; "cold" is one letter away.
        ("q=%EF%BC%A3%EF%BC%AF%EF%BC%AC%EF%BC%A1", vec!["cola", "ice"]),
        ("q=gelato", vec!["ice"]),
        ("q=ice%20cream%20frozen", vec!["ice"]),
        ("q=cream", vec!["ice"]),
        ("q=te", vec![]),
        ("q=!!!", vec![]),
        ("q=%20", vec!["bar", "cola", "ice", "tea"]),
    ] {
        let mut ids = shop.ids(&position, query).await;
        if query != "q=chocolate" && query != "q=choclate" {
            ids.sort_unstable();
        }
        assert_eq!(ids, expected, "{query}");
    }
    let found = shop.search(&position, "q=gelato").await;
    assert_eq!(found["items"][0]["highlight"]["name"], "<b>Ice</b> <b>cream</b>");
    let found = shop.search(&position, "q=choclate").await;
    assert_eq!(found["items"][1]["highlight"]["description"], "frozen, with <b>chocolate</b>");
}

#[tokio::test]
async fn synonyms_are_reloaded_and_a_bad_line_leaves_the_old_ones() {
    let (shop, position) = filled().await;
    assert!(shop.ids(&position, "q=brause").await.is_empty());
    let path = "/v1/products/synonyms/reload";
    std::fs::write(shop.synonyms(), "# fizzy\nbrause, cola\nkalte sahne => ice cream\n").unwrap();
    let (status, ..) = shop.customer(Method::POST, path, ()).await;
    assert_eq!(status, 403);
    let (status, _, answer) = shop.operator(Method::POST, path, &[], ()).await;
    assert_eq!((status.as_u16(), &answer["rules"]), (200, &json!(2)), "{answer}");
    assert_eq!(shop.ids(&position, "q=Brause").await, ["cola"]);
    assert_eq!(shop.ids(&position, "q=kalte+sahne").await, ["ice"]);
    assert!(shop.ids(&position, "q=gelato").await.is_empty(), "the old set is gone");
    for (text, code) in
        [(&b"brause, tea\n\nalone\na => b => c\n"[..], "bad-synonyms"), (b"\xFF", "synonyms-unreadable")]
    {
        std::fs::write(shop.synonyms(), text).unwrap();
        let (_, _, problem) = shop.operator(Method::POST, path, &[], ()).await;
        assert_eq!(problem["code"], code, "{problem}");
        if code == "bad-synonyms" {
            assert_eq!(problem["errors"][0]["pointer"], "/lines/3", "{problem}");
            assert_eq!(problem["errors"][1]["pointer"], "/lines/4", "{problem}");
        }
        assert_eq!(shop.ids(&position, "q=brause").await, ["cola"], "the old set stays");
    }
    let shop = shop.restarted(|_| ()).await;
    assert!(shop.ids(&position, "q=brause").await.is_empty(), "with a bad file the default is in force");
    assert_eq!(shop.ids(&position, "q=gelato").await, ["ice"]);
    std::fs::write(shop.synonyms(), "brause, tea\n").unwrap();
    // Noticed without a call, sooner or later.
    while shop.ids(&position, "q=brause").await != ["tea"] {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn facets_count_everything_that_is_found() {
    let (shop, position) = filled().await;
    let found = shop.search(&position, "limit=1").await;
    assert_eq!(found["total"], 4);
    let facets = &found["facets"];
    assert_eq!(facets["category"][0], json!({"value": "Sweets", "count": 2}));
    assert_eq!(facets["brand"], json!([{"value": "Fizz", "count": 1}, {"value": "Leaf", "count": 1}]));
    assert_eq!(facets["tag"][0], json!({"value": "cold", "count": 2}));
    assert_eq!(facets["status"], json!([{"value": "active", "count": 3}, {"value": "inactive", "count": 1}]));
    assert_eq!(facets["price"][0], json!({"value": "0-199", "count": 3, "from": 0, "to": 199}));
    assert_eq!(facets["price"][6], json!({"value": "10000-", "count": 0, "from": 10_000}));
    let asked =
        shop.search(&position, "facet=attr.size&facet=attr.flavour&facet=price&priceBound=100&priceBound=150").await;
    let facets = &asked["facets"];
    assert_eq!(facets.as_object().unwrap().len(), 3);
    let sizes: Vec<&str> =
        facets["attr.size"].as_array().unwrap().iter().map(|size| size["value"].as_str().unwrap()).collect();
    assert_eq!(sizes, ["1 l", "500 ml", "brown"]);
    assert_eq!(facets["attr.flavour"].as_array().unwrap().len(), 2);
    let counts: Vec<&Value> = facets["price"].as_array().unwrap().iter().map(|range| &range["count"]).collect();
    assert_eq!(counts, [&json!(1), &json!(1), &json!(2)]);
    let none = shop.search(&position, "facet=none").await;
    assert_eq!((&none["facets"], none.get("total")), (&json!({}), None));
}

#[tokio::test]
async fn a_cursor_belongs_to_its_search() {
    let (shop, position) = filled().await;
    for sort in ["relevance", "price", "-price", "name", "-name", "newest", "rating"] {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let found = shop.search(&position, &format!("sort={sort}&limit=1{cursor}")).await;
            ids.push(found["items"][0]["productId"].as_str().unwrap().to_owned());
            let Some(next) = found["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(ids, shop.ids(&position, &format!("sort={sort}")).await, "{sort}");
    }
    let first = shop.search(&position, "sort=price&limit=1&q=chocolate").await;
    let next = first["next"].as_str().unwrap();
    for other in
        ["sort=-price&q=chocolate", "sort=price", "sort=price&q=choclate", "sort=price&q=chocolate&inStock=true"]
    {
        let path = format!("/v1/products/search?{other}&cursor={next}");
        let (status, _, problem) = shop.anonymous(Method::GET, &path, &[], ()).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("bad-cursor")), "{other}");
    }
    shop.search(&position, &format!("sort=price&limit=50&facet=none&q=chocolate&cursor={next}")).await;
}

#[tokio::test]
async fn too_much_is_refused_by_name() {
    let (shop, _) = filled().await;
    let many = |name: &str, count: usize| vec![format!("{name}=x"); count].join("&");
    let long = format!("q={}", "x".repeat(10_000));
    for (query, pointer) in [
        (many("attr.a", 33), "/attr"),
        (many("category", 21), "/category"),
        (many("tag", 21), "/tag"),
        (many("attr.a", 1_000), ""),
        ("facet=nonsense".into(), "/facet"),
        ("facet=attr.".into(), "/facet"),
        ("attr.=x".into(), "/attr."),
        ("priceBound=0".into(), "/priceBound"),
        ("status=withdrawn".into(), "/status"),
        (long, "/q"),
        (format!("attr.{}=x", "n".repeat(600)), &format!("/attr.{}", "n".repeat(600))),
    ] {
        let path = format!("/v1/products/search?{query}");
        let (status, _, problem) = shop.anonymous(Method::GET, &path, &[], ()).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("invalid-query")), "{query} {problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}");
    }
}

#[tokio::test]
async fn odd_words_are_words_or_nothing() {
    let (shop, position) = filled().await;
    for odd in [
        "%E2%80%AE%D7%A9%D7%9C%D7%95%D7%9D",
        "%F0%9F%8D%B5%F0%9F%8D%B5",
        "[a-z]*",
        "a.*b",
        "%5C%5C",
        "name:tea~2%5E9",
        "-1e999",
        "99999999999999999999999999",
        "%CC%81%CC%81",
        "%EF%BB%BF",
        "%E2%80%8B",
        "%26%26%7C%7C",
        "%3Cscript%3E",
        "%E6%8A%B9%E8%8C%B6",
        "%EF%B7%BA",
        "%D9%8B",
    ] {
        shop.search(&position, &format!("q={odd}")).await;
        shop.search(&position, &format!("category={odd}&brand={odd}&attr.{odd}={odd}&facet=attr.{odd}")).await;
    }
    shop.search(&position, &format!("q={}", "x".repeat(500))).await;
    shop.search(&position, &format!("q={}", "ab+".repeat(166))).await;
    shop.search(&position, "minPrice=9223372036854775807&maxPrice=0").await;
}

/// A walk through everything while other products change all the time: whoever stays as it is comes up once.
#[tokio::test]
async fn a_deep_walk_meets_every_unchanged_product_once() {
    let shop = Shop::new().await;
    let line = |number: usize, amount: usize, name: &str| {
        let body = json!({"productId": format!("p{number:03}"), "name": format!("{name} {}", number % 7),
            "price": {"amount": amount % 50, "currency": "EUR"}});
        format!("{body}\n")
    };
    let file: String = (0..200).map(|number| line(number, number * 31, "Walk")).collect();
    let headers = [("content-type", "application/x-ndjson")];
    shop.operator(Method::POST, "/v1/products/import", &headers, file.as_str()).await;
    let mut position = shop.create("last", 1, 1).await;
    for sort in ["-price", "name", "relevance"] {
        let (mut seen, mut cursor, mut round) = (Vec::new(), String::new(), 0);
        loop {
            let query = format!("q=walk&sort={sort}&limit=25&facet=none{cursor}");
            let found = shop.search(&position, &query).await;
            let items = found["items"].as_array().unwrap();
            seen.extend(items.iter().map(|item| item["productId"].as_str().unwrap().to_owned()));
            let Some(next) = found["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
            round += 1;
            // Every fourth product gets another price and name, and new ones come in.
            let changed: String =
                (0..200).step_by(4).map(|number| line(number, number * 17 + round * 13, "Walk more")).collect();
            shop.operator(Method::POST, "/v1/products/import", &headers, changed.as_str()).await;
            position = shop.create(&format!("walk-{sort}-{round}"), 25, 1).await;
        }
        for number in (0..200).filter(|number| number % 4 != 0) {
            let id = format!("p{number:03}");
            assert_eq!(seen.iter().filter(|seen| **seen == id).count(), 1, "{id} by {sort}");
        }
    }
}

/// During an import, what another writer changes is found as soon as its position says so.
#[tokio::test]
async fn a_change_is_found_under_load() {
    let shop = Shop::new().await;
    let file: String = (0..3_000)
        .map(|number| format!("{}\n", json!({"productId": format!("i{number}"), "name": format!("Load {number}"), "price": {"amount": 1, "currency": "EUR"}})))
        .collect();
    let headers = [("content-type", "application/x-ndjson")];
    let import = shop.operator(Method::POST, "/v1/products/import", &headers, file.as_str());
    let changes = async {
        for round in 0..5 {
            let name = ["Zebra", "Giraffe", "Okapi", "Hippopotamus", "Crocodile"][round];
            let body = json!({"productId": name, "name": name, "price": {"amount": 1, "currency": "EUR"}});
            let position = shop.create_from(body).await;
            assert_eq!(shop.ids(&position, &format!("q={name}&facet=none")).await, [name], "{name}");
        }
    };
    let ((status, ..), ()) = tokio::join!(import, changes);
    assert_eq!(status, 200);
}
