//! The cache on one core: hits beside a bare lookup, with invalidations; the second level; loads.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use madrigal_cache::{Cache, CacheOptions, Change, Loaded, MemoryLevel};
use madrigal_core::host::SeededRandomness;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host, RowVersion};
use madrigal_sqlite::key_value::Versioned;
use madrigal_sqlite::{Database, DatabaseOptions, SqliteKeyValue};
use serde_json::{Value, json};

use crate::report::{Common, Report, Tell, check, count, on_one_thread, some_seconds};

/// How often the clock is looked at: every so many operations.
const ROUND: usize = 1_024;
/// Draws that are made beforehand, and gone through again and again.
const DRAWS: usize = 1 << 20;

/// Reads a cache on one thread, keys drawn by Zipf's law.
///
/// Beside it a map of the standard library and the cache library by itself: what a hit costs without versions, times, counting and
/// the right to be wrong. *Invalidated* means one invalidation with a version for so many reads, of a key by the same law,
/// which the next read of it loads again. In two levels the first one holds a twentieth. The fetcher answers at once. The
/// last line is what a hit saves at least: a row by its key from SQLite, in memory.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How many keys.
    #[arg(long, value_name = "NUMBER", default_value = "100000", value_parser = count)]
    pub keys: u64,
    /// Bytes of a value.
    #[arg(long, value_name = "BYTES", default_value = "500", value_parser = count)]
    pub bytes: u64,
    /// The exponent of Zipf's law; 0 draws evenly.
    #[arg(long, value_name = "NUMBER", default_value = "0.99", value_parser = exponent)]
    pub exponent: f64,
    /// Reads for one invalidation.
    #[arg(long, value_name = "READS", value_delimiter = ',', default_value = "1000,100,10", value_parser = count)]
    pub invalidate: Vec<u64>,
    /// Seconds for each line.
    #[arg(long, default_value = "2", value_parser = some_seconds)]
    pub seconds: f64,
    /// What every benchmark takes.
    #[command(flatten)]
    pub common: Common,
}

fn exponent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(exponent) if (0.0..=3.0).contains(&exponent) => Ok(exponent),
        _ => Err("a number from 0 to 3 is expected".to_owned()),
    }
}

/// Runs it.
///
/// # Errors
/// Where the disk refuses, or [`crate::Interrupted`].
pub async fn run(options: &Options, tell: Tell, stop: &StopSignal) -> anyhow::Result<Value> {
    let settings = json!({
        "keys": options.keys, "bytes": options.bytes, "exponent": options.exponent, "invalidate": options.invalidate,
        "seconds": options.seconds,
    });
    let mut report = Report::begin("cache", &options.common, &settings, "none: a cache", tell, stop)?;
    let (wanted, stop, dir) = (options.clone(), stop.clone(), report.dir().to_path_buf());
    let measured = on_one_thread(move || async move {
        let bench = Bench::new(&wanted, stop)?;
        let mut lines = vec![bench.map()?, bench.library()?, bench.hits().await?];
        for every in &wanted.invalidate {
            lines.push(bench.invalidated(*every).await?);
        }
        lines.extend([bench.second().await?, bench.loads().await?, bench.invalidations(true)?]);
        lines.extend([bench.invalidations(false)?, bench.sqlite(&dir).await?]);
        Ok(lines)
    });
    let measured = measured.await?;
    report.line(&format!("{:<44} {:>12} {:>8} {:>8}", "one thread", "a second", "ns", "hits %"));
    for line in &measured {
        report.line(&format!(
            "{:<44} {:>12.0} {:>8.0} {:>8}",
            line["what"].as_str().unwrap_or_default(),
            line["perSecond"].as_f64().unwrap_or_default(),
            line["nanos"].as_f64().unwrap_or_default(),
            line["hitsPercent"].as_f64().map_or(String::new(), |hits| format!("{hits:.1}")),
        ));
    }
    report.put("lines", json!(measured));
    report.finish()
}

struct Bench {
    keys: Vec<Arc<str>>,
    drawn: Vec<u32>,
    value: Arc<str>,
    limit: Duration,
    host: Host,
    stop: StopSignal,
}

impl Bench {
    fn new(options: &Options, stop: StopSignal) -> anyhow::Result<Self> {
        let host = Host::new(Arc::new(madrigal_core::host::SystemClock), Arc::new(SeededRandomness::new(1)));
        let keys: Vec<Arc<str>> = (0..options.keys).map(|number| format!("product-{number:08}").into()).collect();
        let mut sum = 0.0;
        let sums: Vec<f64> = (1..=options.keys)
            .map(|rank| {
                sum += 1.0 / (rank as f64).powf(options.exponent);
                sum
            })
            .collect();
        let draw = |_| {
            let share = (host.random_u64() >> 11) as f64 / (1u64 << 53) as f64;
            let at = sums.partition_point(|until| *until < share * sum).min(keys.len() - 1);
            u32::try_from(at).map_err(anyhow::Error::from)
        };
        let drawn = (0..DRAWS).map(draw).collect::<Result<_, _>>()?;
        let value = "v".repeat(usize::try_from(options.bytes)?).into();
        let limit = Duration::from_secs_f64(options.seconds);
        Ok(Self { keys, drawn, value, limit, host, stop })
    }

    /// A cache that holds `weight` bytes.
    fn open(&self, weight: u64) -> madrigal_cache::CacheBuilder<Arc<str>> {
        let options = CacheOptions { weight, ..CacheOptions::default() };
        Cache::builder("bench", self.host.clone()).options(options).weigh(|value: &Arc<str>| value.len())
    }

    /// What all keys weigh, and room to spare.
    fn all(&self) -> u64 {
        2 * self.keys.len() as u64 * (self.value.len() as u64 + 400)
    }

    fn fetch(
        &self,
        version: u64,
    ) -> impl FnOnce() -> std::future::Ready<Result<Loaded<Arc<str>>, Fault>> + Send + use<> {
        let value = Arc::clone(&self.value);
        move || std::future::ready(Ok(Loaded::found(RowVersion::new(1, version).ok(), Some(value))))
    }

    async fn filled(&self, cache: &Cache<Arc<str>>) -> anyhow::Result<()> {
        for (number, key) in self.keys.iter().enumerate() {
            cache.get(key, self.fetch(1), Duration::from_secs(86_400)).await?;
            if number.is_multiple_of(ROUND) {
                check(&self.stop)?;
            }
        }
        Ok(())
    }

    /// Does `operation` for drawn keys until the time is over.
    fn measure(&self, what: &str, mut operation: impl FnMut(usize, &Arc<str>)) -> anyhow::Result<Value> {
        let (began, mut done) = (tasks::instant(), 0usize);
        while began.elapsed() < self.limit {
            check(&self.stop)?;
            for _ in 0..ROUND {
                operation(done, &self.keys[self.drawn[done % DRAWS] as usize]);
                done += 1;
            }
        }
        Ok(line(what, done, began.elapsed(), None))
    }

    /// The same for an operation that waits.
    async fn measure_async<'a>(
        &'a self,
        what: &str,
        mut operation: impl AsyncFnMut(usize, &'a Arc<str>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Value> {
        let (began, mut done) = (tasks::instant(), 0usize);
        while began.elapsed() < self.limit {
            check(&self.stop)?;
            for _ in 0..ROUND {
                operation(done, &self.keys[self.drawn[done % DRAWS] as usize]).await?;
                done += 1;
            }
        }
        Ok(line(what, done, began.elapsed(), None))
    }

    fn map(&self) -> anyhow::Result<Value> {
        let map: HashMap<Arc<str>, Arc<Arc<str>>> =
            self.keys.iter().map(|key| (Arc::clone(key), Arc::new(Arc::clone(&self.value)))).collect();
        self.measure("HashMap, nothing else", |_, key| {
            std::hint::black_box(map.get(&**key).cloned());
        })
    }

    fn library(&self) -> anyhow::Result<Value> {
        let library: moka::sync::Cache<Arc<str>, Arc<Arc<str>>> = moka::sync::Cache::new(2 * self.keys.len() as u64);
        for key in &self.keys {
            library.insert(Arc::clone(key), Arc::new(Arc::clone(&self.value)));
        }
        self.measure("moka by itself", |_, key| {
            std::hint::black_box(library.get(&**key));
        })
    }

    async fn hits(&self) -> anyhow::Result<Value> {
        let cache = self.open(self.all()).open();
        self.filled(&cache).await?;
        let operation = async |_, key: &Arc<str>| {
            std::hint::black_box(cache.get(key, self.fetch(1), Duration::from_secs(86_400)).await?);
            Ok(())
        };
        let line = self.measure_async("first level, all hits", operation).await?;
        Ok(self.with_hits(line, &cache))
    }

    async fn invalidated(&self, every: u64) -> anyhow::Result<Value> {
        let cache = self.open(self.all()).open();
        self.filled(&cache).await?;
        let (mut version, every) = (1, usize::try_from(every)?);
        let operation = async |done: usize, key: &Arc<str>| {
            if done.is_multiple_of(every) {
                version += 1;
                let changed = &self.keys[self.drawn[(done + DRAWS / 2) % DRAWS] as usize];
                cache.invalidate_now(&**changed, Change::To(RowVersion::new(1, version)?));
            }
            cache.get(key, self.fetch(version), Duration::from_secs(86_400)).await?;
            Ok(())
        };
        let line = self.measure_async(&format!("first level, 1 invalidated in {every} reads"), operation).await?;
        Ok(self.with_hits(line, &cache))
    }

    /// Both levels; hits are those of the second among what the first one missed.
    async fn second(&self) -> anyhow::Result<Value> {
        let second = MemoryLevel::new(self.host.clone(), usize::try_from(self.all())?, 16_384);
        let small = self.open(self.all() / 40).second(Arc::new(second)).open();
        self.filled(&small).await?;
        let before = small.stats();
        let operation = async |_, key: &Arc<str>| {
            small.get(key, self.fetch(1), Duration::from_secs(86_400)).await?;
            Ok(())
        };
        let mut line = self.measure_async("two levels, a twentieth in the first", operation).await?;
        let stats = small.stats();
        let reads = stats.first_hits + stats.first_misses - before.first_hits - before.first_misses;
        let (first, second) = (stats.first_hits - before.first_hits, stats.second_hits - before.second_hits);
        line["hitsPercent"] = json!(percent(first, reads));
        line["secondHits"] = json!(second);
        line["loads"] = json!(stats.loads - before.loads);
        Ok(line)
    }

    async fn loads(&self) -> anyhow::Result<Value> {
        let cache = self.open(self.all()).open();
        let operation = async |_, key: &Arc<str>| {
            cache.get(key, self.fetch(1), Duration::ZERO).await?;
            Ok(())
        };
        self.measure_async("loads: every read is one, and is kept", operation).await
    }

    fn invalidations(&self, kept: bool) -> anyhow::Result<Value> {
        let cache = self.open(self.all()).open();
        let mut version = 1;
        let what = if kept { "invalidations of what is kept, kept again" } else { "invalidations of what is not kept" };
        self.measure(what, |_, key| {
            version += 1;
            if kept {
                let asking = cache.get(key, self.fetch(version), Duration::from_secs(86_400));
                let _ = futures::FutureExt::now_or_never(asking);
            }
            if let Ok(now) = RowVersion::new(1, version + 1) {
                cache.invalidate_now(&**key, Change::To(now));
            }
        })
    }

    async fn sqlite(&self, dir: &std::path::Path) -> anyhow::Result<Value> {
        let database = Database::open(dir.join("rows.sqlite"), DatabaseOptions::REBUILDABLE).await?;
        let rows = SqliteKeyValue::open(database.clone()).await?;
        let (keys, value) = (self.keys.clone(), self.value.to_string());
        database
            .write("fill", move |tx| {
                for key in &keys {
                    let row = Versioned { version: 1, value: Some(value.clone()) };
                    madrigal_sqlite::key_value::put(tx, key, &row)?;
                }
                Ok(())
            })
            .await?;
        let operation = async |_, key: &Arc<str>| {
            std::hint::black_box(rows.get(key).await?);
            Ok(())
        };
        self.measure_async("SQLite, a row by its key", operation).await
    }

    fn with_hits(&self, mut line: Value, cache: &Cache<Arc<str>>) -> Value {
        let stats = cache.stats();
        // Filling missed once for each key.
        let misses = stats.first_misses - self.keys.len() as u64;
        line["hitsPercent"] = json!(percent(stats.first_hits, stats.first_hits + misses));
        line
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

fn line(what: &str, done: usize, took: Duration, hits: Option<f64>) -> Value {
    let seconds = took.as_secs_f64();
    json!({
        "what": what, "operations": done, "perSecond": done as f64 / seconds, "nanos": seconds * 1e9 / done as f64,
        "hitsPercent": hits,
    })
}
