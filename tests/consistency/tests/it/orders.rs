//! Many orders, and then the monitor's word.

use futures::future::join_all;
use madrigal_harness::{Customer, OneProcess, fresh_key, product};

use crate::checks::{check, pair, verdict};

#[tokio::test(flavor = "multi_thread")]
async fn after_a_thousand_orders_at_once_every_copy_is_consistent() {
    let shop = OneProcess::start().await.unwrap();
    let anonymous = shop.anonymous().unwrap();
    for number in 0..20 {
        product(&shop.shop, &format!("product-{number}"), 1_000 + number, 10_000).await.unwrap();
    }
    let mut customers = Vec::new();
    for number in 0..20 {
        customers.push(Customer::register(&anonymous, &format!("customer-{number}")).await.unwrap());
    }
    let orders = (0..1_000).map(|number| {
        let (customer, product) = (&customers[number % 20], format!("product-{}", number * 7 % 20));
        async move {
            let key = fresh_key();
            loop {
                let answer = customer.place(&[(&product, 1)], "tok_visa", &key).await.unwrap();
                // A thousand at once on a slow machine: what took too long is asked again, under its key, as it says.
                if answer.status != 503 {
                    return answer;
                }
            }
        }
    });
    let checking = async {
        // While they are placed nothing may look wrong, whatever is behind.
        for _ in 0..5 {
            let report = check(&shop.shop, false, None).await;
            assert_ne!(report["overallStatus"], "inconsistent", "{report:#}");
        }
    };
    let (answers, ()) = tokio::join!(join_all(orders), checking);
    for answer in answers {
        assert_eq!(answer.status, 201, "{}", answer.problem());
    }
    let report = verdict(&shop.shop).await;
    assert_eq!(report["overallStatus"], "consistent", "{report:#}");
    for name in ["orders.view", "orders.analytics"] {
        assert_eq!(pair(&report, name)["totalEntities"], 1_000, "{name}");
    }
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
}
