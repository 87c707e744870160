//! Small disks that can be filled, made read-only and freed: file systems in memory, mounted where only the processes of
//! one test see them.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::process::madrigal;

/// Disks of a test; gone with their process, whatever becomes of the test.
pub(crate) struct Disks {
    holder: Option<Child>,
    /// The data directory, as the processes of the test see it.
    pub(crate) data: PathBuf,
    /// Without privileges the disks belong to a name space of users, too.
    as_user: bool,
}

impl Disks {
    /// Mounts a disk of so many MiB on each directory of the data directory, parents before their children.
    ///
    /// `None` where this machine lets nobody mount: said on standard error, unless `MADRIGAL_REQUIRE` names `mounts`.
    pub(crate) fn mount(data: &Path, disks: &[(&str, u32)]) -> Option<Self> {
        let mut script = "set -e\n".to_owned();
        for (dir, mebibytes) in disks {
            let dir = data.join(dir);
            script += &format!("mkdir -p {0}\nmount -t tmpfs -o size={mebibytes}m small {0}\n", dir.display());
        }
        // It waits until its standard input is closed: also where the test dies.
        script += "echo mounted\nread line || true\n";
        for as_user in [false, true] {
            let mut unshare = Command::new("unshare");
            unshare.arg("--mount").args(as_user.then_some("--map-root-user")).args(["sh", "-c", &script]);
            unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            let Ok(mut holder) = unshare.spawn() else { continue };
            let mut said = [0; 8];
            let mounted = holder.stdout.as_mut().unwrap().read_exact(&mut said).is_ok();
            let disks = Self { holder: Some(holder), data: data.to_owned(), as_user };
            if mounted {
                return Some(disks);
            }
        }
        let required = madrigal_core::environment::variable("MADRIGAL_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|what| what == "mounts"), "file systems cannot be mounted here");
        let said = b"ignored: file systems cannot be mounted here; limits of file sizes stand in for them\n";
        std::io::stderr().write_all(said).unwrap();
        None
    }

    /// No disks but that of the machine.
    pub(crate) fn none(data: &Path) -> Self {
        Self { holder: None, data: data.to_owned(), as_user: false }
    }

    /// The same directory as the test sees it.
    pub(crate) fn view(&self, inside: &str) -> PathBuf {
        let Some(holder) = &self.holder else { return self.data.join(inside) };
        let root = PathBuf::from(format!("/proc/{}/root", holder.id()));
        root.join(self.data.join(inside).strip_prefix("/").unwrap())
    }

    /// A program where the disks are.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let Some(holder) = &self.holder else { return Command::new(program) };
        let mut command = Command::new("nsenter");
        command.args(["--target", &holder.id().to_string(), "--mount"]);
        command.args(self.as_user.then_some(["--user", "--preserve-credentials"]).into_iter().flatten());
        command.arg("--").arg(program);
        command
    }

    /// A command of the binary where the disks are.
    pub(crate) fn madrigal(&self) -> Command {
        let plain = madrigal(&self.data);
        let mut command = self.command(plain.get_program());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null());
        command
    }

    /// Takes all room that a disk has left.
    pub(crate) fn fill(&self, dir: &str) {
        let mut filler = File::create(self.view(dir).join("filler")).unwrap();
        for block in [1 << 20, 4_096] {
            let zeros = vec![0; block];
            let full = loop {
                if let Err(error) = filler.write_all(&zeros) {
                    break error;
                }
            };
            assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
        }
    }

    /// Removes the segments that logs have prepared.
    pub(crate) fn remove_prepared(&self, logs: &[&str]) {
        let entries = logs.iter().flat_map(|log| fs::read_dir(self.view(log)).unwrap().flatten());
        for prepared in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("spare")) {
            fs::remove_file(prepared.path()).unwrap();
        }
    }

    /// Gives the room back.
    pub(crate) fn free(&self, dir: &str) {
        fs::remove_file(self.view(dir).join("filler")).unwrap();
    }

    /// Mounts, or unmounts, where the disks are; it must succeed.
    pub(crate) fn change(&self, program: &str, args: &[&str]) {
        let changed = self.command(program).args(args).output().unwrap();
        assert!(changed.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&changed.stderr));
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        if let Some(holder) = &mut self.holder {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}
