//! Lists the problem pages of `docs/problems`, so that they are part of the binary.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let pages = manifest.join("../../docs/problems");
    println!("cargo:rerun-if-changed={}", pages.display());
    let mut list = String::from("&[\n");
    for (code, path) in sorted(&pages)? {
        println!("cargo:rerun-if-changed={}", path.display());
        let path = path.canonicalize()?;
        writeln!(list, "    ({code:?}, include_str!({path:?})),").map_err(io::Error::other)?;
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("problem_pages.rs"), list)
}

fn sorted(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let code = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
        if let (Some(code), Some("md")) = (code, path.extension().and_then(|end| end.to_str())) {
            found.push((code, path));
        }
    }
    found.sort();
    Ok(found)
}
