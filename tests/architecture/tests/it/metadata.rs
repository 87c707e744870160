//! What `cargo metadata` says of the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// One package, of the workspace or from the registry.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: String,
    /// Below the workspace's root, as in `crates/core`; `None` for packages from the registry.
    pub(crate) room: Option<String>,
    /// Names of its dependencies, with whether each is for tests only and whether it is optional.
    pub(crate) dependencies: Vec<Dependency>,
}

pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) only_for_tests: bool,
    pub(crate) optional: bool,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// All packages that the lock file names for this platform.
pub(crate) fn packages() -> &'static [Package] {
    static PACKAGES: OnceLock<Vec<Package>> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let root = root();
        metadata["packages"].as_array().unwrap().iter().map(|package| read(package, &root)).collect()
    })
}

/// The packages of the workspace with their rooms.
pub(crate) fn members() -> impl Iterator<Item = (&'static str, &'static Package)> {
    packages().iter().filter_map(|package| package.room.as_deref().map(|room| (room, package)))
}

fn read(package: &Value, root: &Path) -> Package {
    let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let manifest = PathBuf::from(text("manifest_path"));
    let in_workspace = package["source"].is_null();
    let room = in_workspace.then(|| manifest.parent().unwrap().strip_prefix(root).unwrap().display().to_string());
    let dependencies = package["dependencies"].as_array().unwrap();
    Package {
        name: text("name"),
        version: text("version"),
        licence: text("license"),
        room,
        dependencies: dependencies
            .iter()
            .map(|dependency| Dependency {
                name: dependency["name"].as_str().unwrap().to_owned(),
                only_for_tests: dependency["kind"].as_str() == Some("dev"),
                optional: dependency["optional"].as_bool() == Some(true),
            })
            .collect(),
    }
}
