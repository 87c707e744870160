//! Prices in two levels: a writer who tells the cache, a load that is under way meanwhile, an owner that fails.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use madrigal_cache::{Cache, Change, Loaded, MemoryLevel, Source, Ttl};
use madrigal_core::{Fault, Host, RowVersion, tasks};

/// The owner: prices with their versions.
#[derive(Clone, Default)]
struct Prices(Arc<Mutex<HashMap<String, (u64, u64)>>>);

impl Prices {
    fn set(&self, product: &str, cents: u64) -> Result<RowVersion, Box<dyn Error>> {
        let mut prices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, price) = prices.entry(product.to_owned()).or_default();
        (*version, *price) = (*version + 1, cents);
        Ok(RowVersion::new(1, *version)?)
    }

    fn read(&self, product: &str) -> Result<Loaded<u64>, Fault> {
        let prices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((version, cents)) = prices.get(product) else { return Ok(Loaded::absent()) };
        let version = RowVersion::new(1, *version).map_err(|error| Fault::permanent("prices", "read", error))?;
        Ok(Loaded::versioned(version, *cents))
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let (host, prices) = (Host::system(), Prices::default());
    let second = Arc::new(MemoryLevel::new(host.clone(), 1024 * 1024, 1_000));
    let cache: Cache<u64> = Cache::builder("prices", host).second(second).open();
    let ttl = Ttl::of(Duration::from_secs(60));
    let read = |product: &'static str| {
        let prices = prices.clone();
        move || async move { prices.read(product) }
    };

    prices.set("lute", 120_000)?;
    let first = cache.get("lute", read("lute"), ttl).await?;
    let again = cache.get("lute", read("lute"), ttl).await?;
    println!("from {:?}, then from {:?}", first.from, again.from);

    // A load that read the old price, and is still on its way while the price changes.
    let slow = {
        let prices = prices.clone();
        move || async move {
            let old = prices.read("viol");
            tasks::sleep(Duration::from_millis(20)).await;
            old
        }
    };
    prices.set("viol", 90_000)?;
    let change = async {
        tokio::task::yield_now().await;
        let version = prices.set("viol", 95_000)?;
        // After the commit, before anybody is told of it.
        cache.invalidate("viol", Change::To(version)).await?;
        Ok::<_, Box<dyn Error>>(())
    };
    let (asked_before, changed) = tokio::join!(cache.get("viol", slow, ttl), change);
    changed?;
    let after = cache.get("viol", read("viol"), ttl).await?;
    println!("asked before: {:?}; after: {:?}", asked_before?.value, after.value);
    assert_eq!(after.value.as_deref(), Some(&95_000));

    // The events may have had a gap; now the owner fails as well.
    cache.age_all();
    let failing = || async { Err(Fault::not_applied("prices", "read", "no answer")) };
    let served = cache.get("viol", failing, ttl).await?;
    assert_eq!(served.from, Source::Stale);
    println!("on failure: {:?} ({:?}); {:?}", served.value, served.from, cache.stats());
    Ok(())
}
