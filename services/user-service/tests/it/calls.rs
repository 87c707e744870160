use futures::future::join_all;
use madrigal_contracts::person_keys::{RemotePersonKeys, WireKey};
use madrigal_contracts::user::{GetBuyer, GetPersonKey};
use madrigal_core::{Opened, PersonId, PersonKeys, Sealed};
use serde_json::json;

use crate::shop::{Shop, anybody};

#[tokio::test]
async fn an_order_learns_its_buyers_name_address_and_key() {
    let shop = Shop::open().await;
    let id = PersonId(shop.register("quinta").await);
    let mut nameless = anybody("sesta");
    nameless["profile"] = json!({});
    shop.post("/v1/users", &nameless).await;
    let (neighbour, context) = (shop.neighbour(), shop.context());
    let buyer = neighbour.call(&context, GetBuyer { user_id: id }).await.unwrap().unwrap();
    assert_eq!((buyer.name.as_str(), buyer.email.as_str()), ("Quintilla Zanzibari", "quinta@example.org"));
    let WireKey(key) = neighbour.call(&context, GetPersonKey { person: id }).await.unwrap().unwrap();
    assert_eq!(key.expose(), buyer.key.0.expose());
    let sealed = Sealed::seal(&shop.host, id, &key, &"Via Appia 1".to_owned()).unwrap();
    assert_eq!(sealed.open(Some(&buyer.key.0)).unwrap(), Opened::Value("Via Appia 1".to_owned()));
    let nameless = neighbour.call(&context, GetBuyer { user_id: PersonId(2) }).await.unwrap().unwrap();
    assert_eq!(nameless.name, "sesta");
    assert_ne!(nameless.key.0.expose(), key.expose());
    assert!(neighbour.call(&context, GetBuyer { user_id: PersonId(9) }).await.unwrap().is_none());
    assert!(neighbour.call(&context, GetPersonKey { person: PersonId(9) }).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_buyer_asked_for_after_a_change_is_the_changed_one() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let (path, token, neighbour, context) =
        (format!("/v1/users/{id}"), shop.customer(id), shop.neighbour(), shop.context());
    for version in 1..=30 {
        // Questions under way while the change commits must not bring back what was before it.
        let asking = join_all((0..8).map(|_| neighbour.call(&context, GetBuyer { user_id: PersonId(id) })));
        let email = format!("q{version}@example.org");
        let patch = json!({"email": email});
        let (_, answer) = futures::future::join(asking, shop.patch(&path, &token, version, &patch)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let buyer = neighbour.call(&context, GetBuyer { user_id: PersonId(id) }).await.unwrap().unwrap();
        assert_eq!(buyer.email, email);
    }
}

#[tokio::test]
async fn a_destroyed_key_erases_what_was_sealed_and_never_returns() {
    let shop = Shop::open().await;
    let id = PersonId(shop.register("quinta").await);
    let (neighbour, context) = (shop.neighbour(), shop.context());
    let buyer = neighbour.call(&context, GetBuyer { user_id: id }).await.unwrap().unwrap();
    let sealed = Sealed::seal(&shop.host, id, &buyer.key.0, &"Via Appia 1".to_owned()).unwrap();
    shop.service.destroy_key(id).await.unwrap();
    shop.service.destroy_key(id).await.unwrap();
    assert!(neighbour.call(&context, GetBuyer { user_id: id }).await.unwrap().is_none());
    assert!(neighbour.call(&context, GetPersonKey { person: id }).await.unwrap().is_none());
    let keys = RemotePersonKeys::new(neighbour, shop.host.clone());
    assert_eq!(sealed.open(keys.person_key(id).await.unwrap().as_ref()).unwrap(), Opened::Erased);
    let events = shop.get(&format!("/v1/users/{id}/events"), &shop.operator()).await;
    assert_eq!(events.body["items"][0]["eventData"]["person"], json!({"erased": true}));
    let change = shop.patch(&format!("/v1/users/{id}"), &shop.operator(), 1, &json!({"username": "back"})).await;
    assert_eq!(change.refusal(), (404, "not-found"));
    let shop = shop.restart().await;
    assert!(shop.neighbour().call(&context, GetPersonKey { person: id }).await.unwrap().is_none());
    assert_eq!(shop.register("sesta").await, id.0 + 1);
}
