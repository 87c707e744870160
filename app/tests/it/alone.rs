//! A gateway whose services are not there: it goes on, and says how the shop is.

use madrigal_core::tasks;
use reqwest::Method;

use crate::process::{Process, free_address, madrigal, output};
use crate::several::Several;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_its_services_is_ready_and_tells_that_the_shop_is_not_well() {
    let data = tempfile::tempdir().unwrap();
    let several = Several::plan(data.path());
    let address = free_address();
    let mut command = several.command(data.path(), "gateway");
    command.args(["--listen", &address.to_string()]);
    // Ready is what answers 200 at /readyz: pages and the services that are there go on.
    let gateway = Process::start(command, address).await;
    let shop = gateway.shop(data.path());
    let health = shop.send(shop.request(Method::GET, "/health")).await.unwrap();
    assert_eq!((health.status.as_u16(), &health.body["status"]), (503, &"unhealthy".into()), "{}", health.body);
    for check in ["database", "eventStore", "messageQueue", "cache", "consistency"] {
        assert_ne!(health.body["checks"][check]["status"], "healthy", "{check}: {}", health.body);
    }
    let alive = shop.send(shop.request(Method::GET, "/livez")).await.unwrap();
    assert_eq!(alive.status, 200);

    // That nobody could check is said as that.
    let mut check = madrigal(data.path());
    check.args(["consistency", "check", "--url", &format!("http://{address}")]);
    let checked = tasks::blocking(move || output(&mut check)).await.unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(4), "{said}");
    assert!(said.contains("nothing could be verified"), "{said}");
}
