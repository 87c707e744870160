//! A process and its disk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use madrigal_core::tasks::TaskGroup;
use madrigal_core::{Fault, Host, LogName};
use madrigal_event_store::{DynEventStore, EventStore, EventStoreOptions, JournalEventStore};
use madrigal_journal::{Disk, JournalOptions, MemoryDisk, Workers};

use crate::dice::seed_of;
use crate::world::World;

/// One life of a process.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its tasks.
    pub tasks: TaskGroup,
    /// Its time and chance, another one in each life.
    pub host: Host,
    /// Which life it is, from 1.
    pub life: u32,
}

/// A machine: at most one process that owns its disk, and perhaps zombies that do not know that they are dead.
pub struct Machine {
    name: &'static str,
    world: World,
    disk: MemoryDisk,
    /// What the process sees of the disk.
    mounted: Arc<dyn Disk>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    life: u32,
    running: Option<TaskGroup>,
    zombies: Vec<TaskGroup>,
    stores: Vec<Weak<JournalEventStore>>,
}

/// Small segments, so that even short runs begin new ones.
const FIRST_SEGMENT: u64 = 16 << 10;
const LARGEST_SEGMENT: u64 = 64 << 10;

impl Machine {
    /// A machine with an empty disk; `mount` may put something between the disk and the process.
    pub fn new(name: &'static str, world: &World, mount: impl FnOnce(MemoryDisk) -> Arc<dyn Disk>) -> Self {
        let disk = MemoryDisk::new(seed_of(world.seed(), &format!("disk of {name}")));
        Self { name, world: world.clone(), mounted: mount(disk.clone()), disk, state: Mutex::default() }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its disk, to break it.
    pub const fn disk(&self) -> &MemoryDisk {
        &self.disk
    }

    /// Starts a process. What ran before and was not killed stays as a zombie.
    ///
    /// # Panics
    /// Where something still holds a store of a process that was killed: it would write after its death.
    #[expect(clippy::panic, reason = "a simulation that is wrong must not report anything")]
    pub fn start(&self) -> Server {
        let mut state = self.lock();
        if self.disk.is_off() {
            if state.stores.iter().any(|store| store.strong_count() > 0) {
                panic!("{}: a store outlived its process", self.name);
            }
            state.stores.clear();
            self.disk.power_on();
        }
        state.life += 1;
        let life = state.life;
        let tasks = TaskGroup::new();
        if let Some(zombie) = state.running.replace(tasks.clone()) {
            self.world.trace().say(self.name, format_args!("life {} is a zombie now", life - 1));
            state.zombies.push(zombie);
        }
        self.world.trace().say(self.name, format_args!("life {life} begins"));
        Server { tasks, host: self.world.host(&format!("{} {life}", self.name)), life }
    }

    /// Kills the process and all zombies, and takes the power of the disk: what was not synced may be gone.
    pub fn kill(&self) {
        let mut state = self.lock();
        self.world.trace().say(self.name, format_args!("life {} is killed", state.life));
        self.disk.power_off();
        state.running.take().iter().for_each(TaskGroup::kill);
        state.zombies.drain(..).for_each(|zombie| zombie.kill());
    }

    /// Freezes the process that runs now, as a machine that swaps or is moved does, and returns it; a new one may be
    /// started meanwhile. Call [`TaskGroup::thaw`] some time.
    pub fn freeze(&self) -> Option<TaskGroup> {
        let state = self.lock();
        let running = state.running.clone()?;
        self.world.trace().say(self.name, format_args!("life {} stands still", state.life));
        running.freeze();
        Some(running)
    }

    /// Has another process try to open the log of the one that runs; whether it could. Where none runs it cannot.
    pub fn opens_twice(&self, dir: &str, name: &str, host: &Host) -> bool {
        self.is_up() && !self.disk.is_off() && self.open_log(dir, name, host).is_ok()
    }

    /// Kills the zombies.
    pub fn bury(&self) {
        self.lock().zombies.drain(..).for_each(|zombie| zombie.kill());
    }

    /// Whether a process runs.
    pub fn is_up(&self) -> bool {
        self.lock().running.is_some()
    }

    /// Opens the log in the directory `dir` of the disk. Call it from a task of the process.
    ///
    /// # Errors
    /// A permanent [`Fault`] where it cannot be opened.
    pub fn open_log(&self, dir: &str, name: &str, host: &Host) -> Result<DynEventStore, Fault> {
        let wrong = |error: Box<dyn std::error::Error + Send + Sync>| Fault::permanent("journal", "open", error);
        let log = LogName::parse(name).ok_or_else(|| wrong("not a log's name".into()))?;
        let journal = JournalOptions {
            first_segment_bytes: FIRST_SEGMENT,
            segment_bytes: LARGEST_SEGMENT,
            disk: Arc::clone(&self.mounted),
            workers: Workers::Tasks,
            ..JournalOptions::default()
        };
        let options = EventStoreOptions { journal, ..EventStoreOptions::default() };
        let path: PathBuf = Path::new("/").join(dir);
        let store = JournalEventStore::open(&path, log, options, host).map_err(|error| wrong(error.into()))?;
        let recovery = store.recovery();
        let (end, cut) = (recovery.end, recovery.cut.as_ref().map_or(0, |cut| cut.bytes));
        self.world.trace().say(self.name, format_args!("opens log {name} at {end}, {cut} bytes cut"));
        let store = Arc::new(store);
        self.lock().stores.push(Arc::downgrade(&store));
        Ok(store as Arc<dyn EventStore>)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("name", &self.name).finish_non_exhaustive()
    }
}
