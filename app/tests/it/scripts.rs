//! The operators' scripts, on embedded engines.

use std::path::Path;
use std::process::{Command, Output};

use crate::process::{Process, output};

fn script(data: &Path, name: &str, arguments: &[&str], url: Option<&str>) -> Output {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name);
    let mut command = Command::new(path);
    command
        .env("MADRIGAL", env!("CARGO_BIN_EXE_madrigal"))
        .env_remove("MADRIGAL_TOKEN")
        .env("MADRIGAL_DATA", data)
        .env("MADRIGAL_USER__HASH_MEMORY_KIB", "8")
        .envs(url.map(|url| ("MADRIGAL_URL", url)))
        .args(arguments);
    output(&mut command)
}

/// The script must succeed; what it printed.
fn said(data: &Path, name: &str, arguments: &[&str], url: Option<&str>) -> String {
    let done = script(data, name, arguments, url);
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test]
async fn the_scripts_make_a_shop_s_stores_bring_them_to_their_form_and_show_what_runs_on_them() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let refused = script(&data, "run-migrations.sh", &[], None);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("init-databases.sh"));

    let made = said(&data, "init-databases.sh", &[], None);
    for store in ["user-service/users.sqlite", "order-service/views.sqlite", "catalog-service/journal"] {
        assert!(made.contains(store), "{store} is not in\n{made}");
    }
    assert!(made.contains("users and their events"), "{made}");
    assert_eq!(said(&data, "run-migrations.sh", &[], None), made, "nothing was missing");
    assert!(said(&data, "setup-eventstore.sh", &[], None).contains("every record is intact"));

    let mut shop = Process::up(&data).await;
    let running = script(&data, "init-databases.sh", &[], None);
    assert_eq!(running.status.code(), Some(5), "a shop runs on it: {}", String::from_utf8_lossy(&running.stderr));
    let url = format!("http://{}", shop.address);
    assert!(said(&data, "setup-projections.sh", &["order-view"], Some(&url)).contains("order-view"));
    let synced = said(&data, "start-sync.sh", &[], Some(&url));
    assert!(synced.contains("users"), "{synced}");
    assert_eq!(shop.terminate(), Some(0));
}
