//! Where a figure was measured, and what was.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// The machine, its load right now, and the file system of `dir`.
pub fn describe(dir: &Path) -> Value {
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    json!({
        "cpu": field(&read("/proc/cpuinfo"), "model name"),
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "fileSystem": file_system(&read("/proc/self/mountinfo"), dir),
        "loadAverage": load_average(),
    })
}

/// How many processes wanted to run lately, as `/proc/loadavg` has it: above the number of cores, figures are disturbed.
pub fn load_average() -> String {
    read("/proc/loadavg").trim().to_owned()
}

/// Resident memory of this process now and at most so far, in bytes; 0 where `/proc` does not say.
pub fn own_memory() -> (u64, u64) {
    let status = read("/proc/self/status");
    let of = |name| kib(&status, name).unwrap_or(0);
    (of("VmRSS:"), of("VmHWM:"))
}

/// A field of `/proc/PID/status` in bytes.
pub(crate) fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The commit that was measured: the one that `MADRIGAL_COMMIT` named when this was built, else that of the work tree in
/// the working directory where it is Madrigal's, else `unknown`.
pub fn commit() -> Value {
    if let Some(commit) = option_env!("MADRIGAL_COMMIT") {
        return json!({ "id": commit, "from": "the build" });
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let own =
        git(&["ls-files", "--full-name", ":/tests/performance/src/machine.rs"]).is_some_and(|path| !path.is_empty());
    match git(&["rev-parse", "--short", "HEAD"]).filter(|_| own) {
        Some(id) => {
            let changed = git(&["status", "--porcelain", "-uno"]).map(|text| text.lines().count());
            json!({ "id": id, "from": "the work tree", "changedFiles": changed })
        }
        None => json!({ "id": "unknown" }),
    }
}

/// Type and device of the file system that holds `dir`, as in `ext4 on /dev/vda`.
fn file_system(mounts: &str, dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let holding = mounts.lines().filter_map(|line| {
        let point = line.split(' ').nth(4)?;
        // After the dash: type, device, options. Before it is a variable number of fields.
        let (_, rest) = line.split_once(" - ")?;
        let (kind, rest) = rest.split_once(' ')?;
        let device = rest.split(' ').next()?;
        dir.starts_with(point).then(|| (point.len(), format!("{kind} on {device}")))
    });
    // Later mounts hide earlier ones at the same point.
    holding.max_by_key(|(length, _)| *length).map(|(_, told)| told)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_nearest_mount() {
        let mounts = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                      23 22 0:5 / /proc rw - proc proc rw\n";
        assert_eq!(file_system(mounts, Path::new("/")).as_deref(), Some("ext4 on /dev/vda"));
        assert_eq!(file_system(mounts, Path::new("/proc/self/task")).as_deref(), Some("proc on proc"));
    }
}
