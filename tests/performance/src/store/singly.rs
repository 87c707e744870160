//! Appends of one event at a time.

use std::sync::Arc;
use std::time::Duration;

use madrigal_core::{
    CallContext, EventId, EventType, ExpectedVersion, Host, JsonBytes, NewEvent, StreamName, StreamVersion, tasks,
};
use madrigal_event_store::EventStore;
use serde_json::{Value, json};

use super::Options;
use crate::latency::Latencies;
use crate::report::{Report, check};

/// Events of a stream before the appender begins another.
const PER_STREAM: u64 = 5;

pub(super) async fn measure(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let limit = Duration::from_secs_f64(options.seconds);
    report.line(&format!(
        "{:>9} {:>11} {:>8} {:>8} {:>9} {:>8}",
        "appenders", "events/s", "p50 µs", "p99 µs", "p99.9 µs", "failures"
    ));
    let mut rows = Vec::new();
    for &appenders in &options.appenders {
        let dir = report.dir().join("single");
        let store = super::open(&dir)?;
        let began = tasks::instant();
        let appending: Vec<_> = (0..appenders)
            .map(|appender| {
                let (store, stop) = (Arc::clone(&store), report.stop().clone());
                tasks::spawn("appender", async move {
                    let host = Host::system();
                    let (data, event_type) = small_event()?;
                    let context = CallContext::new(&host);
                    let (mut latencies, mut failures, mut number) = (Latencies::new()?, 0u64, 0);
                    // At least one, however busy the machine.
                    while number == 0 || began.elapsed() < limit {
                        check(&stop)?;
                        let stream = StreamName::new("order", format!("{appender}-{}", number / PER_STREAM))?;
                        let expected = ExpectedVersion::Exact(StreamVersion(number % PER_STREAM));
                        let event = NewEvent::new(EventId::new(&host), event_type.clone(), 1, data.clone(), &context);
                        let call = tasks::instant();
                        match store.append(stream, expected, vec![event]).await {
                            Ok(_) => {
                                latencies.record(call.elapsed());
                                number += 1;
                            }
                            Err(_) => failures += 1,
                        }
                    }
                    anyhow::Ok((latencies, failures))
                })
            })
            .collect();
        let (mut latencies, mut failures) = (Latencies::new()?, 0);
        for appender in appending {
            let (of_one, failed) = appender.await??;
            latencies.add(&of_one)?;
            failures += failed;
        }
        check(report.stop())?;
        let rate = latencies.count() as f64 / began.elapsed().as_secs_f64();
        drop(store);
        std::fs::remove_dir_all(&dir)?;
        report.line(&format!(
            "{appenders:>9} {rate:>11.0} {:>8} {:>8} {:>9} {failures:>8}",
            latencies.micros(0.5),
            latencies.micros(0.99),
            latencies.micros(0.999)
        ));
        rows.push(json!({
            "appenders": appenders, "eventsPerSecond": rate, "failures": failures, "latency": latencies.json(),
        }));
    }
    report.put("appends", Value::Array(rows));
    Ok(())
}

/// An event of some 100 bytes of data.
pub(super) fn small_event() -> anyhow::Result<(JsonBytes, EventType)> {
    let event_type = EventType::parse("StockTaken").ok_or_else(|| anyhow::anyhow!("a type has letters"))?;
    let data = json!({
        "productId": "0198c5a0-77aa-7bbb-8ccc-0123456789ab", "quantity": 2, "amount": 1_299, "reason": "An ordinary sale",
    });
    Ok((JsonBytes::of(&data)?, event_type))
}
